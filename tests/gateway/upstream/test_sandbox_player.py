"""The built-in provider is played inside the process, with the limits and the cancelling of a network."""

import asyncio
import time

import pytest

from gateway.providers.sandbox import SandboxReply
from gateway.types import Timeouts
from gateway.upstream import make_upstream
from gateway.upstream.port import UpstreamError, UpstreamProblem
from gateway.upstream.sandbox_player import SandboxUpstream
from tests.fakes.upstream import JSON_ANSWER, FakeProvider, answers, response
from tests.gateway.upstream.conftest import TIMEOUTS, LoopbackPolicy, wire

URL = "sandbox://demo/v1/chat/completions"
SHORT = Timeouts(connect=1.0, first_byte=0.05, idle=0.05)


def plays(*chunks: tuple[float, bytes]) -> SandboxUpstream:
    """A client whose sandbox answers everything with these chunks."""
    reply = SandboxReply(status=200, headers={"content-type": "text/plain"}, chunks=chunks)
    return SandboxUpstream(lambda _url, _body: reply)


async def test_plays_chunks_after_their_delays() -> None:
    opened = await plays((0.02, b"a"), (0.03, b"b"), (0.0, b"c")).open(wire(URL), TIMEOUTS)
    assert (opened.status, opened.headers) == (200, {"content-type": "text/plain"})
    started = time.perf_counter()
    assert [piece async for piece in opened.chunks()] == [b"a", b"b", b"c"]
    assert 0.025 < time.perf_counter() - started < 0.2


async def test_gives_the_sandbox_the_address_and_the_body() -> None:
    asked: list[tuple[str, bytes]] = []

    def respond(url: str, body: bytes) -> SandboxReply:
        asked.append((url, body))
        return SandboxReply(status=204, headers={}, chunks=())

    opened = await SandboxUpstream(respond).open(wire(URL, b"{}"), TIMEOUTS)
    assert (opened.status, await opened.read(10)) == (204, b"")
    assert asked == [(URL, b"{}")]


async def test_reads_up_to_the_limit() -> None:
    opened = await plays((0.0, b"12"), (0.0, b"34")).open(wire(URL), TIMEOUTS)
    assert await opened.read(4) == b"1234"
    with pytest.raises(UpstreamError) as caught:
        await opened.read(3)
    assert caught.value.problem is UpstreamProblem.TOO_LARGE


async def test_first_byte_and_idle_limits_apply() -> None:
    with pytest.raises(UpstreamError) as caught:
        await plays((0.2, b"late")).open(wire(URL), SHORT)
    assert caught.value.problem is UpstreamProblem.FIRST_BYTE_TIMEOUT
    opened = await plays((0.0, b"in time"), (0.2, b"late")).open(wire(URL), SHORT)
    with pytest.raises(UpstreamError) as caught:
        await opened.read(100)
    assert caught.value.problem is UpstreamProblem.IDLE_TIMEOUT


async def test_cancelling_ends_it_in_every_phase() -> None:
    async def play() -> None:
        opened = await client.open(wire(URL), TIMEOUTS)
        await opened.read(100)

    client = plays((0.05, b"a"), (1.0, b"b"))
    for seconds in (0.02, 0.1):
        task = asyncio.create_task(play())
        await asyncio.sleep(seconds)
        started = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.perf_counter() - started < 0.05


async def test_the_scheme_decides_where_a_request_goes() -> None:
    client = make_upstream(LoopbackPolicy())
    body = b'{"model":"sandbox","messages":[{"role":"user","content":"hi"}]}'
    async with FakeProvider(answers(response())) as provider:
        opened = await client.open(wire(URL, body), TIMEOUTS)
        assert (opened.status, b"choices" in await opened.read(10_000)) == (200, True)
        opened.close()
        assert provider.requests == []
        opened = await client.open(wire(provider.url, body), TIMEOUTS)
        assert await opened.read(10_000) == JSON_ANSWER
        opened.close()
        await client.close()
        await provider.wait_for(closed=1)
