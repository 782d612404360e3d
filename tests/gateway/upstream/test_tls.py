"""Certificates are checked against the name that was asked for, whatever address it has."""

import ssl
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.upstream.httptools_client import HttpToolsUpstream
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem
from tests.fakes.certificates import Authority
from tests.fakes.upstream import (
    JSON_ANSWER,
    STREAM_END,
    STREAM_HEAD,
    FakeProvider,
    Visit,
    answers,
    answers_then_closes,
    chunk,
    response,
)
from tests.gateway.upstream.conftest import TIMEOUTS, LoopbackPolicy, loopback_lookup, wire

HOST = "provider.example"
LIMIT = 1 << 20


@pytest.fixture
async def trusting(make: Callable[..., Upstream], authority: Authority) -> AsyncIterator[Upstream]:
    """A client that trusts the test authority and finds every name on loopback."""
    client = make(LoopbackPolicy(), lookup=loopback_lookup, tls=authority.client_context())
    yield client
    await client.close()


async def call(upstream: Upstream, provider: FakeProvider, host: str = HOST) -> bytes:
    opened = await upstream.open(wire(provider.url.replace("127.0.0.1", host)), TIMEOUTS)
    try:
        return await opened.read(LIMIT)
    finally:
        opened.close()


async def test_reaches_a_provider_and_reuses_the_connection(trusting: Upstream, authority: Authority) -> None:
    asked_for: list[str | None] = []
    context = authority.server_context(HOST)
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    async with FakeProvider(answers(response()), tls=context) as provider:
        for _ in range(5):
            assert await call(trusting, provider) == JSON_ANSWER
    assert (len(provider.visits), asked_for) == (1, [HOST])
    assert f"host: {HOST}:{provider.port}".encode() in provider.requests[0].lower()


async def test_streams(trusting: Upstream, authority: Authority) -> None:
    raw = STREAM_HEAD + chunk(b"x" * 300_000) + chunk(b"y") + STREAM_END
    async with FakeProvider(answers(raw), tls=authority.server_context(HOST)) as provider:
        assert await call(trusting, provider) == b"x" * 300_000 + b"y"


@pytest.mark.parametrize("case", ["wrong-host", "expired", "untrusted", "plain-http"])
async def test_refuses_to_talk_to_a_provider_that_cannot_prove_who_it_is(
    trusting: Upstream, authority: Authority, case: str
) -> None:
    contexts: dict[str, Callable[[], ssl.SSLContext | None]] = {
        "wrong-host": lambda: authority.server_context("other.example"),
        "expired": lambda: authority.server_context(HOST, days=-1),
        "untrusted": lambda: Authority().server_context(HOST),
        "plain-http": lambda: None,
    }

    async def script(visit: Visit) -> None:
        if case == "plain-http":
            await visit.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await visit.request()

    async with FakeProvider(script, tls=contexts[case]()) as provider:
        with pytest.raises(UpstreamError) as caught:
            await trusting.open(wire(f"https://{HOST}:{provider.port}/"), TIMEOUTS)
        assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.TLS, False)
        await provider.wait_for(closed=len(provider.visits))
        assert provider.requests == []
    assert isinstance(trusting, HttpToolsUpstream)
    assert len(trusting._connections) == 0


async def test_trusts_the_system_s_authorities_only_by_default(authority: Authority) -> None:
    client = HttpToolsUpstream(LoopbackPolicy(), lookup=loopback_lookup)
    async with FakeProvider(answers(response()), tls=authority.server_context(HOST)) as provider:
        with pytest.raises(UpstreamError) as caught:
            await call(client, provider)
        assert caught.value.problem is UpstreamProblem.TLS
    await client.close()


async def test_a_cut_connection_is_not_the_end_of_a_body(trusting: Upstream, authority: Authority) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(STREAM_HEAD + chunk(b"data"))
        visit.writer.transport.abort()

    async with FakeProvider(script, tls=authority.server_context(HOST)) as provider:
        with pytest.raises(UpstreamError) as caught:
            await call(trusting, provider)
    assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.RESET, True)


async def test_reads_a_body_that_ends_with_the_connection(trusting: Upstream, authority: Authority) -> None:
    raw = b"HTTP/1.1 200 OK\r\n\r\nwhole body"
    async with FakeProvider(answers_then_closes(raw), tls=authority.server_context(HOST)) as provider:
        assert await call(trusting, provider) == b"whole body"
