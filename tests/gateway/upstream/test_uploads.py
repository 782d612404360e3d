"""Forms with a file: sent piece by piece, no faster than the provider takes them."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from gateway.types import MultipartBody, Timeouts, Upload, WireRequest
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem
from tests.fakes.upstream import JSON_ANSWER, FakeProvider, Visit, answers, response
from tests.gateway.upstream.conftest import TIMEOUTS, wire

LIMIT = 1 << 20
PATIENT = Timeouts(connect=2.0, first_byte=0.2, idle=2.0)


class Counted:
    """Content that notes how far it was read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reached = 0

    def read(self, offset: int, size: int) -> bytes:
        self.reached = max(self.reached, offset + size)
        return bytes([offset >> 16 & 0xFF]) * min(size, self.size - offset)

    def close(self) -> None:
        raise AssertionError("whoever made the upload closes it")


def form(url: str, content: Counted) -> WireRequest:
    """A request with a file."""
    upload = Upload("a.wav", "audio/wav", content.size, content)
    body = MultipartBody("multipart/form-data; boundary=x", b"the head,", upload, b",the tail")
    return WireRequest(url, (("authorization", "Bearer sk-test"),), b"", upload=body)


async def call(upstream: Upstream, request: WireRequest, timeouts: Timeouts = TIMEOUTS) -> bytes:
    opened = await upstream.open(request, timeouts)
    try:
        return await opened.read(LIMIT)
    finally:
        opened.close()


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 5_000_000])
async def test_a_form_arrives_whole_with_its_length_and_type(upstream: Upstream, size: int) -> None:
    content = Counted(size)
    async with FakeProvider(answers(response())) as provider:
        request = form(provider.url, content)
        for _ in range(2):  # as for a fallback
            assert await call(upstream, request) == JSON_ANSWER
        assert len(provider.visits) == 1
    for received in provider.requests:
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        assert b"content-length: %d" % (size + 18) in lines
        assert b"content-type: multipart/form-data; boundary=x" in lines
        assert not any(line.startswith(b"transfer-encoding") for line in lines)
        assert request.upload is not None
        assert body == b"".join(request.upload.pieces())


async def test_other_requests_go_on_over_the_same_connection(upstream: Upstream) -> None:
    async with FakeProvider(answers(response())) as provider:
        await call(upstream, wire(provider.url))
        await call(upstream, form(provider.url, Counted(300_000)))
        await call(upstream, wire(provider.url))
        assert len(provider.visits) == 1
    assert b"content-type: application/json" in provider.requests[2].lower()


async def test_a_slow_provider_is_not_sent_more_than_it_takes(upstream: Upstream) -> None:
    content = Counted(200_000_000)
    begun = asyncio.Event()

    async def takes_nothing(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
        begun.set()
        await asyncio.sleep(5)

    async with FakeProvider(takes_nothing) as provider:
        task = asyncio.create_task(call(upstream, form(provider.url, content)))
        await begun.wait()
        await asyncio.sleep(0.3)
        assert content.reached < 20_000_000  # what fits into the sockets' buffers
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_provider_that_takes_nothing_runs_into_the_limit(upstream: Upstream) -> None:
    async def takes_nothing(visit: Visit) -> None:
        visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    async with FakeProvider(takes_nothing) as provider:
        started = time.monotonic()
        with pytest.raises(UpstreamError) as problem:
            await call(upstream, form(provider.url, Counted(200_000_000)), PATIENT)
    assert problem.value.problem is UpstreamProblem.FIRST_BYTE_TIMEOUT
    assert 0.1 < time.monotonic() - started < 2


async def test_an_answer_before_the_end_stops_the_sending(upstream: Upstream) -> None:
    content = Counted(200_000_000)

    async def refuses_at_once(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.send(response(b'{"error":{}}', status="413 Too Large"))
        await visit.wait_closed()

    async with FakeProvider(refuses_at_once) as provider:
        opened = await upstream.open(form(provider.url, content), TIMEOUTS)
        assert opened.status == 413
        assert await opened.read(LIMIT) == b'{"error":{}}'
        assert content.reached < content.size
        opened.close()
        await provider.wait_for(closed=1)  # half a form was sent: the connection is of no more use


async def test_a_provider_that_leaves_amid_the_form_is_a_reset(upstream: Upstream) -> None:
    async def leaves(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        visit.reset()

    async with FakeProvider(leaves) as provider:
        with pytest.raises(UpstreamError) as problem:
            await call(upstream, form(provider.url, Counted(200_000_000)))
    assert problem.value.problem is UpstreamProblem.RESET
    assert problem.value.sent


async def test_cancelling_amid_the_form_closes_the_connection(upstream: Upstream) -> None:
    begun = asyncio.Event()

    async def takes_its_time(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        begun.set()
        await asyncio.sleep(0.2)
        await visit.wait_closed()

    content = Counted(200_000_000)
    async with FakeProvider(takes_its_time) as provider:
        task = asyncio.create_task(call(upstream, form(provider.url, content)))
        await begun.wait()
        await asyncio.sleep(0.1)
        left = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.wait_for(closed=1)
        assert provider.closed[0] - left < 0.25
    assert content.reached < content.size


async def test_content_that_cannot_be_read_closes_the_connection(upstream: Upstream) -> None:
    class Broken(Counted):
        def read(self, offset: int, size: int) -> bytes:
            raise OSError("the disk is gone")

    async with FakeProvider(answers(response())) as provider:
        with pytest.raises(OSError, match="the disk is gone"):
            await call(upstream, form(provider.url, Broken(10)))
        await provider.wait_for(closed=1)


def test_pieces_are_read_one_by_one() -> None:
    content = Counted(200_000)
    upload = form("http://x", content).upload
    assert upload is not None
    pieces: Iterator[bytes] = upload.pieces()
    assert next(pieces) == b"the head,"
    assert content.reached == 0
    assert len(next(pieces)) == 65536
    assert content.reached == 65536
