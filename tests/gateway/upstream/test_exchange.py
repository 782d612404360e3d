"""What goes out and what comes back: bytes, headers, bodies, connections."""

import asyncio
import gc
import time

import psutil
import pytest

from gateway.types import WireRequest
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem
from tests.fakes.upstream import (
    JSON_ANSWER,
    STREAM_END,
    STREAM_HEAD,
    FakeProvider,
    Visit,
    answers,
    answers_then_closes,
    answers_then_hangs,
    chunk,
    floods,
    response,
)
from tests.gateway.upstream.conftest import TIMEOUTS, wire

LIMIT = 1 << 20


async def call(upstream: Upstream, request: WireRequest) -> bytes:
    opened = await upstream.open(request, TIMEOUTS)
    try:
        return await opened.read(LIMIT)
    finally:
        opened.close()


async def test_sends_the_bytes_and_headers_as_given(upstream: Upstream) -> None:
    body = bytes(range(256)) * 40
    async with FakeProvider(answers(response())) as provider:
        await call(upstream, wire(provider.url + "?api-version=2024-10-21", body))
    head, _, sent = provider.requests[0].partition(b"\r\n\r\n")
    request_line, *lines = head.split(b"\r\n")
    assert request_line == b"POST /v1/chat/completions?api-version=2024-10-21 HTTP/1.1"
    assert sent == body
    assert sorted(line.lower() for line in lines) == [
        b"accept-encoding: identity",
        b"authorization: bearer sk-test",
        b"content-length: 10240",
        b"content-type: application/json",
        b"host: 127.0.0.1:%d" % provider.port,
    ]


async def test_sends_a_large_body_whole(upstream: Upstream) -> None:
    body = b"0123456789abcdef" * (1 << 18)
    async with FakeProvider(answers(response())) as provider:
        assert await call(upstream, wire(provider.url, body)) == JSON_ANSWER
    assert provider.requests[0].partition(b"\r\n\r\n")[2] == body


async def test_gives_status_and_lower_cased_headers(upstream: Upstream) -> None:
    raw = response(
        b"{}", status="429 Too Many", headers=("Retry-After: 7", "X-A: 1", "x-a: 2", "X-Umlaut: \xe4")
    )
    async with FakeProvider(answers(raw)) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        assert opened.status == 429
        assert dict(opened.headers) == {
            "retry-after": "7",
            "x-a": "1, 2",
            "x-umlaut": "\xe4".encode().decode("latin-1"),
            "content-length": "2",
        }
        assert await opened.read(LIMIT) == b"{}"
        opened.close()


@pytest.mark.parametrize(
    "raw",
    [
        response(b"whole body"),
        STREAM_HEAD + chunk(b"whole") + chunk(b" body") + STREAM_END,
        STREAM_HEAD + b"A;ext=1\r\nwhole body\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nwhole body",
        b"HTTP/1.0 200 OK\r\n\r\nwhole body",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + response(b"whole body"),
        response(b"whole body", headers=("Upgrade: h2,h2c", "Connection: Upgrade, Keep-Alive")),
    ],
    ids=[
        "length",
        "chunked",
        "extension-and-trailer",
        "until-close",
        "http-1.0",
        "1xx-first",
        "upgrade-offer",
    ],
)
async def test_reads_every_kind_of_body(upstream: Upstream, raw: bytes) -> None:
    async with FakeProvider(answers_then_closes(raw)) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        assert opened.status == 200
        assert "link" not in opened.headers
        assert await opened.read(LIMIT) == b"whole body"
        opened.close()


@pytest.mark.parametrize("raw", [b"HTTP/1.1 204 No Content\r\n\r\n", response(b"")], ids=["204", "length-0"])
async def test_reads_an_empty_body_and_keeps_the_connection(upstream: Upstream, raw: bytes) -> None:
    async with FakeProvider(answers(raw)) as provider:
        assert await call(upstream, wire(provider.url)) == b""
        assert await call(upstream, wire(provider.url)) == b""
    assert len(provider.visits) == 1


async def test_gives_each_piece_when_it_comes(upstream: Upstream) -> None:
    proceed = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(STREAM_HEAD + chunk(b"first"))
        await proceed.wait()
        await visit.send(chunk(b"second") + STREAM_END)
        await visit.wait_closed()

    async with FakeProvider(script) as provider:
        started = time.perf_counter()
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        pieces = opened.chunks()
        assert await anext(pieces) == b"first"
        assert time.perf_counter() - started < 0.2
        proceed.set()
        assert await anext(pieces) == b"second"
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)
        opened.close()


