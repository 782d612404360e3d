"""The port on top of aiohttp."""

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from gateway.types import Timeouts, WireRequest
from gateway.upstream.dial import (
    Address,
    AddressPolicy,
    EgressDenied,
    Lookup,
    Resolver,
    check_address,
    make_socket,
    system_lookup,
)
from gateway.upstream.port import UpstreamError, UpstreamProblem

IDLE_CONNECTION_SECONDS = 55.0
CACHED_REQUESTS = 1024
CACHED_TIMEOUTS = 256
LARGE_BODY = 512 * 1024  # bytes from which aiohttp wants a file rather than one string
HEADER_LIMIT = 64 * 1024  # bytes of one response header

# First match wins: several classes inherit from a later line. The flag tells whether anything was sent.
PROBLEMS: tuple[tuple[type[BaseException], UpstreamProblem, bool], ...] = (
    (aiohttp.ClientConnectorCertificateError, UpstreamProblem.TLS, False),
    (aiohttp.ClientConnectorSSLError, UpstreamProblem.TLS, False),
    (aiohttp.ClientConnectorDNSError, UpstreamProblem.DNS, False),
    (aiohttp.ConnectionTimeoutError, UpstreamProblem.CONNECT_TIMEOUT, False),
    (aiohttp.ClientConnectorError, UpstreamProblem.CONNECT, False),
    (aiohttp.InvalidURL, UpstreamProblem.PROTOCOL, False),
    (aiohttp.NonHttpUrlClientError, UpstreamProblem.PROTOCOL, False),
    (aiohttp.ServerDisconnectedError, UpstreamProblem.RESET, True),
    (aiohttp.ClientOSError, UpstreamProblem.RESET, True),
    (aiohttp.ClientPayloadError, UpstreamProblem.RESET, True),
    (aiohttp.ClientConnectionError, UpstreamProblem.RESET, True),
    (aiohttp.ClientError, UpstreamProblem.PROTOCOL, True),
    (ConnectionError, UpstreamProblem.RESET, True),
)


def to_upstream_error(failure: BaseException, waiting_for: UpstreamProblem) -> UpstreamError:
    """Turn an exception of aiohttp into ours. `waiting_for` is the timeout of the present phase."""
    if isinstance(getattr(failure, "os_error", None), EgressDenied):
        return UpstreamError(UpstreamProblem.EGRESS_DENIED, sent=False)
    if isinstance(failure, aiohttp.SocketTimeoutError):
        return UpstreamError(waiting_for, sent=True)
    for kind, problem, sent in PROBLEMS:
        if isinstance(failure, kind):
            return UpstreamError(problem, sent=sent)
    return UpstreamError(UpstreamProblem.PROTOCOL, sent=True)


class CheckedResolver(AbstractResolver):
    """aiohttp's view of our resolver."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the permitted addresses of a name. Raises EgressDenied, OSError."""
        try:
            found = await self._resolver.addresses(host, port)
        except UnicodeError as problem:
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from problem
        return [_as_result(host, address) for address in found]

    async def close(self) -> None:
        """Nothing is held."""


def _as_result(host: str, address: Address) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address.sockaddr[0],
        port=address.sockaddr[1],
        family=address.family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


class AiohttpResponse:
    """A response of aiohttp's behind the port."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = _lower_cased(response.raw_headers)

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises UpstreamError (TOO_LARGE past `limit` bytes)."""
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                self.close()
                raise UpstreamError(UpstreamProblem.TOO_LARGE, sent=True)
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises UpstreamError."""
        content = self._response.content
        try:
            while data := await content.readany():
                yield data
        except asyncio.CancelledError:
            self.close()
            raise
        except Exception as failure:
            self.close()
            raise to_upstream_error(failure, UpstreamProblem.IDLE_TIMEOUT) from failure

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end: aiohttp has taken it back then."""
        self._response.close()


def _lower_cased(raw: tuple[tuple[bytes, bytes], ...]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


class AiohttpUpstream:
    """The port on one aiohttp session. Make it where the event loop runs."""

    def __init__(
        self, policy: AddressPolicy, *, lookup: Lookup = system_lookup, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._requests: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[URL, CIMultiDict[str]]] = {}
        self._timeouts: dict[Timeouts, aiohttp.ClientTimeout] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=CheckedResolver(Resolver(policy, lookup)),
                socket_factory=self._make_socket,
                ssl=tls or ssl.create_default_context(),
                limit=0,
                keepalive_timeout=IDLE_CONNECTION_SECONDS,
                use_dns_cache=False,
                timeout_ceil_threshold=float("inf"),
            ),
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            read_bufsize=64 * 1024,
        )

    def _make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Check every dial once more: literals skip the resolver. Raises EgressDenied."""
        family, kind, protocol, _, sockaddr = info
        check_address(self._policy, Address(family, sockaddr))
        return make_socket(family, kind, protocol)

    async def open(self, wire: WireRequest, timeouts: Timeouts) -> AiohttpResponse:
        """POST the request and return when the headers have come. Raises UpstreamError."""
        try:
            url, headers = self._prepared(wire)
            response = await self._session.post(
                url,
                data=wire.body if len(wire.body) < LARGE_BODY else io.BytesIO(wire.body),
                headers=headers,
                allow_redirects=False,
                timeout=self._client_timeout(timeouts),
            )
        except ValueError as failure:
            raise UpstreamError(UpstreamProblem.PROTOCOL, sent=False) from failure
        except Exception as failure:
            raise to_upstream_error(failure, UpstreamProblem.FIRST_BYTE_TIMEOUT) from failure
        _wait_for_body(response, timeouts.idle)
        opened = AiohttpResponse(response)
        if opened.headers.get("content-encoding", "identity") != "identity":
            opened.close()
            raise UpstreamError(UpstreamProblem.PROTOCOL, sent=True)
        return opened

    def _prepared(self, wire: WireRequest) -> tuple[URL, CIMultiDict[str]]:
        key = (wire.url, wire.headers)
        known = self._requests.get(key)
        if known is None:
            if len(self._requests) >= CACHED_REQUESTS:
                self._requests.clear()
            known = (URL(wire.url), CIMultiDict(wire.headers))
            known[1].setdefault("accept-encoding", "identity")
            self._requests[key] = known
        return known

    def _client_timeout(self, timeouts: Timeouts) -> aiohttp.ClientTimeout:
        known = self._timeouts.get(timeouts)
        if known is None:
            if len(self._timeouts) >= CACHED_TIMEOUTS:
                self._timeouts.clear()
            known = aiohttp.ClientTimeout(
                total=None,
                connect=timeouts.connect,
                sock_read=timeouts.first_byte,
                ceil_threshold=float("inf"),
            )
            self._timeouts[timeouts] = known
        return known

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


def _wait_for_body(response: aiohttp.ClientResponse, idle: float) -> None:
    """From here on the read timeout is the one between pieces of the body, in seconds."""
    connection = response.connection
    if connection is None or connection.protocol is None:
        return  # the whole answer is here
    connection.protocol.read_timeout = idle
    connection.protocol.start_timeout()
