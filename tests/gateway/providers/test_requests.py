"""Chat requests: each provider gets what it takes, and the caller's bytes are never touched."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import FailureClass, InvalidRequest, ProviderFailure
from gateway.providers.openai_rows import ROWS
from gateway.providers.registry import ADAPTERS
from tests.gateway.providers.samples import (
    Sample,
    build_chat,
    chat_request,
    chat_request_of,
    connection_of,
    samples,
    sent,
    sent_json,
)

COMPATIBLE = [row.slug for row in ROWS]
MESSAGES = [{"role": "user", "content": "Hi"}]
RENAME_MAX_TOKENS = ["mistral", "ollama", "perplexity", "huggingface", "nebius", "parasail"]


def refused(slug: str, **fields: Any) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        sent(slug, {"model": "m", "messages": MESSAGES, **fields})
    return caught.value


def dropped(slug: str, **fields: Any) -> tuple[str, ...]:
    wire = sent(slug, {"model": "m", "messages": MESSAGES, **fields})
    assert not json.loads(wire.body).keys() & set(wire.dropped)
    return wire.dropped


@pytest.mark.parametrize("each", samples("request", "chat.request"), ids=str)
@pytest.mark.parametrize("slug", ["openai", "azure", "sandbox"])
def test_openais_own_requests_pass_untouched(each: Sample, slug: str) -> None:
    request = chat_request_of(each.json)
    wire = build_chat(ADAPTERS[slug], request, connection_of(slug), request.model)
    if request.stream and not request.include_usage:
        assert json.loads(wire.body) == each.json | {"stream_options": {"include_usage": True}}
    else:
        assert wire.body is request.raw
    assert wire.dropped == wire.adjusted == ()


@pytest.mark.parametrize("slug", [*COMPATIBLE, "azure"])
def test_a_plain_request_passes_untouched_everywhere(slug: str) -> None:
    raw = (
        b'{ "model": "m", "messages": [{"role": "user",  "content": "Hi"}], "top_p": 0.7, "own": {"a": 1.0} }'
    )
    request = chat_request(raw, model="m")
    assert build_chat(ADAPTERS[slug], request, connection_of(slug), "m").body is raw


@pytest.mark.parametrize("slug", [*COMPATIBLE, "azure"])
def test_another_model_name_changes_nothing_else_not_even_nested_whitespace(slug: str) -> None:
    raw = b'{"model":"x/m","messages":[{"role": "user",  "content": "\\u00fc"}],"own":{"a": 1.00}}'
    wire = build_chat(ADAPTERS[slug], chat_request(raw, model="x/m"), connection_of(slug), "m")
    assert wire.body == raw.replace(b'"x/m"', b'"m"')


@pytest.mark.parametrize("slug", [*COMPATIBLE, "azure"])
def test_usage_is_asked_for_in_streams_where_the_provider_takes_the_option(slug: str) -> None:
    found = sent_json(slug, stream=True)
    if slug in ("mistral", "perplexity"):  # it comes anyway
        assert "stream_options" not in found
    else:
        assert found["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "options", [{"include_obfuscation": False}, {"include_usage": False, "include_obfuscation": False}]
)
def test_the_callers_other_stream_options_stay(options: dict[str, bool]) -> None:
    assert sent_json("openai", stream=True, stream_options=options)["stream_options"] == {
        "include_obfuscation": False,
        "include_usage": True,
    }


@pytest.mark.parametrize("slug", ["mistral", "perplexity"])
def test_stream_options_are_dropped_silently_where_usage_always_comes(slug: str) -> None:
    assert dropped(slug, stream=True, stream_options={"include_usage": True}) == ()


# Renames.


@pytest.mark.parametrize("slug", COMPATIBLE)
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_arrives_whatever_the_caller_calls_it(slug: str, name: str) -> None:
    found = sent_json(slug, **{name: 7})
    expected = "max_tokens" if slug in RENAME_MAX_TOKENS else name
    assert {key: value for key, value in found.items() if key.startswith("max")} == {expected: 7}


def test_a_null_limit_does_not_displace_a_real_one() -> None:
    assert sent_json("mistral", max_tokens=7, max_completion_tokens=None)["max_tokens"] == 7


def test_the_newer_name_wins_when_both_are_given() -> None:
    found = sent_json("mistral", max_tokens=7, max_completion_tokens=9)
    assert (found["max_tokens"], "max_completion_tokens" in found) == (9, False)


def test_mistral_calls_the_seed_random() -> None:
    found = sent_json("mistral", seed=5)
    assert (found["random_seed"], "seed" in found) == (5, False)


# Drops.

EXTRAS: dict[str, Any] = {
    "user": "u", "store": True, "service_tier": "flex", "safety_identifier": "s", "prompt_cache_key": "k",
    "verbosity": "low", "prediction": {"type": "content", "content": "x"}, "logit_bias": {"1": 5},
    "parallel_tool_calls": False, "seed": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("slug", "names"),
    [
        ("openai", []),
        ("mistral", ["logit_bias", "safety_identifier", "service_tier", "store", "user", "verbosity"]),
        ("groq", ["logit_bias", "prediction", "prompt_cache_key", "safety_identifier", "store", "verbosity"]),
        (
            "ollama",
            ["logit_bias", "parallel_tool_calls", "prediction", "prompt_cache_key", "safety_identifier",
             "service_tier", "store", "user", "verbosity"],
        ),
        ("openrouter", []),
        (
            "perplexity",
            ["logit_bias", "parallel_tool_calls", "prediction", "prompt_cache_key", "safety_identifier",
             "seed", "service_tier", "store", "user", "verbosity"],
        ),
        ("cerebras", ["safety_identifier", "store", "verbosity"]),
        (
            "huggingface",
            ["logit_bias", "parallel_tool_calls", "prediction", "prompt_cache_key", "safety_identifier",
             "service_tier", "store", "user", "verbosity"],
        ),
        ("nebius", ["store"]),
        (
            "xai",
            ["prediction", "prompt_cache_key", "safety_identifier", "service_tier", "store", "verbosity"],
        ),
        ("parasail", ["prompt_cache_key", "service_tier", "store", "verbosity"]),
    ],
)  # fmt: skip
def test_tuning_that_a_provider_lacks_is_dropped_and_listed(slug: str, names: list[str]) -> None:
    assert list(dropped(slug, **EXTRAS)) == names


@pytest.mark.parametrize(
    ("slug", "fields"),
    [
        ("ollama", {"metadata": {"team": "blue"}}),
        ("ollama", {"parallel_tool_calls": True}),
        ("ollama", {"user": None}),
        ("nebius", {"store": False}),
        ("groq", {"logprobs": False, "top_logprobs": 0, "logit_bias": {}}),
        ("xai", {"metadata": {}, "store": False}),
    ],
)
def test_hints_and_defaults_are_dropped_without_a_word(slug: str, fields: dict[str, Any]) -> None:
    assert dropped(slug, **fields) == ()
    assert not sent_json(slug, **fields).keys() & fields.keys()


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("grok-4-0709", ("frequency_penalty", "stop")),
        ("grok-3-mini", ("frequency_penalty", "stop")),
        ("grok-code-fast-1", ("frequency_penalty", "stop")),
        ("grok-4-fast-non-reasoning", ()),
        ("grok-3", ()),
    ],
)
def test_groks_reasoning_models_get_no_stop_and_no_penalties(model: str, names: tuple[str, ...]) -> None:
    body = {
        "model": "m",
        "messages": MESSAGES,
        "stop": ["END"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0,
    }
    assert sent("xai", body, model).dropped == names


def test_perplexity_gets_no_named_tool_choice_but_keeps_a_plain_one() -> None:
    named = {"type": "function", "function": {"name": "f"}}
    assert dropped("perplexity", tool_choice=named) == ("tool_choice",)
    assert sent_json("perplexity", tool_choice="auto")["tool_choice"] == "auto"


@pytest.mark.parametrize("name", ["top_k", "reasoning_effort", "tool_choice", "response_format"])
@pytest.mark.parametrize("slug", COMPATIBLE)
def test_fields_that_no_table_names_pass(slug: str, name: str) -> None:
    assert sent_json(slug, **{name: "x"})[name] == "x"


# Clamps.


@pytest.mark.parametrize(
    ("slug", "given_value", "sent_value", "adjusted"),
    [
        ("huggingface", 0, 0.01, ("temperature",)),
        ("huggingface", 0.5, 0.5, ()),
        ("cerebras", 2, 1.5, ("temperature",)),
        ("perplexity", 2.0, 1.99, ("temperature",)),
        ("groq", 0, 0, ()),
        ("cerebras", None, None, ()),
    ],
)
def test_a_temperature_out_of_range_is_clamped_and_named(
    slug: str, given_value: Any, sent_value: Any, adjusted: tuple[str, ...]
) -> None:
    wire = sent(slug, {"model": "m", "messages": MESSAGES, "temperature": given_value})
    assert json.loads(wire.body)["temperature"] == sent_value
    assert wire.adjusted == adjusted


# What would change the meaning of the answer.


@pytest.mark.parametrize(
    ("slug", "fields"),
    [
        *[
            (slug, {"n": 2})
            for slug in ("groq", "ollama", "openrouter", "perplexity", "cerebras", "huggingface")
        ],
        ("groq", {"logprobs": True}),
        ("groq", {"top_logprobs": 2}),
        ("perplexity", {"logprobs": True}),
        ("mistral", {"modalities": ["text", "audio"]}),
        ("xai", {"audio": {"voice": "alloy"}}),
        ("groq", {"web_search_options": {}}),
        ("nebius", {"tools": [{"type": "custom", "custom": {"name": "grep"}}]}),
    ],
)
def test_what_would_change_the_meaning_is_refused_before_any_call(slug: str, fields: dict[str, Any]) -> None:
    caught = refused(slug, **fields)
    assert caught.failure.kind is FailureClass.UNSUPPORTED
    assert (caught.status, caught.code, caught.param) == (400, "unsupported_parameter", next(iter(fields)))


@pytest.mark.parametrize(
    ("slug", "fields"),
    [
        ("groq", {"n": 1}),
        ("groq", {"n": None}),
        ("mistral", {"n": 2}),
        ("nebius", {"logprobs": True, "top_logprobs": 2}),
        ("perplexity", {"web_search_options": {"search_context_size": "low"}}),
        ("groq", {"tools": [{"type": "function", "function": {"name": "custom"}}]}),
        ("openai", {"n": 2, "logprobs": True, "modalities": ["audio"], "web_search_options": {}}),
    ],
)
def test_what_a_provider_can_do_is_not_refused(slug: str, fields: dict[str, Any]) -> None:
    found = sent_json(slug, **fields)
    assert {name: found[name] for name in fields} == fields


def test_xai_gets_tools_without_strict() -> None:
    function = {"name": "f", "parameters": {"type": "object"}}
    tools = [{"type": "function", "function": function | {"strict": True}}, {"type": "other"}]
    assert sent_json("xai", tools=tools)["tools"] == [
        {"type": "function", "function": function},
        {"type": "other"},
    ]
    assert sent("xai", {"model": "m", "messages": MESSAGES, "tools": tools}).dropped == ()


# The caller's bytes.


@settings(deadline=None)
@given(
    st.sampled_from([*COMPATIBLE, "azure"]),
    st.dictionaries(
        st.sampled_from(
            ["seed", "store", "temperature", "max_completion_tokens", "user", "stop", "x", "tools"]
        ),
        st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    ),
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["developer", "assistant", "tool"])},
            optional={
                "content": st.none() | st.text(max_size=5) | st.just([{"type": "text", "text": "a"}]),
                "name": st.text(max_size=5),
                "reasoning": st.none() | st.text(max_size=5),
                "tool_calls": st.none() | st.just([{"id": "call_1"}]) | st.just("odd"),
                "tool_call_id": st.just("call_1") | st.integers(),
            },
        ),
        max_size=3,
    ),
    st.booleans(),
)
def test_the_callers_bytes_never_change_and_the_body_stays_json(
    slug: str, fields: dict[str, Any], messages: list[dict[str, Any]], stream: bool
) -> None:
    raw = json.dumps({"model": "a", "messages": messages, "stream": stream, **fields}).encode()
    copy = bytes(bytearray(raw))
    request = chat_request(raw, model="a", stream=stream)
    wire = build_chat(ADAPTERS[slug], request, connection_of(slug), "b")
    assert request.raw is raw
    assert raw == copy
    assert json.loads(wire.body)["model"] == "b"
    assert len(json.loads(wire.body)["messages"]) == len(messages)


def test_a_body_that_is_no_object_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidRequest):
        build_chat(ADAPTERS["groq"], chat_request(b"[]"), connection_of("groq"), "m")
