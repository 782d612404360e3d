"""Starting, killing and listening to tests.reliability.worker."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Worker:
    """One worker process. Its report goes to a file, so that no pipe can block it or lose a line."""

    def __init__(self, mode: str, directory: Path, database_url: str) -> None:
        self.report = directory / f"report-{len(list(directory.glob('report-*')))}"
        self.journal_root = directory / "journal"
        self.log = self.report.with_name(self.report.name.replace("report", "log"))
        with self.report.open("wb") as stdout, self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.reliability.worker", mode, str(self.journal_root)],
                cwd=ROOT,
                env=environment(directory, database_url),
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
            )

    def kill(self) -> None:
        """SIGKILL; wait until it is gone."""
        self.process.kill()
        self.wait()

    def finish(self) -> None:
        """Let it end in good order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.wait()
        assert self.process.returncode == 0, self.log.read_text()

    def wait(self) -> None:
        """Wait until the process is gone."""
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()


def environment(directory: Path, database_url: str) -> dict[str, str]:
    """Return the environment of a worker with its state in `directory`."""
    return os.environ | {
        "DATABASE_URL": database_url,
        "AXIOM_VAR": str(directory),
        "DJANGO_SETTINGS_MODULE": "axiom.settings",
    }


def migrate(directory: Path, database_url: str) -> None:
    """Create the tables."""
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env=environment(directory, database_url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def reports(directory: Path) -> dict[str, set[str]]:
    """Return the ids that all workers of the directory reported: announced, admitted, finished."""
    found: dict[str, set[str]] = defaultdict(set)
    for report in directory.glob("report-*"):
        for line in report.read_text().splitlines():
            what, about = line.split(" ")
            found[what].add(about)
    return found
