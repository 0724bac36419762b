"""Inferred links that a writer means to change: they cannot be, and the writer, who sees them, is told so."""

from collections.abc import Mapping
from uuid import UUID

from fabric.database.db import Transaction
from fabric.errors import Conflict, FabricError

_SEEN = """
select t.n
from unnest($2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[]) as t(n, id, relation, source, target)
cross join lateral (
    select l.source_id, l.target_id from fabric.inferred_links l where l.organization_id = $1 and l.link_id = t.id
    union all
    select l.source_id, l.target_id from fabric.inferred_links l
    where l.organization_id = $1 and l.source_id = t.source and l.relation = t.relation and l.target_id = t.target) l
where (select count(*) from fabric.objects o
       where o.organization_id = $1 and o.object_id in (l.source_id, l.target_id) and not o.tombstone) = 2"""

Named = tuple[UUID, str, UUID | None, UUID | None]
"""A link's id, and its relation and ends where it is named by these."""


async def tell_of_inferred(transaction: Transaction, missed: Mapping[int, Named], errors: list[FabricError]) -> None:
    """Puts a Conflict in place of the error of each that is an inferred link which the session sees.

    `missed` are links that were not found among written ones, by the places of their errors.
    """
    columns = map(list, zip(*missed.values(), strict=True))
    rows = await transaction.fetch(_SEEN, transaction.session.organization_id, list(missed), *columns)
    for place in {row[0] for row in rows}:
        errors[place] = Conflict("this link is inferred: change the links that it follows from", errors[place].path)
