"""A loopback provider whose every answer is scripted, with a journal of what it was asked.

It runs in a thread with an event loop of its own, speaks HTTP/1.1 with keep-alive, and can end an answer
properly, by closing, or by a reset.
"""

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Asked:
    """One request that the provider received."""

    path: str
    headers: dict[str, str]
    body: bytes
    closed_after: float | None = None  # seconds until the gateway closed the connection during the answer

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """A scripted answer: chunks are (seconds to wait before, bytes)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    chunks: list[tuple[float, bytes]] = field(default_factory=list)
    end: Literal["ok", "close", "reset"] = "ok"
    delay: float = 0.0  # seconds before the status line


Script = Callable[[Asked], Reply]


def completion(text: str = "Hello!", **usage: int) -> Reply:
    """A whole chat completion."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12} | usage,
    }
    return Reply(chunks=[(0, json.dumps(body).encode())])


def model_list(*ids: str) -> Reply:
    """A model list in OpenAI's shape."""
    data = [{"id": id, "object": "model", "created": 1700000000, "owned_by": "system"} for id in ids]
    return Reply(chunks=[(0, json.dumps({"object": "list", "data": data}).encode())])


def error(status: int, message: str = "no", headers: dict[str, str] | None = None, **members: Any) -> Reply:
    """An error in OpenAI's envelope."""
    body = {"error": {"message": message, "type": "some_error", "param": None, "code": None} | members}
    return Reply(
        status=status,
        headers={"content-type": "application/json"} | (headers or {}),
        chunks=[(0, json.dumps(body).encode())],
    )


def frame(delta: dict[str, Any] | None, finish: str | None = None, **members: Any) -> bytes:
    """One SSE frame of a chat stream; `delta` None: no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o-2024-08-06",
        "choices": choices,
    }
    return b"data: " + json.dumps(chunk | members).encode() + b"\n\n"


def stream(*texts: str, gap: float = 0.0, end: Literal["ok", "close", "reset"] = "ok") -> Reply:
    """A chat stream: role, the texts, finish, usage, [DONE]; cut short after the texts unless `end` is ok."""
    chunks = [(0.0, frame({"role": "assistant", "content": ""}))]
    chunks += [(gap, frame({"content": text})) for text in texts]
    if end == "ok":
        usage = {"prompt_tokens": 9, "completion_tokens": len(texts), "total_tokens": 9 + len(texts)}
        chunks += [(0, frame({}, "stop")), (0, frame(None, usage=usage)), (0, b"data: [DONE]\n\n")]
    return Reply(headers={"content-type": "text/event-stream"}, chunks=chunks, end=end)


class Provider:
    """The running provider. Set `script`, or append to `replies`, which are used up first."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.replies: list[Reply] = []
        self.model_list = error(404)  # the answer to every GET; those are not in `asked`
        self.model_lists: dict[str, Reply] = {}  # answers to some paths
        self.model_lists_given = 0
        self.script: Script = lambda asked: stream("Hel", "lo!") if asked.json.get("stream") else completion()
        self.port = 0
        self.open_answers = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(5)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    def wait_until(self, condition: Callable[[], bool], seconds: float = 2.0) -> None:
        """Wait for something that the provider sees; fails when it doesn't come."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the provider did not see it in time"
            time.sleep(0.005)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connection, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway closed the connection, or the provider is being stopped
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = head[0].split(" ")
        asked = Asked(path, headers, body)
        if method == "GET":
            self.model_lists_given += 1
            listing = self.model_lists.get(path, self.model_list)
            return await self._answer(asked, listing, reader, writer)
        self.asked.append(asked)
        reply = self.replies.pop(0) if self.replies else self.script(asked)
        return await self._answer(asked, reply, reader, writer)

    async def _answer(
        self, asked: Asked, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        started = time.monotonic()
        gone = asyncio.ensure_future(reader.read(1))
        self.open_answers += 1
        try:
            await self._wait(gone, reply.delay)
            lines = [f"HTTP/1.1 {reply.status} X", *(f"{k}: {v}" for k, v in reply.headers.items())]
            writer.write("\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode())
            for delay, data in reply.chunks:
                await self._wait(gone, delay)
                writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                await writer.drain()
            if reply.end == "ok":
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except ConnectionError:
            asked.closed_after = time.monotonic() - started
            return False
        finally:
            self.open_answers -= 1
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        if reply.end == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return reply.end == "ok"

    @staticmethod
    async def _wait(gone: "asyncio.Future[bytes]", seconds: float) -> None:
        """Wait, unless the gateway closes the connection first."""
        if seconds:
            done, _ = await asyncio.wait([gone], timeout=seconds)
            if done:
                raise ConnectionError


@contextmanager
def provider() -> Iterator[Provider]:
    """Run a provider."""
    running = Provider()
    running.start()
    try:
        yield running
    finally:
        running.stop()
