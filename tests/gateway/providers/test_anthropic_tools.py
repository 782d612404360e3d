"""Anthropic: tools, the choice among them, and answers in JSON."""

import json
from typing import Any

import pytest

from gateway.errors import FailureClass
from gateway.providers.anthropic import ADAPTER
from gateway.providers.anthropic_schema import clean_schema, is_expressible
from gateway.types import Reply, WireRequest
from tests.gateway.providers.samples import (
    chat_request,
    hear,
    open_chat_stream,
    parse_chat,
    read_answer,
    replay,
)
from tests.gateway.providers.test_anthropic_requests import HI, calling, refused, result, sent, sent_body

PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
MAP = {"type": "object", "additionalProperties": {"type": "number"}}
OLD = "claude-opus-4-1"


def tool(name: str = "f", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def as_json(schema: dict[str, Any] | None, **members: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **members}}


def told(wire: WireRequest) -> str:
    return str(json.loads(wire.body)["system"][-1]["text"])


# -- tools


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"type": "object", "minProperties": 1}, {"type": "object", "minProperties": 1}),
    ],
)
def test_a_tool_has_the_schema_of_an_object(parameters: Any, expected: dict[str, Any]) -> None:
    body = sent_body(tools=[tool(parameters=parameters, description="")])
    assert body["tools"] == [{"name": "f", "input_schema": expected}]


def test_names_that_do_not_fit_are_changed_and_changed_back() -> None:
    history = [HI, {**calling("a"), "tool_calls": []}, calling("b"), result("b")]
    history[2]["tool_calls"][0]["function"]["name"] = "get.weather"
    choice = {"type": "function", "function": {"name": "get.weather"}}
    wire = sent(messages=history, tools=[tool("get.weather"), tool("get_weather")], tool_choice=choice)
    body = json.loads(wire.body)
    assert [each["name"] for each in body["tools"]] == ["get_weather", "get_weather_e33637"]
    assert body["messages"][1]["content"][0]["name"] == "get_weather"
    assert body["tool_choice"] == {"type": "tool", "name": "get_weather"}
    block = {"type": "tool_use", "id": "t", "name": "get_weather", "input": {"a": 1}}
    answer = {"id": "m", "model": "c", "content": [block], "stop_reason": "tool_use"}
    parsed = parse_chat(ADAPTER, chat_request(), Reply(json.dumps(answer).encode(), notes=wire.notes))
    assert read_answer(parsed.body)["tool_calls"] == [["t", "get.weather", '{"a":1}']]


def test_a_tool_that_is_given_twice_is_sent_once() -> None:
    assert len(sent_body(tools=[tool(), tool()])["tools"]) == 1
    failure = refused(tools=[tool(), tool(description="Another")])
    assert (failure.kind, failure.param) == (FailureClass.INVALID_REQUEST, "tools")


def test_calls_of_the_past_bring_their_definitions() -> None:
    body = sent_body(messages=[HI, calling("a", "b"), result("a"), result("b")])
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_legacy_functions_are_tools() -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}
    answered = {"role": "function", "name": "f", "content": "ok"}
    body = sent_body(messages=[HI, call, answered], functions=[{"name": "f"}], function_call={"name": "f"})
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]
    assert body["tool_choice"] == {"type": "tool", "name": "f"}
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_f", "name": "f", "input": {"a": 1}}
    ]
    assert body["messages"][2]["content"][0]["tool_use_id"] == "call_f"


@pytest.mark.parametrize(
    ("model", "effort"),
    [("claude-sonnet-4-6", "low"), ("claude-sonnet-4-5", "low"), ("claude-fable-5-1", "none")],
)
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_call_is_not_forced_where_that_is_not_allowed(model: str, effort: str, choice: Any) -> None:
    wire = sent(model, tools=[tool()], tool_choice=choice, reasoning_effort=effort, parallel_tool_calls=False)
    assert json.loads(wire.body)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert wire.adjusted == ("tool_choice",)


def test_a_call_is_forced_where_the_model_thinks_unasked() -> None:
    wire = sent("claude-opus-5", tools=[tool()], tool_choice="required")
    assert json.loads(wire.body)["tool_choice"] == {"type": "any"}
    assert wire.adjusted == ()


