"""What a provider's own types lack, it gets in another form or not at all: it refuses unknown members."""

from typing import Any

import pytest

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.registry import ADAPTERS
from tests.gateway.providers.samples import build_chat, chat_request, connection_of, sent, sent_json

USER = {"role": "user", "content": "Hi"}
EMPTY = {"type": "object", "properties": {}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def messages(*given: dict[str, Any]) -> Any:
    return sent_json("mistral", messages=list(given))["messages"]


def tool(name: str, **members: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **members}}


def test_a_plain_request_goes_out_with_its_messages_as_they_came() -> None:
    raw = b'{"model":"m","messages":[ {"role":"user","content":"Hi"} ]}'
    wire = build_chat(ADAPTERS["mistral"], chat_request(raw, model="m"), connection_of("mistral"), "m")
    assert wire.body is raw


def test_legacy_functions_are_tools() -> None:
    found = sent_json(
        "mistral", functions=[{"name": "f"}, {"name": "g", "parameters": SCHEMA}], function_call={"name": "g"}
    )
    assert found["tools"] == [tool("f", parameters=EMPTY), tool("g", parameters=SCHEMA)]
    assert found["tool_choice"] == tool("g")
    assert not found.keys() & {"functions", "function_call"}
    assert sent_json("mistral", functions=[{"name": "f"}], function_call="none")["tool_choice"] == "none"


def test_legacy_calls_and_results_have_one_id() -> None:
    call = {"name": "f", "arguments": "{}"}
    _, asked, answered = messages(
        USER,
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "f", "content": "1"},
    )
    assert asked["tool_calls"][0]["function"] == call
    assert "function_call" not in asked
    assert answered == {"role": "tool", "content": "1", "tool_call_id": asked["tool_calls"][0]["id"]}


def test_a_refusal_is_text() -> None:
    parts = [{"type": "refusal", "refusal": "No"}, {"type": "text", "text": "."}]
    first, second, third = messages(
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": parts},
        {"role": "assistant", "content": parts, "refusal": " Never."},
    )
    assert first == {"role": "assistant", "content": "No."}
    assert second == {"role": "assistant", "content": "No."}
    assert third == {"role": "assistant", "content": "No. Never."}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "input_audio", "input_audio": "UklGRg=="},
        ),
        (
            {
                "type": "file",
                "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"},
            },
            {
                "type": "document_url",
                "document_url": "data:application/pdf;base64,JVBERg==",
                "document_name": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERg=="}},
            {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERg=="},
        ),
        ({"type": "file", "file": {"file_id": "3fa8"}}, {"type": "file", "file_id": "3fa8"}),
    ],
)
def test_a_part_has_mistral_s_form(part: dict[str, Any], expected: dict[str, Any]) -> None:
    (found,) = messages({"role": "user", "content": [part]})
    assert found["content"] == [expected]


def test_a_file_without_data_is_refused() -> None:
    with pytest.raises(ProviderFailure) as caught:
        messages({"role": "user", "content": [{"type": "file", "file": {}}]})
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.INVALID_REQUEST, "messages")


def test_tools_have_parameters_and_only_the_allowed_ones_go_out() -> None:
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [tool("g")]}}
    found = sent_json("mistral", tools=[tool("f"), tool("g", parameters=None)], tool_choice=allowed)
    assert found["tools"] == [tool("g", parameters=EMPTY)]
    assert found["tool_choice"] == "required"


def test_allowed_tools_of_no_known_form_are_refused() -> None:
    with pytest.raises(ProviderFailure) as caught:
        sent_json("mistral", tools=[tool("f")], tool_choice={"type": "allowed_tools"})
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.UNSUPPORTED, "tool_choice")


def test_a_response_format_has_a_schema() -> None:
    named = {"type": "json_schema", "json_schema": {"name": "x"}}
    assert sent_json("mistral", response_format=named)["response_format"]["json_schema"] == {
        "name": "x",
        "schema": {},
    }


