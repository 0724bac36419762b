"""The type definitions a reader can see, merged and resolved: what schema, validation and compiler work from.

A stored definition is a set of *fragments*, one for each label that says something of the type. A reader's type is the
union of the fragments it dominates, so a field above its label is not there at all. Whatever names something the reader
cannot see (a parent, a link's target) is left out the same way.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from fabric.definitions import Field, LinkField
from fabric.kinds import Kind
from fabric.labels import dominates, rank
from fabric.names import generated_names, link_aggregate, names_generated_twice, plural


@dataclass(frozen=True, slots=True)
class Fragment:
    """One row of `type_definitions`: what one label says of one type. `schema` has the form `fragment_json` makes."""

    type_name: str
    label: int
    domain: str
    schema: Mapping[str, Any]
    ui_schema: Mapping[str, Any] | None
    revision: int

    @property
    def is_base(self) -> bool:
        """Whether it makes the type, rather than adding to one that a lower label makes."""
        return bool(self.schema.get("base")) and not self.schema.get("retired")

    def retired(self) -> "Fragment":
        """What stays of it: which keys its fields had, so that their values never turn up again, and its parent."""
        generations = {f["name"]: 1 for f in self.schema.get("fields", ())} | self.schema.get("generations", {})
        schema = {"base": self.schema.get("base", False), "retired": True, "generations": generations}
        if self.schema.get("extends"):
            schema["extends"] = self.schema["extends"]
        return replace(self, schema=schema, ui_schema=None)


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type as a reader sees it. `fields` and `links` hold the inherited ones too, parents' first."""

    name: str
    label: int
    domain: str
    description: str | None
    plural: str
    parent: str | None
    natural_key: tuple[str, ...]
    key_type: str
    """The type whose key space the natural key belongs to: the ancestor that declares it."""
    indexes: tuple[tuple[str, ...], ...]
    """Fields by which, together and in this order, objects are filtered and sorted."""
    embedding: tuple[str, ...]
    ui_schema: Mapping[str, Any] | None
    own_fields: Mapping[str, Field]
    own_links: Mapping[str, LinkField]
    fields: Mapping[str, Field]
    links: Mapping[str, LinkField]
    family: tuple[str, ...] = ()
    """Itself and all its descendants: the names that objects of this type are stored under."""
    ancestors: tuple[str, ...] = ()
    """Nearest first."""


@dataclass(frozen=True, slots=True)
class Relation:
    """All that is declared of one relation: which types it may join, and its links' properties."""

    name: str
    ends: frozenset[tuple[str, str]]
    properties: Mapping[str, Field]
    one_target: frozenset[tuple[str, str]] = frozenset()
    """(source, target) types of which a source has one target."""
    one_source: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Catalogue:
    """Every type a reader sees, by name. Equal fingerprints mean equal catalogues."""

    types: Mapping[str, ObjectType]
    fragments: tuple[Fragment, ...] = ()
    omitted: tuple[tuple[str, str], ...] = ()
    """(type, other type) for what a clash of names hides, between labels that could not see each other."""
    revision: int = 0
    """The organization's `types_revision` it was read at."""

    @cached_property
    def fingerprint(self) -> str:
        content = [(f.type_name, f.label, f.domain, f.schema, f.ui_schema) for f in self.fragments]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @cached_property
    def relations(self) -> Mapping[str, Relation]:
        found: dict[str, list[tuple[str, LinkField]]] = {}
        for object_type in self.types.values():
            for link in object_type.own_links.values():
                found.setdefault(link.relation, []).append((object_type.name, link))
        return {name: _relation(name, declared) for name, declared in sorted(found.items())}

    def has_aggregate(self, object_type: ObjectType, link: str) -> bool:
        """Whether the link field of the type has a field beside it that counts and sums over what it leads to.

        Not where a member of the type's relatives has that name already: a relative must not lack what its parent has.
        """
        lineage = [self.types[n] for n in (object_type.name, *object_type.ancestors)]
        owner = next(t for t in reversed(lineage) if link in t.own_links)
        name = link_aggregate(link)
        relatives = (self.types[n] for n in owner.family)
        return owner.links[link].many and not any(name in t.fields or name in t.links for t in relatives)

    def is_a(self, name: str, ancestor: str) -> bool:
        return ancestor in self.types and name in self.types[ancestor].family


