"""Writing links: typed, labelled, weighted, optionally valid in time, between objects that the writer sees.

A link is written at the session label, which dominates the labels of both ends as the writer sees them. Links have
versions by the same rules as objects. An end that is hidden and an end that does not exist give the same error.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Literal
from uuid import UUID

from fabric import ids
from fabric.database.db import Transaction, retried
from fabric.errors import BadInput, FabricError, Forbidden, NotFound, Several, raise_any
from fabric.events import journal
from fabric.events.journal import Entry, Position
from fabric.identity.link_rights import LinkRights
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.names import camel
from fabric.types.catalogue import Catalogue, Relation
from fabric.types.faults import Faults
from fabric.types.kinds import Kind, KindError, canonical
from fabric.types.types import Types
from fabric.types.values import check_required, merged, read_data
from fabric.writing import cardinality, link_counts, turns, versions
from fabric.writing.inferred import Named, tell_of_inferred
from fabric.writing.versions import Content, Version, VersionTable

Action = Literal["link", "update", "upsert", "unlink"]

_CHANGEABLE = ("weight", "properties", "valid_from", "valid_to", "semantic_namespace", "semantic_predicate")

TABLE = VersionTable(
    "links",
    "link_id",
    {
        "relation": "text",
        "source_id": "uuid",
        "target_id": "uuid",
        "link_key": "text",
        "weight": "double precision",
        "properties": "jsonb",
        "valid_from": "timestamptz",
        "valid_to": "timestamptz",
        "semantic_namespace": "text",
        "semantic_predicate": "text",
    },
    emptied=dict.fromkeys(_CHANGEABLE) | {"properties": {}},
    fixed=frozenset({"relation", "source_id", "target_id", "link_key"}),
)

PERMISSIONS: Mapping[Action, tuple[str, ...]] = {
    "link": ("link:create",),
    "update": ("link:update",),
    "upsert": ("link:create", "link:update"),
    "unlink": ("link:delete",),
}

_KINDS = {
    "weight": Kind.FLOAT,
    "semantic_namespace": Kind.STRING,
    "semantic_predicate": Kind.STRING,
}


@dataclass(frozen=True, slots=True)
class LinkChange:
    """One wish: named by `link_id`, or by relation, ends and (for parallel links) key.

    `values` holds what is given of weight, properties, valid_from, valid_to, semantic_namespace, semantic_predicate.
    """

    action: Action
    relation: str = ""
    source_id: UUID | None = None
    target_id: UUID | None = None
    key: str | None = None
    link_id: UUID | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    expected_revision: int | None = None
    path: tuple[str | int, ...] = ()
    ends: tuple[str, str] = ("from", "to")
    """What the caller's input calls the source and the target."""
    among: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The types that an end, by what the input calls it, must be of: a link field leads to nothing else."""


@dataclass(frozen=True, slots=True)
class WrittenLink:
    link_id: UUID
    changed: bool
    created: bool = False
    """Whether the writer saw no such link before."""


class Links:
    """The writing side of links."""

    def __init__(self, types: Types) -> None:
        self._types = types

    async def write(
        self,
        subject: Subject,
        organization: Organization,
        changes: Sequence[LinkChange],
        *,
        request_id: str | None = None,
    ) -> tuple[list[WrittenLink], Position | None]:
        """Does all changes or none; raises as `Objects.write` does."""
        for permission in sorted({p for c in changes for p in PERMISSIONS[c.action]}):
            subject.require(permission)

        async def attempt() -> tuple[list[WrittenLink], Position | None]:
            catalogue = await self._types.catalogue(subject.session)
            async with self._types.holding(subject.session, catalogue) as transaction:
                return await _write(transaction, subject, organization, catalogue, changes, request_id)

        return await retried(attempt)


async def _write(
    transaction: Transaction, subject: Subject, organization: Organization, catalogue: Catalogue,
    changes: Sequence[LinkChange], request_id: str | None,
) -> tuple[list[WrittenLink], Position | None]:  # fmt: skip
    planned = await plan(transaction, subject.links, organization, catalogue, changes)
    raise_any(planned.errors)
    if not planned.changed:
        return planned.written, None
    entries = await store(transaction, catalogue, planned)
    return planned.written, await journal.append(transaction, subject.subject, entries, request_id=request_id)


@dataclass(frozen=True, slots=True)
class PlannedLinks:
    """What changes of links come to, before any of it is stored. `paths` are the changes', by their links' ids."""

    before: Mapping[UUID, Version]
    changed: Mapping[UUID, Version]
    written: list[WrittenLink]
    errors: list[FabricError]
    end_types: Mapping[UUID, str]
    paths: Mapping[UUID, tuple[str | int, ...]]


async def plan(
    transaction: Transaction, rights: LinkRights, organization: Organization, catalogue: Catalogue,
    changes: Sequence[LinkChange], coming: Mapping[UUID, str | None] | None = None,
) -> PlannedLinks:  # fmt: skip
    """`coming` are the types of objects as this transaction will leave them, None for one that will be gone.

    Faults are among the `errors`, and what is at fault is not in `written`.
    """
    named: list[tuple[LinkChange, UUID]] = []
    errors: list[FabricError] = []
    for change in changes:
        try:
            named.append((change, _identify(organization, change)))
        except BadInput as error:
            errors.append(error)
    before = await TABLE.read(transaction, {id for _, id in named})
    end_types = await _types_of_ends(transaction, changes, before.values())
    end_types = {id: t for id, t in (end_types | dict(coming or {})).items() if t is not None}
    now: dict[UUID, Version] = dict(before)
    written: list[WrittenLink] = []
    missed: dict[int, Named] = {}
    for change, id in named:
        try:
            winner = _seen_from_here(now.get(id), end_types)
            _check_rights(change, winner, rights, catalogue)
            version = _apply(change, id, winner, transaction.session.label, catalogue, end_types)
        except FabricError as error:
            if isinstance(error, NotFound) and not error.path and change.key is None:
                missed[len(errors)] = id, change.relation, change.source_id, change.target_id
            prefixed = error.under(*change.path)
            errors += prefixed.errors if isinstance(prefixed, Several) else [prefixed]
            continue
        old = now.get(id)
        created = not version.tombstone and (old is None or old.tombstone)
        written.append(WrittenLink(id, version is not old, created))
        now[id] = version
    if missed and catalogue.concluded:
        await tell_of_inferred(transaction, missed, errors)
    changed = {id: v for id, v in now.items() if v is not before.get(id) and (id in before or not v.tombstone)}
    return PlannedLinks(before, changed, written, errors, end_types, {id: change.path for change, id in named})


async def store(transaction: Transaction, catalogue: Catalogue, planned: PlannedLinks) -> list[Entry]:
    """Stores what changed; what tells of it. Conflict, or Several, for links beyond those that may be there."""
    await TABLE.store(transaction, planned.before, planned.changed)
    there, stored = planned.before, planned.changed
    added = [link for id, link in stored.items() if not link.tombstone and (id not in there or there[id].tombstone)]
    single = cardinality.single_among(catalogue, planned.end_types, stored.values())
    limited = link_counts.limited_among(catalogue, planned.end_types, added)
    await turns.take(transaction, chain(cardinality.turns(single), link_counts.turns(limited)))
    errors = await cardinality.check(transaction, catalogue, single, planned.paths)
    raise_any(errors + await link_counts.check(transaction, catalogue, limited, planned.paths))
    return [_entry(catalogue, planned.before.get(id), version) for id, version in planned.changed.items()]


def _identify(organization: Organization, change: LinkChange) -> UUID:
    if change.link_id is not None:
        return change.link_id
    if change.source_id is None or change.target_id is None:
        raise BadInput("a link is named by its id, or by relation, from and to", change.path)
    try:
        key = None if change.key is None else str(canonical(Kind.STRING, change.key))
    except KindError as error:
        raise BadInput(str(error), (*change.path, "key")) from None
    return ids.link_id(organization, change.relation, change.source_id, change.target_id, key)


async def _types_of_ends(
    transaction: Transaction, changes: Iterable[LinkChange], existing: Iterable[Version]
) -> dict[UUID, str]:
    ends = {e for c in changes for e in (c.source_id, c.target_id) if e is not None}
    ends |= {v.content[end] for v in existing for end in ("source_id", "target_id")}
    rows = await transaction.fetch(
        "select object_id, type_name from fabric.objects where object_id = any($1) and not tombstone", list(ends)
    )
    return {row["object_id"]: row["type_name"] for row in rows}


def _apply(
    change: LinkChange, id: UUID, winner: Version | None, label: int, catalogue: Catalogue,
    end_types: Mapping[UUID, str],
) -> Version:  # fmt: skip
    if change.action == "unlink":
        _check_named(change, end_types)
        return versions.deleted(winner, label, change.expected_revision)
    if change.action == "update" or (change.action == "upsert" and winner is not None and not winner.tombstone):
        current = versions.alive(winner)
        relation = catalogue.relations.get(current.content["relation"])
        if relation is None:
            raise NotFound("not found")
        content = _changed(current.content, change, relation)
        return versions.updated(current, label, content, change.expected_revision)
    relation = catalogue.relations.get(change.relation)
    if relation is None:
        raise BadInput("no such relation", ("relation",))
    _check_ends(change, relation, catalogue, end_types)
    blank: Content = dict.fromkeys(_CHANGEABLE) | {"properties": {}}
    named = {"relation": change.relation, "source_id": change.source_id, "target_id": change.target_id}
    return versions.created(winner, id, label, _changed(named | {"link_key": change.key} | blank, change, relation))


def _seen_from_here(winner: Version | None, end_types: Mapping[UUID, str]) -> Version | None:
    if winner is not None and not winner.tombstone and not _both_ends(winner, end_types):
        # An end is gone, and with it the link: only a new one, once the end is back, can take its place.
        return Version(winner.id, winner.label, winner.content, winner.revision, tombstone=True)
    return winner


def _check_rights(change: LinkChange, winner: Version | None, rights: LinkRights, catalogue: Catalogue) -> None:
    """Forbidden where the writer's permission is not for the relation: one that the writer names, or sees."""
    relation = change.relation
    if change.link_id is not None:
        if winner is None or winner.tombstone:
            return  # not found, whatever it was
        relation = winner.content["relation"]
    refused = rights.refused(PERMISSIONS[change.action], relation)
    if refused is not None:
        if change.link_id is not None and relation not in catalogue.relations:
            raise NotFound("not found")
        raise Forbidden(f"your permission {refused} is not for this relation")


