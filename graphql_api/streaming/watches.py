"""From events to notices: what each field of Subscription tells one kind of reader, by its arguments.

A notice is a mapping as `event_types` shows it, but for its cursor. All of it depends only on the organization, the
session label and the arguments, so those who share these share the notices.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from fabric.database.db import Database
from fabric.errors import BadInput, NotFound
from fabric.events.chronicle import Change, Told, link_changes, object_change, triggered
from fabric.events.events import Event
from fabric.events.history import Version, seen
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.labels import dominates
from fabric.types.catalogue import Catalogue
from graphql_api.fields.told_events import told_change, told_event
from graphql_api.fields.told_links import told_link
from graphql_api.schema.schema import Surface
from graphql_api.streaming.filters import StateFilter, filter_tree
from graphql_api.streaming.interests import ANY, LINK, Key, ends, relations, subjects, types
from graphql_api.streaming.interests import topics as exactly

Notice = dict[str, Any]


class Watch(Protocol):
    """One subscription's field with its arguments."""

    interests: frozenset[Key]
    """Events with none of these keys come to nothing."""

    async def notices(self, told: Sequence[Told]) -> list[list[Notice]]:
        """What each of the events, in their order, comes to."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who watches, and what there is to see."""

    database: Database
    surface: Surface
    subject: Subject
    organization: Organization

    @property
    def clearance(self) -> int:
        return self.subject.label

    @property
    def catalogue(self) -> Catalogue:
        return self.surface.catalogue

    def told(self, event: Event) -> Notice:
        return told_change(self.organization, event)

    def event(self, event: Event) -> Notice:
        return told_event(self.organization, event)

    def link(self, id: UUID, label: int, version: Version) -> Notice:
        return told_link(self.organization, self.catalogue, id, label, version)

    def family(self, names: Iterable[str]) -> frozenset[str]:
        """The types and all that descend from them; none for what the reader does not see."""
        types = self.catalogue.types
        return frozenset(member for name in names if name in types for member in types[name].family)


def watch(watcher: Watcher, field: str, arguments: Mapping[str, Any]) -> Watch:
    """The watch of a field of Subscription. Forbidden; BadInput or NotFound for arguments that mean nothing."""
    match field:
        case "linkEvents":
            watcher.subject.require("link:read")
            return _LinkWatch(watcher, arguments)
        case "events":
            for permission in ("object:read", "link:read", "type:read"):
                watcher.subject.require(permission)
            return _EventWatch(watcher, arguments)
        case _:
            watcher.subject.require("object:read")
            return _ObjectWatch(watcher, arguments)


class _LinkWatch:
    def __init__(self, watcher: Watcher, arguments: Mapping[str, Any]) -> None:
        self._watcher = watcher
        self._relations = _given(arguments, "relations")
        names = _given(arguments, "types")
        self._types = None if names is None else watcher.family(names)
        id = arguments.get("objectId")
        self._object_id = None if id is None else _id(id)
        self._direction = arguments["direction"]
        if self._object_id is not None:
            self.interests = ends([self._object_id])
        else:
            self.interests = frozenset({LINK}) if self._relations is None else relations(self._relations)

    async def notices(self, told: Sequence[Told]) -> list[list[Notice]]:
        return [self._of(each) for each in told]

    def _of(self, told: Told) -> list[Notice]:
        clearance = self._watcher.clearance
        found: list[Notice] = []
        for change in link_changes(told, clearance, self._between):
            label, version = change.now
            if self._wanted(told, version):
                found.append({"kind": change.kind} | self._told(told, change.id, label, version))
        here = triggered(told, clearance) if dominates(clearance, told.event.label) else None
        if here is not None and told.event.entity_id is not None and self._wanted(told, here[1]):
            found.append({"kind": "TRIGGERED"} | self._told(told, told.event.entity_id, *here))
        return found

    def _told(self, told: Told, id: UUID, label: int, version: Version) -> Notice:
        ends = {"sourceId": version["source_id"], "targetId": version["target_id"]}
        return self._watcher.told(told.event) | ends | {"link": self._watcher.link(id, label, version)}

    def _wanted(self, told: Told, version: Version) -> bool:
        if self._relations is not None and version["relation"] not in self._relations:
            return False
        source, target = UUID(version["source_id"]), UUID(version["target_id"])
        if not self._between(source, target):
            return False
        return self._types is None or any(self._type(told, end) in self._types for end in (source, target))

    def _between(self, source: UUID, target: UUID) -> bool:
        """Whether the object is at the end where it is asked for."""
        id = self._object_id
        if id is None or (id == source and self._direction != "IN"):
            return True
        return id == target and self._direction != "OUT"

    def _type(self, told: Told, end: UUID) -> str | None:
        """What the reader sees of the end's type, or saw last."""
        known = [told.ends.get(end, {}), told.before if told.event.entity_id == end else {}]
        for versions in known:
            there = seen(versions, self._watcher.clearance)
            if there is not None:
                return str(there[1]["type_name"])
        return None


