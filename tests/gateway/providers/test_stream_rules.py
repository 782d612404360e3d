"""The rules of a streamed answer, one by one."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.openai_repairs import encode
from gateway.providers.registry import ADAPTERS
from gateway.types import Reply
from tests.gateway.providers.events import (
    DONE,
    INTERRUPTED,
    ROLE,
    STOP,
    call,
    delta,
    event,
    failure,
    translate,
)
from tests.gateway.providers.samples import RECEIVED_AT, chat_request, hear, open_chat_stream, replay

# When the caller's answer may begin, and when it is complete.


def test_the_role_chunk_is_no_beginning_and_text_is_one() -> None:
    stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
    assert stream.feed(ROLE) == ROLE
    assert not stream.started
    stream.feed(event(delta(content="Hi")))
    assert stream.started


@pytest.mark.parametrize(
    "choice",
    [
        delta(reasoning="Hm"),
        delta(reasoning_content="Hm"),
        delta(refusal="No."),
        delta(audio={"id": "a1", "data": "AAAA"}),
        delta(audio={"id": "a1", "data": "AAAA"}, reasoning=""),
        delta(tool_calls=[call(0, "c1", "f", "")]),
        delta(finish="stop"),
    ],
)
def test_reasoning_refusals_audio_calls_and_the_end_are_a_beginning_too(choice: dict[str, Any]) -> None:
    stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
    stream.feed(ROLE + event(choice))
    assert stream.started


def test_a_missing_done_is_forgiven_when_everything_finished() -> None:
    assert translate(ROLE, event(delta(content="Hi")), STOP).done


def test_an_end_without_a_finish_reason_is_a_failure_even_after_done() -> None:
    caught = failure(ROLE, event(delta(content="Hi")), DONE)
    assert INTERRUPTED in caught.message
    assert caught.code == "upstream_stream_interrupted"
    assert caught.failure.kind is FailureClass.SERVER_ERROR


def test_one_unfinished_choice_of_two_is_a_failure() -> None:
    assert INTERRUPTED in failure(ROLE, event(delta(1, role="assistant", content="")), STOP, DONE).message


@pytest.mark.parametrize("body", [b"", DONE, b": ping\n\n", event(usage={"prompt_tokens": 1}) + DONE])
def test_a_stream_without_choices_is_a_failure(body: bytes) -> None:
    assert INTERRUPTED in failure(body).message


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert translate(ROLE, event(delta(content="Hi", finish="stop")).rstrip()).text == "Hi"


def test_nothing_after_done_is_read() -> None:
    assert translate(ROLE, STOP, DONE, b"data: {broken\n\n", event(delta(content="more"))).text == ""


def test_content_after_the_finish_of_its_choice_is_left_out() -> None:
    assert translate(ROLE, STOP, event(delta(content="more")), event(delta(finish="length"))).text == ""


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {\n\n",
        b"data: \xff\n\n",
        b'data: {"choices":[],"x":"\xff"}\n\n',
        b"data: null\n\n",
        b'data: {"choices":[1]}\n\n',
        b'data: {"choices":{}}\n\n',
        b'data: {"choices":[],"x":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_an_unreadable_event_is_a_failure_of_the_provider(broken: bytes) -> None:
    caught = failure(ROLE, event(delta(content="Hi")), broken, STOP)
    assert caught.failure.kind is FailureClass.SERVER_ERROR
    assert caught.message == "The provider's answer cannot be read."


def test_what_came_before_a_failure_in_the_same_read_is_not_lost() -> None:
    stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
    assert hear(stream.feed(ROLE + event(delta(content="Hi")) + b"data: {\n\n")).text == "Hi"
    for _ in range(2):
        with pytest.raises(ProviderFailure, match="cannot be read"):
            stream.feed(STOP)
    with pytest.raises(ProviderFailure, match="cannot be read"):
        stream.finish()


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        ({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}, "rate_limit", "Slow down"),
        ({"error": {"message": "Down", "code": 503}}, "overloaded", "Down"),
        ({"error": {"message": "Bad", "type": "invalid_request_error"}}, "invalid_request", "Bad"),
        ({"error": {"message": "Oops"}, "status_code": 500}, "server_error", "Oops"),
        ({"error": "plain text", "error_type": "overloaded"}, "overloaded", "plain text"),
        ({"object": "error", "message": "Flat", "code": 400}, "invalid_request", "Flat"),
        ({"choices": [], "x_groq": {"error": "model failure"}}, "server_error", "model failure"),
        ({"choices": [delta(finish="error")]}, "server_error", "The provider failed while it was answering."),
        ({"error": {}}, "server_error", INTERRUPTED),
    ],
)
def test_an_error_inside_the_stream_is_classed(data: dict[str, Any], kind: str, message: str) -> None:
    caught = failure(f"data: {json.dumps(data)}\n\n".encode())
    assert caught.failure.kind == kind
    assert message in caught.message


# Roles, ids, and what is equal in every chunk.


def test_a_missing_role_is_added_to_the_first_chunk_of_each_choice() -> None:
    heard = translate(event(delta(content="a")), event(delta(1, content="b")), STOP, event(delta(1, "stop")))
    assert [chunk["choices"][0]["delta"].get("role") for chunk in heard.chunks] == [
        "assistant", "assistant", None, None,
    ]  # fmt: skip
    assert (heard.text, heard.text1) == ("a", "b")


def test_a_role_without_content_gets_an_empty_text() -> None:
    heard = translate(event(delta(role="assistant")), STOP)
    assert heard.chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}


@pytest.mark.parametrize(
    "choice",
    [
        {"role": "assistant", "content": "b"},
        {"content": "b", "role": "assistant"},
        {"role": "model", "content": "b"},
    ],
)
def test_a_repeated_role_is_cut_out_wherever_it_stands(choice: dict[str, Any]) -> None:
    assert translate(event(delta(role="assistant", content="a")), event(delta(**choice)), STOP).text == "ab"


def test_text_that_looks_like_a_member_is_not_cut() -> None:
    tricky = '"role":"assistant",,"usage":null'
    compact = json.dumps({"role": "assistant", "content": tricky}, separators=(",", ":"))
    chunk = (
        'data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"m1",'
        f'"choices":[{{"index":0,"delta":{compact},"finish_reason":null}}]}}\n\n'
    ).encode()
    assert translate(ROLE, chunk, chunk, STOP).text == tricky * 2


def test_empty_ids_models_and_times_are_filled_in() -> None:
    empty = {"id": "", "model": "", "created": 0, "object": ""}
    stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
    heard = hear(replay(stream, event(delta(content="a"), **empty) + event(delta(finish="stop"), **empty)))
    assert {(c["id"], c["model"], c["created"]) for c in heard.chunks} == {
        ("chatcmpl-req1", "gpt-4o", RECEIVED_AT)
    }
    assert stream.model == ""  # unknown stays unknown for accounting


def test_ids_and_models_that_change_on_the_way_are_made_equal() -> None:
    heard = translate(ROLE, event(delta(content="a"), id='x"y', model="other", created=9), STOP)
    assert {(chunk["id"], chunk["model"], chunk["created"]) for chunk in heard.chunks} == {("c1", "m1", 5)}


@pytest.mark.parametrize("identity", ['a"b', "ü", "\\"])
def test_an_id_with_odd_characters_survives(identity: str) -> None:
    first, second = event(delta(content="a"), id=identity), event(delta(content="b"), id="")
    assert {chunk["id"] for chunk in translate(first, second, STOP).chunks} == {identity}


def test_an_event_over_several_data_lines_becomes_one_line() -> None:
    split = event(delta(content="Hi")).replace(b', "created"', b',\ndata: "created"')
    assert translate(ROLE, split, STOP).text == "Hi"


def test_unknown_members_pass_through() -> None:
    heard = translate(ROLE, event(delta(content="Hi", reasoning="x"), service_tier="flex"), STOP)
    assert heard.chunks[1]["service_tier"] == "flex"


# Text and reasoning.


def test_reasoning_is_written_once_under_one_name() -> None:
    heard = translate(ROLE, event(delta(reasoning="Hm", reasoning_content="Hm")), STOP)
    assert heard.reasoning == "Hm"


@pytest.mark.parametrize("odd", [5, {"a": 1}, None])
def test_what_is_no_text_is_left_out(odd: Any) -> None:
    heard = translate(ROLE, event(delta(content=odd, reasoning=odd, reasoning_content=odd)), STOP)
    assert (heard.text, heard.reasoning) == ("", "")


def test_mistrals_parts_become_text_and_reasoning() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
        {"type": "text", "text": "Hi"},
        {"type": "reference", "reference_ids": [1]},
        "!",
    ]
    heard = translate(ROLE, event(delta(content=parts)), STOP, slug="mistral")
    assert (heard.text, heard.reasoning) == ("Hi!", "Hm")


def test_output_bytes_count_utf8() -> None:
    stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
    stream.feed(ROLE + event(delta(content="é€")) + event(delta(reasoning="ab")))
    assert stream.output_bytes == 7


# Anything at all.


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_bytes_raise_anything_but_a_provider_failure(pieces: list[bytes]) -> None:
    stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
    with pytest.raises(ProviderFailure):
        replay(stream, ROLE + b"".join(b"data: " + piece + b"\n\n" for piece in pieces))


def test_no_depth_of_nesting_raises_anything_but_a_provider_failure() -> None:
    for depth in range(500, 1000):
        deep = event(delta(finish="eos_token"), x="X").replace(b'"X"', b"[" * depth + b"]" * depth)
        stream = open_chat_stream(ADAPTERS["openai"], chat_request(stream=True), Reply())
        with suppress(ProviderFailure):
            assert hear(replay(stream, deep)).finish_reason == "stop"


def test_a_repair_that_is_nested_too_deeply_is_a_provider_failure() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ProviderFailure, match="cannot be read"):
        encode(deep)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "index", "tool_calls", "function", "arguments", "id", "name", "content",
             "role", "finish_reason", "usage", "error", "x_groq", "prompt_tokens", "object", "message"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(_json)
def test_no_json_raises_anything_but_a_provider_failure(document: Any) -> None:
    choices = [{"index": 0, "delta": document, "finish_reason": None}]
    for each in (document, {"choices": choices}, {"choices": [document]}, {"choices": [], "usage": document}):
        stream = open_chat_stream(ADAPTERS["groq"], chat_request(stream=True, include_usage=True), Reply())
        with suppress(ProviderFailure):
            hear(replay(stream, ROLE + f"data: {json.dumps(each)}\n\n".encode() + STOP))
