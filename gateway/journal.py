"""The write-ahead journal: what happened, on disk before anybody is told.

One directory per worker process, `<root>/<pid>-<random>`, guarded by a lock file held as long as the process
lives. A line is appended when a request is admitted (before it is dispatched), when a further attempt starts
and when the request ends. Each line is one `write` straight to the kernel, so it survives a killed process;
a power cut can lose what the kernel had not written yet.

Lines go to numbered segments. A new segment begins with the admissions that are still open, so each one can
be dropped once its ends are in the ledger. gateway.shipping does that, also for the directories of processes
that died: whatever was admitted there and never ended becomes a record with the outcome `interrupted`.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.errors import Unavailable
from gateway.spool import Spool

SEGMENT_BYTES = 8 * 1024 * 1024  # a segment that the shipper doesn't fetch in time is closed at this size
_OPEN_LINES = (b'["a",', b'["r",')  # how the lines of requests that haven't ended begin


class JournalUnavailable(Unavailable):
    """The journal cannot be written (disk full, directory gone): nothing may be sent to a provider."""

    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("Usage cannot be recorded at the moment. Try again later.")


# -- lines. Arrays on disk: only ever add a field at the end, with a default, so that a newer gateway reads
# what an older one left behind.


class AttemptStart(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The target of one upstream attempt, known before it is dispatched."""

    provider: str
    credential_id: int
    credential_name: str
    model: str


class Attempt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One upstream attempt that is over. `status` is the provider's, None where no answer came."""

    provider: str
    credential_id: int
    credential_name: str
    model: str
    status: int | None = None
    error_class: str = ""
    duration_ms: float | None = None


class Admission(msgspec.Struct, array_like=True, tag="a", frozen=True, gc=False):
    """A request that is about to be dispatched to `first`. `started_at` is in seconds since the epoch."""

    id: str
    organization_id: int
    team_id: int | None
    user_id: int | None
    token_id: int
    token_name: str
    endpoint: str
    streamed: bool
    requested_model: str
    started_at: float
    first: AttemptStart


class Retry(msgspec.Struct, array_like=True, tag="r", frozen=True, gc=False):
    """A further attempt of an admitted request, about to be dispatched."""

    request_id: str
    start: AttemptStart


class Finished(msgspec.Struct, array_like=True, tag="f", frozen=True, gc=False, kw_only=True):
    """A request that is over: all of finops.models.UsageRecord, whose columns these fields follow in order.

    `attempts` become UsageAttempt rows, numbered from 1. `outcome` is one of UsageRecord.Outcome, `cost_usd`
    a decimal number as text, `started_at` in seconds since the epoch. None is unknown.
    """

    id: str
    organization_id: int
    team_id: int | None
    user_id: int | None
    token_id: int
    token_name: str
    endpoint: str
    streamed: bool
    requested_model: str
    provider: str = ""
    credential_id: int | None = None
    credential_name: str = ""
    model: str = ""
    outcome: str
    status: int | None = None
    error_class: str = ""
    attempts: list[Attempt] = []
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    estimated: bool = False
    cost_usd: str | None = None
    cost_source: str = ""
    started_at: float
    duration_ms: float | None = None
    first_token_ms: float | None = None
    overhead_ms: float | None = None
    characters: int | None = None
    audio_seconds: float | None = None


Line = Admission | Retry | Finished

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def interrupted(admission: Admission, further: list[AttemptStart]) -> Finished:
    """Return the record of a request whose process died: what was asked of whom, nothing about the end."""
    starts = [admission.first, *further]
    last = starts[-1]
    return Finished(
        id=admission.id,
        organization_id=admission.organization_id,
        team_id=admission.team_id,
        user_id=admission.user_id,
        token_id=admission.token_id,
        token_name=admission.token_name,
        endpoint=admission.endpoint,
        streamed=admission.streamed,
        requested_model=admission.requested_model,
        provider=last.provider,
        credential_id=last.credential_id,
        credential_name=last.credential_name,
        model=last.model,
        outcome="interrupted",
        attempts=[Attempt(s.provider, s.credential_id, s.credential_name, s.model) for s in starts],
        started_at=admission.started_at,
    )


# -- writing


