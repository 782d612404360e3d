"""The built-in provider, through its adapter: what an application sees before any key exists."""

import json
from math import isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from pydantic import TypeAdapter

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.registry import ADAPTERS
from gateway.providers.sandbox import SandboxReply, respond
from gateway.types import Reply, Usage
from tests.gateway.providers.samples import (
    RECEIVED_AT,
    Heard,
    build_chat,
    chat_request_of,
    connection_of,
    embeddings_request_of,
    hear,
    open_chat_stream,
    parse_chat,
    read_answer,
    replay,
)

ADAPTER = ADAPTERS["sandbox"]
ASK = {
    "model": "sandbox",
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
}
ECHO = "Hello from the sandbox! You said: Hi"
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("get_time", "get_weather")]
CHAT, EMBEDDINGS = "sandbox://local/v1/chat/completions", "sandbox://local/v1/embeddings"


def reply_to(body: dict[str, Any]) -> SandboxReply:
    request = chat_request_of(body)
    wire = build_chat(ADAPTER, request, connection_of("sandbox", "sandbox://local"), request.model)
    return respond(wire.url, wire.body)


def content(reply: SandboxReply) -> bytes:
    return b"".join(chunk for _, chunk in reply.chunks)


def ask(**fields: Any) -> dict[str, Any]:
    body = ASK | fields
    reply = reply_to(body)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    return read_answer(parse_chat(ADAPTER, chat_request_of(body), Reply(content(reply))).body)


def stream(**fields: Any) -> Heard:
    body = ASK | {"stream": True} | fields
    reply = reply_to(body)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    return hear(replay(open_chat_stream(ADAPTER, chat_request_of(body), Reply()), content(reply)))


def failure(reply: SandboxReply) -> ProviderFailure:
    return ProviderFailure(ADAPTER.parse_error(reply.status, reply.headers, content(reply)))


def test_it_answers_with_what_was_said_and_counts_words() -> None:
    assert ask() == {
        "text": ECHO,
        "reasoning": None,
        "finish_reason": "stop",
        "prompt_tokens": 3,
        "completion_tokens": 7,
        "tool_calls": [],
        "cached_tokens": None,
        "reasoning_tokens": None,
    }


def test_the_adapter_fills_in_id_and_time() -> None:
    answer = parse_chat(ADAPTER, chat_request_of(ASK), Reply(content(reply_to(ASK))))
    found = json.loads(answer.body)
    assert (found["id"], found["created"], found["model"]) == ("chatcmpl-req1", RECEIVED_AT, "sandbox")
    assert answer.usage == Usage(input=3, output=7)


def test_a_stream_comes_word_by_word_at_a_human_pace() -> None:
    reply = reply_to(ASK | {"stream": True})
    delays = [delay for delay, _ in reply.chunks]
    assert delays[0] == 0.040
    assert set(delays[1:]) == {0.025}
    assert len(delays) == 1 + 7 + 1  # the role, the words, the end


def test_a_stream_says_the_same_as_an_answer() -> None:
    heard = stream(stream_options={"include_usage": True})
    assert (heard.text, heard.finish_reason, heard.usage, heard.done) == (ECHO, "stop", [3, 7], True)
    assert stream().usage is None


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_ends_the_answer(name: str) -> None:
    answer = ask(**{name: 2})
    assert (answer["text"], answer["finish_reason"], answer["completion_tokens"]) == (
        "Hello from",
        "length",
        2,
    )
    assert (stream(**{name: 2}).text, stream(**{name: 2}).finish_reason) == ("Hello from", "length")
    assert ask(**{name: 7})["finish_reason"] == "stop"


def test_a_tool_is_called_when_the_message_says_so() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "Please call get_weather now"}]}]
    calls = [["call_get_weather", "get_weather", "{}"]]
    answer = ask(messages=messages, tools=TOOLS)
    assert (answer["finish_reason"], answer["tool_calls"], answer["text"]) == ("tool_calls", calls, None)
    heard = stream(messages=messages, tools=TOOLS)
    assert (heard.finish_reason, heard.tool_calls, heard.text) == ("tool_calls", calls, "")
    assert ask(messages=messages)["finish_reason"] == "stop"
    assert ask(tools=TOOLS)["finish_reason"] == "stop"


