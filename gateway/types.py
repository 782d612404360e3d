"""The nouns of the data path. Plain, frozen, without Django and without I/O.

What is made for each request is a msgspec.Struct, a tenth of the cost of a frozen dataclass; what is made
when a snapshot is built is a dataclass.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from axiom.lib.redaction import Secret

if TYPE_CHECKING:
    from gateway.providers.base import Adapter


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one answer in disjoint buckets; `reasoning` is the part of `output` spent on thinking.

    `input` excludes cache reads and writes. `cost_usd` is the provider's own figure in USD, as text, where it
    reports one. Audio has units of its own: `characters` that were spoken, `seconds` that were listened to.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    audio: int = 0
    cost_usd: str | None = None
    characters: int = 0
    seconds: float = 0.0


class ChatRequest(msgspec.Struct, frozen=True, gc=False):
    """A chat request as the caller sent it. `raw` is never changed: a translation makes its own bytes."""

    raw: bytes
    model: str
    stream: bool
    include_usage: bool
    request_id: str
    received_at: int  # seconds since the epoch


class EmbeddingsRequest(msgspec.Struct, frozen=True, gc=False):
    """An embeddings request as the caller sent it; `base64`: the caller asked for packed floats."""

    raw: bytes
    model: str
    base64: bool
    request_id: str
    received_at: int  # seconds since the epoch


class SpeechRequest(msgspec.Struct, frozen=True, gc=False):
    """A text to be spoken, as the caller sent it. `format` is one of the gateway's audio formats."""

    raw: bytes
    model: str
    characters: int  # of the text
    format: str
    events: bool  # the caller wants server-sent events in place of the bare bytes
    request_id: str
    received_at: int  # seconds since the epoch


class UploadContent(Protocol):
    """The bytes of an uploaded file, wherever they are; they can be read as often as needed."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on, nothing at the end."""

    def close(self) -> None:
        """Give up what is stored."""


class Upload(msgspec.Struct, frozen=True, gc=False):
    """A file that a caller sent. `content_type` is the caller's word for it; `size` in bytes."""

    filename: str
    content_type: str
    size: int
    content: UploadContent

    def __repr__(self) -> str:
        """Show nothing that the caller wrote."""
        return f"Upload(size={self.size})"


class Form(msgspec.Struct, frozen=True, gc=False):
    """A form as it was read: its fields in order, names as sent, and its file. Close it."""

    fields: tuple[tuple[str, str], ...]
    upload: Upload | None

    def close(self) -> None:
        """Give up the file."""
        if self.upload is not None:
            self.upload.content.close()


class TranscriptionRequest(msgspec.Struct, frozen=True, gc=False):
    """Speech to be written down, as the caller sent it. `format` is OpenAI's response_format."""

    fields: tuple[tuple[str, str], ...]  # in order, names as sent
    upload: Upload
    model: str
    format: str
    request_id: str
    received_at: int  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """What an adapter needs of a credential to make its Connection.

    `token_hosts`: where the operator allows secrets to be exchanged, beside the vendors' own addresses.
    """

    provider: str
    base_url: str
    secret: Secret | None
    config: Mapping[str, Any]
    token_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """Short-lived authority that a credential was exchanged for. `expires_at`: seconds since the epoch."""

    value: Any = field(repr=False)  # what the adapter's `authorize` puts into requests
    expires_at: float


def is_unauthorized(status: int, headers: Mapping[str, str]) -> bool:
    """Tell whether an answer refuses a token, as most providers do it."""
    del headers
    return status == 401


