"""PostgreSQL freezes, breaks and comes back: requests don't notice and no record is lost."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.reliability.tcp_proxy import TcpProxy, proxy_to
from tests.reliability.workers import Worker, migrate, reports
from tests.services import require_port

OUTAGE = 2.5  # seconds
SERVER = "postgresql://postgres@127.0.0.1:5432"


@pytest.fixture
def database() -> Iterator[str]:
    """A database of this test's own."""
    require_port("PostgreSQL", 5432)
    name = f"axiom_away_{os.getpid()}"
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with proxy_to(5432) as running:
        yield running


def query(database: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(f"{SERVER}/{database}") as connection:
        return connection.execute(sql).fetchall()


def stored(database: str) -> set[str]:
    return {row[0] for row in query(database, "SELECT id FROM finops_usagerecord")}


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("fault", ["freeze", "cut"])
def test_an_outage_loses_nothing_and_ends_by_itself(
    tmp_path: Path, database: str, proxy: TcpProxy, fault: str
) -> None:
    url = f"postgres://postgres@127.0.0.1:{proxy.port}/{database}"
    migrate(tmp_path, url)
    worker = Worker("serve", tmp_path, url)
    wait_until(lambda: len(stored(database)) > 100, 30)

    getattr(proxy, fault)()
    time.sleep(0.3)  # what was on its way arrives
    before = stored(database)
    time.sleep(OUTAGE)
    assert stored(database) == before
    waiting = reports(tmp_path)["finished"]
    assert len(waiting - before) > 100  # requests went on meanwhile
    assert worker.process.poll() is None

    proxy.restore()
    wait_until(lambda: waiting <= stored(database), 6)
    worker.finish()
    told = reports(tmp_path)
    assert stored(database) == told["announced"] == told["finished"]
    assert query(database, "SELECT count(*) FROM finops_usageattempt") == [(len(told["finished"]),)]
    assert max(int(text) for text in told["slowest"]) < 100_000  # microseconds; it never waits for the ledger
    assert [path for path in (tmp_path / "journal").iterdir() if path.is_dir()] == []
    lines = [line for line in worker.log.read_text().splitlines() if "shipping" in line]
    assert [("is away" in line, "has caught up" in line) for line in lines] == (
        [(True, False), (False, True)] if fault == "cut" else []
    )


def test_a_start_without_the_database_serves_and_ships_later(
    tmp_path: Path, database: str, proxy: TcpProxy
) -> None:
    url = f"postgres://postgres@127.0.0.1:{proxy.port}/{database}"
    migrate(tmp_path, url)
    proxy.cut()
    worker = Worker("serve", tmp_path, url)
    wait_until(lambda: len(reports(tmp_path)["finished"]) > 200, 30)
    proxy.restore()
    wait_until(lambda: len(stored(database)) > 200, 10)
    worker.finish()
    assert stored(database) == reports(tmp_path)["finished"]


def test_a_stop_during_an_outage_leaves_the_rest_for_the_next_start(
    tmp_path: Path, database: str, proxy: TcpProxy
) -> None:
    url = f"postgres://postgres@127.0.0.1:{proxy.port}/{database}"
    migrate(tmp_path, url)
    worker = Worker("serve", tmp_path, url)
    wait_until(lambda: len(stored(database)) > 100, 30)
    proxy.freeze()
    time.sleep(0.6)
    began = time.monotonic()
    worker.finish()
    assert time.monotonic() - began < 8
    assert len(stored(database)) < len(reports(tmp_path)["finished"])
    proxy.restore()
    Worker("recover", tmp_path, url).finish()
    told = reports(tmp_path)
    assert stored(database) == told["announced"] == told["finished"]
    assert query(database, "SELECT DISTINCT outcome FROM finops_usagerecord") == [("ok",)]
