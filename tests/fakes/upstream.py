"""Providers on loopback that do what a script says: answer, dawdle, break off, talk nonsense.

A script is a coroutine function that is given each accepted connection, as a Visit.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from types import TracebackType

Script = Callable[["Visit"], Awaitable[None]]

JSON_ANSWER = b'{"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}'


class Visit:
    """One accepted connection, seen from the provider."""

    def __init__(self, provider: "FakeProvider", reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.provider = provider
        self.reader = reader
        self.writer = writer
        self.number = len(provider.visits) + 1

    async def request(self) -> bytes:
        """Read one whole request and note it. Raises IncompleteReadError when the client has left."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        request = head + await self.reader.readexactly(length)
        self.provider.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        """Write and wait until the operating system took it."""
        self.writer.write(data)
        await self.writer.drain()

    async def wait_closed(self) -> None:
        """Return when the client has closed the connection, however it did so."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()


class FakeProvider:
    """A provider on a loopback port. `closed` has the loop's time at which each client was seen to leave."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script = script
        self._tls = tls
        self._host = host
        self._server: asyncio.Server
        self.port = 0
        self.visits: list[Visit] = []
        self.requests: list[bytes] = []
        self.closed: list[float] = []

    @property
    def url(self) -> str:
        """The address of a chat call."""
        scheme = "https" if self._tls else "http"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self.port}/v1/chat/completions"

    async def wait_for(self, *, requests: int = 0, visits: int = 0, closed: int = 0) -> None:
        """Wait until as many were counted, whether in all or more. Raises TimeoutError after 5 s."""
        async with asyncio.timeout(5):
            while len(self.requests) < requests or len(self.visits) < visits or len(self.closed) < closed:
                await asyncio.sleep(0.002)

    async def __aenter__(self) -> "FakeProvider":
        self._server = await asyncio.start_server(
            self._serve, self._host, 0, ssl=self._tls, backlog=4096, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for visit in self.visits:
            visit.writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(self, reader, writer)
        self.visits.append(visit)
        try:
            await self._script(visit)
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, RuntimeError):
            # RuntimeError: what uvloop says of a write after the client has left
            writer.transport.abort()
        except asyncio.CancelledError:  # the test is over
            return
        self.closed.append(asyncio.get_running_loop().time())


def response(
    body: bytes = JSON_ANSWER,
    *,
    status: str = "200 OK",
    headers: Sequence[str] = ("Content-Type: application/json",),
) -> bytes:
    """A whole response with Content-Length."""
    head = "\r\n".join((f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""))
    return head.encode() + body


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def answers(raw: bytes) -> Script:
    """Answer every request with these bytes and keep the connection."""

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(raw)

    return script


def answers_then_closes(raw: bytes) -> Script:
    """Answer one request with these bytes, then FIN."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(raw)

    return script


def answers_then_resets(raw: bytes) -> Script:
    """Answer one request with these bytes, let them arrive, then RST."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(raw)
        await asyncio.sleep(0.05)
        visit.reset()

    return script


def answers_then_hangs(raw: bytes) -> Script:
    """Answer one request with these bytes (maybe none), then wait for the client to leave."""

    async def script(visit: Visit) -> None:
        await visit.request()
        if raw:
            await visit.send(raw)
        await visit.wait_closed()

    return script


def drips(raw: bytes, *, seconds: float) -> Script:
    """Answer one request one byte at a time, with a pause after each, then wait for the client to leave."""

    async def script(visit: Visit) -> None:
        await visit.request()
        for position in range(len(raw)):
            await visit.send(raw[position : position + 1])
            await asyncio.sleep(seconds)
        await visit.wait_closed()

    return script


async def floods(visit: Visit) -> None:
    """Send a chunked body without end, as fast as the client takes it."""
    await visit.request()
    await visit.send(STREAM_HEAD)
    piece = chunk(b"x" * 65536)
    while True:
        await visit.send(piece)


@contextlib.contextmanager
def full_backlog(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port where connecting hangs: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                filler.connect((host, port))
        yield port


@contextlib.asynccontextmanager
async def refusing_port() -> AsyncIterator[int]:
    """A port on which nobody listens, and which nobody else is given."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
