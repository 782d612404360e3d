"""Anthropic: what is sent, beyond the recorded cases."""

import json
from typing import Any

import pytest

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.anthropic import ADAPTER
from gateway.types import Connection, CredentialSettings, WireRequest
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.samples import build_chat, chat_request_of

MODEL = "claude-sonnet-4-6"
HI = {"role": "user", "content": "Hi"}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "get_weather"}}
THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
CACHE = {"type": "ephemeral"}


def connection(**config: Any) -> Connection:
    return connection_to("anthropic", "FAKE-KEY", **config)


def sent(model: str = MODEL, config: Any = None, **fields: Any) -> WireRequest:
    body = {"model": model, "messages": [HI], **fields}
    return build_chat(ADAPTER, chat_request_of(body), connection(**config or {}), model)


def sent_body(model: str = MODEL, **fields: Any) -> Any:
    return json.loads(sent(model, **fields).body)


def turns(*messages: dict[str, Any], model: str = MODEL) -> Any:
    return sent_body(model, messages=list(messages))["messages"]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def calling(*ids: str, **members: Any) -> dict[str, Any]:
    calls = [{"id": each, "type": "function", "function": {"name": "f", "arguments": "{}"}} for each in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **members}


def result(identity: str, content: Any = "ok", **members: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content, **members}


def refused(model: str = MODEL, **fields: Any) -> Failure:
    with pytest.raises(ProviderFailure) as caught:
        sent(model, **fields)
    return caught.value.failure


# -- addresses and headers


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_base_url_may_be_written_with_its_version(suffix: str) -> None:
    found = ADAPTER.connect(CredentialSettings("anthropic", f"http://127.0.0.1:9/a{suffix}", None, {}))
    assert found.chat_url == "http://127.0.0.1:9/a/v1/messages"
    assert "x-api-key" not in dict(found.headers)


def test_configuration_becomes_headers() -> None:
    config = {"api_version": "2026-10-21", "beta": "a-1,b-2", "workspace": "wrkspc_1"}
    headers = dict(connection(**config).headers)
    assert headers["anthropic-version"] == "2026-10-21"
    assert headers["anthropic-beta"] == "a-1,b-2"
    assert headers["anthropic-workspace-id"] == "wrkspc_1"
    assert headers["accept"] == "application/json"
    assert "authorization" not in headers


def test_a_stream_is_asked_for_as_events() -> None:
    wire = sent(stream=True)
    assert dict(wire.headers)["accept"] == "text/event-stream"
    assert json.loads(wire.body)["stream"] is True


def test_the_model_list_is_asked_for_with_the_key() -> None:
    assert ADAPTER.build_models is not None
    wire = ADAPTER.build_models(connection())
    assert (wire.method, wire.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1000")
    assert dict(wire.headers)["x-api-key"] == "FAKE-KEY"


# -- sampling


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        ("claude-3-5-sonnet-20241022", {"temperature", "top_p", "top_k"}),
        ("claude-3-opus-20240229", {"temperature", "top_p", "top_k"}),
        ("claude-opus-4-20250514", {"temperature", "top_p", "top_k"}),
        ("claude-opus-4-1-20250805", {"temperature", "top_k"}),
        ("claude-haiku-4-5@20251001", {"temperature", "top_k"}),
        ("claude-sonnet-4.6", {"temperature", "top_k"}),
        ("anthropic/claude-opus-4-7", set()),
        ("claude-opus-4-8-20260528", set()),
        ("claude-sonnet-5", set()),
        ("claude-haiku-5-5", set()),
        ("claude-fable-5-1", set()),
        ("claude-mythos-preview", set()),
        ("some-new-model", {"temperature", "top_p", "top_k"}),
    ],
)
def test_a_model_gets_the_sampling_fields_that_it_takes(model: str, kept: set[str]) -> None:
    fields: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}
    wire = sent(model, **fields)
    body = json.loads(wire.body)
    assert body.keys() & fields.keys() == kept
    assert list(wire.dropped) == sorted(fields.keys() - kept)
    assert wire.adjusted == ()


def test_top_p_alone_is_sent_to_a_model_that_takes_one_of_the_two() -> None:
    assert sent_body(top_p=0.9)["top_p"] == 0.9


def test_the_newer_api_version_gets_no_sampling_fields() -> None:
    wire = sent(config={"api_version": "2026-10-21"}, temperature=1, top_p=1)
    assert wire.dropped == ("temperature", "top_p")
    assert json.loads(wire.body).keys() == {"model", "max_tokens", "messages"}


