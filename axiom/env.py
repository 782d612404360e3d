"""Settings from the environment: `NAME`, or `NAME_FILE` for secrets kept in files."""

import os
from pathlib import Path


class InvalidSetting(ValueError):
    """An environment variable holds something unusable; the message names it and says what is expected."""


def env_str(name: str, default: str) -> str:
    """Return the variable's text, or `default` when it is unset or empty."""
    return os.environ.get(name) or default


def env_bool(name: str, *, default: bool) -> bool:
    """Return true for 1/true/yes/on and false for 0/false/no/off (any case).

    Raises InvalidSetting for anything else.
    """
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise InvalidSetting(f"{name}={text!r} is not a yes or no: use 1 or 0.")


def env_int(name: str, default: int, *, minimum: int = 0) -> int:
    """Return a whole number of at least `minimum`. Raises InvalidSetting otherwise."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit() or int(text) < minimum:
        raise InvalidSetting(f"{name}={text!r} is not a whole number of at least {minimum}.")
    return int(text)


def env_seconds(name: str, default: float) -> float:
    """Return a positive duration in seconds. Raises InvalidSetting otherwise."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise InvalidSetting(f"{name}={text!r} is not a number of seconds above 0.")
    return value


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the comma-separated entries, without blanks."""
    text = os.environ.get(name)
    if text is None:
        return list(default)
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def env_secret(name: str, fallback: Path | None = None) -> str | None:
    """Return the secret in `NAME`, else in the file that `NAME_FILE` names, else in `fallback` if it's there.

    Raises InvalidSetting when a file cannot be read.
    """
    if value := os.environ.get(name):
        return value
    named = os.environ.get(f"{name}_FILE")
    path = Path(named) if named else fallback
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        if not named and isinstance(problem, FileNotFoundError | NotADirectoryError):
            return None
        reason = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise InvalidSetting(f"{name} cannot be read from {path}: {reason}.") from problem
