"""What stands in the way of a changed definition: the stored objects and links that would no longer fit it."""

from collections.abc import Iterable, Mapping
from typing import Any

from fabric.database.db import Transaction
from fabric.errors import Conflict, FabricError
from fabric.types.catalogue import Catalogue, ObjectType, Relation
from fabric.types.definitions import Field
from fabric.types.kinds import STRING_LENGTH, Kind

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
    if bool(old.protection) != bool(new.protection):
        return False
    return old.many == new.many and (old.kind == new.kind or (old.kind, new.kind) in _SAME_STORAGE)


async def obstacles(transaction: Transaction, before: Catalogue, after: Catalogue) -> list[FabricError]:
    """One Conflict for each thing that the objects and links visible at the transaction's label would violate."""
    found: list[FabricError] = []
    for name, old in before.types.items():
        if (new := after.types.get(name)) is not old:
            found += await _of_objects(transaction, old, new)
    for name, relation in before.relations.items():
        now = after.relations.get(name)
        if now != relation or before.types != after.types:
            found += await _of_undeclared(transaction, name, _lost(before, relation, after, now))
        if now is not None:
            found += await _of_properties(transaction, relation, now)
            found += await _of_cardinality(transaction, before, relation, after, now)
    return found


class _Counts:
    """Numbers of rows to ask for in one statement: each a condition, what it means, and the input at fault."""

    def __init__(self, of: str) -> None:
        self._args: list[Any] = [of]
        self._asked: list[tuple[str, str, tuple[str, ...]]] = []

    def add(self, condition: str, meaning: str, *path: str) -> None:
        self._asked.append((condition, meaning, path))

    def add_values(
        self, things: str, column: str, old: Mapping[str, Field], new: Mapping[str, Field], group: str
    ) -> None:
        """What the values in a column would violate, with the fields that they were and will be read by."""
        by_key = {field.key: field for field in new.values()}  # where a field has another name now
        for name, field in old.items():
            now = by_key.get(field.key) or new.get(name)
            if now is None or now.key != field.key or not keeps_values(field, now):
                self.add(
                    f"{column} ? {self._bound(field.key)}",
                    f"{things} hold a value of {name}, {_why(field, now)}",
                    group,
                    name,
                )
            elif now.protection:
                self._add_protected(things, column, field, now, group)
            elif field.kind is Kind.TEXT and now.kind is Kind.STRING:
                value = f"{column} -> {self._bound(field.key)}"
                texts = f"jsonb_array_elements_text({value})" if field.many else f"(select {value} #>> '{{}}')"
                too_long = f"exists (select from {texts} as t(text) where length(text) > {STRING_LENGTH})"
                self.add(too_long, f"{things} hold a longer text in {name}", group, name)
        required = {field.key for field in old.values() if field.required}
        for name, now in new.items():
            if now.required and now.key not in required:
                self.add(f"not {column} ? {self._bound(now.key)}", f"{things} lack {name}, now required", group, name)

    def _add_protected(self, things: str, column: str, old: Field, new: Field, group: str) -> None:
        assert old.protection
        assert new.protection
        if new.protection.blind_index and not old.protection.blind_index:
            meaning = f"{things} hold a value of {new.name} without a blind index; clear it, or define a new field"
            self.add(f"{column} ? {self._bound(old.key)}", meaning, group, new.name, "blindIndex")

    def _bound(self, key: str) -> str:
        self._args.append(key)
        return f"${len(self._args)}::text"

    async def conflicts(self, transaction: Transaction, source: str) -> list[FabricError]:
        """`source` is what follows `from`; there $1 is what the rows are of."""
        if not self._asked:
            return []
        columns = ", ".join(f"count(*) filter (where {condition})" for condition, _, _ in self._asked)
        row = await transaction.fetchrow(f"select {columns} from {source}", *self._args)
        return [
            Conflict(f"{self._args[0]}: {number} {meaning}", path)
            for number, (_, meaning, path) in zip(row or (), self._asked, strict=True)
            if number
        ]


