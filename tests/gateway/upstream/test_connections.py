"""Which idle connections are used again, and what becomes of the others."""

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Sequence

import pytest

from gateway.upstream import httptools_client
from gateway.upstream.connection import HIGH_WATER
from gateway.upstream.dial import Address
from gateway.upstream.httptools_client import HttpToolsUpstream
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem
from tests.fakes.upstream import (
    JSON_ANSWER,
    STREAM_HEAD,
    FakeProvider,
    Visit,
    answers,
    answers_then_hangs,
    chunk,
    response,
)
from tests.gateway.upstream.conftest import TIMEOUTS, LoopbackPolicy, loopback_lookup, wire


async def call(upstream: Upstream, provider: FakeProvider) -> bytes:
    opened = await upstream.open(wire(provider.url), TIMEOUTS)
    try:
        return await opened.read(1000)
    finally:
        opened.close()


async def test_uses_the_connection_that_was_used_last(upstream: Upstream) -> None:
    served: list[int] = []

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            served.append(visit.number)
            await asyncio.sleep(0.02)
            await visit.send(response())

    async with FakeProvider(script) as provider:
        await asyncio.gather(*(call(upstream, provider) for _ in range(3)))
        for _ in range(4):
            await call(upstream, provider)
    assert len(provider.visits) == 3
    assert len(set(served[3:])) == 1


async def test_does_not_use_a_connection_that_was_idle_for_long(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools_client, "UNWATCHED_SECONDS", 0.0)
    monkeypatch.setattr(httptools_client, "IDLE_CONNECTION_SECONDS", 0.2)
    async with FakeProvider(answers(response())) as provider:
        for _ in range(2):
            await call(upstream, provider)
            await call(upstream, provider)
            await asyncio.sleep(0.25)
        assert (len(provider.requests), len(provider.visits), len(provider.closed)) == (4, 2, 1)


async def test_closes_idle_connections_in_time(
    make: Callable[..., Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools_client, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(httptools_client, "IDLE_CONNECTION_SECONDS", 0.2)
    client = make(LoopbackPolicy())
    async with FakeProvider(answers(response())) as provider:
        await call(client, provider)
        await asyncio.sleep(0.05)
        assert provider.closed == []
        await provider.wait_for(closed=1)
    await client.close()


async def test_looks_at_a_connection_before_it_is_used_after_a_pause(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools_client, "UNWATCHED_SECONDS", 0.0)
    async with FakeProvider(answers(response())) as provider:
        await call(upstream, provider)
        # The provider closes, and the client asks before its event loop has had time to notice.
        raw = provider.visits[0].writer.get_extra_info("socket")
        with socket.socket(fileno=os.dup(raw.fileno())) as provider_side:
            provider_side.shutdown(socket.SHUT_RDWR)
        assert await call(upstream, provider) == JSON_ANSWER
    assert (len(provider.requests), len(provider.visits)) == (2, 2)


async def test_drops_the_connection_of_a_response_that_was_forgotten(upstream: Upstream) -> None:
    async with FakeProvider(answers_then_hangs(STREAM_HEAD + chunk(b"data"))) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        del opened
        gc.collect()
        await provider.wait_for(closed=1)


async def test_a_closed_response_has_no_body(upstream: Upstream) -> None:
    async with FakeProvider(answers(response())) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        opened.close()
        with pytest.raises(UpstreamError):
            await opened.read(1000)


async def test_keeps_the_connection_of_a_whole_answer_that_nobody_read(upstream: Upstream) -> None:
    async with FakeProvider(answers(response())) as provider:
        for _ in range(2):
            opened = await upstream.open(wire(provider.url), TIMEOUTS)
            opened.close()
        assert await call(upstream, provider) == JSON_ANSWER
    assert (len(provider.requests), len(provider.visits)) == (3, 1)


async def test_does_not_reuse_a_connection_that_was_held_back(upstream: Upstream) -> None:
    body = b"x" * (HIGH_WATER + 1)  # its last byte is the one that stops reading
    async with FakeProvider(answers(response(body))) as provider:
        for _ in range(3):
            opened = await upstream.open(wire(provider.url), TIMEOUTS)
            await asyncio.sleep(0.05)
            opened.close()
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        assert await opened.read(len(body)) == body
        opened.close()


async def test_forgets_the_secrets_of_requests(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httptools_client, "SWEEP_SECONDS", 0.01)
    assert isinstance(upstream, HttpToolsUpstream)
    async with FakeProvider(answers(response())) as provider:
        await call(upstream, provider)
        assert b"sk-test" in repr(upstream._prepared).encode()
        await asyncio.sleep(0.03)
        assert len(upstream._prepared) == 0
        assert await call(upstream, provider) == JSON_ANSWER


async def test_does_not_reuse_a_connection_on_which_the_request_is_still_being_sent(
    upstream: Upstream,
) -> None:
    async def script(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.send(response(b"too large", status="413 Content Too Large"))
        await asyncio.sleep(0.2)

    async with FakeProvider(script) as provider:
        for _ in range(2):
            opened = await upstream.open(wire(provider.url, b"x" * (16 << 20)), TIMEOUTS)
            assert (opened.status, await opened.read(1000)) == (413, b"too large")
            opened.close()
        assert len(provider.visits) == 2


async def test_a_call_that_is_connecting_ends_when_the_client_is_closed() -> None:
    async def lookup(host: str, port: int) -> Sequence[Address]:
        await asyncio.sleep(0.05)
        return await loopback_lookup(host, port)

    client = HttpToolsUpstream(LoopbackPolicy(), lookup=lookup)
    async with FakeProvider(answers(response())) as provider:
        calling = asyncio.create_task(call(client, provider))
        await asyncio.sleep(0.02)
        await client.close()
        with pytest.raises(UpstreamError) as caught:
            await calling
        assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.CONNECT, False)
        await asyncio.sleep(0.02)
        assert provider.requests == []
        assert len(provider.closed) == len(provider.visits)


async def test_many_headers_and_addresses_do_not_fill_the_memory(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools_client, "CACHED_HEADS", 8)
    async with FakeProvider(answers(response())) as provider:
        for number in range(50):
            opened = await upstream.open(wire(f"{provider.url}?n={number}"), TIMEOUTS)
            await opened.read(1000)
            opened.close()
        assert len(provider.visits) == 1
    assert isinstance(upstream, HttpToolsUpstream)
    assert len(upstream._prepared) <= 8
