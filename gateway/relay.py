"""Sending the answer on: whole, or as it comes, event by event or sound by sound."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from gateway.attempts import OpenedSpeech, OpenedStream
from gateway.errors import FailureClass, GatewayError, ProviderFailure
from gateway.exchange import Exchange
from gateway.providers.base import ChatStream
from gateway.responses import Headers
from gateway.types import Answer
from gateway.upstream import UpstreamError, UpstreamProblem

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PING_SECONDS = 15.0
_PING = b": ping\n\n"
_JSON = (b"content-type", b"application/json")
_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


async def send_json(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole JSON response."""
    headers += (_JSON, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_whole(send: Send, headers: Headers, answer: Answer) -> None:
    """Send a whole answer with its content type."""
    body, kind = answer.body, answer.content_type
    headers += (
        _JSON if kind == "application/json" else (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def relay_stream(
    opened: OpenedStream[ChatStream], exchange: Exchange, send: Send, headers: Headers, deadline: float
) -> None:
    """Send a stream as it comes; a failure after the first byte becomes one error frame and the end.

    Closes the upstream whatever happens; what came is left in the exchange for accounting. `deadline` is in
    the event loop's seconds.
    """
    headers += _STREAM
    exchange.status = 200
    exchange.first_token = perf_counter()
    beat = _Heartbeat(send)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": opened.head, "more_body": True})
        if not opened.ended:
            async with asyncio.timeout_at(deadline):
                await _relay_events(opened, send, beat)
    except (ProviderFailure, UpstreamError, TimeoutError) as problem:
        await _break_off(_as_failure(problem), exchange, send)
    finally:
        beat.stop()
        _close(opened, exchange)
    await send({"type": "http.response.body", "body": b""})


async def relay_speech(
    opened: OpenedSpeech, exchange: Exchange, send: Send, headers: Headers, deadline: float
) -> None:
    """Send sound as it comes. Sound has no place for an error frame: a failure cuts the answer short.

    The last body message is never sent then, so that the server closes the connection and the caller's client
    sees that something is missing. Otherwise as relay_stream.
    """
    headers += ((b"content-type", opened.stream.content_type.encode()), *_STREAM[1:])
    exchange.status = 200
    exchange.first_token = perf_counter()
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": opened.head, "more_body": True})
        async with asyncio.timeout_at(deadline):
            await _relay_sound(opened, send)
    except (ProviderFailure, UpstreamError, TimeoutError) as problem:
        _note_break(_as_failure(problem), exchange)
        return
    finally:
        _close(opened, exchange)
    await send({"type": "http.response.body", "body": b""})


async def _relay_sound(opened: OpenedSpeech, send: Send) -> None:
    if opened.ended:
        return
    async for chunk in opened.chunks:
        if sound := opened.stream.feed(chunk):
            await send({"type": "http.response.body", "body": sound, "more_body": True})
    if rest := opened.stream.finish():
        await send({"type": "http.response.body", "body": rest, "more_body": True})


def _close(opened: OpenedStream[ChatStream] | OpenedSpeech, exchange: Exchange) -> None:
    """Close the upstream; what came is left in the exchange for accounting."""
    opened.response.close()
    exchange.end_attempt()
    exchange.usage = opened.stream.usage
    exchange.model = opened.stream.model
    exchange.output_bytes = opened.stream.output_bytes


async def _relay_events(opened: OpenedStream[ChatStream], send: Send, beat: "_Heartbeat") -> None:
    """Translate and send events until the provider ends. Raises ProviderFailure, UpstreamError."""
    feed = opened.stream.feed
    try:
        async for chunk in opened.chunks:
            if frames := feed(chunk):
                beat.sent()
                await send({"type": "http.response.body", "body": frames, "more_body": True})
    except UpstreamError:
        closing = _closing_frames(opened.stream)
        if closing is None:
            raise
    else:
        closing = opened.stream.finish()
    await send({"type": "http.response.body", "body": closing, "more_body": True})


def _closing_frames(stream: ChatStream) -> bytes | None:
    """Return the end of an answer that was complete before its connection broke; None if it wasn't."""
    try:
        return stream.finish()
    except ProviderFailure:
        return None


def _as_failure(problem: ProviderFailure | UpstreamError | TimeoutError) -> ProviderFailure:
    if isinstance(problem, ProviderFailure):
        return problem
    if isinstance(problem, TimeoutError):
        problem = UpstreamError(UpstreamProblem.TOTAL_TIMEOUT, sent=True)
    failure = problem.as_failure()
    if failure.kind is FailureClass.SERVER_ERROR:
        failure = replace(failure, code="upstream_stream_interrupted")
    return ProviderFailure(failure)


async def _break_off(problem: GatewayError, exchange: Exchange, send: Send) -> None:
    """Tell the caller inside the stream: an error frame, no finish chunk, no [DONE]."""
    _note_break(problem, exchange)
    frame = b"data: " + problem.body() + b"\n\n"
    await send({"type": "http.response.body", "body": frame, "more_body": True})


def _note_break(problem: GatewayError, exchange: Exchange) -> None:
    exchange.outcome = "incomplete"
    exchange.error_class = problem.label
    exchange.attempts[-1].error_class = problem.label


class _Heartbeat:
    """Sends a comment when nothing else has been sent for a while, so that proxies keep the stream open."""

    __slots__ = ("_loop", "_send", "_task", "_timer", "_when")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._when = self._loop.time() + PING_SECONDS
        self._timer = self._loop.call_at(self._when, self._check)
        self._task: asyncio.Task[None] | None = None

    def sent(self) -> None:
        """Note that something else has just been sent."""
        self._when = self._loop.time() + PING_SECONDS

    def stop(self) -> None:
        """Send no more."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _check(self) -> None:
        if self._loop.time() >= self._when:
            self._task = self._loop.create_task(self._ping())
            self.sent()
        self._timer = self._loop.call_at(self._when, self._check)

    async def _ping(self) -> None:
        await self._send({"type": "http.response.body", "body": _PING, "more_body": True})
