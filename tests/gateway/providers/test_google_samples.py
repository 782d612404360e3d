"""Every recorded case of Gemini and Vertex AI: requests, answers, streams, errors, refusals."""

import json
import random
from typing import Any

import pytest

from gateway.errors import FAILURES, ProviderFailure
from gateway.providers.base import ChatStream
from gateway.types import Token
from tests.gateway.providers.google_cases import (
    MADE_ID,
    TOKEN,
    Case,
    build,
    case,
    cases,
    connection_of,
    gemini_connection,
    same,
)
from tests.gateway.providers.samples import WIRE, chat_request_of, hear, open_chat_stream, replay

CHATS = cases("chat", "chat_stream")
STREAMS = cases("chat_stream")
WHOLE = [each for each in STREAMS if "stream_error" not in each.data]
BROKEN = [each for each in STREAMS if "stream_error" in each.data]
ERRORS = [(each, error) for each in cases("errors") for error in each.data["errors"]]
by_name = pytest.mark.parametrize("each", CHATS, ids=str)
streams = pytest.mark.parametrize("each", WHOLE, ids=str)


def opened(each: Case) -> ChatStream:
    return open_chat_stream(each.adapter, each.request, each.reply)


def cut_at(raw: bytes, seed: int) -> list[int]:
    return sorted(random.Random(seed).sample(range(1, len(raw)), 12))


def read_to_the_end(stream: ChatStream, raw: bytes, edges: list[int], frames: list[bytes]) -> None:
    for start, end in zip([0, *edges], [*edges, len(raw)], strict=True):
        frames.append(stream.feed(raw[start:end]))
    frames.append(stream.finish())


@pytest.mark.parametrize("each", [*CHATS, *cases("embeddings")], ids=str)
def test_a_request_is_what_the_sample_sends(each: Case) -> None:
    wire, expected = build(each), each.data["wire_request"]
    connection = connection_of(each)
    if connection.authorize is not None:
        wire = connection.authorize(wire, Token(TOKEN, 0.0), 0.0)
    assert (wire.method, wire.url) == (expected["method"], expected["url"])
    assert expected["headers"].items() <= dict(wire.headers).items()
    assert same(json.loads(wire.body), expected["body"])
    assert list(wire.dropped) == each.data["dropped_params"]
    assert list(wire.adjusted) == each.data.get("adjusted_params", [])


@pytest.mark.parametrize("each", [each for each in CHATS if each.data["kind"] == "chat"], ids=str)
def test_an_answer_is_what_the_sample_expects(each: Case) -> None:
    assert each.adapter.parse_chat is not None
    found = json.loads(each.adapter.parse_chat(each.request, each.reply).body)
    assert same(found, each.data["openai_response"]), found


@pytest.mark.parametrize("each", cases("embeddings"), ids=str)
def test_embeddings_are_what_the_sample_expects(each: Case) -> None:
    assert each.adapter.parse_embeddings is not None
    found = json.loads(each.adapter.parse_embeddings(each.request, each.reply).body)
    assert same(found, each.data["openai_response"]), found


@streams
def test_a_stream_is_what_the_sample_expects(each: Case) -> None:
    output = replay(opened(each), each.stream)
    assert hear(output).done
    chunks = [json.loads(frame[6:]) for frame in output.split(b"\n\n")[:-2]]
    assert same(chunks, each.data["openai_chunks"]), chunks


@streams
def test_a_stream_is_the_same_however_it_is_cut(each: Case) -> None:
    whole = replay(opened(each), each.stream)
    assert replay(opened(each), each.stream, range(1, len(each.stream))) == whole
    for seed in range(20):
        assert replay(opened(each), each.stream, cut_at(each.stream, seed)) == whole


@streams
def test_a_stream_that_breaks_off_never_ends_cleanly(each: Case) -> None:
    raw = each.stream.rstrip()
    for length in range(0, len(raw), 3):
        with pytest.raises(ProviderFailure):
            replay(opened(each), raw[:length])


