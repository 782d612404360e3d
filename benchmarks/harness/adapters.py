"""How long the import of all adapters takes, in interpreters of their own."""

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.processes import BenchError, clean_environment

_REPEATS = 5
_ALL = "import gateway.providers.registry"
_LEAST = "import msgspec"  # the interpreter's start, and what the gateway has loaded anyhow


def measure(tree: Path, *, cpu: int) -> dict[str, Any]:
    """Return the medians of wall and CPU time of both imports and what is between them, in ms."""
    _run(_ALL, tree, cpu)  # writes the bytecode
    pairs = [(_run(_ALL, tree, cpu), _run(_LEAST, tree, cpu)) for _ in range(_REPEATS)]
    every, least = ([pair[index] for pair in pairs] for index in (0, 1))
    (all_wall, all_cpu), (least_wall, least_cpu) = _medians(every), _medians(least)
    return {
        "repeats": _REPEATS,
        "all_ms": all_wall,
        "all_cpu_ms": all_cpu,
        "least_ms": least_wall,
        "least_cpu_ms": least_cpu,
        "added_ms": all_wall - least_wall,
        "added_cpu_ms": all_cpu - least_cpu,
    }


def _run(statement: str, tree: Path, cpu: int) -> tuple[float, float]:
    """Return wall and CPU time, in ms. Raises BenchError when the import fails."""
    command = ["taskset", "--cpu-list", str(cpu), sys.executable, "-c", statement]
    used, started = _children_seconds(), time.perf_counter()
    done = subprocess.run(
        command, cwd=tree, env=clean_environment(), capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - started
    if done.returncode:
        raise BenchError(f"{statement} failed:\n{done.stderr[-2000:]}")
    return wall * 1000, (_children_seconds() - used) * 1000


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _medians(runs: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(wall for wall, _ in runs), statistics.median(used for _, used in runs)
