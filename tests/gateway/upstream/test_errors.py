"""One table: what the provider does, and what the port says about it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from gateway.types import Timeouts, WireRequest
from gateway.upstream.dial import Address
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem
from tests.fakes.upstream import (
    STREAM_END,
    STREAM_HEAD,
    FakeProvider,
    Script,
    Visit,
    answers,
    answers_then_closes,
    answers_then_hangs,
    answers_then_resets,
    chunk,
    drips,
    full_backlog,
    refusing_port,
    response,
)
from tests.gateway.upstream.conftest import TIMEOUTS, LoopbackPolicy, wire

LIMIT = 1 << 20
SHORT = Timeouts(connect=0.2, first_byte=0.2, idle=0.2)
# Connecting is not what the silent providers are about: on a busy machine it may take a while.
SILENT = Timeouts(connect=2.0, first_byte=0.5, idle=0.2)


async def resets_at_once(visit: Visit) -> None:
    """Take the request, then RST."""
    await visit.request()
    visit.reset()


async def closes_at_once(visit: Visit) -> None:
    """Take the request, then FIN."""
    await visit.request()


async def call(upstream: Upstream, request: WireRequest, timeouts: Timeouts) -> bytes:
    """Make the whole call; fail the test if none of the limits ends it."""
    async with asyncio.timeout(5):
        opened = await upstream.open(request, timeouts)
        try:
            return await opened.read(LIMIT)
        finally:
            opened.close()


async def outcome(
    upstream: Upstream, request: WireRequest, timeouts: Timeouts
) -> tuple[UpstreamProblem, bool]:
    """Make the whole call and return what it failed with."""
    with pytest.raises(UpstreamError) as caught:
        await call(upstream, request, timeouts)
    return caught.value.problem, caught.value.sent


BROKEN: dict[str, tuple[Script, UpstreamProblem]] = {
    "closed-before-headers": (closes_at_once, UpstreamProblem.RESET),
    "reset-before-headers": (resets_at_once, UpstreamProblem.RESET),
    "closed-within-headers": (answers_then_closes(b"HTTP/1.1 200 OK\r\nContent-Le"), UpstreamProblem.RESET),
    "short-body": (answers_then_closes(response(b"1234")[:-2]), UpstreamProblem.RESET),
    "cut-chunked": (answers_then_closes(STREAM_HEAD + chunk(b"data")), UpstreamProblem.RESET),
    "cut-inside-chunk": (answers_then_closes(STREAM_HEAD + b"ff\r\nabc"), UpstreamProblem.RESET),
    "cut-before-end-of-end-chunk": (answers_then_closes(STREAM_HEAD + b"0\r\n"), UpstreamProblem.RESET),
    "reset-mid-body": (answers_then_resets(STREAM_HEAD + chunk(b"data")), UpstreamProblem.RESET),
    "reset-mid-body-without-length": (
        answers_then_resets(b"HTTP/1.1 200 OK\r\n\r\ndata"),
        UpstreamProblem.RESET,
    ),
    "silent-after-request": (answers_then_hangs(b""), UpstreamProblem.FIRST_BYTE_TIMEOUT),
    "silent-within-headers": (
        answers_then_hangs(b"HTTP/1.1 200 OK\r\nA"),
        UpstreamProblem.FIRST_BYTE_TIMEOUT,
    ),
    "silent-after-100": (
        answers_then_hangs(b"HTTP/1.1 100 Continue\r\n\r\n"),
        UpstreamProblem.FIRST_BYTE_TIMEOUT,
    ),
    "silent-after-headers": (answers_then_hangs(STREAM_HEAD), UpstreamProblem.IDLE_TIMEOUT),
    "silent-after-chunk": (answers_then_hangs(STREAM_HEAD + chunk(b"data")), UpstreamProblem.IDLE_TIMEOUT),
    "garbage": (answers_then_hangs(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), UpstreamProblem.PROTOCOL),
    "bad-status": (answers_then_hangs(b"HTTP/1.1 abc OK\r\n\r\n"), UpstreamProblem.PROTOCOL),
    "bad-header": (answers_then_hangs(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"), UpstreamProblem.PROTOCOL),
    "bad-length": (
        answers_then_hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n"),
        UpstreamProblem.PROTOCOL,
    ),
    "two-lengths": (
        answers_then_hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        UpstreamProblem.PROTOCOL,
    ),
    "length-and-chunked": (
        answers_then_hangs(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        UpstreamProblem.PROTOCOL,
    ),
    "bad-chunk-size": (answers_then_hangs(STREAM_HEAD + b"zz\r\ndata\r\n"), UpstreamProblem.PROTOCOL),
    "switching-protocols": (
        answers_then_hangs(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
        UpstreamProblem.PROTOCOL,
    ),
    "huge-header": (
        answers_then_hangs(response(headers=(f"X-Huge: {'x' * 100_000}",))),
        UpstreamProblem.PROTOCOL,
    ),
    "many-headers": (
        answers_then_hangs(response(headers=[f"X-{number}: {'x' * 30}" for number in range(2500)])),
        UpstreamProblem.PROTOCOL,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_broken_answers(upstream: Upstream, case: str) -> None:
    script, problem = BROKEN[case]
    timeouts = SILENT if case.startswith("silent") else TIMEOUTS
    async with FakeProvider(script) as provider:
        assert await outcome(upstream, wire(provider.url), timeouts) == (problem, True)
        await provider.wait_for(closed=1)


async def test_gives_what_came_before_the_break(upstream: Upstream) -> None:
    async with FakeProvider(answers_then_closes(STREAM_HEAD + chunk(b"data"))) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        pieces = opened.chunks()
        assert await anext(pieces) == b"data"
        with pytest.raises(UpstreamError):
            await anext(pieces)
        opened.close()


async def test_takes_large_headers_under_the_cap(upstream: Upstream) -> None:
    async with FakeProvider(answers(response(headers=(f"X-Large: {'x' * 32_000}",)))) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        assert opened.headers["x-large"] == "x" * 32_000
        opened.close()


async def test_refused_connection(upstream: Upstream) -> None:
    async with refusing_port() as port:
        found = await outcome(upstream, wire(f"http://127.0.0.1:{port}/"), TIMEOUTS)
    assert found == (UpstreamProblem.CONNECT, False)


async def test_connection_that_is_never_accepted(upstream: Upstream) -> None:
    with full_backlog() as port:
        started = time.perf_counter()
        found = await outcome(upstream, wire(f"http://127.0.0.1:{port}/"), SHORT)
        assert time.perf_counter() - started < 0.6
    assert found == (UpstreamProblem.CONNECT_TIMEOUT, False)


async def test_tls_handshake_that_never_ends(upstream: Upstream) -> None:
    async with FakeProvider(Visit.wait_closed) as provider:
        found = await outcome(upstream, wire(provider.url.replace("http:", "https:")), SHORT)
        assert found == (UpstreamProblem.CONNECT_TIMEOUT, False)
        await provider.wait_for(closed=1)


async def test_name_that_does_not_exist(make: Callable[..., Upstream]) -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = make(LoopbackPolicy(), lookup=lookup)
    found = await outcome(client, wire("http://nowhere.example/"), TIMEOUTS)
    assert found == (UpstreamProblem.DNS, False)
    await client.close()


async def test_name_that_nobody_answers_for(make: Callable[..., Upstream]) -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        await asyncio.sleep(30)
        raise AssertionError("waited for too long")

    client = make(LoopbackPolicy(), lookup=lookup)
    found = await outcome(client, wire("http://slow.example/"), SHORT)
    assert found == (UpstreamProblem.CONNECT_TIMEOUT, False)
    await client.close()


async def test_text_that_cannot_be_a_name(upstream: Upstream) -> None:
    found = await outcome(upstream, wire(f"http://{'a' * 70}.example/"), TIMEOUTS)
    assert found == (UpstreamProblem.DNS, False)


async def test_first_byte_limit_does_not_apply_to_the_body(upstream: Upstream) -> None:
    timeouts = replace(TIMEOUTS, first_byte=0.5, idle=0.5)

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(STREAM_HEAD)
        for position in range(3):
            await asyncio.sleep(0.2)
            await visit.send(chunk(b"%d" % position))
        await visit.send(STREAM_END)

    async with FakeProvider(script) as provider:
        opened = await upstream.open(wire(provider.url), timeouts)
        assert await opened.read(LIMIT) == b"012"
        opened.close()


async def test_idle_limit_may_be_shorter_than_the_first_byte_limit(upstream: Upstream) -> None:
    timeouts = Timeouts(connect=2.0, first_byte=60.0, idle=0.1)
    async with FakeProvider(answers_then_hangs(STREAM_HEAD + chunk(b"data"))) as provider:
        started = time.perf_counter()
        assert await outcome(upstream, wire(provider.url), timeouts) == (UpstreamProblem.IDLE_TIMEOUT, True)
        assert 0.09 < time.perf_counter() - started < 0.5


async def test_headers_that_drip_do_not_move_the_first_byte_limit(upstream: Upstream) -> None:
    async with FakeProvider(drips(response(), seconds=0.05)) as provider:
        started = time.perf_counter()
        found = await outcome(upstream, wire(provider.url), SHORT)
        assert time.perf_counter() - started < 0.6
    assert found == (UpstreamProblem.FIRST_BYTE_TIMEOUT, True)


async def test_limits_start_anew_with_each_request(upstream: Upstream) -> None:
    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await asyncio.sleep(0.3)
            await visit.send(response(b"ok"))

    async with FakeProvider(script) as provider:
        for _ in range(2):
            opened = await upstream.open(wire(provider.url), replace(TIMEOUTS, first_byte=0.5))
            assert await opened.read(LIMIT) == b"ok"
            opened.close()
    assert len(provider.visits) == 1


async def test_a_slow_reader_does_not_run_into_the_idle_limit(upstream: Upstream) -> None:
    async with FakeProvider(answers(STREAM_HEAD + chunk(b"x" * 100_000) + STREAM_END)) as provider:
        opened = await upstream.open(wire(provider.url), SHORT)
        pieces: AsyncIterator[bytes] = opened.chunks()
        size = len(await anext(pieces))
        await asyncio.sleep(0.4)
        async for piece in pieces:
            size += len(piece)
        opened.close()
    assert size == 100_000


async def test_never_shows_a_secret_in_the_error(upstream: Upstream) -> None:
    with pytest.raises(UpstreamError) as caught:
        await upstream.open(
            WireRequest(
                url="http://127.0.0.1:1/", headers=(("Authorization", "Bearer sk-sec\nret"),), body=b""
            ),
            TIMEOUTS,
        )
    assert "sk-sec" not in f"{caught.value!r} {caught.value}"
