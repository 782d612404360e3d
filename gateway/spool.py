"""A worker's directory of journal segments, and the lock that tells whether its worker lives.

The lock file is held for the life of the process (the kernel takes it back whatever way the process ends), so
a directory whose lock is free is an orphan. Directories are made, claimed and removed under one more lock in
their common root: nobody sees a directory that isn't locked yet, or is half removed.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = "lock"
_ROOT_LOCK = ".lock"


def worker_directory(root: Path) -> Path:
    """Return a new name below `root` for this process's spool."""
    return root / f"{os.getpid()}-{secrets.token_hex(4)}"


class Spool:
    """A directory of segments that this process holds until `release`."""

    def __init__(self, directory: Path, lock: int) -> None:
        self.directory = directory
        self._lock = lock

    @classmethod
    def create(cls, directory: Path) -> "Spool":
        """Make the directory and take it. Raises OSError."""
        with _root_lock(directory.parent):
            directory.mkdir(mode=0o700)
            return cls(directory, _take_lock(directory))

    @classmethod
    def claim_orphans(cls, root: Path) -> "list[Spool]":
        """Take every directory below `root` whose process is gone; release each. Raises OSError."""
        orphans = []
        with _root_lock(root):
            for directory in sorted(entry for entry in root.iterdir() if entry.is_dir()):
                with suppress(BlockingIOError):
                    orphans.append(cls(directory, _take_lock(directory)))
        return orphans

    def segment(self, number: int) -> Path:
        """Return the path of a segment; later ones sort later."""
        return self.directory / f"{number:010d}.jsonl"

    def segments(self) -> list[Path]:
        """Return what is there, oldest first."""
        return sorted(self.directory.glob("*.jsonl"))

    def release(self) -> None:
        """Give the directory up. It goes away when no segment is left in it. Raises OSError."""
        with _root_lock(self.directory.parent):
            if not self.segments():
                for leftover in self.directory.iterdir():
                    leftover.unlink()
                self.directory.rmdir()
            os.close(self._lock)


@contextmanager
def _root_lock(root: Path) -> Iterator[None]:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(root / _ROOT_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _take_lock(directory: Path) -> int:
    """Return the held lock file. Raises BlockingIOError when another process holds it."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
