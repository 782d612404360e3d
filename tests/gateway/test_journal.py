"""The journal: what is on disk after every call, whatever the disk does."""

import resource
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.ledger import ATTEMPT_COLUMNS, RECORD_COLUMNS
from gateway import journal as journal_module
from gateway.journal import (
    Admission,
    Attempt,
    Finished,
    Journal,
    JournalUnavailable,
    Line,
    Retry,
    Segment,
    interrupted,
)
from gateway.spool import Spool, worker_directory
from tests.gateway.lines import PRIMARY, SPARE, admission, finished


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(root: Path) -> Iterator[Journal]:
    opened = Journal.open(worker_directory(root))
    yield opened
    opened.close()


@contextmanager
def full_disk(*, room: int = 0, root: Path) -> Iterator[None]:
    """Let no file below `root` grow by more than `room` bytes past the largest there."""
    largest = max(path.stat().st_size for path in root.rglob("*.jsonl"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def on_disk(root: Path) -> list[Line]:
    """Return every line of every segment, checking that none is damaged."""
    found: list[Line] = []
    for path in sorted(root.rglob("*.jsonl")):
        segment = Segment(path)
        found += segment.lines()
        assert segment.damaged == 0
    return found


def ends(journal: Journal) -> list[Finished]:
    return [line for segment in journal.closed() for line in segment.finished()]


def test_the_lines_have_the_ledgers_columns() -> None:
    assert Finished.__struct_fields__ == RECORD_COLUMNS
    assert Attempt.__struct_fields__ == ATTEMPT_COLUMNS[4:]


def test_a_line_of_an_older_gateway_is_read(tmp_path: Path) -> None:
    line = finished("r1")
    values = list(msgspec.structs.astuple(line))
    assert values[-2:] == [None, None]  # characters and audio_seconds came later
    path = tmp_path / "1.log"
    path.write_bytes(msgspec.json.encode(["f", *values[:-2]]) + b"\n")
    segment = Segment(path)
    assert list(segment.lines()) == [line]
    assert segment.damaged == 0


def test_every_call_is_on_disk_when_it_returns(journal: Journal, root: Path) -> None:
    start, end = admission("a"), finished("a")
    journal.admit(start)
    assert on_disk(root) == [start]
    journal.retry("a", SPARE)
    assert on_disk(root) == [start, Retry("a", SPARE)]
    journal.finish(end)
    assert on_disk(root) == [start, Retry("a", SPARE), end]


def test_files_are_private(journal: Journal, root: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in root.rglob("*")}
    assert set(modes.values()) == {0o600, 0o700}
    assert {mode for path, mode in modes.items() if path.endswith("jsonl")} == {0o600}


def test_a_refused_request_ends_without_admission(journal: Journal) -> None:
    refused = finished(outcome="error", status=404, provider="", attempts=[])
    journal.finish(refused)
    journal.rotate()
    assert ends(journal) == [refused]


def test_rotation_waits_for_an_end(journal: Journal, root: Path) -> None:
    journal.admit(admission("a"))
    journal.rotate()
    journal.rotate()
    assert journal.closed() == []
    assert len(list(root.rglob("*.jsonl"))) == 1


def test_a_new_segment_begins_with_what_is_open(journal: Journal, root: Path) -> None:
    still_open, over = admission("a"), admission("b")
    journal.admit(still_open)
    journal.admit(over)
    journal.retry("a", SPARE)
    journal.finish(finished("b"))
    journal.rotate()
    for segment in journal.closed():
        segment.drop()
    assert on_disk(root) == [still_open, Retry("a", SPARE)]


def test_closed_segments_come_oldest_first(journal: Journal) -> None:
    for name in "abc":
        journal.finish(finished(name))
        journal.rotate()
    assert [line.id for line in ends(journal)] == ["a", "b", "c"]


def test_a_full_segment_is_closed_without_the_shipper(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 2000)
    journal.finish(finished("first"))
    journal.rotate()  # the limit counts from the next segment on
    for number in range(100):
        journal.finish(finished(f"{number:032d}"))
    sizes = [segment.path.stat().st_size for segment in journal.closed()]
    assert len(sizes) > 10
    assert max(sizes) < 2500
    journal.rotate()
    assert [line.id for line in ends(journal)] == ["first", *(f"{number:032d}" for number in range(100))]


def test_carried_lines_do_not_fill_a_segment(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SEGMENT_BYTES", 2000)
    for number in range(100):
        journal.admit(admission(f"{number:032d}"))
    journal.finish(finished("a"))
    journal.rotate()  # what it carries is over the limit by itself
    before = len(journal.closed())
    for name in "bcde":
        journal.finish(finished(name))
    assert len(journal.closed()) == before


def test_no_end_is_lost_while_another_thread_rotates(journal: Journal) -> None:
    names = [[f"{thread}-{number}" for number in range(500)] for thread in range(4)]

    def serve(requests: list[str]) -> None:
        for name in requests:
            journal.admit(admission(name))
            journal.finish(finished(name))

    threads = [threading.Thread(target=serve, args=(requests,)) for requests in names]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        journal.rotate()
    for thread in threads:
        thread.join()
    journal.rotate()
    assert Counter(line.id for line in ends(journal)) == Counter(name for part in names for name in part)


def test_a_full_disk_refuses_the_admission_and_leaves_no_torn_line(journal: Journal, root: Path) -> None:
    first, later = admission("a"), admission("c")
    journal.admit(first)
    for room in (0, 1, 50):  # bytes of the line that still fit
        with full_disk(room=room, root=root), pytest.raises(JournalUnavailable) as refusal:
            journal.admit(admission("b"))
        assert (refusal.value.status, refusal.value.code) == (503, "storage_full")
        assert on_disk(root) == [first]
    journal.admit(later)
    assert on_disk(root) == [first, later]


def test_a_full_disk_refuses_a_further_attempt(journal: Journal, root: Path) -> None:
    start = admission("a")
    journal.admit(start)
    with full_disk(root=root), pytest.raises(JournalUnavailable):
        journal.retry("a", SPARE)
    assert on_disk(root) == [start]


def test_the_end_of_an_admitted_request_is_written_when_there_is_room_again(
    journal: Journal, root: Path
) -> None:
    journal.admit(admission("a"))
    journal.admit(admission("b"))
    with full_disk(root=root):
        journal.finish(finished("a"))
        journal.finish(finished("b"))
        with pytest.raises(JournalUnavailable):
            journal.rotate()
        with pytest.raises(JournalUnavailable):
            journal.admit(admission("c"))
    journal.rotate()
    assert {line.id for line in ends(journal)} == {"a", "b"}
    assert [line for line in on_disk(root) if isinstance(line, Admission) and line.id == "c"] == []


def test_the_end_of_a_refused_request_is_refused_by_a_full_disk(journal: Journal, root: Path) -> None:
    journal.admit(admission("a"))
    with full_disk(root=root), pytest.raises(JournalUnavailable):
        journal.finish(finished("never-admitted"))
    assert [line.id for line in on_disk(root) if isinstance(line, Admission)] == ["a"]


def test_a_segment_that_cannot_be_started_leaves_the_old_one_in_use(journal: Journal, root: Path) -> None:
    for number in range(20):
        journal.admit(admission(f"{number:032d}"))
    journal.finish(finished("a"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(JournalUnavailable):
            journal.rotate()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.closed() == []
    assert list(root.rglob("*.draft")) == []
    journal.finish(finished("b"))
    journal.rotate()
    assert [line.id for line in ends(journal)] == ["a", "b"]


def test_a_further_attempt_needs_an_admission(journal: Journal, root: Path) -> None:
    with pytest.raises(KeyError):
        journal.retry("unknown", SPARE)
    assert on_disk(root) == []


def test_a_closed_journal_refuses_lines(journal: Journal, root: Path) -> None:
    journal.close()
    with pytest.raises(JournalUnavailable):
        journal.admit(admission("a"))
    journal.rotate()
    journal.close()
    assert list(root.rglob("*.jsonl")) == []


def test_an_empty_journal_goes_away_when_it_is_closed(journal: Journal, root: Path) -> None:
    journal.admit(admission("a"))
    journal.finish(finished("a"))
    journal.rotate()
    for segment in journal.closed():
        segment.drop()
    journal.close()
    assert [path for path in root.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("line", [admission("a"), finished("a")])
def test_a_journal_with_something_left_stays(
    journal: Journal, root: Path, line: Admission | Finished
) -> None:
    if isinstance(line, Admission):
        journal.admit(line)
    else:
        journal.finish(line)
    journal.close()
    assert on_disk(root) == [line]
    (orphan,) = Spool.claim_orphans(root)
    orphan.release()


def test_a_directory_is_opened_once(journal: Journal, tmp_path: Path) -> None:
    directory = worker_directory(tmp_path)
    first = Journal.open(directory)
    with pytest.raises(JournalUnavailable):
        Journal.open(directory)
    first.close()


def test_an_unusable_root_refuses_to_open(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnavailable):
        Journal.open(tmp_path / "file" / "journal")


def test_a_live_journal_is_nobodys_orphan(journal: Journal, root: Path) -> None:
    assert Spool.claim_orphans(root) == []


def test_an_orphan_is_claimed_once(root: Path) -> None:
    dead = Journal.open(worker_directory(root))
    dead.admit(admission("a"))
    dead.close()
    (orphan,) = Spool.claim_orphans(root)
    assert Spool.claim_orphans(root) == []
    orphan.release()  # its segment is still there, so it stays an orphan
    (again,) = Spool.claim_orphans(root)
    for path in again.segments():
        path.unlink()
    again.release()
    assert Spool.claim_orphans(root) == []
    assert [path for path in root.iterdir() if path.is_dir()] == []


def test_an_interrupted_request_names_every_target_it_was_sent_to() -> None:
    record = interrupted(admission("a"), [SPARE])
    assert (record.id, record.outcome, record.status) == ("a", "interrupted", None)
    assert (record.provider, record.credential_id, record.credential_name, record.model) == (
        "azure",
        6,
        "azure-spare",
        "gpt-4o-eu",
    )
    assert [(attempt.provider, attempt.status) for attempt in record.attempts] == [
        (PRIMARY.provider, None),
        (SPARE.provider, None),
    ]
    assert (record.input_tokens, record.cost_usd, record.duration_ms) == (None, None, None)


def _segment(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> Segment:
    path = tmp_path_factory.mktemp("damaged") / "1.jsonl"
    path.write_bytes(content)
    return Segment(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a segment with some of everything."""
    root = tmp_path_factory.mktemp("whole")
    journal = Journal.open(worker_directory(root))
    for name in ("a", "é", "c"):
        journal.admit(admission(name))
        journal.retry(name, SPARE)
        journal.finish(finished(name, requested_model='m"\n\\é'))
    journal.rotate()
    (segment,) = journal.closed()
    content = segment.path.read_bytes()
    segment.drop()
    journal.close()
    return content


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_segment_cut_anywhere_gives_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(content)))
    segment = _segment(tmp_path_factory, content[:cut])
    whole = _segment(tmp_path_factory, content)
    complete = content[:cut].count(b"\n") + (content[cut : cut + 1] == b"\n")  # only the line end is missing
    assert list(segment.lines()) == list(whole.lines())[:complete]
    assert segment.damaged == (0 if cut == 0 or content[cut - 1 : cut] == b"\n" else 1) - (
        content[cut : cut + 1] == b"\n"
    )


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_segment_loses_only_the_lines_that_were_hit(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=40) | st.just(b"\0" * 40))
    spoiled = content[:at] + junk + content[at + len(junk) :]
    segment = _segment(tmp_path_factory, spoiled)
    found = list(segment.lines())
    untouched = content[:at].count(b"\n")
    assert found[:untouched] == list(_segment(tmp_path_factory, content).lines())[:untouched]
    assert segment.damaged <= 1 + junk.count(b"\n")