def test_an_answer_to_nobody_is_still_an_answer() -> None:
    assert ask(messages=[{"role": "assistant", "content": None}])["text"].endswith("(nothing)")


def test_several_answers_at_once_are_refused() -> None:
    with pytest.raises(ProviderFailure, match="does not support this value of 'n'"):
        reply_to(ASK | {"n": 2})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureClass.INVALID_REQUEST),
        (401, FailureClass.AUTH),
        (402, FailureClass.BILLING),
        (403, FailureClass.PERMISSION),
        (404, FailureClass.NOT_FOUND),
        (413, FailureClass.TOO_LARGE),
        (429, FailureClass.RATE_LIMIT),
        (500, FailureClass.SERVER_ERROR),
        (503, FailureClass.OVERLOADED),
    ],
)
def test_a_model_may_be_an_error_to_try_out_fallbacks(status: int, kind: FailureClass) -> None:
    reply = reply_to(ASK | {"model": f"sandbox-error-{status}"})
    assert reply.status == status
    caught = failure(reply)
    assert caught.failure.kind is kind
    assert caught.message == f"The sandbox was asked for an error {status}."
    assert caught.failure.retry_after == (1.0 if status in (429, 503) else None)


@pytest.mark.parametrize("base64", [False, True])
def test_embeddings_depend_on_the_text_alone_and_have_length_one(base64: bool) -> None:
    def embed(*texts: Any, **fields: Any) -> list[Any]:
        form = "base64" if base64 else "float"
        body = {"model": "sandbox-embedding", "input": list(texts), "encoding_format": form} | fields
        request = embeddings_request_of(body)
        assert ADAPTER.build_embeddings
        assert ADAPTER.parse_embeddings
        wire = ADAPTER.build_embeddings(request, connection_of("sandbox", "sandbox://local"), request.model)
        answer = ADAPTER.parse_embeddings(request, Reply(content(respond(wire.url, wire.body))))
        found = json.loads(answer.body)
        if not base64:
            TypeAdapter(CreateEmbeddingResponse).validate_python(found)
        assert answer.usage == Usage(input=found["usage"]["prompt_tokens"])
        return [each["embedding"] for each in found["data"]]

    one, two = embed("a", "b")
    assert one != two
    assert embed("b") == [two]
    assert len(embed(1, 2)) == 1
    assert len(embed([1], [2])) == 2
    if not base64:
        assert len(one) == 256
        assert isclose(sum(value * value for value in one), 1.0)
        assert len(embed("a", dimensions=8)[0]) == 8


@pytest.mark.parametrize(
    ("url", "body", "status"),
    [
        (EMBEDDINGS, b'{"model":"e","input":"one text"}', 200),
        (EMBEDDINGS, b'{"model":"sandbox-error-503","input":"a"}', 503),
        (EMBEDDINGS, b'{"model":"e","input":"a","dimensions":0}', 400),
        (EMBEDDINGS, b'{"model":"e"}', 400),
        (CHAT, b"{}", 400),
        (CHAT, b"\xff", 400),
        ("sandbox://local/v1/models", b"{}", 404),
    ],
)
def test_what_it_cannot_do_is_an_error_of_openais_form(url: str, body: bytes, status: int) -> None:
    reply = respond(url, body)
    assert reply.status == status
    found = json.loads(content(reply))
    assert status == 200 or found["error"].keys() == {"message", "type", "param", "code"}


@given(st.text(max_size=200))
def test_any_text_is_echoed_whole_in_both_forms(text: str) -> None:
    messages = [{"role": "user", "content": text}]
    assert ask(messages=messages)["text"] == stream(messages=messages).text