def test_sampling_fields_are_dropped_beside_thinking() -> None:
    wire = sent(temperature=1, reasoning_effort="low")
    assert wire.dropped == ("temperature",)


# -- thinking


@pytest.mark.parametrize(
    ("effort", "wanted"),
    [
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "xhigh"),
        ("max", "max"),
    ],
)
def test_effort_is_adaptive_on_new_models(effort: str, wanted: str) -> None:
    body = sent_body("claude-opus-4-7", reasoning_effort=effort)
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": wanted}
    assert body["max_tokens"] == 4096


@pytest.mark.parametrize(
    ("effort", "budget", "limit", "room"),
    [
        ("minimal", 1024, 2000, 2000),
        ("low", 1024, 1024, 2048),
        ("medium", 8192, 100, 8292),
        ("high", 24576, 24577, 24577),
        ("xhigh", 32000, 5, 32005),
        ("max", 32000, 5, 32005),
    ],
)
def test_effort_is_a_budget_on_older_models(effort: str, budget: int, limit: int, room: int) -> None:
    body = sent_body("claude-sonnet-4-5", reasoning_effort=effort, max_tokens=limit)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert "output_config" not in body
    assert body["max_tokens"] == room


def test_no_effort_is_no_thinking() -> None:
    assert sent_body("claude-opus-5", reasoning_effort="none").keys() == {"model", "max_tokens", "messages"}


def test_effort_is_dropped_where_the_model_cannot_think() -> None:
    wire = sent("claude-3-5-haiku-latest", reasoning_effort="high", temperature=0.5)
    assert wire.dropped == ("reasoning_effort",)
    assert json.loads(wire.body)["temperature"] == 0.5


def test_the_callers_own_thinking_is_sent_as_it_is_and_wins() -> None:
    own = {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}
    wire = sent(thinking=own, reasoning_effort="low", max_tokens=1000)
    body = json.loads(wire.body)
    assert body["thinking"] == own
    assert body["max_tokens"] == 3000
    assert "output_config" not in body
    assert sent_body(thinking={"type": "disabled"}, temperature=0.5)["temperature"] == 0.5


def test_a_budget_is_given_up_when_the_block_before_a_call_is_lost() -> None:
    history = [HI, calling("a"), result("a")]
    wire = sent("claude-sonnet-4-5", messages=history, reasoning_effort="high", temperature=0.5)
    body = json.loads(wire.body)
    assert wire.dropped == ("reasoning_effort",)
    assert "thinking" not in body
    assert (body["temperature"], body["max_tokens"]) == (0.5, 4096)
    own = sent("claude-sonnet-4-5", messages=history, thinking={"type": "enabled", "budget_tokens": 1024})
    assert own.dropped == ("thinking",)


def test_a_budget_stays_when_the_block_came_back() -> None:
    history = [HI, calling("a", thinking_blocks=[THINKING]), result("a")]
    body = sent_body("claude-sonnet-4-5", messages=history, reasoning_effort="low")
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "tool_use"]


def test_adaptive_thinking_needs_no_block_back() -> None:
    wire = sent(messages=[HI, calling("a"), result("a")], reasoning_effort="low")
    assert wire.dropped == ()
    assert json.loads(wire.body)["thinking"]["type"] == "adaptive"


def test_a_budget_keeps_to_the_configured_limit() -> None:
    config = {"max_tokens_limit": "10000"}
    body = json.loads(sent("claude-opus-4-5", config, reasoning_effort="medium").body)
    assert body["max_tokens"] == 10000
    wire = sent("claude-opus-4-5", config, reasoning_effort="high")
    assert wire.dropped == ("reasoning_effort",)


@pytest.mark.parametrize(
    "place",
    [
        {"thinking_blocks": [THINKING]},
        {"provider_specific_fields": {"thinking_blocks": [THINKING]}},
        {"content": [THINKING, {"type": "text", "text": "Hi"}]},
    ],
)
def test_signed_blocks_come_first_and_unchanged_wherever_they_were_put(place: dict[str, Any]) -> None:
    assistant = {"role": "assistant", "content": "Hi", **place}
    found = turns(HI, assistant, user("Go on"))[1]["content"]
    assert found == [THINKING, {"type": "text", "text": "Hi"}]


def test_blocks_that_claude_cannot_have_signed_are_left_out() -> None:
    unsigned = [{"type": "thinking", "thinking": "x"}, {"type": "redacted_thinking"}, "x", 5]
    found = turns(HI, {"role": "assistant", "content": "", "thinking_blocks": unsigned}, user("Go on"))
    assert [turn["role"] for turn in found] == ["user"]


# -- limits


