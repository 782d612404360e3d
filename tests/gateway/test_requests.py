"""The caller's body: what is read, and errors that name the field."""

import json
from typing import Any

import pytest

from gateway.errors import InvalidRequest
from gateway.requests import parse_chat, parse_embeddings

MESSAGES = [{"role": "user", "content": "hi"}]


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": MESSAGES} | fields).encode()


def refused(body: bytes) -> dict[str, Any]:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat(body, "r", 1)
    assert caught.value.status == 400
    return caught.value.envelope()


def test_reads_what_the_gateway_needs_and_keeps_the_bytes() -> None:
    body = chat(stream=True, stream_options={"include_usage": True}, vendor_field={"x": [1]})
    request = parse_chat(body, "r1", 5)
    assert (request.model, request.stream, request.include_usage) == ("gpt-4o", True, True)
    assert request.raw is body


def test_of_two_models_the_one_that_is_checked_is_the_one_that_is_sent() -> None:
    body = b'{"model":"forbidden","messages":[{"role":"user","content":"\\"model\\""}],"model":"allowed"}'
    request = parse_chat(body, "r", 1)
    assert request.model == "allowed"
    assert b"forbidden" not in request.raw
    assert json.loads(request.raw)["messages"] == [{"role": "user", "content": '"model"'}]


@pytest.mark.parametrize("field", ["temperature", "tools", "stop", "stream", "user", "response_format"])
def test_null_is_as_good_as_absent(field: str) -> None:
    assert parse_chat(chat(**{field: None}), "r", 1).model == "gpt-4o"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "user"}, {"content": "x"}]}, "messages[1].role"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": "2"}, "n"),
        ({"stop": 3}, "stop"),
        ({"tools": {}}, "tools"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_a_wrong_type_names_the_field(fields: dict[str, Any], param: str) -> None:
    envelope = refused(chat(**fields))
    assert envelope["param"] == param
    assert envelope["type"] == "invalid_request_error"
    assert param in envelope["message"]


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_field_is_named(missing: str) -> None:
    fields = {"model": "gpt-4o", "messages": MESSAGES}
    del fields[missing]
    envelope = refused(json.dumps(fields).encode())
    assert (envelope["param"], envelope["code"]) == (missing, "missing_required_parameter")
    assert envelope["message"] == f"Missing required parameter: '{missing}'."


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nope",
        b"\xff\xfe",
        b'{"model":"a","messages":[{"role":"u","content":"\xc3("}]}',
        b'{"model":"a","messages":[{"role":"u"}],"temperature":NaN}',
        b'{"model":"a","messages":[{"role":"u"}]} trailing',
    ],
)
def test_invalid_json_and_invalid_utf8_are_refused(body: bytes) -> None:
    assert refused(body)["code"] == "invalid_json"


def nested(depth: int) -> bytes:
    return b'{"model":"a","messages":[{"role":"u"}],"x":' + b"[" * depth + b"]" * depth + b"}"


def test_64_levels_pass_and_65_do_not() -> None:
    assert parse_chat(nested(63), "r", 1).model == "a"
    assert refused(nested(64))["code"] == "invalid_json"
    assert refused(nested(100_000))["code"] == "invalid_json"


def test_brackets_inside_strings_are_not_nesting() -> None:
    body = chat(metadata={"note": "[" * 500 + '\\"' + "{" * 500})
    assert parse_chat(body, "r", 1).model == "gpt-4o"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": {}}, "input"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "dimensions": "many"}, "dimensions"),
        ({}, "input"),
    ],
)
def test_embeddings_errors_name_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_embeddings(json.dumps({"model": "e"} | fields).encode(), "r", 1)
    assert caught.value.param == param


@pytest.mark.parametrize("value", ["text", ["a", "b"], [1, 2, 3], [[1], [2]]])
def test_embeddings_take_every_form_of_input(value: Any) -> None:
    body = json.dumps({"model": "e", "input": value, "encoding_format": "base64"}).encode()
    assert parse_embeddings(body, "r", 1).base64 is True
