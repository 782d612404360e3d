"""OpenAI's embeddings requests for Google's three ways of asking, and their answers.

`batchEmbedContents` of Gemini's own API; `embedContent` and `batchEmbedContents` of Vertex AI, for models
with gemini in their name; `predict` of Vertex AI for all others. Wire facts: google-genai 3.4.0 (models.py),
cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.providers import chat_request
from gateway.providers.chat_answer import encode
from gateway.providers.chat_problems import invalid, unreadable, unsupported
from gateway.providers.chat_request import Fields
from gateway.providers.embeddings_answer import embeddings_answer
from gateway.providers.gemini_models import model_path
from gateway.types import Answer, EmbeddingsRequest, Reply, WireRequest

MOST_CONTENTS = 100  # of a batch
MOST_INSTANCES = 250  # of predict
# This model gives vectors of length 1 only at its full size; it takes dimensions from 128 on.
_SHORTENED_MODEL = "gemini-embedding-001"
_SHORTENED = range(128, 3072)
_NO_TASK_TYPES = "gemini-embedding-2"
Json = dict[str, Any]


class Notes(msgspec.Struct, frozen=True, gc=False):
    """What the reader of the answer wants to know: the model asked for, whether vectors get length 1."""

    model: str
    normalizes: bool = False


class EmbeddingsInput(msgspec.Struct, frozen=True, gc=False):
    """What an embeddings request asks for. `dimensions` is None for the model's own."""

    texts: list[str]
    dimensions: int | None
    task_type: str
    dropped: tuple[str, ...]


class _Vectors(NamedTuple):
    """The vectors of one reply; `tokens` is None where they weren't counted."""

    vectors: list[list[float]]
    tokens: int | None


class _Values(msgspec.Struct):
    values: list[float]


class _Figures(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Contents(msgspec.Struct, rename="camel"):
    embeddings: list[_Values] | None = None
    embedding: _Values | None = None
    usage_metadata: _Figures | None = None


class _Statistics(msgspec.Struct):
    token_count: float = 0


class _Predicted(msgspec.Struct):
    values: list[float]
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Predicted


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction]


_read_contents = msgspec.json.Decoder(_Contents).decode
_read_predictions = msgspec.json.Decoder(_Predictions).decode


def read_input(request: EmbeddingsRequest, model: str) -> EmbeddingsInput:
    """Read the caller's body. Raises ProviderFailure: unsupported for token ids, invalid_request."""
    body = chat_request.read_body(request.raw)
    fields = Fields(body)
    given, dimensions = fields.take("input"), fields.take("dimensions")
    fields.take("encoding_format")  # the answer comes in the form that was asked for all the same
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise invalid("input", "'input' must be a string or a list of strings.")
    if not all(isinstance(text, str) for text in texts):
        raise unsupported("input", "This provider takes text only, and no token ids.")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise invalid("dimensions", "'dimensions' must be an integer of at least 1.")
    task_type = fields.text("task_type")
    if task_type and _NO_TASK_TYPES in model:
        fields.drop("task_type")
        task_type = ""
    return EmbeddingsInput(texts, dimensions, task_type, fields.dropped)


def batches(asked: EmbeddingsInput, most: int) -> list[EmbeddingsInput]:
    """Return the input in pieces of at most `most` texts."""
    if len(asked.texts) <= most:
        return [asked]
    starts = range(0, len(asked.texts), most)
    return [msgspec.structs.replace(asked, texts=asked.texts[at : at + most]) for at in starts]


def requests_for(
    pieces: Sequence[EmbeddingsInput], notes: Notes, make: Callable[[EmbeddingsInput], WireRequest]
) -> WireRequest:
    """Return the request of the first piece, with those of the others in `more`."""
    first, *others = map(make, pieces)
    return msgspec.structs.replace(first, dropped=pieces[0].dropped, notes=notes, more=tuple(others))


def batch_body(asked: EmbeddingsInput, model: str) -> bytes:
    """Return the body of batchEmbedContents of Gemini's own API."""
    name, options = model_path(model), _options(asked)
    requests = [{"model": name, "content": {"parts": [{"text": text}]}, **options} for text in asked.texts]
    return encode({"requests": requests})


def vertex_contents_body(asked: EmbeddingsInput) -> bytes:
    """Return the body of embedContent for one text, of batchEmbedContents for several, of Vertex AI."""
    config = _options(asked)
    requests = [
        {"content": {"role": "user", "parts": [{"text": text}]}}
        | ({"embedContentConfig": config} if config else {})
        for text in asked.texts
    ]
    return encode(requests[0] if len(requests) == 1 else {"requests": requests})


def predict_body(asked: EmbeddingsInput) -> bytes:
    """Return the body of predict. A text that is too long is an error there as well, and not cut."""
    task = {"task_type": asked.task_type} if asked.task_type else {}
    parameters: Json = {"autoTruncate": False}
    if asked.dimensions is not None:
        parameters["outputDimensionality"] = asked.dimensions
    return encode(
        {"instances": [{"content": text, **task} for text in asked.texts], "parameters": parameters}
    )


def notes_for(asked: EmbeddingsInput, model: str, *, normalizes: bool) -> Notes:
    """Return what parsing needs. `normalizes`: the credential's setting."""
    is_shortened = model.endswith(_SHORTENED_MODEL) and (asked.dimensions or 0) in _SHORTENED
    return Notes(model, normalizes and is_shortened)


def parse_contents(request: EmbeddingsRequest, reply: Reply) -> Answer:
    """Read the answers of embedContent or batchEmbedContents. Raises ProviderFailure."""
    return _answer(request, reply, [_contents(each.body) for each in (reply, *reply.more)])


def parse_predictions(request: EmbeddingsRequest, reply: Reply) -> Answer:
    """Read the answers of predict. Raises ProviderFailure."""
    return _answer(request, reply, [_predictions(each.body) for each in (reply, *reply.more)])


def _contents(body: bytes) -> _Vectors:
    try:
        found = _read_contents(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None
    vectors = [found.embedding] if found.embedding is not None else found.embeddings
    if not vectors:
        raise unreadable()
    tokens = found.usage_metadata.prompt_token_count if found.usage_metadata is not None else None
    return _Vectors([vector.values for vector in vectors], tokens)


def _predictions(body: bytes) -> _Vectors:
    try:
        found = [item.embeddings for item in _read_predictions(body).predictions]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None
    if not found:
        raise unreadable()
    counts = [int(item.statistics.token_count) for item in found if item.statistics is not None]
    return _Vectors([item.values for item in found], sum(counts) if len(counts) == len(found) else None)


def _answer(request: EmbeddingsRequest, reply: Reply, found: Sequence[_Vectors]) -> Answer:
    notes = reply.notes if isinstance(reply.notes, Notes) else Notes(request.model)
    vectors: list[Sequence[float]] = [vector for each in found for vector in each.vectors]
    if notes.normalizes:
        vectors = [_of_length_one(vector) for vector in vectors]
    counts = [each.tokens for each in found if each.tokens is not None]
    return embeddings_answer(request, notes.model, vectors, sum(counts) if counts else None)


def _of_length_one(vector: Sequence[float]) -> Sequence[float]:
    length = math.hypot(*vector)
    return [number / length for number in vector] if 0 < length < math.inf else vector


def _options(asked: EmbeddingsInput) -> Json:
    options: Json = {}
    if asked.dimensions is not None:
        options["outputDimensionality"] = asked.dimensions
    if asked.task_type:
        options["taskType"] = asked.task_type
    return options
