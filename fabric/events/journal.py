"""What every change leaves behind, in the transaction that makes it: an event, and a record in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.events import version_json

_OBJECT = f"""
    select {version_json.OBJECT.format(v="o")} from fabric.objects o where o.object_id = t.entity_id and o.label = $2"""

_LINK = f"""
    select {version_json.LINK.format(v="l")} from fabric.links l where l.link_id = t.entity_id and l.label = $2"""

_APPEND = f"""
with t as (
    select * from unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $8::jsonb[], $11::uuid[], $12::uuid[])
        with ordinality as t(topic, entity_table, entity_id, entity_type, data, source_id, target_id, n)
), e as (
    insert into fabric.events (organization_id, label, topic, entity_table, entity_id, entity_type, actor, data,
                               source_id, target_id, version)
    select $1, $2, topic, entity_table, entity_id, entity_type, $7, data, source_id, target_id,
           case entity_table when 'objects' then ({_OBJECT}) when 'links' then ({_LINK}) end
    from t order by n
    returning position
), a as (
    insert into fabric.audit_log (organization_id, label, actor, action, outcome, entity_id, reason, request_id, detail)
    select $1, $2, $7, topic, 'done', entity_id, $9, $10, jsonb_build_object('type', entity_type)
    from t order by n
)
select fabric.this_transaction()::text::bigint as transaction_id, max(position) as position from e"""

_TELL = """
insert into fabric.events (organization_id, label, topic, entity_table, entity_id, entity_type, actor, data)
values ($1, $2, $3, $4, $5, $6, $7, $8)"""

_RECORD = """
insert into fabric.audit_log (organization_id, label, actor, action, outcome, entity_id, reason, request_id, detail)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning audit_id"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `topic` such as ``object.created``, and the difference by field name, ``{"before", "after"}``.

    The event also keeps the version of the object or link as it is stored by then, so that what was can be read later.
    """

    topic: str
    entity_table: str
    entity_id: UUID | None
    entity_type: str
    data: Mapping[str, Any]
    ends: tuple[UUID | None, UUID | None] = (None, None)
    """A link's source and target."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the organization's events. Ordered as followers read: by transaction, then by position."""

    transaction_id: int
    position: int


async def append(
    transaction: Transaction,
    actor: str,
    entries: Sequence[Entry],
    *,
    reason: str | None = None,
    request_id: str | None = None,
) -> Position:
    """Writes the entries' events and audit records at the transaction's label; the position of the last one.

    What the entries tell of has been stored before, or taken away.
    """
    session = transaction.session
    row = await transaction.fetchrow(
        _APPEND,
        session.organization_id,
        session.label,
        [e.topic for e in entries],
        [e.entity_table for e in entries],
        [e.entity_id for e in entries],
        [e.entity_type for e in entries],
        actor,
        [dict(e.data) for e in entries],
        reason,
        request_id,
        [e.ends[0] for e in entries],
        [e.ends[1] for e in entries],
    )
    assert row is not None
    return Position(row["transaction_id"], row["position"] or 0)


async def tell(transaction: Transaction, actor: str, entry: Entry) -> None:
    """An event alone at the transaction's label, of what is under way and nobody's act."""
    session = transaction.session
    await transaction.fetch(
        _TELL, session.organization_id, session.label, entry.topic, entry.entity_table, entry.entity_id,
        entry.entity_type, actor, dict(entry.data),
    )  # fmt: skip


async def record(
    transaction: Transaction,
    actor: str,
    action: str,
    entity_id: UUID | None,
    detail: Mapping[str, Any],
    *,
    outcome: str = "done",
    reason: str | None = None,
    request_id: str | None = None,
) -> int:
    """An audit record at the transaction's label, of what is no change of data and so no event; its number."""
    session = transaction.session
    audit_id: int = await transaction.fetchval(
        _RECORD, session.organization_id, session.label, actor, action, outcome, entity_id, reason, request_id,
        dict(detail),
    )  # fmt: skip
    return audit_id
