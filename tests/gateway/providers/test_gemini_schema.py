"""Tools and schemas for Gemini."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.gemini_schema import clean_schema, openapi_schema, takes_arguments
from gateway.types import Reply
from tests.gateway.providers.gemini import (
    GEMINI,
    HELLO,
    JSON,
    JSON_VALUES,
    WEATHER,
    body_of,
    called,
    config_of,
    result,
    sent,
)
from tests.gateway.providers.samples import (
    chat_request,
    hear,
    open_chat_stream,
    parse_chat,
    replay,
)


def test_names_that_gemini_refuses_are_changed_and_changed_back() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("1st", "a b", "a_b", "fine")]
    wire = sent(tools=tools, messages=[*HELLO, called("c"), result("c")])
    names = [one["name"] for one in JSON(wire.body)["tools"][0]["functionDeclarations"]]
    assert names[0] == "_1st"
    assert names[1] == "a_b"
    assert names[3] == "fine"
    assert len(set(names)) == 4
    parts = [{"functionCall": {"name": name, "args": {}}} for name in names]
    reply = Reply(json.dumps({"candidates": [{"content": {"parts": parts}}]}).encode(), {}, wire.notes)
    message = JSON(parse_chat(GEMINI, chat_request(), reply).body)["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["1st", "a b", "a_b", "fine"]
    event = b"data: " + reply.body.replace(b"]}}]}", b']},"finishReason":"STOP"}]}') + b"\r\n\r\n"
    stream = open_chat_stream(GEMINI, chat_request(stream=True), Reply(notes=wire.notes))
    assert [call[1] for call in hear(replay(stream, event)).tool_calls] == ["1st", "a b", "a_b", "fine"]


def test_schemas_go_out_as_they_are_but_for_their_names() -> None:
    schema = {"$schema": "x", "$id": "y", **WEATHER, "additionalProperties": False}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    (declared,) = body_of(tools=tools)["tools"][0]["functionDeclarations"]
    assert declared["parametersJsonSchema"] == {**WEATHER, "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "p", "schema": schema}}
    assert config_of(response_format=form)["responseJsonSchema"] == {**WEATHER, "additionalProperties": False}
    older = body_of("gemini-2.0-flash", tools=tools)["tools"][0]["functionDeclarations"][0]
    assert older["parameters"] == WEATHER
    assert "parametersJsonSchema" not in older
    assert config_of("gemini-2.0-flash", response_format=form)["responseSchema"] == WEATHER


@pytest.mark.parametrize(
    ("schema", "takes"),
    [
        ({}, False),
        ({"type": "object", "properties": {}}, False),
        ({"type": "object", "additionalProperties": False}, False),
        ({"type": "object", "additionalProperties": True}, True),
        ({"$ref": "#/$defs/a"}, True),
        (WEATHER, True),
    ],
)
def test_functions_without_parameters_have_no_schema(schema: dict[str, Any], takes: bool) -> None:
    assert takes_arguments(schema) is takes


_NAMES = ("type", "anyOf", "allOf", "$ref", "properties", "items", "enum", "required", "$defs")
RECURSIVE = {
    "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}},
    "$ref": "#/$defs/n",
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "string", "nullable": True}),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        ),
        ({"enum": [1, 2]}, {"enum": ["1", "2"], "type": "string"}),
        ({"type": "integer", "enum": [1], "minimum": 0}, {"enum": ["1"], "type": "string"}),
        ({"const": True}, {"enum": ["true"], "type": "string"}),
        ({"type": "array"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "string", "format": "uri", "pattern": "x", "title": "T", "default": 1}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        ({"type": "object", "required": ["a"]}, {"type": "object"}),
        (
            {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        (
            {
                "$defs": {"c": {"type": "string"}},
                "type": "object",
                "properties": {"x": {"$ref": "#/$defs/c"}},
            },
            {"type": "object", "properties": {"x": {"type": "string"}}},
        ),
        (RECURSIVE, {"type": "object", "properties": {"next": {"type": "object"}}}),
        ({"$ref": "https://elsewhere.example"}, {"type": "object"}),
    ],
)
def test_schemas_for_older_models(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    before = json.dumps(schema)
    assert openapi_schema(schema) == expected
    assert json.dumps(schema) == before


def test_a_schema_that_would_grow_without_end_is_cut_short() -> None:
    levels = {
        f"l{n}": {"type": "object", "properties": {side: {"$ref": f"#/$defs/l{n + 1}"} for side in "abcd"}}
        for n in range(30)
    }
    found = openapi_schema({"$defs": {**levels, "l30": {"type": "string"}}, "$ref": "#/$defs/l0"})
    assert len(json.dumps(found)) < 1_000_000


@given(st.dictionaries(st.sampled_from(_NAMES), JSON_VALUES))
def test_any_schema_is_converted(schema: dict[str, Any]) -> None:
    assert isinstance(openapi_schema(schema), dict)
    assert isinstance(clean_schema(schema), dict)
