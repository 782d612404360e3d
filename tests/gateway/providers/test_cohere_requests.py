"""Cohere: the rules of requests that the recorded cases don't show."""

import json
from typing import Any

import pytest

from gateway.errors import FailureClass
from gateway.providers.cohere import ADAPTER
from gateway.types import CredentialSettings, Reply
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.cohere import KEY, MODEL, OTHER, TOOL, refused, sent, sent_body, sent_messages

# -- addresses


@pytest.mark.parametrize("suffix", ["", "/", "/v2", "/v2/", "/v1"])
def test_the_base_url_may_be_written_with_its_version(suffix: str) -> None:
    connection = ADAPTER.connect(CredentialSettings("cohere", f"http://127.0.0.1:9/co{suffix}", None, {}))
    assert connection.chat_url == "http://127.0.0.1:9/co/v2/chat"
    assert connection.embeddings_url == "http://127.0.0.1:9/co/v2/embed"
    assert "authorization" not in dict(connection.headers)


def test_the_model_list_is_asked_for_and_read() -> None:
    assert ADAPTER.build_models is not None
    assert ADAPTER.parse_models is not None
    wire = ADAPTER.build_models(connection_to("cohere", KEY))
    assert (wire.method, wire.url) == ("GET", "https://api.cohere.com/v1/models?page_size=1000")
    listed = ADAPTER.parse_models(Reply(b'{"models":[{"name":"command-a","endpoints":["chat"]}]}'))
    assert [model.id for model in listed] == ["command-a"]


# -- fields


def test_fields_without_a_place_are_named_as_dropped() -> None:
    fields: dict[str, Any] = {
        "user": "u", "metadata": {"a": "b"}, "store": True, "parallel_tool_calls": False, "verbosity": "low",
        "service_tier": "auto", "prediction": {"type": "content", "content": "x"}, "my_own": 1,
    }  # fmt: skip
    wire = sent(**fields)
    assert list(wire.dropped) == sorted(fields)
    assert json.loads(wire.body).keys() == {"model", "messages", "stream"}


def test_fields_that_ask_for_nothing_are_not_named() -> None:
    fields: dict[str, Any] = {
        "n": 1,
        "metadata": {},
        "parallel_tool_calls": True,
        "frequency_penalty": 0,
        "logprobs": False,
        "top_logprobs": 0,
    }
    wire = sent(**fields, temperature=None, response_format={"type": "text"})
    assert (wire.dropped, wire.adjusted) == ((), ())


@pytest.mark.parametrize(
    ("fields", "expected", "adjusted"),
    [
        ({"temperature": -1}, {"temperature": 0}, ["temperature"]),
        ({"temperature": 2}, {"temperature": 2}, []),
        ({"top_p": 0}, {"p": 0.01}, ["top_p"]),
        ({"top_p": 0.5}, {"p": 0.5}, []),
        ({"top_k": 900}, {"k": 500}, ["top_k"]),
        ({"top_k": 40}, {"k": 40}, []),
        ({"seed": -1}, {"seed": 2**63 - 1}, []),
        ({"seed": 2**63}, {"seed": 2**63}, []),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}, []),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}, []),
        ({"logprobs": True}, {"logprobs": True}, []),
        ({"safety_mode": "OFF", "priority": 1}, {"safety_mode": "OFF", "priority": 1}, []),
        ({"documents": [{"data": {"a": 1}}]}, {"documents": [{"data": {"a": 1}}]}, []),
        ({"citation_options": {"mode": "OFF"}}, {"citation_options": {"mode": "OFF"}}, []),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}, []),
    ],
)
def test_a_field_becomes_cohere_s(
    fields: dict[str, Any], expected: dict[str, Any], adjusted: list[str]
) -> None:
    wire = sent(**fields)
    base = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    assert json.loads(wire.body) == base | expected
    assert list(wire.adjusted) == adjusted
    assert wire.dropped == ()


