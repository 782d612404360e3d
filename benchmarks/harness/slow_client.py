"""Keeps many streams open at once and measures the time to the first event. Prints one line of JSON.

Run as a script, in a process of its own, with one argument: the JSON of a Plan. The clock is perf_counter:
that of uvloop has whole milliseconds only.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import uvloop

END = b"0\r\n\r\n"
GRACE_SECONDS = 1.0  # for the first events of the streams that began last
EVENTS = 62  # of a whole stream, usage and [DONE] included


@dataclass(frozen=True)
class Plan:
    """What to do. Times are in seconds since the start; streams begun in between are counted."""

    url: str
    token: str
    body: str
    connections: int
    spread: float
    count_from: float
    count_until: float


@dataclass
class Seen:
    """What came of it, in milliseconds."""

    started: int = 0
    whole: int = 0
    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def error(self, kind: str) -> None:
        """Count an error."""
        self.errors[kind] = self.errors.get(kind, 0) + 1


class Client(asyncio.Protocol):
    """One connection: the next stream begins when the last one ends."""

    def __init__(self, plan: Plan, request: bytes, seen: Seen, origin: float) -> None:
        self._plan, self._request, self._seen, self._origin = plan, request, seen, origin
        self._failed = False
        self._first: float | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the first stream."""
        self._transport = cast(asyncio.Transport, transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Note the first event and the end."""
        if not self._pieces and not data.startswith(b"HTTP/1.1 200"):
            self._fail("status " + data[9:12].decode(errors="replace"))
            return
        if self._first is None and b"data: " in data:
            self._first = perf_counter()
            self._note_first()
        self._pieces.append(data)
        self._tail = (self._tail + data)[-len(END) :]
        if self._tail == END:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a connection that the other side ended."""
        if not self._failed and self._elapsed(perf_counter()) < self._plan.count_until:
            self._seen.error("connection lost")

    def close(self) -> None:
        """Count a stream that has not begun by now, and give up."""
        if self._first is None and not self._failed:
            self._fail("no first event")

    def _begin(self) -> None:
        self._pieces: list[bytes] = []
        self._tail = b""
        self._first = None
        self._started = perf_counter()
        self._seen.started += 1
        self._transport.write(self._request)

    def _finish(self) -> None:
        now = perf_counter()
        if _events(b"".join(self._pieces)) != EVENTS:
            self._seen.error("events missing or surplus")
        self._seen.whole += 1
        if self._counts():
            self._seen.total.append((now - self._started) * 1000)
        if self._elapsed(now) < self._plan.count_until:
            self._begin()

    def _fail(self, kind: str) -> None:
        self._failed = True
        self._seen.error(kind)
        self._transport.abort()

    def _note_first(self) -> None:
        if self._counts() and self._first is not None:
            self._seen.first.append((self._first - self._started) * 1000)

    def _counts(self) -> bool:
        return self._plan.count_from <= self._elapsed(self._started) < self._plan.count_until

    def _elapsed(self, moment: float) -> float:
        return moment - self._origin


def _events(answer: bytes) -> int:
    return _unframed(answer.partition(b"\r\n\r\n")[2]).count(b"data: ")


def _unframed(body: bytes) -> bytes:
    parts = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(body[:length])
        body = body[length + 2 :]
    return b"".join(parts)


def _request_bytes(plan: Plan) -> bytes:
    parts = urlsplit(plan.url)
    body = Path(plan.body).read_bytes()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {plan.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _run(plan: Plan) -> Seen:
    loop, seen, request = asyncio.get_running_loop(), Seen(), _request_bytes(plan)
    address = urlsplit(plan.url)
    clients: list[Client] = []
    origin = perf_counter()
    for index in range(plan.connections):
        await asyncio.sleep(origin + plan.spread * index / plan.connections - perf_counter())
        _, client = await loop.create_connection(
            lambda: Client(plan, request, seen, origin), address.hostname or "", address.port or 80
        )
        clients.append(client)
    await asyncio.sleep(origin + plan.count_until + GRACE_SECONDS - perf_counter())
    for client in clients:
        client.close()
    return seen


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_run(Plan(**json.loads(sys.argv[1])))))))
