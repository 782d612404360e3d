"""The shipper: a thread that carries the journal's closed segments into the ledger.

A segment is deleted only after its rows are committed, and rows are known by their ids, so a crash at any
point loses nothing and doubles nothing. When the database is away, segments wait on disk and requests don't
notice. The shipper also adopts the journals of processes that died.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec
from django.db import DatabaseError, DataError, IntegrityError, connection

from finops import ledger
from gateway.journal import (
    Admission,
    AttemptStart,
    Finished,
    Journal,
    JournalUnavailable,
    Retry,
    Segment,
    interrupted,
)
from gateway.spool import Spool

INTERVAL = 0.5  # seconds between two rounds
BACKOFF = 5.0  # seconds between two rounds at most, while the ledger is away
ADOPTION_INTERVAL = 10.0  # seconds between two looks for the journals of dead processes
BATCH = 250  # requests in a transaction: some 2 ms of work
PAUSE = 0.001  # seconds given to the event loop after each, which shares the interpreter lock

logger = logging.getLogger(__name__)

_ATTEMPTS = ledger.RECORD_COLUMNS.index("attempts")


class _OutOfTime(Exception):
    """The time to stop came in the middle of a round."""


class Shipper:
    """Ships one process's journal, and those of processes that died, to the ledger."""

    def __init__(self, root: Path, journal: Journal) -> None:
        self._root = root
        self._journal = journal
        self._round = threading.Lock()
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread: threading.Thread | None = None
        self._delay = INTERVAL
        self._away = False
        self._next_adoption = 0.0
        self._up_to_date = time.monotonic()

    def start(self) -> None:
        """Start the thread. It is a daemon: a frozen database must not keep the process from ending."""
        self._thread = threading.Thread(target=self._run, name="usage-shipper", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Ship what can be shipped within `timeout` seconds and end the thread; the rest waits on disk.

        Stop the shipper before closing the journal.
        """
        if self._thread is None:
            return
        self._deadline = time.monotonic() + timeout
        self._stopping.set()
        self._thread.join(timeout)
        self._thread = None
        if left := len(self._journal.closed()):
            logger.warning(
                "Stopped with %d journal segments not in the ledger; the next start ships them.", left
            )

    def flush(self) -> None:
        """Ship everything now, in the calling thread. Raises DatabaseError, OSError or JournalUnavailable."""
        with self._round:
            self._ship()

    def lag(self) -> float:
        """Return the seconds since the ledger last had everything: a round's length when all is well."""
        return time.monotonic() - self._up_to_date

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._delay):
                self._try_round()
            self._try_round()
        finally:
            connection.close()

    def _try_round(self) -> None:
        try:
            ledger.connect()
            self.flush()
        except _OutOfTime:
            return
        except Exception as problem:  # noqa: BLE001 whatever it is, no usage is recorded if this thread dies of it
            self._note_failure(problem)
        else:
            self._note_success()

    def _note_failure(self, problem: Exception) -> None:
        self._delay = min(self._delay * 2, BACKOFF)
        if not self._away:
            expected = isinstance(problem, DatabaseError | OSError | JournalUnavailable)
            logger.warning(
                "The usage ledger is away; usage waits in the journal. %s: %s",
                type(problem).__name__,
                str(problem).partition("\n")[0],
                exc_info=None if expected else problem,
            )
        self._away = True
        with suppress(DatabaseError):
            connection.close()

    def _note_success(self) -> None:
        self._delay = INTERVAL
        if self._away:
            logger.warning("The usage ledger has caught up with the journal.")
        self._away = False

    def _ship(self) -> None:
        # Not rotating while something waits keeps a long outage from making a segment each round.
        self._ship_closed()
        self._journal.rotate()
        self._ship_closed()
        self._up_to_date = time.monotonic()
        if self._up_to_date >= self._next_adoption:
            self._adopt_orphans()
            self._next_adoption = time.monotonic() + ADOPTION_INTERVAL

    def _ship_closed(self) -> None:
        for segment in self._journal.closed():
            self._store(segment.finished())
            self._drop(segment)

    def _adopt_orphans(self) -> None:
        orphans = Spool.claim_orphans(self._root)
        try:
            for orphan in orphans:
                self._recover([Segment(path) for path in orphan.segments()])
        finally:
            for orphan in orphans:
                orphan.release()

    def _recover(self, segments: list[Segment]) -> None:
        """Ship a dead process's segments; what is open at the end of the last one was interrupted."""
        still_open: dict[str, tuple[Admission, list[AttemptStart]]] = {}
        for segment in segments:
            self._store(_ends(segment, still_open))
            if segment is segments[-1]:
                self._store(interrupted(admission, further) for admission, further in still_open.values())
            self._drop(segment)
        if segments:
            logger.warning("Took over a dead worker's journal: %d interrupted requests.", len(still_open))

    def _store(self, entries: Iterable[Finished]) -> None:
        entries = iter(entries)
        while batch := list(islice(entries, BATCH)):
            if time.monotonic() > self._deadline:
                raise _OutOfTime
            self._append(batch)
            self._stopping.wait(PAUSE)

    def _append(self, batch: list[Finished]) -> None:
        """Store a batch. A row that the database refuses must not hold up the others: it is set aside."""
        try:
            ledger.append(_record_rows(batch), _attempt_rows(batch))
        except (DataError, IntegrityError) as problem:
            if len(batch) == 1:
                self._set_aside(batch[0], problem)
                return
            middle = len(batch) // 2
            self._append(batch[:middle])
            self._append(batch[middle:])

    def _set_aside(self, entry: Finished, problem: Exception) -> None:
        path = self._root / "refused.jsonl"
        with path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
        logger.error(
            "The ledger refuses usage record %s (%s); it is kept in %s.", entry.id, problem, path.name
        )

    def _drop(self, segment: Segment) -> None:
        if segment.damaged:
            logger.warning("Skipped %d damaged lines of a journal segment.", segment.damaged)
        segment.drop()


def _ends(
    segment: Segment, still_open: dict[str, tuple[Admission, list[AttemptStart]]]
) -> Iterator[Finished]:
    """Yield the requests that ended in the segment and keep `still_open` up to date with the others."""
    for line in segment.lines():
        match line:
            case Admission():
                still_open[line.id] = (line, [])  # one that was carried brings its further attempts along
            case Retry():
                if line.request_id in still_open:
                    still_open[line.request_id][1].append(line.start)
            case Finished():
                still_open.pop(line.id, None)
                yield line


def _record_rows(batch: Iterable[Finished]) -> Iterator[ledger.Row]:
    for entry in batch:
        row = list(msgspec.structs.astuple(entry))
        row[_ATTEMPTS] = len(entry.attempts)
        yield row


def _attempt_rows(batch: Iterable[Finished]) -> Iterator[ledger.Row]:
    for entry in batch:
        for number, attempt in enumerate(entry.attempts, start=1):
            key = f"{entry.id}.{number}"
            yield (key, entry.id, entry.organization_id, number, *msgspec.structs.astuple(attempt))
