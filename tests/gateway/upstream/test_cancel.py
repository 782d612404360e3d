"""A cancelled call costs the provider nothing more: the connection closes at once, in every phase."""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import psutil
import pytest

from gateway.types import WireRequest
from gateway.upstream.dial import Address
from gateway.upstream.port import Upstream
from tests.fakes.certificates import Authority
from tests.fakes.upstream import (
    STREAM_HEAD,
    FakeProvider,
    Script,
    Visit,
    answers_then_hangs,
    chunk,
    floods,
    full_backlog,
)
from tests.gateway.upstream.conftest import TIMEOUTS, LoopbackPolicy, loopback_lookup, wire

AT_ONCE = 0.05  # seconds
HOST = "provider.example"


async def reads_nothing(visit: Visit) -> None:
    """Leave the request in the socket until the client is gone."""
    visit.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's types lack it here
    await asyncio.sleep(0.3)
    visit.writer.transport.resume_reading()  # type: ignore[attr-defined]
    await visit.wait_closed()


async def consume(upstream: Upstream, request: WireRequest) -> None:
    """Open a call and read it to its end, which never comes."""
    opened = await upstream.open(request, TIMEOUTS)
    try:
        async for _ in opened.chunks():
            pass
    finally:
        opened.close()


async def hold(upstream: Upstream, request: WireRequest) -> None:
    """Open a call and let it wait unread."""
    opened = await upstream.open(request, TIMEOUTS)
    try:
        await asyncio.sleep(10)
    finally:
        opened.close()


async def cancel(task: asyncio.Task[None]) -> float:
    """Cancel the task, wait for its end and return when it was cancelled, in the loop's time."""
    cancelled = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return cancelled


async def assert_closes_at_once(
    provider: FakeProvider, start: Callable[[], asyncio.Task[None]], *, answered: bool = True
) -> None:
    """Start and cancel calls: the provider sees each close, and in time at least once in three.

    A busy machine or the garbage collector may hold up a single one.
    """
    delays = []
    for number in range(1, 4):
        task = start()
        await provider.wait_for(visits=number, requests=number if answered else 0)
        await asyncio.sleep(0.02)
        cancelled = await cancel(task)
        await provider.wait_for(closed=number)
        delays.append(provider.closed[-1] - cancelled)
        if delays[-1] < AT_ONCE:
            return
    pytest.fail(f"closed only after {delays} seconds")


def connecting_to(port: int) -> int:
    """Count this process's sockets that wait for their SYN to be answered."""
    return sum(
        1
        for connection in psutil.Process().net_connections("tcp4")
        if connection.status == psutil.CONN_SYN_SENT and connection.raddr.port == port
    )


async def test_closes_while_connecting(upstream: Upstream) -> None:
    with full_backlog() as port:
        fillers = connecting_to(port)
        task = asyncio.create_task(consume(upstream, wire(f"http://127.0.0.1:{port}/")))
        await asyncio.sleep(0.05)
        assert connecting_to(port) == fillers + 1
        await cancel(task)
        await asyncio.sleep(AT_ONCE)
        assert connecting_to(port) == fillers


async def test_gives_up_while_looking_up_but_leaves_the_lookup_to_others(
    make: Callable[..., Upstream],
) -> None:
    lookups: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[Address]:
        lookups.append(host)
        await asyncio.sleep(0.1)
        return await loopback_lookup(host, port)

    client = make(LoopbackPolicy(), lookup=lookup)
    async with FakeProvider(answers_then_hangs(STREAM_HEAD)) as provider:
        request = wire(f"http://{HOST}:{provider.port}/")
        first, second = (asyncio.create_task(consume(client, request)) for _ in range(2))
        await asyncio.sleep(0.05)
        assert asyncio.get_running_loop().time() - await cancel(first) < AT_ONCE
        await asyncio.sleep(0.1)
        assert (len(provider.requests), lookups) == (1, [HOST])
        await cancel(second)
    await client.close()


async def test_closes_during_the_tls_handshake(upstream: Upstream) -> None:
    async with FakeProvider(Visit.wait_closed) as provider:
        request = wire(provider.url.replace("http:", "https:"))
        await assert_closes_at_once(
            provider, lambda: asyncio.create_task(consume(upstream, request)), answered=False
        )


PHASES: dict[str, tuple[Script, Callable[[Upstream, WireRequest], Coroutine[Any, Any, None]]]] = {
    "awaiting-headers": (answers_then_hangs(b""), consume),
    "within-headers": (answers_then_hangs(STREAM_HEAD[:20]), consume),
    "awaiting-the-first-chunk": (answers_then_hangs(STREAM_HEAD), consume),
    "between-chunks": (answers_then_hangs(STREAM_HEAD + chunk(b"data")), consume),
    "within-a-chunk": (answers_then_hangs(STREAM_HEAD + b"ff\r\nda"), consume),
    "held-back": (floods, hold),
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("phase", PHASES)
async def test_closes_in_every_phase(
    make: Callable[..., Upstream], authority: Authority, phase: str, tls: bool
) -> None:
    script, act = PHASES[phase]
    client = make(LoopbackPolicy(), lookup=loopback_lookup, tls=authority.client_context())
    async with FakeProvider(script, tls=authority.server_context(HOST) if tls else None) as provider:
        request = wire(provider.url.replace("127.0.0.1", HOST))
        await assert_closes_at_once(provider, lambda: asyncio.create_task(act(client, request)))
    await client.close()


async def test_closes_in_the_middle_of_an_upload(upstream: Upstream) -> None:
    before = open_files()
    async with FakeProvider(reads_nothing) as provider:
        task = asyncio.create_task(consume(upstream, wire(provider.url, b"x" * (8 << 20))))
        await asyncio.sleep(0.1)
        await cancel(task)
        await provider.wait_for(closed=1)
    assert open_files() <= before + 1


def open_files() -> int:
    """Count this process's open files and sockets."""
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else psutil.Process().num_fds()


@pytest.mark.parametrize("raw", [b"", STREAM_HEAD + chunk(b"data")], ids=["awaiting-headers", "streaming"])
async def test_2000_cancels_leave_nothing_behind(upstream: Upstream, raw: bytes) -> None:
    async with FakeProvider(answers_then_hangs(raw)) as provider:
        await asyncio.sleep(0.01)
        before = open_files()
        for number in range(1, 11):
            tasks = [asyncio.create_task(consume(upstream, wire(provider.url))) for _ in range(200)]
            await provider.wait_for(requests=200 * number)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await provider.wait_for(closed=200 * number)
        assert len(provider.closed) == 2000
        await asyncio.sleep(0.02)
        assert open_files() == before


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_cancel_at_any_step_leaves_nothing_behind(
    make: Callable[..., Upstream], authority: Authority, tls: bool
) -> None:
    client = make(LoopbackPolicy(), lookup=loopback_lookup, tls=authority.client_context())
    script = answers_then_hangs(STREAM_HEAD + chunk(b"data"))
    async with FakeProvider(script, tls=authority.server_context(HOST) if tls else None) as provider:
        request = wire(provider.url.replace("127.0.0.1", HOST))
        before = open_files()
        for steps in range(60):
            task = asyncio.create_task(consume(client, request))
            for _ in range(steps):
                await asyncio.sleep(0)
            await cancel(task)
        await asyncio.sleep(0.1)
        await provider.wait_for(closed=len(provider.visits))
        assert open_files() == before
    await client.close()
