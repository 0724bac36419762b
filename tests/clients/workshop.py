"""Where the clients for Node run: a copy of this folder, in which they may write."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from http_server import Tenant

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
OLDEST_NODE = 20
SECONDS = 120
"""How long a client may take; a calm machine needs less than five."""


def _lacking() -> str | None:
    """What the clients lack on this machine."""
    node = shutil.which("node")
    if node is None:
        return "there is no node"
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    if int(told.stdout.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        return f"node is older than {OLDEST_NODE}"
    return None if (PACKAGES / ".installed").exists() else "their packages are not installed: make clients"


LACKING = _lacking()


def client(name: str) -> pytest.MarkDecorator:
    """Marks tests of a client for Node, which are skipped by its name where it cannot run; in CI they fail."""
    return pytest.mark.skipif(LACKING is not None and "CI" not in os.environ, reason=f"{name}: {LACKING}")


@dataclass(frozen=True)
class Workshop:
    """A folder with the clients, and what they are told of the server."""

    folder: Path
    environment: dict[str, str] = field(repr=False)

    @classmethod
    def furnish(cls, folder: Path, tenant: Tenant) -> "Workshop":
        assert LACKING is None, LACKING
        place = folder / "clients"
        shutil.copytree(HERE, place, ignore=shutil.ignore_patterns("node_modules", "*.py", "__pycache__"))
        (place / "node_modules").symlink_to(PACKAGES)
        token = tenant.authorization(roles=("writer",))["authorization"].removeprefix("Bearer ")
        told = {"GRAPHQL_URL": f"{tenant.server.url}/graphql", "GRAPHQL_TOKEN": token}
        return cls(place, os.environ | told)

    def run(self, *command: str, within: str = ".", **told: str) -> subprocess.CompletedProcess[str]:
        """Runs node, or a command of the packages, in this folder of the workshop, with this in its environment."""
        program = "node" if command[0] == "node" else str(PACKAGES / ".bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.folder / within, env=self.environment | told, capture_output=True, text=True, check=False,
            timeout=SECONDS,
        )  # fmt: skip

    def succeed(self, *command: str, within: str = ".", **told: str) -> str:
        """What the command prints."""
        done = self.run(*command, within=within, **told)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, script: str, given: Any = None) -> Any:
        """What the script tells of this."""
        return json.loads(self.succeed("node", script, json.dumps(given)))
