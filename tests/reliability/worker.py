"""A worker process that has a journal and a shipper but no server: what the journal's kill tests kill.

Run as `python -m tests.reliability.worker MODE ROOT` with DATABASE_URL set. On stdout, one line each:
`announced ID` before a request is admitted, `admitted ID` and `finished ID` after the call returned. The end
of stdin ends it in good order; it then prints `slowest MICROSECONDS`, the longest that a journal call took.

Modes: `serve`; `die-before-drop`, which kills itself between the first commit and the deletion of the
segment; `recover`, which ships whatever is there and ends.
"""

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import django

from axiom.lib.ids import new_id
from gateway.journal import Journal, Segment
from gateway.spool import worker_directory
from tests.gateway.lines import SPARE, admission, finished

OPEN_REQUESTS = 50
RETRIED = 7  # every so many requests are sent to a second target
PACE = 0.0005  # seconds between two requests


def main(mode: str, root: Path) -> None:
    django.setup()
    from gateway.shipping import Shipper

    journal = Journal.open(worker_directory(root))
    shipper = Shipper(root, journal)
    if mode == "recover":
        shipper.flush()
        journal.close()
        return
    if mode == "die-before-drop":
        Segment.drop = lambda self: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    shipper.start()
    traffic = Traffic(journal)
    traffic.run_until(end_of_stdin())
    shipper.stop()
    journal.close()
    say("slowest", f"{traffic.slowest * 1e6:.0f}")


class Traffic:
    """A stream of requests, OPEN_REQUESTS of them at a time. `slowest` is in seconds."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.open: deque[str] = deque()
        self.slowest = 0.0

    def run_until(self, ended: threading.Event) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            self.begin_request(retried=number % RETRIED == 0)
            if len(self.open) > OPEN_REQUESTS:
                self.end_request()
            time.sleep(PACE)
        while self.open:
            self.end_request()

    def begin_request(self, *, retried: bool) -> None:
        name = new_id()
        line = admission(name)
        say("announced", name)
        self.timed(lambda: self.journal.admit(line))
        say("admitted", name)
        self.open.append(name)
        if retried:
            self.timed(lambda: self.journal.retry(name, SPARE))

    def end_request(self) -> None:
        name = self.open.popleft()
        line = finished(name)
        self.timed(lambda: self.journal.finish(line))
        say("finished", name)

    def timed(self, call: Callable[[], None]) -> None:
        began = time.perf_counter()
        call()
        self.slowest = max(self.slowest, time.perf_counter() - began)


def say(what: str, about: str) -> None:
    """One write a line: none is torn by the kill."""
    os.write(1, f"{what} {about}\n".encode())


def end_of_stdin() -> threading.Event:
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return ended


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
