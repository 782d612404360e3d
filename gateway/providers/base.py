"""What every provider adapter is: a frozen record of pure functions.

No function here or in an adapter does I/O, reads the clock or draws random numbers, changes its input, or
retries. A capability that a provider lacks is a field left None, not a stub.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import Failure
from gateway.types import (
    Amendment,
    Answer,
    ChatRequest,
    Connection,
    CredentialSettings,
    EmbeddingsRequest,
    ListedModel,
    Reply,
    Request,
    SpeechRequest,
    TranscriptionRequest,
    Usage,
    WireRequest,
)


class ChatStream(Protocol):
    """One streamed answer being translated: provider bytes in, `data:` frames in OpenAI's shape out."""

    started: bool  # an event that carries content (text, reasoning, a tool call) or the end has been seen
    usage: Usage | None  # the last figures the provider gave
    model: str  # as the provider names what ran; empty until known
    output_bytes: int  # UTF-8 bytes of text, reasoning and tool arguments so far: the base of an estimate

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, cut anywhere; return whole frames for the caller, maybe none.

        Raises ProviderFailure when an event reports an error or cannot be read.
        """

    def finish(self) -> bytes:
        """The provider ended the body: return the closing frames, `data: [DONE]` last.

        Raises ProviderFailure when the stream was not complete.
        """


class SpeechStream(Protocol):
    """One spoken answer being passed on: provider bytes in, bytes of `content_type` out."""

    content_type: str
    started: bool  # sound has come
    usage: Usage | None
    model: str  # as the provider names what ran; empty where it doesn't
    output_bytes: int  # of sound so far

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return those for the caller, maybe none.

        Raises ProviderFailure when the provider reports an error.
        """

    def finish(self) -> bytes:
        """The provider ended the body: return what is left for the caller.

        Raises ProviderFailure when no sound came, or an error in its place.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A provider family's translator. The three chat functions are there together, or none is.

    connect(settings) is called when a snapshot is built; everything that can be done once is done there.
    build_* raise ProviderFailure (class unsupported) for what the provider cannot do.
    parse_* raise ProviderFailure for an error inside a 200 or an unreadable body.
    open_speech(request, reply) is given the headers of a 2xx: sound, or an error in JSON all the same.
    parse_error(status, headers, body): headers are lower-cased; never raises.
    build_models(connection) asks for the provider's model list (a GET); absent where it has none that tells
    what a credential may call. known_models stand in for a list that cannot be had. build_voices(connection)
    asks for the voices of a credential, where each has its own.
    amend(request, wire, failure) is told why a request was refused, and may give another one for the same
    target, to be sent once. apply_lesson(request, wire, lesson) does to a fresh request what an earlier
    amendment's lesson asks for. Both are there, or neither; either may raise ProviderFailure.
    """

    slug: str
    connect: Callable[[CredentialSettings], Connection]
    parse_error: Callable[[int, Mapping[str, str], bytes], Failure]
    build_chat: Callable[[ChatRequest, Connection, str], WireRequest] | None = None
    parse_chat: Callable[[ChatRequest, Reply], Answer] | None = None
    open_chat_stream: Callable[[ChatRequest, Reply], ChatStream] | None = None
    build_embeddings: Callable[[EmbeddingsRequest, Connection, str], WireRequest] | None = None
    parse_embeddings: Callable[[EmbeddingsRequest, Reply], Answer] | None = None
    build_speech: Callable[[SpeechRequest, Connection, str], WireRequest] | None = None
    open_speech: Callable[[SpeechRequest, Reply], SpeechStream] | None = None
    build_transcription: Callable[[TranscriptionRequest, Connection, str], WireRequest] | None = None
    parse_transcription: Callable[[TranscriptionRequest, Reply], Answer] | None = None
    known_voices: tuple[str, ...] = ()  # where every credential has the same
    build_voices: Callable[[Connection], WireRequest] | None = None
    parse_voices: Callable[[Reply], tuple[str, ...]] | None = None
    build_models: Callable[[Connection], WireRequest] | None = None
    parse_models: Callable[[Reply], tuple[ListedModel, ...]] | None = None
    known_models: tuple[ListedModel, ...] = ()
    amend: Callable[[Request, WireRequest, Failure], Amendment | None] | None = None
    apply_lesson: Callable[[Request, WireRequest, str], WireRequest] | None = None
