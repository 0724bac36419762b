"""What events mean to those who watch: each with what was before and what is after, to be told by what a reader sees.

A change is news to a reader only if it changes what that reader sees. The edit of a version that a higher one covers is
none; a new object at the end of a link can be, for the link then shows. So an event comes with all versions of what it
touches, and `object_change` and `link_changes` compare what one clearance sees of them before and after.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from fabric.database.db import Transaction
from fabric.events import history
from fabric.events.events import Event
from fabric.events.history import Version, Versions, seen
from fabric.events.journal import Position

Kind = Literal["APPEARED", "CHANGED", "WITHDRAWN"]

TRIGGERED = "link.triggered"

_FLIPPING = frozenset({"object.created", "object.deleted", "object.regraded"})
"""Topics after which an object may be there for a reader who did not see it before, or the reverse."""

NONE: Versions = {}


@dataclass(frozen=True, slots=True)
class Told:
    """One event with the versions, at all labels, of what it touches.

    `before` and `after` are of the event's own object or link. `links` are the links concerned: the event's own, or
    those of an object that comes or goes; `ends` the objects at them, as they are once the event has happened.
    """

    event: Event
    before: Versions = field(default_factory=dict)
    after: Versions = field(default_factory=dict)
    links: Mapping[UUID, tuple[UUID, UUID, Versions]] = field(default_factory=dict)
    ends: Mapping[UUID, Versions] = field(default_factory=dict)

    @property
    def position(self) -> Position:
        return self.event.position


@dataclass(frozen=True, slots=True)
class Change:
    """What one clearance sees change of an object or a link: (label, content) before and after, None for nothing."""

    kind: Kind
    id: UUID
    before: tuple[int, Version] | None
    after: tuple[int, Version] | None

    @property
    def now(self) -> tuple[int, Version]:
        """What is seen, or was seen last."""
        found = self.after or self.before
        assert found is not None
        return found


def object_change(told: Told, clearance: int) -> Change | None:
    """What the event changes in the reader's view of its object."""
    event = told.event
    if event.entity_table != "objects" or event.entity_id is None:
        return None
    return _change(event.entity_id, seen(told.before, clearance), seen(told.after, clearance))


def anywhere(source: UUID, target: UUID) -> bool:
    """Whatever a link leads from and to."""
    return True


def link_changes(
    told: Told, clearance: int, wanted: Callable[[UUID, UUID], bool] = anywhere
) -> Iterator[Change]:  # fmt: skip
    """What the event changes among the links that the reader sees: of its link, or of those of its object.

    Links whose source and target are not `wanted` are left out before all else: many readers follow one object each.
    """
    event = told.event
    of_object = event.entity_table == "objects"
    for id, (source, target, versions) in told.links.items():
        if not wanted(source, target):
            continue
        shows = [_ends_show(told, (source, target), clearance, before=before) for before in (True, False)]
        before = seen(versions if of_object else told.before, clearance) if shows[0] else None
        after = seen(versions if of_object else told.after, clearance) if shows[1] else None
        change = _change(id, before, after)
        if change is not None:
            yield change


def triggered(told: Told, clearance: int) -> tuple[int, Version] | None:
    """The link that was triggered, where the reader sees it."""
    if told.event.topic != TRIGGERED:
        return None
    for source, target, versions in told.links.values():
        if _ends_show(told, (source, target), clearance, before=False):
            return seen(versions, clearance)
    return None


def _ends_show(told: Told, ends: tuple[UUID, UUID], clearance: int, *, before: bool) -> bool:
    def versions(end: UUID) -> Versions:
        if before and told.event.entity_table == "objects" and end == told.event.entity_id:
            return told.before
        return told.ends.get(end, NONE)

    return all(seen(versions(end), clearance) is not None for end in ends)


def _change(id: UUID, before: tuple[int, Version] | None, after: tuple[int, Version] | None) -> Change | None:
    if before == after:
        return None
    kind: Kind = "APPEARED" if before is None else "WITHDRAWN" if after is None else "CHANGED"
    return Change(kind, id, before, after)


class Past:
    """The versions of what events touch, moved on from event to event.

    One that is told all events, page after page, knows those of what was touched lately: the events of what changes
    again and again are many, and would be read anew each time.
    """

    def __init__(self, most: int = 5_000) -> None:
        self._most = most
        self._versions: dict[str, dict[UUID, dict[int, Version]]] = {"objects": {}, "links": {}}

    async def tell(
        self, transaction: Transaction, events: Sequence[Event], start: Position, clearance: int | None = None
    ) -> list[Told]:
        """The events, which are all that followed `start`, with the versions that they touch.

        All before `start` has been told, or nothing yet. Of old events (see `history.versions_at`) those versions are
        right that the clearance dominates. Of no use any more once it has raised.
        """
        coming = {e.entity_id for e in events if e.topic in _FLIPPING and e.entity_id}
        ends = await history.links_ever_at(transaction, coming, start) if coming else {}
        ends |= {e.entity_id: (e.source_id, e.target_id) for e in events if e.entity_id and e.source_id and e.target_id}
        ids = {e.entity_id for e in events if e.entity_table == "objects" and e.entity_id}
        ids |= {end for pair in ends.values() for end in pair}
        for table, touched in (("objects", ids), ("links", ends.keys())):
            known = self._versions[table]
            missing = touched - known.keys()
            if missing:
                known |= await history.versions_at(transaction, table, missing, start, clearance)
        links_of = _links_by_end(ends)
        told = [self._told(event, ends, links_of) for event in events]
        self._forget(ids, ends.keys())
        return told

    def _told(
        self, event: Event, all_ends: Mapping[UUID, tuple[UUID, UUID]], links_of: Mapping[UUID, Sequence[UUID]]
    ) -> Told:
        id, of_table = event.entity_id, self._versions.get(event.entity_table)
        before: Versions = NONE
        after: Versions = NONE
        if id is not None and of_table is not None:
            before = of_table.get(id, {})
            after = of_table[id] = history.after(before, event)
        concerned: Iterable[UUID] = ()
        if id is not None:
            concerned = links_of.get(id, ()) if event.topic in _FLIPPING else {id} & all_ends.keys()
        links = {link: (*all_ends[link], self._versions["links"].get(link, {})) for link in concerned}
        ends = {end for source, target, _ in links.values() for end in (source, target)}
        return Told(event, before, after, links, {end: self._versions["objects"].get(end, {}) for end in ends})

    def _forget(self, *touched: Collection[UUID]) -> None:
        """What was touched longest ago, where it is too much."""
        for known, ids in zip(self._versions.values(), touched, strict=True):
            for id in ids:
                known[id] = known.pop(id)
            for id in list(known)[: max(0, len(known) - self._most)]:
                del known[id]


def _links_by_end(ends: Mapping[UUID, tuple[UUID, UUID]]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {}
    for id, pair in ends.items():
        for end in set(pair):
            found.setdefault(end, []).append(id)
    return found
