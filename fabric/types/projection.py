"""From a submitted document to the fragments it is stored as: one for each label that it says something at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fabric.encryption.markers import ENCRYPTED_SUFFIX
from fabric.labels import Label, Lattice, dominates
from fabric.names import (
    RESERVED_NAMES,
    aggregated_link,
    generated_names,
    link_aggregate,
    names_generated_twice,
)
from fabric.types.catalogue import (
    Catalogue,
    Fragment,
    ObjectType,
    field_json,
    link_json,
    parents_json,
    read_field,
    read_parents,
)
from fabric.types.definitions import Document, Faults, Field, LinkField
from fabric.types.evolution import keeps_values
from fabric.types.kinds import Kind
from fabric.types.merging import build

NOT_DOMINATED = "a label must be one that your session label dominates"


@dataclass(frozen=True, slots=True)
class Definer:
    """At which label definitions are written, and the names of compartments."""

    label: int
    lattice: Lattice


def plan(before: Catalogue, documents: Sequence[Document], definer: Definer) -> Catalogue:
    """What the definer would see with the documents defined. BadInput or Several, led on from a document's place."""
    fragments = {(f.type_name, f.label): f for f in before.fragments}
    faults = Faults()
    seen: set[str] = set()
    for i, document in enumerate(documents):
        if document.name in seen:
            faults.add("this type is defined twice here", i, "typeName")
        seen.add(document.name)
        fragments |= {(f.type_name, f.label): f for f in _fragments_of(document, before, definer, faults.under(i))}
    faults.raise_any()
    after = build(fragments.values(), before.revision, before)
    _check(before, after, documents, faults)
    faults.raise_any()
    return after


def _fragments_of(document: Document, catalogue: Catalogue, definer: Definer, faults: Faults) -> list[Fragment]:
    """The document's fragments, changed or not, with those of its labels that it leaves without content.

    A label that the document does not give is the one that the type or field has already, or for something new the
    session label.
    """
    stored = {f.label: f for f in catalogue.fragments if f.type_name == document.name}
    labels = _Labels(document, catalogue.types.get(document.name), definer, faults)
    fields = {name: replace(field, label=labels.of_field(field)) for name, field in document.fields.items()}
    links = {name: replace(link, label=labels.of("links", name)) for name, link in document.links.items()}
    base = stored.get(labels.base)
    if base is not None and base.schema.get("base") and read_parents(base.schema) != document.extends:
        # Objects that the definer does not see may be there, without what a new parent makes non-null.
        faults.add("a type keeps its parents, or that it has none, from its first definition on", "extends")
    members: list[Field | LinkField] = [*fields.values(), *links.values()]
    said = {labels.base, *stored, *(m.label for m in members)}
    return [
        _fragment(document, label, label == labels.base, stored.get(label), fields, links, first=not stored)
        for label in sorted(said)
    ]


class _Labels:
    """The labels of one document's type and members."""

    def __init__(self, document: Document, existing: ObjectType | None, definer: Definer, faults: Faults) -> None:
        self._document, self._definer, self._faults = document, definer, faults
        self._known: dict[str, Mapping[str, Field | LinkField]] = {
            "fields": existing.own_fields if existing else {},
            "links": existing.own_links if existing else {},
        }
        self.base = self._given("", existing.label if existing else definer.label)
        if existing and self.base != existing.label:
            faults.add("a type keeps its label; retire it and define it anew", "label")
        self._default = definer.label if existing else self.base

    def of_field(self, field: Field) -> int:
        """A field that has got another name keeps its label."""
        known = self._known["fields"]
        before = known.get(field.replaces) if field.replaces and field.name not in known else None
        label = self.of("fields", field.name, before)
        if before is not None and label != before.label:
            self._faults.add("a field keeps its label when it is renamed", "fields", field.name, "label")
        return label

    def of(self, group: str, name: str, before: Field | LinkField | None = None) -> int:
        known = self._known[group].get(name, before)
        label = self._given(name, known.label if known else self._default, group, name)
        if not dominates(label, self.base):
            self._faults.add("a field's label dominates its type's", group, name, "label")
        return label

    def _given(self, name: str, default: int, *path: str) -> int:
        wanted: Label | None = self._document.labels.get(name)
        if wanted is None:
            return default
        try:
            label = self._definer.lattice.encode(wanted)
        except LookupError:
            label = -1
        if label < 0 or not dominates(self._definer.label, label):
            # The same words for a compartment that does not exist: this must not list the organization's compartments.
            self._faults.add(NOT_DOMINATED, *path, "label")
            return default
        return label


