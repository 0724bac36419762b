"""The server as its users start it, for as long as a benchmark asks it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

PATIENCE = 120.0
"""Seconds until it must answer."""


@contextmanager
def served(data_dir: Path, port: int, changed: Mapping[str, str] = MappingProxyType({})) -> Iterator[int]:
    """`semantic-fabric serve` on the loopback, with the variables that are `changed`; the process id."""
    command = [sys.executable, "-m", "graphql_api.cli", "serve", "--data-dir", str(data_dir), "--port", str(port)]
    environment = {**os.environ, "FABRIC_LOG_LEVEL": "warning", "FABRIC_HOST": "127.0.0.1", **changed}
    with subprocess.Popen(command, env=environment) as process:
        try:
            wait_for(port)
            yield process.pid
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    until = time.perf_counter() + PATIENCE
    while time.perf_counter() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens at {port}")
