"""The recorded cases of tests/wire/<provider>/*.json, and how what we make is held against them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axiom.lib.redaction import Secret
from credentials.kinds import KINDS
from gateway.errors import FAILURES, ProviderFailure
from gateway.providers.base import Adapter
from gateway.providers.registry import ADAPTERS
from gateway.types import Connection, CredentialSettings, WireRequest
from tests.gateway.providers.samples import WIRE

_MAY_BE_NULL = frozenset({"refusal", "logprobs", "usage", "param"})


@dataclass(frozen=True)
class Case:
    """One case of a file."""

    slug: str
    name: str
    about: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.about["kind"])

    @property
    def stream(self) -> bytes:
        return (self.folder / str(self.about["wire_stream_file"])).read_bytes()

    @property
    def folder(self) -> Path:
        return WIRE / self.slug

    @property
    def answer(self) -> bytes:
        return json.dumps(self.about["wire_response"]["body"]).encode()

    def __str__(self) -> str:
        return self.name


def cases(slug: str, *kinds: str) -> list[Case]:
    """Return a provider's cases of these kinds."""
    found = []
    for path in sorted((WIRE / slug).glob("*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["kind"] in kinds:
            found.append(Case(slug, path.stem, about))
    assert found, f"no {kinds} in {slug}"
    return found


def connection_to(slug: str, key: str, **config: Any) -> Connection:
    """Return a connection to the provider's own address."""
    return ADAPTERS[slug].connect(CredentialSettings(slug, KINDS[slug].base_url, Secret(key), config))


def check_wire_request(wire: WireRequest, about: dict[str, Any]) -> None:
    """Hold a request against the case's."""
    expected = about["wire_request"]
    headers = {name.lower(): value for name, value in wire.headers}
    assert (wire.method, wire.url) == (expected["method"], expected["url"])
    for name, value in expected["headers"].items():
        assert headers.get(name.lower()) == value, name
    assert json.loads(wire.body) == expected["body"]
    assert list(wire.dropped) == about.get("dropped_params", [])
    assert list(wire.adjusted) == about.get("adjusted_params", [])


def check_answer(body: bytes, expected: dict[str, Any]) -> None:
    """Hold an answer of ours against the case's."""
    found = json.loads(body)
    if "created" in expected:
        assert type(found["created"]) is int
        expected = {**expected, "created": found["created"]}
    assert _without_nulls(found) == _without_nulls(expected)


def check_chunks(output: bytes, expected: list[dict[str, Any]], *, is_joined: bool = False) -> None:
    """Hold our chunks, [DONE] apart, against the case's. `is_joined`: text may be cut elsewhere."""
    frames = [frame.removeprefix(b"data: ") for frame in output.split(b"\n\n")[:-1]]
    found = [json.loads(frame) for frame in frames if frame != b"[DONE]"]
    for chunk in found:
        assert type(chunk.pop("created")) is int
    wanted = [{name: value for name, value in chunk.items() if name != "created"} for chunk in expected]
    if is_joined:
        found, wanted = _joined(found), _joined(wanted)
    assert [_without_nulls(chunk) for chunk in found] == [_without_nulls(chunk) for chunk in wanted]


def check_error(adapter: Adapter, entry: dict[str, Any]) -> None:
    """Compare what an adapter makes of a recorded error with what the sample expects of it."""
    wire, expected = entry["wire"], entry["expect"]
    body = wire["body"] if isinstance(wire["body"], str) else json.dumps(wire["body"])
    failure = adapter.parse_error(wire["status"], wire["headers"], body.encode())
    rule = FAILURES[failure.kind]
    assert (failure.kind, rule.status) == (expected["class"], expected["http_status"])
    assert rule.falls_back == (expected["fallback"] == "yes")
    assert rule.credential_fault == expected["credential_fault"]
    assert failure.retry_after == expected["retry_after_seconds"]
    assert json.loads(ProviderFailure(failure).body()) == expected["openai_body"]


def cuts(raw: bytes) -> Iterator[list[int]]:
    """Yield the ways to cut a body: not at all, after every byte, at random."""
    yield []
    yield list(range(1, len(raw)))
    for seed in range(5):
        places = random.Random(seed)
        yield sorted(places.randrange(1, len(raw)) for _ in range(places.randrange(1, 40)))


def _joined(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the chunks with neighbouring text deltas made one."""
    joined: list[dict[str, Any]] = []
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
        last = joined[-1]["choices"][0]["delta"] if joined and joined[-1]["choices"] else {}
        name = next(iter(delta), "")
        if name in ("content", "reasoning_content") and delta.keys() == last.keys() == {name}:
            last[name] += delta[name]
        else:
            joined.append(json.loads(json.dumps(chunk)))
    return joined


def _without_nulls(value: Any) -> Any:
    """Return a JSON value without the members for which null and absent are the same."""
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_nulls(each)
        for name, each in value.items()
        if each is not None or name not in _MAY_BE_NULL
    }
