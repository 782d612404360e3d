"""AWS Bedrock: embeddings of every family, beyond the recorded cases."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.bedrock import ADAPTER, build_embeddings
from gateway.providers.bedrock_embeddings import parse_embeddings
from gateway.types import Answer, Reply, WireRequest
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.samples import embeddings_request_of

TITAN = "amazon.titan-embed-text-v2:0"
TITAN_1 = "amazon.titan-embed-text-v1"
COHERE_3 = "cohere.embed-multilingual-v3"
COHERE_4 = "us.cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
ARN = "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abc"


def sent(model: str, given: Any = "a", config: dict[str, Any] | None = None, **fields: Any) -> WireRequest:
    request = embeddings_request_of({"model": model, "input": given, **fields})
    return build_embeddings(
        request, connection_to("bedrock", "key", region="us-east-1", **(config or {})), model
    )


def bodies(*args: Any, **fields: Any) -> list[Any]:
    wire = sent(*args, **fields)
    return [json.loads(each.body) for each in (wire, *wire.more)]


def parsed(
    model: str, given: Any, *answers: Any, headers: dict[str, str] | None = None, **fields: Any
) -> Answer:
    request = embeddings_request_of({"model": model, "input": given, **fields})
    first, *more = [Reply(json.dumps(each).encode(), headers or {}) for each in answers]
    reply = Reply(first.body, first.headers, sent(model, given).notes, tuple(more))
    return parse_embeddings(request, reply)


def refusal(*args: Any, **fields: Any) -> tuple[FailureClass, str | None]:
    with pytest.raises(ProviderFailure) as caught:
        sent(*args, **fields)
    return caught.value.failure.kind, caught.value.param


def test_titan_and_nova_take_one_text_at_a_time() -> None:
    assert bodies(TITAN, ["a", "b"]) == [
        {"inputText": "a", "normalize": True},
        {"inputText": "b", "normalize": True},
    ]
    assert bodies(TITAN_1, ["a", "b"]) == [{"inputText": "a"}, {"inputText": "b"}]
    (nova,) = bodies(NOVA, "a", dimensions=384)
    assert nova == {
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {
            "embeddingPurpose": "GENERIC_INDEX",
            "embeddingDimension": 384,
            "text": {"truncationMode": "NONE", "value": "a"},
        },
    }


def test_the_further_requests_go_to_the_same_address_with_the_same_headers() -> None:
    wire = sent(TITAN, ["a", "b"])
    (second,) = wire.more
    assert (second.url, second.headers) == (wire.url, wire.headers)


def test_cohere_takes_ninety_six_texts_at_a_time() -> None:
    texts = [str(number) for number in range(200)]
    found = bodies(COHERE_3, texts)
    assert [len(body["texts"]) for body in found] == [96, 96, 8]
    assert [text for body in found for text in body["texts"]] == texts


def test_coheres_own_fields_are_honoured() -> None:
    (found,) = bodies(COHERE_4, "a", input_type="search_query", truncate="END")
    assert found == {
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "truncate": "END",
    }
    assert sent(TITAN, input_type="x", user="u", encoding_format="float").dropped == ("input_type", "user")


@pytest.mark.parametrize(
    "model", [TITAN_1, "amazon.titan-embed-g1-text-02", COHERE_3, "cohere.embed-english-v3"]
)
def test_models_of_one_size_refuse_another(model: str) -> None:
    assert refusal(model, dimensions=256) == (FailureClass.UNSUPPORTED, "dimensions")


@pytest.mark.parametrize("model", ["amazon.nova-pro-v1:0", "anthropic.claude-haiku-4-5", "meta.llama3", ARN])
def test_models_without_embeddings_are_refused(model: str) -> None:
    assert refusal(model) == (FailureClass.UNSUPPORTED, "model")


def test_an_arn_has_the_family_that_the_credential_says() -> None:
    assert bodies(ARN, "a", config={"base_models": {ARN: TITAN_1}}) == [{"inputText": "a"}]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, 2], FailureClass.UNSUPPORTED),
        ([[1, 2]], FailureClass.UNSUPPORTED),
        (["a", 1], FailureClass.UNSUPPORTED),
        ("", FailureClass.INVALID_REQUEST),
        ([], FailureClass.INVALID_REQUEST),
        (["a", ""], FailureClass.INVALID_REQUEST),
        (None, FailureClass.INVALID_REQUEST),
        ({}, FailureClass.INVALID_REQUEST),
    ],
)
def test_what_is_no_text_is_refused(given: Any, kind: FailureClass) -> None:
    assert refusal(TITAN, given) == (kind, "input")


def test_answers_are_put_together_in_order() -> None:
    found = parsed(
        TITAN,
        ["a", "b"],
        {"embedding": [1.0], "inputTextTokenCount": 2},
        {"embedding": [2.0], "inputTextTokenCount": 3},
    )
    document = json.loads(found.body)
    assert [(each["index"], each["embedding"]) for each in document["data"]] == [(0, [1.0]), (1, [2.0])]
    assert document["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert found.usage is not None
    assert found.usage.input == 5


def test_coheres_tokens_are_counted_in_a_header() -> None:
    for embeddings in ({"float": [[0.5]]}, [[0.5]]):
        found = parsed(
            COHERE_4, "a", {"embeddings": embeddings}, headers={"x-amzn-bedrock-input-token-count": "7"}
        )
        assert found.usage is not None
        assert found.usage.input == 7
        assert json.loads(found.body)["data"][0]["embedding"] == [0.5]
    assert parsed(COHERE_4, "a", {"embeddings": [[0.5]]}).usage is None


def test_novas_answer_is_read() -> None:
    assert json.loads(parsed(NOVA, "a", {"embeddings": [{"embedding": [0.5]}]}).body)["data"][0][
        "embedding"
    ] == [0.5]


def test_packed_floats_are_packed_here() -> None:
    found = parsed(TITAN, "a", {"embedding": [0.5, -1.0]}, encoding_format="base64")
    packed = json.loads(found.body)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(packed)) == (0.5, -1.0)


@pytest.mark.parametrize(
    ("model", "given", "answers"),
    [
        (TITAN, "a", [{}]),
        (TITAN, "a", [{"embedding": "x"}]),
        (TITAN, "a", ["text"]),
        (COHERE_4, ["a", "b"], [{"embeddings": [[1.0]]}]),
        (COHERE_4, "a", [{"embeddings": {"int8": [[1]]}}]),
        (NOVA, "a", [{"embeddings": []}]),
    ],
)
def test_answers_that_do_not_fit_are_failures_of_the_provider(
    model: str, given: Any, answers: list[Any]
) -> None:
    with pytest.raises(ProviderFailure) as caught:
        parsed(model, given, *answers)
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


@given(st.binary(max_size=60), st.sampled_from([TITAN, COHERE_4, NOVA]))
def test_no_bytes_raise_anything_else(raw: bytes, model: str) -> None:
    assert ADAPTER.parse_embeddings is not None
    with pytest.raises(ProviderFailure):
        ADAPTER.parse_embeddings(
            embeddings_request_of({"model": model, "input": "a"}), Reply(raw, {}, sent(model).notes)
        )
