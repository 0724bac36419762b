"""What a reader sees, written as import records in JSON Lines (see docs/import-export.md)."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

import orjson

from fabric import ids
from fabric.database.db import Database, Transaction
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.inference.all_links import ALL_LINKS
from fabric.labels import dominates, join, rank
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import LinkField
from fabric.types.kinds import Kind, canonical
from fabric.types.type_documents import as_document
from fabric.types.types import read_catalogue

BLOCK_BYTES = 64 * 1024

_LINKS = """
with ends as materialized (
    select o.object_id, o.type_name, o.label,
           (select jsonb_agg(o.data -> k.key order by k.place)
            from jsonb_array_elements_text(t.keys) with ordinality as k(key, place)) as key
    from fabric.objects o join jsonb_each($1) as t(type_name, keys) using (type_name)
    where not o.tombstone)
select l.relation, l.link_key, l.revision = 0 as inferred, l.label | s.label | t.label as label, l.weight,
       l.properties, l.valid_from, l.valid_to, l.semantic_namespace, l.semantic_predicate,
       s.object_id as source_id, s.type_name as source_type, s.key as source_key,
       t.object_id as target_id, t.type_name as target_type, t.key as target_key
from {links} l join ends s on s.object_id = l.source_id join ends t on t.object_id = l.target_id
where not l.tombstone and l.relation = any($2)
order by l.relation collate "C", s.type_name collate "C", s.key::text collate "C", t.type_name collate "C",
         s.object_id, t.key::text collate "C", t.object_id, l.link_key collate "C" nulls first,
         l.revision = 0, l.valid_from nulls first, l.valid_to"""

_VALUES = {
    "weight": "weight",
    "validFrom": "valid_from",
    "validTo": "valid_to",
    "semanticNamespace": "semantic_namespace",
    "semanticPredicate": "semantic_predicate",
}


async def export(database: Database, organization: Organization, subject: Subject) -> AsyncIterator[bytes]:
    """All that the subject's session sees, as of one moment, in blocks of whole lines.

    Definitions come first, then objects, then links, in an order that the same content has in any organization. Memory
    does not grow with the number of objects and links. Forbidden for a permission to read that the subject lacks.
    """
    block = bytearray()
    async with reading(database, subject) as (transaction, catalogue):
        async for body in bodies(transaction, catalogue, organization):
            block += orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


@asynccontextmanager
async def reading(
    database: Database, subject: Subject, patience: tuple[float, float] | None = None
) -> AsyncIterator[tuple[Transaction, Catalogue]]:
    """One moment, in which `bodies` can be read. Forbidden for a permission to read that the subject lacks."""
    for permission in ("type:read", "object:read", "link:read"):
        subject.require(permission)
    async with database.transaction(subject.session, snapshot=True, patience=patience) as transaction:
        yield transaction, await read_catalogue(transaction)


async def bodies(
    transaction: Transaction, catalogue: Catalogue, organization: Organization, only: Collection[str] | None = None,
    inferred: bool = False,
) -> AsyncIterator[dict[str, Any]]:  # fmt: skip
    """The bodies of import records. With `only`, names of types, objects of these alone, and the links among them.

    Where links that are `inferred` are wanted too, their bodies say so. Links of one relation between the same two
    objects come one after the other.
    """
    view, types = View(catalogue, organization), catalogue.types
    for object_type in types.values():
        yield {"define": view.definition(object_type)}
    wanted = [t for t in types.values() if only is None or t.name in only]
    keys_of = {t.name: [t.fields[name].key for name in t.natural_key] for t in wanted}
    for object_type in wanted:
        keys = keys_of[object_type.name]
        order = "".join(f'data ->> ${i} collate "C", ' for i in range(2, len(keys) + 2))
        sql = f"""select object_id, label, data from fabric.objects
                  where type_name = $1 and not tombstone order by {order}object_id"""
        async for row in transaction.cursor(sql, object_type.name, *keys):
            yield view.object(object_type, row)
    links = _LINKS.format(links=ALL_LINKS if inferred and catalogue.concluded else "fabric.links")
    async for row in transaction.cursor(links, keys_of, list(view.catalogue.relations)):
        yield view.link(row)


class Row(Protocol):
    """A row of a statement, by the names of its columns."""

    def __getitem__(self, column: str, /) -> Any: ...


class View:
    """How what one reader sees is written.

    Each thing has the join of its label with the labels of all it builds on as this reader sees them, so that it can be
    imported beside them: a link to an object of which a higher version covers a lower one goes with the higher.
    """

    def __init__(self, catalogue: Catalogue, organization: Organization) -> None:
        self.catalogue = catalogue
        self._organization = organization
        bases = defaultdict[str, list[int]](list)
        for fragment in catalogue.fragments:
            if fragment.is_base:
                bases[fragment.type_name].append(fragment.label)
        # Of a type that several labels make, each unseen by the others, what is written holds words of all of them.
        self._labels = {
            name: join(label for each in {name, *object_type.ancestors} for label in bases[each])
            for name, object_type in catalogue.types.items()
        }
        self._fields = defaultdict[str, list[tuple[ObjectType, LinkField]]](list)
        for object_type in catalogue.types.values():
            for field in object_type.own_links.values():
                self._fields[field.relation].append((object_type, field))
        self._declared: dict[tuple[str, str, str], list[int]] = {}

    def definition(self, object_type: ObjectType) -> dict[str, Any]:
        label = self._labels[object_type.name]
        fields = {name: replace(f, label=f.label | label) for name, f in object_type.own_fields.items()}
        links = {
            name: replace(k, label=self._link_field_label(object_type, k)) for name, k in object_type.own_links.items()
        }
        raised = replace(
            object_type, label=label, own_fields=fields, own_links=links,
            narrowed_fields={
                name: tuple(replace(f, label=f.label | label) for f in said)
                for name, said in object_type.narrowed_fields.items()
            },
            narrowed_links={
                name: tuple(replace(k, label=self._link_field_label(object_type, k)) for k in said)
                for name, said in object_type.narrowed_links.items()
            },
        )  # fmt: skip
        return as_document(raised, self._organization.lattice.decode)

    def object(self, object_type: ObjectType, row: Row) -> dict[str, Any]:
        data = {f.name: row["data"][f.key] for f in object_type.fields.values() if f.key in row["data"]}
        named = self._named(object_type, row["object_id"], [data.get(name) for name in object_type.natural_key])
        data = {name: value for name, value in data.items() if name not in named.get("key", ())}
        label = row["label"] | self._labels[object_type.name]
        return {"type": object_type.name, **named, "label": self._text(label), "data": data}

    def link(self, row: Row) -> dict[str, Any]:
        ends = row["source_type"], row["target_type"]
        properties = self.catalogue.relations[row["relation"]].properties
        body = {
            "link": row["relation"],
            "key": row["link_key"],
            "from": self._end(row["source_type"], row["source_id"], row["source_key"]),
            "to": self._end(row["target_type"], row["target_id"], row["target_key"]),
            "label": self._text(self._link_label(row["relation"], *ends, row["label"])),
            **{name: row[column] for name, column in _VALUES.items()},
            "inferred": row["inferred"] or None,
            "properties": {p.name: row["properties"][p.key] for p in properties.values() if p.key in row["properties"]}
            or None,
        }
        for name in ("validFrom", "validTo"):
            body[name] = body[name] and canonical(Kind.DATETIME, body[name].isoformat())
        return {name: value for name, value in body.items() if value is not None}

    def _end(self, type_name: str, object_id: UUID, key: list[Any] | None) -> dict[str, Any]:
        named = self._named(self.catalogue.types[type_name], object_id, key or [])
        return {"type": type_name, **named} if "key" in named else named

    def _named(self, object_type: ObjectType, object_id: UUID, key: list[Any]) -> dict[str, Any]:
        """The object's natural key if that is what its id comes from, its id otherwise."""
        if key and None not in key and ids.object_id(self._organization, object_type.key_type, key) == object_id:
            return {"key": dict(zip(object_type.natural_key, key, strict=True))}
        return {"id": str(object_id)}

    def _link_field_label(self, object_type: ObjectType, field: LinkField) -> int:
        return field.label | self._labels[object_type.name] | self._labels[field.target]

    def _link_label(self, relation: str, source: str, target: str, label: int) -> int:
        """The label at which such a link is declared too."""
        label = label | self._labels[source] | self._labels[target]
        declared = self._declared.get((relation, source, target))
        if declared is None:
            declared = self._declared[relation, source, target] = self._declarations(relation, source, target)
        if any(dominates(label, each) for each in declared):
            return label
        return label | min(declared, key=rank, default=label)

    def _declarations(self, relation: str, source: str, target: str) -> list[int]:
        """The labels of the link fields that allow the relation between these two types."""
        is_a = self.catalogue.is_a
        return [
            self._link_field_label(object_type, field)
            for object_type, field in self._fields[relation]
            if is_a(source if field.outgoing else target, object_type.name)
            and is_a(target if field.outgoing else source, field.target)
        ]

    def _text(self, label: int) -> str:
        return str(self._organization.lattice.decode(label))
