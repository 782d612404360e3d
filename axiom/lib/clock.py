"""The only place that reads the wall clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(tz=UTC)


def unix() -> float:
    """Return seconds since the epoch."""
    return time.time()


def from_unix(seconds: float) -> datetime:
    """Return the time that is `seconds` after the epoch, aware, in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)
