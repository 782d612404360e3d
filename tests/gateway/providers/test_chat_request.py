"""Reading OpenAI's requests for translators: fields, tools, parts, turns, names."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.anthropic import ADAPTER
from gateway.providers.chat_messages import Turn, lift_system, read_turns
from gateway.providers.chat_names import CallIds, ToolNames
from gateway.providers.chat_parts import Audio, File, Image, Text, parse_data_url, read_parts
from gateway.providers.chat_request import (
    Fields,
    JsonOutput,
    Tool,
    ToolChoice,
    read_body,
    take_json_output,
    take_max_tokens,
    take_stop,
    take_tools,
)
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.samples import build_chat, chat_request

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def fit(text: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", text)


def read(*messages: dict[str, Any]) -> list[Turn]:
    return read_turns(list(messages), CallIds(fit))


# -- fields


def test_what_is_left_over_is_dropped_and_null_is_absent() -> None:
    fields = Fields({"model": "m", "seed": 1, "user": None, "n": 1, "top_p": 0.5, "zzz": False})
    assert fields.take("top_p") == 0.5
    fields.drop("a")
    fields.adjust("top_p")
    assert fields.dropped == ("a", "seed", "zzz")
    assert fields.adjusted == ("top_p",)


@pytest.mark.parametrize(
    ("value", "found", "adjusted"), [(0, 0, ()), (1.6, 1, ("t",)), (-1, 0, ("t",)), (None, None, ())]
)
def test_a_number_is_clamped(value: Any, found: Any, adjusted: tuple[str, ...]) -> None:
    fields = Fields({"t": value})
    assert fields.number("t", 0, 1) == found
    assert fields.adjusted == adjusted


@pytest.mark.parametrize("value", [True, "1", [1]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ProviderFailure) as caught:
        Fields({"t": value}).number("t", 0, 1)
    assert caught.value.failure.kind is FailureClass.INVALID_REQUEST


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"audio": {"voice": "x"}, "modalities": ["text", "audio"]}, "modalities"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"web_search_options": {}}, "web_search_options"),
    ],
)
def test_what_changes_the_meaning_is_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(ProviderFailure) as caught:
        Fields(body).refuse()
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.UNSUPPORTED, param)


def test_the_newer_limit_wins() -> None:
    assert take_max_tokens(Fields({"max_tokens": 1, "max_completion_tokens": 2})) == 2
    assert take_max_tokens(Fields({"max_tokens": 1, "max_completion_tokens": None})) == 1
    assert take_max_tokens(Fields({})) is None


def test_stop_is_a_list() -> None:
    assert take_stop(Fields({"stop": "a"})) == ["a"]
    assert take_stop(Fields({"stop": ["a", "", " "]})) == ["a", " "]
    assert take_stop(Fields({})) == []


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"a":1e999}', b"\xff"])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ProviderFailure) as caught:
        read_body(raw)
    assert caught.value.failure.kind is FailureClass.INVALID_REQUEST


def test_the_form_of_the_answer() -> None:
    schema = {"type": "object"}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    assert take_json_output(Fields({"response_format": form})) == JsonOutput(schema, "x", strict=True)
    assert take_json_output(Fields({"response_format": {"type": "json_object"}})) == JsonOutput()
    assert take_json_output(Fields({"response_format": {"type": "text"}})) is None
    with pytest.raises(ProviderFailure) as caught:
        take_json_output(Fields({"response_format": {"type": "grammar"}}))
    assert caught.value.failure.kind is FailureClass.UNSUPPORTED


# -- tools


def test_tools_and_their_choice() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    fields = Fields({"tools": [{"type": "function", "function": function}], "tool_choice": "auto"})
    assert take_tools(fields) == ((Tool("f", "d", {"type": "object"}, strict=True),), ToolChoice("auto"))


@pytest.mark.parametrize("call", ["auto", "none", {"name": "f"}])
def test_functions_are_tools(call: Any) -> None:
    tools, choice = take_tools(Fields({"functions": [{"name": "f"}], "function_call": call}))
    assert tools == (Tool("f"),)
    assert choice == (ToolChoice(call) if isinstance(call, str) else ToolChoice("function", "f"))


def test_a_choice_without_tools_is_none_unless_it_demands_a_call() -> None:
    assert take_tools(Fields({"tool_choice": "auto", "tools": []})) == ((), None)
    with pytest.raises(ProviderFailure) as caught:
        take_tools(Fields({"tool_choice": "required"}))
    assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ({"type": "custom", "custom": {"name": "f"}}, FailureClass.UNSUPPORTED),
        ({"type": "function"}, FailureClass.INVALID_REQUEST),
        ({"type": "allowed_tools", "allowed_tools": {"mode": ["x"]}}, FailureClass.INVALID_REQUEST),
        (5, FailureClass.UNSUPPORTED),
    ],
)
def test_a_choice_that_cannot_be_read_is_refused(choice: Any, kind: FailureClass) -> None:
    with pytest.raises(ProviderFailure) as caught:
        take_tools(
            Fields({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": choice})
        )
    assert (caught.value.failure.kind, caught.value.param) == (kind, "tool_choice")


# -- parts


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/jpg;base64,AA==", ("image/jpeg", "AA==")),
        ("DATA:image/PNG;charset=x;base64,AA==", ("image/png", "AA==")),
        ("data:,Hi%20there", ("text/plain", "SGkgdGhlcmU=")),
        ("data:text/plain", None),
        ("https://x.example/a.png", None),
    ],
)
def test_a_data_url_is_taken_apart(url: str, expected: tuple[str, str] | None) -> None:
    assert parse_data_url(url) == expected


def test_parts_of_every_kind() -> None:
    content = [
        {"type": "text", "text": "a", "cache_control": {"x": 1}},
        {"type": "text", "text": " "},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "JVBERg==", "filename": "A.PDF"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]
    assert read_parts(content) == (
        Text("a", {"x": 1}),
        Image(url="https://x.example/a.png", detail="low"),
        Image(media_type="image/png", data="AA=="),
        File(file_id="file-1"),
        File(media_type="application/pdf", data="JVBERg==", filename="A.PDF"),
        Audio("AA", "wav"),
    )
    assert read_parts(" \n") == ()
    assert read_parts(None) == ()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (5, FailureClass.INVALID_REQUEST),
        (["text"], FailureClass.INVALID_REQUEST),
        ([{"type": "text", "text": 5}], FailureClass.INVALID_REQUEST),
        ([{"type": "image_url"}], FailureClass.INVALID_REQUEST),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}],
            FailureClass.INVALID_REQUEST,
        ),
        ([{"type": "file", "file": {}}], FailureClass.INVALID_REQUEST),
        ([{"type": "video"}], FailureClass.UNSUPPORTED),
        ([{"type": ["text"]}], FailureClass.UNSUPPORTED),
    ],
)
def test_parts_that_cannot_be_read_are_refused(content: Any, kind: FailureClass) -> None:
    with pytest.raises(ProviderFailure) as caught:
        read_parts(content)
    assert (caught.value.failure.kind, caught.value.param) == (kind, "messages")


# -- turns


def test_results_stand_right_after_their_calls_in_the_order_of_the_calls() -> None:
    two = [CALL, {**CALL, "id": "d"}]
    found = read(
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": two},
        {"role": "system", "content": "s"},
        {"role": "tool", "tool_call_id": "d", "content": "2"},
        {"role": "assistant", "content": "and"},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    )
    assert [turn.role for turn in found] == ["user", "assistant", "user", "system", "assistant"]
    assert [(each.id, each.content) for each in found[2].results] == [("c", "1"), ("d", "2")]
    lifted, rest = lift_system(found)
    assert lifted == (Text("s"),)
    assert [turn.role for turn in rest] == ["user", "assistant", "user", "assistant"]


def test_a_result_belongs_to_the_latest_call_of_its_id() -> None:
    found = read(
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
    )
    assert [turn.results[0].content for turn in found if turn.results] == ["1", "2"]
    assert found[0].calls[0].id != found[2].calls[0].id == found[3].results[0].id


def test_a_result_before_its_call_is_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x.example/a"}}
    parts = [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]
    found = read(
        {"role": "tool", "tool_call_id": "c", "content": parts}, {"role": "assistant", "tool_calls": [CALL]}
    )
    assert found[0].parts == (Text("[tool result c: a\nb]"), Image(url="https://x.example/a"))
    assert found[2].results[0].is_missing


def test_neighbours_are_merged_and_empty_turns_removed() -> None:
    found = read(
        {"role": "assistant", "content": "a", "reasoning_content": "r1"},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "b"}], "reasoning_content": "r2"},
    )
    assert found == [Turn("assistant", (Text("a"), Text("b")), reasoning="r1\nr2")]


def test_the_cache_control_of_a_message_is_its_last_parts() -> None:
    found = read({"role": "user", "content": "a", "cache_control": {"x": 1}})
    assert found[0].parts == (Text("a", {"x": 1}),)
    found = read({"role": "assistant", "content": "a", "tool_calls": [CALL, CALL], "cache_control": {"x": 1}})
    assert found[0].parts == (Text("a"),)
    assert [call.cache_control for call in found[0].calls] == [None, {"x": 1}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (None, {}),
        (" ", {}),
        ("{}", {}),
        ("[1]", {"value": [1]}),
        ("null", {"value": None}),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_arguments_are_an_object(arguments: Any, expected: dict[str, Any]) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    assert read({"role": "assistant", "tool_calls": [call]})[0].calls[0].arguments == expected


@pytest.mark.parametrize(
    "place",
    [
        {"extra_content": {"google": {"thought_signature": "s"}}},
        {"provider_specific_fields": {"thought_signature": "s"}},
        {"function": {"name": "f", "arguments": "{}", "thought_signature": "s"}},
        {"function": {"name": "f", "provider_specific_fields": {"thought_signature": "s"}}},
    ],
)
def test_a_thought_signature_is_found_wherever_a_gateway_put_it(place: dict[str, Any]) -> None:
    assert read({"role": "assistant", "tool_calls": [CALL | place]})[0].calls[0].signature == "s"


def test_a_thought_signature_of_the_text() -> None:
    found = read(
        {"role": "assistant", "content": "a", "extra_content": {"google": {"thought_signature": "s"}}}
    )
    assert found[0].signature == "s"


# -- names and ids


def test_ids_fit_and_are_unique() -> None:
    ids = CallIds(fit, limit=12)
    found = [ids(each) for each in ("a.b", "a:b", "a.b", "", "", "x" * 20, "x" * 21)]
    assert found[0] == "a_b"
    assert len(set(found)) == len(found)
    assert all(len(each) <= 12 and re.fullmatch(r"[a-z0-9_]+", each) for each in found)
    again = CallIds(fit, limit=12)
    assert [again(each) for each in ("a.b", "a:b", "a.b")] == found[:3]


def test_names_fit_and_come_back() -> None:
    names = ToolNames(fit)
    found = [names(each) for each in ("a.b", "a:b", "a_b", "a.b", "ok")]
    assert found[0] == found[3] == "a_b"
    assert len(set(found)) == 4
    assert {names.originals.get(each, each) for each in found} == {"a.b", "a:b", "a_b", "ok"}
    assert "ok" not in names.originals


# -- anything

NAMES = [
    "role", "content", "tool_calls", "function", "name", "arguments", "id", "type", "text", "image_url",
    "url", "file", "file_data", "tool_call_id", "thinking_blocks", "provider_specific_fields",
    "extra_content", "schema", "json_schema", "properties", "$ref", "$defs", "anyOf", "items",
    "parameters", "strict", "refusal", "allowed_tools", "mode", "tools", "cache_control", "required",
    "budget_tokens",
]  # fmt: skip
WORDS = st.sampled_from(
    [
        "user", "assistant", "system", "tool", "function", "text", "image_url", "file", "thinking",
        "json_schema", "allowed_tools", "auto", "required", "object", "enabled", "ephemeral", "#",
        "#/$defs/a", "data:text/plain,a",
    ]
)  # fmt: skip
ANY: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=2), inner, max_size=5)
    ),
    max_leaves=14,
)
FIELD_NAMES = st.sampled_from(
    [
        "messages", "tools", "tool_choice", "functions", "function_call", "response_format", "thinking",
        "stop", "reasoning_effort", "temperature", "top_p", "top_k", "max_tokens", "user",
        "service_tier", "n",
    ]
)  # fmt: skip
FUNCTION = st.fixed_dictionaries({"name": WORDS, "parameters": ANY, "strict": st.just(True)})
TOOLS = st.lists(st.fixed_dictionaries({"type": st.just("function"), "function": FUNCTION}), max_size=2)
SCHEMA = ANY.map(lambda schema: {"type": "json_schema", "json_schema": {"schema": schema}})


@given(
    st.dictionaries(FIELD_NAMES, ANY, max_size=5),
    st.lists(st.dictionaries(st.sampled_from(NAMES), ANY | WORDS, max_size=5), max_size=4) | ANY,
    st.none() | TOOLS,
    st.none() | SCHEMA,
)
def test_reading_any_request_raises_nothing_but_a_failure_with_its_field(
    fields: dict[str, Any], messages: Any, tools: Any, form: Any
) -> None:
    body = {**fields, "messages": messages}
    body |= {"tools": tools} if tools is not None else {}
    body |= {"response_format": form} if form is not None else {}
    raw = msgspec.json.encode(body)
    request = chat_request(raw)
    failure = None
    try:
        wire = build_chat(ADAPTER, request, connection_to("anthropic", "FAKE-KEY"), "claude-sonnet-4-6")
    except ProviderFailure as problem:
        failure = problem.failure
    if failure is None:
        assert json.loads(wire.body)["messages"]
    else:
        assert failure.param
        assert failure.kind in {FailureClass.UNSUPPORTED, FailureClass.INVALID_REQUEST}
