"""From the journal to the ledger: once, soon, and whatever is down meanwhile."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import DataError, OperationalError

from axiom.lib.clock import from_unix
from finops import ledger
from finops.models import UsageAttempt, UsageRecord
from gateway import shipping
from gateway.journal import Admission, Attempt, Finished, Journal, JournalUnavailable, Segment
from gateway.shipping import Shipper
from gateway.spool import worker_directory
from tests.gateway.lines import SPARE, admission, finished

Append = Callable[[Any, Any], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(root: Path) -> Iterator[Journal]:
    opened = Journal.open(worker_directory(root))
    yield opened
    opened.close()


@pytest.fixture
def shipper(root: Path, journal: Journal) -> Iterator[Shipper]:
    made = Shipper(root, journal)
    yield made
    made.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other fast; ask for it before the shipper."""
    monkeypatch.setattr(shipping, "INTERVAL", 0.02)
    monkeypatch.setattr(shipping, "BACKOFF", 0.08)


class Outage:
    """Stands in for a database that can be away."""

    def __init__(self, append: Append) -> None:
        self.append = append
        self.problem: Exception | None = OperationalError("connection refused")
        self.calls: list[float] = []

    def __call__(self, records: Any, attempts: Any) -> None:
        self.calls.append(time.monotonic())
        if self.problem is not None:
            raise self.problem
        self.append(records, attempts)


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    broken = Outage(ledger.append)
    monkeypatch.setattr(ledger, "append", broken)
    return broken


def leave_behind(root: Path, *lines: Admission | Finished, name: str = "1-dead") -> Path:
    """Make the journal of a process that died after writing these lines."""
    journal = Journal.open(root.parent / "elsewhere" / name)
    for line in lines:
        if isinstance(line, Admission):
            journal.admit(line)
        else:
            journal.finish(line)
    root.mkdir(exist_ok=True)
    shutil.copytree(root.parent / "elsewhere" / name, root / name)
    journal.close()
    shutil.rmtree(root.parent / "elsewhere")
    return root / name


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def running() -> bool:
    return any(thread.name == "usage-shipper" for thread in threading.enumerate())


def ids() -> list[str]:
    return sorted(UsageRecord.objects.values_list("id", flat=True))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.django_db
def test_a_request_becomes_one_record_and_a_row_for_each_attempt(journal: Journal, shipper: Shipper) -> None:
    tried = [
        Attempt("openai", 5, "openai-primary", "gpt-4o", 429, "rate_limit", 80.5),
        Attempt("azure", 6, "azure-spare", "gpt-4o-eu", 200, "", 700.25),
    ]
    end = finished("a", attempts=tried, provider="azure", credential_id=6, credential_name="azure-spare")
    journal.admit(admission("a"))
    journal.retry("a", SPARE)
    journal.finish(end)
    shipper.flush()

    record = UsageRecord.objects.values().get()
    expected = msgspec.structs.asdict(end) | {
        "attempts": 2,
        "cost_usd": Decimal("0.0012345678"),
        "started_at": from_unix(1_763_900_000.125),
    }
    assert record == expected
    assert list(UsageAttempt.objects.values()) == [
        {
            "id": f"a.{n}",
            "request_id": "a",
            "organization_id": 1,
            "number": n,
            **msgspec.structs.asdict(attempt),
        }
        for n, attempt in enumerate(tried, start=1)
    ]
    assert journal.closed() == []


@pytest.mark.django_db
def test_what_is_unknown_stays_unknown(journal: Journal, shipper: Shipper) -> None:
    nothing = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"]
    nothing += ["audio_tokens", "cost_usd", "team_id", "user_id", "status", "first_token_ms", "credential_id"]
    journal.finish(finished("a", **dict.fromkeys(nothing), attempts=[]))
    shipper.flush()
    assert UsageRecord.objects.values(*nothing).get() == dict.fromkeys(nothing)
    assert UsageAttempt.objects.count() == 0


@pytest.mark.django_db
def test_open_requests_wait_for_their_end(journal: Journal, shipper: Shipper) -> None:
    journal.admit(admission("a"))
    journal.finish(finished("b"))
    shipper.flush()
    assert ids() == ["b"]
    journal.finish(finished("a"))
    shipper.flush()
    assert ids() == ["a", "b"]


@pytest.mark.django_db
def test_many_batches_are_shipped(
    journal: Journal, shipper: Shipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "BATCH", 7)
    names = [f"{number:03d}" for number in range(50)]
    for name in names:
        journal.finish(finished(name))
    shipper.flush()
    assert ids() == names


@pytest.mark.django_db
def test_a_crash_between_the_insert_and_the_deletion_doubles_nothing(
    journal: Journal, shipper: Shipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.finish(finished("a", status=200))
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "drop", lambda self: (_ for _ in ()).throw(OSError("crash")))
        with pytest.raises(OSError, match="crash"):
            shipper.flush()
    assert ids() == ["a"]
    assert len(journal.closed()) == 1
    shipper.flush()
    assert ids() == ["a"]
    assert UsageAttempt.objects.count() == 1
    assert journal.closed() == []


