"""Anthropic: streams, beyond the recorded cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.anthropic import ADAPTER
from gateway.types import Reply, Usage
from tests.gateway.providers.samples import chat_request, hear, open_chat_stream, replay
from tests.gateway.providers.test_anthropic_answers import (
    BYTES,
    START,
    STOP,
    delta,
    end,
    events,
    start,
    stop,
    streamed,
    text,
)


def test_usage_is_cumulative_and_may_be_left_out() -> None:
    opening = {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}
    stream = open_chat_stream(ADAPTER, chat_request(stream=True, include_usage=True), Reply())
    raw = events(
        {"type": "message_start", "message": {"id": "m1", "model": "claude", "usage": opening}},
        text("Hi"),
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3, "input_tokens": None}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}},
        STOP,
    )
    assert hear(replay(stream, raw)).usage == [12, 9]
    assert stream.usage == Usage(input=5, cache_read=7, output=9)


def test_no_usage_chunk_where_nobody_asked_or_nothing_is_known() -> None:
    assert streamed(START, text("Hi"), *end("end_turn")).usage is None
    assert streamed(text("Hi"), *end("end_turn"), include_usage=True).usage is None


def test_calls_are_counted_apart_from_other_blocks() -> None:
    heard = streamed(
        START,
        start(0, type="text", text=""),
        text("Hi"),
        stop(0),
        start(1, type="server_tool_use", id="s", name="web_search", input={}),
        delta(1, type="input_json_delta", partial_json='{"query":1}'),
        stop(1),
        start(2, type="tool_use", id="t1", name="f", input={}),
        delta(2, type="input_json_delta", partial_json=""),
        start(4, type="tool_use", id="t2", name="g", input={}),
        delta(2, type="input_json_delta", partial_json='{"a":1}'),
        stop(2),
        stop(4),
        *end("tool_use"),
    )
    assert heard.text == "Hi"
    assert heard.tool_calls == [["t1", "f", '{"a":1}'], ["t2", "g", "{}"]]
    assert heard.finish_reason == "tool_calls"


def test_thinking_blocks_are_sent_whole() -> None:
    heard = streamed(
        START,
        start(0, type="thinking", thinking=None),
        delta(0, type="thinking_delta", thinking="H"),
        delta(0, type="thinking_delta", thinking="m."),
        delta(0, type="signature_delta", signature="c2"),
        delta(0, type="signature_delta", signature="ln"),
        stop(0),
        start(1, type="redacted_thinking", data="eA=="),
        stop(1),
        text("4"),
        *end("end_turn"),
    )
    blocks = [chunk["choices"][0]["delta"].get("thinking_blocks") for chunk in heard.chunks]
    assert [block for found in blocks if found for block in found] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]
    assert (heard.reasoning, heard.text) == ("Hm.", "4")


def test_text_in_the_start_of_a_block_is_text() -> None:
    assert streamed(START, start(0, type="text", text="He"), text("y"), *end("end_turn")).text == "Hey"


def test_unknown_events_are_ignored() -> None:
    odd = [
        {"type": "ping"},
        {"type": "new_event", "delta": "text", "index": "x"},
        delta(0, type="new_delta", text=5),
        delta(7, type="input_json_delta", partial_json="{}"),
        delta(0, type="citations_delta", citation={}),
        stop(9),
    ]
    heard = streamed(START, *odd, text("Hi"), *odd, *end("end_turn"))
    assert (heard.text, len(heard.chunks)) == ("Hi", 3)


def test_the_head_of_a_stream_is_no_content() -> None:
    stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
    assert stream.feed(events(START, {"type": "ping"}, start(0, type="text", text="")))
    before = stream.started
    stream.feed(events(text("Hi")))
    assert (before, stream.started) == (False, True)
    assert stream.model == "claude"


def test_nothing_follows_the_last_event() -> None:
    heard = streamed(START, text("Hi"), *end("end_turn"), text("more"), START)
    assert heard.text == "Hi"


def test_an_answer_without_anything_is_one() -> None:
    heard = streamed(START, *end("end_turn"))
    assert (heard.text, heard.finish_reason, heard.done) == ("", "stop", True)


def test_an_error_before_any_content_is_raised_at_once() -> None:
    stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    with pytest.raises(ProviderFailure) as caught:
        stream.feed(events(START, error))
    assert caught.value.failure.kind is FailureClass.RATE_LIMIT
    assert not stream.started


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"content_block_delta","index":[1]}\n\n',
        b'data: {"type":"content_block_delta","index":0}\n\n',
        b'data: {"type":"content_block_start","index":0}\n\n',
        b'data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use"}}\n\n',
        b'data: {"type":5}\n\n',
        b"data: [1]\n\n",
        b'data: {"type":"ping","x":"\xff"}\n\n',
        b"data: <html>\n\n",
    ],
)
def test_an_event_that_cannot_be_read_is_the_providers_fault(event: bytes) -> None:
    stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
    with pytest.raises(ProviderFailure) as caught:
        stream.feed(event)
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


@given(st.lists(BYTES, max_size=5))
def test_streaming_anything_raises_nothing_but_a_failure(payloads: list[bytes]) -> None:
    stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
    raw = b"".join(b"data: %b\n\n" % payload for payload in payloads)
    with pytest.raises(ProviderFailure):
        replay(stream, raw)  # none of these has message_stop


def test_a_cut_line_of_a_last_event_is_no_end() -> None:
    raw = events(START, text("Hi"), *end("end_turn"))
    for length in range(len(raw) - len(b'{"type": "message_stop"}\n\n')):
        stream = open_chat_stream(ADAPTER, chat_request(stream=True), Reply())
        with pytest.raises(ProviderFailure):
            replay(stream, raw[:length])
