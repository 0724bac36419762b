"""What a change of definitions comes to before it is made: field by field, with the objects that it concerns.

Objects are counted as the transaction's session sees them, so a plan tells nothing of what is above its reader.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from fabric.database.db import Transaction
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.constraints import joined
from fabric.types.definitions import Field, LinkField
from fabric.types.evolution import keeps_values
from fabric.types.kinds import Kind
from fabric.types.link_counts import NO_COUNTS, LinkCounts
from fabric.types.link_counts import joined as joined_counts


class Change(StrEnum):
    ADDED = "ADDED"
    RENAMED = "RENAMED"
    WIDENED = "WIDENED"
    NARROWED = "NARROWED"
    REPLACED = "REPLACED"
    REQUIRED = "REQUIRED"
    REMOVED = "REMOVED"


@dataclass(frozen=True, slots=True)
class Planned:
    """One change, of a field or (without one) of a whole type.

    `objects` hold a value of the field as it was, lack one that is required now, or do not have as many links as the
    field, which is a link then, asks now.
    """

    type_name: str
    field: str | None
    change: Change
    objects: int
    was: str | None = None
    """The name before, of a field that is renamed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`obstacles` are why the change would be refused, as far as its definer sees."""

    changes: tuple[Planned, ...]
    obstacles: tuple[str, ...]


_HOLDING = "data ? {}"
_LACKING = "not data ? {}"


async def planned(transaction: Transaction, before: Catalogue, after: Catalogue) -> tuple[Planned, ...]:
    """By type and field, those that the session sees."""
    found: list[Planned] = []
    for name, new in sorted(after.types.items()):
        old = before.types.get(name)
        if old is None:
            found.append(Planned(name, None, Change.ADDED, 0))
        elif old is not new:
            found += await _counted(transaction, new, list(_changes(old, new)))
            found += [await _linked(transaction, after, *change) for change in _link_changes(old, new)]
    return tuple(found)


async def _counted(
    transaction: Transaction, object_type: ObjectType, changes: list[tuple[Planned, str, str]]
) -> list[Planned]:
    if not changes:
        return []
    conditions = ", ".join(
        f"count(*) filter (where {condition.format(f'${i}::text')})" for i, (_, condition, _) in enumerate(changes, 2)
    )
    row = await transaction.fetchrow(
        f"select {conditions} from fabric.objects where type_name = any($1) and not tombstone",
        list(object_type.family), *(key for _, _, key in changes),
    )  # fmt: skip
    return [
        Planned(p.type_name, p.field, p.change, number, p.was)
        for (p, _, _), number in zip(changes, row or (), strict=True)
    ]


def _changes(old: ObjectType, new: ObjectType) -> Iterator[tuple[Planned, str, str]]:
    """Of the type's own fields, each with which objects are concerned: a condition, of a storage key."""
    by_key = {field.key: field for field in new.own_fields.values()}
    seen: set[str] = set()
    for name, field in sorted(old.own_fields.items()):
        now = by_key.get(field.key) or new.own_fields.get(name)
        if now is None:
            yield Planned(new.name, name, Change.REMOVED, 0), _HOLDING, field.key
            continue
        seen.add(now.name)
        if now.name != name:
            yield Planned(new.name, now.name, Change.RENAMED, 0, name), _HOLDING, field.key
        if (change := _of_kind(field, now)) is not None:
            yield Planned(new.name, now.name, change, 0), _HOLDING, field.key
        if now.required and not (field.required and field.key == now.key):
            yield Planned(new.name, now.name, Change.REQUIRED, 0), _LACKING, now.key
    yield from _narrowings(old, new)
    for name, now in sorted(new.own_fields.items()):
        if name not in seen:
            yield Planned(new.name, name, Change.ADDED, 0), _HOLDING, now.key
            if now.required:
                yield Planned(new.name, name, Change.REQUIRED, 0), _LACKING, now.key


