"""A server in a process of its own."""

import os
from dataclasses import dataclass
from pathlib import Path

from http_server import Server


@dataclass
class Process(Server):
    """A server that runs as `semantic-fabric serve` does."""

    pid: int

    @property
    def resident(self) -> int:
        """Bytes of memory that it takes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
