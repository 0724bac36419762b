"""Events as they are listed: pages of those that a session sees, forwards or backwards, of all or of some.

Only what no transaction that still runs can precede is listed, so the place after a page misses nothing that is yet to
come. The newest may therefore come a moment later. Of what has been pruned nothing is listed, not even what was kept of
it to tell states by: a list has no gaps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric.db import Transaction
from fabric.errors import NoLongerKept
from fabric.events import BEGINNING, COLUMNS, OLDEST, Event, pruned_to
from fabric.journal import Position


@dataclass(frozen=True, slots=True)
class Sought:
    """Which events: None for whatever. `topics` are whole ones, or beginnings where they end in ``*``.

    `since` is included, `until` is not.
    """

    topics: Sequence[str] | None = None
    types: Sequence[str] | None = None
    entity_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of the list: `limit` events between two places, from the end when `backward`."""

    limit: int
    backward: bool = False
    after: Position | None = None
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in commit order, and whether there are more on either side."""

    events: list[Event]
    has_previous: bool
    has_next: bool


async def list_events(transaction: Transaction, sought: Sought, part: Slice) -> EventPage:
    """The part of the events sought that the transaction's session sees, as far as none have been pruned.

    NoLongerKept, with the path, for a place from before that.
    """
    kept_from = await pruned_to(transaction)
    for name, place in (("after", part.after), ("before", part.before)):
        if place is not None and place < kept_from:
            raise NoLongerKept(path=(name,))
    query = _Query(sought, kept_from)
    start, end = (part.before, part.after) if part.backward else (part.after, part.before)
    direction = " desc" if part.backward else ""
    conditions = query.conditions
    if start is not None:
        conditions.append(query.beyond(start, "<" if part.backward else ">"))
    if end is not None:
        conditions.append(query.beyond(end, ">" if part.backward else "<"))
    if sought.since is not None or sought.until is not None:
        await transaction.plan_by_values()
    limit = query.say(part.limit + 1)
    rows = await transaction.fetch(
        f"select {COLUMNS} from fabric.events where {' and '.join(conditions)}"
        f" order by fabric.events.transaction_id{direction}, position{direction} limit {limit}",
        *query.arguments,
    )
    events = [Event.of(row) for row in rows[: part.limit]]
    behind = start is not None and await _any_behind(transaction, _Query(sought, kept_from), part, start)
    more = len(rows) > part.limit
    if part.backward:
        return EventPage(events[::-1], more, behind)
    return EventPage(events, behind, more)


async def _any_behind(transaction: Transaction, query: "_Query", part: Slice, start: Position) -> bool:
    """Whether there are events on the other side of where the page starts, one at that very place included."""
    beyond = query.beyond(start, ">=" if part.backward else "<=")
    condition = " and ".join([*query.conditions, beyond])
    found: bool = await transaction.fetchval(
        f"select exists (select from fabric.events where {condition})", *query.arguments
    )
    return found


class _Query:
    """The conditions on one event in SQL, and the values of their parameters."""

    def __init__(self, sought: Sought, kept_from: Position) -> None:
        self.arguments: list[Any] = []
        self.conditions = [f"transaction_id < {OLDEST}"]
        if kept_from > BEGINNING:
            self.conditions.append(self.beyond(kept_from, ">"))
        if sought.topics is not None:
            whole = self.say([topic for topic in sought.topics if not topic.endswith("*")])
            beginnings = self.say([topic[:-1] for topic in sought.topics if topic.endswith("*")])
            self.conditions.append(
                f"(topic = any({whole}::text[])"
                f" or exists (select from unnest({beginnings}::text[]) b where starts_with(topic, b)))"
            )
        if sought.types is not None:
            self.conditions.append(f"entity_type = any({self.say(list(sought.types))}::text[])")
        if sought.entity_id is not None:
            self.conditions.append(f"entity_id = {self.say(sought.entity_id)}")
        if sought.since is not None:
            self.conditions.append(f"occurred_at >= {self.say(sought.since)}")
        if sought.until is not None:
            self.conditions.append(f"occurred_at < {self.say(sought.until)}")

    def say(self, value: Any) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def beyond(self, place: Position, operator: str) -> str:
        transaction_id, position = self.say(place.transaction_id), self.say(place.position)
        return f"(transaction_id, position) {operator} ({transaction_id}::bigint::text::xid8, {position}::bigint)"
