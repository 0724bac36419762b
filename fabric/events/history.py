"""What was: the versions of objects and links at a place in the events, and what a reader saw of them there.

Each event keeps the version that its change left. So what was at any place is the last event of each label by then, and
nothing need be computed from the beginning.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.errors import NoLongerKept
from fabric.events.events import BEGINNING, Event, require_kept
from fabric.events.journal import Position
from fabric.labels import dominates, rank

Version = Mapping[str, Any]
"""The content of one version as an event keeps it (see fabric/events/journal.py); a tombstone has ``tombstone``."""

Versions = Mapping[int, Version]
"""All versions of one object or link, by label."""

_STATES = """
select distinct on (entity_id, label) entity_id, label, version from fabric.events
where entity_table = $1 and entity_id = any($2) and (transaction_id, position) <= ($3::bigint::text::xid8, $4)
order by entity_id, label, transaction_id desc, position desc"""

_LINKED = """
select distinct entity_id, source_id, target_id from fabric.events
where entity_table = 'links' and (source_id = any($1) or target_id = any($1))
  and (transaction_id, position) <= ($2::bigint::text::xid8, $3)"""

_AT = """
select transaction_id::text::bigint as transaction_id, position from fabric.events
where entity_id = $1 and occurred_at <= $2
order by fabric.events.transaction_id desc, position desc limit 1"""

# When the last of what has been pruned was sealed: by then all of it had happened.
_PRUNED_AT = """
select p.transaction_id::text::bigint as transaction_id, p.position, s.sealed_at
from fabric.prunings p join fabric.seals s on (s.log, s.label, s.sequence) = (p.log, p.label, p.last)
where p.log = 'events' order by p.transaction_id desc, p.position desc limit 1"""


async def versions_at(
    transaction: Transaction, table: str, ids: Collection[UUID], position: Position, clearance: int | None = None
) -> dict[UUID, dict[int, Version]]:
    """The versions that the transaction's session sees events of, as they stood right after the position.

    NoLongerKept for a position whose events have been pruned. A follower names the clearance of whom it reads for:
    versions above it may be those of a later place.
    """
    await require_kept(transaction, position, clearance)
    found: dict[UUID, dict[int, Version]] = {id: {} for id in ids}
    rows = await transaction.fetch(_STATES, table, list(ids), position.transaction_id, position.position)
    for row in rows:
        if row["version"] is not None:
            found[row["entity_id"]][row["label"]] = row["version"]
    return found


async def links_ever_at(
    transaction: Transaction, objects: Collection[UUID], position: Position
) -> dict[UUID, tuple[UUID, UUID]]:
    """The ends of every link that some of the objects had by the position, be it still there or not."""
    rows = await transaction.fetch(_LINKED, list(objects), position.transaction_id, position.position)
    return {row["entity_id"]: (row["source_id"], row["target_id"]) for row in rows}


async def position_at(transaction: Transaction, moment: datetime, entity_id: UUID) -> Position:
    """The last of the events that the session sees of an object or link whose transaction had begun by then.

    NoLongerKept for a moment of which events have been pruned; for a later one, a place no earlier than those.
    """
    row = await transaction.fetchrow(_AT, entity_id, moment)
    found = Position(row["transaction_id"], row["position"]) if row else BEGINNING
    pruned = await transaction.fetchrow(_PRUNED_AT)
    if pruned is None:
        return found
    if moment < pruned["sealed_at"]:
        raise NoLongerKept
    return max(found, Position(pruned["transaction_id"], pruned["position"]))


def after(versions: Versions, event: Event) -> dict[int, Version]:
    """The versions once the event, which is of them, has happened."""
    changed = {label: version for label, version in versions.items() if label != event.label}
    return changed if event.version is None else changed | {event.label: event.version}


def seen(versions: Versions, clearance: int) -> tuple[int, Version] | None:
    """The label and content of the version that this clearance sees; None where there is none, or a tombstone."""
    visible = [label for label in versions if dominates(clearance, label)]
    if not visible:
        return None
    label = max(visible, key=rank)
    version = versions[label]
    return None if version.get("tombstone") else (label, version)
