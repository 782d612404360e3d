"""An independent mock of the providers (aimock, from npm) behind a live gateway."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from credentials.services import credential_create
from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.live import Live, serve
from tests.services import free_port, missing, require_program

HERE = Path(__file__).parent
AIMOCK = HERE / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js program, with the packages of tests/interop installed."""
    program = require_program("node")
    if not AIMOCK.exists():
        missing("aimock", "run `npm ci --prefix tests/interop`")
    return program


@pytest.fixture(scope="session")
def aimock(node: str) -> Iterator[str]:
    """The mock's origin."""
    port = free_port()
    command = [node, str(AIMOCK), "-p", str(port), "-h", "127.0.0.1", "-f", str(HERE / "fixtures.json")]
    with subprocess.Popen([*command, "--log-level", "silent", "-l", "5"]) as process:
        origin = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 15
        while not _is_ready(origin):
            assert process.poll() is None, "aimock ended at once"
            assert time.monotonic() < deadline, "aimock did not start"
            time.sleep(0.05)
        yield origin
        process.terminate()


def _is_ready(origin: str) -> bool:
    try:
        return httpx.get(f"{origin}/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def gateway(transactional_db: None, aimock: str, acme: Organization, alice: User) -> Iterator[Live]:
    """A live gateway whose one credential leads to the mock."""
    actor = actor_for_user(alice)
    credential_create(
        actor=actor,
        organization=acme,
        provider="openai",
        name="aimock",
        secret="fake-upstream-key",
        default_model="gpt-4o",
        model_list=["text-embedding-3-small"],
        base_url=f"{aimock}/v1",
    )
    _, token = token_create(actor=actor, organization=acme, name="app")
    with serve(token) as running:
        yield running
