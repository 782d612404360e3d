"""Secrets from the environment, from files, and from the state directory; addresses and private files."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from axiom import bootstrap
from axiom.env import InvalidSetting, env_secret
from axiom.lib.listening import CannotListen, base_url, listen
from axiom.lib.private_files import write_private
from tests.services import free_port

NAME = "AXIOM_TEST_SECRET"


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    """A secret in the state directory."""
    path = tmp_path / "secret"
    path.write_text("from the state directory\n")
    return path


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a management command with this environment and nothing else."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=bootstrap.ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_state_directory_is_the_last_resort(
    state_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert env_secret(NAME, state_file) == "from the state directory"
    (tmp_path / "named").write_text("from the named file\n")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "named"))
    assert env_secret(NAME, state_file) == "from the named file"
    monkeypatch.setenv(NAME, "from the variable")
    assert env_secret(NAME, state_file) == "from the variable"


@pytest.mark.parametrize("fallback", [None, Path("/nowhere/secret"), Path("/dev/null/secret")])
def test_no_secret_anywhere_is_none(fallback: Path | None) -> None:
    assert env_secret(NAME, fallback) is None


def test_a_named_file_that_cannot_be_read_is_a_refusal(
    state_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{NAME}_FILE", "/nowhere/secret")
    with pytest.raises(
        InvalidSetting, match=r"^AXIOM_TEST_SECRET cannot be read from /nowhere/secret: No such"
    ):
        env_secret(NAME, state_file)


def test_a_secret_that_is_not_text_is_not_shown(state_file: Path) -> None:
    state_file.write_bytes(b"\xff\xfesecret")
    with pytest.raises(InvalidSetting) as refusal:
        env_secret(NAME, state_file)
    assert str(refusal.value) == f"{NAME} cannot be read from {state_file}: it is not text."


def test_commands_find_the_keys_of_the_state_directory_by_themselves(tmp_path: Path) -> None:
    bootstrap.make_keys(tmp_path, {})
    found = manage("check", "--fail-level", "WARNING", AXIOM_VAR=str(tmp_path))
    assert (found.returncode, found.stderr) == (0, "")


def test_a_setting_that_cannot_be_used_is_one_line() -> None:
    found = manage("check", AXIOM_TIMEOUT_IDLE="soon")
    assert found.returncode == 1
    assert found.stderr == "axiom: AXIOM_TIMEOUT_IDLE='soon' is not a number of seconds above 0.\n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
        ("gateway.example", "http://gateway.example:8000"),
    ],
)
def test_the_printed_address_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert base_url(host, 8000) == url


def test_an_address_is_taken_once() -> None:
    port = free_port()
    with listen("127.0.0.1", port), pytest.raises(CannotListen, match=f"Port {port} on 127"):
        listen("127.0.0.1", port)


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["file"]
