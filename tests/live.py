"""The whole gateway on a loopback port, served from a thread of the test process."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from axiom.asgi import application
from finops.models import UsageRecord
from gateway import runtime
from tests.services import free_port

PREFIX = "/rest/v1/llm-gateway/v1"


class Live:
    """A running gateway and a client for it."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.token = token
        self.origin = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.origin}{PREFIX}"
        self.client = httpx.Client(
            base_url=self.base_url, headers={"authorization": f"Bearer {token}"}, timeout=10
        )

    def chat(self, text: str = "hi", *, model: str = "gpt-4o", **fields: Any) -> httpx.Response:
        """Send a chat request and return the whole response."""
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | fields
        return self.client.post("/chat/completions", json=body)

    @contextmanager
    def raw_post(self, path: str, body: object) -> Iterator[socket.socket]:
        """Send a JSON request on a socket of its own and hand the socket over."""
        data = json.dumps(body).encode()
        head = (
            f"POST {PREFIX}{path} HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {self.token}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(head.encode() + data)
            yield connection

    def runtime(self) -> runtime.Runtime:
        """Return the process's runtime."""
        assert runtime._current is not None
        return runtime._current

    def usage(self, count: int, seconds: float = 3.0) -> list[UsageRecord]:
        """Wait until the ledger has this many records and return them, oldest first."""
        wait_until(lambda: UsageRecord.objects.count() >= count, seconds)
        found = list(UsageRecord.objects.order_by("started_at"))
        assert len(found) == count
        return found


def wait_until(condition: Callable[[], bool], seconds: float = 2.0) -> None:
    """Wait for a condition; fails when it doesn't come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def serve(token: str) -> Iterator[Live]:
    """Run the application until the block ends."""
    port = free_port()
    config = uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    wait_until(lambda: server.started, 10)
    live = Live(port, token)
    try:
        yield live
    finally:
        live.client.close()
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
