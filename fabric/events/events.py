"""Events as followers read them: in commit order, each once its transaction can no longer be overtaken.

A later position can commit before an earlier one. An event is ready once its transaction id is below the oldest
transaction that still runs; in the order of (transaction id, position) nothing then ever comes in between. So a reader
who remembers one place misses nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from fabric.database.db import Transaction
from fabric.errors import NoLongerKept
from fabric.events.journal import Position

BEGINNING = Position(0, 0)
_LAST = 2**63 - 1

COLUMNS = """transaction_id::text::bigint as transaction_id, position, label, topic, entity_table, entity_id,
    entity_type, actor, data, version, source_id, target_id, occurred_at"""

OLDEST = "(select fabric.oldest_transaction())"
"""The oldest transaction that still runs."""

_READ = f"""
select {COLUMNS} from fabric.events
where (transaction_id, position) > ($1::bigint::text::xid8, $2) and transaction_id < {OLDEST}
order by fabric.events.transaction_id, position limit $3"""

_PRUNED = """
select transaction_id::text::bigint as transaction_id, position from fabric.prunings p
where log = 'events' and ($1::bigint is null or (label & ~$1) < 1)
order by p.transaction_id desc, p.position desc limit 1"""

_HORIZON = f"""
select {OLDEST}::text::bigint as oldest,
       (select transaction_id from fabric.events order by transaction_id desc, position desc limit 1)
       >= {OLDEST} as waiting,
       p.transaction_id, p.position
from (select) one left join ({_PRUNED}) p on true"""


@dataclass(frozen=True, slots=True)
class Event:
    """One change as it was told. `version` is what it left of the object or link, None where it took it away."""

    position: Position
    label: int
    topic: str
    entity_table: str
    entity_id: UUID | None
    entity_type: str
    actor: str
    data: Mapping[str, Any]
    version: Mapping[str, Any] | None
    source_id: UUID | None
    target_id: UUID | None
    occurred_at: datetime

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Event":
        """Of a row with `COLUMNS`."""
        return cls(
            Position(row["transaction_id"], row["position"]),
            *(row[name] for name in cls.__dataclass_fields__ if name != "position"),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order. Everything that stands at or before `end` is complete, and was read by then."""

    events: list[Event]
    end: Position
    waiting: bool
    """Whether there are more already, or some are held back by a transaction that still runs."""


async def read_page(
    transaction: Transaction, after: Position, limit: int = 1000, *, clearance: int | None = None
) -> Page:
    """The next ready events that the transaction's session sees, and how far they reach.

    NoLongerKept where some that come after the place may have been pruned (see `require_kept`).
    """
    # The horizon first: the events of a later snapshot reach at least as far.
    horizon = await transaction.fetchrow(_HORIZON, clearance)
    assert horizon is not None
    if BEGINNING < after < _place(horizon):
        raise NoLongerKept
    rows = await transaction.fetch(_READ, after.transaction_id, after.position, limit)
    events = [Event.of(row) for row in rows]
    if len(events) == limit:
        return Page(events, events[-1].position, True)
    reached = Position(horizon["oldest"] - 1, _LAST)
    return Page(events, max(reached, after, *(e.position for e in events[-1:])), bool(horizon["waiting"]))


async def pruned_to(transaction: Transaction, clearance: int | None = None) -> Position:
    """The place up to which events that the session sees have been pruned; the `BEGINNING` where none have.

    After it everything is there, and the state of each object at it or later can be told. A follower names the
    clearance of whom it reads for, who must not learn of what was pruned above.
    """
    return _place(await transaction.fetchrow(_PRUNED, clearance))


async def require_kept(transaction: Transaction, position: Position, clearance: int | None = None) -> None:
    """NoLongerKept for a place before that. From the `BEGINNING` on there is what is kept."""
    if BEGINNING < position < await pruned_to(transaction, clearance):
        raise NoLongerKept


def _place(row: asyncpg.Record | None) -> Position:
    if row is None or row["transaction_id"] is None:
        return BEGINNING
    return Position(row["transaction_id"], row["position"])


async def read_now(transaction: Transaction) -> Position:
    """The place that everything committed so far stands before, unless a transaction still runs that began earlier."""
    horizon = await transaction.fetchrow(_HORIZON, None)
    assert horizon is not None
    return Position(horizon["oldest"] - 1, _LAST)
