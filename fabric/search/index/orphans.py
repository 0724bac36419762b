"""Texts and vectors whose version, link or event went while they were being stored.

What goes takes its texts along, but none that another transaction has yet to commit: that stores one of nothing. Who
indexes takes those away, when the change is told of and whenever all is looked at.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from fabric.database.db import Database
from fabric.search.index.store import EVENTS, LINKS, OBJECTS, POSITION_OF_ID, by_label, forget_texts, storing

# Texts of a link stand above it too: of which versions they are made is asked of their stamps.
_STANDS = {
    OBJECTS: "o.object_id = t.entity_id and o.label = t.label",
    LINKS: "o.link_id = t.entity_id",
    EVENTS: f"o.position = {POSITION_OF_ID.format('t.entity_id')} and o.label = t.label",
}

_ORPHANS = """
select t.entity_id, t.label from fabric.search_texts t
where t.entity_table = $1 and ($2::uuid[] is null or t.entity_id = any($2))
  and not exists (select from fabric.{table} o where {stands})
union
select e.entity_id, e.label from fabric.embeddings e
where e.entity_table = $1 and ($2::uuid[] is null or e.entity_id = any($2))
  and not exists (select from fabric.search_texts t where (t.organization_id, t.entity_table, t.entity_id, t.label)
                    = (e.organization_id, e.entity_table, e.entity_id, e.label))"""


async def forget_orphans(database: Database, organization_id: UUID, table: str, ids: Sequence[UUID] | None) -> None:
    """Takes away those of a table that are of nothing any more: among some ids, or among all."""
    if ids is not None and not ids:
        return
    async with database.following(organization_id, snapshot=True) as transaction:
        await transaction.plan_by_values()
        rows = await transaction.fetch(_ORPHANS.format(table=table, stands=_STANDS[table]), table, ids)
    for label, gone in by_label((row["label"], row["entity_id"]) for row in rows):
        await storing(database, organization_id, label, partial(forget_texts, table=table, ids=gone))
