"""One HTTP/1.1 connection to a provider: an asyncio protocol around httptools' parser.

    idle ──request()──▶ waiting for headers ──▶ body ──▶ complete ──▶ idle again, if `reusable`
    any of these ──abort(), a deadline, a cancelled wait, the provider──▶ closed

One request at a time. What comes when nothing was asked for ends the connection: an answer must never reach
the request after the one it belongs to.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from itertools import chain
from typing import cast

import httptools

from gateway.upstream.port import UpstreamError, UpstreamProblem

HEAD_LIMIT = 64 * 1024  # bytes of a response's headers, and of anything else that is not body
CLOCK_GRAIN = 0.001  # seconds: uvloop's clock
HIGH_WATER = 256 * 1024  # bytes of body held for a slow reader before reading from the provider stops


class UnexpectedBytes(Exception):
    """Stops the parser from inside its callbacks; never leaves this file."""


class Connection(asyncio.Protocol):
    """Made by `loop.create_connection`; `ended` is called once, when the socket is given up.

    Bodies are read with `take` and `wait_for_body`.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, peer: socket.socket, ended: Callable[["Connection"], None]
    ) -> None:
        self._loop = loop
        self._peer = peer
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0  # in the loop's time; meaningful while there is a waiter
        self._late = UpstreamProblem.FIRST_BYTE_TIMEOUT
        self.idle_since = 0.0  # in the loop's time
        self.closed = False
        self._asked = False
        self._clogged = False  # more has been written than the provider has taken
        self._start_response()

    def _start_response(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self._keep_alive = False
        self._problem: UpstreamProblem | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._held = 0  # bytes in _pieces
        self._overhead = 0  # bytes since the last one that was body
        self._paused = False
        self._unsent = False  # the answer came before all of an upload was sent

    # -- for the client --

    async def request(self, data: bytes, seconds: float) -> None:
        """Send a request and wait for the headers, `seconds` at most. Raises UpstreamError."""
        assert self._transport is not None
        self._start_response()
        self._asked = True
        self._transport.write(data)
        self._deadline = self._loop.time() + seconds
        self._late = UpstreamProblem.FIRST_BYTE_TIMEOUT
        while not self.status:
            if self._problem is not None:
                raise UpstreamError(self._problem, sent=True)
            await self._wait()

    async def upload(self, pieces: Iterable[bytes], seconds: float) -> None:
        """Send a request piece by piece, no faster than the provider takes it, and wait for the headers.

        `seconds` is how long the provider may take nothing, and then how long its answer may take. An answer
        that comes before the end stops the sending. Raises UpstreamError, OSError (from `pieces`).
        """
        self._start_response()
        self._asked = self._unsent = True
        self._late = UpstreamProblem.FIRST_BYTE_TIMEOUT
        try:
            for piece in pieces:
                await self._until_writable(seconds)
                if self.status:
                    return
                assert self._transport is not None
                self._transport.write(piece)
        except BaseException:
            self.abort()
            raise
        self._unsent = False
        self._deadline = self._loop.time() + seconds
        while not self.status:
            if self._problem is not None:
                raise UpstreamError(self._problem, sent=True)
            await self._wait()

    async def _until_writable(self, seconds: float) -> None:
        """Wait until the provider has taken enough for more to be sent, or an answer has come."""
        self._deadline = self._loop.time() + seconds
        while not self.status:
            if self._problem is not None:
                raise UpstreamError(self._problem, sent=True)
            if not self._clogged:
                return
            await self._wait()

    def take(self) -> bytes:
        """Return what has come of the body and was not taken yet, maybe nothing."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._held = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def wait_for_body(self, seconds: float) -> None:
        """Wait until there is something to take or the body is complete. Raises UpstreamError."""
        self._deadline = self._loop.time() + seconds
        self._late = UpstreamProblem.IDLE_TIMEOUT
        while not self._pieces and not self.complete:
            if self._problem is not None:
                raise UpstreamError(self._problem, sent=True)
            await self._wait()

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the answer is complete and both sides are through."""
        return (
            self.complete
            and self._keep_alive
            and not self._paused
            and not self._unsent
            and self._transport is not None
            and not self._transport.get_write_buffer_size()
        )

    def rest(self) -> None:
        """Become idle: from here on whatever comes ends the connection."""
        self._asked = False
        self.idle_since = self._loop.time()

    def has_news(self) -> bool:
        """Tell whether the socket has something to read: of an idle connection, that it must not be used."""
        try:
            self._peer.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def abort(self) -> None:
        """Close the socket at once, whatever is going on."""
        self._end(UpstreamProblem.RESET)

    def abort_from_any_thread(self) -> None:
        """Close the socket soon: the garbage collector may run anywhere."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.abort)

    # -- waiting --

    async def _wait(self) -> None:
        """Sleep until something has happened; a cancelled sleep closes the connection."""
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        """One timer serves many waits, which only move the deadline: too early, it is set anew."""
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline - CLOCK_GRAIN:
            self._set_timer()
        else:
            self._end(self._late)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, problem: UpstreamProblem) -> None:
        """Close. An answer that isn't complete has failed with this problem, or an earlier one."""
        if not self.complete and self._problem is None:
            self._problem = problem
        if self.closed:
            return
        self.closed = True
        self._asked = False
        self._ended(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._wake()

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, unless the client has given up meanwhile."""
        made = cast(asyncio.Transport, transport)  # uvloop's class doesn't inherit from it
        if self.closed:
            made.abort()
        else:
            self._transport = made

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if not self._asked:
            self.abort()
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(UpstreamProblem.PROTOCOL)
            return
        if self._overhead > HEAD_LIMIT:
            self._end(UpstreamProblem.PROTOCOL)
            return
        if self._pieces or self.complete or self.status:
            self._wake()

    def pause_writing(self) -> None:
        """The provider takes less than is written."""
        self._clogged = True

    def resume_writing(self) -> None:
        """The provider has taken what was written."""
        self._clogged = False
        self._wake()

    def eof_received(self) -> None:
        """The provider has ended: that completes a body without a length, and breaks any other."""
        if self.status and not self.complete and self._ends_with_connection():
            self.complete = True
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone. The parser holds this object's methods: letting it go frees both at once."""
        self._transport = None
        self.abort()
        del self._parser

    def _ends_with_connection(self) -> bool:
        coding = self.headers.get("transfer-encoding")
        if coding is not None:
            return not coding.lower().endswith("chunked")
        return "content-length" not in self.headers

    # -- httptools' callbacks --

    def on_message_begin(self) -> None:
        """A second answer was not asked for."""
        if self.complete:
            raise UnexpectedBytes

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; trailers are ignored."""
        if not self.status:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Take status and headers, of the final response only."""
        status = self._parser.get_status_code()
        if status < 200:
            self._fields.clear()
            return
        if self._overhead > HEAD_LIMIT and sum(map(len, chain.from_iterable(self._fields))) > HEAD_LIMIT:
            raise UnexpectedBytes
        headers = self.headers
        for name, value in self._fields:
            key = name.decode("latin-1").lower()
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.status = status
        self._overhead = 0

    def on_body(self, body: bytes) -> None:
        """Hold a piece of the body; too much of it stops reading until it is taken."""
        self._overhead = 0
        self._pieces.append(body)
        self._held += len(body)
        if self._held > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.status:
            self.complete = True
            self._keep_alive = self._parser.should_keep_alive()
