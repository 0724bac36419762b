"""The type definitions a reader can see, merged and resolved: what schema, validation and compiler work from.

A stored definition is a set of *fragments*, one for each label that says something of the type. A reader's type is the
union of the fragments it dominates, so a field above its label is not there at all. Whatever names something the reader
cannot see (a parent, a link's target) is left out the same way.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from fabric.encryption.protection import protection_json, protection_of
from fabric.inference.rules import NO_AXIOMS, Axioms, Rule, of_relation
from fabric.labels import dominates, rank
from fabric.names import link_aggregate
from fabric.types.annotations import Annotations
from fabric.types.constraints import constraints_json, constraints_of
from fabric.types.definitions import Field, LinkField
from fabric.types.kinds import Kind
from fabric.types.link_counts import counts_json, counts_of


@dataclass(frozen=True, slots=True)
class Fragment:
    """One row of `type_definitions`: what one label says of one type. `schema` has the form `fragment_json` makes."""

    type_name: str
    label: int
    domain: str
    schema: Mapping[str, Any]
    ui_schema: Mapping[str, Any] | None
    revision: int
    written_at: datetime | None = field(default=None, compare=False)
    """When its row was written; None for what is not stored yet."""

    @property
    def is_base(self) -> bool:
        """Whether it makes the type, rather than adding to one that a lower label makes."""
        return bool(self.schema.get("base")) and not self.schema.get("retired")

    def members(self) -> "list[Field | LinkField]":
        """Those that it declares."""
        fields = [read_field(stored, self.label) for stored in self.schema.get("fields", ())]
        return [*fields, *(read_link(stored, self.label) for stored in self.schema.get("links", ()))]

    def generations(self) -> dict[str, int]:
        """The last of each name that a field of it has, or had."""
        lapsed: Mapping[str, int] = self.schema.get("generations", {})
        return {f["name"]: 1 for f in self.schema.get("fields", ())} | dict(lapsed)

    def retired(self) -> "Fragment":
        """What stays of it: which keys its fields had, so that their values never turn up again, and its parent."""
        schema = {"base": self.schema.get("base", False), "retired": True, "generations": self.generations()}
        if self.schema.get("extends"):
            schema["extends"] = self.schema["extends"]
        return replace(self, schema=schema, ui_schema=None, written_at=None)


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type as a reader sees it. `fields` and `links` hold the inherited ones too, parents' first."""

    name: str
    label: int
    domain: str
    description: str | None
    plural: str
    parents: tuple[str, ...]
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
    """Each before those that it descends from itself."""
    iri: str | None = None
    annotations: Annotations = field(default_factory=dict)
    about: Mapping[str, Annotations] = field(default_factory=dict)
    narrowed_fields: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    """What the type itself asks of fields that it inherits, by name: what each label says."""
    narrowed_links: Mapping[str, tuple[LinkField, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NarrowedEnds:
    """Links that one declaration allows lead from objects of a narrower type to narrower ones only."""

    declared: tuple[str, str]
    """(source, target) types."""
    narrow: tuple[str, str]
    outgoing: bool
    """Whether it is the source that is told of."""


@dataclass(frozen=True, slots=True)
class Relation:
    """All that is declared of one relation: which types it may join, and its links' properties."""

    name: str
    ends: frozenset[tuple[str, str]]
    properties: Mapping[str, Field]
    one_target: frozenset[tuple[str, str]] = frozenset()
    """(source, target) types of which a source has one target."""
    one_source: frozenset[tuple[str, str]] = frozenset()
    narrowed: frozenset[NarrowedEnds] = frozenset()


@dataclass(frozen=True, slots=True)
class Steps:
    """On the way to a catalogue, each by the type's name: what the next one takes over where it is the same."""

    groups: Mapping[str, tuple[Fragment, ...]] = field(default_factory=dict)
    digests: Mapping[str, bytes] = field(default_factory=dict)
    merged: Mapping[str, ObjectType] = field(default_factory=dict)
    present: Mapping[str, ObjectType] = field(default_factory=dict)
    """Those of the merged that are not omitted, without members that clash in a common descendant."""
    resolved: Mapping[str, ObjectType] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Every type a reader sees, by name. Equal fingerprints mean equal catalogues. Made by `merging.build`."""

    types: Mapping[str, ObjectType]
    fragments: tuple[Fragment, ...] = ()
    omitted: tuple[tuple[str, str], ...] = ()
    """(type, other type) for what a clash of names hides, between labels that could not see each other."""
    revision: int = 0
    """The organization's `types_revision` it was read at."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Which type brings a name into the schema, by what `generated_names` gives."""
    steps: Steps = field(default_factory=Steps, repr=False, compare=False)

    @cached_property
    def fingerprint(self) -> str:
        content = hashlib.sha256()
        for name, digest in sorted(self.steps.digests.items()):
            content.update(name.encode() + b"\0" + digest)
        return content.hexdigest()

    @cached_property
    def definitions(self) -> str:
        """Another one whenever what its reader sees was defined anew, also where it is as it once was."""
        return f"{self.fingerprint} {sum(fragment.revision for fragment in self.fragments)}"

    @cached_property
    def relations(self) -> Mapping[str, Relation]:
        found: dict[str, list[tuple[str, LinkField]]] = {}
        narrowed: dict[str, list[tuple[str, LinkField, LinkField]]] = {}
        for object_type in self.types.values():
            for link in object_type.own_links.values():
                found.setdefault(link.relation, []).append((object_type.name, link))
            for name, each in object_type.narrowed_links.items():
                inherited = object_type.links.get(name)
                if inherited is not None and name not in object_type.own_links:
                    said = [(object_type.name, inherited, n) for n in each if self._narrows(inherited, n)]
                    narrowed.setdefault(inherited.relation, []).extend(said)
        return {name: self._relation(name, found[name], narrowed.get(name, ())) for name in sorted(found)}

    def _narrows(self, link: LinkField, by: LinkField) -> bool:
        """Whether it still does: what it was to narrow may have become another link since."""
        same = (link.relation, link.outgoing) == (by.relation, by.outgoing)
        return same and self.is_a(by.target, link.target)

    def _relation(
        self, name: str, declared: list[tuple[str, LinkField]], narrowed: Iterable[tuple[str, LinkField, LinkField]]
    ) -> Relation:
        properties: dict[str, Field] = {}
        for _, link in sorted(declared, key=lambda d: rank(d[1].label)):
            properties.update(link.properties)
        one = [(t, link) for t, link in declared if not link.many]
        one += [(t, link) for t, link, by in narrowed if not by.many]
        return Relation(
            name,
            frozenset(_joined(t, link) for t, link in declared),
            properties,
            frozenset(_joined(t, link) for t, link in one if link.outgoing),
            frozenset(_joined(t, link) for t, link in one if not link.outgoing),
            frozenset(
                NarrowedEnds(_joined(self.declaring(t)[link.name], link), _joined(t, by), link.outgoing)
                for t, link, by in narrowed
                if by.target != link.target
            ),
        )

    def declaring(self, name: str) -> Mapping[str, str]:
        """Which type declares each field and link that the type of this name has."""
        if name not in self._declaring:
            found: dict[str, str] = {}
            for each in reversed((name, *self.types[name].ancestors)):
                for member in (*self.types[each].own_fields, *self.types[each].own_links):
                    found.setdefault(member, each)
            self._declaring[name] = found
        return self._declaring[name]

    @cached_property
    def _declaring(self) -> dict[str, Mapping[str, str]]:
        return {}

    def may_join(self, relation: Relation, source: str, target: str) -> bool:
        """Whether links of the relation lead from objects of the one type to objects of the other."""
        return any(
            self.is_a(source, ends[0])
            and self.is_a(target, ends[1])
            and all(self._allows(n, source, target) for n in relation.narrowed if n.declared == ends)
            for ends in relation.ends
        )

    def _allows(self, narrowed: NarrowedEnds, source: str, target: str) -> bool:
        is_source, is_target = self.is_a(source, narrowed.narrow[0]), self.is_a(target, narrowed.narrow[1])
        return is_target or not is_source if narrowed.outgoing else is_source or not is_target

    @cached_property
    def rules(self) -> frozenset[Rule]:
        """By which links follow from others, as far as all the relations are there."""
        declared = [link for t in self.types.values() for link in t.own_links.values() if link.axioms != NO_AXIOMS]
        return frozenset(
            rule
            for link in declared
            for rule in of_relation(link.relation, link.axioms)
            if rule.relations <= self.relations.keys()
        )

    @cached_property
    def concluded(self) -> frozenset[str]:
        """The relations of which links can be inferred."""
        return frozenset(rule.conclusion for rule in self.rules)

    def has_aggregate(self, object_type: ObjectType, link: str) -> bool:
        """Whether the link field of the type has a field beside it that counts and sums over what it leads to.

        Not where a member of the type's relatives has that name already: a relative must not lack what its parent has.
        """
        owner = self.types[self.declaring(object_type.name)[link]]
        name = link_aggregate(link)
        relatives = (self.types[n] for n in owner.family)
        return owner.links[link].many and not any(name in t.fields or name in t.links for t in relatives)

    def is_a(self, name: str, ancestor: str) -> bool:
        return ancestor in self.types and name in self.types[ancestor].family


def _joined(name: str, link: LinkField) -> tuple[str, str]:
    """(source, target) types of a link field of the type."""
    return (name, link.target) if link.outgoing else (link.target, name)


def read_field(stored: Mapping[str, Any], label: int) -> Field:
    return Field(
        name=stored["name"],
        kind=Kind(stored["type"]),
        many=stored.get("list", False),
        required=stored.get("required", False),
        values=tuple(stored.get("values", ())) if stored["type"] == Kind.ENUM else (),
        retired_values=tuple(stored.get("retiredValues", ())),
        indexed=stored.get("indexed", False),
        searchable=stored.get("searchable", False),
        description=stored.get("description"),
        label=label,
        key=stored.get("key", stored["name"]),
        non_null=stored.get("nonNull", False),
        protection=protection_of(stored),
        constraints=constraints_of(stored),
        iri=stored.get("iri"),
        datatype=stored.get("datatype"),
        language=stored.get("language"),
        annotations=stored.get("annotations", {}),
    )


def read_link(stored: Mapping[str, Any], label: int) -> LinkField:
    return LinkField(
        name=stored["name"],
        relation=stored["relation"],
        target=stored["target"],
        outgoing=stored.get("direction", "out") == "out",
        many=stored.get("cardinality", "many") == "many",
        counts=counts_of(stored),
        properties={p["name"]: read_field(p, label) for p in stored.get("properties", ())},
        description=stored.get("description"),
        label=label,
        iri=stored.get("iri"),
        annotations=stored.get("annotations", {}),
        axioms=Axioms(
            stored.get("symmetric", False),
            stored.get("transitive", False),
            stored.get("inverse"),
            tuple(stored.get("subPropertyOf", ())),
            tuple(tuple(chain) for chain in stored.get("inferredFrom", ())),
        ),
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
        **(protection_json(member.protection) if member.protection else {}),
        "iri": member.iri,
        "datatype": member.datatype,
        "language": member.language,
        "annotations": member.annotations,
    }
    return {k: v for k, v in stored.items() if v} | constraints_json(member.constraints)


def read_parents(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The parents' names from a fragment's schema, where a single one stands without a list."""
    stored = schema.get("extends") or ()
    return (stored,) if isinstance(stored, str) else tuple(stored)


def parents_json(parents: Sequence[str]) -> str | list[str] | None:
    return list(parents) if len(parents) > 1 else next(iter(parents), None)


def link_json(member: LinkField) -> dict[str, Any]:
    stored = {
        "name": member.name,
        "relation": member.relation,
        "target": member.target,
        "direction": None if member.outgoing else "in",
        "cardinality": None if member.many else "one",
        **counts_json(member.counts),
        "properties": [field_json(p) for p in member.properties.values()],
        "symmetric": member.axioms.symmetric,
        "transitive": member.axioms.transitive,
        "inverse": member.axioms.inverse,
        "subPropertyOf": list(member.axioms.sub_property_of),
        "inferredFrom": [list(chain) for chain in member.axioms.chains],
        "description": member.description,
        "iri": member.iri,
        "annotations": member.annotations,
    }
    return {k: v for k, v in stored.items() if v}


def visible(fragments: Iterable[Fragment], clearance: int) -> list[Fragment]:
    return [f for f in fragments if dominates(clearance, f.label)]