def _why(old: Field, new: Field | None) -> str:
    if new is None:
        return "which is gone"
    if bool(old.protection) == bool(new.protection):
        return "which has another kind"
    other = "an encrypted" if new.protection else "a plain"
    return f"which cannot be made {other} one: define {other} field beside it, write the values there, clear this one"


async def _of_objects(transaction: Transaction, old: ObjectType, new: ObjectType | None) -> list[FabricError]:
    counts = _Counts(old.name)
    if new is None:
        counts.add("true", "objects of this type are still there", "typeName")
    else:
        if old.domain != new.domain:
            counts.add("true", f"objects are of the domain {old.domain}", "domain")
        if (old.natural_key, old.key_type) != (new.natural_key, new.key_type):
            counts.add("true", "objects have their identity from the natural key as it was", "naturalKey")
        counts.add_values("objects", "data", old.fields, new.fields, "fields")
    return await counts.conflicts(transaction, "fabric.objects where type_name = $1 and not tombstone")


async def _of_properties(transaction: Transaction, old: Relation, new: Relation) -> list[FabricError]:
    counts = _Counts(old.name)
    counts.add_values("links", "properties", old.properties, new.properties, "links")
    return await counts.conflicts(transaction, "fabric.links where relation = $1 and not tombstone")


_JOINED = """
    fabric.links l
    join fabric.objects s on s.organization_id = l.organization_id and s.object_id = l.source_id
    join fabric.objects t on t.organization_id = l.organization_id and t.object_id = l.target_id
    where l.relation = $1 and not l.tombstone and not s.tombstone and not t.tombstone
      and (s.type_name, t.type_name) in (select * from unnest($2::text[], $3::text[]))"""

Pairs = set[tuple[str, str]]


async def _of_undeclared(transaction: Transaction, relation: str, lost: Pairs) -> list[FabricError]:
    if not lost:
        return []
    number = await transaction.fetchval(f"select count(*) from {_JOINED}", relation, *_columns(lost))
    return [Conflict(f"{number} links {relation} would no longer be declared", ("links",))] if number else []


def _lost(before: Catalogue, relation: Relation, after: Catalogue, now: Relation | None) -> Pairs:
    """The pairs of types that the relation could join and cannot any more, though both are still there."""
    left = _joined(after, now) if now else set()
    return {(s, t) for s, t in _joined(before, relation) - left if s in after.types and t in after.types}


def _joined(catalogue: Catalogue, relation: Relation) -> Pairs:
    pairs = _concrete(catalogue, relation.ends)
    return {(s, t) for s, t in pairs if catalogue.may_join(relation, s, t)} if relation.narrowed else pairs


async def _of_cardinality(
    transaction: Transaction, before: Catalogue, old: Relation, after: Catalogue, new: Relation
) -> list[FabricError]:
    number = 0
    for side, was, now in (
        ("source_id", old.one_target, new.one_target),
        ("target_id", old.one_source, new.one_source),
    ):
        for pair in now:
            pairs = _concrete(after, [pair])
            if not pairs <= _concrete(before, {pair} & was):
                number += await transaction.fetchval(
                    f"""select count(*) from (
                            select from {_JOINED} group by l.{side}, l.label having count(*) > 1) as several""",
                    old.name, *_columns(pairs),
                )  # fmt: skip
    meaning = f"objects have several links {old.name}, of which one would be left"
    return [Conflict(f"{number} {meaning}", ("links",))] if number else []


def _concrete(catalogue: Catalogue, ends: Iterable[tuple[str, str]]) -> Pairs:
    """The pairs of stored type names that a relation's declared ends allow."""
    types = catalogue.types
    return {(s, t) for a, b in ends if a in types and b in types for s in types[a].family for t in types[b].family}


def _columns(pairs: Pairs) -> tuple[list[str], list[str]]:
    return [s for s, _ in pairs], [t for _, t in pairs]
