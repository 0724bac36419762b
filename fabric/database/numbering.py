"""Numbers of transactions that outlive a restore, so that what is new always comes after what was there.

Events and audit records are read in the order of their transactions' ids. A dump that is restored into another cluster
brings ids of the old one; there they may be far above what the new cluster gives out, and what is new would come before
what is old. The ids that are there belong to what is sealed, so they stay. Those of new transactions are lifted above
them instead: `fabric.lift()` is added wherever a transaction is numbered.
"""

import asyncpg

GAP = 40
"""Lifted numbers begin at the next multiple of 2 to this power. Cursors from what was lost since the dump was made stay
below them, and so lead to what is new."""

_MOST = 2**62

_LIFT = """
create or replace function fabric.lift() returns bigint language sql stable parallel safe as 'select {}::bigint'"""


class OutOfOrder(RuntimeError):
    """Rows have transaction ids that this cluster has not given out, so new ones would come before them."""


async def beyond(url: str) -> int | None:
    """The highest transaction id that a row has and no transaction can have yet; None where all is in order."""
    connection = await asyncpg.connect(url)
    try:
        return await _beyond(connection)
    finally:
        await connection.close()


async def _beyond(connection: asyncpg.Connection) -> int | None:
    found = await connection.fetchval("select fabric.beyond()::text")
    return None if found is None else int(found)


async def require_order(url: str) -> None:
    """OutOfOrder, with the command that mends it."""
    if await beyond(url) is not None:
        raise OutOfOrder(
            "events come from another database cluster and would hide what is new: run `semantic-fabric migrate`"
        )


async def mend(admin_url: str) -> bool:
    """Lifts the numbers of new transactions above all that are there, where that is needed; whether it was.

    OutOfOrder for a number that no restore can have brought.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute("set local role semantic_fabric_owner")
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('fabric.lift', 0))")
            top = await _beyond(connection)
            if top is None:
                return False
            if top >= _MOST:
                raise OutOfOrder(f"a row claims the transaction {top}, which no cluster can have reached: it is forged")
            current = int(await connection.fetchval("select pg_current_xact_id()::text"))
            first = ((top >> GAP) + 1) << GAP
            await connection.execute(_LIFT.format(first - current))
            return True
    finally:
        await connection.close()
