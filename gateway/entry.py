"""The door: an ASGI callable that answers the inference endpoints and the probes before Django sees them.

It matches the path, authenticates, has the body read, watches for the caller's departure, and is the one
place where an error that has no exchange yet becomes a response.
"""

import asyncio
import logging
from collections.abc import MutableMapping
from time import perf_counter, time
from typing import Any

import msgspec

from axiom.lib.ids import new_id
from gateway import metrics, runtime
from gateway.auth import authenticate, require_scope
from gateway.bodies import ClientLeft, Receive
from gateway.endpoints import ENDPOINTS, PREFIX, Endpoint
from gateway.errors import GatewayError, MethodNotAllowed, Unavailable, UnknownEndpoint
from gateway.exchange import Exchange
from gateway.relay import Send, send_json
from gateway.runtime import Runtime
from gateway.serve import serve
from gateway.types import Form

logger = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]

LIVE, READY = "/livez", "/readyz"
# Answered by Django (gateway.api): the typed, read-only part of the inference surface.
_DJANGO = ("models", "models/", "openapi.json", "docs")
_READING = ("GET", "HEAD")
# Watching costs a task, which answers that come within this time do without.
WATCH_AFTER_SECONDS = 0.05
LAGGING_SECONDS = 10.0


def owns(method: str, path: str) -> bool:
    """Tell whether a request is answered here and never reaches Django."""
    if path in {LIVE, READY, PREFIX.rstrip("/")}:
        return True
    return path.startswith(PREFIX) and not (method in _READING and _is_djangos(path[len(PREFIX) :]))


def _is_djangos(tail: str) -> bool:
    return tail in _DJANGO or tail.startswith("models/")


async def handle(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request for a path that `owns` accepts."""
    arrived = perf_counter()
    path: str = scope["path"]
    if path in {LIVE, READY}:
        await _probe(path, send)
        return
    request_id = new_id()
    try:
        endpoint = _match(scope["method"], path[len(PREFIX) :])
        process = await runtime.current()
        headers = dict(scope["headers"])
        now = time()
        caller = authenticate(headers, process.store.current.callers, now)
        exchange = Exchange(
            id=request_id, endpoint=endpoint.name, caller=caller, arrived=arrived, started_at=now
        )
        require_scope(caller, endpoint.name)
        body = await endpoint.read(headers, receive, process.limits)
    except GatewayError as problem:
        metrics.REFUSED.labels(str(problem.status)).inc()
        await send_json(send, problem.status, _refusal_headers(request_id, arrived, problem), problem.body())
        return
    except ClientLeft:
        return
    await _serve_watched(exchange, endpoint, body, process, receive, send)


async def _serve_watched(
    exchange: Exchange, endpoint: Endpoint, body: bytes | Form, process: Runtime, receive: Receive, send: Send
) -> None:
    """Serve, and cancel the work when the caller leaves: a bare ASGI callable isn't told otherwise."""
    task = asyncio.current_task()
    assert task is not None
    watch = _Watch(task, receive)
    try:
        await serve(exchange, endpoint, body, process, send)
    except asyncio.CancelledError:
        if not watch.client_left:
            raise
        task.uncancel()
    finally:
        watch.stop()
        if isinstance(body, Form):
            body.close()


class _Watch:
    """Waits for http.disconnect beside the work, and cancels the work when it comes."""

    __slots__ = ("_receive", "_task", "_timer", "_work", "client_left")

    def __init__(self, work: "asyncio.Task[Any]", receive: Receive) -> None:
        self.client_left = False
        self._work = work
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin)

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_left = True
        self._work.cancel()


def _match(method: str, tail: str) -> Endpoint:
    """Return the endpoint of a path below the prefix. Raises UnknownEndpoint, MethodNotAllowed."""
    if _is_djangos(tail):
        raise MethodNotAllowed(f"{method} is not supported here; use GET.", allow="GET")
    endpoint = ENDPOINTS.get(tail.rstrip("/"))
    if endpoint is None:
        raise UnknownEndpoint(f"Unknown request URL: {method} {PREFIX}{tail[:200]}.")
    if method != "POST":
        raise MethodNotAllowed(f"{method} is not supported here; use POST.", allow="POST")
    return endpoint


def _refusal_headers(request_id: str, arrived: float, problem: GatewayError) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"x-request-id", request_id.encode()),
        (b"x-axiom-attempts", b"0"),
        (b"x-axiom-fallback", b"0"),
        (b"x-axiom-overhead-ms", b"%.2f" % ((perf_counter() - arrived) * 1000)),
    ]
    return headers + problem.headers()


async def _probe(path: str, send: Send) -> None:
    """Answer /livez (the process runs) and /readyz (it can serve chat; the body lists degraded parts)."""
    if path == LIVE:
        await send_json(send, 200, [], b'{"status":"ok"}')
        return
    try:
        process = await runtime.current()
    except Exception:  # noqa: BLE001 - whatever keeps it from starting, the probe must say "not ready"
        problem = Unavailable("The gateway has not started.")
        await send_json(send, 503, [], problem.body())
        return
    degraded = [] if process.store.healthy else ["database"]
    if process.shipper.lag() > LAGGING_SECONDS:
        degraded.append("ledger")
    body = msgspec.json.encode({"status": "ok" if process.ready else "stopping", "degraded": degraded})
    await send_json(send, 200 if process.ready else 503, [], body)


async def lifespan(receive: Receive, send: Send) -> None:
    """Start this process's runtime with the server and stop it with the server."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await runtime.start()
            except Exception as problem:
                logger.exception("The gateway could not start.")
                await send({"type": "lifespan.startup.failed", "message": str(problem)})
                return
            await send({"type": "lifespan.startup.complete"})
        else:
            await runtime.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