@pytest.mark.parametrize(
    ("config", "fields", "expected", "adjusted"),
    [
        ({}, {}, 4096, ()),
        ({"max_tokens": "1000"}, {}, 1000, ()),
        ({"max_tokens": "1000"}, {"max_tokens": 7}, 7, ()),
        ({"max_tokens_limit": "500"}, {}, 500, ()),
        ({"max_tokens_limit": "500"}, {"max_tokens": 900}, 500, ("max_tokens",)),
        ({"max_tokens_limit": "500"}, {"max_completion_tokens": 900}, 500, ("max_completion_tokens",)),
        ({"max_tokens_limit": "500"}, {"max_tokens": 500}, 500, ()),
    ],
)
def test_the_length_of_an_answer(
    config: dict[str, str], fields: dict[str, Any], expected: int, adjusted: tuple[str, ...]
) -> None:
    wire = sent(config=config, **fields)
    assert json.loads(wire.body)["max_tokens"] == expected
    assert wire.adjusted == adjusted


# -- the other fields


def test_stop_sequences_that_are_blank_are_left_out() -> None:
    wire = sent(stop=["\n", "END", ""])
    assert json.loads(wire.body)["stop_sequences"] == ["END"]
    assert wire.adjusted == ("stop",)
    assert "stop_sequences" not in sent_body(stop=" ")


@pytest.mark.parametrize(
    ("fields", "user_id", "dropped"),
    [
        ({"user": "u1"}, "u1", ()),
        ({"user": "u1", "safety_identifier": "s1"}, "s1", ()),
        ({"user": "ann@example.com"}, None, ("user",)),
        ({"safety_identifier": "+1 (555) 010-9999"}, None, ("safety_identifier",)),
        ({"user": "5550109999"}, None, ("user",)),
        ({"user": "555-010-9999"}, None, ("user",)),
        ({"user": "u" * 257}, None, ("user",)),
        ({"user": "12345"}, "12345", ()),
        ({"user": "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"}, "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d", ()),
    ],
)
def test_the_user_is_named_unless_it_looks_like_a_person(
    fields: dict[str, Any], user_id: str | None, dropped: tuple[str, ...]
) -> None:
    wire = sent(**fields)
    assert json.loads(wire.body).get("metadata") == (None if user_id is None else {"user_id": user_id})
    assert wire.dropped == dropped


@pytest.mark.parametrize(
    ("tier", "expected", "dropped"),
    [
        ("auto", "auto", ()),
        ("default", "standard_only", ()),
        ("flex", None, ("service_tier",)),
        ("priority", None, ("service_tier",)),
    ],
)
def test_the_service_tier(tier: str, expected: str | None, dropped: tuple[str, ...]) -> None:
    wire = sent(service_tier=tier)
    assert json.loads(wire.body).get("service_tier") == expected
    assert wire.dropped == dropped


def test_fields_without_a_place_are_named_as_dropped() -> None:
    fields: dict[str, Any] = {
        "seed": 1, "store": False, "prediction": {"type": "content", "content": "x"}, "verbosity": "low",
        "prompt_cache_key": "k", "logit_bias": {"1": 1}, "frequency_penalty": 0.1, "my_own": 0,
    }  # fmt: skip
    wire = sent(**fields)
    assert list(wire.dropped) == sorted(fields)
    assert json.loads(wire.body).keys() == {"model", "max_tokens", "messages"}


def test_fields_that_ask_for_nothing_are_not_named() -> None:
    fields: dict[str, Any] = {
        "n": 1,
        "metadata": {"a": "b"},
        "presence_penalty": 0,
        "logprobs": False,
        "seed": None,
    }
    wire = sent(**fields, parallel_tool_calls=False, modalities=["text"], response_format={"type": "text"})
    assert (wire.dropped, wire.adjusted) == ((), ())
    assert json.loads(wire.body).keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"thinking": "yes"}, "thinking"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_k": 0}, "top_k"),
        ({"user": 5}, "user"),
        ({"stop": [1]}, "stop"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools"),
    ],
)
def test_malformed_fields_are_refused_with_their_name(fields: dict[str, Any], param: str) -> None:
    failure = refused(**fields)
    assert (failure.kind, failure.param) == (FailureClass.INVALID_REQUEST, param)


def test_the_callers_bytes_are_not_changed() -> None:
    body = {"model": MODEL, "messages": [HI, calling("a.b")], "tools": [TOOL], "temperature": 3}
    request = chat_request_of(body)
    before = bytes(request.raw)
    first, second = (build_chat(ADAPTER, request, connection(), MODEL) for _ in range(2))
    assert request.raw == before
    assert first == second
