"""Anthropic: the recorded cases of tests/wire/anthropic."""

import itertools
import json
from typing import Any

import pytest

from gateway.errors import ProviderFailure
from gateway.providers.anthropic import ADAPTER
from gateway.providers.base import ChatStream
from gateway.types import Reply, WireRequest
from tests.gateway.providers.cases import (
    Case,
    cases,
    check_answer,
    check_chunks,
    check_error,
    check_wire_request,
    connection_to,
    cuts,
)
from tests.gateway.providers.samples import (
    build_chat,
    chat_request_of,
    hear,
    open_chat_stream,
    parse_chat,
    read_answer,
    replay,
)

KEY = "FAKE-ANTHROPIC-KEY"
CHATS = cases("anthropic", "chat")
STREAMS = cases("anthropic", "chat_stream")
WHOLE_STREAMS = [case for case in STREAMS if "stream_error" not in case.about]


def wire_of(case: Case) -> WireRequest:
    request = chat_request_of(case.about["openai_request"])
    return build_chat(ADAPTER, request, connection_to("anthropic", KEY), request.model)


def until_it_fails(stream: ChatStream, raw: bytes, places: list[int]) -> tuple[bytes, ProviderFailure]:
    """Return what a stream gives before it fails, and the failure."""
    output = b""
    try:
        for start, stop in itertools.pairwise([0, *places, len(raw)]):
            output += stream.feed(raw[start:stop])
        stream.finish()
    except ProviderFailure as failure:
        return output, failure
    raise AssertionError("the stream did not fail")


@pytest.mark.parametrize("case", CHATS + STREAMS, ids=str)
def test_a_request_is_the_one_of_the_case(case: Case) -> None:
    check_wire_request(wire_of(case), case.about)


@pytest.mark.parametrize("case", CHATS, ids=str)
def test_an_answer_is_the_one_of_the_case(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    answer = parse_chat(ADAPTER, request, Reply(case.answer, notes=wire_of(case).notes))
    check_answer(answer.body, case.about["openai_response"])
    read_answer(answer.body)
    assert answer.model == request.model


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_is_the_one_of_the_case_however_it_is_cut(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    for places in cuts(case.stream):
        stream = open_chat_stream(ADAPTER, request, Reply())
        output = replay(stream, case.stream, places)
        check_chunks(output, case.about["openai_chunks"])
        assert hear(output).done
        assert stream.started
        assert stream.model == request.model
        assert stream.output_bytes == hear(output).output_bytes


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_that_is_cut_off_never_ends_well(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    for length in range(case.stream.index(b'{"type":"message_stop"}')):
        stream = open_chat_stream(ADAPTER, request, Reply())
        with pytest.raises(ProviderFailure) as caught:
            replay(stream, case.stream[:length])
        assert caught.value.code == "upstream_stream_interrupted"


def test_an_error_in_a_stream_comes_after_what_was_written() -> None:
    case = next(case for case in STREAMS if "stream_error" in case.about)
    expected = case.about["stream_error"]
    for places in cuts(case.stream):
        stream = open_chat_stream(ADAPTER, chat_request_of(case.about["openai_request"]), Reply())
        output, failure = until_it_fails(stream, case.stream, places)
        check_chunks(output, case.about["openai_chunks"])
        assert json.loads(failure.body()) == expected["openai_body"]
        assert failure.failure.kind == expected["class"]


@pytest.mark.parametrize(
    "entry", cases("anthropic", "errors")[0].about["errors"], ids=lambda entry: str(entry["name"])
)
def test_an_error_gets_its_class(entry: dict[str, Any]) -> None:
    check_error(ADAPTER, entry)


@pytest.mark.parametrize(
    "item",
    cases("anthropic", "unsupported_list")[0].about["items"],
    ids=lambda item: str(item["expect"]["openai_error"]["param"]),
)
def test_what_claude_cannot_do_is_refused_before_the_call(item: dict[str, Any]) -> None:
    request = chat_request_of(item["openai_request"])
    with pytest.raises(ProviderFailure) as caught:
        build_chat(ADAPTER, request, connection_to("anthropic", KEY), request.model)
    error, expected = caught.value, item["expect"]["openai_error"]
    assert (error.failure.kind, error.status) == (item["expect"]["class"], item["expect"]["http_status"])
    assert (error.type, error.code, error.param) == (expected["type"], expected["code"], expected["param"])


@pytest.mark.parametrize(
    "variant", cases("anthropic", "variants")[0].about["variants"], ids=lambda variant: str(variant["openai"])
)
def test_a_tool_choice_is_the_one_of_the_case(variant: dict[str, Any]) -> None:
    names = ("get_weather", "get_time")
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    fields = {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    request = chat_request_of(fields | variant["openai"])
    wire = build_chat(ADAPTER, request, connection_to("anthropic", KEY), request.model)
    body = json.loads(wire.body)
    assert body.get("tool_choice") == variant["wire"].get("tool_choice")
    kept = names[:1] if "allowed_tools" in str(variant["openai"]) else names
    assert tuple(tool["name"] for tool in body["tools"]) == kept
    assert (wire.dropped, wire.adjusted) == ((), ())
