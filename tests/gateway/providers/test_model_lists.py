"""The providers' model lists: what is asked, and what is made of the answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credentials.kinds import KINDS
from gateway.errors import FailureClass, ProviderFailure
from gateway.plan import provider_of
from gateway.providers.model_lists import (
    parse_anthropic_models,
    parse_bedrock_models,
    parse_cohere_models,
    parse_elevenlabs_models,
    parse_gemini_models,
    parse_openai_models,
)
from gateway.providers.registry import ADAPTERS
from gateway.types import ListedModel, Reply
from tests.gateway.providers.samples import KEY, connection_of, sample

Parser = Callable[[Reply], tuple[ListedModel, ...]]
CHAT, EMBEDDINGS = ("chat.completions",), ("embeddings",)
PARSERS: list[Parser] = [
    parse_openai_models,
    parse_anthropic_models,
    parse_gemini_models,
    parse_cohere_models,
    parse_bedrock_models,
    parse_elevenlabs_models,
]


def read(parse: Parser, body: Any) -> tuple[ListedModel, ...]:
    return parse(Reply(json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("slug", "url", "header", "value"),
    [
        ("openai", "https://api.openai.com/v1/models", "authorization", f"Bearer {KEY}"),
        ("perplexity", "https://api.perplexity.ai/v1/models", "authorization", f"Bearer {KEY}"),
        ("anthropic", "https://api.anthropic.com/v1/models?limit=1000", "x-api-key", KEY),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000",
            "x-goog-api-key",
            KEY,
        ),
        ("cohere", "https://api.cohere.com/v1/models?page_size=1000", "authorization", f"Bearer {KEY}"),
        (
            "bedrock",
            "https://bedrock.us-east-1.amazonaws.com/foundation-models",
            "authorization",
            f"Bearer {KEY}",
        ),
        ("elevenlabs", "https://api.elevenlabs.io/v1/models", "xi-api-key", KEY),
    ],
)
def test_the_list_is_asked_for_with_the_credentials_key(slug: str, url: str, header: str, value: str) -> None:
    build = ADAPTERS[slug].build_models
    assert build is not None
    wire = build(connection_of(slug, KINDS[slug].base_url))
    assert (wire.method, wire.url, wire.body) == ("GET", url, b"")
    assert (header, value) in wire.headers
    assert KEY not in wire.url


@pytest.mark.parametrize("slug", ["azure", "vertex", "sandbox"])
def test_these_have_no_list_that_says_what_a_credential_may_call(slug: str) -> None:
    assert ADAPTERS[slug].build_models is None


def test_the_recorded_openai_list() -> None:
    assert parse_openai_models(Reply(sample("openai", "models_list.response.json").raw)) == (
        ListedModel("gpt-4o", created=1715367049),
        ListedModel("text-embedding-3-small", created=1705948997),
    )


def test_what_compatible_providers_add_is_used() -> None:
    body = [
        {"id": "mistral-large", "name": "Mistral Large", "capabilities": {"completion_chat": True}},
        {"id": "mistral-embed", "capabilities": {"completion_chat": False}},
        {"id": "retired", "active": False},
        {"id": "a/chat", "architecture": {"output_modalities": ["text"]}},
        {"id": "a/embed", "architecture": {"output_modalities": ["embeddings"]}},
        {"id": "a/painter", "architecture": {"output_modalities": ["image"]}},
        {"id": "a/unsure", "architecture": None, "created": None, "name": None, "capabilities": 7},
    ]
    assert read(parse_openai_models, body) == (
        ListedModel("mistral-large", CHAT, "Mistral Large"),
        ListedModel("mistral-embed"),
        ListedModel("a/chat"),
        ListedModel("a/embed", EMBEDDINGS),
        ListedModel("a/unsure"),
    )


@pytest.mark.parametrize(
    "id", ["dall-e-3", "gpt-image-1", "sora-2", "omni-moderation-latest", "gpt-realtime", "davinci-002"]
)
def test_models_for_other_endpoints_are_left_out(id: str) -> None:
    assert read(parse_openai_models, {"data": [{"id": id}, {"id": "gpt-5"}]}) == (ListedModel("gpt-5"),)


def test_an_anthropic_list() -> None:
    body = {
        "data": [
            {
                "type": "model",
                "id": "claude-opus-4-5",
                "display_name": "Claude Opus 4.5",
                "created_at": "2025-11-24T00:00:00Z",
            },
            {"type": "model", "id": "claude-x", "created_at": "soon"},
        ],
        "has_more": False,
    }
    assert read(parse_anthropic_models, body) == (
        ListedModel("claude-opus-4-5", CHAT, "Claude Opus 4.5", 1763942400),
        ListedModel("claude-x", CHAT),
    )


def test_a_gemini_list_keeps_what_the_gateway_can_call() -> None:
    body = {
        "models": [
            {
                "name": "models/gemini-2.5-flash",
                "displayName": "Gemini 2.5 Flash",
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {
                "name": "models/gemini-embedding-001",
                "supportedGenerationMethods": ["embedContent", "batchEmbedContents"],
            },
            {"name": "models/imagen-4", "supportedGenerationMethods": ["predict"]},
            {"name": "models/unsure"},
        ]
    }
    assert read(parse_gemini_models, body) == (
        ListedModel("gemini-2.5-flash", CHAT, "Gemini 2.5 Flash"),
        ListedModel("gemini-embedding-001", EMBEDDINGS),
    )


def test_a_cohere_list_keeps_what_the_gateway_can_call() -> None:
    body = {
        "models": [
            {"name": "command-a", "endpoints": ["generate", "chat"]},
            {"name": "embed-v4.0", "endpoints": ["embed", "classify"]},
            {"name": "rerank-v3.5", "endpoints": ["rerank"]},
            {"name": "unsure", "endpoints": None},
        ]
    }
    assert read(parse_cohere_models, body) == (
        ListedModel("command-a", CHAT),
        ListedModel("embed-v4.0", EMBEDDINGS),
    )


def test_a_bedrock_list_keeps_what_the_gateway_can_call() -> None:
    def model(id: str, modality: str, *types: str) -> dict[str, Any]:
        return {"modelId": id, "outputModalities": [modality], "inferenceTypesSupported": types}

    body = {
        "modelSummaries": [
            model("amazon.nova-pro-v1:0", "TEXT", "ON_DEMAND") | {"modelName": "Nova Pro"},
            model("anthropic.claude-new-v1:0", "TEXT", "INFERENCE_PROFILE"),
            model("amazon.titan-embed-text-v2:0", "EMBEDDING", "ON_DEMAND"),
            model("amazon.nova-canvas-v1:0", "IMAGE", "ON_DEMAND"),
            model("cohere.rerank-v3-5:0", "TEXT", "ON_DEMAND"),
            {"modelId": "unsure"},
        ]
    }
    assert read(parse_bedrock_models, body) == (
        ListedModel("amazon.nova-pro-v1:0", CHAT, "Nova Pro"),
        ListedModel("amazon.titan-embed-text-v2:0", EMBEDDINGS),
    )


def test_an_elevenlabs_list_keeps_what_speaks() -> None:
    body = [
        {"model_id": "eleven_v3", "name": "Eleven v3", "can_do_text_to_speech": True},
        {"model_id": "eleven_english_sts_v2", "can_do_text_to_speech": False},
    ]
    assert read(parse_elevenlabs_models, body) == (ListedModel("eleven_v3", ("audio.speech",), "Eleven v3"),)


def test_ids_that_could_not_be_sent_are_left_out_and_none_comes_twice() -> None:
    ids = ["good", "", " padded", "two\nlines", "x" * 201, "good", "also/good:free"]
    found = read(parse_openai_models, {"data": [{"id": id} for id in ids]})
    assert [model.id for model in found] == ["good", "also/good:free"]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"7", b'{"data": 1}', b'{"models": {}}', b"[1]", b"[" * 9999, b"\xff"]
)
def test_anything_else_is_a_server_error(parse: Parser, body: bytes) -> None:
    with pytest.raises(ProviderFailure) as caught:
        parse(Reply(body))
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_OPTIONAL = (
    "created",
    "created_at",
    "active",
    "architecture",
    "capabilities",
    "display_name",
    "displayName",
    "supportedGenerationMethods",
    "endpoints",
    "can_do_text_to_speech",
    "outputModalities",
    "inferenceTypesSupported",
)
_entry = st.fixed_dictionaries(
    {"id": st.text(), "name": st.text(), "model_id": st.text(), "modelId": st.text()},
    optional=dict.fromkeys(_OPTIONAL, _json),
)
_list = st.lists(_entry, max_size=3)


@pytest.mark.parametrize("parse", PARSERS)
@given(
    body=_list
    | st.fixed_dictionaries({"data": _list, "models": _list, "modelSummaries": _list})
    | st.dictionaries(st.sampled_from(["data", "models", "modelSummaries"]), _json)
)
def test_no_answer_raises_anything_but_our_error(parse: Parser, body: Any) -> None:
    try:
        found = read(parse, body)
    except ProviderFailure:
        return
    assert all(model.id.isprintable() and model.created >= 0 for model in found)


def test_a_list_can_be_built_and_read_or_neither() -> None:
    for adapter in ADAPTERS.values():
        assert (adapter.build_models is None) == (adapter.parse_models is None), adapter.slug


def test_models_that_are_known_without_a_list_find_their_provider_by_name() -> None:
    for adapter in ADAPTERS.values():
        for model in adapter.known_models:
            assert provider_of(model.id) == adapter.slug
