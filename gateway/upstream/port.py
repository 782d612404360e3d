"""The narrow port behind which an HTTP client works, and the one error that every client reports.

Clients differ only in what they cost: all pass the tests in tests/gateway/upstream.
"""

from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import Protocol

from gateway.errors import Failure, FailureClass
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
    TOTAL_TIMEOUT = "total_timeout"  # raised by whoever holds the total deadline, never by a client
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"


_MESSAGES = {
    UpstreamProblem.EGRESS_DENIED: (
        "The provider's address is not allowed. The operator can allow it with AXIOM_EGRESS_ALLOW."
    ),
    UpstreamProblem.DNS: "The provider's host name could not be resolved.",
    UpstreamProblem.CONNECT: "The provider refused the connection.",
    UpstreamProblem.TLS: "The provider's TLS certificate was not accepted.",
    UpstreamProblem.CONNECT_TIMEOUT: "The provider did not accept the connection in time.",
    UpstreamProblem.FIRST_BYTE_TIMEOUT: "The provider did not answer in time.",
    UpstreamProblem.IDLE_TIMEOUT: "The provider stopped sending.",
    UpstreamProblem.TOTAL_TIMEOUT: "The request took longer than the gateway's total limit.",
    UpstreamProblem.RESET: "The provider closed the connection before it answered.",
    UpstreamProblem.PROTOCOL: "The provider did not speak valid HTTP.",
    UpstreamProblem.TOO_LARGE: "The provider's answer is larger than the gateway accepts.",
}
_TIMEOUTS = {
    UpstreamProblem.CONNECT_TIMEOUT,
    UpstreamProblem.FIRST_BYTE_TIMEOUT,
    UpstreamProblem.IDLE_TIMEOUT,
    UpstreamProblem.TOTAL_TIMEOUT,
}


class UpstreamError(Exception):
    """A call broke below HTTP. `sent` tells whether any of the request may have reached the provider."""

    def __init__(self, problem: UpstreamProblem, *, sent: bool) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.sent = sent

    def as_failure(self) -> Failure:
        """Return what the attempt loop and the caller are told of it."""
        kind = FailureClass.TIMEOUT if self.problem in _TIMEOUTS else FailureClass.SERVER_ERROR
        return Failure(kind, _MESSAGES[self.problem])


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
        """POST the request and return when the status line and headers have come. Raises UpstreamError.

        An upload is sent piece by piece, no faster than the provider takes it, with a content length.
        `timeouts.connect` covers name, dial and TLS; `first_byte` runs from sending to the headers, `idle`
        between two pieces of the body. `total` is the caller's own deadline, which cancels the call: that
        closes the connection at once, in every phase.
        """

    async def close(self) -> None:
        """Close every connection."""