def test_calls_one_by_one_are_not_asked_for_where_none_may_come() -> None:
    body = sent_body(tools=[tool()], tool_choice="none", parallel_tool_calls=False)
    assert body["tool_choice"] == {"type": "none"}


def test_tools_that_are_not_allowed_are_not_sent() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool("g")]}}
    body = sent_body(tools=[tool("f"), tool("g")], tool_choice=choice)
    assert [each["name"] for each in body["tools"]] == ["g"]
    assert body["tool_choice"] == {"type": "auto"}


# -- strict tools


def strict(schema: dict[str, Any], name: str = "f") -> dict[str, Any]:
    return tool(name, parameters=schema, strict=True)


def test_the_schema_of_a_strict_tool_is_cleaned_in_silence() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]}
    found = sent_body(tools=[strict(schema)])["tools"][0]
    assert found["strict"] is True
    assert found["input_schema"] == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("schema", [MAP, {"type": "object", "properties": {"next": {"$ref": "#"}}}])
def test_a_tool_is_not_strict_where_its_schema_cannot_be(schema: dict[str, Any]) -> None:
    assert sent_body(tools=[strict(schema)])["tools"] == [{"name": "f", "input_schema": schema}]


def test_a_tool_is_not_strict_on_models_that_do_not_know_it() -> None:
    assert sent_body(OLD, tools=[strict(PERSON)])["tools"] == [{"name": "f", "input_schema": PERSON}]


def test_no_more_tools_are_strict_than_the_provider_compiles() -> None:
    many = sent_body(tools=[strict(PERSON, f"f{n}") for n in range(22)])["tools"]
    assert [each.get("strict", False) for each in many] == [True] * 20 + [False] * 2
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20)}}
    both = sent_body(tools=[strict(wide, "f"), strict(wide, "g"), strict(PERSON, "h")])["tools"]
    assert [each.get("strict", False) for each in both] == [True, False, True]
    assert both[1]["input_schema"] == wide


# -- answers in JSON


def test_a_schema_is_sent_cleaned() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://schemas.example/x",
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a"},
            "b": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "c": {"type": "array", "items": {"$ref": "#/$defs/c", "description": "x"}, "minItems": 2},
            "d": {"type": "array", "items": {"type": "string", "format": "date"}, "minItems": 1},
            "e": {"type": "string", "format": "iri", "description": "Where", "default": "é"},
        },
        "required": ["a", "b", "c", "d", "e"],
        "$defs": {"c": {"properties": {"n": {"type": "number"}}, "additionalProperties": True}},
    }
    assert sent_body(response_format=as_json(schema))["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": '{minLength: 1, maxLength: 9, pattern: "^a"}'},
            "b": {
                "anyOf": [{"type": "integer", "description": "{minimum: 1}"}, {"type": "null"}],
            },
            "c": {"type": "array", "items": {"$ref": "#/$defs/c"}, "description": "{minItems: 2}"},
            "d": {"type": "array", "items": {"type": "string", "format": "date"}, "minItems": 1},
            "e": {"type": "string", "description": 'Where\n\n{format: "iri", default: "é"}'},
        },
        "required": ["a", "b", "c", "d", "e"],
        "additionalProperties": False,
        "$defs": {
            "c": {
                "type": "object",
                "properties": {"n": {"type": "number"}},
                "additionalProperties": False,
            }
        },
    }


def test_a_schema_goes_beside_tools_and_thinking() -> None:
    body = sent_body(response_format=as_json(PERSON), tools=[tool()], reasoning_effort="low")
    assert body["output_config"].keys() == {"effort", "format"}
    assert "system" not in body


@pytest.mark.parametrize(
    ("schema", "expressible"),
    [
        (PERSON, True),
        (MAP, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}}, True),
        ({"type": "object", "additionalProperties": False}, True),
        ({"type": "object", "properties": {}, "additionalProperties": True}, False),
        ({"type": "object", "properties": {"a": MAP}}, False),
        ({"type": "object", "properties": {"a": {"type": ["object", "null"]}}}, False),
        ({"type": "object", "properties": {"a": {"description": "anything"}}}, False),
        ({"type": "object", "properties": {"a": {"enum": ["x"]}}}, True),
        ({"type": "object", "properties": {"a": {"$ref": "https://x.example/s"}}}, False),
        ({"type": "object", "properties": {"a": {"type": "array", "prefixItems": []}}}, False),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/a"}},
                "$defs": {
                    "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}},
                    "b": {"type": "string"},
                },
            },
            True,
        ),
        (
            {
                "$ref": "#/$defs/a",
                "$defs": {
                    "a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/b"}}},
                    "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]},
                },
            },
            False,
        ),
    ],
)
def test_what_the_provider_can_express(schema: dict[str, Any], expressible: bool) -> None:
    assert is_expressible(schema) is expressible