def _fragment(
    document: Document, label: int, base: bool, stored: Fragment | None,
    fields: Mapping[str, Field], links: Mapping[str, LinkField], *, first: bool,
) -> Fragment:  # fmt: skip
    """`first` says that nothing was ever defined by this name, as far as can be seen."""
    schema: dict[str, Any] = {"base": base}
    if base:
        schema |= {
            "description": document.description,
            "extends": parents_json(document.extends),
            "plural": document.plural,
            "naturalKey": list(document.natural_key),
            "indexes": [list(names) for names in document.indexes],
            "embedding": list(document.embedding),
            "iri": document.iri,
            "annotations": document.annotations,
            "about": document.about,
        }
    old = {f["name"]: f for f in stored.schema.get("fields", ())} if stored else {}
    generations = dict(stored.schema.get("generations", {})) if stored else {}
    mine = [f for f in fields.values() if f.label == label]
    before = {f.name: old.get(f.name) or old.get(f.replaces or "") for f in mine}
    schema["fields"] = [
        field_json(_stored_field(field, before[field.name], generations, first=base and first)) for field in mine
    ]
    for name in old.keys() - {f.name for f in mine}:
        generations.setdefault(name, 1)  # what is gone may come back as another kind: it must not find old values
    schema["links"] = [link_json(link) for link in links.values() if link.label == label]
    schema["generations"] = generations
    return Fragment(
        document.name, label, document.domain, {k: v for k, v in schema.items() if v},
        document.ui_schema if base else None, stored.revision if stored else 0,
    )  # fmt: skip


def _stored_field(field: Field, old: Mapping[str, Any] | None, generations: dict[str, int], *, first: bool) -> Field:
    from_old = read_field(old, field.label) if old else None
    retired: tuple[str, ...] = ()
    if from_old and keeps_values(from_old, field):
        key = from_old.key
        retired = tuple(
            v for v in (*from_old.values, *from_old.retired_values) if field.values and v not in field.values
        )
    else:
        if from_old or field.name in generations:
            generations[field.name] = generations.get(field.name, 1) + 1
        key = _key(field, generations.get(field.name, 1))
    non_null = field.required and (first or bool(from_old and from_old.non_null and from_old.key == key))
    return replace(field, key=key, retired_values=retired, non_null=non_null)


_SUFFIXES = {
    Kind.INTEGER: "#i",
    Kind.BIGINT: "#i",
    Kind.FLOAT: "#f",
    Kind.BOOLEAN: "#b",
    Kind.DECIMAL: "#d",
    Kind.DURATION: "#p",
}
"""Kinds that are read by a function that fails on others' values. One index serves all organizations, so the key must
tell such values apart from whatever else is called the same; the others are read as text, which never fails."""


def _key(field: Field, generation: int) -> str:
    """Where values lie in `objects.data`: apart for each label and each incompatible kind that a name ever had."""
    suffix = ENCRYPTED_SUFFIX if field.protection else "" if field.many else _SUFFIXES.get(field.kind, "")
    key = field.name + suffix
    if field.label == 0 and generation == 1:
        return key
    return f"{key}@{field.label:x}" + (f".{generation}" if generation > 1 else "")


def _check(before: Catalogue, after: Catalogue, documents: Sequence[Document], faults: Faults) -> None:
    """What a definition must agree on with the others that its definer can see; paths lead on from its place."""
    led = {document.name: faults.under(i) for i, document in enumerate(documents)}
    for names in set(after.omitted) - set(before.omitted):
        for name, other in (names, names[::-1]):
            if name in led:
                led[name].add(f"its names clash with those of {other}", "typeName")
    for document in documents:
        if document.name in after.types:
            _check_document(document, after, led[document.name])
    _check_relations(after, led, faults)


def _check_document(document: Document, after: Catalogue, faults: Faults) -> None:
    new = after.types[document.name]
    enums = [f.name for f in document.fields.values() if f.kind is Kind.ENUM]
    generated = new.name, new.plural, enums, [*document.links]
    for clash in sorted(RESERVED_NAMES & generated_names(*generated))[:1]:
        faults.add(f"{clash.split(':')[1]} is a name the schema has already", "typeName")
    for clash in sorted(names_generated_twice(*generated))[:1]:
        faults.add(f"{clash.split(':')[1]} would be in the schema twice", "typeName")
    for i, name in enumerate(document.natural_key):
        if name in new.own_fields and new.own_fields[name].label != new.label:
            faults.add("a field of the natural key has its type's label", "naturalKey", i)
    for parent in document.extends:
        _check_parent(document, parent, after, faults)
    _check_key(document, after, faults)
    _check_relatives(document, after, faults)
    _check_places(document, after, faults)
    _check_aggregates(document, after, faults)
    for link in document.links.values():
        target = after.types.get(link.target)
        if target is None or target.domain != "object":
            faults.add("no such type", "links", link.name, "target")
        elif link.name in new.links and not dominates(new.links[link.name].label, target.label):
            faults.add("a link's label dominates its target's", "links", link.name, "label")
        for relation in sorted(link.axioms.relations - after.relations.keys()):
            faults.add(f"no such relation: {relation}", "links", link.name)
    for i, name in enumerate(document.embedding):
        if name not in new.fields:
            faults.add("no such field", "embedding", "fields", i)
        elif new.fields[name].protection:
            faults.add("an encrypted field cannot be embedded", "embedding", "fields", i)
    for i, names in enumerate(document.indexes):
        if any(name in new.fields and new.fields[name].protection for name in names):
            faults.add("an encrypted field cannot be indexed", "indexes", i)


