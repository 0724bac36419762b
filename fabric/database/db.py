"""The one door to PostgreSQL for serving: sessions, transactions, and the driver's errors in our words.

No connection belongs to a clearance. A read carries its session inside its one statement (`READ`); a write sets it for
its own transaction. Both settings are local to the transaction, so a connection that comes back to the pool knows
nothing, and a statement without a session sees no rows.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg
import orjson

from fabric.database.connection import Connection
from fabric.database.pool import Pool
from fabric.errors import Conflict, FabricError, Internal, TimedOut, TooComplex
from fabric.identity.subject import Session
from fabric.tasks import ended, woken

READ = (
    "with s as materialized (select set_config('fabric.organization', $1, true),"
    " set_config('fabric.clearance', $2, true), $1::uuid as org) select r.v from s cross join lateral ({}) r(v)"
)
"""Wraps a query of one value. The query refers to `s.org`, which makes the session run first; were the order ever
wrong, the settings would be empty and row security would show nothing."""

FOLLOWER = "semantic_fabric_follower"
"""The role that reads every label of one organization (see migrations/versions/0003_events.py)."""

ROTATOR = "semantic_fabric_rotator"
"""The role that re-envelops ciphertexts at every label of one organization (see migrations/versions/0009_unlocking.py).
"""

T = TypeVar("T")

RETRIES = 10
"""How often a transaction that lost a race (a deadlock, a version that appeared meanwhile) is run again."""


# Whatever the server's default: the winners are kept right by seeing what others committed while one waited for them.
_BEGIN = "begin isolation level read committed; "
_BEGIN_SNAPSHOT = """
begin isolation level repeatable read read only;
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0; """
_BE_PATIENT = "set local statement_timeout = {:d}; set local idle_in_transaction_session_timeout = {:d}"


class LostRace(Exception):
    """A concurrent writer was first; the whole transaction is worth running again."""


class UnsafeRole(RuntimeError):
    """The database is reached as a role that row security does not hold."""


class StaleTypes(LostRace):
    """Type definitions have changed since the transaction's work was prepared by them."""


class StaleKeys(LostRace):
    """Something was encrypted with a version of a key that has passed meanwhile; encrypted anew it can be stored."""


_OURS: Mapping[str | None, type[LostRace]] = {"FAB01": StaleTypes, "FAB02": StaleKeys}
"""Errors that the database's own functions raise."""


def translate(error: Exception) -> FabricError | LostRace:
    """The driver's error as one of ours. Its text, which names tables and keys, stays in `__cause__` for the log."""
    raised = _OURS.get(getattr(error, "sqlstate", None))
    if raised is not None:
        return raised()
    match error:
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError() | asyncpg.UniqueViolationError():
            return LostRace()
        case asyncpg.QueryCanceledError() | TimeoutError():
            return TimedOut("the query took too long; ask for less, or for smaller pages")
        case asyncpg.ProgramLimitExceededError():
            return TooComplex("this asks for more than the database can answer at once")
        case _:
            return Internal("the database could not answer")


_ROLE = """
select rolname, rolsuper, rolbypassrls, exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'fabric' and pg_has_role(current_user, c.relowner, 'member')) as owns
from pg_roles where rolname = current_user"""

HEARTBEAT = 20.0
"""Seconds between two looks at whether a connection that only listens still lives."""

# The driver's own confusion is what it gives where a connection was closed between two statements.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


async def load_json(connection: asyncpg.Connection) -> None:
    """Lets the connection take and give jsonb as Python values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="text", encoder=lambda v: orjson.dumps(v).decode(), decoder=orjson.loads
    )


async def _keep(_: asyncpg.Connection) -> None:
    """No reset when a connection goes back: it holds nothing but what ended with its transaction."""


class Transaction:
    """Statements at one session; `act_at` moves to another label of the same organization."""

    def __init__(self, connection: asyncpg.Connection, session: Session) -> None:
        self._connection = connection
        self.session = session

    async def act_at(self, label: int) -> None:
        self.session = Session(self.session.organization_id, label)
        await self._connection.execute(_set(self.session))

    async def stop_following(self) -> None:
        """What was begun with `following` or `rotating` goes on as the serving role; `act_at` says at which label."""
        await self._connection.execute("set local role none")

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        records: list[asyncpg.Record] = await self._connection.fetch(sql, *args)
        return records

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        return await self._connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._connection.fetchval(sql, *args)

    async def plan_by_values(self) -> None:
        """From here on statements are planned for the values at hand: where these decide which index serves."""
        await self._connection.execute("set local plan_cache_mode = force_custom_plan")

    async def copy(self, sql: str, receive: Callable[[bytes], Awaitable[None]], *args: Any) -> None:
        """Gives the result's rows to `receive`, in the binary form of COPY, as they come."""
        await self._connection.copy_from_query(sql, *args, output=receive, format="binary")

    async def cursor(self, sql: str, *args: Any, size: int = 1000) -> AsyncIterator[asyncpg.Record]:
        async for record in self._connection.cursor(sql, *args, prefetch=size):
            yield record

    async def open(self, sql: str, args: tuple[Any, ...] = ()) -> Any:
        """A cursor of a statement made with `READ`; `args` start at $3. `await cursor.fetch(n)` gives its next rows."""
        session = self.session
        return await self._connection.cursor(sql, str(session.organization_id), str(session.label), *args)


