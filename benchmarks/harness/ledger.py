"""Counts the rows of the usage ledger from outside the gateway, in SQLite or PostgreSQL."""

import os
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from harness.processes import BenchError

_COUNT = "SELECT count(*) FROM finops_usagerecord"
_OUTCOMES = "SELECT outcome, count(*) FROM finops_usagerecord GROUP BY outcome"
POLL_SECONDS = 0.1
QUIET_SECONDS = 1.0


class Ledger(Protocol):
    """The one table, read only."""

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """Return the rows of a query."""


class SqliteLedger:
    """The ledger of the embedded mode."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """Return the rows of a query, each value as text."""
        return [tuple(map(str, row)) for row in self._connection.execute(sql).fetchall()]


class PostgresLedger:
    """The ledger in PostgreSQL, asked through psql."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """Return the rows of a query, each value as text."""
        return [tuple(line.split("|")) for line in psql(self._url, sql).splitlines()]


@dataclass(frozen=True)
class Settled:
    """What the ledger gained by a run."""

    rows: int
    lag_seconds: float  # from the end of the load until the answered requests were all there
    missing: int  # answered requests without a row
    surplus: int  # rows beyond the answered requests and those that were open at the end


def count(ledger: Ledger) -> int:
    """Return the number of usage records."""
    return int(ledger.rows(_COUNT)[0][0])


def outcomes(ledger: Ledger) -> dict[str, int]:
    """Return the number of usage records by outcome."""
    return {outcome: int(number) for outcome, number in ledger.rows(_OUTCOMES)}


def settle(ledger: Ledger, *, before: int, answered: int, open_at_end: int, seconds: float = 60) -> Settled:
    """Wait until the ledger holds the answered requests and has come to rest, at most `seconds`.

    `open_at_end` is how many more may be there: requests that the load cut off when it stopped.
    """
    started = changed = time.monotonic()
    lag, last = seconds, -1
    while (now := time.monotonic()) - started < seconds:
        rows = count(ledger) - before
        if rows != last:
            last, changed = rows, now
        if rows >= answered:
            lag = min(lag, now - started)
            if now - changed > QUIET_SECONDS:
                break
        time.sleep(POLL_SECONDS)
    return Settled(last, lag, max(0, answered - last), max(0, last - answered - open_at_end))


def create_database(url: str) -> str:
    """Create an empty database beside the one named by `url` and return its URL."""
    name = f"axiom_bench_{os.getpid()}"
    psql(url, f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def drop_database(url: str, created: str) -> None:
    """Drop what create_database made."""
    psql(url, f"DROP DATABASE IF EXISTS {urlsplit(created).path.lstrip('/')} WITH (FORCE)")


def psql(url: str, sql: str) -> str:
    """Run one statement and return its output. Raises BenchError with the server's words."""
    command = ["psql", url, "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()
