"""Embeddings by InvokeModel: each model family has a body and an answer of its own.

Titan and Nova take one text in a request, Cohere 96: a longer list becomes several requests, whose answers
are put together. Source: docs.aws.amazon.com/bedrock/latest/userguide, "Amazon Titan Text Embeddings",
"Cohere Embed", "Amazon Nova Multimodal Embeddings". Known gaps: images; token ids are refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from gateway.providers.bedrock_models import family_name
from gateway.providers.chat_problems import invalid, unreadable, unsupported
from gateway.providers.embeddings_answer import embeddings_answer
from gateway.types import Answer, EmbeddingsRequest, Reply

Object = dict[str, Any]
Vector = list[float]

_COHERE_TEXTS = 96
_TOKENS_HEADER = "x-amzn-bedrock-input-token-count"
_MAX_COUNT = 1 << 53
_READ = frozenset({"model", "input", "dimensions", "encoding_format"})
_COHERE_FIELDS = ("input_type", "truncate")  # extensions, in Cohere's own words


class Notes(msgspec.Struct, frozen=True, gc=False):
    """What the answers are held against: `texts` is how many were asked about in each request."""

    model: str
    family: str
    texts: tuple[int, ...]


class Invocation(msgspec.Struct, frozen=True, gc=False):
    """The bodies that a request becomes, and what became of its fields."""

    bodies: tuple[bytes, ...]
    notes: Notes
    dropped: tuple[str, ...]


class _Titan(msgspec.Struct, rename="camel"):
    embedding: Vector
    input_text_token_count: int | None = None


class _CohereVectors(msgspec.Struct):
    float_: list[Vector] = msgspec.field(name="float")


class _Cohere(msgspec.Struct):
    embeddings: _CohereVectors | list[Vector]


class _NovaVector(msgspec.Struct):
    embedding: Vector


class _Nova(msgspec.Struct, rename="camel"):
    embeddings: list[_NovaVector]
    input_text_token_count: int | None = None


@dataclass(frozen=True, slots=True)
class _Family:
    """How a family of models is asked. `read` returns vectors, and tokens where the body counts them."""

    body: Callable[[Sequence[str], Object], Object]
    read: Callable[[bytes], tuple[list[Vector], int | None]]
    texts: int = 1  # in one request
    takes_dimensions: bool = True
    extensions: tuple[str, ...] = ()


def invoke(request: EmbeddingsRequest, model: str, base_model: str) -> Invocation:
    """Translate a request to `model`, of the family of `base_model`.

    Raises ProviderFailure: unsupported for token ids, for dimensions of a model that has one size only, and
    for models that the gateway knows no embeddings of.
    """
    fields = _decode(request.raw)
    name = family_name(base_model)
    slug = next((slug for slug in _FAMILIES if name.startswith(slug)), "")
    if not slug or "embed" not in name:
        raise unsupported("model", f"'{request.model}' offers no embeddings at AWS Bedrock.")
    family = _FAMILIES[slug]
    if fields.get("dimensions") is not None and not family.takes_dimensions:
        raise unsupported("dimensions", "'dimensions' is not supported by this model.")
    texts = _texts(fields.get("input"))
    batches = [texts[start : start + family.texts] for start in range(0, len(texts), family.texts)]
    read = _READ.union(family.extensions)
    return Invocation(
        tuple(msgspec.json.encode(family.body(batch, fields)) for batch in batches),
        Notes(model, slug, tuple(map(len, batches))),
        tuple(sorted(key for key, value in fields.items() if key not in read and value is not None)),
    )


def parse_embeddings(request: EmbeddingsRequest, reply: Reply) -> Answer:
    """Read the answers, in order. Raises ProviderFailure for those that cannot be read."""
    notes = reply.notes
    assert isinstance(notes, Notes)
    vectors: list[Vector] = []
    counts: list[int | None] = []
    for expected, each in zip(notes.texts, (reply, *reply.more), strict=True):
        try:
            found, count = _FAMILIES[notes.family].read(each.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise unreadable() from None
        if len(found) != expected:
            raise unreadable()
        vectors += found
        counts.append(_header_count(each) if count is None else count)
    known = [min(count, _MAX_COUNT) for count in counts if count is not None and count >= 0]
    return embeddings_answer(request, notes.model, vectors, sum(known) if len(known) == len(counts) else None)


def _decode(raw: bytes) -> Object:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise invalid("input", "The body of a request must be a JSON object.")
    return fields


def _texts(value: Any) -> list[str]:
    """Return the texts of `input`. Raises ProviderFailure: unsupported for token ids."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not value:
        raise invalid("input", "'input' must be a text or a list of texts.")
    if not all(isinstance(text, str) for text in value):
        raise unsupported("input", "Token ids are not supported by this provider; send text.")
    if not all(value):
        raise invalid("input", "'input' must not hold an empty text.")
    return value


def _header_count(reply: Reply) -> int | None:
    text = reply.headers.get(_TOKENS_HEADER, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _titan_v2_body(texts: Sequence[str], fields: Object) -> Object:
    body: Object = {"inputText": texts[0], "normalize": True}
    if fields.get("dimensions") is not None:
        body["dimensions"] = fields["dimensions"]
    return body


def _titan_body(texts: Sequence[str], fields: Object) -> Object:
    del fields
    return {"inputText": texts[0]}


def _cohere_body(texts: Sequence[str], fields: Object) -> Object:
    body: Object = {
        "texts": texts,
        "input_type": fields.get("input_type") or "search_document",
        "embedding_types": ["float"],
    }
    if fields.get("dimensions") is not None:
        body["output_dimension"] = fields["dimensions"]
    if fields.get("truncate") is not None:
        body["truncate"] = fields["truncate"]
    return body


def _nova_body(texts: Sequence[str], fields: Object) -> Object:
    params: Object = {
        "embeddingPurpose": "GENERIC_INDEX",
        "text": {"truncationMode": "NONE", "value": texts[0]},
    }
    if fields.get("dimensions") is not None:
        params["embeddingDimension"] = fields["dimensions"]
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _read_titan(body: bytes) -> tuple[list[Vector], int | None]:
    found = msgspec.json.decode(body, type=_Titan)
    return [found.embedding], found.input_text_token_count


def _read_cohere(body: bytes) -> tuple[list[Vector], int | None]:
    found = msgspec.json.decode(body, type=_Cohere).embeddings
    return (found.float_ if isinstance(found, _CohereVectors) else found), None


def _read_nova(body: bytes) -> tuple[list[Vector], int | None]:
    found = msgspec.json.decode(body, type=_Nova)
    return [vector.embedding for vector in found.embeddings], found.input_text_token_count


_COHERE = _Family(_cohere_body, _read_cohere, texts=_COHERE_TEXTS, extensions=_COHERE_FIELDS)
# By the beginning of the model's id; the first that fits.
_FAMILIES = {
    "amazon.titan-embed-text-v2": _Family(_titan_v2_body, _read_titan),
    "amazon.titan-embed": _Family(_titan_body, _read_titan, takes_dimensions=False),
    "cohere.embed-v": _COHERE,
    "cohere.embed-": replace(_COHERE, takes_dimensions=False),  # English and multilingual v3
    "amazon.nova-": _Family(_nova_body, _read_nova),
}
