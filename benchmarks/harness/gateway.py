"""The gateway under test: a fresh state directory, its configuration, one process on one CPU."""

import base64
import json
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness.ledger import Ledger, PostgresLedger, SqliteLedger
from harness.nginx import render
from harness.processes import BenchError, Pinned, clean_environment, free_port

_CONFIGURATION = Path(__file__).resolve().parent.parent / "gateway.yaml.template"
CHAT_PATH = "/rest/v1/llm-gateway/v1/chat/completions"
START_SECONDS = 60


@dataclass(frozen=True)
class Setup:
    """How to start it."""

    tree: Path  # the checkout that holds manage.py
    state: Path  # an empty directory for AXIOM_VAR and logs
    cpu: int
    upstream_port: int
    slow_port: int
    database_url: str = ""  # empty: SQLite in the state directory


class Gateway:
    """A running gateway, its token and its ledger."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._var = setup.state / "var"
        self._var.mkdir(mode=0o700)
        self._env = self._environment()
        self._manage("migrate", "--no-input", "--verbosity", "0")
        self.token = self._configure()
        self.port = free_port()
        self.pinned = Pinned(
            [sys.executable, "manage.py", "serve"],
            cpu=setup.cpu,
            log=setup.state / "gateway.log",
            env={**self._env, "PORT": str(self.port)},
            cwd=setup.tree,
        )
        self.start_seconds = self.pinned.wait_until(self._is_ready, seconds=START_SECONDS)
        self.ledger: Ledger = self._ledger()

    @property
    def chat_url(self) -> str:
        """Return where chats are posted."""
        return f"http://127.0.0.1:{self.port}{CHAT_PATH}"

    def stop(self) -> int:
        """End it and return its exit code."""
        return self.pinned.stop()

    def _environment(self) -> dict[str, str]:
        env = clean_environment() | {
            "AXIOM_VAR": str(self._var),
            "AXIOM_SECRET_KEY": secrets.token_urlsafe(48),
            "AXIOM_KEYS": "bench:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "AXIOM_METRICS_TOKEN": secrets.token_urlsafe(32),
            "AXIOM_EGRESS_ALLOW": "127.0.0.0/8",
            "BENCH_UPSTREAM_KEY": "sk-bench-" + secrets.token_hex(24),
            "HOST": "127.0.0.1",
        }
        if self._setup.database_url:
            env["DATABASE_URL"] = self._setup.database_url
        return env

    def _configure(self) -> str:
        ports = {"UPSTREAM_PORT": str(self._setup.upstream_port), "SLOW_PORT": str(self._setup.slow_port)}
        path = self._setup.state / "gateway.yaml"
        path.write_text(render(_CONFIGURATION, ports))
        applied = json.loads(self._manage("apply", str(path), "--json"))
        return str(applied["tokens"]["bench/load"])

    def _manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self._env, cwd=self._setup.tree, check=False
        )
        if done.returncode:
            raise BenchError(f"manage.py {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _ledger(self) -> Ledger:
        if self._setup.database_url:
            return PostgresLedger(self._setup.database_url)
        return SqliteLedger(self._var / "axiom.sqlite3")
