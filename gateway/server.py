"""Runs uvicorn on a socket that listens already: in this process, or over several workers."""

import os
import signal
import socket
from types import FrameType

import uvicorn
from django.conf import settings
from uvicorn.supervisors import Multiprocess

from axiom.lib.listening import BACKLOG

APPLICATION = "axiom.asgi:application"
KEEP_ALIVE_SECONDS = 75  # longer than the 60 s of common load balancers, so that they close first
DRAIN_SECONDS = 30


def serve(listening: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests end. Returns when all is closed."""
    config = uvicorn.Config(
        APPLICATION,
        workers=settings.WEB_CONCURRENCY,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Costs a little on every request, and believes X-Forwarded-For: only where a proxy is announced.
        proxy_headers=settings.AXIOM_BEHIND_TLS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=BACKLOG,
    )
    if settings.WEB_CONCURRENCY > 1:
        _share_metrics()
        Multiprocess(config, sockets=[listening]).run()
        return
    # uvicorn raises the signal again when it has closed everything; by then there is nothing to interrupt.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)
    server = uvicorn.Server(config)
    server.run(sockets=[listening])


def _share_metrics() -> None:
    """Have the workers share their figures in a directory, without those of processes that are gone.

    prometheus_client looks at the variable when it is imported: in the workers, which are new processes.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.PROMETHEUS_DIR)
    settings.PROMETHEUS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in settings.PROMETHEUS_DIR.glob("*.db"):
        stale.unlink()


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing."""
