"""AWS binary event streams: bytes cut anywhere in, whole messages out.

A message is: total length u32, length of the headers u32, CRC-32 of these eight bytes, headers, payload,
CRC-32 of everything before; all big endian. A header is: length of the name u8, name, type u8, value.
Source: smithy.io, "Amazon Event Stream Specification".
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from struct import Struct, error
from typing import Any, NamedTuple
from zlib import crc32

from gateway.errors import Failure, FailureClass, ProviderFailure

MAX_HEADERS_BYTES = 128 * 1024  # what the official SDKs take
MAX_PAYLOAD_BYTES = 24 * 1024 * 1024
_OVERHEAD = 16  # of a message: prelude with its checksum, and the checksum at the end
_PRELUDE = Struct("!III")
_CHECKSUM = Struct("!I")
_CACHED_HEADERS_BYTES = 256

HeaderValue = bool | int | bytes | str


class Message(NamedTuple):
    """One message. `headers` is shared between messages that have the same ones."""

    headers: Mapping[str, HeaderValue]
    payload: bytes


class MessageReader:
    """Cuts one body into messages."""

    __slots__ = ("_failure", "_needed", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()  # the beginning of a message whose end has not come
        self._needed = _PRELUDE.size  # bytes of it without which nothing more can be said
        self._failure: ProviderFailure | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now.

        Raises ProviderFailure at a message that is damaged or larger than the limits; whole messages before
        it in the same bytes are returned first, the failure raised by the next call.
        """
        if self._failure is not None:
            raise self._failure
        found: list[Message] = []
        tail = self._tail
        if tail:
            tail += data
            if len(tail) < self._needed:
                return found
            data = bytes(tail)
            tail.clear()
        try:
            self._read(data, found)
        except ProviderFailure as failure:
            self._failure = failure
            if not found:
                raise
        return found

    def finish(self) -> None:
        """The body ended. Raises ProviderFailure when that was inside a message, or one was damaged."""
        if self._failure is not None:
            raise self._failure
        if self._tail:
            raise ProviderFailure(
                Failure(
                    FailureClass.SERVER_ERROR,
                    "The provider's stream ended before the answer was complete.",
                    code="upstream_stream_interrupted",
                )
            )

    def _read(self, data: bytes, found: list[Message]) -> None:
        """Append the whole messages of `data`, and keep the rest. Raises ProviderFailure."""
        start, size = 0, len(data)
        self._needed = _PRELUDE.size
        while size - start >= _PRELUDE.size:
            end = start + _total_length(data, start)
            if end > size:
                self._needed = end - start
                break
            found.append(_message(data, start, end))
            start = end
        self._tail += data[start:]


def _total_length(data: bytes, start: int) -> int:
    """Return the length of the message that begins here, checked. Raises ProviderFailure."""
    total, headers, checksum = _PRELUDE.unpack_from(data, start)
    if crc32(data[start : start + 8]) != checksum:
        raise _damaged()
    payload = total - headers - _OVERHEAD
    if payload < 0:
        raise _damaged()
    if headers > MAX_HEADERS_BYTES or payload > MAX_PAYLOAD_BYTES:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The provider sent an event that is too large.")
        )
    return int(total)


def _message(data: bytes, start: int, end: int) -> Message:
    if crc32(data[start : end - 4]) != _CHECKSUM.unpack_from(data, end - 4)[0]:
        raise _damaged()
    length = _CHECKSUM.unpack_from(data, start + 4)[0]
    headers_start = start + _PRELUDE.size
    headers_end = headers_start + length
    parse = _cached_headers if length <= _CACHED_HEADERS_BYTES else _headers
    return Message(parse(data[headers_start:headers_end]), data[headers_end : end - 4])


def _headers(block: bytes) -> Mapping[str, HeaderValue]:
    """Read a block of headers. Raises ProviderFailure."""
    found: dict[str, HeaderValue] = {}
    position = 0
    try:
        while position < len(block):
            name_end = position + 1 + block[position]
            name = block[position + 1 : name_end].decode()
            value, position = _value(block, name_end)
            if name in found or position > len(block):
                raise _damaged()
            found[name] = value
    except (IndexError, UnicodeDecodeError, error):
        raise _damaged() from None
    return found


# A stream repeats the same few blocks of headers in every message.
_cached_headers = lru_cache(maxsize=64)(_headers)


def _value(block: bytes, position: int) -> tuple[HeaderValue, int]:
    """Return the value whose type byte is here, and where it ends. Raises IndexError for an unknown type."""
    kind = block[position]
    position += 1
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], position
    if kind in _SIZED:
        (length,) = _LENGTH.unpack_from(block, position)
        start = position + _LENGTH.size
        return _SIZED[kind](block[start : start + length]), start + length
    if kind in _NUMBERS:
        layout = _NUMBERS[kind]
        return layout.unpack_from(block, position)[0], position + layout.size
    raise IndexError


_LENGTH = Struct("!H")
_CONSTANTS: Mapping[int, bool] = {0: True, 1: False}
_SIZED: Mapping[int, Callable[[bytes], Any]] = {6: bytes, 7: bytes.decode}
# 8 is a time in milliseconds since the epoch, 9 a UUID.
_NUMBERS: Mapping[int, Struct] = {
    2: Struct("!b"),
    3: Struct("!h"),
    4: Struct("!i"),
    5: Struct("!q"),
    8: Struct("!q"),
    9: Struct("!16s"),
}


def _damaged() -> ProviderFailure:
    return ProviderFailure(Failure(FailureClass.SERVER_ERROR, "The provider's stream is damaged."))
