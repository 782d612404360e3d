"""Files that only this user may read: secrets, and what `make run` prints once."""

import os
import tempfile
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Make the directory (mode 0700) unless it's there; prove that files can be written in it.

    An existing directory keeps its mode: it may be somebody else's, such as /tmp. Raises OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path):
        pass


def write_private(path: Path, text: str) -> None:
    """Write the file whole or not at all, with mode 0600. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
