"""Writers who link one object wait for each other: each must see the other's link. Nobody waits for another label."""

from collections.abc import Iterable
from uuid import UUID

from fabric.database.db import Transaction


async def take(transaction: Transaction, turns: Iterable[tuple[str, UUID]]) -> None:
    """A turn at a relation's links of an object, until the transaction ends: all that it needs, and once.

    Whoever took more later could wait for one who waits for what it has.
    """
    wanted = sorted(set(turns))
    if wanted:
        label = f"{transaction.session.organization_id} {transaction.session.label}"
        await transaction.fetch(_TAKE, [f"{label} {name}" for name, _ in wanted], [id for _, id in wanted])


_TAKE = """
    select pg_advisory_xact_lock(k) from (
        select distinct hashtextextended(name || id::text, 0) k
        from unnest($1::text[], $2::uuid[]) as turns(name, id) order by k) locks"""
