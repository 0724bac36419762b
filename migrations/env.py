"""Runs alembic's revisions over a given connection (see fabric/database/migration.py), or over a URL."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from fabric.database.models import SCHEMA, Base


def include_name(name: str | None, kind: str, _: object) -> bool:
    return name == SCHEMA if kind == "schema" else True


def migrate(connection: Connection) -> None:
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_url(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


shared = context.config.attributes.get("connection")
if shared is not None:
    migrate(shared)
else:
    asyncio.run(migrate_url(context.config.get_main_option("sqlalchemy.url", "")))