def _relation(name: str, declared: list[tuple[str, LinkField]]) -> Relation:
    properties: dict[str, Field] = {}
    for _, link in sorted(declared, key=lambda d: rank(d[1].label)):
        properties.update(link.properties)
    ends = {(t, link.target) if link.outgoing else (link.target, t) for t, link in declared}
    return Relation(
        name,
        frozenset(ends),
        properties,
        frozenset((t, link.target) for t, link in declared if link.outgoing and not link.many),
        frozenset((link.target, t) for t, link in declared if not link.outgoing and not link.many),
    )


def build(fragments: Iterable[Fragment], revision: int = 0) -> Catalogue:
    """The catalogue of the fragments a reader dominates; the caller has selected them."""
    kept = tuple(sorted(fragments, key=lambda f: (f.type_name, f.label)))
    merged = {name: made for name, group in _grouped(kept).items() if (made := _merge(name, group)) is not None}
    omitted = _clashes(merged)
    for name, _ in omitted:
        del merged[name]
    types = {name: _resolve(name, merged) for name in sorted(merged)}
    return Catalogue({name: _with_family(t, types) for name, t in types.items()}, kept, tuple(omitted), revision)


def _grouped(fragments: Iterable[Fragment]) -> dict[str, list[Fragment]]:
    groups: dict[str, list[Fragment]] = {}
    for fragment in fragments:
        groups.setdefault(fragment.type_name, []).append(fragment)
    return groups


def _merge(name: str, group: list[Fragment]) -> ObjectType | None:
    """One type from its fragments: the higher-ranking fragment's word on a name is the one that holds."""
    bases = sorted((f for f in group if f.is_base), key=lambda f: rank(f.label))
    if not bases:
        return None
    fields: dict[str, Field] = {}
    links: dict[str, LinkField] = {}
    for fragment in sorted(group, key=lambda f: rank(f.label)):
        for stored in fragment.schema.get("fields", ()):
            fields[stored["name"]] = read_field(stored, fragment.label)
        for stored in fragment.schema.get("links", ()):
            links[stored["name"]] = read_link(stored, fragment.label)
    if sum(bool(f.schema.get("base")) for f in group) > 1:
        # Objects made under one base, even one that is retired, lack the other's fields, whatever it requires.
        fields = {n: replace(f, non_null=False) for n, f in fields.items()}
    top = bases[-1].schema
    plural_name = top.get("plural") or plural(name)
    _drop_clashing(name, plural_name, fields, links)
    return ObjectType(
        name=name,
        label=bases[0].label,
        domain=bases[-1].domain,
        description=top.get("description"),
        plural=plural_name,
        parent=top.get("extends"),
        natural_key=tuple(top.get("naturalKey", ())),
        key_type=name,
        indexes=tuple(tuple(names) for names in top.get("indexes", ())),
        embedding=tuple(top.get("embedding", ())),
        ui_schema=bases[-1].ui_schema,
        own_fields=fields,
        own_links={n: link for n, link in links.items() if n not in fields},
        fields={},
        links={},
    )


def _drop_clashing(name: str, plural_name: str, fields: dict[str, Field], links: dict[str, LinkField]) -> None:
    """Takes away members whose generated names a member of a higher-ranking label has already (see `_clashes`)."""
    members = [f for f in fields.values() if f.kind is Kind.ENUM] + [k for k in links.values() if k.name not in fields]
    if not names_generated_twice(name, plural_name, *_split(members)):
        return
    kept: list[Field | LinkField] = []
    for member in sorted(members, key=lambda m: (rank(m.label), m.name), reverse=True):
        if names_generated_twice(name, plural_name, *_split([*kept, member])):
            (fields if isinstance(member, Field) else links).pop(member.name)
        else:
            kept.append(member)


def _split(members: Iterable[Field | LinkField]) -> tuple[list[str], list[str]]:
    enums = [m.name for m in members if isinstance(m, Field)]
    return enums, [m.name for m in members if isinstance(m, LinkField)]