def _both_ends(link: Version, end_types: Mapping[UUID, str]) -> bool:
    return link.content["source_id"] in end_types and link.content["target_id"] in end_types


def _check_ends(change: LinkChange, relation: Relation, catalogue: Catalogue, end_types: Mapping[UUID, str]) -> None:
    for name, end in _ends(change):
        if end not in end_types:
            raise NotFound("not found", (name,))
    _check_named(change, end_types)
    source, target = (end_types[end] for _, end in _ends(change))
    if not catalogue.may_join(relation, source, target):
        raise BadInput(f"{relation.name} does not lead from {source} to {target}", ("relation",))


def _check_named(change: LinkChange, end_types: Mapping[UUID, str]) -> None:
    """What is named through a link field and is of another type is not found there."""
    for name, end in _ends(change) if change.among else ():
        if name in change.among and end_types.get(end) not in change.among[name]:
            raise NotFound("not found", (name,))


def _ends(change: LinkChange) -> list[tuple[str, UUID]]:
    assert change.source_id is not None
    assert change.target_id is not None
    return list(zip(change.ends, (change.source_id, change.target_id), strict=True))


def _changed(content: Content, change: LinkChange, relation: Relation) -> Content:
    """The content with what the change gives; properties are merged one by one, null clears."""
    faults = Faults()
    given = _canonical(change, faults)
    properties = content["properties"]
    if given.get("properties") is not None:
        read = read_data(relation.properties, given["properties"], faults, "properties")
        properties = merged(properties, read)
    check_required(relation.properties, properties, faults, "properties")
    result = content | {k: given[k] for k in _CHANGEABLE if k in given} | {"properties": properties}
    start, end = result["valid_from"], result["valid_to"]
    if isinstance(start, datetime) and isinstance(end, datetime) and end < start:
        faults.add("validTo is before validFrom", "validTo")
    faults.raise_any()
    return result


