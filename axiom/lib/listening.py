"""The address this process answers on: taking it, and how to write it in a URL."""

import errno
import socket

BACKLOG = 2048  # connections the kernel holds until they are accepted
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared, never bound by default)


class CannotListen(Exception):
    """The address can't be had; the message says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen, so that connections queue from now on. Raises CannotListen."""
    if not 0 < port < 65536:
        raise CannotListen(f"PORT={port} is not a port: use a number from 1 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as problem:
        taken.close()
        raise CannotListen(_advice(host, port, problem.errno)) from problem
    return taken


def base_url(host: str, port: int) -> str:
    """Return the URL under which a browser on this machine reaches the address, without a trailing slash."""
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _advice(host: str, port: int, code: int | None) -> str:
    if code == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use: stop what listens there, or set another: PORT={port + 1}."
    if code == errno.EACCES:
        return f"Port {port} needs special rights: choose one above 1023, such as PORT=8000."
    return f"HOST={host} is not an address of this machine: use 127.0.0.1, or 0.0.0.0 for every address."
