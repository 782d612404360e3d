"""Uploads, forms and audio requests for tests, and a reader of the forms that we send."""

import json
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from gateway.requests import parse_speech, parse_transcription
from gateway.types import Form, MultipartBody, SpeechRequest, TranscriptionRequest, Upload, WireRequest

RECEIVED_AT = 1764000000
WAV = b"RIFF fake wave \r\n--\x00\xff"


class Held:
    """The content of an upload, in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = False

    def read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]

    def close(self) -> None:
        self.closed = True


def upload(data: bytes = WAV, filename: str = "a.wav", content_type: str = "audio/wav") -> Upload:
    """A file as it was received."""
    return Upload(filename, content_type, len(data), Held(data))


def speech(**fields: Any) -> SpeechRequest:
    """A speech request."""
    body = {"model": "tts-1", "input": "Hello", "voice": "alloy"} | fields
    return parse_speech(json.dumps(body).encode(), "req1", RECEIVED_AT)


def transcription(*fields: tuple[str, str], model: str = "whisper-1", **more: str) -> TranscriptionRequest:
    """A transcription request; fields whose names are no identifiers come as pairs."""
    every = (("model", model), *fields, *more.items())
    return parse_transcription(Form(every, upload()), "req1", RECEIVED_AT)


@dataclass
class Sent:
    """A form as a provider reads it."""

    values: dict[str, list[str]] = field(default_factory=dict)
    file: bytes | None = None
    filename: str | None = None
    file_type: str = ""

    def __getitem__(self, name: str) -> str:
        (value,) = self.values[name]
        return value


def form_in(wire: WireRequest) -> Sent:
    """The form of a request that was built, its parts joined as they would be sent."""
    assert wire.body == b""
    assert wire.upload is not None
    body: MultipartBody = wire.upload
    raw = b"".join(body.pieces())
    assert len(raw) == body.size
    return read_form_body(body.content_type, raw)


def read_form_body(content_type: str, raw: bytes) -> Sent:
    """Read a form with the standard library's parser, which is not the one that the gateway uses."""
    parsed = BytesParser(policy=HTTP).parsebytes(f"content-type: {content_type}\r\n\r\n".encode() + raw)
    sent = Sent()
    for part in parsed.iter_parts():
        _read_part(sent, part)
    return sent


def _read_part(sent: Sent, part: Message) -> None:
    name = part.get_param("name", header="content-disposition")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    filename = part.get_filename()
    if filename is None:
        sent.values.setdefault(str(name), []).append(content.decode())
        return
    assert name == "file"
    assert sent.file is None
    sent.file, sent.filename, sent.file_type = content, filename, part.get_content_type()


def multipart(*parts: tuple[str, bytes, str | None], boundary: str = "BOUNDARY") -> tuple[bytes, str]:
    """A form's body and content type; a part is (name, value, file name or None)."""
    body = b""
    for name, value, filename in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n'
        body += f"{head}{'Content-Type: audio/wav' + chr(13) + chr(10) if named else ''}\r\n".encode()
        body += value + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
