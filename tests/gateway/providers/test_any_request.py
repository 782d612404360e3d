"""Whatever OpenAI's SDK lets an application send, every adapter translates or refuses properly.

Translated: the provider's own SDK would send it, and no rule of its conversations is broken. Refused: a class
and the field. Nothing else ever happens, and the caller's bytes stay as they are.
"""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParams

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.base import Adapter
from gateway.providers.registry import ADAPTERS
from gateway.requests import parse_chat
from gateway.types import Reply, WireRequest
from tests.gateway.providers.any_request import Body, chat_bodies
from tests.gateway.providers.samples import (
    RECEIVED_AT,
    build_chat,
    chat_request_of,
    embeddings_request_of,
    open_chat_stream,
)
from tests.gateway.providers.samples import parse_chat as parse_answer
from tests.interop.connections import connection
from tests.interop.judges import JUDGES, WITHOUT_PROVIDER, problems
from tests.interop.typed import violations

CHAT = sorted(
    slug for slug, adapter in ADAPTERS.items() if adapter.build_chat and slug not in WITHOUT_PROVIDER
)
REFUSALS = {FailureClass.UNSUPPORTED, FailureClass.INVALID_REQUEST}

# Models of every generation that an adapter treats in its own way.
MODELS: dict[str, tuple[str, ...]] = {
    "anthropic": (
        "claude-opus-4-8",
        "claude-sonnet-5",
        "claude-opus-4-6",
        "claude-sonnet-4-5",
        "claude-3-haiku-20240307",
    ),
    "bedrock": (
        "us.anthropic.claude-opus-4-8-v1:0",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "amazon.nova-pro-v1:0",
        "amazon.nova-2-lite-v1:0",
        "mistral.mistral-large-2407-v1:0",
        "openai.gpt-oss-120b-1:0",
        "meta.llama3-1-70b-instruct-v1:0",
    ),
    "cohere": (
        "command-a-03-2025",
        "command-a-reasoning-08-2025",
        "command-a-vision-07-2025",
        "command-r-plus-08-2024",
    ),
    "gemini": ("gemini-3-pro", "gemini-3.5-flash", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.0-flash"),
    "openai": ("gpt-4o", "gpt-5", "o3"),
    "vertex": (
        "gemini-3-pro",
        "gemini-2.5-flash",
        "gemini-2.0-flash",
        "claude-opus-4-7",
        "claude-haiku-4-5@20251001",
    ),
}

EMBEDDING_MODELS = {"bedrock": "amazon.titan-embed-text-v2:0", "vertex": "text-embedding-005"}

modest = settings(
    max_examples=60,
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def models_of(slug: str) -> tuple[str, ...]:
    return MODELS.get(slug, ("some-model",))


def test_every_adapter_with_chat_has_a_judge() -> None:
    assert JUDGES.keys() == set(CHAT)


@modest
@given(body=chat_bodies(("gpt-4o",)))
def test_the_requests_are_what_the_sdk_of_openai_allows(body: Body) -> None:
    assert violations(body, CompletionCreateParams) == []
    assert parse_chat(json.dumps(body).encode(), "req1", RECEIVED_AT).model == "gpt-4o"


@pytest.mark.parametrize("slug", CHAT)
def test_any_request_is_translated_to_what_the_provider_takes_or_refused_with_its_field(slug: str) -> None:
    @modest
    @given(body=chat_bodies(models_of(slug)))
    def check(body: Body) -> None:
        wire = _built(slug, body)
        if isinstance(wire, Failure):
            assert wire.kind in REFUSALS
            assert wire.param in {*body, "messages"}, wire
            assert wire.message
        else:
            _check_wire(slug, body, wire)

    check()


def _check_wire(slug: str, body: Body, wire: WireRequest) -> None:
    assert problems(slug, wire) == []
    for listed in (wire.dropped, wire.adjusted):
        assert list(listed) == sorted(set(listed))
        assert set(listed) <= body.keys()


@pytest.mark.parametrize("slug", CHAT)
def test_translating_twice_gives_the_same_request(slug: str) -> None:
    @modest
    @given(body=chat_bodies(models_of(slug)))
    def check(body: Body) -> None:
        assert _built(slug, body) == _built(slug, body)

    check()


def _built(slug: str, body: Body) -> WireRequest | Failure:
    request = chat_request_of(body)
    raw = bytes(bytearray(request.raw))
    try:
        return build_chat(ADAPTERS[slug], request, connection(slug), body["model"])
    except ProviderFailure as failure:
        return failure.failure
    finally:
        assert request.raw == raw


MEMBERS = [
    "args", "arguments", "candidates", "choices", "code", "content", "delta", "embeddings", "error", "float",
    "finish_reason", "function", "functionCall", "id", "index", "input", "input_tokens", "message", "name",
    "output", "output_tokens", "parts", "promptFeedback", "role", "status", "stopReason", "stop_reason",
    "text", "thinking", "tokens", "tool_calls", "type", "usage", "usageMetadata",
]  # fmt: skip
# What providers may send instead of an answer: JSON of any shape, bytes of any kind.
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
ANSWERS = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda document: json.dumps(document).encode()),
    st.sampled_from(
        [b"", b"<html>Bad gateway</html>", b"null", b"[]", b"{}", b'"\xff"', b"[" * 3000, b'{"a":1e999}']
    ),
)


@pytest.mark.parametrize("slug", sorted(ADAPTERS.keys() - WITHOUT_PROVIDER))
def test_reading_anything_raises_nothing_but_provider_failures(slug: str) -> None:
    adapter = ADAPTERS[slug]

    @modest
    @given(body=ANSWERS, framed=st.sampled_from([b"data: %b\n\n", b"event: x\r\ndata: %b\r\n\r\n", b"%b"]))
    def check(body: bytes, framed: bytes) -> None:
        failure = adapter.parse_error(500, {}, body)
        assert failure.message
        if adapter.parse_chat is not None:
            _check_reading(adapter, body, framed % body)
        if adapter.parse_embeddings is not None:
            _check_embeddings(adapter, body)

    check()


def _check_reading(adapter: Adapter, body: bytes, stream: bytes) -> None:
    asked = {"model": models_of(adapter.slug)[0], "messages": [{"role": "user", "content": "Hi"}]}
    request = chat_request_of({**asked, "stream": True})
    notes = build_chat(adapter, request, connection(adapter.slug), request.model).notes
    _try(lambda: parse_answer(adapter, request, Reply(body, notes=notes)))
    opened = open_chat_stream(adapter, request, Reply(notes=notes))
    _try(lambda: opened.feed(stream) + opened.feed(stream) + opened.finish())


def _check_embeddings(adapter: Adapter, body: bytes) -> None:
    assert adapter.build_embeddings is not None
    assert adapter.parse_embeddings is not None
    model = EMBEDDING_MODELS.get(adapter.slug, "embed")
    request = embeddings_request_of({"model": model, "input": "x", "encoding_format": "base64"})
    wire = adapter.build_embeddings(request, connection(adapter.slug), model)
    parse = adapter.parse_embeddings
    _try(lambda: parse(request, Reply(body, notes=wire.notes)))


def _try(read: Callable[[], Any]) -> None:
    """Read; what cannot be read raises ProviderFailure and nothing else."""
    with contextlib.suppress(ProviderFailure):
        assert read() is not None
