"""Connections handed from one user to the next.

asyncpg's pool opens, mends and closes them; but to hand one out and take it back costs it more than a short query does.
So what comes back whole is kept here for the next, and only what failed goes through the pool.
"""

import asyncio
from collections import deque

import asyncpg
from asyncpg.pool import PoolConnectionProxy

CLOSING = 5.0
"""Seconds that users of connections have to end, once these are closed."""


class Pool:
    """Takes over all connections of one of asyncpg's. Who has to wait for one gets it in turn.

    TimeoutError for who would have to wait for longer than `patience` seconds.
    """

    def __init__(self, pool: asyncpg.Pool, patience: float) -> None:
        self._pool = pool
        self._patience = patience
        self._size: int = pool.get_max_size()
        self._places = self._size
        """How many may still be taken from the pool."""
        self._idle: list[PoolConnectionProxy] = []
        self._waiting: deque[asyncio.Future[PoolConnectionProxy | None]] = deque()

    def counts(self) -> dict[str, int]:
        """How many are `idle` and how many are `busy`."""
        idle = len(self._idle) + self._pool.get_idle_size()
        return {"idle": idle, "busy": max(0, self._pool.get_size() - idle)}

    def acquire(self) -> "_Loan":
        """A connection for as long as the block runs, as an async context manager."""
        return _Loan(self)

    async def take(self) -> PoolConnectionProxy:
        """A connection that nobody else has until it is passed to `give_back` or `give_up`."""
        while self._idle:
            connection = self._idle.pop()
            if _is_open(connection):
                return connection
            await self.give_up(connection)
        if self._places:
            self._places -= 1
            return await self._open()
        async with asyncio.timeout(self._patience):
            given = await self._turn()
        if given is None or not _is_open(given):
            return await self._open(given)
        return given

    def give_back(self, connection: PoolConnectionProxy) -> None:
        """What was done with it has ended well."""
        if not self._give(connection):
            self._idle.append(connection)

    async def give_up(self, connection: PoolConnectionProxy) -> None:
        """What was done with it may not have ended, or it may be broken: the pool sees to that."""
        try:
            await self._pool.release(connection)
        finally:
            self._free_place()

    async def close(self) -> None:
        """Closes all of them, those in use once they are given back, or after `CLOSING` seconds at once."""
        try:
            async with asyncio.timeout(CLOSING):
                while self._places < self._size:
                    connection = self._idle.pop() if self._idle else await self._turn()
                    if connection is not None:
                        await self._pool.release(connection)
                    self._places += 1
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _open(self, instead_of: PoolConnectionProxy | None = None) -> PoolConnectionProxy:
        """One from the pool, in a place that is the caller's."""
        try:
            if instead_of is not None:
                await self._pool.release(instead_of)
            return await self._pool.acquire()
        except BaseException:
            self._free_place()
            raise

    async def _turn(self) -> PoolConnectionProxy | None:
        """Waits in line, for a connection or for the place of one."""
        waiter: asyncio.Future[PoolConnectionProxy | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # it was given something before the cancellation arrived
                given = waiter.result()
                self._free_place() if given is None else self.give_back(given)
            raise

    def _give(self, what: PoolConnectionProxy | None) -> bool:
        """Whether somebody waited for it."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(what)
                return True
        return False

    def _free_place(self) -> None:
        if not self._give(None):
            self._places += 1


class _Loan:
    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> PoolConnectionProxy:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self._pool.give_back(self._connection)
        else:
            await self._pool.give_up(self._connection)


def _is_open(connection: PoolConnectionProxy) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back, since it was lost
        return False
