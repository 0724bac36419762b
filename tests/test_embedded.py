import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from databases import servers_place

from fabric.database.embedded import ACCOUNT, EmbeddedError, EmbeddedPostgres, account
from fabric.database.tuning import configuration
from fabric.secrets import SecretError

ROOT = Path(__file__).parent.parent
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="tells of what root does")

HOLDER = """
import sys
from pathlib import Path
from fabric.database.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def folder(prefix: str = "fabric-") -> Iterator[Path]:
    """A data folder with a short path, outside pytest's own, which is closed to the user that serves root."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=servers_place()))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with folder() as path:
        yield path


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedPostgres]:
    with folder("fabric's own ") as path, EmbeddedPostgres(path) as postgres:
        yield postgres


@contextmanager
def holder(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the server until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def ask(postgres: EmbeddedPostgres, statement: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(postgres.admin_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def listens(data_dir: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(data_dir / "postgres" / ".s.PGSQL.5432")) == 0


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def test_text_order_is_that_of_code_points_and_case_is_unicodes(running: EmbeddedPostgres) -> None:
    assert ask(running, "select current_database() || pg_encoding_to_char(encoding) from pg_database "
                        "where datname = current_database()") == "fabricUTF8"  # fmt: skip
    assert ask(running, "select string_agg(t, '' order by t) from unnest('{b,a,Z,é}'::text[]) t") == "Zabé"
    assert ask(running, "select upper('é')") == "É"


def test_vectors_are_there(running: EmbeddedPostgres) -> None:
    assert ask(running, "select default_version >= '0.8' from pg_available_extensions where name = 'vector'")


def test_the_serving_role_needs_no_password_and_is_no_superuser(running: EmbeddedPostgres) -> None:
    ask(running, "create role semantic_fabric_server login")

    async def who() -> Any:
        connection = await asyncpg.connect(running.url)
        try:
            return await connection.fetchval("select (rolname, rolsuper) from pg_roles where rolname = current_user")
        finally:
            await connection.close()

    assert asyncio.run(who()) == ("semantic_fabric_server", False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("synchronous_commit", "on"), ("fsync", "on"), ("jit", "off"), ("listen_addresses", ""), ("TimeZone", "UTC")],
)
def test_it_runs_with_our_configuration(running: EmbeddedPostgres, name: str, value: str) -> None:
    assert ask(running, f"select current_setting('{name}')") == value


def test_its_log_holds_nothing_of_a_statement(running: EmbeddedPostgres) -> None:
    ask(running, "create table guarded (name text primary key)")
    ask(running, "insert into guarded values ('canary')")
    with pytest.raises(asyncpg.UniqueViolationError):
        ask(running, "insert into guarded values ('canary')")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        ask(running, "select 'canary'::int")
    assert "canary" not in (running.folder / "log").read_text()


def test_its_folder_is_closed(running: EmbeddedPostgres) -> None:
    assert running.folder.stat().st_mode & 0o777 == 0o700
    assert running.data_dir.stat().st_mode & 0o007 == 0


@as_root
def test_another_user_cannot_connect(running: EmbeddedPostgres) -> None:
    probe = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    path = str(running.folder / ".s.PGSQL.5432")
    result = subprocess.run(
        ["/usr/bin/python3", "-c", probe, path], user="nobody", group="nogroup", extra_groups=[], capture_output=True
    )
    assert b"PermissionError" in result.stderr


def test_a_url_stands_against_variables_of_the_environment(
    running: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGHOST": "elsewhere.invalid", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other"}.items():
        monkeypatch.setenv(name, value)
    assert ask(running, "select current_database() || current_user") == "fabricpostgres"
    with EmbeddedPostgres(running.data_dir) as same:
        assert ask(same, "select 1") == 1
    assert parse_qs(urlsplit(running.url).query)["host"] == [str(running.folder)]


def test_the_last_of_several_processes_stops_it(data_dir: Path) -> None:
    with holder(data_dir) as other:
        with EmbeddedPostgres(data_dir) as postgres:
            assert ask(postgres, "select 1") == 1
        assert listens(data_dir)
        other.communicate()
        assert not listens(data_dir)


def test_a_killed_process_leaves_it_to_the_next(data_dir: Path) -> None:
    with holder(data_dir) as other:
        other.kill()
    assert listens(data_dir)
    pid = server_pid(data_dir)
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "select 1") == 1
        assert server_pid(data_dir) == pid
    assert not listens(data_dir)


def test_after_a_kill_of_everything_what_was_committed_is_there(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        ask(postgres, "create table kept as select 7 as number")
        os.kill(server_pid(data_dir), signal.SIGKILL)
        with EmbeddedPostgres(data_dir) as again:
            assert ask(again, "select number from kept") == 7


def test_a_pid_file_whose_pid_is_another_processs_does_not_stop_it(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        pid_file = data_dir / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    lines[0] = str(os.getpid())
    pid_file.write_text("\n".join(lines) + "\n")
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "select 1") == 1


def test_an_interrupted_set_up_starts_afresh(data_dir: Path) -> None:
    (data_dir / "postgres.draft").mkdir()
    (data_dir / "postgres.draft" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "select 1") == 1
    assert not (data_dir / "postgres.draft").exists()


def test_stopping_twice_and_stopping_before_the_start_are_harmless(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    postgres.stop()
    postgres.start()
    postgres.start()
    postgres.stop()
    postgres.stop()
    assert not listens(data_dir)


def test_a_path_too_long_for_a_socket_is_refused(data_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match="choose a shorter --data-dir"):
        EmbeddedPostgres(data_dir / ("x" * 90)).start()


@pytest.mark.parametrize("name", ["a,b", "a$HOME", "a`id`", 'a"b', "a\\b", "a\nb"])
def test_a_path_that_a_shell_would_read_otherwise_is_refused(data_dir: Path, name: str) -> None:
    with pytest.raises(EmbeddedError, match="choose a --data-dir without"):
        EmbeddedPostgres(data_dir / name).start()


def test_a_folder_that_is_no_database_is_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "letter").write_text("mine")
    with pytest.raises(EmbeddedError, match="is not a database"):
        EmbeddedPostgres(data_dir).start()
    assert (data_dir / "postgres" / "letter").read_text() == "mine"


def test_a_database_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 17"):
        EmbeddedPostgres(data_dir).start()


def test_a_folder_that_others_can_write_to_is_refused(data_dir: Path) -> None:
    data_dir.chmod(0o777)
    with pytest.raises(SecretError, match="chmod go-w"):
        EmbeddedPostgres(data_dir).start()


@as_root
def test_folders_above_stay_as_closed_as_they_are(data_dir: Path) -> None:
    with pytest.raises(EmbeddedError, match="is closed to it"):
        EmbeddedPostgres(data_dir / "inner").start()
    assert data_dir.stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_that_only_root_can_reach_are_copied(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = EmbeddedPostgres._runs
    monkeypatch.setattr(EmbeddedPostgres, "_runs", lambda self, root: data_dir in root.parents and runs(self, root))
    with EmbeddedPostgres(data_dir) as postgres:
        assert ask(postgres, "select count(*) > 0 from pg_available_extensions where name = 'vector'")
    assert [path.name.partition("-")[0] for path in data_dir.glob("programs*")] == ["programs"]


def test_the_configuration_fits_the_machine() -> None:
    small, large = configuration(512 << 20), configuration(64 << 30)
    assert "shared_buffers = 128MB" in small
    assert "effective_cache_size = 256MB" in small
    assert "shared_buffers = 1024MB" in large
    assert "maintenance_work_mem = 1024MB" in large


def test_of_many_that_start_at_once_one_makes_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts: list[pwd.struct_passwd] = []

    def found(name: str) -> pwd.struct_passwd:
        if accounts:
            return accounts[-1]
        raise KeyError(name)

    def made(*_: object, **__: object) -> None:
        time.sleep(0.1)  # as useradd looks for the name before it waits for its turn
        accounts.append(pwd.struct_passwd((ACCOUNT, "x", 999 - len(accounts), 999, "", "/", "/bin/false")))

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwnam", found)
    monkeypatch.setattr("subprocess.run", made)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: account(), range(4)))
    assert told == accounts * 4
