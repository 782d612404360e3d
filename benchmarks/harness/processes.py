"""Processes pinned to a CPU: starting, stopping, and what they used of CPU and memory."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MIB = 1024 * 1024
STOP_SECONDS = 20.0


class BenchError(RuntimeError):
    """The run cannot go on; the message says why and what to do."""


class Pinned:
    """A process, and all it starts, on one CPU. Its output goes to a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cpu: int,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = log.stem
        self.cpu = cpu
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                ["taskset", "--cpu-list", str(cpu), *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=None if env is None else dict(env),
                cwd=cwd,
            )
        self.process = psutil.Process(self._popen.pid)

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> float:
        """Wait until `ready` and return the seconds. Raises BenchError when it ends or takes longer."""
        started = time.monotonic()
        while not ready():
            if self._popen.poll() is not None:
                raise BenchError(f"{self.name} ended with code {self._popen.returncode}:\n{self.tail()}")
            if time.monotonic() - started > seconds:
                raise BenchError(f"{self.name} isn't ready after {seconds:g} s:\n{self.tail()}")
            time.sleep(0.05)
        return time.monotonic() - started

    def last_words(self) -> str:
        """Return whether it still runs and the end of its output."""
        code = self._popen.poll()
        state = "still runs" if code is None else f"has ended with code {code}"
        return f"{self.name} {state}:\n{self.tail()}"

    def tail(self, lines: int = 20) -> str:
        """Return the end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def tree(self) -> list[psutil.Process]:
        """Return the process and its descendants."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far by all threads of the tree, in seconds."""
        return sum(sum(each.cpu_times()[:2]) for each in self.tree())

    def rss_mib(self) -> float:
        """Return the resident memory of the tree, in MiB."""
        return sum(each.memory_info().rss for each in self.tree()) / MIB

    def stop(self) -> int:
        """End it, politely first, and return its exit code."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()


@dataclass(frozen=True)
class CpuUse:
    """What happened on the gateway's CPU during a window."""

    seconds: float  # wall clock
    own_seconds: float  # CPU of the process under test
    others_share: float  # share of the CPU that other processes took

    @property
    def share(self) -> float:
        """Return the part of the CPU that the process under test used."""
        return self.own_seconds / self.seconds


class CpuWindow:
    """Measures from its creation to `close`."""

    def __init__(self, subject: Pinned) -> None:
        self._subject = subject
        self._started = time.monotonic()
        self._own = subject.cpu_seconds()
        self._busy = _busy_seconds(subject.cpu)

    def close(self) -> CpuUse:
        """Return the use since the start."""
        seconds = time.monotonic() - self._started
        own = self._subject.cpu_seconds() - self._own
        busy = _busy_seconds(self._subject.cpu) - self._busy
        return CpuUse(seconds, own, max(0.0, (busy - own) / seconds))


def _busy_seconds(cpu: int) -> float:
    times: Any = psutil.cpu_times(percpu=True)[cpu]
    return float(sum(times[:8]) - times.idle - times.iowait)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Tell whether somebody listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def clean_environment() -> dict[str, str]:
    """Return the few variables that a program needs, without the settings of whoever runs the benchmark."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
