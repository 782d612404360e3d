"""Toy's recorded samples."""

from typing import Any

import pytest

from gateway.errors import ProviderFailure
from gateway.providers.registry import ADAPTERS
from gateway.types import Reply
from tests.gateway.providers.cases import (
    Case,
    cases,
    check_answer,
    check_chunks,
    check_wire_request,
    connection_to,
    cuts,
)
from tests.gateway.providers.samples import (
    build_chat,
    chat_request_of,
    open_chat_stream,
    parse_chat,
    replay,
)

KEY = "FAKE-toy-key"
CHATS, STREAMS = cases("toy", "chat"), cases("toy", "chat_stream")


@pytest.mark.parametrize("case", CHATS + STREAMS, ids=str)
def test_a_request_is_the_one_of_the_case(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    wire = build_chat(ADAPTERS["toy"], request, connection_to("toy", KEY), request.model)
    check_wire_request(wire, case.about)


@pytest.mark.parametrize("case", CHATS, ids=str)
def test_an_answer_is_the_one_of_the_case(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    answer = parse_chat(ADAPTERS["toy"], request, Reply(case.answer, notes=request.model))
    check_answer(answer.body, case.about["openai_response"])


@pytest.mark.parametrize("case", STREAMS, ids=str)
def test_a_stream_is_the_one_of_the_case_however_it_is_cut(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    for places in cuts(case.stream):
        stream = open_chat_stream(ADAPTERS["toy"], request, Reply(notes=request.model))
        check_chunks(replay(stream, case.stream, places), case.about["openai_chunks"])


@pytest.mark.parametrize("case", STREAMS, ids=str)
def test_a_stream_that_is_cut_off_never_ends_well(case: Case) -> None:
    request = chat_request_of(case.about["openai_request"])
    for length in range(case.stream.index(b'"end"')):
        stream = open_chat_stream(ADAPTERS["toy"], request, Reply(notes=request.model))
        with pytest.raises(ProviderFailure):
            replay(stream, case.stream[:length])


@pytest.mark.parametrize("entry", cases("toy", "errors")[0].about["errors"], ids=lambda entry: entry["name"])
def test_an_error_gets_its_class(entry: dict[str, Any]) -> None:
    wire, expected = entry["wire"], entry["expect"]
    failure = ADAPTERS["toy"].parse_error(wire["status"], wire["headers"], wire["body"].encode())
    assert failure.kind == expected["class"]
    assert failure.retry_after == expected["retry_after_seconds"]
