"""Cohere's embeddings, POST /v2/embed: OpenAI's request in, vectors in OpenAI's shape out.

Reference: docs.cohere.com/reference/embed. Known gaps: images; more than 96 texts are refused, not split.
"""

from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.chat_problems import invalid, unreadable, unsupported
from gateway.providers.cohere_errors import presentable
from gateway.providers.embeddings_answer import embeddings_answer
from gateway.types import Answer, Connection, EmbeddingsRequest, Reply, WireRequest

MAX_TEXTS = 96
MAX_COUNT = 10**12  # tokens; no answer has more
# Mandatory at Cohere; callers who search choose `search_query` by this extension field.
DEFAULT_INPUT_TYPE = "search_document"

_EXTENSIONS = ("input_type", "truncate")
_READ = frozenset({"model", "input", "dimensions", "encoding_format", *_EXTENSIONS})


class _Notes(msgspec.Struct, frozen=True, gc=False):
    """What the answer is held against."""

    model: str
    texts: int


class _Vectors(msgspec.Struct):
    float_: list[list[float]] = msgspec.field(name="float")


class _BilledUnits(msgspec.Struct):
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _BilledUnits | None = None


class _Answer(msgspec.Struct):
    embeddings: _Vectors | None = None
    meta: _Meta | None = None
    message: Any = None


_answer = msgspec.json.Decoder(_Answer)
_fields = msgspec.json.Decoder(dict[str, Any])


def build_embeddings(request: EmbeddingsRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to Cohere.

    Raises ProviderFailure (unsupported) for token ids and for more than MAX_TEXTS texts.
    """
    fields = _decode(request.raw)
    texts = _texts(fields.get("input"))
    body = {
        "model": model,
        "texts": texts,
        "input_type": fields.get("input_type") or DEFAULT_INPUT_TYPE,
        "embedding_types": ["float"],
    }
    if fields.get("dimensions") is not None:
        body["output_dimension"] = fields["dimensions"]
    if fields.get("truncate") is not None:
        body["truncate"] = fields["truncate"]
    dropped = sorted(name for name, value in fields.items() if name not in _READ and value is not None)
    return WireRequest(
        connection.embeddings_url,
        connection.headers,
        msgspec.json.encode(body),
        dropped=tuple(dropped),
        notes=_Notes(model, len(texts)),
    )


def parse_embeddings(request: EmbeddingsRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    try:
        found = _answer.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None
    notes = reply.notes
    model, texts = (notes.model, notes.texts) if isinstance(notes, _Notes) else (request.model, None)
    if found.embeddings is None:
        raise _failed(found.message)
    vectors = found.embeddings.float_
    if not vectors or (texts is not None and len(vectors) != texts):
        raise unreadable()
    return embeddings_answer(request, model, vectors, _input_tokens(found.meta))


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        return _fields.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise invalid("input", "The body is not a JSON object.") from None


def _texts(given: Any) -> list[str]:
    """Return the input as a list of texts. Raises ProviderFailure (unsupported)."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise unsupported("input", "Cohere embeds text only, not token ids.")
    if len(texts) > MAX_TEXTS:
        raise unsupported(
            "input", f"Cohere embeds at most {MAX_TEXTS} texts in one request, not {len(texts)}."
        )
    return texts


def _failed(said: Any) -> ProviderFailure:
    """Return the failure for an answer without vectors: what the provider said, if it did."""
    if not isinstance(said, str) or not said:
        return unreadable()
    return ProviderFailure(Failure(FailureClass.SERVER_ERROR, presentable(said)))


def _input_tokens(meta: _Meta | None) -> int | None:
    units = meta.billed_units if meta is not None else None
    count = units.input_tokens if units is not None else None
    return int(count) if count is not None and 0 <= count <= MAX_COUNT else None
