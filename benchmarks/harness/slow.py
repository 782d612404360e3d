"""The stage with hundreds of slow streams at once."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.processes import BenchError, Pinned, accepts, clean_environment, free_port
from harness.slow_client import Plan

_HERE = Path(__file__).resolve().parent
START_SECONDS = 10


@dataclass(frozen=True)
class SlowResult:
    """What the client saw, in milliseconds. `counted` streams began in the window, of all `started`."""

    started: int
    counted: int
    errors: dict[str, int]
    first_p50_ms: float
    first_p99_ms: float
    total_p50_ms: float

    def as_dict(self) -> dict[str, object]:
        """Return the fields."""
        return asdict(self)


class SlowUpstream:
    """The running slow provider."""

    def __init__(self, *, cpu: int, state: Path) -> None:
        self.port = free_port()
        self.pinned = Pinned(
            [sys.executable, str(_HERE / "slow_upstream.py"), str(self.port)],
            cpu=cpu,
            log=state / "slow-upstream.log",
            env=clean_environment(),
        )
        self.pinned.wait_until(lambda: accepts(self.port), seconds=START_SECONDS)

    @property
    def chat_url(self) -> str:
        """Return where chats are posted."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    def stop(self) -> None:
        """End it."""
        self.pinned.stop()


def run(plan: Plan, *, cpu: int) -> SlowResult:
    """Carry the plan out in a process of its own. Raises BenchError when that fails or counts nothing."""
    command = ["taskset", "--cpu-list", str(cpu), sys.executable, str(_HERE / "slow_client.py")]
    command.append(json.dumps(asdict(plan)))
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    if done.returncode:
        raise BenchError(f"The client of the slow streams failed:\n{done.stderr[-2000:]}")
    seen = json.loads(done.stdout)
    if not seen["first"]:
        raise BenchError(f"No slow stream has begun: {seen['errors']}")
    return SlowResult(
        started=seen["started"],
        counted=len(seen["first"]),
        errors=seen["errors"],
        first_p50_ms=percentile(seen["first"], 50),
        first_p99_ms=percentile(seen["first"], 99),
        total_p50_ms=percentile(seen["total"] or [0.0], 50),
    )


def percentile(values: list[float], percent: int) -> float:
    """Return the smallest value that `percent` of the values don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
