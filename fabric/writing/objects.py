"""Writing objects: create, update, upsert and delete, one or many in a transaction, at exactly the session label.

The rules of versions are `fabric.versions`'; here a caller's wishes are checked against the type definitions and named.
Reading is compiled (see graphql_api).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from fabric import ids
from fabric.database.db import LostRace, StaleKeys, Transaction, retried
from fabric.encryption import carrying
from fabric.encryption.carrying import Carried, Uncarried
from fabric.encryption.ciphertexts import Ciphertext
from fabric.encryption.encryption import Encryption, Secret, required
from fabric.encryption.markers import MARKER
from fabric.encryption.places import Place
from fabric.errors import FabricError, NotFound, Several, raise_any
from fabric.events import journal
from fabric.events.journal import Entry, Position
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.faults import Faults
from fabric.types.types import Types
from fabric.types.values import Stored, check_narrower, check_required, difference, merged, read_data
from fabric.writing import links, versions
from fabric.writing.links import LinkChange
from fabric.writing.nested_links import NestedLink, resolved
from fabric.writing.versions import Version, VersionTable

Action = Literal["create", "update", "upsert", "delete"]

TABLE = VersionTable("objects", "object_id", {"type_name": "text", "data": "jsonb"}, emptied={"data": {}})

_PERMISSIONS: Mapping[Action, tuple[str, ...]] = {
    "create": ("object:create",),
    "update": ("object:update",),
    "upsert": ("object:create", "object:update"),
    "delete": ("object:delete",),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One wish. `data` is by field name, null clears. `object_id` or `data`'s natural key names the object."""

    action: Action
    type_name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    object_id: UUID | None = None
    expected_revision: int | None = None
    path: tuple[str | int, ...] = ()
    """Leads to `data` in the caller's input."""
    links: tuple[NestedLink, ...] = ()
    """What is made and taken away with it, in this order."""


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one change: which object, and whether anything of it or of its nested links differs."""

    object_id: UUID
    type_name: str
    changed: bool
    created: bool = False
    """Whether the writer saw no such object before."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """`data` has markers for what is to be encrypted; `sealed` what they stand for, by storage key."""

    change: Change
    object_type: ObjectType
    object_id: UUID
    data: Stored
    links: list[LinkChange]
    secrets: list[Secret]
    sealed: dict[str, Ciphertext] = field(default_factory=dict)


class Objects:
    """The writing side of objects."""

    def __init__(self, types: Types) -> None:
        """What definitions and values are encrypted with is that of the types."""
        self._types = types

    @property
    def _encryption(self) -> Encryption | None:
        return self._types.encryption

    async def write(
        self, subject: Subject, organization: Organization, changes: Sequence[Change], *, request_id: str | None = None
    ) -> tuple[list[Written], Position | None]:
        """Does all changes or none. The position is the last event's, None when nothing differed.

        Raises the first fault's FabricError, or Several with each fault's path, led on from the change's `path`.
        """
        needed = {p for c in changes for p in _PERMISSIONS[c.action]}
        needed |= {p for c in changes for nested in c.links for p in links.PERMISSIONS[nested.action]}
        for permission in sorted(needed):
            subject.require(permission)

        lost = False
        work: tuple[Catalogue, list[_Prepared]] | None = None
        carried: Carried = {}

        async def attempt() -> tuple[list[Written], Position | None]:
            nonlocal lost, work, carried
            catalogue = await self._types.catalogue(subject.session)
            if work is None or work[0] is not catalogue:  # else what is encrypted already still holds
                work = catalogue, await self._prepared(subject, organization, catalogue, changes)
            prepared = work[1]
            try:
                async with self._types.holding(subject.session, catalogue) as transaction:
                    if lost:  # a race once; now wait in line
                        await TABLE.take_turn(transaction, [p.object_id for p in prepared])
                    return await _write(transaction, subject, organization, catalogue, prepared, carried, request_id)
            except Uncarried as below:
                carried = {**carried, **await required(self._encryption).moved(below.sources, subject.label)}
                raise
            except StaleKeys:
                work, carried = None, {}  # to be encrypted anew
                raise
            except LostRace:
                lost = True
                raise

        return await retried(attempt)

    async def _prepared(
        self, subject: Subject, organization: Organization, catalogue: Catalogue, changes: Sequence[Change]
    ) -> list[_Prepared]:
        """Checked, and with ciphertexts, which are made before there is a transaction."""
        try:
            prepared = _prepare(organization, catalogue, changes, subject.label)
        except FabricError:
            async with self._types.holding(subject.session, catalogue):
                raise  # unless the definitions have changed meanwhile
        secrets = [secret for each in prepared for secret in each.secrets]
        made = iter(await required(self._encryption).sealed(secrets) if secrets else ())
        for each in prepared:
            each.sealed.update({secret.place.field: next(made) for secret in each.secrets})
            each.secrets.clear()
        return prepared


def _prepare(
    organization: Organization, catalogue: Catalogue, changes: Sequence[Change], label: int
) -> list[_Prepared]:
    """Everything that can be checked and computed before the database is asked, for writing at the label."""
    faults = Faults()
    prepared = []
    for change in changes:
        object_type = catalogue.types.get(change.type_name)
        if object_type is None or object_type.domain != "object":
            faults.add("no such type", *change.path)
            continue
        named = change.action in ("update", "delete") and change.object_id is None
        naming = object_type.natural_key if named else ()
        data = read_data(object_type.fields, change.data, faults, *change.path, naming=naming)
        object_id = _identify(organization, object_type, change, data, faults)
        if object_id is not None:
            wished = [resolved(organization, catalogue, object_type, object_id, n, faults) for n in change.links]
            secrets = _take_secrets(object_type, data, organization, object_id, label)
            made = [w for w in wished if w is not None]
            prepared.append(_Prepared(change, object_type, object_id, data, made, secrets))
    faults.raise_any()
    return prepared


def _take_secrets(
    object_type: ObjectType, data: Stored, organization: Organization, object_id: UUID, label: int
) -> list[Secret]:
    """The values that are to be encrypted, of which the data then has markers."""
    secrets = []
    for each in object_type.fields.values():
        if each.protection is not None and data.get(each.key) is not None:
            place = Place(organization.organization_id, "objects", object_id, label, each.key)
            secrets.append(Secret(place, each.protection, data[each.key]))
            data[each.key] = dict(MARKER)
    return secrets


def _identify(
    organization: Organization, object_type: ObjectType, change: Change, data: Stored, faults: Faults
) -> UUID | None:
    """Which object the change means: a given id, the one its natural key gives, or for a new object a random one."""
    if change.action in ("update", "delete") and change.object_id is not None:
        return change.object_id
    if not object_type.natural_key:
        if change.object_id is None and change.action != "create":
            faults.add("required: this type has no natural key", *change.path, "id")
            return None
        return change.object_id or ids.random_id()
    keys = [(name, object_type.fields[name].key) for name in object_type.natural_key]
    for name, key in keys:
        if data.get(key) is None and change.data.get(name) is None:  # otherwise its value is at fault already
            faults.add("required: it is part of the natural key", *change.path, name)
    if any(data.get(key) is None for _, key in keys):
        return None
    derived = ids.object_id(organization, object_type.key_type, [data[key] for _, key in keys])
    if change.object_id not in (None, derived):
        faults.add("an object with a natural key has the id that follows from it; leave the id out", *change.path, "id")
    return derived


async def _write(
    transaction: Transaction, subject: Subject, organization: Organization, catalogue: Catalogue,
    prepared: list[_Prepared], carried: Carried, request_id: str | None,
) -> tuple[list[Written], Position | None]:  # fmt: skip
    before = await TABLE.read(transaction, {p.object_id for p in prepared})
    now: dict[UUID, Version] = dict(before)
    sealed: dict[UUID, dict[str, Ciphertext]] = {}
    written: list[Written] = []
    nested: list[tuple[int, LinkChange]] = []
    errors: list[FabricError] = []
    for each in prepared:
        try:
            version = _apply(each, now.get(each.object_id), subject.label, catalogue)
        except FabricError as error:
            errors += error.errors if isinstance(error, Several) else [error]
            continue
        old = now.get(each.object_id)
        created = not version.tombstone and (old is None or old.tombstone)
        nested += [(len(written), link) for link in each.links]
        written.append(Written(each.object_id, version.content["type_name"], version is not old, created))
        now[each.object_id] = version
        sealed[each.object_id] = {} if version.tombstone else sealed.get(each.object_id, {}) | each.sealed
    coming = {id: None if v.tombstone else v.content["type_name"] for id, v in now.items()}
    wishes = [change for _, change in nested]
    linked = await links.plan(transaction, subject.links, organization, catalogue, wishes, coming) if nested else None
    raise_any([*errors, *(linked.errors if linked else ())])
    changed = {id: v for id, v in now.items() if v is not before.get(id) and (id in before or not v.tombstone)}
    entries = await _store(transaction, catalogue, before, changed, sealed, carried) if changed else []
    if linked and linked.changed:
        entries += await links.store(transaction, catalogue, linked)
        for (i, _), link in zip(nested, linked.written, strict=True):
            written[i] = replace(written[i], changed=written[i].changed or link.changed)
    if not entries:
        return written, None
    return written, await journal.append(transaction, subject.subject, entries, request_id=request_id)


async def revise(
    transaction: Transaction, actor: str, catalogue: Catalogue, before: Mapping[UUID, Version],
    data: Mapping[UUID, Stored],
) -> None:  # fmt: skip
    """Gives versions at the session label, as they were read before, other data that was checked by the caller.

    With their events and audit records. LostRace if another was there first.
    """
    label = transaction.session.label
    changed = {
        id: versions.updated(before[id], label, before[id].content | {"data": stored}) for id, stored in data.items()
    }
    if changed:
        entries = await _store(transaction, catalogue, before, changed, {}, {})
        await journal.append(transaction, actor, entries)


async def _store(
    transaction: Transaction, catalogue: Catalogue, before: Mapping[UUID, Version], changed: Mapping[UUID, Version],
    sealed: Mapping[UUID, Mapping[str, Ciphertext]], carried: Carried,
) -> list[Entry]:  # fmt: skip
    """Stores the versions with their ciphertexts, and takes away the links of what is gone; what tells of it."""
    secrets = await carrying.settled(transaction, TABLE, before, changed, sealed, carried)
    await TABLE.store(transaction, before, changed)
    await secrets.store(transaction)
    gone = [id for id, version in changed.items() if version.tombstone]
    entries = await links.withdraw(transaction, catalogue, gone) if gone else []
    return entries + [
        _entry(catalogue, before.get(id), version, sealed.get(id, ())) for id, version in changed.items()
    ]


def _apply(each: _Prepared, winner: Version | None, label: int, catalogue: Catalogue) -> Version:
    """The version that the change leaves; faults lead to the change's input."""
    change = each.change
    try:
        if winner is not None and not winner.tombstone and not _fits(winner, each.object_type):
            winner = _misfit(change, winner)
        match change.action:
            case "delete":
                return versions.deleted(winner, label, change.expected_revision)
            case "update":
                return _update(each, versions.alive(winner), label, catalogue)
            case "upsert" if winner is not None and not winner.tombstone:
                return _update(each, winner, label, catalogue)
            case _:
                return _create(each, winner, label)
    except FabricError as error:
        raise error.under(*change.path) from None


