"""What events mean to those who watch: each with what was before and what is after, to be told by what a reader sees.

A change is news to a reader only if it changes what that reader sees. The edit of a version that a higher one covers is
none; a new object at the end of a link can be, for the link then shows. So an event comes with all versions of what it
touches, and `object_change` and `link_changes` compare what one clearance sees of them before and after.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


async def tell(
    transaction: Transaction, events: Sequence[Event], start: Position, clearance: int | None = None
) -> list[Told]:
    """The events, which are all that followed `start`, with the versions that they touch.

    Of old events (see `history.versions_at`) those versions are right that the clearance dominates.
    """
    past = await _Past.load(transaction, events, start, clearance)
    return [past.told(event) for event in events]


class _Past:
    """The versions of what some events touch, moved on from event to event."""

    def __init__(
        self, objects: dict[UUID, dict[int, Version]], links: dict[UUID, dict[int, Version]],
        ends: Mapping[UUID, tuple[UUID, UUID]],
    ) -> None:  # fmt: skip
        self._versions = {"objects": objects, "links": links}
        self._ends = ends
        self._links_of: dict[UUID, list[UUID]] = {}
        for id, (source, target) in ends.items():
            for end in {source, target}:
                self._links_of.setdefault(end, []).append(id)

    @classmethod
    async def load(
        cls, transaction: Transaction, events: Sequence[Event], start: Position, clearance: int | None
    ) -> "_Past":
        coming = {e.entity_id for e in events if e.topic in _FLIPPING and e.entity_id}
        ends = await history.links_ever_at(transaction, coming, start) if coming else {}
        ends |= {e.entity_id: (e.source_id, e.target_id) for e in events if e.entity_id and e.source_id and e.target_id}
        ids = {e.entity_id for e in events if e.entity_table == "objects" and e.entity_id}
        ids |= {end for pair in ends.values() for end in pair}
        objects = await history.versions_at(transaction, "objects", ids, start, clearance) if ids else {}
        links = await history.versions_at(transaction, "links", ends, start, clearance) if ends else {}
        return cls(objects, links, ends)

    def told(self, event: Event) -> Told:
        id, of_table = event.entity_id, self._versions.get(event.entity_table)
        before: Versions = NONE
        after: Versions = NONE
        if id is not None and of_table is not None:
            before = of_table.get(id, {})
            after = of_table[id] = history.after(before, event)
        concerned: Iterable[UUID] = ()
        if id is not None:
            concerned = self._links_of.get(id, ()) if event.topic in _FLIPPING else {id} & self._ends.keys()
        links = {link: (*self._ends[link], self._versions["links"].get(link, {})) for link in concerned}
        ends = {end for source, target, _ in links.values() for end in (source, target)}
        return Told(event, before, after, links, {end: self._versions["objects"].get(end, {}) for end in ends})
