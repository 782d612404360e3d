"""How long a provider asks to wait, from its response headers. Pure: its own `date` header is the clock."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST = 86400.0  # seconds; nobody waits longer than a day
_EPOCH = 1e9  # a bare number from here on is seconds since the epoch
_EPOCH_MS = 1e12  # and from here on milliseconds
_GO_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns))")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_RESET = re.compile(r"x-rate-?limit-reset(?P<window>.*)")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `retry-after-ms`, else of `retry-after` (seconds or a date), else None."""
    now = _now(headers)
    milliseconds = _wait(headers.get("retry-after-ms", ""), now, scale=1e-3)
    return milliseconds if milliseconds is not None else _wait(headers.get("retry-after", ""), now)


def seconds_until(text: str, headers: Mapping[str, str]) -> float | None:
    """Return the seconds from the answer's own date to the moment in `text`; None when one is missing."""
    return _wait(text, _now(headers))


def limit_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the rate limit that is used up resets, by `x-ratelimit-reset-*`.

    When no limit is known to be used up, the soonest reset counts. None without such headers.
    """
    now = _now(headers)
    waits = {
        match["window"]: wait
        for name, value in headers.items()
        if (match := _RESET.fullmatch(name)) and (wait := _wait(value, now)) is not None
    }
    spent = [wait for window, wait in waits.items() if _is_spent(headers, window)]
    return max(spent) if spent else min(waits.values(), default=None)


def _is_spent(headers: Mapping[str, str], window: str) -> bool:
    # Azure writes -1 where it does not know.
    return headers.get(f"x-ratelimit-remaining{window}") == "0"


def _now(headers: Mapping[str, str]) -> float | None:
    return _date(headers.get("date", ""))


def _wait(text: str, now: float | None, *, scale: float = 1.0) -> float | None:
    """Return the seconds that one header value means: a number, a Go duration, an epoch time or a date."""
    text = text.strip()
    seconds = _number(text)
    if seconds is None:
        seconds = _go_duration(text)
    if seconds is None and (moment := _date(text)) is not None:
        seconds = moment
    if seconds is None:
        return None
    if seconds >= _EPOCH:
        if now is None:
            return None
        seconds = max(0.0, (seconds / 1000 if seconds >= _EPOCH_MS else seconds) - now)
    return None if seconds < 0 else min(seconds * scale, LONGEST)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _go_duration(text: str) -> float | None:
    parts: Iterator[re.Match[str]] = _GO_DURATION.finditer(text)
    found = [(float(part[1]) * _UNIT_SECONDS[part[2]], len(part[0])) for part in parts]
    # Every character must belong to a part: "2 days" is no duration.
    if not found or sum(length for _, length in found) != len(text):
        return None
    return sum(seconds for seconds, _ in found)


def _date(text: str) -> float | None:
    """Return an HTTP or ISO date with a zone as seconds since the epoch."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if moment.tzinfo is not None:
            return moment.timestamp()
    return None