class Journal:
    """The journal of this process. Any thread may call any method; a line costs its caller one `write`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._mutex = threading.Lock()
        self._fd = -1
        self._number = 0
        self._size = 0  # bytes in the current segment
        self._limit = SEGMENT_BYTES  # the size at which it is closed; carried lines don't count
        self._ends = 0  # requests that ended in the current segment
        self._open: dict[str, bytes] = {}  # the lines so far of each request that hasn't ended
        self._deferred: list[tuple[str, bytes]] = []  # ends that the disk refused, by request id

    @classmethod
    def open(cls, directory: Path) -> "Journal":
        """Create the directory (its name comes from spool.worker_directory) and start its first segment.

        Raises JournalUnavailable when it cannot be written, exists already or is held by another process.
        """
        try:
            journal = cls(Spool.create(directory))
        except OSError as problem:
            raise JournalUnavailable from problem
        try:
            journal._start_segment()
        except JournalUnavailable:
            journal._spool.release()
            raise
        return journal

    def admit(self, admission: Admission) -> None:
        """Record a request that is about to be dispatched. Raises JournalUnavailable: don't dispatch it."""
        line = _encode(admission) + b"\n"
        with self._mutex:
            self._append(line)
            self._open[admission.id] = line

    def retry(self, request_id: str, start: AttemptStart) -> None:
        """Record a further attempt that is about to be dispatched.

        Raises JournalUnavailable: then don't dispatch it. Raises KeyError when the request isn't admitted.
        """
        line = _encode(Retry(request_id, start)) + b"\n"
        with self._mutex:
            lines = self._open[request_id] + line
            self._append(line)
            self._open[request_id] = lines

    def finish(self, entry: Finished) -> None:
        """Record the end of a request.

        For an admitted request this never fails: a line that the disk refuses is written later, and if the
        process dies before that, the request counts as interrupted. For one that was never admitted, raises
        JournalUnavailable.
        """
        line = _encode(entry) + b"\n"
        with self._mutex:
            try:
                self._append(line)
            except JournalUnavailable:
                if entry.id not in self._open:
                    raise
                self._deferred.append((entry.id, line))
                return
            self._open.pop(entry.id, None)
            self._ends += 1

    def rotate(self) -> None:
        """Close the current segment if a request ended in it. Raises JournalUnavailable."""
        with self._mutex:
            self._write_deferred()
            if self._ends and self._fd >= 0:
                self._start_segment()

    def closed(self) -> "list[Segment]":
        """Return the segments that will not change any more, oldest first."""
        current = self._spool.segment(self._number)
        return [Segment(path) for path in self._spool.segments() if path < current]

    def close(self) -> None:
        """Stop writing and give up the directory. It goes away unless something is left to be shipped."""
        with self._mutex:
            if self._fd < 0:
                return
            with suppress(JournalUnavailable):
                self._write_deferred()
            os.close(self._fd)
            self._fd = -1
            if not (self._open or self._ends):
                self._spool.segment(self._number).unlink(missing_ok=True)
            self._spool.release()

    def _append(self, line: bytes) -> None:
        """Write the line whole or not at all. Raises JournalUnavailable."""
        if self._deferred:
            self._write_deferred()
        self._write(line)
        if self._size > self._limit:
            # Failing to start a segment loses nothing: this one just grows.
            with suppress(JournalUnavailable):
                self._start_segment()

    def _write_deferred(self) -> None:
        while self._deferred:
            request_id, line = self._deferred[-1]
            self._write(line)
            self._deferred.pop()
            self._open.pop(request_id, None)
            self._ends += 1

    def _write(self, line: bytes) -> None:
        try:
            written = os.write(self._fd, line)
            if written < len(line):  # the disk filled up in the middle of it
                os.ftruncate(self._fd, self._size)
                raise JournalUnavailable
        except OSError as problem:
            raise JournalUnavailable from problem
        self._size += written

    def _start_segment(self) -> None:
        """Begin the next segment with what is open. Raises JournalUnavailable; nothing has changed then."""
        carried = b"".join(self._open.values())
        path = self._spool.segment(self._number + 1)
        draft = path.with_suffix(".draft")  # a segment that has its name has all that was carried
        fd = -1
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if os.write(fd, carried) < len(carried):
                raise OSError("short write")
            draft.rename(path)
        except OSError as problem:
            with suppress(OSError):
                if fd >= 0:
                    os.close(fd)
                draft.unlink()
            raise JournalUnavailable from problem
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._number += 1
        self._size = len(carried)
        self._limit = self._size + SEGMENT_BYTES
        self._ends = 0


# -- reading


class Segment:
    """A segment that nobody writes any more. `damaged` counts the lines skipped so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0

    def lines(self) -> Iterator[Line]:
        """Yield every line that can be read."""
        return self._read(skip=())

    def finished(self) -> Iterator[Finished]:
        """Yield the ends only, without looking into the other lines: most of them were carried."""
        return (line for line in self._read(skip=_OPEN_LINES) if isinstance(line, Finished))

    def drop(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def _read(self, *, skip: tuple[bytes, ...]) -> Iterator[Line]:
        with self.path.open("rb") as file:
            for text in file:
                if text.startswith(skip):
                    continue
                try:
                    yield _decode(text)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    self.damaged += 1
