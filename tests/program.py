"""The gateway as a program of its own: configured by `apply`, run by `serve`, killed by signals."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.services import free_port

ROOT = Path(__file__).parent.parent
PREFIX = "/rest/v1/llm-gateway/v1"


def one_credential(base_url: str, model: str = "gpt-4o") -> str:
    """A configuration: acme, one credential whose secret is in FAKE_KEY, and the token acme/app."""
    return f"""
organizations:
  - slug: acme
    name: Acme Inc
    credentials:
      - name: primary
        provider: openai
        secret: {{env: FAKE_KEY}}
        default_model: {model}
        base_url: "{base_url}"
    tokens:
      - {{name: app, models: ["*"]}}
"""


class Program:
    """One gateway process with a state directory of its own."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.var = directory / "var"
        self.var.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.origin}{PREFIX}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "AXIOM_VAR": str(self.var),
            "AXIOM_SECRET_KEY": "tests-only",
            "AXIOM_KEYS": "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "AXIOM_METRICS_TOKEN": "tests-only-metrics-token",
            "AXIOM_EGRESS_ALLOW": "127.0.0.0/8",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        } | environment
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def configure(self, document: str) -> dict[str, Any]:
        """Migrate and apply a configuration; return what `apply --json` printed."""
        self.manage("migrate", "--verbosity", "0")
        path = self.directory / "gateway.yaml"
        path.write_text(document)
        found: dict[str, Any] = json.loads(self.manage("apply", str(path), "--json"))
        return found

    def start(self) -> None:
        """Start serving and wait until it can."""
        log = (self.directory / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
        )
        log.close()
        deadline = time.monotonic() + 30
        while not self._ready():
            assert self.process.poll() is None, (self.directory / "serve.log").read_text()
            assert time.monotonic() < deadline, (self.directory / "serve.log").read_text()
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.origin}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the SQLite database of the state directory."""
        with sqlite3.connect(self.var / "axiom.sqlite3", timeout=20) as connection:
            return connection.execute(sql).fetchall()

    def log(self) -> str:
        """Return everything that the process wrote."""
        return (self.directory / "serve.log").read_text()