def _clashes(merged: Mapping[str, ObjectType]) -> list[tuple[str, str]]:
    """Types whose generated names another type has already. The higher-ranking label keeps the names.

    Within what one definer can see a clash is refused when it would arise; here are only those between labels.
    """
    taken: dict[str, str] = {}
    omitted = []
    for object_type in sorted(merged.values(), key=lambda t: (rank(t.label), t.name), reverse=True):
        names = generated_names(object_type.name, object_type.plural, enums_of(object_type), object_type.own_links)
        other = next((taken[n] for n in names if n in taken), None)
        if other is not None:
            omitted.append((object_type.name, other))
            continue
        taken.update(dict.fromkeys(names, object_type.name))
    return omitted


def enums_of(object_type: ObjectType) -> list[str]:
    return [f.name for f in object_type.own_fields.values() if f.kind is Kind.ENUM]


def _resolve(name: str, merged: Mapping[str, ObjectType]) -> ObjectType:
    """The type with what its visible ancestors give it, and without links to types that are not there."""
    own = merged[name]
    ancestors: list[str] = []
    parent = own.parent
    while parent is not None and parent in merged and parent not in (name, *ancestors):
        ancestors.append(parent)
        parent = merged[parent].parent
    fields: dict[str, Field] = {}
    links: dict[str, LinkField] = {}
    for each in [*reversed(ancestors), name]:
        # The ancestor's word holds, be it a field or a link: what descends from it implements its interface.
        known = fields.keys() | links.keys()
        fields.update({n: f for n, f in merged[each].own_fields.items() if n not in known})
        links.update({n: k for n, k in _leading(merged[each], merged).items() if n not in known})
    key_type = next((a for a in reversed([name, *ancestors]) if merged[a].natural_key), name)
    return replace(
        own,
        parent=ancestors[0] if ancestors else None,
        natural_key=tuple(k for k in merged[key_type].natural_key if k in fields),
        key_type=key_type,
        embedding=tuple(n for n in own.embedding if n in fields),
        own_links=_leading(own, merged),
        fields=fields,
        links=links,
        ancestors=tuple(ancestors),
    )


def _leading(object_type: ObjectType, merged: Mapping[str, ObjectType]) -> dict[str, LinkField]:
    """The type's own links that lead to a type of objects that is there."""
    links = object_type.own_links.items()
    return {n: k for n, k in links if k.target in merged and merged[k.target].domain == "object"}


def _with_family(object_type: ObjectType, types: Mapping[str, ObjectType]) -> ObjectType:
    descendants = (n for n, t in types.items() if object_type.name in t.ancestors)
    return replace(object_type, family=(object_type.name, *descendants))


def read_field(stored: Mapping[str, Any], label: int) -> Field:
    return Field(
        name=stored["name"],
        kind=Kind(stored["type"]),
        many=stored.get("list", False),
        required=stored.get("required", False),
        values=tuple(stored.get("values", ())),
        retired_values=tuple(stored.get("retiredValues", ())),
        indexed=stored.get("indexed", False),
        searchable=stored.get("searchable", False),
        description=stored.get("description"),
        label=label,
        key=stored.get("key", stored["name"]),
        non_null=stored.get("nonNull", False),
    )


def read_link(stored: Mapping[str, Any], label: int) -> LinkField:
    return LinkField(
        name=stored["name"],
        relation=stored["relation"],
        target=stored["target"],
        outgoing=stored.get("direction", "out") == "out",
        many=stored.get("cardinality", "many") == "many",
        properties={p["name"]: read_field(p, label) for p in stored.get("properties", ())},
        description=stored.get("description"),
        label=label,
    )


def field_json(member: Field) -> dict[str, Any]:
    """The stored form of a field, without what is at its default."""
    stored = {
        "name": member.name,
        "type": str(member.kind),
        "list": member.many,
        "required": member.required,
        "values": list(member.values),
        "retiredValues": list(member.retired_values),
        "indexed": member.indexed,
        "searchable": member.searchable,
        "description": member.description,
        "key": member.key if member.key != member.name else None,
        "nonNull": member.non_null,
    }
    return {k: v for k, v in stored.items() if v}


def link_json(member: LinkField) -> dict[str, Any]:
    stored = {
        "name": member.name,
        "relation": member.relation,
        "target": member.target,
        "direction": None if member.outgoing else "in",
        "cardinality": None if member.many else "one",
        "properties": [field_json(p) for p in member.properties.values()],
        "description": member.description,
    }
    return {k: v for k, v in stored.items() if v}


def visible(fragments: Iterable[Fragment], clearance: int) -> list[Fragment]:
    return [f for f in fragments if dominates(clearance, f.label)]
