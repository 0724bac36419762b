"""What stands in the way of a changed definition: the stored objects and links that would no longer fit it."""

from collections.abc import Iterable
from typing import Any

from fabric.catalogue import Catalogue, ObjectType
from fabric.db import Transaction
from fabric.definitions import Field
from fabric.errors import Conflict, FabricError
from fabric.kinds import STRING_LENGTH, Kind

_SAME_STORAGE = {
    (Kind.STRING, Kind.TEXT),
    (Kind.TEXT, Kind.STRING),
    (Kind.URI, Kind.STRING),
    (Kind.URI, Kind.TEXT),
    (Kind.ENUM, Kind.STRING),
    (Kind.ENUM, Kind.TEXT),
    (Kind.INTEGER, Kind.BIGINT),
}


def keeps_values(old: Field, new: Field) -> bool:
    """Whether stored values of the old field are values of the new one, apart from their length."""
    return old.many == new.many and (old.kind == new.kind or (old.kind, new.kind) in _SAME_STORAGE)


async def obstacles(transaction: Transaction, before: Catalogue, after: Catalogue) -> list[FabricError]:
    """One Conflict for each thing that the objects and links visible at the transaction's label would violate."""
    found: list[FabricError] = []
    for name, old in before.types.items():
        new = after.types.get(name)
        if new is None or (new.fields, new.natural_key, new.key_type) != (old.fields, old.natural_key, old.key_type):
            found += await _of_objects(transaction, old, new)
    found += await _of_links(transaction, before, after)
    return found


async def _of_objects(transaction: Transaction, old: ObjectType, new: ObjectType | None) -> list[FabricError]:
    counts: list[tuple[str, str, tuple[str, ...]]] = []  # (condition, what it means, path)
    args: list[Any] = [old.name]

    def key(text: str) -> str:
        args.append(text)
        return f"${len(args)}"

    if new is None:
        counts.append(("true", "objects of this type are still there", ("typeName",)))
    else:
        if (old.natural_key, old.key_type) != (new.natural_key, new.key_type):
            counts.append(("true", "objects have their identity from the natural key as it was", ("naturalKey",)))
        for name, field in old.fields.items():
            now = new.fields.get(name)
            if now is None or now.key != field.key:
                what = "is gone" if now is None else "has another kind"
                counts.append(
                    (f"data ? {key(field.key)}", f"objects hold a value of {name}, which {what}", ("fields", name))
                )
            elif field.kind is Kind.TEXT and now.kind is Kind.STRING:
                too_long = f"length(data->>{key(field.key)}) > {STRING_LENGTH}"
                counts.append((too_long, f"objects hold a longer text in {name}", ("fields", name)))
        for name, now in new.fields.items():
            before = old.fields.get(name)
            if now.required and not (before and before.required and before.key == now.key):
                counts.append((f"not data ? {key(now.key)}", f"objects lack {name}, now required", ("fields", name)))
    if not counts:
        return []
    columns = ", ".join(f"count(*) filter (where {condition})" for condition, _, _ in counts)
    row = await transaction.fetchrow(
        f"select {columns} from fabric.objects where type_name = $1 and not tombstone", *args
    )
    return [
        Conflict(f"{old.name}: {number} {meaning}", path)
        for number, (_, meaning, path) in zip(row or (), counts, strict=False)
        if number
    ]


async def _of_links(transaction: Transaction, before: Catalogue, after: Catalogue) -> list[FabricError]:
    found: list[FabricError] = []
    for name, relation in before.relations.items():
        now = after.relations.get(name)
        lost = {
            (s, t)
            for s, t in _concrete(before, relation.ends)
            if s in after.types and t in after.types and (now is None or (s, t) not in set(_concrete(after, now.ends)))
        }
        if lost:
            number = await transaction.fetchval(
                """select count(*) from fabric.links l
                   join fabric.objects s on s.organization_id = l.organization_id and s.object_id = l.source_id
                   join fabric.objects t on t.organization_id = l.organization_id and t.object_id = l.target_id
                   where l.relation = $1 and not l.tombstone and not s.tombstone and not t.tombstone
                     and (s.type_name, t.type_name) in (select * from unnest($2::text[], $3::text[]))""",
                name, [s for s, _ in lost], [t for _, t in lost],
            )  # fmt: skip
            if number:
                found.append(Conflict(f"{number} links {name} would no longer be declared", ("links",)))
    return found


def _concrete(catalogue: Catalogue, ends: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of stored type names that a relation's declared ends allow."""
    types = catalogue.types
    return [(s, t) for a, b in ends if a in types and b in types for s in types[a].family for t in types[b].family]