def _narrowings(old: ObjectType, new: ObjectType) -> Iterator[tuple[Planned, str, str]]:
    """Of what the type itself asks of fields that it inherits, before or now."""
    for name in sorted(old.narrowed_fields.keys() | new.narrowed_fields.keys()):
        field, now = old.fields.get(name), new.fields.get(name)
        if field is None or now is None or old.narrowed_fields.get(name) == new.narrowed_fields.get(name):
            continue
        if (field.values, field.constraints) != (now.values, now.constraints):
            change = Change.WIDENED if _is_within(field, now) else Change.NARROWED
            yield Planned(new.name, name, change, 0), _HOLDING, now.key
        if now.required and not field.required:
            yield Planned(new.name, name, Change.REQUIRED, 0), _LACKING, now.key


def _is_within(field: Field, other: Field) -> bool:
    """Whether all that the field may hold the other may hold too, as far as that can be seen."""
    together = joined(field.kind, other.constraints, field.constraints)
    return set(field.values) <= set(other.values) and together == field.constraints


def _of_kind(old: Field, new: Field) -> Change | None:
    if not keeps_values(old, new) or old.key != new.key:
        return Change.REPLACED
    if not set(old.values) <= set(new.values) and new.kind is Kind.ENUM:
        return Change.NARROWED
    if old.kind == new.kind:
        return None
    return Change.NARROWED if (old.kind, new.kind) == (Kind.TEXT, Kind.STRING) else Change.WIDENED


def _link_changes(old: ObjectType, new: ObjectType) -> Iterator[tuple[Planned, LinkField]]:
    """Of how many links the type itself asks for, of its own and of those that it inherits."""
    for name in sorted(new.own_links.keys() | old.narrowed_links.keys() | new.narrowed_links.keys()):
        link = new.links.get(name)
        was, now = _allowed(old, name), _allowed(new, name)
        if link is None or was == now or _said(old, name) == _said(new, name):
            continue
        change = Change.NARROWED if joined_counts(was, now) != was else Change.WIDENED
        yield Planned(new.name, name, change, 0), replace(link, counts=now)


def _allowed(object_type: ObjectType, name: str) -> LinkCounts:
    """How many objects the link leads to, by its cardinality too."""
    link = object_type.links.get(name)
    one = link is not None and not all(each.many for each in (link, *object_type.narrowed_links.get(name, ())))
    return joined_counts(link.counts if link else NO_COUNTS, LinkCounts(most=1) if one else NO_COUNTS)


def _said(object_type: ObjectType, name: str) -> list[tuple[LinkCounts, bool]]:
    own = [object_type.own_links[name]] if name in object_type.own_links else []
    return [(each.counts, each.many) for each in (*own, *object_type.narrowed_links.get(name, ()))]


_MISCOUNTED = """
    select count(*) from fabric.objects o
    left join (
        select l.{side} as id, count(distinct l.{other}) as number
        from fabric.links l join fabric.objects t on t.organization_id = l.organization_id and t.object_id = l.{other}
        where l.relation = $2 and not l.tombstone and not t.tombstone
          and array_position($3::text[], t.type_name) is not null  -- by an index all might be read for each link
        group by l.{side}) linked on linked.id = o.object_id
    where o.type_name = any($1) and not o.tombstone
      and (coalesce(linked.number, 0) < $4::bigint or linked.number > $5::bigint)"""


async def _linked(transaction: Transaction, after: Catalogue, planned: Planned, link: LinkField) -> Planned:
    side, other = ("source_id", "target_id") if link.outgoing else ("target_id", "source_id")
    owners, targets = (list(after.types[name].family) for name in (planned.type_name, link.target))
    statement = _MISCOUNTED.format(side=side, other=other)
    number = await transaction.fetchval(
        statement, owners, link.relation, targets, link.counts.least, link.counts.most
    )
    return replace(planned, objects=number)