def _check_parent(document: Document, name: str, after: Catalogue, faults: Faults) -> None:
    new, parent = after.types[document.name], after.types.get(name)
    if parent is None or parent.domain != new.domain:
        faults.add("no such type", "extends")
    elif document.name in parent.ancestors or document.name == name:
        faults.add("a type cannot descend from itself", "extends")
    elif not dominates(new.label, parent.label):
        faults.add("a type's label dominates its parent's", "label")


def _check_key(document: Document, after: Catalogue, faults: Faults) -> None:
    """What has a natural key, or descends from what has one, gets no other."""
    for name in after.types[document.name].family:
        lineage = (name, *after.types[name].ancestors)
        declared = [n for n in lineage if n != document.name and after.steps.merged[n].natural_key]
        if document.natural_key and declared:
            faults.add(f"the natural key is declared by {declared[-1]}", "naturalKey")
            return
        if name == document.name and len(declared) > 1:
            faults.add(f"{' and '.join(declared)} each have a natural key", "extends")


def _check_relatives(document: Document, after: Catalogue, faults: Faults) -> None:
    """No two types that an object's type is or descends from have a member of one name.

    What is at fault is the member, where the document has it, and the parents otherwise.
    """
    told: set[str] = set()
    for name in after.types[document.name].family:
        owners: dict[str, str] = {}
        for each in (name, *after.types[name].ancestors):
            for member in _members_of(after.steps.merged[each]):
                other = owners.setdefault(member, each)
                if other == each or member in told:
                    continue
                if document.name in (other, each):
                    relative = other if each == document.name else each
                    group = "fields" if member in document.fields else "links"
                    faults.add(f"{relative} has a member of this name already", group, member)
                    told.add(member)
                elif name == document.name:
                    faults.add(f"{other} and {each} both have a member {member}", "extends")
                    told.add(member)


def _check_places(document: Document, after: Catalogue, faults: Faults) -> None:
    """No two fields of an object lie in one place: one that was renamed lies where its old name says."""
    for name in after.types[document.name].family:
        places: dict[str, str] = {}
        for each in (name, *after.types[name].ancestors):
            for member in after.steps.merged[each].own_fields.values():
                other = places.setdefault(member.key, member.name)
                if other != member.name:
                    taken = next((n for n in (member.name, other) if n in document.fields), None)
                    path = ("extends",) if taken is None else ("fields", taken)
                    faults.add(f"{other} and {member.name} were called the same once; take another name", *path)
                    return


def _members_of(object_type: ObjectType) -> list[str]:
    return [*object_type.own_fields, *object_type.own_links]


def _check_aggregates(document: Document, after: Catalogue, faults: Faults) -> None:
    """No member of a type or its relatives has the name of the aggregate beside a link to many."""
    new = after.types[document.name]
    relatives = [after.types[name] for name in (*new.ancestors, *new.family)]
    named = {name for t in relatives for name in (*t.fields, *t.links)}
    many = {name for t in relatives for name, link in t.links.items() if link.many}
    for group, own in (("fields", document.fields), ("links", document.links)):
        for name in own:
            if (link := aggregated_link(name)) in many:
                faults.add(f"{name} is what counts and sums over the link {link}", group, name)
            elif group == "links" and name in many and link_aggregate(name) in named:
                faults.add(f"{link_aggregate(name)}, which would count and sum over it, is there already", group, name)


def _check_relations(after: Catalogue, led: Mapping[str, Faults], faults: Faults) -> None:
    """A relation's properties mean the same wherever they are declared."""
    seen: dict[tuple[str, str], Field] = {}
    for object_type in after.types.values():
        for link in object_type.own_links.values():
            for name, member in link.properties.items():
                other = seen.setdefault((link.relation, name), member)
                if _meaning(other) != _meaning(member):
                    message = f"{link.relation} has this property already, of another kind"
                    led.get(object_type.name, faults).add(message, "links", link.name, "properties", name)


def _meaning(member: Field) -> tuple[object, ...]:
    return member.kind, member.many, member.values, member.constraints
