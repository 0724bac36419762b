"""The command line, run in this process against a database of the test's own."""

import os
from pathlib import Path

import pytest
from command_line import Outcome, Run
from typer.testing import CliRunner

from graphql_api.cli import app


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, untouched_log: None) -> pytest.MonkeyPatch:
    """No settings from outside, and the log afterwards as it was before."""
    for name in [name for name in os.environ if name.startswith("FABRIC_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def bare(environment: pytest.MonkeyPatch) -> Run:
    """Runs a command with nothing set."""

    def run(*arguments: str, given: str | bytes | None = None) -> Outcome:
        result = CliRunner().invoke(app, list(arguments), input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def run(bare: Run, environment: pytest.MonkeyPatch, server_url: str, admin_url: str, tmp_path: Path) -> Run:
    """Runs a command on the test's database."""
    tmp_path.chmod(0o700)
    environment.setenv("FABRIC_DATA_DIR", str(tmp_path))
    environment.setenv("FABRIC_DATABASE_URL", server_url)
    environment.setenv("FABRIC_ADMIN_DATABASE_URL", admin_url)
    return bare