def _fits(winner: Version, object_type: ObjectType) -> bool:
    return winner.content["type_name"] in object_type.family


def _misfit(change: Change, winner: Version) -> Version:
    """An object of another type: to update or delete it as this one is to find nothing; its id is taken for others."""
    if change.action == "create":
        return winner
    raise NotFound("not found")


def _create(each: _Prepared, winner: Version | None, label: int) -> Version:
    data = merged({}, each.data)
    faults = Faults()
    check_required(each.object_type.fields, data, faults)
    faults.raise_any()
    return versions.created(winner, each.object_id, label, {"type_name": each.object_type.name, "data": data})


def _update(each: _Prepared, winner: Version, label: int, catalogue: Catalogue) -> Version:
    type_name = winner.content["type_name"]
    object_type = catalogue.types[type_name]
    data = merged(winner.content["data"], each.data)
    faults = Faults()
    given = {name: value for name, value in each.change.data.items() if name not in object_type.natural_key}
    check_narrower(each.object_type.fields, object_type.fields, given, faults)
    check_required(object_type.fields, data, faults)
    for name in object_type.natural_key:
        key = object_type.fields[name].key
        if key in each.data and each.data[key] != winner.content["data"].get(key):
            faults.add("a natural key cannot change; create a new object instead", name)
    faults.raise_any()
    content = {"type_name": type_name, "data": data}
    # Whether an encrypted value differs from the one before nobody can tell here.
    return versions.updated(winner, label, content, each.change.expected_revision, always=bool(each.sealed))


def _entry(catalogue: Catalogue, before: Version | None, after: Version, encrypted: Collection[str]) -> Entry:
    """`encrypted` are the storage keys whose values have been encrypted anew."""
    old = before.content["data"] if before is not None and not before.tombstone else {}
    new = {} if after.tombstone else after.content["data"]
    topic = "deleted" if after.tombstone else "created" if before is None or before.tombstone else "updated"
    type_name = after.content["type_name"]
    changed = difference(catalogue.types.get(type_name), old, new, encrypted)
    return Entry(f"object.{topic}", "objects", after.id, type_name, {"revision": after.revision, **changed})
