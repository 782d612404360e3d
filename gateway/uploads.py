"""Forms with a file: read as they come, the file kept in memory while it is small and on disk beyond that.

Nothing but the file's first MEMORY_BYTES and the piece that has just come is ever in memory. The file on disk
has no name, so that nothing of it is left behind when the process is killed.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.bodies import Headers, Limits, Receive, read_pieces, refuse_by_headers
from gateway.errors import BodyTooLarge, InvalidRequest, Unavailable, UnsupportedMediaType
from gateway.types import Form, Upload

MEMORY_BYTES = 1024 * 1024  # of a file, before it goes to disk
FORM_BYTES = 512 * 1024  # of everything but the file: values, names, boundaries
MAX_PARTS = 100
MAX_NAME = 100  # characters of a field's name that are shown
FILE = "file"
_PLAIN = {b"", b"binary", b"8bit", b"7bit"}


class Spool:
    """The bytes of an upload. Raises Unavailable when the disk takes no more."""

    def __init__(self, directory: Path) -> None:
        self.size = 0
        self._directory = directory
        self._memory = bytearray()
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Add to the end."""
        self.size += len(data)
        if self._file is None and self.size <= MEMORY_BYTES:
            self._memory += data
            return
        try:
            if self._file is None:
                self._move_to_disk()
            self._write_out(data)
        except OSError as problem:
            raise Unavailable("Uploads cannot be stored at the moment. Try again later.") from problem

    def _move_to_disk(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - closed by close()
        self._write_out(bytes(self._memory))
        self._memory.clear()

    def _write_out(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on. Raises OSError, ValueError once it is closed."""
        if self._file is None:
            return bytes(self._memory[offset : offset + size])
        return os.pread(self._file.fileno(), size, offset)

    def close(self) -> None:
        """Give up what is stored."""
        self._memory.clear()
        if self._file is not None:
            self._file.close()


async def read_form(headers: Headers, receive: Receive, limits: Limits) -> Form:
    """Read a form; whoever gets it closes it.

    Raises UnsupportedMediaType, BodyTooLarge, InvalidRequest naming the field, Unavailable, ClientLeft.
    """
    media_type, options = parse_options_header(headers.get(b"content-type", b""))
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaType("Send the body as 'Content-Type: multipart/form-data'.")
    most = limits.upload + FORM_BYTES
    refuse_by_headers(headers, most)
    reader = _Reader(options.get(b"boundary", b""), limits)
    try:
        async for piece in read_pieces(receive, most):
            reader.feed(piece)
        return reader.finish()
    except BaseException:
        reader.discard()
        raise


class _Reader:
    """Takes a multipart body apart. `_name` is the part that is being read, for what errors say."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        if not boundary:
            raise _unreadable("The Content-Type header of the form has no boundary")
        self._limit = limits.upload
        self._directory = limits.directory
        self._fields: list[tuple[str, str]] = []
        self._upload: Upload | None = None
        self._spool: Spool | None = None
        self._headers: dict[bytes, bytes] = {}
        self._header, self._header_value = bytearray(), bytearray()
        self._value = bytearray()
        self._form_size = 0
        self._parts = 0
        self._name = ""
        self._in_file = False
        self._filename = self._content_type = ""
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._take_header,
                    "on_header_value": self._take_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._take,
                    "on_part_end": self._close,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise _unreadable("The form's boundary is too long") from None

    def feed(self, data: bytes) -> None:
        """Take the next piece. Raises InvalidRequest, BodyTooLarge, Unavailable."""
        try:
            self._parser.write(data)
        except FormParserError:
            raise _unreadable("The form is not valid multipart/form-data", self._name) from None

    def finish(self) -> Form:
        """Return what was read. Raises InvalidRequest when the form is cut short."""
        if not self._complete:
            raise _unreadable("The form ends before its last boundary", self._name)
        return Form(tuple(self._fields), self._upload)

    def discard(self) -> None:
        """Give up the file."""
        if self._spool is not None:
            self._spool.close()

    # -- the parser's callbacks --

    def _begin(self) -> None:
        self._headers = {}
        self._name = ""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _unreadable(f"The form has more than {MAX_PARTS} fields")

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._count(end - start)

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._count(end - start)

    def _end_header(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._header_value)
        self._header.clear()
        self._header_value.clear()

    def _open(self) -> None:
        """The headers of a part are there: see what it is."""
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = _text(options.get(b"name", b""))
        if disposition != b"form-data" or not self._name:
            raise _unreadable("A part of the form has no name")
        if self._headers.get(b"content-transfer-encoding", b"").lower() not in _PLAIN:
            raise _unreadable("A part of the form has a transfer encoding", self._name)
        self._in_file = b"filename" in options
        if self._in_file:
            self._open_file(options)

    def _open_file(self, options: Mapping[bytes, bytes]) -> None:
        if self._name != FILE:
            raise _invalid(
                f"'{self._name[:MAX_NAME]}' may not be a file; send one file, named 'file'.", self._name
            )
        if self._spool is not None:
            raise _invalid("Send one file only.", FILE)
        self._filename = _text(options[b"filename"])
        self._content_type = _text(self._headers.get(b"content-type", b""))
        self._spool = Spool(self._directory)

    def _take(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._value += data[start:end]
            self._count(end - start)
            return
        assert self._spool is not None
        if self._spool.size + end - start > self._limit:
            raise BodyTooLarge(
                f"The file is larger than {self._limit} bytes, the most that this gateway accepts."
            )
        self._spool.write(data[start:end])

    def _close(self) -> None:
        if self._in_file:
            assert self._spool is not None
            self._upload = Upload(self._filename, self._content_type, self._spool.size, self._spool)
            self._in_file = False
            return
        try:
            self._fields.append((self._name, self._value.decode()))
        except UnicodeDecodeError:
            raise _invalid(f"'{self._name[:MAX_NAME]}' is not valid UTF-8.", self._name) from None
        self._value.clear()

    def _end(self) -> None:
        self._complete = True

    def _count(self, size: int) -> None:
        self._form_size += size
        if self._form_size > FORM_BYTES:
            raise BodyTooLarge(f"The form's fields are larger than {FORM_BYTES} bytes.")


def _text(raw: bytes) -> str:
    """Return a name that came in a header: UTF-8 as browsers and SDKs write it, else Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unreadable(problem: str, name: str = "") -> InvalidRequest:
    return InvalidRequest(f"{problem}.", param=name[:MAX_NAME] or None, code="invalid_multipart")


def _invalid(problem: str, name: str) -> InvalidRequest:
    return InvalidRequest(problem, param=name[:MAX_NAME], code="invalid_value")