@pytest.mark.django_db
def test_a_segment_is_kept_while_the_ledger_is_away(
    journal: Journal, shipper: Shipper, outage: Outage
) -> None:
    journal.finish(finished("a"))
    with pytest.raises(OperationalError):
        shipper.flush()
    journal.finish(finished("b"))
    with pytest.raises(OperationalError):
        shipper.flush()
    assert len(journal.closed()) == 1  # no segment a round while nothing moves
    outage.problem = None
    shipper.flush()
    assert ids() == ["a", "b"]


@pytest.mark.django_db
def test_a_dead_workers_requests_end_as_they_did_or_as_interrupted(
    root: Path, shipper: Shipper, caplog: pytest.LogCaptureFixture
) -> None:
    directory = leave_behind(root, admission("a"), admission("b"), finished("a"))
    shipper.flush()
    assert dict(UsageRecord.objects.values_list("id", "outcome")) == {"a": "ok", "b": "interrupted"}
    interrupted = UsageRecord.objects.get(pk="b")
    assert (interrupted.status, interrupted.attempts, interrupted.input_tokens) == (None, 1, None)
    assert (interrupted.credential_name, interrupted.token_name) == ("openai-primary", "app")
    assert sorted(UsageAttempt.objects.values_list("id", flat=True)) == ["a.1", "b.1"]
    assert not directory.exists()
    assert warnings(caplog) == ["Took over a dead worker's journal: 1 interrupted requests."]


@pytest.mark.django_db
def test_a_dead_workers_segments_are_read_together(root: Path, shipper: Shipper) -> None:
    journal = Journal.open(root / "1-dead")
    journal.admit(admission("over"))
    journal.admit(admission("open"))
    journal.admit(admission("late"))
    journal.retry("open", SPARE)
    journal.finish(finished("over"))
    journal.rotate()
    journal.finish(finished("late"))
    journal.close()
    assert len(list((root / "1-dead").glob("*.jsonl"))) == 2
    shipper.flush()
    assert dict(UsageRecord.objects.values_list("id", "outcome")) == {
        "over": "ok",
        "late": "ok",
        "open": "interrupted",
    }
    assert UsageRecord.objects.get(pk="open").attempts == 2
    assert list(UsageAttempt.objects.filter(request_id="open").values_list("number", "provider")) == [
        (1, "openai"),
        (2, "azure"),
    ]


@pytest.mark.django_db
def test_a_recovery_that_crashed_is_finished_by_the_next(
    root: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(root, admission("a"), admission("b"), finished("a"))
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "drop", lambda self: (_ for _ in ()).throw(OSError("crash")))
        with pytest.raises(OSError, match="crash"):
            Shipper(root, journal).flush()
    Shipper(root, journal).flush()
    assert dict(UsageRecord.objects.values_list("id", "outcome")) == {"a": "ok", "b": "interrupted"}
    assert UsageAttempt.objects.count() == 2


@pytest.mark.django_db
def test_a_living_workers_journal_is_left_alone(root: Path, shipper: Shipper) -> None:
    sibling = Journal.open(root / "2-alive")
    sibling.admit(admission("a"))
    shipper.flush()
    assert ids() == []
    sibling.finish(finished("a"))
    Shipper(root, sibling).flush()
    assert dict(UsageRecord.objects.values_list("id", "outcome")) == {"a": "ok"}
    sibling.close()


@pytest.mark.django_db
def test_a_damaged_line_is_skipped_counted_and_logged(
    root: Path, shipper: Shipper, caplog: pytest.LogCaptureFixture
) -> None:
    directory = leave_behind(root, admission("a"), finished("a"), admission("b"), finished("c"))
    (path,) = directory.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-9])
    shipper.flush()
    assert dict(UsageRecord.objects.values_list("id", "outcome")) == {"a": "ok", "b": "interrupted"}
    assert warnings(caplog)[0] == "Skipped 1 damaged lines of a journal segment."


