"""kill -9 of a process that writes its journal at speed: every admitted request is in the ledger, once."""

import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.worker import OPEN_REQUESTS
from tests.reliability.workers import Worker, migrate, reports

KILLS = 10


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    migrate(tmp_path, f"sqlite:///{path}")
    return path


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(database) as connection:
        return connection.execute(sql).fetchall()


def wait_for_traffic(worker: Worker, seconds: float) -> None:
    """Let the worker run for so long after its first request ended."""
    deadline = time.monotonic() + 30
    while b"finished" not in worker.report.read_bytes():
        assert worker.process.poll() is None, worker.log.read_text()
        assert time.monotonic() < deadline, worker.log.read_text()
        time.sleep(0.02)
    time.sleep(seconds)


def assert_ledger_is_complete(directory: Path, database: Path, *, interrupted_at_most: int) -> None:
    told = reports(directory)
    outcomes = dict(rows(database, "SELECT id, outcome FROM finops_usagerecord"))
    assert len(told["finished"]) > 100
    assert told["admitted"] <= set(outcomes) <= told["announced"]
    assert {id for id in told["finished"] if outcomes[id] != "ok"} == set()
    # A kill between the write and its report leaves an end that nobody was told of.
    unreported = {id for id in outcomes if id not in told["finished"] and outcomes[id] == "ok"}
    assert len(unreported) <= KILLS
    interrupted = {id for id, outcome in outcomes.items() if outcome == "interrupted"}
    assert 0 < len(interrupted) <= interrupted_at_most
    wrong = rows(
        database,
        "SELECT r.id FROM finops_usagerecord r LEFT JOIN finops_usageattempt a ON a.request_id = r.id"
        " GROUP BY r.id HAVING count(a.id) != max(r.attempts)",
    )
    assert wrong == []
    assert rows(database, "SELECT DISTINCT outcome FROM finops_usagerecord WHERE attempts > 1") == [
        ("interrupted",)
    ]
    assert [path for path in (directory / "journal").iterdir() if path.is_dir()] == []


def test_no_request_is_lost_or_doubled_by_kills(tmp_path: Path, database: Path) -> None:
    url = f"sqlite:///{database}"
    draw = random.Random()  # whatever moment the kill hits, it must hold
    for _ in range(KILLS):
        worker = Worker("serve", tmp_path, url)
        wait_for_traffic(worker, draw.uniform(0, 0.8))
        worker.kill()
        assert worker.process.returncode == -signal.SIGKILL
    Worker("recover", tmp_path, url).finish()
    assert_ledger_is_complete(tmp_path, database, interrupted_at_most=KILLS * (OPEN_REQUESTS + 1))


def test_a_kill_between_insert_and_deletion_doubles_nothing(tmp_path: Path, database: Path) -> None:
    url = f"sqlite:///{database}"
    for _ in range(3):
        worker = Worker("die-before-drop", tmp_path, url)
        worker.wait()
        assert worker.process.returncode == -signal.SIGKILL
    assert rows(database, "SELECT count(*) FROM finops_usagerecord")[0][0] > 0
    assert list((tmp_path / "journal").glob("*/*.jsonl")) != []
    Worker("recover", tmp_path, url).finish()
    assert_ledger_is_complete(tmp_path, database, interrupted_at_most=3 * (OPEN_REQUESTS + 1))


def test_an_orderly_end_leaves_nothing_behind(tmp_path: Path, database: Path) -> None:
    worker = Worker("serve", tmp_path, f"sqlite:///{database}")
    wait_for_traffic(worker, 0.3)
    worker.finish()
    told = reports(tmp_path)
    outcomes = dict(rows(database, "SELECT id, outcome FROM finops_usagerecord"))
    assert set(outcomes) == told["announced"] == told["finished"]
    assert set(outcomes.values()) == {"ok"}
    assert [path for path in (tmp_path / "journal").iterdir() if path.is_dir()] == []
