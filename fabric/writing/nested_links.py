"""Links that are made or taken away together with the object at one of their ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from fabric import ids
from fabric.identity.organizations import Organization
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.faults import Faults
from fabric.types.values import read_data
from fabric.writing.links import LinkChange


@dataclass(frozen=True, slots=True)
class NestedLink:
    """One wish about a link field. The object at the other end is named by `other_id` or by its natural key.

    `key` tells parallel links apart; `values` are a `LinkChange`'s. `path` leads to the wish in the caller's input.
    """

    action: Literal["link", "upsert", "unlink"]
    link_field: str
    other_id: UUID | None = None
    other_key: Mapping[str, Any] | None = None
    key: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[str | int, ...] = ()


def resolved(
    organization: Organization, catalogue: Catalogue, object_type: ObjectType, object_id: UUID, nested: NestedLink,
    faults: Faults,
) -> LinkChange | None:  # fmt: skip
    """The change of a link that the wish comes to; None, with what is wrong in `faults`, where it comes to none."""
    link = object_type.links.get(nested.link_field)
    if link is None:
        faults.add("no such link", *nested.path)
        return None
    if (nested.other_id is None) == (nested.other_key is None):
        faults.add("name the object at the other end either by id or by byKey", *nested.path)
        return None
    target = catalogue.types[link.target]
    other = nested.other_id or _by_key(organization, target, nested, faults)
    if other is None:
        return None
    named = "byKey" if nested.other_id is None else "id"
    source, end = (object_id, other) if link.outgoing else (other, object_id)
    return LinkChange(
        nested.action, link.relation, source, end, nested.key, values=nested.values, path=nested.path,
        ends=("from", named) if link.outgoing else (named, "to"), among={named: target.family},
    )  # fmt: skip


def _by_key(organization: Organization, target: ObjectType, nested: NestedLink, faults: Faults) -> UUID | None:
    given = nested.other_key or {}
    fields = {name: target.fields[name] for name in target.natural_key}
    data = read_data(fields, given, faults, *nested.path, "byKey", naming=fields)
    for name in fields.keys() - given.keys():
        faults.add("required: it is part of the natural key", *nested.path, "byKey", name)
    values = [data.get(each.key) for each in fields.values()]
    return None if None in values else ids.object_id(organization, target.key_type, values)