@pytest.mark.django_db
def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(
    root: Path,
    journal: Journal,
    shipper: Shipper,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = ledger.append

    def refusing(records: Any, attempts: Any) -> None:
        records = list(records)
        if any(record[0] == "05" for record in records):
            raise DataError("no such thing")
        append(records, attempts)

    monkeypatch.setattr(ledger, "append", refusing)
    for number in range(10):
        journal.finish(finished(f"{number:02d}"))
    shipper.flush()
    assert ids() == [f"{number:02d}" for number in range(10) if number != 5]
    kept = msgspec.json.decode((root / "refused.jsonl").read_bytes(), type=Finished)
    assert kept == finished("05")
    assert warnings(caplog) == [
        "The ledger refuses usage record 05 (no such thing); it is kept in refused.jsonl."
    ]
    assert journal.closed() == []


@pytest.mark.django_db(transaction=True)
def test_a_record_is_visible_within_two_seconds(journal: Journal, shipper: Shipper) -> None:
    shipper.start()
    time.sleep(0.1)
    journal.admit(admission("a"))
    journal.finish(finished("a"))
    wait_until(lambda: ids() == ["a"], 2.0)


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_logged_once_and_ends_by_itself(
    quick: None, journal: Journal, shipper: Shipper, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    shipper.start()
    journal.finish(finished("a"))
    wait_until(lambda: len(outage.calls) >= 6)
    assert ids() == []
    assert shipper.lag() > 0.2
    outage.problem = None
    wait_until(lambda: ids() == ["a"])
    wait_until(lambda: len(warnings(caplog)) == 2)
    shipper.stop()
    assert shipper.lag() < 0.2
    assert warnings(caplog) == [
        "The usage ledger is away; usage waits in the journal. OperationalError: connection refused",
        "The usage ledger has caught up with the journal.",
    ]


@pytest.mark.django_db(transaction=True)
def test_rounds_become_rarer_while_the_ledger_is_away(
    quick: None, journal: Journal, shipper: Shipper, outage: Outage
) -> None:
    shipper.start()
    journal.finish(finished("a"))
    wait_until(lambda: len(outage.calls) >= 6)
    gaps = [later - earlier for earlier, later in zip(outage.calls, outage.calls[1:], strict=False)]
    assert gaps[0] >= 0.04
    assert min(gaps[2:]) >= 0.08


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_ours_is_logged_with_its_traceback_and_tried_again(
    quick: None, journal: Journal, shipper: Shipper, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    outage.problem = TypeError("a bug")
    shipper.start()
    journal.finish(finished("a"))
    wait_until(lambda: len(outage.calls) >= 3)
    outage.problem = None
    wait_until(lambda: ids() == ["a"])
    assert caplog.records[0].exc_info is not None
    assert [record.exc_info for record in caplog.records[1:]] == [None] * (len(caplog.records) - 1)


@pytest.mark.django_db(transaction=True)
def test_stopping_ships_what_ended(journal: Journal, shipper: Shipper) -> None:
    shipper.start()
    journal.finish(finished("a"))
    shipper.stop()
    assert ids() == ["a"]
    journal.finish(finished("b"))
    shipper.stop()  # a second time does nothing
    assert ids() == ["a"]


@pytest.mark.django_db(transaction=True)
def test_stopping_leaves_on_disk_what_cannot_be_shipped(
    root: Path, journal: Journal, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    shipper = Shipper(root, journal)
    shipper.start()
    journal.finish(finished("a"))
    began = time.monotonic()
    shipper.stop(timeout=1.0)
    assert time.monotonic() - began < 1.5
    assert (
        warnings(caplog)[-1]
        == "Stopped with 1 journal segments not in the ledger; the next start ships them."
    )
    journal.close()
    outage.problem = None
    Shipper(root, Journal.open(worker_directory(root))).flush()
    assert ids() == ["a"]


@pytest.mark.django_db(transaction=True)
def test_stopping_does_not_wait_for_a_frozen_database(
    root: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = [True]

    def freeze(records: Any, attempts: Any) -> None:
        while frozen[0]:
            time.sleep(0.01)

    monkeypatch.setattr(ledger, "append", freeze)
    shipper = Shipper(root, journal)
    shipper.start()
    journal.finish(finished("a"))
    began = time.monotonic()
    shipper.stop(timeout=0.8)
    assert 0.7 < time.monotonic() - began < 1.5
    assert running()
    frozen[0] = False
    wait_until(lambda: not running())


@pytest.mark.django_db(transaction=True)
def test_stopping_breaks_off_a_long_backlog(
    root: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = ledger.append

    def slow(records: Any, attempts: Any) -> None:
        time.sleep(0.1)
        append(records, attempts)

    monkeypatch.setattr(ledger, "append", slow)
    monkeypatch.setattr(shipping, "BATCH", 1)
    for number in range(20):
        journal.finish(finished(f"{number:02d}"))
    shipper = Shipper(root, journal)
    shipper.start()
    shipper.stop(timeout=0.5)
    wait_until(lambda: not running())
    assert 0 < len(ids()) < 20
    Shipper(root, journal).flush()
    assert len(ids()) == 20


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_does_not_end_the_thread(
    quick: None, journal: Journal, shipper: Shipper, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "rotate", lambda self: (_ for _ in ()).throw(JournalUnavailable()))
        shipper.start()
        journal.finish(finished("a"))
        time.sleep(0.1)
        assert ids() == []
    wait_until(lambda: ids() == ["a"])
