"""Cohere: the recorded cases."""

import itertools
import json
from typing import Any

import pytest

from gateway.errors import ProviderFailure
from gateway.providers.cohere import ADAPTER
from gateway.providers.cohere_answers import Asked
from gateway.types import Reply, Usage
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
from tests.gateway.providers.cohere import KEY, OTHER, TOOL, refused, sent_body
from tests.gateway.providers.samples import (
    build_chat,
    chat_request,
    chat_request_of,
    embeddings_request_of,
    hear,
    open_chat_stream,
    parse_chat,
    read_answer,
    replay,
)

CHATS = cases("cohere", "chat")
STREAMS = cases("cohere", "chat_stream")
WHOLE_STREAMS = [case for case in STREAMS if "stream_error" not in case.about]


@pytest.mark.parametrize("case", CHATS + STREAMS, ids=str)
def test_a_request_is_the_one_of_the_case(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    wire = build_chat(ADAPTER, request, connection_to("cohere", KEY), request.model)
    check_wire_request(wire, case.about)


@pytest.mark.parametrize("case", CHATS, ids=str)
def test_an_answer_is_the_one_of_the_case(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    answer = parse_chat(ADAPTER, request, Reply(case.answer))
    check_answer(answer.body, case.about["openai_response"])
    read_answer(answer.body)
    assert answer.model == request.model


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_is_the_one_of_the_case_however_it_is_cut(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    for places in cuts(case.stream):
        stream = open_chat_stream(ADAPTER, request, Reply(notes=Asked(request.model)))
        output = replay(stream, case.stream, places)
        check_chunks(output, case.about["openai_chunks"])
        assert hear(output).done
        assert stream.output_bytes == hear(output).output_bytes


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_that_is_cut_off_never_ends_well(case: Case) -> None:
    whole_length = case.stream.index(b'"type":"message-end"')
    for length in range(whole_length):
        stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
        with pytest.raises(ProviderFailure):
            replay(stream, case.stream[:length])


def test_an_error_in_a_stream_comes_after_what_was_written() -> None:
    case = next(case for case in STREAMS if "stream_error" in case.about)
    expected = case.about["stream_error"]
    for places in cuts(case.stream):
        stream = open_chat_stream(ADAPTER, chat_request_of(case.about["openai_request"]), Reply())
        pieces = [case.stream[a:b] for a, b in itertools.pairwise([0, *places, len(case.stream)])]
        heard: list[bytes] = []
        with pytest.raises(ProviderFailure) as caught:
            heard.extend(map(stream.feed, [*pieces, b""]))
        output = b"".join(heard)
        check_chunks(output, case.about["openai_chunks"])
        assert json.loads(caught.value.body()) == expected["openai_body"]
        assert caught.value.failure.kind == expected["class"]
        assert stream.usage == Usage(input=5, output=1)


@pytest.mark.parametrize(
    "entry", cases("cohere", "errors")[0].about["errors"], ids=lambda entry: str(entry["name"])
)
def test_an_error_gets_its_class(entry: dict[str, Any]) -> None:
    check_error(ADAPTER, entry)


@pytest.mark.parametrize(
    "item",
    cases("cohere", "unsupported_list")[0].about["items"],
    ids=lambda item: str(item["expect"]["openai_error"]["param"]),
)
def test_what_cohere_cannot_do_is_refused_before_the_call(item: dict[str, Any]) -> None:
    failure = refused(**item["openai_request"])
    error = ProviderFailure(failure)
    assert failure.kind == item["expect"]["class"]
    expected = item["expect"]["openai_error"]
    assert (error.status, error.type, error.code, error.param) == (
        400,
        expected["type"],
        expected["code"],
        expected["param"],
    )


@pytest.mark.parametrize(
    "variant", cases("cohere", "variants")[0].about["variants"], ids=lambda variant: str(variant["openai"])
)
def test_a_tool_choice_is_the_one_of_the_case(variant: dict[str, Any]) -> None:
    body = sent_body(tools=[TOOL, OTHER], **variant["openai"])
    assert body.get("tool_choice") == variant["wire"].get("tool_choice")
    named = isinstance(variant["openai"]["tool_choice"], dict)
    assert [tool["function"]["name"] for tool in body["tools"]] == (
        ["get_weather"] if named else ["get_weather", "get_time"]
    )


@pytest.mark.parametrize("case", cases("cohere", "embeddings"), ids=str)
def test_the_embeddings_of_the_case(case: Case) -> None:
    request = embeddings_request_of(case.about["openai_request"])
    assert ADAPTER.build_embeddings is not None
    assert ADAPTER.parse_embeddings is not None
    wire = ADAPTER.build_embeddings(request, connection_to("cohere", KEY), request.model)
    check_wire_request(wire, case.about)
    answer = ADAPTER.parse_embeddings(request, Reply(case.answer, notes=wire.notes))
    check_answer(answer.body, case.about["openai_response"])
    assert answer.usage == Usage(input=4)
