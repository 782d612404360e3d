"""Binary event streams as AWS sends them, made to order."""

import json
import struct
from typing import Any
from zlib import crc32

STRING = 7


def header(name: str, kind: int, value: bytes) -> bytes:
    """One header; a string's value begins with its length, u16."""
    return bytes((len(name),)) + name.encode() + bytes((kind,)) + value


def text_header(name: str, value: str) -> bytes:
    """One header that holds a string."""
    raw = value.encode()
    return header(name, STRING, struct.pack("!H", len(raw)) + raw)


def message(payload: bytes, headers: bytes) -> bytes:
    """One message with right checksums."""
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return body + struct.pack("!I", crc32(body))


def event(name: str, body: Any) -> bytes:
    """An event of ConverseStream."""
    return message(
        json.dumps(body).encode(),
        text_header(":event-type", name)
        + text_header(":content-type", "application/json")
        + text_header(":message-type", "event"),
    )


def exception(name: str, body: Any) -> bytes:
    """An exception of ConverseStream."""
    return message(
        json.dumps(body).encode(),
        text_header(":exception-type", name)
        + text_header(":content-type", "application/json")
        + text_header(":message-type", "exception"),
    )


def error(code: str, text: str) -> bytes:
    """An error message: no payload, all in headers."""
    return message(
        b"",
        text_header(":error-code", code)
        + text_header(":error-message", text)
        + text_header(":message-type", "error"),
    )
