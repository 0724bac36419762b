"""An object's data between the names a caller writes and the keys and canonical values that are stored."""

from collections.abc import Collection, Mapping
from typing import Any

from fabric.encryption.markers import MARKER
from fabric.types.catalogue import ObjectType
from fabric.types.constraints import check_constraints
from fabric.types.definitions import Field
from fabric.types.faults import Faults
from fabric.types.kinds import JSONValue, KindError, canonical, canonical_list

Stored = dict[str, Any]
"""`objects.data`: canonical values by storage key, nulls left out."""


def read_data(
    members: Mapping[str, Field], data: Mapping[str, Any], faults: Faults, *path: str | int,
    naming: Collection[str] = (),
) -> dict[str, JSONValue]:  # fmt: skip
    """Canonical values by storage key; None for what is set to null. Faults get what is wrong, with its path.

    What only names an object that is there, by the fields `naming`, may be as constraints would not have it any more.
    """
    stored: dict[str, JSONValue] = {}
    for name, value in data.items():
        field = members.get(name)
        if field is None:
            faults.add("no such field", *path, name)
        elif value is None:
            if field.required:
                faults.add("required: it cannot be null", *path, name)
            stored[field.key] = None
        else:
            try:
                stored[field.key] = read = read_value(field, value)
                if name not in naming:
                    check_constraints(field.constraints, field.kind, read)
            except KindError as error:
                faults.add(str(error), *path, name, *(() if error.index is None else (error.index,)))
    return stored


def check_narrower(
    members: Mapping[str, Field], heirs: Mapping[str, Field], data: Mapping[str, Any], faults: Faults
) -> None:  # fmt: skip
    """Holds values that were read by a type's `members` against what an heir asks of them beside."""
    for name, value in data.items():
        member = heirs.get(name)
        if member is not None and value is not None and member is not members.get(name):
            read_data({name: member}, {name: value}, faults)


def unfit(members: Mapping[str, Field], stored: Stored, changed: Collection[str]) -> list[str]:
    """Which of the changed values, by storage key, nobody could write as they are: the names of their fields."""
    fields = [f for f in members.values() if f.key in changed and f.key in stored and f.protection is None]
    return [f.name for f in fields if not _fits(f, stored[f.key])]


def _fits(field: Field, value: JSONValue) -> bool:
    try:
        check_constraints(field.constraints, field.kind, read_value(field, value))
    except KindError:
        return False
    return True


def read_value(field: Field, value: object) -> JSONValue:
    """One field's value in canonical form. KindError for what is not of its kind."""
    if value == MARKER:
        raise KindError("expected a value, got the marker of an encrypted one")
    read = canonical_list if field.many else canonical
    return read(field.kind, value, values=field.values)


def check_required(members: Mapping[str, Field], stored: Stored, faults: Faults, *path: str | int) -> None:
    for field in members.values():
        if field.required and field.key not in stored:
            faults.add("required", *path, field.name)


def merged(stored: Stored, changes: Mapping[str, JSONValue]) -> Stored:
    """The data after the changes; a change to None takes the value away."""
    return {k: v for k, v in {**stored, **changes}.items() if v is not None}


def difference(
    object_type: ObjectType | None, before: Stored, after: Stored, written: Collection[str] = ()
) -> dict[str, Stored]:
    """``{"before": …, "after": …}`` by field name, of what differs. Keys of fields nobody declares stay out.

    `written` are storage keys of values that count as different though their markers are equal.
    """
    names = {f.key: f.name for f in object_type.fields.values()} if object_type else {}
    changed = [k for k in names if before.get(k) != after.get(k) or (k in written and k in after)]
    return {
        "before": {names[k]: before[k] for k in changed if k in before},
        "after": {names[k]: after[k] for k in changed if k in after},
    }
