"""wrk, pinned to the load's CPU."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.processes import BenchError, clean_environment

_SCRIPT = Path(__file__).resolve().parent.parent / "wrk" / "post.lua"


@dataclass(frozen=True)
class WrkResult:
    """What wrk saw. `requests` were answered in full; others were open when it stopped."""

    requests: int
    seconds: float
    bytes: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    status_errors: int  # status above 399
    socket_errors: int
    timeouts: int

    @property
    def per_second(self) -> float:
        """Return the answered requests per second."""
        return self.requests / self.seconds

    @property
    def errors(self) -> int:
        """Return everything that wasn't a good answer."""
        return self.status_errors + self.socket_errors + self.timeouts

    def as_dict(self) -> dict[str, float]:
        """Return the fields and the rate."""
        return {**asdict(self), "per_second": self.per_second}


@dataclass(frozen=True)
class Load:
    """What to send where."""

    url: str
    body: Path
    token: str
    connections: int


def run(load: Load, *, seconds: float, cpu: int) -> WrkResult:
    """Send the load for whole seconds and return what came back. Raises BenchError when wrk fails."""
    command = ["taskset", "--cpu-list", str(cpu), "wrk", "--threads", "1"]
    command += ["--connections", str(load.connections), "--duration", f"{seconds:.0f}s", "--timeout", "10s"]
    command += ["--script", str(_SCRIPT), load.url]
    env = {**clean_environment(), "BENCH_BODY": str(load.body), "BENCH_TOKEN": load.token}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("BENCH "):
            return WrkResult(**json.loads(line.removeprefix("BENCH ")))
    raise BenchError(f"wrk failed with code {done.returncode}:\n{done.stdout}{done.stderr}")