@pytest.mark.parametrize("each", BROKEN, ids=str)
@pytest.mark.parametrize("cuts", ["whole", "bytes", "random"])
def test_an_error_in_a_stream_comes_after_what_was_sent(each: Case, cuts: str) -> None:
    stream, raw = opened(each), each.stream
    edges = {"whole": [], "bytes": list(range(1, len(raw))), "random": cut_at(raw, 7)}[cuts]
    frames: list[bytes] = []
    with pytest.raises(ProviderFailure) as caught:
        read_to_the_end(stream, raw, edges, frames)
    output = b"".join(frames)
    chunks = [json.loads(frame[6:]) for frame in output.split(b"\n\n")[:-1]]
    assert same(chunks, each.data["openai_chunks"])
    assert stream.started
    assert stream.usage is not None
    assert caught.value.failure.kind.value == each.data["stream_error"]["class"]
    assert json.loads(caught.value.body()) == each.data["stream_error"]["openai_body"]


@pytest.mark.parametrize(
    ("each", "error"), ERRORS, ids=lambda item: str(item) if isinstance(item, Case) else item["name"]
)
def test_an_error_is_classed_as_the_sample_says(each: Case, error: dict[str, Any]) -> None:
    wire, expected = error["wire"], error["expect"]
    failure = each.adapter.parse_error(wire["status"], wire["headers"], json.dumps(wire["body"]).encode())
    assert failure.kind.value == expected["class"]
    assert failure.upstream_status == wire["status"]
    assert failure.retry_after == expected["retry_after_seconds"]
    answer = ProviderFailure(failure)
    assert answer.status == expected["http_status"]
    assert json.loads(answer.body()) == expected["openai_body"]
    rule = FAILURES[failure.kind]
    assert rule.falls_back == (expected["fallback"] == "yes")
    assert rule.credential_fault == expected["credential_fault"]


@pytest.mark.parametrize(
    "item",
    case("gemini", "unsupported").data["items"],
    ids=lambda item: str(item["expect"]["openai_error"]["param"]),
)
@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_what_gemini_cannot_do_is_refused_before_any_call(provider: str, item: dict[str, Any]) -> None:
    each = Case(
        provider,
        "unsupported",
        {"kind": "chat", "wire_request": {"url": "https://x/v1/projects/p/locations/global/"}, **item},
    )
    with pytest.raises(ProviderFailure) as caught:
        build(each)
    failure, expected = caught.value, item["expect"]
    assert failure.failure.kind.value == expected["class"]
    assert failure.status == expected["http_status"]
    assert {"type": failure.type, "code": failure.code, "param": failure.param} == expected["openai_error"]


@pytest.mark.parametrize(
    "variant",
    case("gemini", "14_tool_choice_forms").data["variants"],
    ids=lambda item: json.dumps(item["openai"]),
)
def test_the_forms_of_tool_choice(variant: dict[str, Any]) -> None:
    tools = case("gemini", "03_tools_call").data["openai_request"]["tools"]
    body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "x"}], "tools": tools}
    request = chat_request_of(body | variant["openai"])
    adapter = cases("chat", providers=("gemini",))[0].adapter
    assert adapter.build_chat is not None
    wire = adapter.build_chat(request, gemini_connection(), "gemini-2.5-flash")
    found = json.loads(wire.body)
    assert {name: found[name] for name in ("toolConfig",) if name in found} == variant["wire"]
    assert wire.dropped == (("parallel_tool_calls",) if "parallel_tool_calls" in variant["openai"] else ())


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_no_sample_is_forgotten(provider: str) -> None:
    known = {
        each.name
        for each in cases(
            "chat",
            "chat_stream",
            "embeddings",
            "errors",
            "table",
            "oauth",
            "variants",
            "unsupported_list",
            providers=(provider,),
        )
    }
    streamed = {each.data["wire_stream_file"] for each in STREAMS if each.provider == provider}
    found = {path.name for path in (WIRE / provider).iterdir()}
    assert found == {f"{name}.json" for name in known} | streamed


@by_name
def test_the_callers_request_is_not_changed(each: Case) -> None:
    request = each.request
    before = bytes(request.raw)
    first, second = build(each), build(each)
    assert request.raw == before
    assert first.body == second.body
    assert not MADE_ID.search(first.body.decode())
