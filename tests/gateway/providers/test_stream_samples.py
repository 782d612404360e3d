"""Every recorded chat stream, replayed whole, byte by byte and cut at random."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.types import Reply
from tests.gateway.providers.samples import (
    Heard,
    Sample,
    chat_request,
    hear,
    open_chat_stream,
    replay,
    sample,
    samples,
)

STREAMS = samples("stream", "ChatCompletionChunk")
# What a provider's failure looks like: the message that a caller sees.
BROKEN = {
    "openai/chat_stream_error_midway.stream.sse": "The upstream provider closed the stream",
    "openai/chat_stream_truncated.stream.sse": "ended before the answer was complete",
    "compat/groq_stream_error.stream.sse": "model failure",
    "compat/openrouter_stream_error.stream.sse": "Provider disconnected unexpectedly",
    "compat/cerebras_stream_error.stream.sse": "Encountered a server error",
    "compat/hf_tgi_stream_error.stream.sse": "Request failed during generation: CUDA error",
}
WHOLE = [each for each in STREAMS if str(each) not in BROKEN]
by_name = pytest.mark.parametrize("each", WHOLE, ids=str)


def _check(each: Sample, heard: Heard, *, asked: bool) -> None:
    expected = each.expect
    assert heard.text == expected["text"]
    assert heard.text1 == expected.get("text1", "")
    assert heard.reasoning == expected.get("reasoning", "")
    assert heard.finish_reason == expected["finish_reason"]
    assert heard.tool_calls == expected.get("tool_calls", [])
    assert heard.usage == (expected["usage"] if asked else None)
    assert heard.done


@pytest.mark.parametrize("asked", [False, True], ids=["usage-not-asked", "usage-asked"])
@by_name
def test_a_stream_becomes_what_the_manifest_expects(each: Sample, asked: bool) -> None:
    stream = open_chat_stream(each.adapter, chat_request(stream=True, include_usage=asked), Reply())
    heard = hear(replay(stream, each.raw))
    _check(each, heard, asked=asked)
    assert stream.started
    assert stream.output_bytes == heard.output_bytes
    assert stream.model == heard.chunks[0]["model"] != ""


@by_name
def test_a_stream_cut_after_every_byte_gives_the_same_frames(each: Sample) -> None:
    request = chat_request(stream=True, include_usage=True)
    whole = replay(open_chat_stream(each.adapter, request, Reply()), each.raw)
    assert (
        replay(open_chat_stream(each.adapter, request, Reply()), each.raw, range(1, len(each.raw))) == whole
    )


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_stream_cut_at_random_gives_the_same_frames(data: st.DataObject) -> None:
    each = data.draw(st.sampled_from(WHOLE))
    cuts = data.draw(st.lists(st.integers(0, len(each.raw)), max_size=12))
    request = chat_request(stream=True, include_usage=data.draw(st.booleans()))
    whole = replay(open_chat_stream(each.adapter, request, Reply()), each.raw)
    assert replay(open_chat_stream(each.adapter, request, Reply()), each.raw, cuts) == whole


@by_name
def test_what_the_provider_used_is_known_whether_or_not_the_caller_asked(each: Sample) -> None:
    stream = open_chat_stream(each.adapter, chat_request(stream=True), Reply())
    replay(stream, each.raw)
    expected = each.expect["usage"]
    if expected is None:
        assert stream.usage is None
        return
    assert stream.usage is not None
    assert stream.usage.input + stream.usage.cache_read == expected[0]
    assert stream.usage.output == expected[1]
    cost = each.expect.get("cost")
    if cost is not None:
        assert stream.usage.cost_usd == format(Decimal(str(cost)), "f")


@pytest.mark.parametrize("name", BROKEN)
def test_a_failing_stream_gives_what_came_and_then_fails(name: str) -> None:
    each = sample(*name.split("/"))
    stream = open_chat_stream(each.adapter, chat_request(stream=True), Reply())
    output: list[bytes] = []
    steps: list[Callable[[], bytes]] = [lambda: stream.feed(each.raw), stream.finish]
    with pytest.raises(ProviderFailure, match=re.escape(BROKEN[name])) as caught:
        output.extend(step() for step in steps)
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR
    assert stream.started == bool(each.expect["text"])  # else the next target may still be tried
    heard = hear(b"".join(output))
    assert heard.text == each.expect["text"]
    assert heard.finish_reason is None
    assert not heard.done


@pytest.mark.parametrize("name", BROKEN)
def test_a_failing_stream_fed_event_by_event_fails_too(name: str) -> None:
    each = sample(*name.split("/"))
    stream = open_chat_stream(each.adapter, chat_request(stream=True), Reply())
    with pytest.raises(ProviderFailure, match=re.escape(BROKEN[name])):
        replay(stream, each.raw, range(1, len(each.raw)))


@pytest.mark.parametrize("each", STREAMS, ids=str)
def test_a_stream_cut_off_anywhere_never_ends_clean_unless_every_choice_finished(each: Sample) -> None:
    for length in range(0, len(each.raw), 7):
        stream = open_chat_stream(each.adapter, chat_request(stream=True), Reply())
        try:
            output = replay(stream, each.raw[:length])
        except ProviderFailure:
            continue
        heard = hear(output)
        assert heard.done
        assert heard.finish_reason == each.expect["finish_reason"]
        assert heard.text == each.expect["text"]


@pytest.mark.parametrize("name", ["chat_stream.stream.sse", "chat_stream_usage.stream.sse"])
def test_conforming_events_are_forwarded_byte_for_byte(name: str) -> None:
    each = sample("openai", name)
    stream = open_chat_stream(each.adapter, chat_request(stream=True, include_usage=True), Reply())
    assert replay(stream, each.raw) == each.raw


def test_a_caller_who_did_not_ask_for_usage_sees_no_trace_of_it() -> None:
    each = sample("openai", "chat_stream_usage.stream.sse")
    stream = open_chat_stream(each.adapter, chat_request(stream=True), Reply())
    assert b"usage" not in replay(stream, each.raw)
    assert stream.usage is not None


def test_azures_verdict_on_the_prompt_comes_with_the_first_chunk() -> None:
    each = sample("azure", "chat_stream.stream.sse")
    heard = hear(replay(open_chat_stream(each.adapter, chat_request(stream=True), Reply()), each.raw))
    first, second = heard.chunks[:2]
    assert first["prompt_filter_results"][0]["content_filter_results"]["jailbreak"] == {
        "filtered": False,
        "detected": False,
    }
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert "prompt_filter_results" not in second
    assert second["choices"][0]["content_filter_results"]["hate"] == {"filtered": False, "severity": "safe"}


def test_perplexitys_citations_stay_and_its_accumulated_message_goes() -> None:
    each = sample("compat", "perplexity_stream.stream.sse")
    heard = hear(replay(open_chat_stream(each.adapter, chat_request(stream=True), Reply()), each.raw))
    assert heard.chunks[0]["citations"] == ["https://example.com/a"]
    assert all("message" not in chunk["choices"][0] for chunk in heard.chunks)


def test_ollamas_ids_which_are_not_unique_are_replaced_by_ours() -> None:
    each = sample("compat", "ollama_stream_usage.stream.sse")
    heard = hear(
        replay(
            open_chat_stream(each.adapter, chat_request(stream=True, include_usage=True), Reply()), each.raw
        )
    )
    assert {chunk["id"] for chunk in heard.chunks} == {"chatcmpl-req1"}


def test_openrouters_reasoning_details_are_passed_on_verbatim() -> None:
    each = sample("compat", "openrouter_stream.stream.sse")
    heard = hear(replay(open_chat_stream(each.adapter, chat_request(stream=True), Reply()), each.raw))
    details = [
        choice["delta"].get("reasoning_details") for chunk in heard.chunks for choice in chunk["choices"]
    ]
    assert [{"type": "reasoning.text", "text": "Hm", "index": 0, "format": "anthropic-claude-v1"}] in details
