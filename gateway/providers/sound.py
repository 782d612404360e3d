"""Speech being passed on: the provider's bytes as they come, once it is sure that they are sound.

Providers answer errors in JSON although sound was asked for, and proxies answer HTML, some with status 200:
nothing of such a body reaches the caller.
"""

from collections.abc import Callable

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.types import Reply, Usage

CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_MAX_PROBLEM = 64 * 1024  # bytes kept of a body that is no sound
_NO_SOUND = ("application/json", "application/problem+json", "text/")


class SoundStream:
    """One spoken answer. `explain` makes a failure of a body that is no sound."""

    __slots__ = ("_explain", "_problem", "content_type", "model", "output_bytes", "started", "usage")

    def __init__(self, format: str, usage: Usage, reply: Reply, explain: Callable[[bytes], Failure]) -> None:
        self.content_type = CONTENT_TYPES[format]
        self.started = False
        self.usage: Usage | None = usage
        self.model = ""
        self.output_bytes = 0
        self._explain = explain
        is_sound = not reply.headers.get("content-type", "").lower().startswith(_NO_SOUND)
        self._problem = None if is_sound else bytearray()

    def feed(self, data: bytes) -> bytes:
        """Return the bytes as they are if they are sound, else nothing."""
        if self._problem is not None:
            self._problem += data[: _MAX_PROBLEM - len(self._problem)]
            return b""
        self.started = self.started or bool(data)
        self.output_bytes += len(data)
        return data

    def finish(self) -> bytes:
        """The provider ended the body. Raises ProviderFailure when no sound came."""
        if self._problem is not None:
            raise ProviderFailure(self._explain(bytes(self._problem)))
        if not self.started:
            raise ProviderFailure(Failure(FailureClass.SERVER_ERROR, "The provider sent no sound."))
        return b""
