"""Makes a checkout runnable with nothing but Python's standard library.

`run` installs the locked requirements into .venv, makes the state directory with its keys, and becomes
`manage.py quickstart`. `tools` installs the locked tools, for `make test` and `make check`.
Both do only what isn't done yet.
"""

import base64
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from axiom.lib.listening import CannotListen, listen
from axiom.lib.private_files import make_private_directory, write_private

ROOT = Path(__file__).resolve().parent.parent
RUNTIME, TOOLS = "requirements.txt", "requirements-dev.txt"


class Refusal(Exception):
    """The command can't go on; the message is one line that says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run `run` or `tools`. Returns the exit status; `run` doesn't return when all is well."""
    try:
        match list(arguments):
            case ["run"]:
                run(ROOT, os.environ)
            case ["tools"]:
                install(ROOT, TOOLS)
            case _:
                raise Refusal("usage: python3 -m axiom.launch run|tools")
    except Refusal as refusal:
        sys.stderr.write(f"axiom: {refusal}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(root: Path, environment: Mapping[str, str]) -> None:
    """Check what can be checked at once, install, make the keys, and become `manage.py quickstart`.

    Raises Refusal.
    """
    check_address(environment)
    state = prepare_state_directory(root, environment)
    install(root, RUNTIME)
    make_keys(state, environment)
    os.umask(0o077)  # the database and its log, too, are for this user only
    os.chdir(root)
    python = str(root / ".venv/bin/python")
    sys.stdout.flush()
    os.execve(python, [python, "manage.py", "quickstart"], {**environment, "AXIOM_VAR": str(state)})  # noqa: S606


def check_address(environment: Mapping[str, str]) -> None:
    """Refuse a busy or impossible address before anything is installed. Raises Refusal."""
    text = environment.get("PORT") or "8000"
    if not text.isdigit():
        raise Refusal(f"PORT={text} is not a port: use a number from 1 to 65535.")
    try:
        listen(environment.get("HOST") or "127.0.0.1", int(text)).close()
    except CannotListen as problem:
        raise Refusal(str(problem)) from problem


def prepare_state_directory(root: Path, environment: Mapping[str, str]) -> Path:
    """Make the state directory and return where it is. Raises Refusal."""
    state = Path(environment.get("AXIOM_VAR") or root / "var").absolute()
    try:
        make_private_directory(state)
    except OSError as problem:
        raise Refusal(
            f"The state directory {state} cannot be written ({problem.strerror}): "
            "fix its permissions, or choose another with AXIOM_VAR=/path."
        ) from problem
    return state


def make_keys(state: Path, environment: Mapping[str, str]) -> None:
    """Make the secrets that the operator hasn't given (NAME or NAME_FILE) and that aren't there yet.

    Raises Refusal rather than replace a lost key ring under a database that was sealed with it.
    """
    makers: dict[str, tuple[str, Callable[[], str]]] = {
        "AXIOM_SECRET_KEY": ("secret_key", lambda: secrets.token_urlsafe(48)),
        "AXIOM_KEYS": ("keys", lambda: "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()),
        "AXIOM_METRICS_TOKEN": ("metrics_token", lambda: secrets.token_urlsafe(32)),
    }
    for name, (file_name, make) in makers.items():
        path = state / file_name
        if environment.get(name) or environment.get(f"{name}_FILE") or path.exists():
            continue
        if name == "AXIOM_KEYS" and (state / "axiom.sqlite3").exists():
            raise Refusal(f"{path} is missing, and secrets in axiom.sqlite3 beside it need it: put it back.")
        write_private(path, make() + "\n")


def install(root: Path, lock_name: str) -> None:
    """Install a hashed lock into .venv, unless exactly this lock is there already. Raises Refusal."""
    with _one_at_a_time(root):
        if is_installed(root, lock_name):
            return
        installer = shutil.which("uv")
        if not (root / ".venv/bin/python").exists():
            _say("Making .venv ...")
            _make_venv(root, installer)
        _say(f"Installing {lock_name} (only when it has changed) ...")
        _run(_install_command(root, lock_name, installer), "The requirements could not be installed")
        # The tools' lock holds the runtime's lock, pin for pin.
        for name in (lock_name, RUNTIME):
            _stamp(root, name).write_text(_digest(root, name), encoding="utf-8")


def _make_venv(root: Path, installer: str | None) -> None:
    path = str(root / ".venv")
    if installer:
        _run(
            [installer, "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, path],
            "uv could not make .venv",
        )
        return
    if importlib.util.find_spec("ensurepip") is None:
        raise Refusal(
            "This Python cannot make virtual environments: install python3-venv (or uv), then try again."
        )
    _run([sys.executable, "-m", "venv", "--clear", path], "Python could not make .venv")


def _install_command(root: Path, lock_name: str, installer: str | None) -> list[str]:
    python, lock = str(root / ".venv/bin/python"), str(root / lock_name)
    if installer:
        options = ["--quiet", "--compile-bytecode", "--require-hashes", "--python", python]
        return [installer, "pip", "install", *options, "-r", lock]
    options = ["--quiet", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"]
    return [python, "-m", "pip", "install", *options, "-r", lock]


def is_installed(root: Path, lock_name: str) -> bool:
    """Tell whether exactly this lock is what .venv was installed from."""
    stamp = _stamp(root, lock_name)
    if not (root / ".venv/bin/python").exists() or not stamp.exists():
        return False
    return stamp.read_text(encoding="utf-8") == _digest(root, lock_name)


def _stamp(root: Path, lock_name: str) -> Path:
    return root / ".venv" / f"installed-{lock_name}.sha256"


def _digest(root: Path, lock_name: str) -> str:
    return hashlib.sha256((root / lock_name).read_bytes()).hexdigest()


@contextlib.contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the checkout, so that `make run` and `make test` side by side don't install over each other."""
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _run(command: list[str], complaint: str) -> None:
    status = subprocess.run(command, check=False).returncode  # noqa: S603  (no shell; the words are ours)
    if status != 0:
        raise Refusal(f"{complaint}: see the lines above. Running the same command again goes on from there.")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
