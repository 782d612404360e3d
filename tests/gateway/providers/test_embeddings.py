"""Embeddings: requests by each provider's rules, and vectors in the form that the caller asked for."""

import json
import struct
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from pydantic import TypeAdapter

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers import openai_compatible
from gateway.providers.openai_rows import ROWS
from gateway.providers.registry import ADAPTERS
from gateway.types import Reply, Usage, WireRequest
from tests.gateway.providers.samples import (
    Sample,
    connection_of,
    embeddings_request_of,
    sample,
    samples,
)

WITH_EMBEDDINGS = {
    "openai",
    "azure",
    "mistral",
    "ollama",
    "openrouter",
    "huggingface",
    "nebius",
    "parasail",
    "sandbox",
}
VECTOR = [0.5, -0.25]
PACKED = b64encode(struct.pack("<2f", *VECTOR)).decode()


def embed(slug: str, body: dict[str, Any], model: str | None = None) -> WireRequest:
    build = ADAPTERS[slug].build_embeddings
    assert build is not None
    request = embeddings_request_of(body)
    return build(request, connection_of(slug), model or request.model)


def parse(document: Any, *, base64: bool, slug: str = "openai") -> Any:
    parse_embeddings = ADAPTERS[slug].parse_embeddings
    assert parse_embeddings is not None
    request = embeddings_request_of(
        {"model": "e", "input": "a", "encoding_format": "base64" if base64 else "float"}
    )
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = parse_embeddings(request, Reply(raw))
    return json.loads(answer.body)


def answer(*vectors: Any, **members: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    return {"object": "list", "data": data, "model": "e1", "usage": usage} | members


def test_who_has_embeddings() -> None:
    in_openais_format = {"azure", *openai_compatible.ADAPTERS}
    assert {slug for slug in in_openais_format if ADAPTERS[slug].build_embeddings} == WITH_EMBEDDINGS
    assert all((a.build_embeddings is None) == (a.parse_embeddings is None) for a in ADAPTERS.values())


@pytest.mark.parametrize("each", samples("request", "embeddings.request"), ids=str)
@pytest.mark.parametrize("slug", ["openai", "azure", "openrouter"])
def test_openais_own_requests_pass_untouched(each: Sample, slug: str) -> None:
    request = embeddings_request_of(each.json)
    build = ADAPTERS[slug].build_embeddings
    assert build is not None
    wire = build(request, connection_of(slug), request.model)
    assert wire.body is request.raw
    assert wire.url.endswith("/embeddings")


def test_only_the_model_changes_for_another_name() -> None:
    body = {"model": "x/e", "input": ["a", "b"], "dimensions": 4}
    assert json.loads(embed("openai", body, "e").body) == body | {"model": "e"}


def test_mistral_has_other_names_and_no_encoding() -> None:
    body = {"model": "e", "input": "a", "dimensions": 4, "encoding_format": "base64", "user": "u"}
    wire = embed("mistral", body)
    assert json.loads(wire.body) == {"model": "e", "input": "a", "output_dimension": 4}
    assert wire.dropped == ("user",)


@pytest.mark.parametrize("tokens", [[15339, 1917], [[15339], [1917]], [-1]])
@pytest.mark.parametrize("slug", ["mistral", "ollama", "huggingface", "nebius", "parasail"])
def test_token_ids_are_refused_by_providers_that_cannot_read_them(slug: str, tokens: Any) -> None:
    with pytest.raises(ProviderFailure) as caught:
        embed(slug, {"model": "e", "input": tokens})
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.UNSUPPORTED, "input")


@pytest.mark.parametrize("texts", ["12", ["12"], []])
def test_texts_of_digits_are_no_token_ids(texts: Any) -> None:
    assert json.loads(embed("mistral", {"model": "e", "input": texts}).body)["input"] == texts


def test_hugging_faces_router_has_no_embeddings_but_dedicated_endpoints_do() -> None:
    build = ADAPTERS["huggingface"].build_embeddings
    assert build is not None
    request = embeddings_request_of({"model": "e", "input": "a"})
    with pytest.raises(ProviderFailure, match="does not offer embeddings at this address") as caught:
        build(request, connection_of("huggingface", "https://router.huggingface.co/v1"), "e")
    assert caught.value.failure.kind is FailureClass.UNSUPPORTED
    own = "https://x.eu-west-1.aws.endpoints.huggingface.cloud/v1"
    assert build(request, connection_of("huggingface", own), "e").url == f"{own}/embeddings"


