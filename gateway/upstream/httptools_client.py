"""The port on asyncio and httptools: the least work that a POST over HTTP/1.1 can take in Python."""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from gateway.types import MultipartBody, Timeouts, WireRequest
from gateway.upstream.connection import Connection
from gateway.upstream.dial import AddressPolicy, EgressDenied, Lookup, Resolver, dial, system_lookup
from gateway.upstream.port import UpstreamError, UpstreamProblem

IDLE_CONNECTION_SECONDS = 55.0  # most servers and load balancers close at 60 s or later
UNWATCHED_SECONDS = 1.0  # a connection that was idle for longer is looked at before it is used
SWEEP_SECONDS = 10.0
CACHED_HEADS = 1024

PORTS = {"http": 80, "https": 443}
TARGET_SAFE = "%/:?#[]@!$&'()*+,;=~"  # what may stand in a request target as it is, escapes included
HOST_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})  # ours to set

# First match wins: most of these are OSErrors. Nothing has been sent in any of them.
CONNECT_PROBLEMS: tuple[tuple[type[Exception], UpstreamProblem], ...] = (
    (EgressDenied, UpstreamProblem.EGRESS_DENIED),
    (socket.gaierror, UpstreamProblem.DNS),
    (UnicodeError, UpstreamProblem.DNS),
    (ssl.SSLError, UpstreamProblem.TLS),
    (TimeoutError, UpstreamProblem.CONNECT_TIMEOUT),
    (OSError, UpstreamProblem.CONNECT),
)


class Origin:
    """A scheme, host and port, with its idle connections, the last used at the end."""

    __slots__ = ("host", "idle", "port", "secure")

    def __init__(self, host: str, port: int, *, secure: bool) -> None:
        self.host = host
        self.port = port
        self.secure = secure
        self.idle: list[Connection] = []


class Prepared(NamedTuple):
    """What requests with the same URL and headers share; `head` ends in `content-length: `."""

    origin: Origin
    head: bytes


