"""Whole chat answers: forwarded as they are when they conform, repaired when they don't."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.registry import ADAPTERS
from gateway.types import Reply, Usage
from tests.gateway.providers.samples import (
    RECEIVED_AT,
    Sample,
    chat_request,
    parse_chat,
    read_answer,
    sample,
    samples,
)

ANSWERS = samples("response", "ChatCompletion")
QUIRKY = {
    "compat/groq_reasoning.response.json",  # reasoning by its other name
    "compat/mistral_thinking.response.json",
    "compat/nebius_chat.response.json",  # an empty list of calls
    "compat/xai_tool_empty_finish.response.json",
}


def answer(**members: Any) -> dict[str, Any]:
    """An answer of a provider, by default one that conforms."""
    head = {"id": "c1", "object": "chat.completion", "created": 5, "model": "m1"}
    return (
        head
        | {"choices": [choice()], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}
        | members
    )


def choice(finish: Any = "stop", index: Any = 0, **message: Any) -> dict[str, Any]:
    return {
        "index": index,
        "message": {"role": "assistant", "content": "Hi"} | message,
        "finish_reason": finish,
    }


def call(**members: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}} | members


def parse(document: Any, slug: str = "openai") -> dict[str, Any]:
    parsed = parse_chat(ADAPTERS[slug], chat_request(), Reply(json.dumps(document).encode()))
    read_answer(parsed.body)
    found: dict[str, Any] = json.loads(parsed.body)
    return found


def message_of(slug: str = "openai", finish: Any = "stop", **message: Any) -> dict[str, Any]:
    found: dict[str, Any] = parse(answer(choices=[choice(finish, **message)]), slug)["choices"][0]["message"]
    return found


@pytest.mark.parametrize("each", ANSWERS, ids=str)
def test_an_answer_becomes_what_the_manifest_expects(each: Sample) -> None:
    parsed = parse_chat(each.adapter, chat_request(), Reply(each.raw))
    heard = read_answer(parsed.body)
    for name, expected in each.expect.items():
        if name == "cost":
            assert parsed.usage is not None
            assert float(parsed.usage.cost_usd or "nan") == expected
        else:
            assert (heard[name] or "" if name == "text" else heard[name]) == expected, name
    assert parsed.model == each.json["model"]


@pytest.mark.parametrize("each", ANSWERS, ids=str)
def test_conforming_answers_are_the_providers_own_bytes(each: Sample) -> None:
    raw = each.raw
    assert (parse_chat(each.adapter, chat_request(), Reply(raw)).body is raw) == (str(each) not in QUIRKY)


def test_unknown_members_survive_a_repair() -> None:
    each = sample("compat", "groq_reasoning.response.json")
    found = json.loads(parse_chat(each.adapter, chat_request(), Reply(each.raw)).body)
    assert found["x_groq"] == {"id": "req_sample01"}
    assert found["choices"][0]["message"] == {
        "role": "assistant",
        "content": "42",
        "reasoning_content": "Let me add.",
    }


# Usage.


@pytest.mark.parametrize(
    ("file", "usage"),
    [
        ("openai/chat_cached.response.json", Usage(input=86, cache_read=1920, output=7)),
        ("openai/chat_reasoning.response.json", Usage(input=21, output=75, reasoning=64)),
        ("compat/openrouter_chat.response.json", Usage(input=10, output=2, cost_usd="0.00006")),
        ("compat/perplexity_chat.response.json", Usage(input=5, output=4, cost_usd="0.005009")),
        (
            "compat/xai_tool_empty_finish.response.json",
            Usage(input=26, cache_read=6, output=2, cost_usd="0.001725"),
        ),
    ],
)
def test_usage_is_read_into_disjoint_buckets(file: str, usage: Usage) -> None:
    each = sample(*file.split("/"))
    assert parse_chat(each.adapter, chat_request(), Reply(each.raw)).usage == usage


def test_cache_writes_and_audio_are_no_plain_input_or_output() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 30, "audio_tokens": 10},
        "completion_tokens_details": {"audio_tokens": 5, "reasoning_tokens": 15},
    }
    parsed = parse_chat(ADAPTERS["openai"], chat_request(), Reply(json.dumps(answer(usage=usage)).encode()))
    assert parsed.usage == Usage(input=40, cache_read=20, cache_write=30, output=45, reasoning=15, audio=15)


def test_reasoning_counted_outside_is_folded_in() -> None:
    usage = {
        "prompt_tokens": 32,
        "completion_tokens": 2,
        "total_tokens": 134,
        "completion_tokens_details": {"reasoning_tokens": 100},
    }
    assert parse(answer(usage=usage), "xai")["usage"]["completion_tokens"] == 102


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.25}}, "0.75"),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.25}}, "0.5"),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, "0"),
        ({"cost": 100}, "100"),
        ({"cost": {"total_cost": None}}, None),
        ({"cost": -1}, None),
        ({"cost": "NaN"}, None),
        ({"cost": "free"}, None),
        ({"cost": True}, None),
        ({"cost": 1e300}, None),
        ({"cost": 10**400}, None),
        ({"cost_in_usd_ticks": 10**10}, "1"),
        ({}, None),
    ],
)
def test_the_providers_own_cost_is_a_plain_decimal(usage: dict[str, Any], cost: str | None) -> None:
    totals = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    parsed = parse_chat(
        ADAPTERS["openai"], chat_request(), Reply(json.dumps(answer(usage=totals | usage)).encode())
    )
    assert parsed.usage is not None
    assert parsed.usage.cost_usd == cost


@pytest.mark.parametrize("usage", [None, {}, [], "none", {"prompt_tokens": None}, {"prompt_tokens": "9"}])
def test_without_figures_usage_is_unknown_not_zero(usage: Any) -> None:
    raw = json.dumps(answer(usage=usage)).encode()
    assert parse_chat(ADAPTERS["openai"], chat_request(), Reply(raw)).usage is None


def test_absurd_counts_count_as_nothing() -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": -5, "total_tokens": 3}
    parsed = parse_chat(ADAPTERS["openai"], chat_request(), Reply(json.dumps(answer(usage=usage)).encode()))
    assert parsed.usage == Usage()


# Repairs.


@pytest.mark.parametrize(
    ("theirs", "has_calls", "ours"),
    [
        ("", True, "tool_calls"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        (None, True, "tool_calls"),
        (None, False, "stop"),
        ("", False, "stop"),
        ("eos_token", False, "stop"),
        ("model_length", False, "length"),
        ("safety", False, "content_filter"),
        ("surprise", False, "stop"),
        (["stop"], False, "stop"),
    ],
)
def test_finish_reasons_are_in_openais_words(theirs: Any, has_calls: bool, ours: str) -> None:
    message = {"tool_calls": [call()]} if has_calls else {}
    assert parse(answer(choices=[choice(theirs, **message)]))["choices"][0]["finish_reason"] == ours


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_broke_off_is_a_failure(reason: str) -> None:
    with pytest.raises(ProviderFailure, match="failed while it was answering") as caught:
        parse(answer(choices=[choice(reason)]))
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (call(id=None), call(id="call_req1_0_0")),
        (call(id="null"), call(id="call_req1_0_0")),
        ({"id": "c1", "function": {"name": "f", "arguments": "{}"}}, call()),
        (
            call(function={"name": "f", "arguments": {"a": 1}}),
            call(function={"name": "f", "arguments": '{"a":1}'}),
        ),
        (call(function={"name": "f", "arguments": ""}), call()),
        (call(function={"name": "f"}), call()),
        (call(function={"name": "f", "arguments": None}), call()),
    ],
)
def test_tool_calls_are_completed(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert message_of(finish="tool_calls", tool_calls=[theirs])["tool_calls"] == [ours]


def test_custom_tool_calls_stay_as_they_are() -> None:
    custom = {"id": "c1", "type": "custom", "custom": {"name": "grep", "input": "x"}}
    raw = json.dumps(answer(choices=[choice("tool_calls", tool_calls=[custom], content=None)])).encode()
    assert parse_chat(ADAPTERS["openai"], chat_request(), Reply(raw)).body is raw
    repaired = parse_chat(
        ADAPTERS["openai"], chat_request(), Reply(raw.replace(b'"id": "c1", "object"', b'"object"'))
    )
    assert json.loads(repaired.body)["choices"][0]["message"]["tool_calls"] == [custom]


@pytest.mark.parametrize(
    "message", [{"refusal": "No."}, {"audio": {"id": "a1"}}, {"function_call": {"name": "f"}}]
)
def test_content_may_be_null_beside_what_takes_its_place(message: dict[str, Any]) -> None:
    raw = json.dumps(answer(choices=[choice(content=None, **message)])).encode()
    assert parse_chat(ADAPTERS["openai"], chat_request(), Reply(raw)).body is raw


def test_null_content_without_anything_else_becomes_an_empty_text() -> None:
    assert message_of(content=None)["content"] == ""


def test_both_names_of_reasoning_become_one() -> None:
    assert message_of(reasoning="Hm", reasoning_content="Hm") == {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "Hm",
    }


def test_empty_heads_are_filled_in() -> None:
    raw = json.dumps(answer(id="", object="", created=0, model="")).encode()
    parsed = parse_chat(ADAPTERS["openai"], chat_request(), Reply(raw))
    found = json.loads(parsed.body)
    assert (found["id"], found["object"], found["created"], found["model"]) == (
        "chatcmpl-req1",
        "chat.completion",
        RECEIVED_AT,
        "gpt-4o",
    )


def test_ollamas_ids_which_are_not_unique_are_replaced_by_ours() -> None:
    assert parse(answer(id="chatcmpl-123"), "ollama")["id"] == "chatcmpl-req1"


# Failures inside a 200.


def test_openrouters_error_in_a_200_is_classed_by_its_code() -> None:
    each = sample("compat", "errors/openrouter_200_error_body.json")
    with pytest.raises(ProviderFailure, match="Upstream error") as caught:
        parse(each.json["body"], "openrouter")
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR
    assert caught.value.failure.upstream_status == 502


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>maintenance</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[null]}',
        b'{"choices":[{"index":0}]}',
        b'{"choices":"none"}',
        b"[" * 100_000,
        json.dumps(answer()).encode().replace(b"m1", b"\xff"),
    ],
)
def test_an_unreadable_answer_is_a_failure_of_the_provider(body: bytes) -> None:
    with pytest.raises(ProviderFailure, match="cannot be read") as caught:
        parse_chat(ADAPTERS["openai"], chat_request(), Reply(body))
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "message", "index", "tool_calls", "function", "arguments", "id", "content", "role",
             "finish_reason", "usage", "error", "reasoning", "created", "model", "thinking", "type", "text"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(_json)
def test_no_json_raises_anything_but_a_provider_failure(document: Any) -> None:
    for each in (
        document,
        answer(choices=[document]),
        answer(choices=[{"message": document}]),
        answer(usage=document),
    ):
        with suppress(ProviderFailure):
            parse_chat(ADAPTERS["openai"], chat_request(), Reply(json.dumps(each).encode()))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_provider_failure(body: bytes) -> None:
    with pytest.raises(ProviderFailure):
        parse_chat(ADAPTERS["openai"], chat_request(), Reply(body))
