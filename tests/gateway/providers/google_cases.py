"""The samples of Google's two providers: one case a file in tests/wire/gemini and tests/wire/vertex."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from axiom.lib.redaction import Secret
from gateway.providers.base import Adapter
from gateway.providers.registry import ADAPTERS
from gateway.types import Connection, CredentialSettings, EmbeddingsRequest, Reply, WireRequest
from tests.gateway.providers.samples import WIRE, chat_request_of, embeddings_request_of

MADE_ID = re.compile(r"call_ANY\d+")
ABSENT_WHEN_NULL = ("refusal", "logprobs", "usage", "param", "tool_calls")
GEMINI_KEY = "FAKE-GEMINI-KEY"
TOKEN = "FAKE-OAUTH-TOKEN"


@dataclass(frozen=True)
class Case:
    """One sample."""

    provider: str
    name: str
    data: dict[str, Any]

    @property
    def adapter(self) -> Adapter:
        return ADAPTERS[self.provider]

    @property
    def request(self) -> Any:
        body = self.data["openai_request"]
        return embeddings_request_of(body) if self.data["kind"] == "embeddings" else chat_request_of(body)

    @property
    def model(self) -> str:
        return str(self.data["openai_request"]["model"])

    @property
    def stream(self) -> bytes:
        return (WIRE / self.provider / str(self.data["wire_stream_file"])).read_bytes()

    @property
    def reply(self) -> Reply:
        """The provider's answer, with the notes of our own request."""
        wire = self.data["wire_response"]
        body = json.dumps(wire["body"]).encode() if "body" in wire else b""
        return Reply(body, wire["headers"], build(self).notes)

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"


def cases(*kinds: str, providers: tuple[str, ...] = ("gemini", "vertex"), prefix: str = "") -> list[Case]:
    """Every case of the kinds."""
    found = []
    for provider in providers:
        for path in sorted((WIRE / provider).glob(f"{prefix}*.json")):
            data = json.loads(path.read_text())
            if data.get("kind", "errors") in kinds:
                found.append(Case(provider, path.stem, data))
    assert found
    return found


def case(provider: str, name: str) -> Case:
    """One case by its name."""
    return Case(provider, name, json.loads((WIRE / provider / f"{name}.json").read_text()))


def gemini_connection(
    base_url: str = "https://generativelanguage.googleapis.com", **config: Any
) -> Connection:
    """A connection to Gemini's own API."""
    settings = CredentialSettings("gemini", base_url, Secret(GEMINI_KEY), config)
    return ADAPTERS["gemini"].connect(settings)


def connection_of(each: Case) -> Connection:
    """The connection whose address a case's wire request has."""
    if each.provider == "gemini":
        return gemini_connection()
    location = urlsplit(each.data["wire_request"]["url"]).path.split("/")[5]
    config = {"project": "proj-fake", "location": location, "authentication": "metadata"}
    return ADAPTERS["vertex"].connect(
        CredentialSettings("vertex", "https://aiplatform.googleapis.com", None, config)
    )


def build(each: Case) -> WireRequest:
    """Our own request for a case."""
    request, connection, adapter = each.request, connection_of(each), each.adapter
    if isinstance(request, EmbeddingsRequest):
        assert adapter.build_embeddings is not None
        return adapter.build_embeddings(request, connection, each.model)
    assert adapter.build_chat is not None
    return adapter.build_chat(request, connection, each.model)


def same(found: Any, expected: Any, ids: dict[str, str] | None = None) -> bool:
    """Compare as the samples ask for: made-up ids are free, and null is absent for some names."""
    ids = {} if ids is None else ids
    if isinstance(expected, dict) and isinstance(found, dict):
        return _same_members(_stripped(found), _stripped(expected), ids)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(lambda a, b: same(a, b, ids), found, expected))
    if isinstance(expected, str) and MADE_ID.fullmatch(expected):
        fits = (
            isinstance(found, str) and found.startswith("call_") and ids.setdefault(expected, found) == found
        )
        return fits and len(set(ids.values())) == len(ids)
    return type(found) is type(expected) and bool(found == expected)


def _same_members(found: dict[str, Any], expected: dict[str, Any], ids: dict[str, str]) -> bool:
    if found.keys() != expected.keys():
        return False
    return all(name == "created" or same(found[name], expected[name], ids) for name in expected)


def _stripped(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if not (name in ABSENT_WHEN_NULL and item is None)}
