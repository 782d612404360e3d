"""A loopback TCP proxy that can be frozen (bytes stop, connections stay) and cut (connections break)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class TcpProxy:
    """Forwards a port of its own to 127.0.0.1:`target`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._links: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Pass no byte on; neither side is told."""
        self._flowing.clear()

    def cut(self) -> None:
        """Break every connection and each new one at once."""
        self._refusing = True
        self._break_links()

    def restore(self) -> None:
        """Work again."""
        self._refusing = False
        self._flowing.set()

    def close(self) -> None:
        """Stop for good."""
        self.restore()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._break_links()

    def _break_links(self) -> None:
        links, self._links = self._links, []
        for link in links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._refusing:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._links += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()


@contextmanager
def proxy_to(target: int) -> Iterator[TcpProxy]:
    """Run a proxy for the length of a block."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
