import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from databases import drop_database, run_sql
from typer.testing import CliRunner

from fabric import doctor
from fabric.database.migration import SCRIPTS
from fabric.doctor import Finding, Verdict, check_database, check_files
from fabric.identity.organizations import establish
from fabric.seals.seal_keys import FILE, sealing_key
from fabric.settings import Settings
from graphql_api.cli import app

ROOT = Path(__file__).parent.parent


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


def found(findings: list[Finding], subject: str) -> Finding:
    """The one finding on the subject; whatever has to be mended says how."""
    (one,) = (finding for finding in findings if finding.subject == subject)
    assert one.verdict is Verdict.GOOD or one.mend or re.search(r"`|:", one.found)
    return one


def of_files(data_dir: Path, **settings: Any) -> list[Finding]:
    return list(check_files(Settings(data_dir=data_dir, **settings)))


def of_database(url: str, admin_url: str | None = None) -> list[Finding]:
    async def collected() -> list[Finding]:
        return [finding async for finding in check_database(url, admin_url)]

    return asyncio.run(collected())


# Files


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    findings = of_files(tmp_path / "new")
    assert {finding.subject for finding in findings} == {"data folder", "tokens", "seals", "policy", "embeddings"}
    assert not any(finding.verdict is Verdict.BAD for finding in findings)
    assert not list(tmp_path.iterdir())


def test_a_data_folder_that_others_can_write_to_has_to_be_closed(data_dir: Path) -> None:
    assert found(of_files(data_dir), "data folder").verdict is Verdict.GOOD
    data_dir.chmod(0o777)
    bad = found(of_files(data_dir), "data folder")
    assert (bad.verdict, "chmod go-w" in bad.found) == (Verdict.BAD, True)


def test_a_secret_that_others_can_read_has_to_be_closed(data_dir: Path) -> None:
    secret = data_dir / "jwt"
    secret.write_bytes(b"x" * 32)
    secret.chmod(0o600)
    assert found(of_files(data_dir), "tokens").verdict is Verdict.CARE
    secret.chmod(0o644)
    bad = found(of_files(data_dir), "tokens")
    assert (bad.verdict, "chmod 600" in bad.found) == (Verdict.BAD, True)


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        ({"jwt_secret_file": Path("/nowhere/secret")}, Verdict.BAD, "/nowhere/secret"),
        ({"jwt_algorithms": ("RS256",), "jwt_key_file": Path("/nowhere/key")}, Verdict.BAD, "/nowhere/key"),
        ({"jwt_algorithms": ("HS256",), "jwks_url": "https://id.example/keys"}, Verdict.BAD, "HS256"),
        (
            {"jwt_algorithms": ("RS256",), "jwks_url": "https://id.example/keys"},
            Verdict.GOOD,
            "https://id.example/keys",
        ),
    ],
)
def test_how_tokens_are_verified_is_judged(
    data_dir: Path, settings: dict[str, Any], verdict: Verdict, said: str
) -> None:
    tokens = found(of_files(data_dir, **settings), "tokens")
    assert tokens.verdict is verdict
    assert said in tokens.found


def test_a_policy_that_cannot_be_read_has_to_be_mended(data_dir: Path, tmp_path: Path) -> None:
    assert found(of_files(data_dir), "policy").found.startswith("10 roles")
    (tmp_path / "policy.toml").write_text("[roles.a]\npermissions = ['object:raed']")
    bad = found(of_files(data_dir, policy_file=tmp_path / "policy.toml"), "policy")
    assert (bad.verdict, "did you mean object:read" in bad.found) == (Verdict.BAD, True)


def test_who_can_prune_is_judged(data_dir: Path) -> None:
    assert "retention" not in {finding.subject for finding in of_files(data_dir)}
    assert found(of_files(data_dir, events_kept_days=90), "retention").verdict is Verdict.GOOD
    url = "postgresql://db.example/x"
    kept = found(of_files(data_dir, audit_kept_days=9, database_url=url), "retention")
    assert (kept.verdict, kept.found) == (Verdict.CARE, "audit records are kept for 9 days")
    assert (
        found(of_files(data_dir, audit_kept_days=9, database_url=url, admin_database_url=url), "retention").verdict
        is Verdict.GOOD
    )


def test_a_key_that_seals_with_is_judged(data_dir: Path, tmp_path: Path) -> None:
    assert found(of_files(data_dir), "seals").verdict is Verdict.CARE
    key = sealing_key(data_dir, None)
    assert found(of_files(data_dir), "seals").found == f"signed with the key {key.key_id}"
    (tmp_path / "text").write_text("x" * 64)
    (tmp_path / "text").chmod(0o600)
    for setting in ("seal_key_file", "seal_public_keys_file"):
        assert found(of_files(data_dir, **{setting: tmp_path / "text"}), "seals").verdict is Verdict.BAD
    (data_dir / FILE).chmod(0o644)
    assert "chmod 600" in found(of_files(data_dir), "seals").found


# The database


def test_a_database_as_it_should_be_has_nothing_to_mend(server_url: str, admin_url: str) -> None:
    asyncio.run(establish(admin_url, "acme"))
    findings = of_database(server_url, admin_url)
    assert [str(finding) for finding in findings if finding.verdict is not Verdict.GOOD] == []
    assert found(findings, "organizations").found == "1"
    tables = asyncio.run(
        run_sql(
            admin_url, "select count(*) from pg_tables where schemaname = 'fabric' and tablename <> 'alembic_version'"
        )
    )
    assert f"{tables[0]['count']} tables" in found(findings, "row security").found


