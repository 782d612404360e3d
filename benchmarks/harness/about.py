"""Where, when and of what a run was."""

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("Django", "uvicorn", "uvloop", "httptools", "msgspec")


def circumstances(tree: Path, database_url: str) -> dict[str, Any]:
    """Return where and when a run took place, and of what."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": _commit(tree),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "nginx": _first_line(["nginx", "-v"]).rpartition("/")[2],
        "wrk": _first_line(["wrk", "-v"]).split(" ")[1],
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "database": "PostgreSQL" if database_url else "SQLite",
    }


def _commit(tree: Path) -> str:
    git = ["git", "-C", str(tree)]
    commit = _first_line([*git, "rev-parse", "--short", "HEAD"]) or "unknown"
    return (
        f"{commit}-dirty" if _first_line([*git, "status", "--porcelain", "--untracked-files=no"]) else commit
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().partition("\n")[0]
