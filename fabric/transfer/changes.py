"""The changes that import records ask for. What is wrong with a record is a BadInput whose path leads into its body."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric import ids
from fabric.encryption.markers import MARKER
from fabric.errors import BadInput
from fabric.identity.organizations import Organization
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.kinds import JSONValue, Kind, KindError, canonical
from fabric.types.values import read_value
from fabric.writing.links import LinkChange
from fabric.writing.objects import Change

_LINK_VALUES = {
    "weight": ("weight", Kind.FLOAT),
    "validFrom": ("valid_from", Kind.DATETIME),
    "validTo": ("valid_to", Kind.DATETIME),
    "semanticNamespace": ("semantic_namespace", Kind.STRING),
    "semanticPredicate": ("semantic_predicate", Kind.STRING),
}


def object_change(body: Mapping[str, Any], catalogue: Catalogue, number: int) -> Change:
    """The upsert of an object; its path is its number in the source. The catalogue is that of the record's label.

    Markers of encrypted values, which exports have in their place, ask for nothing: what is there stays.
    """
    key = body.get("key") or {}
    object_type = catalogue.types.get(body["type"])
    encrypted = {f.name for f in object_type.fields.values() if f.protection} if object_type else set()
    given = body.get("data") or {}
    data = {name: value for name, value in given.items() if value != MARKER or name not in encrypted}
    if key and object_type is not None:
        _check_key(object_type, key, "key")
    for name, value in key.items():
        if data.setdefault(name, value) != value:
            raise BadInput("differs from the key", ("data", name))
    object_id = _uuid(body["id"], "id") if "id" in body else None
    return Change("upsert", body["type"], data, object_id, path=(number,))


def link_change(
    body: Mapping[str, Any], catalogue: Catalogue, fallback: Catalogue, organization: Organization, number: int
) -> LinkChange:
    """The upsert of a link. What `catalogue`, that of the record's label, does not have may be in `fallback`."""
    source, target = (_end(body[side], side, (catalogue, fallback), organization) for side in ("from", "to"))
    values: dict[str, Any] = {"properties": body["properties"]} if body.get("properties") is not None else {}
    for name, (column, kind) in _LINK_VALUES.items():
        if name in body:
            values[column] = _value(kind, body[name], name)
    key = None if body.get("key") is None else str(_value(Kind.STRING, body["key"], "key"))
    return LinkChange("upsert", body["link"], source, target, key, values=values, path=(number,))


def place(change: Change | LinkChange, path: Sequence[str | int]) -> Sequence[str | int]:
    """Where in its record's body a fault lies that was found in the change; `path` leads on from the change's."""
    if isinstance(change, LinkChange):
        return ("link",) if tuple(path) == ("relation",) else path
    return path if tuple(path) in ((), ("id",)) else ("data", *path)


def _end(end: Mapping[str, Any], side: str, catalogues: tuple[Catalogue, ...], organization: Organization) -> UUID:
    if "id" in end:
        return _uuid(end["id"], side, "id")
    name, key = end["type"], end["key"]
    object_type = next((found for each in catalogues if (found := each.types.get(name)) is not None), None)
    if object_type is None:
        raise BadInput("no such type", (side, "type"))
    _check_key(object_type, key, side, "key")
    values: list[JSONValue] = []
    for name in object_type.natural_key:
        try:
            values.append(read_value(object_type.fields[name], key[name]))
        except KindError as error:
            raise BadInput(str(error), (side, "key", name)) from None
    return ids.object_id(organization, object_type.key_type, values)


def _check_key(object_type: ObjectType, key: Mapping[str, Any], *path: str) -> None:
    if set(key) != set(object_type.natural_key):
        names = ", ".join(object_type.natural_key)
        raise BadInput(f"the natural key is {names}" if names else "this type has no natural key; give the id", path)


def _uuid(value: object, *path: str) -> UUID:
    return UUID(str(_value(Kind.UUID, value, *path)))


def _value(kind: Kind, value: object, *path: str) -> Any:
    """The value as its column takes it; null clears."""
    if value is None:
        return None
    try:
        read = canonical(kind, value)
    except KindError as error:
        raise BadInput(str(error), path) from None
    return datetime.fromisoformat(str(read)) if kind is Kind.DATETIME else read