def test_rules_of_inference_that_were_stopped_are_named(server_url: str, admin_url: str) -> None:
    asyncio.run(establish(admin_url, "acme"))
    asyncio.run(
        run_sql(
            admin_url,
            """insert into fabric.stopped_rules (organization_id, label, premises, conclusion, most)
               select organization_id, label, '{^near}', 'near', 9
               from fabric.organizations, unnest('{0, 1}'::bigint[]) label""",
        )
    )
    stopped = found(of_database(server_url, admin_url), "inference")
    assert (stopped.verdict, stopped.found.endswith("^near → near of acme")) == (Verdict.CARE, True)
    assert stopped.found.startswith("1 rules")


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/x", "postgresql://127.0.0.1:one/x"])
def test_a_database_that_cannot_be_reached_is_one_finding(url: str) -> None:
    (only,) = of_database(url)
    assert (only.verdict, only.subject) == (Verdict.BAD, "database")


def test_an_empty_database_needs_migration(admin_url: str, database_name: str) -> None:
    maintenance = admin_url.replace(f"/{database_name}?", "/postgres?")
    name = f"{database_name}_empty"
    asyncio.run(run_sql(maintenance, f"create database {name}"))
    try:
        findings = of_database(maintenance.replace("/postgres?", f"/{name}?"))
    finally:
        asyncio.run(drop_database(maintenance, name))
    revision = found(findings, "revision")
    assert (revision.verdict, "`semantic-fabric migrate`" in revision.found) == (Verdict.BAD, True)
    assert found(findings, "pgvector").verdict is Verdict.GOOD


def test_a_superuser_must_not_serve(admin_url: str) -> None:
    assert found(of_database(admin_url), "role").verdict is Verdict.BAD


@pytest.mark.parametrize("change", ["disable row level security", "no force row level security"])
def test_a_table_without_row_security_is_named_with_what_mends_it(server_url: str, admin_url: str, change: str) -> None:
    asyncio.run(run_sql(admin_url, f"alter table fabric.links {change}"))
    bad = found(of_database(server_url), "row security")
    assert (bad.verdict, bad.found) == (Verdict.BAD, "does not hold on links")
    statement = re.search(r"`(.+?)`", bad.mend)
    assert statement is not None
    asyncio.run(run_sql(admin_url, statement[1]))
    assert found(of_database(server_url), "row security").verdict is Verdict.GOOD


def test_functions_that_are_not_leakproof_are_mended_by_the_documents_statements(
    server_url: str, admin_url: str
) -> None:
    migration = (SCRIPTS / "versions" / "0001_ground.py").read_text()
    assert set(doctor.ALIASES) == set(re.findall(r'^    "(\w+)\(.*\) returns', migration, re.MULTILINE))
    for signature, body in [
        ("field(jsonb, text) returns jsonb", "select $1 -> $2"),
        ("lower(text) returns text", "select $1"),
    ]:
        plain = f"create or replace function fabric.{signature} language sql immutable strict parallel safe as '{body}'"
        asyncio.run(run_sql(admin_url, plain))
    lame = found(of_database(server_url), "leakproof functions")
    assert (lame.verdict, lame.found.split(" are ")[0]) == (Verdict.CARE, "field, lower")
    (statements,) = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "commands.md").read_text(), re.DOTALL)
    for statement in statements.splitlines():
        asyncio.run(run_sql(admin_url, statement))
    assert found(of_database(server_url), "leakproof functions").verdict is Verdict.GOOD


def test_without_organizations_there_is_nobody_to_serve(server_url: str, admin_url: str) -> None:
    none = found(of_database(server_url, admin_url), "organizations")
    assert (none.verdict, "`semantic-fabric organization NAME`" in none.mend) == (Verdict.CARE, True)
    assert found(of_database(server_url), "organizations").verdict is Verdict.GOOD
    assert found(of_database(server_url, server_url), "organizations").verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(4.9, Verdict.GOOD), (-4.9, Verdict.GOOD), (5.1, Verdict.BAD), (-5.1, Verdict.BAD)]
)
def test_clocks_may_differ_by_five_seconds(seconds: float, verdict: Verdict) -> None:
    assert doctor.clock(seconds).verdict is verdict


# The command


def test_the_command_tells_all_and_fails_for_what_has_to_be_mended(
    server_url: str, admin_url: str, data_dir: Path
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["doctor", "--data-dir", str(data_dir), *arguments])
        assert result.stderr == ""
        return result.exit_code, result.stdout

    code, said = run("--database-url", server_url, "--admin-database-url", admin_url)
    assert code == 0
    assert {"✓ revision: the newest", "✓ role: is held by row security"} <= set(said.splitlines())
    code, said = run("--database-url", admin_url)
    assert code == 1
    assert "\n✗ role: " in said
    code, said = run("--database-url", "postgresql://127.0.0.1:1/x")
    assert code == 1
    assert "\n✗ database: cannot be reached" in said
    code, said = run()
    assert code == 0
    assert "! database: the embedded one is not there yet" in said
    assert not list(data_dir.iterdir())
