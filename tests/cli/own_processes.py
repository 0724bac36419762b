"""Commands as processes of their own, over the embedded database."""

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from command_line import ROOT
from databases import servers_place


@contextmanager
def folder() -> Iterator[Path]:
    """A data folder with a short path, outside pytest's own, which is closed to the user that serves root."""
    path = Path(tempfile.mkdtemp(prefix="sfc-", dir=servers_place()))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def listens(data_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(data_dir / "postgres" / ".s.PGSQL.5432")) == 0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def command(data_dir: Path, *arguments: str, **settings: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FABRIC_")}
    return {
        "args": [sys.executable, "-m", "graphql_api.cli", *arguments],
        "env": environment | {"FABRIC_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"} | settings,
        "cwd": ROOT,
        "text": True,
    }
