"""Embeddings of Gemini."""

import base64
import json
import struct
from typing import Any

import pytest

from gateway.errors import FailureClass, ProviderFailure
from gateway.types import Reply
from tests.gateway.providers.gemini import JSON, embed, embedded, embeddings


@pytest.mark.parametrize("given_input", [[1, 2], [[1, 2]]])
def test_token_ids_are_refused(given_input: Any) -> None:
    with pytest.raises(ProviderFailure) as caught:
        embed(embeddings(input=given_input))
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.UNSUPPORTED, "input")


def vectors(start: int, size: int) -> bytes:
    found = [{"values": [number, start]} for number in range(size)]
    return json.dumps({"embeddings": found, "usageMetadata": {"promptTokenCount": size}}).encode()


def test_more_texts_than_a_batch_takes_become_several_requests_and_one_answer() -> None:
    request = embeddings(input=[str(number) for number in range(205)], user="u")
    wire = embed(request)
    assert wire.dropped == ("user",)
    sizes = [len(JSON(each.body)["requests"]) for each in (wire, *wire.more)]
    assert sizes == [100, 100, 5]
    replies = [Reply(vectors(start, size)) for start, size in enumerate(sizes)]
    found = embedded(request, Reply(replies[0].body, {}, wire.notes, tuple(replies[1:])))
    assert [item["index"] for item in found["data"]] == list(range(205))
    assert found["data"][204]["embedding"] == [4.0, 2.0]
    assert found["usage"] == {"prompt_tokens": 205, "total_tokens": 205}


def test_task_types_go_to_models_that_take_them() -> None:
    (asked,) = JSON(embed(embeddings(task_type="RETRIEVAL_QUERY")).body)["requests"]
    assert asked["taskType"] == "RETRIEVAL_QUERY"
    wire = embed(embeddings(task_type="RETRIEVAL_QUERY"), "gemini-embedding-2")
    assert "taskType" not in JSON(wire.body)["requests"][0]
    assert wire.dropped == ("task_type",)


@pytest.mark.parametrize(
    ("dimensions", "config", "normalized"),
    [(768, {}, True), (768, {"normalize_embeddings": "no"}, False), (3072, {}, False), (None, {}, False)],
)
def test_shortened_vectors_get_length_one_again(
    dimensions: int | None, config: dict[str, Any], normalized: bool
) -> None:
    request = embeddings(dimensions=dimensions)
    reply = Reply(b'{"embeddings":[{"values":[3.0,4.0]}]}', {}, embed(request, **config).notes)
    assert embedded(request, reply)["data"][0]["embedding"] == ([0.6, 0.8] if normalized else [3.0, 4.0])


def test_base64_is_packed_here() -> None:
    request = embeddings(encoding_format="base64")
    wire = embed(request)
    assert wire.dropped == ()
    found = embedded(request, Reply(b'{"embeddings":[{"values":[0.5]}]}', {}, wire.notes))
    assert base64.b64decode(found["data"][0]["embedding"]) == struct.pack("<f", 0.5)
