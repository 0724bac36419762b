"""The command line: in this process against a database of the test's own, or as a process against the embedded one."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from databases import run_sql
from stix_bundles import id_of, item, relationship
from typer.main import get_command
from typer.testing import CliRunner

from fabric.demo import COUNTS, OFFICER, READERS
from fabric.document_register import document_id
from fabric.embedded import EmbeddedPostgres
from fabric.migration import head, revision_of
from graphql_api.cli import COMMANDS, app, passwords

ROOT = Path(__file__).parent.parent
COMMANDS_DOCUMENT = ROOT / "docs" / "commands.md"
SERVERS_LIBRARIES = {"sqlalchemy", "strawberry", "uvicorn", "structlog"}

THING = {"typeName": "Thing", "fields": {"name": {"type": "string", "required": True}}, "naturalKey": ["name"]}
HIDDEN = {"typeName": "Hidden", "label": "SECRET", "fields": {"name": {"type": "string"}}}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line of a command that is not done."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.startswith("error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").strip()


Run = Callable[..., Outcome]


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


def token(*more: str, organization: str = "acme", clearance: str = "SECRET", role: str = "writer") -> list[str]:
    named = {"organization": organization, "subject": "ann", "clearance": clearance, "role": role}
    return ["token", *(word for name, value in named.items() for word in (f"--{name}", value)), *more]


def written(path: Path, value: Any) -> str:
    path.write_text(json.dumps(value))
    return str(path)


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
        bare = ("version", "tokens", "import", "export", "documents", "vault", "vault policies", "verify", "verify key")
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


# What goes wrong is told in one line


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
        asyncio.run(run_sql(maintenance, f"drop database {name} with (force)"))


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


# Organizations and tokens


def test_an_organization_is_made_once_and_extended(run: Run) -> None:
    made = run("organization", "acme", "--compartment", "BRAVO", "--compartment", "ALPHA")
    assert made.out == "new: organization acme, compartment BRAVO, compartment ALPHA; its compartments: BRAVO, ALPHA\n"
    more = run("organization", "acme", "--compartment", "ALPHA", "--compartment", "CHARLIE")
    assert more.out == "new: compartment CHARLIE; its compartments: BRAVO, ALPHA, CHARLIE\n"
    assert run("organization", "acme").out == "acme: nothing new; its compartments: BRAVO, ALPHA, CHARLIE\n"


@pytest.mark.parametrize("arguments", [[""], ["x" * 201], ["acme", "--compartment", "alpha"]])
def test_names_that_cannot_be_are_refused(run: Run, arguments: list[str]) -> None:
    assert run("organization", *arguments).refusal


def test_standard_output_has_the_token_alone(run: Run, tmp_path: Path) -> None:
    run("organization", "acme", "--compartment", "ALPHA")
    printed = run(*token("--role", "designer", "--expires", "30d", clearance="SECRET/ALPHA")).out
    claims = jwt.decode(
        printed.removesuffix("\n"), (tmp_path / "jwt").read_bytes(), ["HS256"], audience="semantic-fabric"
    )
    assert (claims["org"], claims["sub"], claims["clearance"]) == ("acme", "ann", "SECRET/ALPHA")
    assert claims["roles"] == ["designer", "writer"]
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600


def test_a_token_that_nobody_could_use_is_refused_with_what_to_do(run: Run) -> None:
    assert (
        "`semantic-fabric organization 'a b' --compartment X` makes it"
        in run(*token(organization="a b", clearance="SECRET/X")).refusal
    )
    run("organization", "acme", "--compartment", "ALPHA")
    assert "`semantic-fabric organization acme --compartment X` adds" in run(*token(clearance="SECRET/ALPHA,X")).refusal
    assert "did you mean writer?" in run(*token(role="writr")).refusal
    assert "no server would take this token" in run(*token("--subject", "x" * 300)).refusal


@pytest.mark.parametrize("expires", ["0d", "12", "h", "-1d", "1w", "999999d"])
def test_a_time_that_cannot_be_read_is_a_slip_in_the_option(bare: Run, expires: str) -> None:
    outcome = bare(*token("--expires", expires))
    assert outcome.code == 2
    assert "such as 30d, 12h or 90m" in outcome.err


def revoke(*more: str, organization: str = "acme", reason: str = "laptop lost") -> list[str]:
    return ["tokens", "revoke", "--organization", organization, "--reason", reason, *more]


def test_tokens_are_revoked_by_id_or_by_subject(run: Run, admin_url: str) -> None:
    run("organization", "acme")
    assert run(*revoke("--token-id", "t-1")).out == "acme: the token t-1 is refused\n"
    moment = "2026-01-10T08:00:00+01:00"
    told = "acme: tokens of ann that were issued until 2026-01-10T07:00:00Z are refused\n"
    assert run(*revoke("--subject", "ann", "--issued-until", moment)).out == told
    assert re.fullmatch(r"acme: tokens of bea .* until 20\S+Z are refused\n", run(*revoke("--subject", "bea")).out)
    rows = asyncio.run(run_sql(admin_url, "select kind, name, reason from fabric.revocations order by 1, 2"))
    assert [tuple(row) for row in rows] == [
        ("subject", "ann", "laptop lost"), ("subject", "bea", "laptop lost"), ("token", "t-1", "laptop lost")
    ]  # fmt: skip


def test_a_revocation_that_cannot_be_meant_is_refused_with_what_to_do(run: Run) -> None:
    run("organization", "acme")
    assert "either --token-id or --subject" in run(*revoke()).refusal
    assert "either --token-id or --subject" in run(*revoke("--token-id", "a", "--subject", "b")).refusal
    assert "is for --subject" in run(*revoke("--token-id", "a", "--issued-until", "2026-01-10T08:00:00Z")).refusal
    assert "yet to come" in run(*revoke("--subject", "ann", "--issued-until", "2999-01-10T08:00:00Z")).refusal
    assert "printable" in run(*revoke("--subject", "")).refusal
    assert "a reason is required" in run(*revoke("--subject", "ann", reason=" ")).refusal
    assert "`semantic-fabric organization nobody`" in run(*revoke("--subject", "a", organization="nobody")).refusal


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-01-10", "2026-01-10T08:00:00"])
def test_a_moment_has_a_time_zone(run: Run, moment: str) -> None:
    outcome = run(*revoke("--subject", "ann", "--issued-until", moment))
    assert outcome.code == 2
    assert "2026-01-10T08:00:00Z" in outcome.err


def test_revoking_needs_the_rights_of_an_administrator(run: Run, server_url: str) -> None:
    run("organization", "acme")
    refusal = run(*revoke("--subject", "ann", "--admin-database-url", server_url)).refusal
    assert "FABRIC_ADMIN_DATABASE_URL" in refusal


@pytest.mark.parametrize(
    "setting",
    [{"FABRIC_JWKS_URL": "https://id.example/keys"}, {"FABRIC_JWT_ALGORITHMS": "RS256", "FABRIC_JWT_KEY_FILE": "k"}],
)
@pytest.mark.parametrize("command", [token(), ["demo", "--port", "0"]])
def test_where_public_keys_verify_the_identity_provider_issues(
    run: Run, environment: pytest.MonkeyPatch, setting: dict[str, str], command: list[str]
) -> None:
    for name, value in setting.items():
        environment.setenv(name, value)
    assert "the identity provider issues them" in run(*command).refusal


# Types and schemas


def seen(clearance: str, organization: str = "acme") -> list[str]:
    return ["--organization", organization, "--clearance", clearance]


def test_types_from_several_files_refer_to_each_other_and_are_seen_by_clearance(run: Run, tmp_path: Path) -> None:
    run("organization", "acme")
    linked = {**THING, "links": {"others": {"relation": "meets", "target": "Other"}}}
    one = written(tmp_path / "one.json", linked)
    more = written(tmp_path / "more.json", [{**THING, "typeName": "Other"}, HIDDEN])
    assert run("define", one, more, "--organization", "acme").out == "defined: Hidden, Other, Thing\n"
    assert run("define", one, more, "--organization", "acme").out == "nothing new\n"
    low, high = (run("schema", *seen(clearance)).out for clearance in ("UNCLASSIFIED", "SECRET"))
    assert "type Thing implements" in low
    assert "Hidden" not in low
    assert "type Hidden implements" in high


def test_of_faulty_definitions_none_is_taken_and_each_fault_has_its_place(run: Run, tmp_path: Path) -> None:
    run("organization", "acme")
    good = written(tmp_path / "good.json", THING)
    faulty = written(tmp_path / "faulty.json", [{**HIDDEN, "fields": {"name": {"type": "strin"}}}])
    outcome = run("define", good, faulty, "--organization", "acme")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"error: {faulty}[0]: fields.name.type: " in outcome.err
    assert "Thing" not in run("schema", *seen("SECRET")).out


@pytest.mark.parametrize(("text", "said"), [("{", "not JSON"), ("3", "a definition is an object"), ("[[]]", "[0]")])
def test_a_file_that_holds_no_definition_is_refused_by_name(run: Run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    refusal = run("define", str(tmp_path / "bad.json"), "--organization", "acme").refusal
    assert refusal.startswith(str(tmp_path / "bad.json"))
    assert said in refusal


# Import and export


def bundle(path: Path, *objects: object) -> str:
    return written(path, {"type": "bundle", "id": id_of("bundle", 1), "objects": objects})


def test_a_bundle_is_imported_once_with_the_labels_that_are_given(run: Run, tmp_path: Path) -> None:
    tool, campaign = item("tool", name="Wrench"), item("campaign", name="Storm")
    file = bundle(tmp_path / "b.json", tool, campaign, relationship("uses", campaign["id"], tool["id"]))
    command = ["import", "stix", file, "--organization", "acme", "--label", "campaign=SECRET/ALPHA"]
    first = run(*command)
    assert first.code == 0
    assert "new: organization acme, compartment ALPHA" in first.out
    assert counts(first.out) == {
        "objects": ["2", "0", "0"],
        "links": ["1", "0", "0"],
        "types": ["2"],
        "problems": ["0"],
    }
    again = run(*command)
    assert "new" not in again.out
    assert counts(again.out) == {
        "objects": ["0", "0", "2"],
        "links": ["0", "0", "1"],
        "types": ["0"],
        "problems": ["0"],
    }
    low, high = (run("export", "jsonl", *seen(clearance)).out for clearance in ("UNCLASSIFIED", "SECRET/ALPHA"))
    assert ("Wrench" in low, "Storm" in low, "Storm" in high) == (True, False, True)


def counts(summary: str) -> dict[str, list[str]]:
    return {
        words[0]: words[1:] for line in summary.splitlines() if len(words := line.split()) > 1 and words[1].isdigit()
    }


def test_a_tlp_marking_means_what_is_said(run: Run, tmp_path: Path) -> None:
    amber = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
    file = bundle(tmp_path / "b.json", item("tool", name="Wrench", object_marking_refs=[amber]))
    assert run("import", "stix", file, "--organization", "acme", "--tlp", "amber=TOP_SECRET").code == 0
    assert "Wrench" not in run("export", "jsonl", *seen("SECRET")).out
    assert "Wrench" in run("export", "jsonl", *seen("TOP_SECRET")).out


@pytest.mark.parametrize("value", ["campaign", "=SECRET", "campaign=SECRT", "campaign=SECRET/alpha"])
def test_a_label_that_cannot_be_read_is_a_slip_in_the_option(bare: Run, tmp_path: Path, value: str) -> None:
    outcome = bare("import", "stix", bundle(tmp_path / "b.json"), "--organization", "acme", "--label", value)
    assert outcome.code == 2
    assert "Invalid value for '--label'" in outcome.err


def test_what_is_exported_can_be_imported_from_a_file_and_from_standard_input(run: Run, tmp_path: Path) -> None:
    records = [{"define": THING}, *({"type": "Thing", "key": {"name": f"t{i}"}, "label": "SECRET/X"} for i in range(3))]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    assert run("import", "jsonl", "-", "--organization", "acme", given=lines).code == 0
    output = tmp_path / "out.jsonl"
    assert run("export", "jsonl", *seen("SECRET/X"), "--output", str(output)).out == ""
    assert output.stat().st_mode & 0o777 == 0o600
    assert run("import", "jsonl", str(output), "--organization", "other").code == 0
    assert run("export", "jsonl", *seen("SECRET/X", "other")).out == output.read_text()


def test_problems_are_shown_reported_and_make_the_code_1(run: Run, tmp_path: Path) -> None:
    lines = json.dumps({"define": THING}) + "\n" + "".join(
        json.dumps({"type": "Thing", "key": {"name": f"t{i}"}, "data": {"colour\x1b[31m": i}}) + "\n" for i in range(25)
    )  # fmt: skip
    (tmp_path / "in.jsonl").write_text(lines + json.dumps({"type": "Thing", "key": {"name": "good"}}))
    report = tmp_path / "report.jsonl"
    outcome = run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme", "--report", str(report))
    assert outcome.code == 1
    assert counts(outcome.out)["objects"] == ["1", "0", "0"]
    shown = re.findall(r"^line (\d+): .*colour", outcome.out, re.MULTILINE)
    assert shown == [str(number) for number in range(2, 22)]
    assert "and 5 more" in outcome.out
    assert "\x1b" not in outcome.out
    reported = [json.loads(line) for line in report.read_text().splitlines()]
    assert [problem["where"] for problem in reported] == [f"line {number}" for number in range(2, 27)]
    assert all("colour" in problem["message"] for problem in reported)


def test_strict_ends_at_the_first_problem(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("nonsense\n" * 5)
    outcome = run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme", "--strict")
    assert outcome.code == 1
    assert counts(outcome.out)["problems"] == ["1"]
    assert "stopped" in outcome.out


@pytest.mark.parametrize("command", [["import", "jsonl"], ["import", "stix"]])
def test_a_file_that_cannot_be_imported_makes_nothing(run: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert run(*command, str(tmp_path / "cut.gz"), "--organization", "acme").refusal
    assert "no organization" in run("schema", *seen("UNCLASSIFIED")).refusal


def test_who_imports_is_named_in_the_audit_log(run: Run, admin_url: str, tmp_path: Path) -> None:
    run("import", "stix", bundle(tmp_path / "b.json", item("tool", name="Wrench")), "--organization", "acme")
    rows = asyncio.run(run_sql(admin_url, "select distinct actor from fabric.audit_log"))
    assert [row["actor"] for row in rows] == ["operator"]


# Documents


ASK, THINGS = "query Ask { viewer { subject } }", "query Things { things { nodes { name } } }"
AT = ["--organization", "acme", "--clearance"]


def digest(text: str) -> str:
    return document_id(text).removeprefix("sha256:")


@pytest.fixture
def things(run: Run, tmp_path: Path) -> Run:
    """Runs a command on a database in which `acme` has things, and hidden ones above."""
    assert run("organization", "acme", "--compartment", "ALPHA").code == 0
    assert run("define", written(tmp_path / "types.json", [THING, HIDDEN]), "--organization", "acme").code == 0
    return run


def test_documents_are_registered_listed_and_removed(things: Run, tmp_path: Path) -> None:
    (tmp_path / "ask.graphql").write_text(ASK)
    manifest = written(tmp_path / "persisted.json", {digest(t): t for t in (ASK, THINGS)})
    made = things("documents", "register", str(tmp_path / "ask.graphql"), manifest, *AT, "UNCLASSIFIED")
    assert (made.code, made.out.split()) == (0, [document_id(ASK), document_id(THINGS)])
    assert things("documents", "register", manifest, *AT, "SECRET").code == 0
    lines = [line.split("\t") for line in things("documents", "list", *AT, "CONFIDENTIAL").out.splitlines()]
    assert {(line[0], line[1], line[3], line[4]) for line in lines} == {
        (document_id(ASK), "UNCLASSIFIED", "operator", "Ask"),
        (document_id(THINGS), "UNCLASSIFIED", "operator", "Things"),
    }  # fmt: skip
    assert len(things("documents", "list", *AT, "SECRET").out.splitlines()) == 4
    gone = things("documents", "remove", document_id(ASK), document_id("{ none }"), *AT, "UNCLASSIFIED")
    assert (gone.code, gone.out) == (1, document_id(ASK) + "\n")
    assert f"{document_id('{ none }')} is not registered at UNCLASSIFIED" in gone.err
    assert len(things("documents", "list", *AT, "SECRET").out.splitlines()) == 3


def test_of_documents_that_are_not_valid_none_is_registered(things: Run, tmp_path: Path) -> None:
    hidden = "{ hiddens { nodes { name } } }"
    texts = written(tmp_path / "d.json", {digest(t): t for t in (ASK, hidden, "{ a")})
    refused = things("documents", "register", texts, *AT, "UNCLASSIFIED")
    assert (refused.code, refused.out) == (2, "")
    told = refused.err.splitlines()
    assert len(told) == 2
    assert f"{texts}: {digest(hidden)}: line 1, column 3: Cannot query field 'hiddens'" in told[0]
    assert things("documents", "list", *AT, "SECRET").out == ""
    assert "Syntax Error" in things("documents", "register", texts, *AT, "SECRET").err


@pytest.mark.parametrize("given", [["register", "README.md"], ["remove", "sha256:0"], ["remove", "0" * 64]])
def test_what_is_no_manifest_and_no_id_is_refused(things: Run, given: list[str]) -> None:
    assert things("documents", *given, *AT, "SECRET").refusal


# The embedded database, and processes


@contextmanager
def folder() -> Iterator[Path]:
    """A data folder with a short path, outside pytest's own, which is closed to the user that serves root."""
    path = Path(tempfile.mkdtemp(prefix="sfc-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A data folder with a database that has the organization `acme`."""
    with folder() as path:
        subprocess.run(**command(path, "organization", "acme"), capture_output=True, check=True)
        yield path


@pytest.fixture
def data_dir(prepared: Path) -> Iterator[Path]:
    """A copy of it."""
    with folder() as path:
        subprocess.run(["cp", "-a", f"{prepared}/.", path], check=True)
        yield path


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


@dataclass
class Served:
    process: subprocess.Popen[str]
    url: str

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Sends the signal; the exit code, and the rest of the log."""
        self.process.send_signal(number)
        assert self.process.stderr
        rest = self.process.stderr.read()
        return self.process.wait(30), rest


@contextmanager
def serving(data_dir: Path, **settings: str) -> Iterator[Served]:
    started = command(data_dir, "serve", "--port", "0", FABRIC_LOG_FORMAT="json", **settings)
    with subprocess.Popen(**started, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            url = next(found["url"] for line in process.stderr if "url" in (found := json.loads(line)))
            yield Served(process, url)
        finally:
            process.kill()


def printed_token(data_dir: Path) -> str:
    made = subprocess.run(**command(data_dir, *token()), capture_output=True, check=True)
    assert made.stderr == ""
    return str(made.stdout.strip())


def query(url: str, token: str, text: str) -> Any:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(url, json={"query": text}, headers=headers, timeout=30).json()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_server_and_the_embedded_database(data_dir: Path, number: signal.Signals) -> None:
    with serving(data_dir) as served:
        assert query(served.url, printed_token(data_dir), "{ viewer { subject clearance } }") == {
            "data": {"viewer": {"subject": "ann", "clearance": "SECRET"}}
        }
        assert "server" not in httpx.get(served.url.replace("/graphql", "/healthz")).headers
        assert listens(data_dir)
        code, log = served.end(number)
    assert code == 0
    assert "Traceback" not in log
    assert not listens(data_dir)


def test_a_signal_stops_a_server_that_has_a_database_of_its_own(server_url: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with serving(tmp_path, FABRIC_DATABASE_URL=server_url) as served:
        code, log = served.end(signal.SIGTERM)
    assert code == 0
    assert [json.loads(line)["event"] for line in log.splitlines()] == ["stopped"]
    assert not (tmp_path / "postgres").exists()


def test_a_killed_server_leaves_what_the_next_start_takes_over(data_dir: Path) -> None:
    with serving(data_dir) as served:
        served.process.kill()
    assert listens(data_dir)
    with serving(data_dir) as served:
        assert "errors" not in query(served.url, printed_token(data_dir), "{ viewer { subject } }")
        assert served.end(signal.SIGTERM)[0] == 0
    assert not listens(data_dir)


def test_a_request_that_does_not_end_keeps_the_server_no_longer_than_the_grace(data_dir: Path) -> None:
    with serving(data_dir, FABRIC_SHUTDOWN_GRACE_SECONDS="1") as served:
        subprocess.run(**command(data_dir, "organization", "acme"), capture_output=True, check=True)
        admitted = printed_token(data_dir)
        port = int(served.url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as unfinished:
            head = ("POST /graphql HTTP/1.1", "Host: x", "Content-Type: application/json", "Content-Length: 10",
                    f"Authorization: Bearer {admitted}", "", "{")  # fmt: skip
            unfinished.sendall("\r\n".join(head).encode())
            time.sleep(0.2)
            started = time.monotonic()
            code, _ = served.end(signal.SIGTERM)
            taken = time.monotonic() - started
    assert code == 0
    assert 1 <= taken < 6


def test_an_interrupted_command_stops_the_database_it_started(data_dir: Path) -> None:
    started = command(data_dir, "import", "jsonl", "-", "--organization", "acme")
    with subprocess.Popen(**started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(json.dumps({"define": THING}) + "\n")
        process.stdin.write(
            "".join(json.dumps({"type": "Thing", "key": {"name": str(i)}}) + "\n" for i in range(50_000))
        )
        process.stdin.close()
        process.stdin = None
        wait_until(lambda: listens(data_dir))
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ""
    assert not listens(data_dir)


def test_the_demo_answers_its_readers_and_is_filled_once_whatever_happens_meanwhile(data_dir: Path) -> None:
    with subprocess.Popen(**command(data_dir, "demo", "--port", "0"), stdout=subprocess.PIPE) as broken_off:
        wait_until(lambda: listens(data_dir))
        time.sleep(1)
        broken_off.kill()
    first, printed = demo_of(data_dir)
    assert len({posted(line)[1] for line in printed}) == len(set(first)) == len((*READERS, OFFICER))
    assert not any("errors" in json.loads(answer) for answer in first)
    stored = "select (select count(*) from fabric.objects) + (select count(*) from fabric.links) as both, " \
             "(select max(position) from fabric.events) as position"  # fmt: skip
    with EmbeddedPostgres(data_dir) as postgres:
        (before,) = asyncio.run(run_sql(postgres.admin_url, stored))
        assert before["both"] == COUNTS["type"] + COUNTS["link"]
        second, _ = demo_of(data_dir)
        assert asyncio.run(run_sql(postgres.admin_url, stored)) == [before]
    assert second == first


def demo_of(data_dir: Path) -> tuple[list[str], list[str]]:
    """Starts the demo, runs what it prints, ends it: the answers, and the commands."""
    with subprocess.Popen(**command(data_dir, "demo", "--port", "0"), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            printed = []
            while len(printed) < len((*READERS, OFFICER)):
                line = process.stdout.readline()
                assert line, "ended before its time"
                printed += [line] if line.startswith("curl ") else []
            answers = [httpx.post(url, content=body, headers=headers_of(line)).text
                       for line in printed for url, body in [posted(line)]]  # fmt: skip
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
    return answers, printed


def posted(line: str) -> tuple[str, str]:
    """The URL and the body of a curl command."""
    words = shlex.split(line)
    return next(word for word in words if word.startswith("http://")), words[words.index("-d") + 1]


def headers_of(line: str) -> dict[str, str]:
    words = shlex.split(line)
    return dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")


# Migration of a server of one's own


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A server that asks the serving role for its password; the URL is its administrator's."""
    with folder() as path, EmbeddedPostgres(path) as postgres:
        hba = path / "postgres" / "pg_hba.conf"
        hba.write_text("local all semantic_fabric_server scram-sha-256\nlocal all all trust\n")
        asyncio.run(run_sql(postgres.admin_url, "select pg_reload_conf()"))
        yield postgres.admin_url


def test_the_serving_role_gets_a_password_once_and_the_log_never_has_it(
    own_server: str, bare: Run, tmp_path: Path
) -> None:
    def migrated(*arguments: str) -> str:
        outcome = bare("migrate", "--admin-database-url", own_server, *arguments)
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out.strip()

    url = migrated()
    assert url.startswith("postgresql://semantic_fabric_server:")
    assert connects(url)
    assert migrated() == ""
    assert connects(url)
    other = passwords.serving_url(own_server, "of my own: /@?")
    assert not connects(other)
    assert migrated("--database-url", other) == ""
    assert connects(other)
    assert not connects(url)
    kept = asyncio.run(
        run_sql(own_server, "select rolpassword from pg_authid where rolname = 'semantic_fabric_server'")
    )
    assert kept[0]["rolpassword"].startswith("SCRAM-SHA-256$4096:")


def connects(url: str) -> bool:
    try:
        asyncio.run(run_sql(url, "select 1"))
    except asyncpg.InvalidPasswordError:
        return False
    return True


def test_the_password_of_the_settings_is_given(own_server: str, bare: Run, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FABRIC_DATABASE_PASSWORD", "häßlich")
    assert "printable ASCII" in bare("migrate", "--admin-database-url", own_server).refusal
    environment.setenv("FABRIC_DATABASE_PASSWORD", "from the settings")
    assert bare("migrate", "--admin-database-url", own_server).out == ""
    assert connects(passwords.serving_url(own_server, "from the settings"))
    wrong = passwords.serving_url(own_server, "wrong")
    assert (
        "`semantic-fabric migrate` makes the serving role"
        in bare("schema", *seen("SECRET"), "--database-url", wrong).refusal
    )


def test_it_goes_to_the_revision_that_is_named(own_server: str, bare: Run) -> None:
    assert bare("migrate", "--admin-database-url", own_server, "--to", "base").code == 0
    assert asyncio.run(revision_of(own_server)) is None
    assert "'0999' is no revision" in bare("migrate", "--admin-database-url", own_server, "--to", "0999").refusal


@pytest.mark.parametrize(
    ("admin_url", "serving_url"),
    [
        (
            "postgresql://postgres:secret@db.example:5433/fabric?sslmode=require",
            "db.example:5433/fabric?sslmode=require",
        ),
        ("postgresql://db.example/fabric?user=postgres&password=secret", "db.example/fabric"),
        ("postgresql:///fabric?host=%2Frun%2Fpostgresql", "/fabric?host=%2Frun%2Fpostgresql"),
        ("postgresql://a,b:5433/fabric", "a,b:5433/fabric"),
    ],
)
def test_the_serving_url_differs_in_the_role_only(admin_url: str, serving_url: str) -> None:
    made = passwords.serving_url(admin_url, "p@ss/word")
    assert made == f"postgresql://semantic_fabric_server:p%40ss%2Fword@{serving_url}"
    assert passwords.password_in(made) == "p@ss/word"
    assert passwords.password_in(admin_url) == ""
