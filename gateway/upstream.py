"""The only file that opens sockets to providers, and the only one that knows which HTTP client does it."""

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Protocol

from gateway.types import Timeouts, WireRequest


class UpstreamProblem(StrEnum):
    """Why a call broke below HTTP."""

    EGRESS_DENIED = "egress_denied"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"


class UpstreamError(Exception):
    """A call broke below HTTP. `sent` tells whether any of the request may have reached the provider."""

    def __init__(self, problem: UpstreamProblem, *, sent: bool) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.sent = sent


class UpstreamResponse(Protocol):
    """A response whose status and headers have come. Close it, whatever happens."""

    status: int
    headers: Mapping[str, str]  # names lower-cased

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises UpstreamError (TOO_LARGE past `limit` bytes)."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises UpstreamError."""

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else drop it at once."""


class Upstream(Protocol):
    """One per event loop."""

    async def open(self, wire: WireRequest, timeouts: Timeouts) -> UpstreamResponse:
        """POST the request and return when the status line and headers have come. Raises UpstreamError."""

    async def close(self) -> None:
        """Close every connection."""