async def test_merges_what_is_there_already(upstream: Upstream) -> None:
    events = [b"data: %d\n\n" % number for number in range(500)]
    raw = STREAM_HEAD + b"".join(map(chunk, events)) + STREAM_END
    async with FakeProvider(answers(raw)) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        pieces = [piece async for piece in opened.chunks()]
        opened.close()
    assert b"".join(pieces) == b"".join(events)
    assert len(pieces) < 50


async def test_refuses_a_body_over_the_limit_and_closes(upstream: Upstream) -> None:
    async with FakeProvider(answers_then_hangs(STREAM_HEAD + chunk(b"x" * 101))) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        with pytest.raises(UpstreamError) as caught:
            await opened.read(100)
        assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.TOO_LARGE, True)
        await provider.wait_for(closed=1)
        opened.close()


async def test_takes_a_body_of_exactly_the_limit(upstream: Upstream) -> None:
    async with FakeProvider(answers(response(b"x" * 100))) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        assert await opened.read(100) == b"x" * 100
        opened.close()


async def test_reuses_the_connection_of_answers_read_to_their_end(upstream: Upstream) -> None:
    raw = STREAM_HEAD + chunk(b"one") + chunk(b"two") + STREAM_END
    async with FakeProvider(answers(raw)) as provider:
        for _ in range(20):
            assert await call(upstream, wire(provider.url)) == b"onetwo"
    assert (len(provider.visits), len(provider.requests)) == (1, 20)


async def test_drops_the_connection_of_an_answer_left_early(upstream: Upstream) -> None:
    async with FakeProvider(answers_then_hangs(STREAM_HEAD + chunk(b"one"))) as provider:
        for _ in range(2):
            opened = await upstream.open(wire(provider.url), TIMEOUTS)
            assert await anext(opened.chunks()) == b"one"
            opened.close()
            opened.close()
            await provider.wait_for(closed=len(provider.visits))
        assert len(provider.visits) == 2


@pytest.mark.parametrize(
    "raw",
    [
        response(b"ok", headers=("Connection: close",)),
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        response(b"ok") + response(b"a second answer that nobody asked for"),
        response(b"ok") + b"garbage",
    ],
    ids=["connection-close", "http-1.0", "second-answer", "garbage"],
)
async def test_never_reuses_a_connection_that_cannot_be_trusted(upstream: Upstream, raw: bytes) -> None:
    async with FakeProvider(answers(raw)) as provider:
        for _ in range(3):
            assert await call(upstream, wire(provider.url)) == b"ok"
    assert len(provider.visits) == 3


async def test_nothing_of_an_answer_reaches_the_next(upstream: Upstream) -> None:
    raw = iter(
        [
            STREAM_HEAD + chunk(b"ok") + b"0\r\nX-Sum: 1\r\nX-Last: 2\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(b"ok", headers=("X-A: 1",)),
            b"HTTP/1.1 204 No Content\r\nX-B: 1\r\n\r\n",
            response(b"ok", status="500 Oops", headers=()),
        ]
    )

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(next(raw))

    seen = []
    async with FakeProvider(script) as provider:
        for _ in range(4):
            opened = await upstream.open(wire(provider.url), TIMEOUTS)
            seen.append((opened.status, sorted(opened.headers), await opened.read(LIMIT)))
            opened.close()
    assert len(provider.visits) == 1
    assert seen == [
        (200, ["content-type", "transfer-encoding"], b"ok"),
        (200, ["content-length", "x-a"], b"ok"),
        (204, ["x-b"], b""),
        (500, ["content-length"], b"ok"),
    ]


async def test_drops_an_idle_connection_on_which_something_came(upstream: Upstream) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(response(b"ok"))
        await asyncio.sleep(0.02)
        await visit.send(response(b"not asked for"))
        await visit.wait_closed()

    async with FakeProvider(script) as provider:
        for _ in range(2):
            assert await call(upstream, wire(provider.url)) == b"ok"
            await asyncio.sleep(0.06)
    assert len(provider.visits) == 2


async def test_does_not_pick_a_connection_that_the_provider_has_closed(upstream: Upstream) -> None:
    async with FakeProvider(answers_then_closes(response())) as provider:
        for _ in range(5):
            assert await call(upstream, wire(provider.url)) == JSON_ANSWER
            await asyncio.sleep(0.02)
    assert len(provider.requests) == 5


async def test_never_sends_a_request_twice_on_a_stale_connection(upstream: Upstream) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(response())
        await visit.request()  # the second one gets no answer: the connection just closes

    async with FakeProvider(script) as provider:
        assert await call(upstream, wire(provider.url)) == JSON_ANSWER
        with pytest.raises(UpstreamError) as caught:
            await call(upstream, wire(provider.url))
        assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.RESET, True)
        await asyncio.sleep(0.05)
    assert len(provider.requests) == 2


