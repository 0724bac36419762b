"""Events as they are listed: pages of those that a session sees, forwards or backwards, of all or of some.

Of what has been pruned nothing is listed, not even what was kept of it to tell states by: a list has no gaps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fabric.database.db import Transaction
from fabric.errors import NoLongerKept
from fabric.events.events import BEGINNING, COLUMNS, Event, pruned_to
from fabric.events.log_pages import LogQuery, Slice


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
    query = LogQuery("events", "position")
    if kept_from > BEGINNING:
        query.after(kept_from)
    query.like("topic", sought.topics)
    query.among("entity_type", sought.types)
    query.equal("entity_id", sought.entity_id)
    query.within(sought.since, sought.until)
    page = await query.page(transaction, COLUMNS, part)
    return EventPage([Event.of(row) for row in page.rows], page.has_previous, page.has_next)