@pytest.mark.parametrize(
    ("tier", "is_kept"), [("auto", True), ("standard_only", True), ("flex", False), ("default", False)]
)
def test_a_service_tier_is_kept_where_it_is_mistral_s(tier: str, is_kept: bool) -> None:
    body = {"model": "m", "messages": [USER], "service_tier": tier}
    assert sent("mistral", body).dropped == (() if is_kept else ("service_tier",))


def test_members_that_ask_for_nothing_are_left_out_without_a_word() -> None:
    body = {
        "model": "m",
        "messages": [USER],
        "modalities": ["text"],
        "audio": None,
        "web_search_options": None,
    }
    wire = sent("mistral", body)
    assert wire.dropped == ()
    assert sent_json("mistral", modalities=["text"], audio=None, web_search_options=None).keys() == {
        "model",
        "messages",
    }


@pytest.mark.parametrize("slug", ["groq", "xai"])
def test_the_name_of_a_legacy_result_stays_where_other_names_are_left_out(slug: str) -> None:
    legacy = {"role": "function", "name": "f", "content": "1"}
    named, result = sent_json(slug, messages=[USER | {"name": "Ann"}, legacy])["messages"]
    assert (named, result) == (USER, legacy)


@pytest.mark.parametrize("slug", ["mistral", "groq", "perplexity", "cerebras"])
def test_a_refusal_is_text_wherever_it_is_unknown(slug: str) -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "No."}
    assert sent_json(slug, messages=[USER, refusal])["messages"][1] == {"role": "assistant", "content": "No."}


@pytest.mark.parametrize("slug", ["groq", "perplexity", "cerebras"])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_data": "JVBERg==", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ],
)
def test_files_and_sound_are_refused_where_they_are_unknown(slug: str, part: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailure) as caught:
        sent_json(slug, messages=[{"role": "user", "content": [part]}])
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.UNSUPPORTED, "messages")


@pytest.mark.parametrize("slug", ["mistral", "perplexity", "cerebras"])
def test_functions_become_tools_where_they_are_unknown(slug: str) -> None:
    found = sent_json(slug, functions=[{"name": "f", "parameters": SCHEMA}], function_call="auto")
    assert (found["tools"], found["tool_choice"]) == ([tool("f", parameters=SCHEMA)], "auto")


def test_functions_stay_where_they_are_known() -> None:
    assert sent_json("groq", functions=[{"name": "f"}])["functions"] == [{"name": "f"}]


@pytest.mark.parametrize(
    ("slug", "effort", "expected", "dropped", "adjusted"),
    [
        ("cerebras", "minimal", "low", (), ("reasoning_effort",)),
        ("cerebras", "high", "high", (), ()),
        ("perplexity", "xhigh", "high", (), ("reasoning_effort",)),
        ("perplexity", "none", None, ("reasoning_effort",), ()),
        ("mistral", "xhigh", "xhigh", (), ()),
    ],
)
def test_an_effort_is_the_nearest_that_the_provider_knows(
    slug: str, effort: str, expected: str | None, dropped: tuple[str, ...], adjusted: tuple[str, ...]
) -> None:
    body = {"model": "m", "messages": [USER], "reasoning_effort": effort}
    wire = sent(slug, body)
    assert sent_json(slug, reasoning_effort=effort).get("reasoning_effort") == expected
    assert (wire.dropped, wire.adjusted) == (dropped, adjusted)


def test_nulls_in_tools_are_left_out() -> None:
    found = sent_json("groq", tools=[tool("f", strict=None, description=None)])
    assert found["tools"] == [tool("f")]


def test_json_without_a_schema_is_refused_where_it_is_unknown() -> None:
    with pytest.raises(ProviderFailure) as caught:
        sent_json("perplexity", response_format={"type": "json_object"})
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.UNSUPPORTED, "response_format")
