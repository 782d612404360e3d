"""`serve`: what is handed to uvicorn, and what is one line in place of a traceback."""

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from gateway import server
from tests.services import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def handed_over(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[uvicorn.Config, int]]:
    """The configuration that uvicorn gets, with the port of its socket; nothing is served."""
    settings.HOST, settings.PORT = "127.0.0.1", free_port()
    calls: list[tuple[uvicorn.Config, int]] = []

    def take(config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        calls.append((config, sockets[0].getsockname()[1]))
        sockets[0].close()

    class Workers:
        def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
            take(config, sockets)

        def run(self) -> None:
            pass

    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: take(self.config, sockets))
    monkeypatch.setattr(server, "Multiprocess", Workers)
    return calls


def test_serves_in_this_process(handed_over: list[tuple[uvicorn.Config, int]], settings: Any) -> None:
    call_command("serve")
    ((config, port),) = handed_over
    assert port == settings.PORT
    assert config.app == "axiom.asgi:application"
    assert (config.loop, config.http, config.ws, config.lifespan) == ("uvloop", "httptools", "none", "on")
    assert (config.access_log, config.server_header, config.date_header) == (False, False, True)
    assert (config.timeout_keep_alive, config.timeout_graceful_shutdown, config.backlog) == (75, 30, 2048)
    assert config.proxy_headers is False
    assert config.workers == 1


def test_believes_a_proxy_that_is_announced(
    handed_over: list[tuple[uvicorn.Config, int]], settings: Any
) -> None:
    settings.AXIOM_BEHIND_TLS = True
    call_command("serve")
    assert handed_over[0][0].proxy_headers is True


def test_several_workers_start_with_empty_metrics(
    handed_over: list[tuple[uvicorn.Config, int]],
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    settings.WEB_CONCURRENCY = 3
    settings.PROMETHEUS_DIR = tmp_path / "metrics"
    settings.PROMETHEUS_DIR.mkdir()
    (settings.PROMETHEUS_DIR / "counter_1.db").touch()
    (settings.PROMETHEUS_DIR / "notes.txt").touch()
    call_command("serve")
    assert handed_over[0][0].workers == 3
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(settings.PROMETHEUS_DIR)
    assert [path.name for path in settings.PROMETHEUS_DIR.iterdir()] == ["notes.txt"]


def test_a_busy_port_is_one_line(
    handed_over: list[tuple[uvicorn.Config, int]], settings: Any, busy_port: int
) -> None:
    settings.PORT = busy_port
    with pytest.raises(CommandError, match=rf"^Port {busy_port} on 127\.0\.0\.1 is in use: [^\n]*$"):
        call_command("serve")
    assert handed_over == []


def test_a_database_that_is_not_migrated_is_one_line(
    handed_over: list[tuple[uvicorn.Config, int]],
) -> None:
    MigrationRecorder(connection).record_unapplied("tenants", "0001_initial")
    with pytest.raises(
        CommandError, match=re.escape("The database is not up to date: run `manage.py migrate`")
    ):
        call_command("serve")
    assert handed_over == []
