"""What commands there are, what each says of itself, and how it tells what goes wrong: in one line."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, Run, seen, token
from databases import drop_database, run_sql
from typer.main import get_command

from fabric.database.migration import head, revision_of
from graphql_api.cli import COMMANDS, app

COMMANDS_DOCUMENT = ROOT / "docs" / "commands.md"
SERVERS_LIBRARIES = {"sqlalchemy", "strawberry", "uvicorn", "structlog"}


# What there is


def test_the_document_lists_every_command_and_every_option() -> None:
    text = COMMANDS_DOCUMENT.read_text()
    documented = {
        title: re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
        for title, section in re.findall(r"^##+ (.+?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    }
    common = documented.pop("Options of most commands")
    actual: dict[str, list[tuple[str, str]]] = {}
    for name, command in commands():
        options = [row(parameter) for parameter in command.params]
        actual[name] = [each for each in options if each not in common]
        left_out = {name for name, _ in common} - {name for name, _ in options}
        bare = (
            "version", "tokens", "import", "export", "config", "jobs", "documents", "vault", "vault policies", "verify",
            "verify key",
        )  # fmt: skip
        assert left_out <= ({*dict(common)} if name in bare else {"--admin-database-url URL"})
    assert documented == actual


def commands() -> Iterator[tuple[str, Any]]:
    """Every command as it is called, from its own module."""
    top = get_command(app)
    context = top.make_context("semantic-fabric", ["version"])
    for name in COMMANDS:
        _, command, _ = top.resolve_command(context, [name])  # type: ignore[attr-defined]
        yield name, command
        for inner, subcommand in getattr(command, "commands", {}).items():
            yield f"{name} {inner}", subcommand


def row(parameter: Any) -> tuple[str, str]:
    name = parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0]
    if parameter.param_type_name == "option" and parameter.metavar:
        name += f" {parameter.metavar}"
    return name, parameter.help


def test_help_says_of_each_command_what_it_says_itself() -> None:
    for name, command in commands():
        if name in COMMANDS:
            assert command.help.splitlines()[0] == COMMANDS[name][1]


def imported_by(statement: str) -> set[str]:
    probe = f"import sys\n{statement}\nprint(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(asked.stdout.split())


def test_what_answers_at_once_imports_nothing_of_the_server() -> None:
    assert not imported_by("import graphql_api.cli") & {*SERVERS_LIBRARIES, "asyncpg", "jwt"}
    assert not imported_by("import graphql_api.cli.tokens") & SERVERS_LIBRARIES
    assert imported_by("import graphql_api.cli.serve") >= SERVERS_LIBRARIES


def test_a_slip_in_a_command_gets_the_nearest(bare: Run) -> None:
    assert "Did you mean 'migrate'?" in bare("migrat").err


# What goes wrong


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("FABRIC_PROT", "80", "did you mean FABRIC_PORT"),
        ("FABRIC_PORT", "eighty", "FABRIC_PORT must be a whole number"),
        ("FABRIC_DATABASE_URL", "mysql://db", "must start with postgresql://"),
        ("FABRIC_DATABASE_URL", "postgresql://127.0.0.1:1/x", "the database cannot be reached: "),
        ("FABRIC_DATABASE_URL", "postgresql://127.0.0.1:one/x", "the database's URL cannot be read: "),
        ("FABRIC_POLICY_FILE", "/nowhere/policy.toml", "/nowhere/policy.toml: cannot be read"),
        ("FABRIC_JWT_SECRET_FILE", "/nowhere/secret", "the secret /nowhere/secret cannot be read"),
    ],
)
def test_settings_at_fault_are_told(
    run: Run, environment: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    assert run("organization", "acme").code == 0
    environment.setenv(name, value)
    assert said in run(*token()).refusal


def test_an_option_wins_over_its_variable(run: Run, server_url: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FABRIC_DATABASE_URL", "postgresql://127.0.0.1:1/x")
    assert run("organization", "acme", "--database-url", server_url).code == 0


def test_an_admin_url_alone_does_not_serve(run: Run, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("FABRIC_DATABASE_URL")
    assert "set it to the URL that `semantic-fabric migrate` prints" in run("schema", *seen("UNCLASSIFIED")).refusal


@pytest.mark.parametrize(
    "command", [["serve", "--port", "0"], ["schema", "--organization", "a", "--clearance", "SECRET"]]
)
def test_a_role_that_row_security_does_not_hold_is_refused(run: Run, admin_url: str, command: list[str]) -> None:
    assert "labels would not hold" in run(*command, "--database-url", admin_url).refusal


def test_a_role_without_the_rights_is_told_what_to_set(run: Run, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("FABRIC_ADMIN_DATABASE_URL")
    assert "set FABRIC_ADMIN_DATABASE_URL" in run("organization", "acme").refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_refused_before_anything_starts(bare: Run, tmp_path: Path, host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        port = str(taken.getsockname()[1])
        said = bare("serve", "--host", host, "--port", port, "--data-dir", str(tmp_path / "new")).refusal
    assert f"{host}:{port}: " in said
    assert "choose another --port" in said
    assert not (tmp_path / "new").exists()


@contextmanager
def empty_database(admin_url: str, name: str) -> Iterator[str]:
    maintenance = re.sub(r"/\w+\?", "/postgres?", admin_url)
    asyncio.run(run_sql(maintenance, f"create database {name}"))
    try:
        yield re.sub(r"/\w+\?", f"/{name}?", admin_url)
    finally:
        asyncio.run(drop_database(maintenance, name))


def test_a_database_that_is_behind_is_refused_with_the_command_that_mends_it(
    run: Run, admin_url: str, server_url: str, database_name: str
) -> None:
    with empty_database(admin_url, f"{database_name}_behind") as behind:
        as_server = behind.replace("postgres@", "semantic_fabric_server@", 1)
        for command in (["serve", "--port", "0"], token()):
            assert "run `semantic-fabric migrate`" in run(*command, "--database-url", as_server).refusal
        assert run("migrate", "--admin-database-url", behind).code == 0
        assert asyncio.run(revision_of(behind)) == head()
        assert "no organization 'acme'" in run(*token(), "--database-url", as_server).refusal
