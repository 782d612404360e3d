"""The launcher: what it refuses, what it makes, and what it does only once."""

import ast
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from axiom import bootstrap, launch
from axiom.bootstrap import Refusal
from tests.services import free_port

ROOT = Path(bootstrap.__file__).resolve().parent.parent


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with nothing in it."""
    path = tmp_path / "state"
    path.mkdir()
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with both locks, and a .venv whose interpreter is there."""
    root = tmp_path / "checkout"
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").touch()
    (root / "requirements.txt").write_text("one==1 --hash=sha256:00\n")
    (root / "requirements-dev.txt").write_text("one==1 --hash=sha256:00\ntwo==2 --hash=sha256:00\n")
    return root


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command the launcher runs, none of which is carried out."""
    ran: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "_run", lambda command, complaint: ran.append(command))
    monkeypatch.setattr("shutil.which", lambda name: None)
    return ran


def mode(path: Path) -> int:
    """Return a file's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_launcher_can_be_read_by_python_3_6() -> None:
    for name in ("launch.py", "__init__.py"):
        ast.parse((ROOT / "axiom" / name).read_text(), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("version", "refused"), [((3, 6), True), ((3, 10), True), ((3, 11), False), ((3, 14), False)]
)
def test_refuses_a_python_before_3_11_in_one_line(version: tuple[int, int], refused: bool) -> None:
    reason = launch.refusal(*version)
    assert bool(reason) is refused
    if refused:
        assert reason == (
            f"axiom: this is Python 3.{version[1]}, and 3.11 or newer is needed. "
            "Install one and name it: make run PYTHON=python3.11"
        )


def test_refuses_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["walk"]) == 1
    assert capsys.readouterr().err == "axiom: usage: python3 -m axiom.launch run|tools\n"


def test_refuses_a_busy_port_before_anything_is_installed(
    checkout: Path, commands: list[list[str]], busy_port: int
) -> None:
    with pytest.raises(
        Refusal, match=rf"^Port {busy_port} on 127\.0\.0\.1 is in use: .* PORT={busy_port + 1}\.$"
    ):
        bootstrap.run(checkout, {"PORT": str(busy_port)})
    assert commands == []
    assert not (checkout / "var").exists()


@pytest.mark.parametrize(
    ("environment", "advice"),
    [
        ({"PORT": "http"}, "PORT=http is not a port: use a number from 1 to 65535."),
        ({"PORT": "0"}, "PORT=0 is not a port: use a number from 1 to 65535."),
        ({"PORT": "70000"}, "PORT=70000 is not a port: use a number from 1 to 65535."),
        ({"HOST": "192.0.2.1", "PORT": "8123"}, "HOST=192.0.2.1 is not an address of this machine"),
    ],
)
def test_refuses_an_impossible_address(environment: dict[str, str], advice: str) -> None:
    with pytest.raises(Refusal, match=re.escape(advice)):
        bootstrap.check_address(environment)


def test_refuses_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refusal, match=r"cannot be written \(Not a directory\): .* AXIOM_VAR=/path\.$"):
        bootstrap.prepare_state_directory(tmp_path, {"AXIOM_VAR": str(tmp_path / "file" / "var")})


def test_makes_a_state_directory_for_this_user_only(tmp_path: Path) -> None:
    state = bootstrap.prepare_state_directory(tmp_path, {})
    assert state == tmp_path / "var"
    assert mode(state) == 0o700
    assert list(state.iterdir()) == []


def test_leaves_the_mode_of_a_directory_that_was_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    bootstrap.prepare_state_directory(tmp_path, {"AXIOM_VAR": str(tmp_path)})
    assert mode(tmp_path) == 0o755


def test_makes_keys_for_this_user_only_and_keeps_them(state: Path) -> None:
    bootstrap.make_keys(state, {})
    made = {path.name: path.read_text() for path in state.iterdir()}
    assert set(made) == {"secret_key", "keys", "metrics_token"}
    assert {mode(state / name) for name in made} == {0o600}
    assert re.fullmatch(r"k1:[A-Za-z0-9+/]{43}=\n", made["keys"])
    assert len(made["secret_key"].strip()) >= 50
    bootstrap.make_keys(state, {})
    assert {path.name: path.read_text() for path in state.iterdir()} == made


