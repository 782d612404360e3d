"""Embeddings of OpenAI-compatible providers: requests by a row's rules, vectors in the form asked for.

Both official SDKs ask for base64 unless told otherwise, and Node's silently misreads a list of floats that
comes instead. So base64 is honoured everywhere: what a provider gives as floats is packed here.
"""

import base64
import binascii
import re
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.chat_problems import unreadable
from gateway.providers.openai_errors import failure_in_answer
from gateway.providers.openai_repairs import decode, encode
from gateway.providers.openai_requests import Fields, unsupported
from gateway.providers.openai_rows import EmbeddingsRules, Row
from gateway.providers.openai_usage import conforming_usage, read_usage
from gateway.types import Answer, Connection, EmbeddingsRequest, Reply, WireRequest

Raw = msgspec.Raw
_TOKENS = re.compile(rb"\s*\[\s*(\[\s*)?[-0-9]")
_FLOAT_BYTES = 4
_LIKE_OPENAI = EmbeddingsRules(takes_tokens=True)


class _Vector(msgspec.Struct):
    embedding: Raw
    index: Any = None


class _Answer(msgspec.Struct):
    object: Any = None
    data: list[_Vector] | None = None
    model: Any = None
    usage: Any = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer)
_floats = msgspec.json.Decoder(list[float])


def build_embeddings(
    row: Row, rules: EmbeddingsRules, request: EmbeddingsRequest, connection: Connection, model: str
) -> WireRequest:
    """Return the request to the provider.

    Raises ProviderFailure (unsupported) where it takes no token ids, or has no embeddings at this address.
    """
    if not connection.embeddings_url:
        raise ProviderFailure(
            Failure(FailureClass.UNSUPPORTED, f"{row.label} does not offer embeddings at this address.")
        )
    return WireRequest(connection.embeddings_url, connection.headers, *_body(row, rules, request, model))


def _body(
    row: Row, rules: EmbeddingsRules, request: EmbeddingsRequest, model: str
) -> tuple[bytes, tuple[str, ...]]:
    if rules == _LIKE_OPENAI and request.model == model:
        return request.raw, ()
    fields = Fields(request.raw)
    if not rules.takes_tokens and "input" in fields.found and _TOKENS.match(bytes(fields.found["input"])):
        raise unsupported(row, "input")
    for name in rules.drop:
        fields.drop(name)
    if not rules.takes_encoding_format and fields.found.pop("encoding_format", None) is not None:
        fields.changed = True  # not listed: the answer comes in the form that was asked for all the same
    fields.rename(rules.rename)
    if request.model != model:
        fields.put("model", model)
    body = fields.body(request.raw)
    return body.raw, body.dropped


def parse_embeddings(request: EmbeddingsRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    body = reply.body
    try:
        found = _answer.decode(body)
        if not body.isascii():
            body.decode()  # the decoder leaves the strings that it skips unchecked
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _why_not(body) from None
    if found.error or not found.data:
        raise _why_not(body)
    usage = read_usage(conforming_usage(found.usage))
    model = found.model if isinstance(found.model, str) and found.model else ""
    if usage and model and found.object == "list" and _conform(found.data, wants_text=request.base64):
        return Answer(body, usage, model)
    document = decode(body)
    document["object"] = "list"
    document["model"] = model or request.model
    if usage is None:
        document["usage"] = {"prompt_tokens": 0, "total_tokens": 0}  # clients read it without looking
    document["data"] = _in_order([_vector(item, request) for item in document["data"]])
    return Answer(encode(document), usage, document["model"])


def _why_not(body: bytes) -> ProviderFailure:
    """Return the failure for a body without vectors: the error that it names, else that it is unreadable."""
    try:
        document = decode(body)
    except ProviderFailure as failure:
        return failure
    names_error = isinstance(document, dict) and (document.get("error") or document.get("object") == "error")
    return ProviderFailure(failure_in_answer(document)) if names_error else unreadable()


def _conform(vectors: Sequence[_Vector], *, wants_text: bool) -> bool:
    """Return whether the vectors are in order and in the wanted form: base64 text, or lists of numbers."""
    first = b'"' if wants_text else b"["
    return all(
        vector.index == position and bytes(memoryview(vector.embedding)[:1]) == first
        for position, vector in enumerate(vectors)
    )


def _in_order(vectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not all(type(vector.get("index")) is int for vector in vectors):
        return [{**vector, "index": position} for position, vector in enumerate(vectors)]
    return sorted(vectors, key=lambda vector: vector["index"])


def _vector(item: dict[str, Any], request: EmbeddingsRequest) -> dict[str, Any]:
    """Return one vector in the form that was asked for. Raises ProviderFailure when it is no vector."""
    found = item["embedding"]
    try:
        if isinstance(found, list) and request.base64:
            found = base64.b64encode(struct.pack(f"<{len(found)}f", *found)).decode()
        elif isinstance(found, str) and not request.base64:
            packed = base64.b64decode(found, validate=True)
            found = list(struct.unpack(f"<{len(packed) // _FLOAT_BYTES}f", packed))
    except (struct.error, OverflowError, binascii.Error, ValueError):
        raise unreadable() from None
    if not isinstance(found, list | str):
        raise unreadable()
    return {**item, "object": "embedding", "embedding": found}
