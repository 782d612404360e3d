"""Real services that some tests need: found, or the test is skipped saying why (and fails when CI=true)."""

import os
import shutil
import socket
from typing import NoReturn

import pytest


def missing(what: str, how: str) -> NoReturn:
    """Skip the running test because `what` isn't there; fail in CI, where a skip would go unseen."""
    message = f"{what} is not available: {how}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def require_port(what: str, port: int) -> None:
    """Require a service that listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            missing(what, f"nothing listens on 127.0.0.1:{port}")


def require_program(name: str) -> str:
    """Require a program on the path and return where it is."""
    path = shutil.which(name)
    if path is None:
        missing(name, "not on the path")
    return path


def free_port() -> int:
    """Return a loopback port that nothing uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
