"""What every provider adapter is: a frozen record of pure functions.

No function here or in an adapter does I/O, reads the clock or draws random numbers, changes its input, or
retries. A capability that a provider lacks is a field left None, not a stub.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import Failure
from gateway.types import (
    Answer,
    ChatRequest,
    Connection,
    CredentialSettings,
    EmbeddingsRequest,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A provider family's translator.

    connect(settings) is called when a snapshot is built; everything that can be done once is done there.
    build_* raise ProviderFailure (class unsupported) for what the provider cannot do.
    parse_* raise ProviderFailure for an error inside a 200 or an unreadable body.
    parse_error(status, headers, body): headers are lower-cased; never raises.
    """

    slug: str
    connect: Callable[[CredentialSettings], Connection]
    build_chat: Callable[[ChatRequest, Connection, str], WireRequest]
    parse_chat: Callable[[ChatRequest, bytes], Answer]
    open_chat_stream: Callable[[ChatRequest], ChatStream]
    parse_error: Callable[[int, Mapping[str, str], bytes], Failure]
    build_embeddings: Callable[[EmbeddingsRequest, Connection, str], WireRequest] | None = None
    parse_embeddings: Callable[[EmbeddingsRequest, bytes], Answer] | None = None
