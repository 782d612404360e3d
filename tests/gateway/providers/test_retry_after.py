"""How long to wait, in every spelling that providers have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.retry_after import LONGEST, limit_reset, retry_after

DATE = {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}
NOON = 1795435200  # that date in seconds since the epoch


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "120", "retry-after": "1"}, 0.12),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "1h2m3.5s"}, 3723.5),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "999999"}, LONGEST),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"} | DATE, 30.0),
        ({"retry-after": "2026-11-23T12:00:10Z"} | DATE, 10.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"} | DATE, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "2 days"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7.66s", 7.66),
        ("2m59.56s", 179.56),
        ("120ms", 0.12),
        ("6m0s", 360.0),
        ("45", 45.0),
        (str(NOON + 20), 20.0),
        (str((NOON + 20) * 1000), 20.0),
        ("2026-11-23T12:00:10+00:00", 10.0),
        ("-1", None),
        ("1s!", None),
    ],
)
def test_a_reset_is_read_in_every_form(value: str, seconds: float | None) -> None:
    assert limit_reset({"x-ratelimit-reset-tokens": value} | DATE) == pytest.approx(seconds)


def test_the_limit_that_is_used_up_decides() -> None:
    headers = {
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-requests": "5",
        "x-ratelimit-reset-tokens": "40s",
        "x-ratelimit-remaining-tokens": "0",
    }
    assert limit_reset(headers) == 40.0


def test_of_two_used_up_limits_the_later_reset_counts() -> None:
    headers = {
        "x-ratelimit-reset-requests-day": "50",
        "x-ratelimit-remaining-requests-day": "0",
        "x-ratelimit-reset-tokens-minute": "40",
        "x-ratelimit-remaining-tokens-minute": "0",
    }
    assert limit_reset(headers) == 50.0


def test_of_unknown_limits_the_sooner_reset_counts() -> None:
    headers = {
        "x-ratelimit-reset-requests": "50",
        "x-rate-limit-reset-tokens": "40",
        "x-ratelimit-remaining-requests": "-1",
    }
    assert limit_reset(headers) == 40.0


def test_without_a_date_an_epoch_time_means_nothing() -> None:
    assert limit_reset({"x-ratelimit-reset": str(NOON * 1000)}) is None


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_raises_and_no_wait_is_absurd(value: str, date: str) -> None:
    headers = {"retry-after": value, "retry-after-ms": value, "x-ratelimit-reset": value, "date": date}
    for wait in (retry_after(headers), limit_reset(headers)):
        assert wait is None or 0 <= wait <= LONGEST
