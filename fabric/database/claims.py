"""Claims: what one process of several works on, so that no other does.

A claim is an advisory lock of a connection of its own. Where the process dies, or is cut off, PostgreSQL ends the
connection and others take over. For a moment both may believe that they hold a claim; who writes must find that out by
other means, such as a number that each new holder raises.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from fabric.database.db import Database

IDLE_SECONDS = 30
"""How long a process that says nothing keeps its claims."""

_TAKE = "select pg_try_advisory_lock(hashtextextended($1::text || $2::uuid::text, 0))"
_GIVE_BACK = "select pg_advisory_unlock(hashtextextended($1::text || $2::uuid::text, 0))"
_COUNT = "select count(*) from pg_stat_activity where application_name = $1 and datname = current_database()"


class Claims:
    """Made by `claiming`. Each call shows that the process is alive, and fails as the driver does once it has ended."""

    def __init__(self, connection: asyncpg.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    async def take(self, id: UUID) -> bool:
        """Whether it could be had: nobody else holds it."""
        return bool(await self._connection.fetchval(_TAKE, self._name, id))

    async def give_back(self, id: UUID) -> None:
        await self._connection.fetchval(_GIVE_BACK, self._name, id)

    async def processes(self) -> int:
        """How many share the work, this one included."""
        number: int = await self._connection.fetchval(_COUNT, self._name)
        return max(1, number)


@asynccontextmanager
async def claiming(database: Database, name: str) -> AsyncIterator[Claims]:
    """Claims on one kind of work. Internal where the database cannot be reached, or the connection has ended."""
    async with database.alone(name, IDLE_SECONDS) as connection:
        yield Claims(connection, name)
