"""Processes that were started by what is tested, as the kernel tells of them."""

from pathlib import Path


def children(pid: int) -> list[int]:
    """Of its first thread."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_ended(pid: int) -> bool:
    """Also where nobody has asked yet what became of it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"