@pytest.mark.parametrize(
    ("folder", "file", "base64"),
    [
        ("openai", "embeddings_float.response.json", False),
        ("openai", "embeddings_base64.response.json", True),
        ("azure", "embeddings.response.json", False),
    ],
)
def test_conforming_answers_are_the_providers_own_bytes(folder: str, file: str, base64: bool) -> None:
    each = sample(folder, file)
    parse_embeddings = each.adapter.parse_embeddings
    assert parse_embeddings is not None
    raw = each.raw
    request = embeddings_request_of(
        {"model": "e", "input": "a", "encoding_format": "base64" if base64 else "float"}
    )
    parsed = parse_embeddings(request, Reply(raw))
    assert parsed.body is raw
    assert parsed.model == "text-embedding-3-small"
    assert parsed.usage == Usage(input=each.json["usage"]["prompt_tokens"])


def test_floats_are_packed_for_callers_who_asked_for_base64() -> None:
    floats, packed = (
        sample("openai", f"embeddings_{form}.response.json").json for form in ("float", "base64")
    )
    assert parse(floats, base64=True) == packed


def test_base64_is_unpacked_for_callers_who_asked_for_floats() -> None:
    found = parse(answer(PACKED), base64=False)
    TypeAdapter(CreateEmbeddingResponse).validate_python(found)
    assert found["data"][0]["embedding"] == VECTOR


def test_vectors_are_put_in_order() -> None:
    mixed = answer([1.0], [2.0])
    mixed["data"].reverse()
    assert [each["index"] for each in parse(mixed, base64=False)["data"]] == [0, 1]


def test_missing_members_are_filled_in() -> None:
    found = parse({"data": [{"embedding": VECTOR}, {"embedding": VECTOR}]}, base64=False)
    TypeAdapter(CreateEmbeddingResponse).validate_python(found)
    assert (found["model"], found["usage"]) == ("e", {"prompt_tokens": 0, "total_tokens": 0})
    assert [each["index"] for each in found["data"]] == [0, 1]


def test_missing_usage_is_unknown_not_zero() -> None:
    parse_embeddings = ADAPTERS["ollama"].parse_embeddings
    assert parse_embeddings is not None
    request = embeddings_request_of({"model": "e", "input": "a"})
    raw = json.dumps(answer(VECTOR, usage=None)).encode()
    assert parse_embeddings(request, Reply(raw)).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        answer(),
        answer(5),
        answer(None),
        answer({"a": 1}),
        answer(["x"]),
        answer([1e300]),
        answer("not base64!"),
        answer("AAA="),
        b'{"data":[{"embedding":"\xff"}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_vector_is_a_failure_of_the_provider(body: Any) -> None:
    is_text = isinstance(body, dict) and body["data"] and isinstance(body["data"][0]["embedding"], str)
    with pytest.raises(ProviderFailure, match="cannot be read") as caught:
        parse(body, base64=not is_text)
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


def test_an_error_inside_a_200_is_classed() -> None:
    with pytest.raises(ProviderFailure, match="Slow down") as caught:
        parse({"error": {"code": 429, "message": "Slow down"}}, base64=True)
    assert caught.value.failure.kind is FailureClass.RATE_LIMIT


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_packing_and_unpacking_gives_the_same_numbers(vector: list[float]) -> None:
    packed = parse(answer(vector), base64=True)["data"][0]["embedding"]
    assert parse(answer(packed), base64=False)["data"][0]["embedding"] == vector


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "embedding", "index", "usage", "error"]), inner)
        ),
        max_leaves=10,
    )
)
def test_no_json_raises_anything_but_a_provider_failure(document: Any) -> None:
    for each in (document, {"data": document}, answer(document), {"data": [document]}):
        for base64 in (False, True):
            with suppress(ProviderFailure):
                parse(each, base64=base64)


def test_the_rows_with_embeddings_are_those_of_the_table() -> None:
    assert {row.slug for row in ROWS if row.embeddings} | {"azure"} == WITH_EMBEDDINGS
