"""A provider that takes its time: first write after 50 ms, one every 100 ms, 60 in all. Argument: the port.

Run as a script, in a process of its own.
"""

import asyncio
import sys
from pathlib import Path
from typing import cast

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from harness import payloads

FIRST_SECONDS = 0.05
NEXT_SECONDS = 0.1
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def _framed(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


_PARTS = [_framed(part) for part in payloads.slow_parts()]
_PARTS[0] = _HEAD + _PARTS[0]
_PARTS[-1] += b"0\r\n\r\n"


class SlowStream(asyncio.Protocol):
    """One connection; requests follow one another on it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop writing."""
        if self._next:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        """Start a stream once the request is whole."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        self._received = b""
        self._started = self._loop.time()
        self._write_at(0)

    def _write_at(self, index: int) -> None:
        due = self._started + FIRST_SECONDS + index * NEXT_SECONDS
        self._next = self._loop.call_at(due, self._write, index)

    def _write(self, index: int) -> None:
        self._transport.write(_PARTS[index])
        if index + 1 < len(_PARTS):
            self._write_at(index + 1)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(SlowStream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
