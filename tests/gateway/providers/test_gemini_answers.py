"""What Gemini answers, whole and streamed, and what it never should."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.types import Reply, Usage
from tests.gateway.providers.gemini import (
    GEMINI,
    JSON,
    JSON_VALUES,
    STOP,
    answered,
    choice_of,
    embedded,
    embeddings,
    event,
    of_parts,
    streamed,
)
from tests.gateway.providers.google_cases import cases
from tests.gateway.providers.samples import (
    chat_request,
    hear,
    open_chat_stream,
    parse_chat,
    replay,
)


@pytest.mark.parametrize(
    ("reason", "finish", "refusal"),
    [
        (None, "stop", None),
        ("OTHER", "stop", None),
        ("FINISH_REASON_UNSPECIFIED", "stop", None),
        ("SOMETHING_NEW", "stop", None),
        ("MAX_TOKENS", "length", None),
        ("RECITATION", "content_filter", "Blocked by the provider: RECITATION"),
        ("IMAGE_SAFETY", "content_filter", "Blocked by the provider: IMAGE_SAFETY"),
        ("MALFORMED_FUNCTION_CALL", "stop", None),
    ],
)
def test_finish_reasons(reason: str | None, finish: str, refusal: str | None) -> None:
    choice = choice_of(of_parts({"text": "So"}, reason=reason))
    assert (choice["finish_reason"], choice["message"]["refusal"]) == (finish, refusal)
    assert choice["message"]["content"] == "So"


@pytest.mark.parametrize(
    "reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"]
)
def test_a_model_that_failed_without_a_word_may_be_tried_elsewhere(reason: str) -> None:
    with pytest.raises(ProviderFailure, match=reason) as caught:
        answered({"finishReason": reason})
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR
    event = f'data: {{"candidates":[{{"finishReason":"{reason}"}}]}}\n\n'.encode()
    with pytest.raises(ProviderFailure, match=reason):
        streamed(event)


def test_what_else_an_answer_may_hold() -> None:
    candidate = of_parts(
        {"text": "Plan.", "thought": True},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"text": "Done", "thoughtSignature": "c2ln"},
    )
    candidate["groundingMetadata"] = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {}]
    }
    message = choice_of(candidate)["message"]
    assert message["reasoning_content"] == "Plan."
    assert message["content"] == "```python\nprint(1)\n```\n```\n1\n```\nDone"
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert message["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    (cited,) = message["annotations"]
    assert cited["url_citation"]["url"] == "https://a.example"
    event = f"data: {json.dumps({'candidates': [candidate]})}\n\n".encode()
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed(event).chunks]
    merged: dict[str, Any] = {}
    for delta in deltas:
        merged |= delta
    assert merged["images"] == message["images"]
    assert merged["extra_content"] == message["extra_content"]
    assert merged["annotations"] == message["annotations"]
    assert streamed(event).text == message["content"]
    assert streamed(event).reasoning == "Plan."


def test_several_choices() -> None:
    found = parse_chat(
        GEMINI,
        chat_request(),
        Reply(
            json.dumps(
                {
                    "candidates": [
                        of_parts({"functionCall": {"name": "f"}}),
                        of_parts({"functionCall": {"name": "f"}}),
                    ]
                }
            ).encode()
        ),
    )
    choices = JSON(found.body)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    calls = [choice["message"]["tool_calls"][0] for choice in choices]
    assert calls[0]["id"] != calls[1]["id"]
    assert [call["function"]["arguments"] for call in calls] == ["{}", "{}"]
    assert [choice["finish_reason"] for choice in choices] == ["tool_calls", "tool_calls"]


def test_usage_in_disjoint_buckets() -> None:
    figures = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 40,
        "totalTokenCount": 115,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 70},
            {"modality": "AUDIO", "tokenCount": 30},
        ],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
    }
    found = answered(of_parts({"text": "x"}), usageMetadata=figures)
    assert found.usage == Usage(input=45, cache_read=40, output=10, reasoning=3, audio=20)
    assert JSON(found.body)["usage"] == {
        "prompt_tokens": 105,
        "completion_tokens": 10,
        "total_tokens": 115,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }


def test_an_answer_without_figures_has_none() -> None:
    found = answered(of_parts({"text": "x"}))
    assert found.usage is None
    assert JSON(found.body)["usage"] is None


@pytest.mark.parametrize(
    ("headers", "usage", "tier"),
    [
        ({"x-gemini-service-tier": "standard"}, {}, "default"),
        ({"x-gemini-service-tier": "flex"}, {}, "flex"),
        ({}, {"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({}, {"trafficType": "ON_DEMAND"}, None),
    ],
)
def test_the_tier_that_served_the_request_is_told(
    headers: dict[str, str], usage: dict[str, Any], tier: str | None
) -> None:
    candidate, figures = of_parts({"text": "x"}), {"promptTokenCount": 1, **usage}
    found = answered(candidate, headers, usageMetadata=figures)
    assert JSON(found.body).get("service_tier") == tier
    event = f"data: {json.dumps({'candidates': [candidate], 'usageMetadata': figures})}\n\n".encode()
    stream = open_chat_stream(GEMINI, chat_request(stream=True), Reply(headers=headers))
    assert {chunk.get("service_tier") for chunk in hear(replay(stream, event)).chunks} == {tier}


def test_the_model_that_ran_is_noted_and_the_one_asked_for_is_told() -> None:
    found = answered(of_parts({"text": "x"}), modelVersion="gemini-2.5-flash-002")
    assert found.model == "gemini-2.5-flash-002"
    assert JSON(found.body)["model"] == "gemini-2.5-flash"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"candidates": 5}',
        b'{"candidates": []}',
        b"\xff{}",
        b'{"candidates": [{"content": {"parts": "x"}}]}',
        b'{"candidates": [{"content"',
        b"[" * 5000,
    ],
)
def test_what_is_no_answer_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(ProviderFailure) as caught:
        parse_chat(GEMINI, chat_request(), Reply(body))
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


@pytest.mark.parametrize("wrap", ["%s", "[%s]"])
def test_an_error_inside_a_200_is_classed(wrap: str) -> None:
    error = '{"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}'
    with pytest.raises(ProviderFailure, match="Slow down") as caught:
        parse_chat(GEMINI, chat_request(), Reply((wrap % error).encode()))
    assert caught.value.failure.kind is FailureClass.RATE_LIMIT


def test_figures_and_calls_may_come_after_the_reason() -> None:
    call = event({"functionCall": {"name": "f", "args": {"a": 1}, "id": "abc"}})
    figures = b'data: {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}}\r\n\r\n'
    heard = streamed(event({"text": "a"}), STOP, call, figures, include_usage=True)
    assert heard.tool_calls == [["abc", "f", '{"a":1}']]
    assert heard.finish_reason == "tool_calls"
    assert heard.usage == [3, 4]


def test_calls_in_one_event_and_in_several_are_counted_on() -> None:
    two = [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "g"}}]
    heard = streamed(event(*two), event({"functionCall": {"name": "h"}}), STOP)
    assert [call[1] for call in heard.tool_calls] == ["f", "g", "h"]
    assert len({call[0] for call in heard.tool_calls}) == 3


def test_a_blocked_prompt_in_a_stream() -> None:
    heard = streamed(b'data: {"promptFeedback": {"blockReason": "SAFETY"}}\n\n')
    assert heard.finish_reason == "content_filter"
    assert "Blocked by the provider: SAFETY" in json.dumps(heard.chunks)


def test_logprobs_stand_in_the_chunk_of_their_text() -> None:
    chosen = {"chosenCandidates": [{"token": "a", "logProbability": -0.5}]}
    candidate = of_parts({"text": "a"}) | {"logprobsResult": chosen}
    heard = streamed(f"data: {json.dumps({'candidates': [candidate]})}\n\n".encode())
    assert heard.text == "a"
    (found,) = [
        chunk["choices"][0]["logprobs"] for chunk in heard.chunks if chunk["choices"][0].get("logprobs")
    ]
    assert found["content"] == [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    "error",
    [
        b'{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}',
        b'[{\n  "error": {\n    "code": 503,\n    "message": "Overloaded",\n'
        b'    "status": "UNAVAILABLE"\n  }\n}\n]',
    ],
    ids=["line", "array"],
)
def test_an_error_without_data_before_it_is_one_all_the_same(error: bytes, line_end: bytes) -> None:
    raw = event({"text": "a"}) + error.replace(b"\n", line_end) + line_end
    for cuts in (range(0), range(1, len(raw))):
        stream = open_chat_stream(GEMINI, chat_request(stream=True), Reply())
        with pytest.raises(ProviderFailure, match="Overloaded") as caught:
            replay(stream, raw, cuts)
        assert caught.value.failure.kind is FailureClass.OVERLOADED


@pytest.mark.parametrize("raw", [b"", b"data: {}\n\n", event({"text": "a"}), event({"text": ""})])
def test_a_stream_without_a_reason_to_end_is_interrupted(raw: bytes) -> None:
    with pytest.raises(ProviderFailure, match="before the answer was complete"):
        streamed(raw)


def _damaged(raw: bytes) -> st.SearchStrategy[bytes]:
    """The bytes with up to four others in them."""
    places, others = st.integers(0, len(raw) - 1), st.binary(max_size=4)
    return st.tuples(places, others).map(lambda cut: raw[: cut[0]] + cut[1] + raw[cut[0] :])


RECORDED = [each.stream for each in cases("chat_stream", providers=("gemini",))]


def _parse_as_all(raw: bytes) -> None:
    """Read bytes as an answer, as events, and as embeddings; failures are fine."""
    for body in (raw, b"data: " + raw + b"\n\n"):
        with suppress(ProviderFailure):
            replay(open_chat_stream(GEMINI, chat_request(stream=True), Reply()), body)
    with suppress(ProviderFailure):
        parse_chat(GEMINI, chat_request(), Reply(raw))
    with suppress(ProviderFailure):
        embedded(embeddings(), Reply(raw))


@given(st.binary(max_size=300) | st.sampled_from(RECORDED).flatmap(_damaged))
def test_no_bytes_raise_anything_but_a_failure(raw: bytes) -> None:
    _parse_as_all(raw)
    assert GEMINI.parse_error(400, {}, raw).message


@given(JSON_VALUES, st.integers(300, 599))
def test_no_error_body_is_too_strange(document: Any, status: int) -> None:
    for body in (document, {"error": document}, [{"error": {"details": document, "message": document}}]):
        failure = GEMINI.parse_error(status, {}, json.dumps(body).encode())
        assert failure.upstream_status == status
        assert failure.message