def _canonical(change: LinkChange, faults: Faults) -> dict[str, Any]:
    """What is given, each value as the table can hold it."""
    given = dict(change.values)
    for name, value in change.values.items():
        if value is not None and name in _KINDS:
            try:
                given[name] = canonical(_KINDS[name], value)
            except KindError as error:
                faults.add(str(error), camel(name))
    if not isinstance(given.get("properties"), Mapping | None):
        faults.add("properties are an object, by name", "properties")
        del given["properties"]
    return given


async def withdraw(transaction: Transaction, catalogue: Catalogue, gone: Sequence[UUID]) -> list[Entry]:
    """Unlinks objects that are gone at the transaction's label, as far as they were linked at it; what tells of it.

    Their links at other labels stay for those who see the objects there; from here they lead nowhere.
    """
    label = transaction.session.label
    rows = await transaction.fetch(
        """select link_id from fabric.links
           where label = $1 and not tombstone and (source_id = any($2) or target_id = any($2))""",
        label, gone,
    )  # fmt: skip
    if not rows:
        return []
    before = await TABLE.read(transaction, [row["link_id"] for row in rows])
    after = {id: versions.deleted(link, label) for id, link in before.items()}
    await TABLE.store(transaction, before, after)
    return [_entry(catalogue, before[id], link) for id, link in after.items()]


def _entry(catalogue: Catalogue, before: Version | None, after: Version) -> Entry:
    topic = "deleted" if after.tombstone else "created" if before is None or before.tombstone else "updated"
    content = after.content
    data = {
        "revision": after.revision,
        "before": _plain(catalogue, before.content) if before is not None and not before.tombstone else {},
        "after": {} if after.tombstone else _plain(catalogue, content),
    }
    ends = content["source_id"], content["target_id"]
    return Entry(f"link.{topic}", "links", after.id, content["relation"], data, ends)


def _plain(catalogue: Catalogue, content: Content) -> dict[str, Any]:
    """What can change of a link, by the names under which it is written."""
    values = {camel(k): content[k] for k in _CHANGEABLE if content[k] is not None}
    relation = catalogue.relations.get(content["relation"])
    fields = relation.properties.values() if relation else ()
    values["properties"] = {f.name: content["properties"][f.key] for f in fields if f.key in content["properties"]}
    return {k: canonical(Kind.DATETIME, v.isoformat()) if isinstance(v, datetime) else v for k, v in values.items()}
