"""Anthropic: the messages that are sent, beyond the recorded cases."""

from typing import Any

import pytest

from gateway.errors import FailureClass
from tests.gateway.providers.test_anthropic_requests import (
    HI,
    calling,
    refused,
    result,
    sent_body,
    turns,
    user,
)

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "get_weather"}}
CACHE = {"type": "ephemeral"}


def test_system_messages_are_lifted_in_order() -> None:
    system = {"role": "system", "content": "Late."}
    body = sent_body(messages=[{"role": "developer", "content": "Early."}, HI, system, user("There")])
    assert [block["text"] for block in body["system"]] == ["Early.", "Late."]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "There"}]}
    ]


@pytest.mark.parametrize(
    ("model", "stays"),
    [
        ("claude-opus-4-8", True),
        ("claude-opus-5", True),
        ("claude-fable-5", True),
        ("claude-mythos-preview", True),
        ("claude-sonnet-5-5", True),
        ("claude-sonnet-5", False),
        ("claude-opus-4-7", False),
        ("some-new-model", False),
    ],
)
def test_a_system_message_in_mid_conversation_stays_on_models_that_take_it(model: str, stays: bool) -> None:
    late = {"role": "system", "content": "Be brief."}
    body = sent_body(model, messages=[HI, {"role": "assistant", "content": "Yes?"}, user("Go"), late])
    text = [{"type": "text", "text": "Be brief."}]
    assert (body["messages"][-1] == {"role": "system", "content": text}) is stays
    assert (body.get("system") == text) is not stays


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "S"}, HI],
        [HI, {"role": "system", "content": "S"}, user("b")],
        [HI, {"role": "assistant", "content": "a"}, {"role": "system", "content": "S"}, user("b")],
    ],
)
def test_a_system_message_is_lifted_where_its_place_is_not_legal(messages: list[dict[str, Any]]) -> None:
    body = sent_body("claude-opus-5", messages=messages)
    assert body["system"] == [{"type": "text", "text": "S"}]
    assert all(turn["role"] != "system" for turn in body["messages"])


def test_two_system_messages_in_mid_conversation_are_one() -> None:
    system = [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}]
    found = turns(HI, calling("a"), result("a"), *system, calling("b"), result("b"), model="claude-opus-4-8")
    assert [turn["role"] for turn in found] == ["user", "assistant", "user", "system", "assistant", "user"]
    assert [block["text"] for block in found[3]["content"]] == ["A", "B"]


def test_a_conversation_begins_with_the_user() -> None:
    found = turns({"role": "assistant", "content": "Welcome."}, HI)
    assert found[0] == {"role": "user", "content": [{"type": "text", "text": "(continue)"}]}
    assert found[1]["role"] == "assistant"


def test_the_beginning_of_an_answer_ends_without_whitespace() -> None:
    assert turns(HI, {"role": "assistant", "content": "Well, \n"})[1]["content"][0]["text"] == "Well,"


def test_a_refusal_of_the_past_is_text() -> None:
    found = turns(HI, {"role": "assistant", "content": None, "refusal": "No."}, user("Please"))
    assert found[1]["content"] == [{"type": "text", "text": "No."}]


@pytest.mark.parametrize(
    "messages", [[{"role": "system", "content": "S"}], [user(" ")], [{"role": "assistant", "content": ""}]]
)
def test_a_request_without_anything_to_answer_is_refused(messages: list[dict[str, Any]]) -> None:
    failure = refused(messages=messages)
    assert (failure.kind, failure.param) == (FailureClass.INVALID_REQUEST, "messages")


def test_results_are_repaired() -> None:
    history = [
        HI,
        calling("a", "b"),
        result("b", "2"),
        result("b", "again"),
        result("x", "lost"),
        user("So?"),
    ]
    assert turns(*history)[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": "(no result)"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        {"type": "text", "text": "[tool result b: again]"},
        {"type": "text", "text": "[tool result x: lost]"},
        {"type": "text", "text": "So?"},
    ]


