"""Requests to Gemini and answers of it, made to order."""

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from gateway.errors import ProviderFailure
from gateway.providers.registry import ADAPTERS
from gateway.types import EmbeddingsRequest, Reply, WireRequest
from tests.gateway.providers.google_cases import gemini_connection
from tests.gateway.providers.samples import (
    Heard,
    build_chat,
    chat_request,
    chat_request_of,
    embeddings_request_of,
    hear,
    open_chat_stream,
    parse_chat,
    replay,
)

GEMINI = ADAPTERS["gemini"]
HELLO = [{"role": "user", "content": "Say hi"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
JSON: Any = json.loads


def sent(model: str = "gemini-2.5-flash", **fields: Any) -> WireRequest:
    request = chat_request_of({"model": model, "messages": HELLO, **fields})
    return build_chat(GEMINI, request, gemini_connection(), model)


def body_of(model: str = "gemini-2.5-flash", **fields: Any) -> Any:
    return JSON(sent(model, **fields).body)


def config_of(model: str = "gemini-2.5-flash", **fields: Any) -> Any:
    return body_of(model, **fields).get("generationConfig", {})


def refused(model: str = "gemini-2.5-flash", **fields: Any) -> tuple[str, str | None]:
    with pytest.raises(ProviderFailure) as caught:
        sent(model, **fields)
    return caught.value.failure.kind.value, caught.value.param


def called(*ids: str, **members: Any) -> dict[str, Any]:
    calls = [
        {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": "{}"}} | members
        for id in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id: str, content: Any = "ok") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def contents_of(*messages: dict[str, Any], model: str = "gemini-2.5-flash") -> Any:
    return body_of(model, messages=[*HELLO, *messages])["contents"]


def answered(
    candidate: dict[str, Any] | None = None, headers: dict[str, str] | None = None, **members: Any
) -> Any:
    document = ({"candidates": [candidate]} if candidate is not None else {}) | members
    return parse_chat(
        GEMINI, chat_request(model="gemini-2.5-flash"), Reply(json.dumps(document).encode(), headers or {})
    )


def choice_of(candidate: dict[str, Any], **members: Any) -> Any:
    return JSON(answered(candidate, **members).body)["choices"][0]


def of_parts(*parts: dict[str, Any], reason: str | None = "STOP") -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}} | ({"finishReason": reason} if reason else {})


def streamed(*events: bytes, **fields: Any) -> Heard:
    return hear(
        replay(open_chat_stream(GEMINI, chat_request(stream=True, **fields), Reply()), b"".join(events))
    )


def event(*parts: dict[str, Any], reason: str | None = None, **members: Any) -> bytes:
    return f"data: {json.dumps({'candidates': [of_parts(*parts, reason=reason)]} | members)}\r\n\r\n".encode()


STOP = event(reason="STOP")


def embeddings(**fields: Any) -> EmbeddingsRequest:
    return embeddings_request_of({"model": "gemini-embedding-001", "input": "a", **fields})


def embed(request: EmbeddingsRequest, model: str = "gemini-embedding-001", **config: Any) -> WireRequest:
    assert GEMINI.build_embeddings is not None
    return GEMINI.build_embeddings(request, gemini_connection(**config), model)


def embedded(request: EmbeddingsRequest, reply: Reply) -> Any:
    assert GEMINI.parse_embeddings is not None
    return JSON(GEMINI.parse_embeddings(request, reply).body)


_TEXTS = ("string", "null", "#/$defs/a", "#", "object", "array")
_NAMES = ("type", "anyOf", "oneOf", "allOf", "$ref", "properties", "items", "enum", "required", "$defs", "a")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(_TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