def _set(session: Session) -> str:
    # A UUID and an integer: nothing of a caller's text can be in here, and the simple protocol saves a round trip.
    return (
        f"select set_config('fabric.organization', '{session.organization_id}', true), "
        f"set_config('fabric.clearance', '{session.label:d}', true)"
    )


class Database:
    """A pool of connections of the serving role. Use as an async context manager."""

    def __init__(self, pool: asyncpg.Pool, url: str, patience: float) -> None:
        self._pool = Pool(pool, patience)
        self._url = url

    @classmethod
    async def connect(cls, url: str, *, size: int = 8, statement_timeout: float = 10.0) -> Self:
        """`statement_timeout` in seconds; PostgreSQL itself cancels what takes longer. No longer is a connection waited
        for: else whoever asks much, and goes away, would be answered for long while others wait."""
        pool = await asyncpg.create_pool(
            url,
            min_size=min(2, size),
            max_size=size,
            init=load_json,
            reset=_keep,
            statement_cache_size=512,
            max_cached_statement_lifetime=0,
            connection_class=Connection,
            server_settings={
                "application_name": "semantic-fabric",
                "statement_timeout": str(int(statement_timeout * 1000)),
                "idle_in_transaction_session_timeout": "60000",
                "intervalstyle": "iso_8601",
                "timezone": "UTC",
                "jit": "off",
                # Which organization asks is not known when a statement is planned, so a large one among many small ones
                # is taken for small: then a bitmap with a sort looks as cheap as an index in order, and reads it whole.
                "enable_bitmapscan": "off",
                # A page that is small beside PostgreSQL's guess of its size would be planned anew for each request,
                # which takes longer than to read it.
                "plan_cache_mode": "force_generic_plan",
            },
        )
        return cls(pool, url, statement_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._pool.close()

    def connections(self) -> dict[str, int]:
        """How many connections of the pool are `idle` and how many are `busy`."""
        return self._pool.counts()

    async def require_safe_role(self) -> None:
        """UnsafeRole if row security would not hold the role that this serves as."""
        row = (await self.ask(_ROLE))[0]
        if row["rolsuper"] or row["rolbypassrls"] or row["owns"]:
            raise UnsafeRole(
                f"{row['rolname']} is superuser, has BYPASSRLS or owns the tables, so labels would not hold: "
                "serve as semantic_fabric_server (`semantic-fabric migrate` makes it)"
            )

    @asynccontextmanager
    async def listening(self, channel: str, notice: Callable[[UUID | None], None]) -> AsyncIterator[None]:
        """Calls `notice` with the organization of each notification; with None after a gap in which some were lost."""
        listening = asyncio.create_task(self._listen(channel, notice))
        try:
            yield
        finally:
            await ended(listening)  # not asked what it came to: a connection may be gone before it is closed

    async def _listen(self, channel: str, notice: Callable[[UUID | None], None]) -> None:
        while True:
            closed = asyncio.Event()
            try:
                connection = await asyncpg.connect(self._url)
            except DRIVER_ERRORS:
                await asyncio.sleep(1)
                continue
            try:
                connection.add_termination_listener(lambda _, closed=closed: closed.set())
                await connection.add_listener(channel, lambda _c, _p, _n, payload: notice(UUID(payload)))
                notice(None)
                while not closed.is_set():
                    await woken(closed, HEARTBEAT)
                    await connection.execute("select", timeout=HEARTBEAT)  # a network that died says nothing by itself
            except DRIVER_ERRORS:
                pass
            finally:
                await connection.close(timeout=1)

    @asynccontextmanager
    async def alone(self, name: str, idle_seconds: int) -> AsyncIterator[asyncpg.Connection]:
        """A connection of its own, for locks that last as long as it does; `name` is what other sessions see of it.

        Where nothing is said over it for `idle_seconds`, PostgreSQL ends it. Internal where it cannot be had, or ends.
        """
        settings = {"application_name": name, "idle_session_timeout": f"{idle_seconds}s", "timezone": "UTC"}
        try:
            connection = await asyncpg.connect(self._url, server_settings=settings)
            try:
                yield connection
            finally:
                await connection.close(timeout=1)
        except DRIVER_ERRORS as error:
            raise Internal("the database could not answer") from error

    async def read(self, session: Session, sql: str, args: tuple[Any, ...] = ()) -> Any:
        """The one value of a statement made with `READ`; `args` start at $3."""
        try:
            async with self._pool.acquire() as connection:
                return await connection.fetchval(sql, str(session.organization_id), str(session.label), *args)
        except DRIVER_ERRORS as error:
            translated = translate(error)
            raise (translated if isinstance(translated, FabricError) else Internal("try again")) from error

    async def ask(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """A statement that needs no session: it sees nothing that is labelled."""
        try:
            async with self._pool.acquire() as connection:
                records: list[asyncpg.Record] = await connection.fetch(sql, *args)
        except TimeoutError as error:
            raise translate(error) from error
        except DRIVER_ERRORS as error:
            raise Internal("the database could not answer") from error
        return records

    @asynccontextmanager
    async def transaction(
        self, session: Session, *, holding: int | None = None, snapshot: bool = False,
        patience: tuple[float, float] | None = None,
    ) -> AsyncIterator[Transaction]:  # fmt: skip
        """Commits when the block ends, rolls back when it raises. LostRace says: run it again (see `retried`).

        `holding` is the `types_revision` the work was prepared by: StaleTypes if it has passed, and it stays until
        the transaction ends. A `snapshot` only reads, all of it as of one moment, for as long as its reader takes,
        unless `patience` says how many seconds a statement may take, and how many a pause between two.
        """
        opening = (_BEGIN_SNAPSHOT if snapshot else _BEGIN) + _set(session)
        if patience is not None:
            opening += f"; {_BE_PATIENT.format(*(round(seconds * 1000) for seconds in patience))}"
        if holding is not None:
            opening += f"; select fabric.hold_types('{session.organization_id}', {holding:d})"
        async with self._opened(opening, session) as transaction:
            yield transaction

    @asynccontextmanager
    async def following(self, organization_id: UUID, *, snapshot: bool = False) -> AsyncIterator[Transaction]:
        """A transaction that reads what an organization has at every label; it cannot write (but see `stop_following`).

        For what the server keeps of an organization, never for what it answers: that must be seen by a reader's session
        or be checked against its label.
        """
        session = Session(organization_id, 0)
        opening = (_BEGIN_SNAPSHOT if snapshot else _BEGIN) + f"set local role {FOLLOWER}; {_set(session)}"
        async with self._opened(opening, session) as transaction:
            yield transaction

    @asynccontextmanager
    async def rotating(self, organization_id: UUID) -> AsyncIterator[Transaction]:
        """A transaction that reads an organization's ciphertexts at every label, and can put others in their place.

        Of encrypted values it sees and changes nothing else. For re-enveloping only, as `following` is for following.
        """
        session = Session(organization_id, 0)
        async with self._opened(_BEGIN + f"set local role {ROTATOR}; {_set(session)}", session) as transaction:
            yield transaction

    @asynccontextmanager
    async def _opened(self, opening: str, session: Session) -> AsyncIterator[Transaction]:
        try:
            async with self._pool.acquire() as connection:
                try:
                    await connection.execute(opening)
                    yield Transaction(connection, session)
                    await connection.execute("commit")
                except BaseException:
                    await _roll_back(connection)
                    raise
        except DRIVER_ERRORS as error:
            raise translate(error) from error


async def _roll_back(connection: asyncpg.Connection) -> None:
    """Ends the transaction, or the connection where that fails or is cancelled too; no error of its own."""
    try:
        ending = asyncio.ensure_future(connection.execute("rollback"))
        await asyncio.shield(ending)
    except DRIVER_ERRORS:
        with suppress(asyncpg.InterfaceError):  # it was lost, and the pool has it back already
            connection.terminate()
    except asyncio.CancelledError:
        connection.terminate()
        ending.add_done_callback(lambda task: task.cancelled() or task.exception())
        raise


async def retried(work: Callable[[], Awaitable[T]]) -> T:
    """`await work()`, again (up to RETRIES times) when it lost a race; Conflict when it always does."""
    for attempt in range(RETRIES):
        try:
            return await work()
        except LostRace:
            # Longer each time, and not as long as the others wait, or they would all meet again.
            await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))
    raise Conflict("others kept changing the same objects; try again")
