"""Reading a form as it comes: fields and one file, in any order and cut anywhere, and what is refused."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.bodies import ClientLeft, Limits
from gateway.errors import BodyTooLarge, GatewayError, InvalidRequest, Unavailable, UnsupportedMediaType
from gateway.requests import parse_transcription
from gateway.types import Form, MultipartBody
from gateway.uploads import FORM_BYTES, MAX_PARTS, MEMORY_BYTES, Spool, read_form
from tests.gateway.audio import WAV, multipart

MIB = 1024 * 1024
FILE = ("file", WAV, "a.wav")
MODEL = ("model", b"whisper-1", None)


def read(
    body: bytes, content_type: str, tmp_path: Path, *, limit: int = MIB, piece: int = 65536, **headers: str
) -> Form:
    """Read a body that comes in pieces."""
    return read_messages(
        [
            {"type": "http.request", "body": body[at : at + piece], "more_body": at + piece < len(body)}
            for at in range(0, max(1, len(body)), piece)
        ],
        content_type,
        tmp_path,
        limit=limit,
        **headers,
    )


def read_messages(
    messages: Iterable[dict[str, Any]], content_type: str, tmp_path: Path, *, limit: int = MIB, **headers: str
) -> Form:
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(coming)

    named = {b"content-type": content_type.encode()}
    named |= {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asyncio.run(
        read_form(named, receive, Limits(body=1024, upload=limit, directory=tmp_path / "spool"))
    )


def contents(form: Form) -> bytes:
    assert form.upload is not None
    return form.upload.content.read(0, form.upload.size + 1)


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 65536])
@pytest.mark.parametrize("parts", [(MODEL, FILE), (FILE, MODEL), (MODEL, FILE, ("language", b"de", None))])
def test_fields_and_the_file_come_in_any_order_and_cut_anywhere(
    tmp_path: Path, piece: int, parts: tuple[tuple[str, bytes, str | None], ...]
) -> None:
    form = read(*multipart(*parts), tmp_path, piece=piece)
    assert form.fields == tuple((name, value.decode()) for name, value, file in parts if file is None)
    assert form.upload is not None
    assert (form.upload.filename, form.upload.content_type) == ("a.wav", "audio/wav")
    assert contents(form) == WAV
    form.close()


def test_a_list_may_come_as_repeated_fields(tmp_path: Path) -> None:
    times = [("timestamp_granularities[]", b"word", None), ("timestamp_granularities[]", b"segment", None)]
    request = parse_transcription(read(*multipart(MODEL, *times, FILE), tmp_path), "r", 1)
    assert request.fields[1:] == tuple(("timestamp_granularities[]", value.decode()) for _, value, _ in times)


def test_names_are_read_as_browsers_write_them(tmp_path: Path) -> None:
    form = read(
        *multipart(("file", b"x", "gr\u00fc\u00dfe.wav"), ("prompt", "\u00fc\u4e16".encode(), None)), tmp_path
    )
    assert form.upload is not None
    assert form.upload.filename == "gr\u00fc\u00dfe.wav"
    assert form.fields == (("prompt", "\u00fc\u4e16"),)


# -- what is refused


def refusal(body: bytes, content_type: str, tmp_path: Path, **options: Any) -> GatewayError:
    """The error of a form, whether its reader or its parser finds it."""
    with pytest.raises(GatewayError) as problem:
        parse_transcription(read(body, content_type, tmp_path, **options), "r", 1)
    return problem.value


@pytest.mark.parametrize(
    ("parts", "param", "code"),
    [
        ([MODEL], "file", "missing_required_parameter"),
        ([MODEL, ("file", b"text", None)], "file", "invalid_type"),
        ([MODEL, ("file", b"", "a.wav")], "file", "invalid_value"),
        ([FILE], "model", "missing_required_parameter"),
        ([FILE, ("model", b"", None)], "model", "missing_required_parameter"),
        ([FILE, ("model", b"m" * 600, None)], "model", "invalid_value"),
        ([FILE, ("model", b"\xff", None)], "model", "invalid_value"),
        ([FILE, MODEL, MODEL], "model", "invalid_value"),
        ([FILE, FILE, MODEL], "file", "invalid_value"),
        ([FILE, MODEL, ("other", b"x", "b.wav")], "other", "invalid_value"),
        ([FILE, MODEL, ("response_format", b"xml", None)], "response_format", "invalid_value"),
        ([FILE, MODEL, ("stream", b"true", None)], "stream", "unsupported_parameter"),
        ([FILE, MODEL, ("stream", b"1", None)], "stream", "unsupported_parameter"),
    ],
)
def test_a_wrong_form_is_refused_with_the_fields_name(
    tmp_path: Path, parts: list[tuple[str, bytes, str | None]], param: str, code: str
) -> None:
    problem = refusal(*multipart(*parts), tmp_path)
    assert (problem.status, problem.param, problem.code) == (400, param, code)


def test_every_truncation_is_refused_with_the_field_that_is_cut(tmp_path: Path) -> None:
    body, content_type = multipart(MODEL, FILE)
    end = body.rindex(b"--\r\n")
    for cut in range(end + 1):
        problem = refusal(body[:cut], content_type, tmp_path)
        assert (problem.status, problem.code) == (400, "invalid_multipart")
        expected = {"model", "file", None}
        assert problem.param in expected
    assert refusal(body[: body.index(WAV) + 3], content_type, tmp_path).param == "file"
    assert refusal(body[: body.index(b"whisper") + 3], content_type, tmp_path).param == "model"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 5000, 400),
        ("multipart/form-data; boundary=OTHER", 400),
        ("multipart/mixed; boundary=BOUNDARY", 415),
        ("application/json", 415),
        ("", 415),
    ],
)
def test_a_wrong_content_type_is_refused(tmp_path: Path, content_type: str, status: int) -> None:
    body, _ = multipart(MODEL, FILE)
    assert refusal(body, content_type, tmp_path).status == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b'{"model": "whisper-1"}',
        b"--BOUNDARY\r\n\r\nno headers\r\n--BOUNDARY--\r\n",
        b"--BOUNDARY\r\nContent-Disposition: form-data\r\n\r\nx\r\n--BOUNDARY--\r\n",
        b'--BOUNDARY\r\nContent-Disposition: attachment; name="file"\r\n\r\nx\r\n--BOUNDARY--\r\n',
        b'--BOUNDARY\r\nContent-Disposition: form-data; name="model"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--BOUNDARY--\r\n",
        b"--BOUNDARY\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\nx\r\n--BOUNDARY--\r\n",
        b"--BOUNDARY\r\nbad header\r\n\r\nx\r\n--BOUNDARY--\r\n",
    ],
)  # fmt: skip
def test_a_body_that_is_no_form_is_refused(tmp_path: Path, body: bytes) -> None:
    problem = refusal(body, "multipart/form-data; boundary=BOUNDARY", tmp_path)
    assert (problem.status, problem.code) == (400, "invalid_multipart")


def test_too_many_and_too_large_fields_are_refused(tmp_path: Path) -> None:
    many = [("x", b"", None)] * (MAX_PARTS + 1)
    assert refusal(*multipart(*many), tmp_path).status == 400
    large = ("prompt", b"x" * (FORM_BYTES + 1), None)
    assert refusal(*multipart(large, FILE), tmp_path, limit=10 * MIB).status == 413


def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    limit = 3 * MIB
    form = read(*multipart(("file", bytes(limit), "a"), MODEL), tmp_path, limit=limit)
    assert form.upload is not None
    assert form.upload.size == limit
    form.close()
    problem = refusal(*multipart(("file", bytes(limit + 1), "a"), MODEL), tmp_path, limit=limit)
    assert isinstance(problem, BodyTooLarge)


def test_an_announced_length_over_the_limit_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(BodyTooLarge):
        read_messages([], "multipart/form-data; boundary=B", tmp_path, content_length=str(10 * MIB))


def test_an_endless_body_is_refused_when_the_limit_is_reached(tmp_path: Path) -> None:
    seen = 0

    def endless() -> Iterable[dict[str, Any]]:
        nonlocal seen
        body, _ = multipart(FILE)
        yield {"type": "http.request", "body": body[: body.index(WAV)], "more_body": True}
        while True:
            seen += 65536
            yield {"type": "http.request", "body": bytes(65536), "more_body": True}

    with pytest.raises(BodyTooLarge):
        read_messages(endless(), "multipart/form-data; boundary=BOUNDARY", tmp_path)
    assert seen <= MIB + 65536


def test_a_compressed_form_is_refused(tmp_path: Path) -> None:
    body, content_type = multipart(MODEL, FILE)
    with pytest.raises(UnsupportedMediaType):
        read(body, content_type, tmp_path, content_encoding="gzip")


def test_a_caller_who_leaves_leaves_nothing_behind(tmp_path: Path) -> None:
    body, content_type = multipart(("file", bytes(2 * MIB), "a"))
    before = open_files()
    with pytest.raises(ClientLeft):
        read_messages(
            [{"type": "http.request", "body": body[:-100], "more_body": True}, {"type": "http.disconnect"}],
            content_type,
            tmp_path,
            limit=5 * MIB,
        )
    assert open_files() == before


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- where the file is kept


def test_a_small_file_stays_in_memory(tmp_path: Path) -> None:
    form = read(*multipart(("file", b"x" * MEMORY_BYTES, "a")), tmp_path, limit=2 * MIB)
    assert not (tmp_path / "spool").exists()
    assert contents(form) == b"x" * MEMORY_BYTES


def test_a_large_file_goes_to_disk_without_a_name_and_is_read_as_often_as_needed(tmp_path: Path) -> None:
    data = os.urandom(3 * MIB + 17)
    before = open_files()
    form = read(*multipart(("file", data, "a"), MODEL), tmp_path, limit=4 * MIB)
    assert list((tmp_path / "spool").iterdir()) == []
    assert open_files() == before + 1
    assert form.upload is not None
    assert isinstance(form.upload.content, Spool)
    assert len(form.upload.content._memory) == 0
    body = MultipartBody("multipart/form-data; boundary=b", b"head", form.upload, b"tail")
    for _ in range(2):
        assert b"".join(body.pieces()) == b"head" + data + b"tail"
    assert max(map(len, body.pieces())) == 65536
    form.close()
    form.close()
    assert open_files() == before


def test_a_refused_form_leaves_no_file_open(tmp_path: Path) -> None:
    before = open_files()
    body, content_type = multipart(("file", bytes(2 * MIB), "a"), ("file", b"x", "b"))
    with pytest.raises(InvalidRequest):
        read(body, content_type, tmp_path, limit=4 * MIB)
    assert open_files() == before


def test_a_full_disk_is_ours_to_say(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the directory should be")
    body, content_type = multipart(("file", bytes(2 * MIB), "a"), MODEL)
    with pytest.raises(Unavailable) as problem:
        read(body, content_type, tmp_path, limit=4 * MIB)
    assert problem.value.status == 503
    assert str(tmp_path) not in problem.value.message
