"""Claims: what one process of several works on, so that no other does.

A claim is an advisory lock of a connection of its own. Where the process dies, hangs or is cut off, PostgreSQL ends the
connection and others take over. Work may take as long as it takes: beside it the process shows that it is alive.

For a moment two processes may believe that they hold a claim; who writes must find that out by other means, such as a
number that each new holder raises.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg

from fabric.database.db import DRIVER_ERRORS, Database
from fabric.tasks import in_background

IDLE_SECONDS = 30
"""How long a process that says nothing keeps its claims."""

_TAKE = "select pg_try_advisory_lock(hashtextextended($1::text || $2::uuid::text, 0))"
_GIVE_BACK = "select pg_advisory_unlock(hashtextextended($1::text || $2::uuid::text, 0))"
_COUNT = "select count(*) from pg_stat_activity where application_name = $1 and datname = current_database()"


class Claims:
    """Made by `claiming`. Each call fails as the driver does once the connection has ended."""

    def __init__(self, connection: asyncpg.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._lock = asyncio.Lock()

    async def take(self, id: UUID) -> bool:
        """Whether it could be had: nobody else holds it."""
        return bool(await self._ask(_TAKE, self._name, id))

    async def give_back(self, id: UUID) -> None:
        await self._ask(_GIVE_BACK, self._name, id)

    async def processes(self) -> int:
        """How many share the work, this one included."""
        number: int = await self._ask(_COUNT, self._name)
        return max(1, number)

    async def keep(self) -> None:
        """Shows that the process is alive until it is cancelled, or the connection has ended: the next call tells."""
        with suppress(*DRIVER_ERRORS):
            while True:
                await asyncio.sleep(IDLE_SECONDS / 3)
                await self._ask("select true")

    async def _ask(self, sql: str, *args: Any) -> Any:
        async with self._lock:
            return await self._connection.fetchval(sql, *args)


@asynccontextmanager
async def claiming(database: Database, name: str) -> AsyncIterator[Claims]:
    """Claims on one kind of work. Internal where the database cannot be reached, or the connection has ended."""
    async with database.alone(name, IDLE_SECONDS) as connection:
        claims = Claims(connection, name)
        async with in_background(claims.keep()):
            yield claims
