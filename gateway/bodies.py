"""Reading a request's body, capped while it comes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a request may bring, in bytes, and the directory where uploads wait."""

    body: int
    upload: int
    directory: Path


class ClientLeft(Exception):
    """The caller closed the connection before its body was complete."""


async def read_json(headers: Headers, receive: Receive, limits: Limits) -> bytes:
    """Read a JSON body.

    Raises UnsupportedMediaType, BodyTooLarge (before reading past the limit), InvalidRequest, ClientLeft.
    """
    media_type = headers.get(b"content-type", b"").split(b";", 1)[0].strip().lower()
    if media_type != b"application/json":
        raise UnsupportedMediaType("Send the body as 'Content-Type: application/json'.")
    limit = limits.body
    refuse_by_headers(headers, limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise too_large(limit)
        more = message.get("more_body", False)
    body = b"".join(chunks)
    if not body:
        raise InvalidRequest("The body is empty; send a JSON object.", code="invalid_json")
    return body


def refuse_by_headers(headers: Headers, limit: int) -> None:
    """Refuse a body that is compressed or announced as too long: UnsupportedMediaType, BodyTooLarge."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType("Compressed request bodies are not accepted.")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise too_large(limit)


async def read_pieces(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes. Raises BodyTooLarge, ClientLeft."""
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece
        more = message.get("more_body", False)


def too_large(limit: int) -> BodyTooLarge:
    """Return the error for a body over the limit."""
    return BodyTooLarge(f"The body is larger than {limit} bytes, the most that this gateway accepts.")