class _EventWatch:
    def __init__(self, watcher: Watcher, arguments: Mapping[str, Any]) -> None:
        self._watcher = watcher
        self._types = _given(arguments, "types")
        topics = _given(arguments, "topics")
        self._topics = None if topics is None else frozenset(t for t in topics if not t.endswith("*"))
        self._beginnings = tuple(t[:-1] for t in topics or () if t.endswith("*"))
        if self._topics is not None and not self._beginnings:
            self.interests = exactly(self._topics)
        else:
            self.interests = frozenset({ANY}) if self._types is None else subjects(self._types)

    async def notices(self, told: Sequence[Told]) -> list[list[Notice]]:
        return [
            [{"kind": "EVENT", "event": self._watcher.event(t.event)}] if self._wanted(t.event) else [] for t in told
        ]

    def _wanted(self, event: Event) -> bool:
        if not dominates(self._watcher.clearance, event.label):
            return False
        if self._types is not None and event.entity_type not in self._types:
            return False
        return self._topics is None or event.topic in self._topics or event.topic.startswith(self._beginnings or "\0")


class _ObjectWatch:
    def __init__(self, watcher: Watcher, arguments: Mapping[str, Any]) -> None:
        object_type = watcher.catalogue.types.get(arguments["type"])
        if object_type is None or object_type.domain != "object":
            raise BadInput("no such type", ("type",))
        self._watcher = watcher
        self._family = frozenset(object_type.family)
        self.interests = types(self._family)
        where = arguments.get("where")
        self._filter: StateFilter | None = None
        if where is not None:
            tree = filter_tree(watcher.surface.schema, object_type, where, ("where",))
            self._filter = StateFilter(watcher.catalogue, object_type, tree, ("where",))
            for permission in self._filter.permissions:
                watcher.subject.require(permission)

    async def notices(self, told: Sequence[Told]) -> list[list[Notice]]:
        changes = [object_change(each, self._watcher.clearance) for each in told]
        inside = [self._of_family(change) for change in changes]
        if self._filter is not None:
            inside = await self._matching(changes, inside)
        found: list[list[Notice]] = []
        for each, change, (before, after) in zip(told, changes, inside, strict=True):
            if change is None or not (before or after):
                found.append([])
                continue
            kind = "CHANGED" if before and after else "APPEARED" if after else "WITHDRAWN"
            shown = str(change.id) if after else None
            notice = {"kind": kind, "objectId": str(change.id), "nodeId": shown}
            found.append([notice | self._watcher.told(each.event)])
        return found

    def _of_family(self, change: Change | None) -> tuple[bool, bool]:
        """Whether the object is one of the type before the change, and after it."""
        if change is None:
            return False, False
        before, after = (x is not None and x[1]["type_name"] in self._family for x in (change.before, change.after))
        return before, after

    async def _matching(
        self, changes: Sequence[Change | None], inside: Sequence[tuple[bool, bool]]
    ) -> list[tuple[bool, bool]]:
        assert self._filter is not None
        states, places = [], []
        for i, (change, sides) in enumerate(zip(changes, inside, strict=True)):
            for side, holds in enumerate(sides):
                if change is not None and holds:
                    state = (change.before, change.after)[side]
                    assert state is not None
                    states.append((change.id, *state))
                    places.append((i, side))
        watcher = self._watcher
        matching = await self._filter.passing(watcher.database, watcher.subject, watcher.organization, states)
        held = {place for n, place in enumerate(places) if n in matching}
        return [((i, 0) in held, (i, 1) in held) for i in range(len(changes))]


def _id(text: str) -> UUID:
    """NotFound for what is no id, which names nothing."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("not found", ("objectId",)) from None


def _given(arguments: Mapping[str, Any], name: str) -> frozenset[str] | None:
    values = arguments.get(name)
    return None if values is None else frozenset(values)
