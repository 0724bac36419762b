"""Folders for stores that are needed for a while, and cleared away even where a process was killed: by the next one."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp

PREFIX = "semantic-fabric-rdf-"
_HELD = "held"
"""The file that a process holds a lock of for as long as it needs the folder."""
_TRIES, _PAUSE = 100, 0.05


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """One that is there until the block ends. What killed processes left goes first."""
    _clear_left_behind()
    path = Path(mkdtemp(prefix=PREFIX))
    try:
        with (path / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(path / "new", path / _HELD)  # not seen before it is held
            yield path
    finally:
        _remove(path)


def _clear_left_behind() -> None:
    for path in Path(gettempdir()).glob(PREFIX + "*"):
        with suppress(OSError):
            if path.is_symlink() or path.lstat().st_uid != os.geteuid():
                continue
            with (path / _HELD).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                rmtree(path, ignore_errors=True)


def _remove(path: Path) -> None:
    # The store may write to it a moment longer, until its threads end.
    for _ in range(_TRIES):
        rmtree(path, ignore_errors=True)
        if not path.exists():
            break
        time.sleep(_PAUSE)