def test_cleaning_changes_no_input() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}
    before = json.dumps(schema)
    clean_schema(schema, tell=True)
    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        ("claude-sonnet-4-6", MAP),
        (OLD, PERSON),
        (
            "claude-sonnet-4-6",
            {"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(25)}},
        ),
    ],
)
def test_a_tool_stands_in_for_a_schema(model: str, schema: dict[str, Any]) -> None:
    wire = sent(model, response_format=as_json(schema, description="A person"))
    body = json.loads(wire.body)
    assert body["tools"] == [{"name": "json_output", "input_schema": schema, "description": "A person"}]
    assert body["tool_choice"] == {"type": "tool", "name": "json_output"}
    assert "output_config" not in body
    block = {"type": "tool_use", "id": "t", "name": "json_output", "input": {"a": 1}}
    answer = {"id": "m", "model": "c", "content": [block], "stop_reason": "tool_use"}
    parsed = parse_chat(ADAPTER, chat_request(), Reply(json.dumps(answer).encode(), notes=wire.notes))
    found = read_answer(parsed.body)
    assert (found["text"], found["finish_reason"], found["tool_calls"]) == ('{"a":1}', "stop", [])


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("claude-sonnet-4-6", {"tools": [tool()]}),
        ("claude-sonnet-4-6", {"reasoning_effort": "low"}),
        ("claude-sonnet-4-6", {"messages": [HI, calling("a"), result("a")]}),
        ("claude-opus-5-5", {}),
    ],
)
def test_a_schema_is_told_in_words_where_nothing_can_be_forced(model: str, fields: dict[str, Any]) -> None:
    wire = sent(model, response_format=as_json(MAP), **fields)
    body = json.loads(wire.body)
    assert told(wire) == (
        "Answer with a single JSON object that matches this JSON schema: "
        '{"type":"object","additionalProperties":{"type":"number"}}'
    )
    assert "json_output" not in json.dumps(body.get("tools", []))
    assert "format" not in body.get("output_config", {})


@pytest.mark.parametrize("form", [{"type": "json_object"}, as_json(None), as_json({})])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        (' ```\n{"a": 1}\n```\n', '{"a": 1}'),
        ('{"a": "```"}', '{"a": "```"}'),
        ("```json", "```json"),
    ],
)
def test_any_json_is_asked_for_in_words_and_unwrapped(form: dict[str, Any], text: str, expected: str) -> None:
    wire = sent(response_format=form, messages=[{"role": "system", "content": "S"}, HI])
    assert told(wire) == "Answer with a single JSON object only."
    answer = {"id": "m", "model": "c", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
    raw = json.dumps(answer).encode()
    assert (
        read_answer(parse_chat(ADAPTER, chat_request(), Reply(raw, notes=wire.notes)).body)["text"]
        == expected
    )
    assert read_answer(parse_chat(ADAPTER, chat_request(), Reply(raw)).body)["text"] == text


def events(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(document).encode() for document in documents)


@pytest.mark.parametrize(
    ("pieces", "expected"), [(['{"a"', ": 1}"], '{"a": 1}'), ([""], "{}"), (None, "So be it.")]
)
def test_the_tool_that_stands_in_streams_as_text(pieces: list[str] | None, expected: str) -> None:
    notes = sent(OLD, response_format=as_json(PERSON)).notes
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So be it."}}
    call = [
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t", "name": "json_output", "input": {}},
        },
        *(
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": piece},
            }
            for piece in pieces or ()
        ),
        {"type": "content_block_stop", "index": 1},
    ]
    raw = events(
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1}}},
        text,
        *(call if pieces is not None else ()),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply(notes=notes))
    heard = hear(replay(stream, raw))
    assert (heard.text, heard.tool_calls, heard.finish_reason) == (expected, [], "stop")
    assert stream.output_bytes == heard.output_bytes
