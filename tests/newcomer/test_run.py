"""`make run` as a newcomer sees it: what it prints works, it ends cleanly, and it starts quickly again."""

import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from axiom import bootstrap
from tests.live import wait_until
from tests.services import free_port, missing

ROOT = bootstrap.ROOT
pytestmark = pytest.mark.serial


class Running:
    """One `make run`, in a process group of its own as a terminal would give it."""

    def __init__(self, state: Path, port: int) -> None:
        self.state, self.port = state, port
        self.ready_after = 0.0  # seconds
        self.output = state.parent / f"output-{time.monotonic_ns()}"
        self.started = time.monotonic()
        environment = {"PATH": os.environ["PATH"], "AXIOM_VAR": str(state), "PORT": str(port)}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "run", f"PYTHON={sys.executable}"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> float:
        """Return the seconds from the start to the first answer that it can serve."""
        while time.monotonic() < self.started + 60:
            assert self.process.poll() is None, self.printed()
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200:
                    return time.monotonic() - self.started
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"not ready in time\n{self.printed()}")

    def printed(self) -> str:
        """Return everything printed so far."""
        return self.output.read_text()

    def facts(self) -> dict[str, str]:
        """Return what quickstart.json says."""
        found: dict[str, str] = json.loads((self.state / "quickstart.json").read_text())
        return found

    def end(self, number: signal.Signals) -> str:
        """Send a signal to the whole group, as Ctrl-C does; return what was printed until the end."""
        os.killpg(self.process.pid, number)
        self.process.wait(40)
        return self.printed()


@contextmanager
def start(state: Path, port: int) -> Iterator[Running]:
    """Run `make run` until the block ends."""
    process = Running(state, port)
    try:
        process.ready_after = process.wait_until_ready()
        yield process
    finally:
        if process.process.poll() is None:
            os.killpg(process.process.pid, signal.SIGKILL)
            process.process.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The first `make run` of an instance, in a state directory that isn't there yet."""
    if not bootstrap.is_installed(ROOT, bootstrap.RUNTIME):
        missing("an installed .venv", "run `make tools`")
    with start(tmp_path_factory.mktemp("newcomer") / "state", free_port()) as process:
        yield process


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Running]:
    """A later `make run` of an instance."""
    state = tmp_path / "state"
    with start(state, free_port()) as first:
        first.end(signal.SIGTERM)
    with start(state, first.port) as process:
        yield process


def test_the_printed_command_streams_an_answer(running: Running) -> None:
    found = re.search(r"^  (curl -N .*?'\{.*?\}')$", running.printed(), re.MULTILINE | re.DOTALL)
    assert found is not None
    streamed = subprocess.run(
        ["bash", "-c", found[1]], capture_output=True, text=True, timeout=20, check=True
    ).stdout
    frames = [line.removeprefix("data: ") for line in streamed.splitlines() if line]
    assert frames[-1] == "[DONE]"
    chunks: list[dict[str, Any]] = [json.loads(frame) for frame in frames[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert "Hello" in text
    assert len(chunks) > 3


def test_state_is_for_this_user_only(running: Running) -> None:
    assert stat.S_IMODE(running.state.stat().st_mode) == 0o700
    files = [path for path in running.state.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"axiom.sqlite3", "secret_key", "keys", "metrics_token", "quickstart.json"} <= names
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in files} == dict.fromkeys(names, 0)
    with sqlite3.connect(running.state / "axiom.sqlite3") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_admin_has_its_styles_and_takes_the_password(running: Running) -> None:
    found = running.facts()
    with httpx.Client(follow_redirects=True) as browser:
        page = browser.get(found["admin_url"])
        sheets = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
        assert sheets
        for sheet in sheets:
            assert browser.get(f"http://127.0.0.1:{running.port}{sheet}").status_code == 200
        fields = {
            "username": found["admin_email"],
            "password": found["admin_password"],
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            "next": "/admin/",
        }
        page = browser.post(str(page.url), data=fields, headers={"referer": str(page.url)})
        assert str(page.url) == found["admin_url"]
        assert "sessionid" in browser.cookies


def test_later_starts_are_quick_and_print_no_secret(second: Running) -> None:
    assert second.ready_after <= 5
    found = second.facts()
    printed = second.end(signal.SIGTERM)
    assert found["admin_url"] in printed
    assert found["base_url"] in printed
    for key in ("admin_password", "token", "metrics_token"):
        assert found[key] not in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_at_once_and_without_a_traceback(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path / "state", free_port()) as process:
        asked = time.monotonic()
        printed = process.end(number)
    assert time.monotonic() - asked < 3
    assert "Traceback" not in printed
    assert process.process.returncode in {0, -number, 2}  # make reports the signal in its own way
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{process.port}/livez")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_itself_ends_with_status_0(running: Running, number: signal.Signals) -> None:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "AXIOM_VAR": str(running.state), "PORT": str(port)}
    command = [sys.executable, "manage.py", "serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: answers(port), 20)
        process.send_signal(number)
        assert process.wait(10) == 0


def answers(port: int) -> bool:
    """Tell whether the process there is alive."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
    except httpx.TransportError:
        return False