def test_the_dialect_of_a_schema_is_left_out() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    sent_format = sent_body(
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    )
    assert sent_format["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"stop": list("abcdef")}, FailureClass.UNSUPPORTED, "stop"),
        ({"seed": 1.5}, FailureClass.INVALID_REQUEST, "seed"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            FailureClass.INVALID_REQUEST,
            "tool_choice",
        ),
        ({"messages": [{"role": "user", "content": " "}]}, FailureClass.INVALID_REQUEST, "messages"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_field(
    fields: dict[str, Any], kind: FailureClass, param: str
) -> None:
    failure = refused(**fields)
    assert (failure.kind, failure.param) == (kind, param)


@pytest.mark.parametrize(
    ("effort", "expected"),
    [
        ("none", {"type": "disabled"}),
        ("minimal", {"type": "enabled", "token_budget": 1024}),
        ("low", {"type": "enabled", "token_budget": 1024}),
        ("medium", {"type": "enabled", "token_budget": 8192}),
        ("high", {"type": "enabled"}),
        ("xhigh", {"type": "enabled"}),
    ],
)
def test_effort_becomes_a_budget_where_the_model_reasons(effort: str, expected: dict[str, Any]) -> None:
    wire = sent("command-a-reasoning-08-2025", reasoning_effort=effort)
    assert json.loads(wire.body)["thinking"] == expected
    assert wire.dropped == ()


def test_effort_is_dropped_where_the_model_does_not_reason() -> None:
    wire = sent(reasoning_effort="high")
    assert "thinking" not in json.loads(wire.body)
    assert wire.dropped == ("reasoning_effort",)


# -- tools


@pytest.mark.parametrize(
    "model",
    [
        "command-r",
        "command-r-plus",
        "command-r-08-2024",
        "command-r-plus-04-2024",
        "command",
        "c4ai-aya-expanse-32b",
    ],
)
def test_older_models_are_not_told_to_choose(model: str) -> None:
    wire = sent(model, tools=[TOOL], tool_choice="required")
    assert "tool_choice" not in json.loads(wire.body)
    assert wire.dropped == ("tool_choice",)
    assert sent(model, tools=[TOOL], tool_choice="auto").dropped == ()


@pytest.mark.parametrize("model", ["command-r7b-12-2024", "command-r7b-arabic-02-2025", MODEL])
def test_newer_models_are_told_to_choose(model: str) -> None:
    assert sent_body(model, tools=[TOOL], tool_choice="required")["tool_choice"] == "REQUIRED"


def test_a_tool_without_parameters_gets_an_empty_schema() -> None:
    (tool,) = sent_body(tools=[TOOL])["tools"]
    assert tool["function"] == {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}


def test_allowed_tools_leave_only_those() -> None:
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [OTHER]}}
    body = sent_body(tools=[TOOL, OTHER], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_time"]
    assert body["tool_choice"] == "REQUIRED"


def test_legacy_functions_are_tools() -> None:
    body = sent_body(functions=[{"name": "f"}], function_call={"name": "f"})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == "REQUIRED"


# -- messages


def call(identity: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": "f", "arguments": arguments}}


def calls(*entries: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(entries)} | members


def result(identity: str, content: Any = "ok") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


USER = {"role": "user", "content": "Hi"}


def test_system_messages_stay_where_they_are() -> None:
    messages = [USER, {"role": "developer", "content": "Be brief", "name": "op"}, USER]
    assert sent_messages(*messages) == [USER, {"role": "system", "content": "Be brief"}, USER]


def test_blank_messages_are_left_out_and_neighbours_merged() -> None:
    found = sent_messages(
        {"role": "system", "content": ""}, USER, {"role": "assistant", "content": " "}, USER
    )
    assert found == [{"role": "user", "content": [{"type": "text", "text": "Hi"}] * 2}]


def test_results_follow_their_calls_in_order() -> None:
    found = sent_messages(USER, calls(call("a"), call("b")), USER, result("b", "B"), result("a", "A"))
    assert [message["role"] for message in found] == ["user", "assistant", "tool", "tool", "user"]
    assert [(message["tool_call_id"], message["content"]) for message in found[2:4]] == [
        ("a", "A"),
        ("b", "B"),
    ]
    assert found[4] == USER


def test_missing_results_are_made_and_others_become_text() -> None:
    found = sent_messages(USER, calls(call("a")), result("x", "stray"))
    assert found[2] == {"role": "tool", "tool_call_id": "a", "content": "(no result)"}
    assert found[3] == {"role": "user", "content": [{"type": "text", "text": "[tool result x: stray]"}]}


@pytest.mark.parametrize("content", ["", "  ", [], [{"type": "text", "text": ""}]])
def test_an_empty_result_is_said_to_be_empty(content: Any) -> None:
    assert sent_messages(USER, calls(call("a")), result("a", content))[2]["content"] == "(empty)"


def test_the_parts_of_a_result_become_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert sent_messages(USER, calls(call("a")), result("a", parts))[2]["content"] == "a\nb"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [('{"a": 1.0}', '{"a": 1.0}'), ("", "{}"), ("  ", "{}"), ("[1]", '{"value":[1]}'), ("5", '{"value":5}')],
)
def test_arguments_are_an_object_and_the_callers_own_where_they_are_one(
    arguments: str, expected: str
) -> None:
    found = sent_messages(USER, calls(call("a", arguments)), result("a"))
    assert found[1]["tool_calls"][0]["function"]["arguments"] == expected


def test_arguments_that_are_no_json_are_refused() -> None:
    failure = refused(messages=[USER, calls(call("a", "{oops")), result("a")])
    assert (failure.kind, failure.param) == (FailureClass.INVALID_REQUEST, "messages")


def test_reasoning_goes_back_as_the_plan_of_calls_only() -> None:
    with_calls = sent_messages(USER, calls(call("a"), reasoning_content="Look."), result("a"))
    assert with_calls[1]["tool_plan"] == "Look."
    without = sent_messages(USER, {"role": "assistant", "content": "Yes", "reasoning_content": "Look."}, USER)
    assert without[1] == {"role": "assistant", "content": "Yes"}


def test_a_refusal_is_text() -> None:
    found = sent_messages(USER, {"role": "assistant", "content": None, "refusal": "No."}, USER)
    assert found[1] == {"role": "assistant", "content": [{"type": "text", "text": "No."}]}


def test_a_turn_of_nothing_but_thinking_is_left_out() -> None:
    thinking = {
        "role": "assistant",
        "content": None,
        "thinking_blocks": [{"type": "thinking", "thinking": "x"}],
    }
    assert sent_messages(USER, thinking) == [USER]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "http://images.example/a.png"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}},
    ],
)
def test_parts_that_cohere_cannot_read_are_refused(part: dict[str, Any]) -> None:
    failure = refused(messages=[{"role": "user", "content": [part]}])
    assert (failure.kind, failure.param) == (FailureClass.UNSUPPORTED, "messages")


def test_images_are_for_users_only() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://images.example/a.png", "detail": "strange"}}
    (message,) = sent_messages({"role": "user", "content": [image]})
    assert message["content"] == [{"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}]
    assert refused(messages=[USER, calls(call("a")), result("a", [image])]).param == "messages"
    assert refused(messages=[{"role": "system", "content": [image]}, USER]).param == "messages"