async def test_gives_concurrent_requests_their_own_answers(upstream: Upstream) -> None:
    async def script(visit: Visit) -> None:
        while True:
            request = await visit.request()
            await asyncio.sleep(0.001 * (request[-1] % 7))
            await visit.send(response(request.partition(b"\r\n\r\n")[2]))

    async def one(number: int) -> None:
        body = b"request %d" % number
        assert await call(upstream, wire(provider.url, body)) == body

    async with FakeProvider(script) as provider:
        for _ in range(3):
            await asyncio.gather(*(one(number) for number in range(100)))
        assert len(provider.visits) == 100


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_never_follows_a_redirect(upstream: Upstream, status: str) -> None:
    async with FakeProvider(answers(response())) as elsewhere:
        raw = response(b"", status=status, headers=(f"Location: {elsewhere.url}",))
        async with FakeProvider(answers(raw)) as provider:
            opened = await upstream.open(wire(provider.url), TIMEOUTS)
            assert opened.status == int(status[:3])
            opened.close()
        assert elsewhere.visits == []


async def test_ignores_proxies_of_the_environment(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        FakeProvider(answers(response(b"proxy"))) as proxy,
        FakeProvider(answers(response())) as provider,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert await call(upstream, wire(provider.url)) == JSON_ANSWER
        assert proxy.visits == []


async def test_sends_no_cookies(upstream: Upstream) -> None:
    async with FakeProvider(answers(response(b"{}", headers=("Set-Cookie: a=b; Path=/",)))) as provider:
        for _ in range(2):
            await call(upstream, wire(provider.url))
    assert b"cookie" not in provider.requests[1].lower()


async def test_a_slow_reader_holds_the_provider_back(upstream: Upstream) -> None:
    async with FakeProvider(floods) as provider:
        opened = await upstream.open(wire(provider.url), TIMEOUTS)
        pieces = opened.chunks()
        await anext(pieces)
        gc.collect()
        before = psutil.Process().memory_info().rss
        await asyncio.sleep(0.5)
        assert psutil.Process().memory_info().rss - before < 8 << 20
        received = 0
        largest = 0
        while received < 32 << 20:
            piece = await anext(pieces)
            received += len(piece)
            largest = max(largest, len(piece))
            await asyncio.sleep(0)
        assert psutil.Process().memory_info().rss - before < 16 << 20
        assert largest < 2 << 20
        opened.close()


async def test_refuses_a_compressed_body(upstream: Upstream) -> None:
    async with FakeProvider(answers(response(b"\x1f\x8b", headers=("Content-Encoding: gzip",)))) as provider:
        with pytest.raises(UpstreamError) as caught:
            await upstream.open(wire(provider.url), TIMEOUTS)
    assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.PROTOCOL, True)


@pytest.mark.parametrize(
    "header", [("X-A", "b\r\nX-Evil: 1"), ("X-A\r\nX-Evil", "1"), ("X-A", "a\0b"), ("X-A", "a\n")]
)
async def test_never_sends_a_header_that_would_become_two(
    upstream: Upstream, header: tuple[str, str]
) -> None:
    async with FakeProvider(answers(response())) as provider:
        with pytest.raises(UpstreamError) as caught:
            await upstream.open(WireRequest(url=provider.url, headers=(header,), body=b"{}"), TIMEOUTS)
        assert caught.value.problem is UpstreamProblem.PROTOCOL
        await asyncio.sleep(0.02)
        assert provider.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://:80/",
        "http://a:99999/",
        "http://.a/",
        "ftp://127.0.0.1/",
        "http://a b/",
        "no url at all",
    ],
)
async def test_refuses_what_is_not_an_address(upstream: Upstream, url: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await upstream.open(wire(url), TIMEOUTS)
    assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.PROTOCOL, False)


async def test_escapes_what_may_not_stand_in_a_request_line(upstream: Upstream) -> None:
    async with FakeProvider(answers(response())) as provider:
        await call(upstream, wire(f"http://127.0.0.1:{provider.port}/a b/caf\xe9%2Fc?d=%22"))
    assert provider.requests[0].startswith(b"POST /a%20b/caf%C3%A9%2Fc?d=%22 HTTP/1.1\r\n")


async def test_close_drops_idle_and_busy_connections(upstream: Upstream) -> None:
    async with (
        FakeProvider(answers(response())) as idle,
        FakeProvider(answers_then_hangs(STREAM_HEAD)) as busy,
    ):
        await call(upstream, wire(idle.url))
        opened = await upstream.open(wire(busy.url), TIMEOUTS)
        await upstream.close()
        await idle.wait_for(closed=1)
        await busy.wait_for(closed=1)
        opened.close()
