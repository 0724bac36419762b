"""`migrate` on a server of one's own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from command_line import Run, seen
from databases import run_sql
from own_processes import folder

from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import revision_of
from graphql_api.cli import passwords


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
