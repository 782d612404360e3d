"""Cohere: the rules of answers, streams, errors and embeddings that the recorded cases don't show."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.cohere import ADAPTER
from gateway.types import Reply, Usage, WireRequest
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.cohere import KEY, MODEL, START, answered, end, events, streamed, text, whole
from tests.gateway.providers.samples import (
    chat_request,
    embeddings_request_of,
    open_chat_stream,
    parse_chat,
)

# -- answers


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("ERROR", "stop"),
        ("TIMEOUT", "length"), ("ERROR_TOXIC", "content_filter"), ("NEW_WORD", "stop"), (None, "stop"),
    ],
)  # fmt: skip
def test_a_finish_reason_becomes_openai_s(reason: str | None, expected: str) -> None:
    body = {"id": "c1", "finish_reason": reason, "message": {"content": [{"type": "text", "text": "Hi"}]}}
    assert whole(body)["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize(
    ("reason", "kind"), [("ERROR", FailureClass.SERVER_ERROR), ("TIMEOUT", FailureClass.TIMEOUT)]
)
def test_a_failure_before_anything_was_said_is_one(reason: str, kind: FailureClass) -> None:
    with pytest.raises(ProviderFailure) as caught:
        whole({"id": "c1", "finish_reason": reason, "message": {"role": "assistant", "content": []}})
    assert caught.value.failure.kind is kind


def test_an_empty_answer_is_an_empty_string() -> None:
    assert answered()["choices"][0]["message"]["content"] == ""


def test_a_call_without_arguments_or_id_gets_both() -> None:
    (found,) = answered(tool_calls=[{"type": "function", "function": {"name": "f"}}])["choices"]
    assert found["message"]["tool_calls"] == [
        {"id": "call_req1_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert (found["finish_reason"], found["message"]["content"]) == ("tool_calls", None)


def test_citations_of_web_pages_are_annotations() -> None:
    page = {"type": "document", "document": {"url": "https://a.example", "title": "A"}}
    note = {"type": "document", "document": {"text": "no url"}}
    (choice,) = answered(
        content=[{"type": "text", "text": "Hi"}],
        citations=[{"start": 0, "end": 2, "sources": [page, note]}, {"start": 0, "sources": [page]}],
    )["choices"]
    url_citation = {"start_index": 0, "end_index": 2, "title": "A", "url": "https://a.example"}
    assert choice["message"]["annotations"] == [{"type": "url_citation", "url_citation": url_citation}]


def test_log_probabilities_are_one_entry_for_each_piece_of_text() -> None:
    body = {
        "id": "c1",
        "finish_reason": "COMPLETE",
        "message": {"content": [{"type": "text", "text": "Hé"}]},
        "logprobs": [
            {"text": "H", "token_ids": [1], "logprobs": [-0.5]},
            {"text": "é", "token_ids": [2, 3], "logprobs": [-1, -0.25]},
        ],
    }
    content = whole(body)["choices"][0]["logprobs"]["content"]
    assert [(entry["token"], entry["logprob"], entry["bytes"]) for entry in content] == [
        ("H", -0.5, [72]),
        ("é", -1.25, [195, 169]),
    ]


def test_counts_may_be_floats_and_billed_units_are_second_best() -> None:
    body: dict[str, Any] = {"id": "c1", "finish_reason": "COMPLETE", "message": {"content": []}}
    usage = {"tokens": {"input_tokens": 10.0, "output_tokens": 3.0}, "cached_tokens": 4.0}
    found = parse_chat(ADAPTER, chat_request(), Reply(json.dumps(body | {"usage": usage}).encode()))
    assert found.usage == Usage(input=6, cache_read=4, output=3)
    assert json.loads(found.body)["usage"]["prompt_tokens"] == 10
    billed = {"billed_units": {"input_tokens": 2, "output_tokens": 1}}
    assert whole(body | {"usage": billed})["usage"]["total_tokens"] == 3
    assert "usage" not in body
    assert whole(body)["usage"] is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"message":null}',
        b'{"message":{"content":"x"}}',
        b'{"message":{"tool_calls":[5]}}',
    ],
)
def test_what_is_no_answer_is_a_server_error(body: bytes) -> None:
    with pytest.raises(ProviderFailure) as caught:
        parse_chat(ADAPTER, chat_request(), Reply(body))
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


def test_an_error_inside_a_200_keeps_its_text_without_secrets() -> None:
    with pytest.raises(ProviderFailure) as caught:
        parse_chat(ADAPTER, chat_request(), Reply(b'{"message":"mail ann@mail.example"}'))
    assert caught.value.message == "mail [redacted]"


# -- streams


def test_a_call_may_begin_with_arguments_and_need_no_end() -> None:
    start = {
        "type": "tool-call-start",
        "index": 0,
        "delta": {"message": {"tool_calls": {"id": "a", "function": {"name": "f", "arguments": '{"x":'}}}},
    }
    more = {
        "type": "tool-call-delta",
        "index": 0,
        "delta": {"message": {"tool_calls": {"function": {"arguments": "1}"}}}},
    }
    bare = {
        "type": "tool-call-start",
        "index": 1,
        "delta": {"message": {"tool_calls": {"function": {"name": "g"}}}},
    }
    heard = streamed(events(START, start, bare, more, end("TOOL_CALL")))
    assert heard.tool_calls == [["a", "f", '{"x":1}'], ["call_req1_1", "g", "{}"]]
    assert heard.finish_reason == "tool_calls"


def test_text_in_the_start_of_a_block_is_text() -> None:
    start = {
        "type": "content-start",
        "index": 0,
        "delta": {"message": {"content": {"type": "text", "text": "He"}}},
    }
    assert streamed(events(START, start, text("llo"), end())).text == "Hello"


def test_log_probabilities_stand_beside_their_text() -> None:
    heard = streamed(
        events(START, text("Hi") | {"logprobs": {"text": "Hi", "token_ids": [1], "logprobs": [-0.5]}}, end())
    )
    entry = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    assert heard.chunks[1]["choices"][0]["logprobs"] == {"content": [entry], "refusal": None}


def test_unknown_events_and_the_word_done_are_ignored() -> None:
    raw = events({"type": "debug", "prompt": "x"}, START) + b"data: [DONE]\n\n" + events(text("Hi"), end())
    assert streamed(raw).text == "Hi"


def test_usage_is_written_when_asked_for() -> None:
    usage = {"tokens": {"input_tokens": 5, "output_tokens": 1}, "cached_tokens": 2}
    heard = streamed(events(START, text("Hi"), end(usage=usage)), include_usage=True)
    assert heard.usage == [5, 1]
    assert heard.chunks[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
    assert heard.chunks[0]["model"] == MODEL


@pytest.mark.parametrize(
    ("events_", "kind"),
    [
        ([START, end("TIMEOUT")], FailureClass.TIMEOUT),
        ([START, text("Hi"), end("ERROR")], FailureClass.SERVER_ERROR),
        ([START, text("Hi"), end("COMPLETE", error={"message": "x"})], FailureClass.SERVER_ERROR),
        ([START, text("Hi")], FailureClass.SERVER_ERROR),
        ([START, {"type": "tool-call-delta", "index": 4, "delta": {}}, end()], FailureClass.SERVER_ERROR),
        (
            [START, {"type": "tool-call-start", "delta": {"message": {"tool_calls": 5}}}, end()],
            FailureClass.SERVER_ERROR,
        ),
        ([START, {"type": 5}, end()], FailureClass.SERVER_ERROR),
    ],
)
def test_a_stream_that_fails_is_a_failure(events_: list[dict[str, Any]], kind: FailureClass) -> None:
    with pytest.raises(ProviderFailure) as caught:
        streamed(events(*events_))
    assert caught.value.failure.kind is kind


def test_a_timeout_after_text_is_an_answer_cut_short() -> None:
    assert streamed(events(START, text("Hi"), end("TIMEOUT"))).finish_reason == "length"


def test_a_stream_has_started_with_its_first_content() -> None:
    stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
    assert stream.feed(events(START)) == b""
    assert not stream.started
    assert stream.feed(events(text("Hi")))
    assert stream.started


# -- errors and embeddings


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "request blocked by safety"}, FailureClass.CONTENT_FILTER),
        (400, {"detail": "too many tokens"}, FailureClass.CONTEXT_LENGTH),
        (501, {"error": "no"}, FailureClass.SERVER_ERROR),
        (520, "<html>", FailureClass.SERVER_ERROR),
        (418, {"error": {"message": "teapot"}}, FailureClass.INVALID_REQUEST),
        (413, {}, FailureClass.TOO_LARGE),
    ],
)
def test_an_error_is_classed_by_status_and_text(status: int, body: Any, kind: FailureClass) -> None:
    failure = ADAPTER.parse_error(status, {"retry-after": "3"}, json.dumps(body).encode())
    assert failure.kind is kind
    assert (failure.upstream_status, failure.retry_after) == (status, 3.0)


def embeddings(**fields: Any) -> WireRequest:
    assert ADAPTER.build_embeddings is not None
    request = embeddings_request_of({"model": "embed-v4.0", "input": "x", **fields})
    return ADAPTER.build_embeddings(request, connection_to("cohere", KEY), request.model)


def test_one_text_is_a_list_and_extensions_are_kept() -> None:
    wire = embeddings(input_type="search_query", truncate="NONE", user="u", encoding_format="base64")
    assert json.loads(wire.body) == {
        "model": "embed-v4.0",
        "texts": ["x"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    assert wire.dropped == ("user",)


@pytest.mark.parametrize("given_input", [[1, 2], [[1], [2]], ["x"] * 97])
def test_token_ids_and_too_many_texts_are_refused(given_input: Any) -> None:
    with pytest.raises(ProviderFailure) as caught:
        embeddings(input=given_input)
    assert (caught.value.failure.kind, caught.value.failure.param) == (FailureClass.UNSUPPORTED, "input")


def test_vectors_are_packed_where_base64_was_asked_for() -> None:
    assert ADAPTER.parse_embeddings is not None
    request = embeddings_request_of({"model": "m", "input": "x", "encoding_format": "base64"})
    answer = ADAPTER.parse_embeddings(request, Reply(b'{"embeddings":{"float":[[0.5,-1.0]]}}'))
    found = json.loads(answer.body)
    assert found["data"][0]["embedding"] == "AAAAPwAAgL8="
    assert (answer.usage, found["usage"]["prompt_tokens"]) == (None, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"embeddings":{"float":[]}}',
        b'{"embeddings":{"float":[["a"]]}}',
        b'{"embeddings":{"int8":[[1]]}}',
        b'{"embeddings":{"float":[[1],[2]]}}',
        b'{"message":"no"}',
    ],
)
def test_what_is_no_list_of_as_many_vectors_is_a_server_error(body: bytes) -> None:
    wire = embeddings()
    assert ADAPTER.parse_embeddings is not None
    with pytest.raises(ProviderFailure) as caught:
        ADAPTER.parse_embeddings(
            embeddings_request_of({"model": "m", "input": "x"}), Reply(body, notes=wire.notes)
        )
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


@given(st.floats(allow_nan=True))
def test_no_count_of_tokens_breaks_an_answer(number: float) -> None:
    written = "1e999" if math.isinf(number) or math.isnan(number) else json.dumps(number)
    body = b'{"embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":%b}}}' % written.encode()
    assert ADAPTER.parse_embeddings is not None
    try:
        answer = ADAPTER.parse_embeddings(embeddings_request_of({"model": "m", "input": "x"}), Reply(body))
    except ProviderFailure:
        return
    assert answer.usage is None or answer.usage.input >= 0
