"""Bringing a database to the shape this version needs, and refusing one that is not there yet."""

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from fabric.database import numbering
from fabric.database.models import SCHEMA

_PACKAGE = Path(__file__).resolve().parent.parent
SCRIPTS = next(p for p in (_PACKAGE / "migrations", _PACKAGE.parent / "migrations") if p.is_dir())
"""In a checkout the revisions lie beside the package, in a wheel inside it."""


class Behind(RuntimeError):
    """The database lacks revisions this version needs."""


class Ahead(RuntimeError):
    """The database was migrated by a newer version, which this one must not touch."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The newest revision that this version brings."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrades (or, for a revision behind the current one, downgrades) the database in one transaction.

    The URL's role must be able to create roles and schemas; a superuser also gets the leakproof aliases. What a restore
    has brought out of order is mended (see fabric/database/numbering.py). Raises Ahead, OutOfOrder.
    """
    # The driver reads the URL, as it does for serving: what it understands (sslmode, several hosts) holds here too.
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_move, revision)
    finally:
        await engine.dispose()
    if revision == "head":
        await numbering.mend(url)


def _move(connection: Connection, revision: str) -> None:
    config = _config(connection)
    scripts = ScriptDirectory.from_config(config)
    known = _known(scripts)
    current = _revision(connection)
    _require_known(current, known)
    target = scripts.get_current_head() if revision == "head" else None if revision == "base" else revision
    behind = known.index(target) if target else len(known)
    if current is not None and known.index(current) < behind:
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


async def revision_of(url: str) -> str | None:
    """The database's revision, or None for one that was never migrated. Any role that may connect can ask."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval(f"select to_regclass('{SCHEMA}.alembic_version')") is None:
            return None
        found: str | None = await connection.fetchval(f"select version_num from {SCHEMA}.alembic_version")
        return found
    finally:
        await connection.close()


def _known(scripts: ScriptDirectory) -> list[str]:
    """Every revision that this version brings, newest first."""
    return [script.revision for script in scripts.walk_revisions("base", "heads")]


def _require_known(revision: str | None, known: list[str]) -> None:
    if revision is not None and revision not in known:
        raise Ahead(f"the database is at revision {revision}, which this version does not know: run the newer version")


async def require_head(url: str) -> None:
    """Behind, with the command that mends it, or Ahead, unless the database is at this version's head."""
    found = await revision_of(url)
    _require_known(found, _known(ScriptDirectory.from_config(_config())))
    if found != head():
        raise Behind(
            f"the database is at revision {found or 'none'}, this version needs {head()}: "
            "run `semantic-fabric migrate` with the same --database-url"
        )
