"""The ledger's way in, on whichever database the tests run (see test_ledger_on_postgresql.py)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection

from finops import ledger
from finops.models import UsageAttempt, UsageRecord

pytestmark = pytest.mark.django_db

RECORD: dict[str, Any] = {
    "id": "r1",
    "organization_id": 1,
    "team_id": None,
    "user_id": 3,
    "token_id": 4,
    "token_name": "app",
    "endpoint": "chat.completions",
    "streamed": True,
    "requested_model": "gpt-4o",
    "provider": "openai",
    "credential_id": 5,
    "credential_name": "primary",
    "model": "gpt-4o",
    "outcome": "ok",
    "status": 200,
    "error_class": "",
    "attempts": 1,
    "input_tokens": 10,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 20,
    "reasoning_tokens": None,
    "audio_tokens": None,
    "estimated": False,
    "cost_usd": "0.25",
    "cost_source": "provider",
    "started_at": 1_763_900_000.25,
    "duration_ms": 12.5,
    "first_token_ms": None,
    "overhead_ms": 0.5,
    "characters": None,
    "audio_seconds": 1.5,
}
ATTEMPT: dict[str, Any] = {
    "id": "r1.1",
    "request_id": "r1",
    "organization_id": 1,
    "number": 1,
    "provider": "openai",
    "credential_id": 5,
    "credential_name": "primary",
    "model": "gpt-4o",
    "status": None,
    "error_class": "timeout",
    "duration_ms": 3.5,
}


def record(**changes: Any) -> list[Any]:
    return [(RECORD | changes)[column] for column in ledger.RECORD_COLUMNS]


def attempt(**changes: Any) -> list[Any]:
    return [(ATTEMPT | changes)[column] for column in ledger.ATTEMPT_COLUMNS]


def stored(column: str) -> Any:
    return UsageRecord.objects.values_list(column, flat=True).get()


def test_rows_are_stored_as_the_orm_reads_them() -> None:
    ledger.append([record()], [attempt()])
    expected = RECORD | {
        "cost_usd": Decimal("0.25"),
        "started_at": datetime(2025, 11, 23, 12, 13, 20, 250_000, tzinfo=UTC),
    }
    assert UsageRecord.objects.values().get() == expected
    assert UsageAttempt.objects.values().get() == ATTEMPT


def test_rows_are_stored_as_the_orm_writes_them() -> None:
    ledger.append([record(id="ours")], [])
    theirs = RECORD | {
        "id": "theirs",
        "cost_usd": Decimal("0.25"),
        "started_at": datetime(2025, 11, 23, 12, 13, 20, 250_000, tzinfo=UTC),
    }
    UsageRecord.objects.create(**theirs)
    columns = ", ".join(column for column in ledger.RECORD_COLUMNS if column != "id")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT {columns} FROM finops_usagerecord")
        assert len(cursor.fetchall()) == 1


def test_a_row_that_comes_again_changes_nothing() -> None:
    ledger.append([record()], [attempt()])
    ledger.append([record(status=500), record(id="r2")], [attempt(status=500), attempt(id="r1.2")])
    ledger.append([record(status=500)], [])
    assert list(UsageRecord.objects.order_by("id").values_list("id", "status")) == [("r1", 200), ("r2", 200)]
    assert list(UsageAttempt.objects.values_list("id", "status")) == [("r1.1", None), ("r1.2", None)]


def test_a_row_may_come_twice_at_once() -> None:
    ledger.append([record(), record(status=500)], [attempt(), attempt(status=500)])
    assert UsageRecord.objects.values_list("id", "status").get() == ("r1", 200)
    assert UsageAttempt.objects.count() == 1


def test_nothing_is_stored_when_there_is_nothing() -> None:
    ledger.append([], [])
    assert UsageRecord.objects.count() == UsageAttempt.objects.count() == 0


def test_records_and_attempts_are_stored_together_or_not_at_all() -> None:
    with pytest.raises(DatabaseError):
        ledger.append([record()], [attempt(), attempt(id="r1.2", credential_id=None)])
    assert UsageRecord.objects.count() == UsageAttempt.objects.count() == 0


def test_a_missing_value_is_refused_rather_than_dropped() -> None:
    with pytest.raises(DatabaseError):
        ledger.append([record(id="r0"), record(organization_id=None)], [])
    assert UsageRecord.objects.count() == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("m" * 300, "m" * 200),
        ("gpt\0-4o", "gpt-4o"),
        ("\0" * 300, ""),
        ("a\tb\nc\\N\\.", "a\tb\nc\\N\\."),
        ("\\N", "\\N"),
        ("modèle \N{SNOWMAN} \U0001f600", "modèle \N{SNOWMAN} \U0001f600"),
        ("", ""),
    ],
)
def test_any_text_fits_its_column(given: str, kept: str) -> None:
    ledger.append([record(requested_model=given)], [])
    assert stored("requested_model") == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (10**30, None),
        (-(10**30), None),
        (0, 0),
    ],
)
def test_a_count_beyond_the_column_is_unknown(given: int, kept: int | None) -> None:
    ledger.append([record(input_tokens=given), record(id="r2")], [])
    assert UsageRecord.objects.get(pk="r1").input_tokens == kept
    assert UsageRecord.objects.get(pk="r2").input_tokens == 10


def test_a_number_that_must_be_known_is_bounded() -> None:
    ledger.append([record(attempts=-5)], [])
    assert stored("attempts") == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0", Decimal(0)),
        ("0.0000000001", Decimal("0.0000000001")),
        ("1e-7", Decimal("0.0000001")),
        ("12.3456789012345", Decimal("12.3456789012")),
        ("9999999999.99999999999", None),
        ("1e10", None),
        ("1e999999999", None),
        ("-0.5", Decimal("-0.5")),
        ("nan", None),
        ("snan", None),
        ("inf", None),
        ("-infinity", None),
        ("free", None),
        ("", None),
    ],
)
def test_an_amount_is_exact_or_unknown(given: str, kept: Decimal | None) -> None:
    ledger.append([record(cost_usd=given)], [])
    assert stored("cost_usd") == kept


def test_a_bad_row_does_not_spoil_the_next_call() -> None:
    with pytest.raises(DatabaseError):
        ledger.append([record(organization_id=None)], [])
    ledger.append([record()], [attempt()])
    assert UsageRecord.objects.count() == UsageAttempt.objects.count() == 1


def test_rows_may_come_from_generators() -> None:
    def rows() -> Iterable[list[Any]]:
        yield from (record(id=f"r{number}") for number in range(600))

    ledger.append(rows(), (attempt(id=f"r{number}.1") for number in range(600)))
    assert UsageRecord.objects.count() == UsageAttempt.objects.count() == 600


@pytest.mark.django_db(transaction=True)
def test_connecting_again_changes_nothing() -> None:
    ledger.connect()
    before = connection.connection
    ledger.connect()
    assert connection.connection is before
