"""The only package that opens sockets to providers, and the only one that knows which HTTP client does it.

Pure modules that only need the error import `gateway.upstream.port`.
"""

from collections.abc import Coroutine
from typing import Any

from gateway.types import Timeouts, WireRequest
from gateway.upstream.dial import AddressPolicy
from gateway.upstream.httptools_client import HttpToolsUpstream
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem, UpstreamResponse
from gateway.upstream.sandbox_player import SandboxUpstream

__all__ = ["Upstream", "UpstreamError", "UpstreamProblem", "UpstreamResponse", "make_upstream"]

SANDBOX = "sandbox://"


class SchemeUpstream:
    """Sends sandbox:// addresses to the built-in provider and all others to the network."""

    def __init__(self, network: Upstream, sandbox: Upstream) -> None:
        self._network = network
        self._sandbox = sandbox

    def open(self, wire: WireRequest, timeouts: Timeouts) -> Coroutine[Any, Any, UpstreamResponse]:
        """POST the request and return when the headers have come. Raises UpstreamError."""
        chosen = self._sandbox if wire.url.startswith(SANDBOX) else self._network
        return chosen.open(wire, timeouts)

    async def close(self) -> None:
        """Close every connection."""
        await self._network.close()
        await self._sandbox.close()


def make_upstream(policy: AddressPolicy) -> Upstream:
    """Return the client for the running event loop; it dials only addresses that the policy permits."""
    return SchemeUpstream(HttpToolsUpstream(policy), SandboxUpstream())