@dataclass(frozen=True, slots=True)
class TokenSource:
    """How a credential gets a Token: one HTTP request, or a file that something else keeps fresh.

    `build(now)` returns the request; `parse(status, body, now)` reads the answer and raises ProviderFailure.
    With a `path`, the file's bytes are parsed as a body of status 200. `key`: tokens are kept by it, so that
    a new snapshot needs no new ones; it is another one for another secret. Empty: kept by the connection.
    `is_refusal(status, headers)`: an answer says that the token is no longer good.
    """

    parse: Callable[[int, bytes, float], Token] = field(repr=False)
    build: Callable[[float], "WireRequest"] | None = field(default=None, repr=False)
    path: str = ""
    key: str = field(default="", repr=False)
    is_refusal: Callable[[int, Mapping[str, str]], bool] = field(default=is_unauthorized, repr=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """A credential made ready once, when the snapshot is built: addresses and headers, the key included.

    `options` holds what else an adapter prepared for itself. `headers` are sent with every request.
    `authorize(wire, token, now)` signs a request or puts a token into it, where headers alone don't do;
    `token_source` says how the token is got. `now` is in seconds since the epoch.
    """

    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    chat_url: str = ""
    embeddings_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    authorize: "Callable[[WireRequest, Token | None, float], WireRequest] | None" = field(
        default=None, repr=False
    )
    token_source: TokenSource | None = None


Request = ChatRequest | EmbeddingsRequest | SpeechRequest | TranscriptionRequest
PIECE_BYTES = 64 * 1024


class MultipartBody(msgspec.Struct, frozen=True, gc=False):
    """A body of form fields and a file, never whole in memory: `head`, then the file, then `tail`."""

    content_type: str  # with the boundary
    head: bytes
    upload: Upload
    tail: bytes

    @property
    def size(self) -> int:
        """The length of the body in bytes."""
        return len(self.head) + self.upload.size + len(self.tail)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body from its beginning, in pieces of at most PIECE_BYTES, the head apart."""
        yield self.head
        for offset in range(0, self.upload.size, PIECE_BYTES):
            yield self.upload.content.read(offset, PIECE_BYTES)
        yield self.tail


class WireRequest(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request to a provider. `dropped` and `adjusted` are OpenAI field names, sorted.

    With `upload`, that is the body, and its content type is not among the headers. `more` are further
    requests that belong to this one: their answers are in `Reply.more`, in the same order.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dropped: tuple[str, ...] = ()
    adjusted: tuple[str, ...] = ()
    method: str = "POST"
    notes: Any = None  # what the translator wants to know again when the answer comes
    upload: MultipartBody | None = None
    more: "tuple[WireRequest, ...]" = ()

    def __repr__(self) -> str:
        """Show neither the key nor what the caller wrote."""
        return f"WireRequest(url={self.url!r})"


class Amendment(msgspec.Struct, frozen=True, gc=False):
    """The second and last try of a request that a provider refused.

    `lesson` names what to do at once the next time with this credential and model; empty: it was of this
    request only.
    """

    wire: WireRequest
    lesson: str = ""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A provider's 2xx answer: `body` is empty where it is streamed. `notes` are those of the WireRequest."""

    body: bytes = b""
    headers: Mapping[str, str] = {}  # names lower-cased
    notes: Any = None
    more: "tuple[Reply, ...]" = ()


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer in OpenAI's shape: the bytes for the caller and what they cost."""

    body: bytes
    usage: Usage | None
    model: str  # as the provider names what ran; empty where it doesn't
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One entry of a provider's model list.

    `surfaces` are the endpoints it serves, empty where the provider doesn't say. `created`: seconds since the
    epoch, 0 where unknown.
    """

    id: str
    surfaces: tuple[str, ...] = ()
    display_name: str = ""
    created: int = 0
    voices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A credential as the data path sees it, complete with its connection."""

    credential_id: int
    name: str
    provider: str
    adapter: "Adapter" = field(repr=False)
    connection: Connection = field(repr=False)
    models: frozenset[str]
    weight: float
    team_ids: frozenset[int] = frozenset()
    user_ids: frozenset[int] = frozenset()
    response_headers: tuple[tuple[bytes, bytes], ...] = ()

    def visible_to(self, caller: "Caller") -> bool:
        """Tell whether the caller may use it: everybody, unless it is kept for some teams or users."""
        if not self.team_ids and not self.user_ids:
            return True
        return caller.user_id in self.user_ids or not self.team_ids.isdisjoint(caller.team_ids)


@dataclass(frozen=True, slots=True)
class OrganizationSnapshot:
    """What the data path knows of an organization, as of one version. Never changed, only replaced.

    `by_model` maps a model name to its provider+model groups, in the order in which they are tried;
    `by_provider` holds all usable targets of a provider.
    """

    id: int
    slug: str
    version: int
    targets: tuple[Target, ...]
    by_model: Mapping[str, tuple[tuple[Target, ...], ...]]
    by_provider: Mapping[str, tuple[Target, ...]]


class Step(msgspec.Struct, frozen=True, gc=False):
    """One entry of a plan: a target and the model to ask it for."""

    target: Target
    model: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is: the token's identity and limits. `expires_at` is in seconds since the epoch."""

    token_id: int
    token_name: str
    organization_id: int
    organization_slug: str
    team_id: int | None
    team_ids: frozenset[int]  # the token's team, else all teams of its user
    user_id: int | None
    user_label: str
    scopes: frozenset[str]
    allowed_models: re.Pattern[str] | None  # None: every model
    expires_at: float | None

    def may_use(self, model: str) -> bool:
        """Tell whether the token's allow-list has the model."""
        return self.allowed_models is None or self.allowed_models.fullmatch(model) is not None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one upstream call, each in seconds. `total` spans all attempts of a request."""

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 60.0
    total: float = 600.0
