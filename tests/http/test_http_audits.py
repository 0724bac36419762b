"""The reference suite of GraphQL over HTTP, run against the live server.

It is a package for Node: `npm install` in `tests/http/audits` once, and these tests run; without it they are skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from http_server import Tenant

AUDITS = Path(__file__).parent / "audits"
NUMBER = 61

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="graphql-http's audits: there is no node"),
    pytest.mark.skipif(
        not (AUDITS / "node_modules" / "graphql-http").is_dir(),
        reason="graphql-http's audits: not installed, see tests/http/audits",
    ),
]


def test_every_audit_passes(organization: Tenant) -> None:
    token = organization.authorization()["authorization"].removeprefix("Bearer ")
    told = subprocess.run(
        ["node", AUDITS / "run.mjs"],
        env=os.environ | {"FABRIC_URL": f"{organization.server.url}/graphql", "FABRIC_TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    audits = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(audits) == NUMBER
    assert [audit for audit in audits if audit["status"] != "ok"] == []