def test_ids_are_unique_in_the_whole_request() -> None:
    rounds = [calling("a"), result("a", "1"), calling("a"), result("a", "2"), calling("a"), result("a", "3")]
    found = turns(HI, *rounds)
    ids = [turn["content"][0]["id"] for turn in found if turn["role"] == "assistant"]
    assert ids == ["a", "a_ca9781", "a_aae1ce"]  # SHA-256 of "a", then of "a#3"
    answered = [turn["content"][0]["tool_use_id"] for turn in found[2::2]]
    assert answered == ids
    assert [turn["content"][0]["content"] for turn in found[2::2]] == ["1", "2", "3"]


def test_the_content_of_a_result() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    parts = [{"type": "text", "text": "See"}, image]
    blocks = turns(HI, calling("a", "b", "c"), result("a", parts), result("b", ""), result("c", []))[2][
        "content"
    ]
    assert blocks[0]["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
    ]
    assert [sorted(block) for block in blocks[1:]] == [["tool_use_id", "type"]] * 2


def test_files_of_text_are_decoded() -> None:
    data = "data:text/plain;base64,SMOpbGxv"
    part = {"type": "file", "file": {"file_data": data, "filename": "a.txt"}}
    assert turns({"role": "user", "content": [part]})[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Héllo"},
            "title": "a.txt",
        }
    ]


def test_jpg_is_jpeg() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/"}}
    source = turns({"role": "user", "content": [part]})[0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(data: str) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data}}


AUDIO = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
CUSTOM_CALL = {"id": "a", "type": "custom", "custom": {"name": "f"}}
BROKEN_CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"role": "user", "content": [image("http://x.example/a.png")]}, "unsupported"),
        ({"role": "system", "content": [image("https://x.example/a.png")]}, "unsupported"),
        ({"role": "assistant", "content": [AUDIO]}, "unsupported"),
        ({"role": "user", "content": [file("data:video/mp4;base64,AA")]}, "unsupported"),
        ({"role": "user", "content": [file("data:text/plain;base64,/w==")]}, "invalid_request"),
        ({"role": "user", "content": [file("data:text/plain;base64,IA==")]}, "invalid_request"),
        ({"role": "assistant", "tool_calls": [BROKEN_CALL]}, "invalid_request"),
        ({"role": "assistant", "tool_calls": [CUSTOM_CALL]}, "unsupported"),
    ],
)
def test_messages_that_cannot_be_sent_are_refused(message: dict[str, Any], kind: str) -> None:
    failure = refused(messages=[HI, message])
    assert (failure.kind, failure.param) == (kind, "messages")


# -- the cache


def test_breakpoints_are_kept_on_their_blocks() -> None:
    history = [
        {"role": "system", "content": "S", "cache_control": {"type": "ephemeral", "ttl": "1h", "x": 1}},
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": CACHE}]},
        calling("a", cache_control=CACHE),
        result("a", cache_control=CACHE),
    ]
    body = sent_body(messages=history, tools=[TOOL])
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert [turn["content"][-1].get("cache_control") for turn in body["messages"]] == [CACHE] * 3


def test_no_more_than_the_last_four_breakpoints_are_sent() -> None:
    parts = [{"type": "text", "text": str(n), "cache_control": CACHE} for n in range(4)]
    history = [{"role": "system", "content": "S", "cache_control": CACHE}, {"role": "user", "content": parts}]
    body = sent_body(messages=history, tools=[{**TOOL, "cache_control": CACHE}])
    assert "cache_control" not in body["tools"][0]
    assert "cache_control" not in body["system"][0]
    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [CACHE] * 4


@pytest.mark.parametrize("value", ["ephemeral", {"type": "persistent"}, {}, 5])
def test_what_is_no_breakpoint_is_left_out(value: Any) -> None:
    part = {"type": "text", "text": "a", "cache_control": value}
    assert turns({"role": "user", "content": [part]})[0]["content"] == [{"type": "text", "text": "a"}]
