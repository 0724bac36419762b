"""From a submitted document to the fragments it is stored as: one for each label that it says something at."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from fabric.encryption.markers import ENCRYPTED_SUFFIX
from fabric.labels import Label, Lattice, dominates
from fabric.types.agreement import check
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
from fabric.types.definitions import Document, Field, LinkField
from fabric.types.evolution import keeps_values
from fabric.types.faults import Faults
from fabric.types.kinds import Kind
from fabric.types.merging import build
from fabric.types.narrowing import Inherited

NOT_DOMINATED = "a label must be one that your session label dominates"


Members: TypeAlias = Mapping[str, Field | LinkField]
_Member = TypeVar("_Member", Field, LinkField)


@dataclass(frozen=True, slots=True)
class Definer:
    """At which label definitions are written, and the names of compartments."""

    label: int
    lattice: Lattice


def plan(before: Catalogue, documents: Sequence[Document], definer: Definer) -> Catalogue:
    """What the definer would see with the documents defined. BadInput or Several, led on from a document's place."""
    fragments = {(f.type_name, f.label): f for f in before.fragments}
    faults = Faults()
    places: dict[str, int] = {}
    for i, document in enumerate(documents):
        if places.setdefault(document.name, i) != i:
            faults.add("this type is defined twice here", i, "typeName")
    faults.raise_any()
    inherited = Inherited(before, documents)
    for document in inherited.order():
        known, led = inherited.of(document.name), faults.under(places[document.name])
        made = _fragments_of(document, before, known, definer, led)
        inherited.declares(document.name, [member for each in made for member in each.members()])
        fragments |= {(f.type_name, f.label): f for f in made}
    faults.raise_any()
    after = build(fragments.values(), before.revision, before)
    check(before, after, documents, faults)
    faults.raise_any()
    return after


def _fragments_of(
    document: Document, catalogue: Catalogue, inherited: Members, definer: Definer, faults: Faults
) -> list[Fragment]:
    """The document's fragments, changed or not, with those of its labels that it leaves without content.

    A label that the document does not give is the one that the type or field has already, or for something new the
    session label.
    """
    stored = {f.label: f for f in catalogue.fragments if f.type_name == document.name}
    existing = catalogue.types.get(document.name)
    narrowing = _narrowing(document, existing, inherited)
    labels = _Labels(document, existing, narrowing, definer, faults)
    fields = {name: replace(field, label=labels.of_field(field)) for name, field in document.fields.items()}
    links = {name: replace(link, label=labels.of("links", name)) for name, link in document.links.items()}
    base = stored.get(labels.base)
    if base is not None and base.schema.get("base") and read_parents(base.schema) != document.extends:
        # Objects that the definer does not see may be there, without what a new parent makes non-null.
        faults.add("a type keeps its parents, or that it has none, from its first definition on", "extends")
    members: list[Field | LinkField] = [*fields.values(), *links.values()]
    said = {labels.base, *stored, *(m.label for m in members)}
    return [
        _fragment(
            document, label, label == labels.base, stored.get(label), fields, links, narrowing,
            _lapsed(document, label, catalogue), first=not stored,
        )
        for label in sorted(said)
    ]  # fmt: skip


def _lapsed(document: Document, label: int, catalogue: Catalogue) -> Mapping[str, int]:
    """The last generation of each name of a field that relatives have, or had, at this label.

    Objects of the type may hold their values, or its relatives' objects those of a field that the type gets.
    """
    known = catalogue.types
    parents = [name for name in (*document.extends, document.name) if name in known]
    relatives = {n for name in parents for n in (name, *known[name].ancestors)} - {document.name}
    relatives |= set(known[document.name].family if document.name in known else ()) - {document.name}
    found: dict[str, int] = {}
    for fragment in catalogue.fragments:
        if fragment.label == label and fragment.type_name in relatives:
            for name, generation in fragment.generations().items():
                found[name] = max(found.get(name, 0), generation)
    return found


def _narrowing(document: Document, existing: ObjectType | None, inherited: Members) -> Members:
    """The inherited members that the document restates; what the type has declared itself stays its own."""
    own: Set[str] = existing.own_fields.keys() | existing.own_links.keys() if existing else frozenset()
    alike = {n: m for n, m in inherited.items() if n in (document.fields if isinstance(m, Field) else document.links)}
    return {name: member for name, member in alike.items() if name not in own}


class _Labels:
    """The labels of one document's type and members."""

    def __init__(
        self, document: Document, existing: ObjectType | None, narrowing: Members, definer: Definer, faults: Faults
    ) -> None:
        self._document, self._definer, self._faults = document, definer, faults
        self._narrowing = narrowing
        self._known: dict[str, Members] = {
            "fields": {**existing.own_fields, **_last(existing.narrowed_fields)} if existing else {},
            "links": {**existing.own_links, **_last(existing.narrowed_links)} if existing else {},
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
        narrowed = self._narrowing.get(name)
        default = known.label if known else self._default | (narrowed.label if narrowed else 0)
        label = self._given(name, default, group, name)
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


def _last(narrowed: Mapping[str, tuple[_Member, ...]]) -> dict[str, _Member]:
    return {name: said[-1] for name, said in narrowed.items()}


def _fragment(
    document: Document, label: int, base: bool, stored: Fragment | None,
    fields: Mapping[str, Field], links: Mapping[str, LinkField], narrowing: Members, lapsed: Mapping[str, int], *,
    first: bool,
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
    for each in stored.schema.get("narrowedFields", ()) if stored else ():
        if each["name"] not in narrowing:  # objects may still have what they inherited by the name
            generations.setdefault(each["name"], 1)
    mine = [f for f in fields.values() if f.label == label and f.name not in narrowing]
    before = {f.name: old.get(f.name) or old.get(f.replaces or "") for f in mine}
    for name in {n for n, from_old in before.items() if not from_old} & lapsed.keys():
        generations[name] = max(generations.get(name, 1), lapsed[name])
    schema["fields"] = [
        field_json(_stored_field(field, before[field.name], generations, first=base and first)) for field in mine
    ]
    for name in old.keys() - {f.name for f in mine}:
        generations.setdefault(name, 1)  # what is gone may come back as another kind: it must not find old values
    here = [link for link in links.values() if link.label == label]
    schema["links"] = [link_json(link) for link in here if link.name not in narrowing]
    schema["narrowedFields"] = [
        field_json(_stored_narrowing(field, inherited, stored, first=base and first))
        for name, field in fields.items()
        if field.label == label and isinstance(inherited := narrowing.get(name), Field)
    ]
    schema["narrowedLinks"] = [link_json(link) for link in here if link.name in narrowing]
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


def _stored_narrowing(field: Field, inherited: Field, stored: Fragment | None, *, first: bool) -> Field:
    """With the place where the inherited values lie, by which it shows later whether they are the same still."""
    old = {f["name"]: f for f in stored.schema.get("narrowedFields", ())} if stored else {}
    before = read_field(old[field.name], field.label) if field.name in old else None
    non_null = field.required and (first or bool(before and before.non_null and before.key == inherited.key))
    return replace(field, key=inherited.key, non_null=non_null, replaces=None)


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
