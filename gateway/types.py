"""The nouns of the data path. Plain, frozen, without Django and without I/O.

What is made for each request is a msgspec.Struct, a tenth of the cost of a frozen dataclass; what is made
when a snapshot is built is a dataclass.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from axiom.lib.redaction import Secret

if TYPE_CHECKING:
    from gateway.providers.base import Adapter


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one answer in disjoint buckets; `reasoning` is the part of `output` spent on thinking.

    `input` excludes cache reads and writes. `cost_usd` is the provider's own figure in USD, as text, where it
    reports one.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    audio: int = 0
    cost_usd: str | None = None


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


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """What an adapter needs of a credential to make its Connection."""

    provider: str
    base_url: str
    secret: Secret | None
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """A credential made ready once, when the snapshot is built: addresses and headers, the key included.

    `options` holds what else an adapter prepared for itself. `headers` are sent with every request.
    """

    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    chat_url: str = ""
    embeddings_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


class WireRequest(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request to a provider. `dropped` and `adjusted` are OpenAI field names, sorted."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dropped: tuple[str, ...] = ()
    adjusted: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show neither the key nor what the caller wrote."""
        return f"WireRequest(url={self.url!r})"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A whole answer in OpenAI's shape: the bytes for the caller and what they cost."""

    body: bytes
    usage: Usage | None
    model: str  # as the provider names what ran


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
