"""Processor time of a server and of the database behind it, which other work disturbs less than rates."""

import re
import subprocess
from contextlib import suppress
from pathlib import Path


def listener(port: int) -> int:
    """The process that listens at a port."""
    listed = subprocess.run(["ss", "-ltnpH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"pid=(\d+)", listed)
    assert found, listed
    return int(found[1])


def backends(postgres: Path) -> list[int]:
    """The processes of a PostgreSQL server, by its folder."""
    postmaster = int((postgres / "postmaster.pid").read_text().splitlines()[0])
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _parent(p) == postmaster]


def milliseconds(processes: list[int]) -> float:
    """What they have used so far."""
    total = 0
    for process in processes:
        with suppress(OSError):  # it has ended
            for task in Path(f"/proc/{process}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def _parent(process: Path) -> int:
    with suppress(OSError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return 0