def test_makes_no_key_that_the_operator_gives(state: Path) -> None:
    bootstrap.make_keys(state, {"AXIOM_KEYS": "k1:...", "AXIOM_SECRET_KEY_FILE": "/run/secrets/key"})
    assert [path.name for path in state.iterdir()] == ["metrics_token"]


def test_refuses_to_replace_a_lost_key_ring(state: Path) -> None:
    (state / "axiom.sqlite3").touch()
    with pytest.raises(Refusal, match=r"keys is missing, .* put it back\.$"):
        bootstrap.make_keys(state, {})
    assert not (state / "keys").exists()


def test_installs_a_lock_with_hashes_and_only_once(checkout: Path, commands: list[list[str]]) -> None:
    bootstrap.install(checkout, "requirements.txt")
    (command,) = commands
    assert command[:4] == [str(checkout / ".venv/bin/python"), "-m", "pip", "install"]
    assert "--require-hashes" in command
    assert command[-2:] == ["-r", str(checkout / "requirements.txt")]
    bootstrap.install(checkout, "requirements.txt")
    assert len(commands) == 1


def test_installs_again_when_the_lock_has_changed(checkout: Path, commands: list[list[str]]) -> None:
    bootstrap.install(checkout, "requirements.txt")
    (checkout / "requirements.txt").write_text("one==2 --hash=sha256:00\n")
    bootstrap.install(checkout, "requirements.txt")
    assert len(commands) == 2


def test_tools_bring_the_runtime_with_them(checkout: Path, commands: list[list[str]]) -> None:
    bootstrap.install(checkout, "requirements-dev.txt")
    bootstrap.install(checkout, "requirements.txt")
    assert [command[-1] for command in commands] == [str(checkout / "requirements-dev.txt")]


def test_tools_lock_holds_the_runtime_lock() -> None:
    pins = re.compile(r"^[A-Za-z0-9_.-]+(?:\[[a-z,]+\])?==[^ ]+", re.MULTILINE)
    runtime = set(pins.findall((ROOT / "requirements.txt").read_text()))
    tools = set(pins.findall((ROOT / "requirements-dev.txt").read_text()))
    assert runtime
    assert runtime <= tools


def test_uses_uv_where_it_is(
    checkout: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/uv")
    (checkout / ".venv/bin/python").unlink()
    bootstrap.install(checkout, "requirements.txt")
    make, install = commands
    assert make[:2] == ["/usr/bin/uv", "venv"]
    assert install[:3] == ["/usr/bin/uv", "pip", "install"]
    assert "--require-hashes" in install


def test_says_what_is_missing_for_a_virtual_environment(
    checkout: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (checkout / ".venv/bin/python").unlink()
    with pytest.raises(Refusal, match="install python3-venv"):
        bootstrap.install(checkout, "requirements.txt")
    assert commands == []


def test_nothing_is_marked_as_installed_when_the_installer_fails(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(bootstrap, "_install_command", lambda *arguments: [sys.executable, "-c", "exit(3)"])
    with pytest.raises(Refusal, match="could not be installed"):
        bootstrap.install(checkout, "requirements.txt")
    assert not list((checkout / ".venv").glob("installed-*"))


def test_make_prints_one_line_and_fails_when_the_port_is_busy(tmp_path: Path, busy_port: int) -> None:
    ran = subprocess.run(
        ["make", "run", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PORT": str(busy_port), "AXIOM_VAR": str(tmp_path / "var")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    line, from_make = ran.stderr.splitlines()
    assert line.startswith(f"axiom: Port {busy_port} on 127.0.0.1 is in use:")
    assert from_make.startswith("make: ***")


def test_make_prints_one_line_and_fails_when_the_state_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = subprocess.run(
        ["make", "run", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PORT": str(free_port()), "AXIOM_VAR": str(tmp_path / "file/var")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("axiom: The state directory ")
    assert "Traceback" not in ran.stderr
