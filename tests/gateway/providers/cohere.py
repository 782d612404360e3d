"""What the tests of Cohere's adapter share: requests made, and answers and streams read, in one line."""

import json
from typing import Any

import pytest

from gateway.errors import Failure, ProviderFailure
from gateway.providers.cohere import ADAPTER
from gateway.providers.cohere_answers import Asked
from gateway.types import Reply, WireRequest
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.samples import (
    Heard,
    build_chat,
    chat_request,
    chat_request_of,
    hear,
    open_chat_stream,
    parse_chat,
    read_answer,
    replay,
)

KEY = "FAKE-COHERE-KEY"
MODEL = "command-a-03-2025"
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "get_weather"}}
OTHER: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}


def sent(model: str = MODEL, **fields: Any) -> WireRequest:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return build_chat(ADAPTER, chat_request_of(body), connection_to("cohere", KEY), model)


def sent_body(model: str = MODEL, **fields: Any) -> Any:
    return json.loads(sent(model, **fields).body)


def sent_messages(*messages: dict[str, Any]) -> Any:
    return sent_body(messages=messages)["messages"]


def refused(**fields: Any) -> Failure:
    with pytest.raises(ProviderFailure) as caught:
        sent(**fields)
    return caught.value.failure


def answered(**members: Any) -> dict[str, Any]:
    body = {"id": "c1", "finish_reason": "COMPLETE", "message": {"role": "assistant", **members}}
    return whole(body)


def whole(body: Any) -> dict[str, Any]:
    answer = parse_chat(ADAPTER, chat_request(), Reply(json.dumps(body).encode(), notes=Asked(MODEL)))
    read_answer(answer.body)
    found: dict[str, Any] = json.loads(answer.body)
    return found


def events(*documents: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(document).encode() for document in documents)


def streamed(raw: bytes, **fields: Any) -> Heard:
    stream = open_chat_stream(ADAPTER, chat_request(stream=True, **fields), Reply(notes=Asked(MODEL)))
    return hear(replay(stream, raw))


def text(value: str) -> dict[str, Any]:
    return {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": value}}}}


def end(reason: str = "COMPLETE", **members: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": reason, **members}}


START = {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}}