class HttpToolsUpstream:
    """The port on our own connections."""

    def __init__(
        self, policy: AddressPolicy, *, lookup: Lookup = system_lookup, tls: ssl.SSLContext | None = None
    ) -> None:
        self._resolver = Resolver(policy, lookup)
        self._tls = tls or ssl.create_default_context()
        self._prepared: dict[tuple[str, str, tuple[tuple[str, str], ...]], Prepared] = {}
        self._origins: dict[tuple[str, int, bool], Origin] = {}
        self._connections: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(self, wire: WireRequest, timeouts: Timeouts) -> "HttpToolsResponse":
        """Send the request and return when the headers have come. Raises UpstreamError."""
        prepared = self._prepared.get((wire.method, wire.url, wire.headers)) or self._prepare(wire)
        loop = asyncio.get_running_loop()
        connection = _pop_idle(prepared.origin, loop.time())
        if connection is None:
            connection = await self._connect(prepared.origin, timeouts.connect)
        if wire.upload is None:
            body = wire.body
            await connection.request(
                b"%b%d\r\n\r\n%b" % (prepared.head, len(body), body), timeouts.first_byte
            )
        else:
            await connection.upload(_upload(prepared.head, wire.upload), timeouts.first_byte)
        if connection.headers.get("content-encoding", "identity") != "identity":
            connection.abort()
            raise UpstreamError(UpstreamProblem.PROTOCOL, sent=True)
        return HttpToolsResponse(self, prepared.origin, connection, timeouts.idle)

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._connections):
            connection.abort()

    def release(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back: keep it for the next request if its answer is whole, else close it."""
        if connection.reusable and not self._closed:
            connection.rest()
            origin.idle.append(connection)
        else:
            connection.abort()

    def _prepare(self, wire: WireRequest) -> Prepared:
        try:
            secure, host, port, target = _split_url(wire.url)
            head = _build_head(
                f"{wire.method} {target}", _host_header(host, port, secure=secure), wire.headers
            )
        except ValueError as problem:
            raise UpstreamError(UpstreamProblem.PROTOCOL, sent=False) from problem
        origin = self._origins.setdefault((host, port, secure), Origin(host, port, secure=secure))
        if len(self._prepared) >= CACHED_HEADS:
            self._prepared.clear()
        prepared = self._prepared[wire.method, wire.url, wire.headers] = Prepared(origin, head)
        return prepared

    async def _connect(self, origin: Origin, seconds: float) -> Connection:
        """Make a connection within `seconds`, name and TLS included. Raises UpstreamError."""
        try:
            async with asyncio.timeout(seconds) as limit:
                deadline = limit.when() or 0.0
                addresses = await self._resolver.addresses(origin.host, origin.port)
                connection = await self._start(origin, await dial(addresses, deadline), seconds)
        except (OSError, UnicodeError) as problem:
            kind = next(kind for kinds, kind in CONNECT_PROBLEMS if isinstance(problem, kinds))
            raise UpstreamError(kind, sent=False) from problem
        if self._closed:
            connection.abort()
            raise UpstreamError(UpstreamProblem.CONNECT, sent=False)
        return connection

    async def _start(self, origin: Origin, peer: socket.socket, seconds: float) -> Connection:
        """Put a connection on a connected socket, which from here on belongs to its transport."""
        loop = asyncio.get_running_loop()
        connection = Connection(loop, peer, self._connections.discard)
        self._connections.add(connection)
        try:
            await loop.create_connection(
                lambda: connection,
                sock=peer,
                ssl=self._tls if origin.secure else None,
                server_hostname=origin.host if origin.secure else None,
                ssl_handshake_timeout=seconds if origin.secure else None,
            )
        except BaseException:
            connection.abort()
            raise
        if self._sweeper is None:
            self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)
        return connection

    def _sweep(self) -> None:
        """Close what has been idle for too long; runs for as long as there are connections.

        Heads hold secrets: dropping them here keeps none that was rotated away.
        """
        self._sweeper = None
        self._prepared.clear()
        loop = asyncio.get_running_loop()
        for origin in self._origins.values():
            for connection in origin.idle:
                if loop.time() - connection.idle_since > IDLE_CONNECTION_SECONDS:
                    connection.abort()
            origin.idle = [connection for connection in origin.idle if not connection.closed]
        if self._connections and not self._closed:
            self._sweeper = loop.call_later(SWEEP_SECONDS, self._sweep)


class HttpToolsResponse:
    """A response whose body is still on its connection; also the iterator over that body."""

    __slots__ = ("_client", "_connection", "_idle", "_origin", "headers", "status")

    def __init__(
        self, client: HttpToolsUpstream, origin: Origin, connection: Connection, idle: float
    ) -> None:
        self._client = client
        self._origin = origin
        self._connection: Connection | None = connection
        self._idle = idle
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises UpstreamError (TOO_LARGE past `limit` bytes)."""
        body = self._present().take()
        if self._present().complete and len(body) <= limit:
            return body
        pieces = [body]
        size = len(body)
        while size <= limit:
            try:
                pieces.append(await anext(self))
            except StopAsyncIteration:
                return b"".join(pieces)
            size += len(pieces[-1])
        self._present().abort()
        raise UpstreamError(UpstreamProblem.TOO_LARGE, sent=True)

    def chunks(self) -> "HttpToolsResponse":
        """Yield the body as it comes. Raises UpstreamError."""
        return self

    def __aiter__(self) -> "HttpToolsResponse":
        return self

    async def __anext__(self) -> bytes:
        connection = self._present()
        data = connection.take()
        if not data and not connection.complete:
            await connection.wait_for_body(self._idle)
            data = connection.take()
        if not data:
            raise StopAsyncIteration
        return data

    def _present(self) -> Connection:
        if self._connection is None:
            raise UpstreamError(UpstreamProblem.RESET, sent=True)
        return self._connection

    def close(self) -> None:
        """Give the connection back if the body came to its end, else drop it at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._client.release(self._origin, connection)

    def __del__(self) -> None:
        """Nobody will close it any more, as when a task was cancelled just when its call came back."""
        if self._connection is not None:
            self._connection.abort_from_any_thread()


def _upload(head: bytes, body: MultipartBody) -> Iterator[bytes]:
    """Yield a request with a file. Its content type is not part of `head`, which other requests share."""
    yield b"%b%d\r\ncontent-type: %b\r\n\r\n" % (head, body.size, body.content_type.encode())
    yield from body.pieces()


def _pop_idle(origin: Origin, now: float) -> Connection | None:
    """Return the connection that was used last, if any is still good. `now` is in the loop's time."""
    while origin.idle:
        connection = origin.idle.pop()
        if connection.closed:
            continue
        idle = now - connection.idle_since
        if idle < UNWATCHED_SECONDS:
            return connection
        if idle < IDLE_CONNECTION_SECONDS and not connection.has_news():
            return connection
        connection.abort()
    return None


def _split_url(url: str) -> tuple[bool, str, int, str]:
    """Return (TLS?, host, port, request target). Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("not an http address")
    host = parts.hostname
    if ":" in host:
        ipaddress.IPv6Address(host)
    else:
        host = host if host.isascii() else host.encode("idna").decode()
        if not HOST_NAME.fullmatch(host):
            raise ValueError("not a host name")
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    target = quote(parts.path or "/", safe=TARGET_SAFE)
    if parts.query:
        target = f"{target}?{quote(parts.query, safe=TARGET_SAFE)}"
    return parts.scheme == "https", host, port, target


def _host_header(host: str, port: int, *, secure: bool) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == PORTS["https" if secure else "http"] else f"{name}:{port}"


def _build_head(request_line: str, host: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return a request's head up to the value of Content-Length. Raises ValueError for a bad header."""
    given = {name.lower() for name, _ in headers}
    if given & FRAMING:
        raise ValueError("a header that belongs to the client")
    lines = [f"{request_line} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"host: {host}")
    for name, value in headers:
        if not FIELD_NAME.fullmatch(name) or not FIELD_VALUE.fullmatch(value):
            raise ValueError("not a header")
        lines.append(f"{name}: {value}")
    if "accept-encoding" not in given:
        lines.append("accept-encoding: identity")
    lines.append("content-length: ")
    return "\r\n".join(lines).encode()
