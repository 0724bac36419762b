"""The server of the other tests over HTTP, and one in a process of its own, whose time and memory are its own too."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from http_fixtures import _alive_afterwards, assets, organization, other_organization, pair, server
from http_server import TYPES, Tenant
from server_process import Process

from fabric.settings import PREFIX, Settings
from graphql_api.metrics import Metrics

__all__ = ["_alive_afterwards", "assets", "organization", "other_organization", "pair", "server"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def process(request: pytest.FixtureRequest, server_url: str, admin_url: str, tmp_path: Path) -> Iterator[Process]:
    """Takes settings that differ, as an indirect parameter."""
    changed: dict[str, str] = getattr(request, "param", {})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    command = [sys.executable, "-m", "graphql_api.cli", "serve", "--port", "0"]
    given = {"FABRIC_DATABASE_URL": server_url, "FABRIC_DATA_DIR": str(tmp_path), "FABRIC_LOG_FORMAT": "json"} | changed
    written = tmp_path / "log"
    with written.open("wb") as log, subprocess.Popen(command, env=environment | given, cwd=ROOT, stderr=log) as started:
        try:
            deadline = time.monotonic() + 30
            while not (found := re.search(r'"url": "(.*)/graphql"', written.read_text())):
                assert started.poll() is None, written.read_text()
                assert time.monotonic() < deadline, "the server did not start in time"
                time.sleep(0.05)
            with httpx.Client(base_url=found[1], timeout=60) as client:
                settings = Settings(data_dir=tmp_path, log_format="json")
                yield Process(found[1], server_url, admin_url, settings, client, Metrics(), started.pid)
        finally:
            started.terminate()


@pytest.fixture
def apart(process: Process) -> Tenant:
    """An organization of the server that runs apart, with `TYPES`."""
    tenant = process.organization()
    tenant.define(*TYPES)
    return tenant
