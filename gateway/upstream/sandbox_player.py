"""Plays the built-in provider's replies inside the process: a client for sandbox:// addresses.

Delays, limits and cancelling work as over a network, so that the whole data path can be tried without one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from gateway.providers.sandbox import SandboxReply, respond
from gateway.types import Timeouts, WireRequest
from gateway.upstream.port import UpstreamError, UpstreamProblem

Chunks = tuple[tuple[float, bytes], ...]


async def _pause(seconds: float, limit: float, problem: UpstreamProblem) -> None:
    """Sleep. Raises UpstreamError after `limit` seconds when the pause is longer than that."""
    await asyncio.sleep(min(seconds, limit))
    if seconds > limit:
        raise UpstreamError(problem, sent=True)


class PlayedResponse:
    """A reply of the sandbox being played."""

    __slots__ = ("_chunks", "_idle", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], chunks: Chunks, idle: float) -> None:
        self.status = status
        self.headers = headers
        self._chunks = chunks
        self._idle = idle

    async def read(self, limit: int) -> bytes:
        """Return the whole body. Raises UpstreamError (TOO_LARGE past `limit` bytes)."""
        body = b"".join([piece async for piece in self.chunks()])
        if len(body) > limit:
            raise UpstreamError(UpstreamProblem.TOO_LARGE, sent=True)
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield each chunk after its delay. Raises UpstreamError."""
        for delay, data in self._chunks:
            await _pause(delay, self._idle, UpstreamProblem.IDLE_TIMEOUT)
            yield data

    def close(self) -> None:
        """Nothing is held."""


class SandboxUpstream:
    """The port for sandbox:// addresses."""

    def __init__(self, respond: Callable[[str, bytes], SandboxReply] = respond) -> None:
        self._respond = respond

    async def open(self, wire: WireRequest, timeouts: Timeouts) -> PlayedResponse:
        """Return when the reply's first chunk is due, as a provider sends headers. Raises UpstreamError."""
        reply = self._respond(wire.url, wire.body)
        chunks = reply.chunks
        if chunks:
            (delay, first), *later = chunks
            await _pause(delay, timeouts.first_byte, UpstreamProblem.FIRST_BYTE_TIMEOUT)
            chunks = ((0.0, first), *later)
        return PlayedResponse(reply.status, reply.headers, chunks, timeouts.idle)

    async def close(self) -> None:
        """Nothing is held."""
