"""The IRIs of what a catalogue holds: those that definitions give, and for the rest some that are made of names.

A given IRI counts only where it means one thing, is none by which RDF and its vocabularies say what nodes are, and can
be written in every format: RDF/XML makes element names of properties.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from functools import cached_property
from typing import Any
from urllib.parse import quote

from pyoxigraph import NamedNode

from fabric.types.catalogue import Catalogue, ObjectType, Relation
from fabric.types.definitions import Field
from ontology.values import Fields
from ontology.vocabulary import BASE, BUILT_IN, ITSELF, OWL, RDF, RDF_NS, RDFS, ROOT, ROOTS

IDS = BASE + "id:"
GENIDS = BASE + "genid:"
"""Of nodes without IRIs of their own: see `ontology.individuals.blank`."""
JOINED = BASE + "joined:"
"""Of classes that are made for nodes of several: see `ontology.survey.joined`."""
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*\Z")
_NO_ELEMENTS = frozenset(
    RDF_NS + name
    for name in "RDF Description ID about aboutEach aboutEachPrefix bagID datatype li nodeID parseType resource".split()
)
"""What RDF/XML takes for something else."""
_NO_NAMESPACE = "http://www.w3.org/2000/xmlns/"
_GIVEN_TO_MANY = frozenset(
    each.value
    for each in (
        RDF.value, RDFS.label, RDFS.comment, RDFS.seeAlso, RDFS.isDefinedBy, RDFS.member, OWL.sameAs, OWL.differentFrom,
        OWL.versionInfo, OWL.deprecated,
    )
)  # fmt: skip
"""Properties of RDF, RDFS and OWL that say something of any node, and from which nothing follows for what it is."""


def node(iri: str) -> NamedNode | None:
    """None for what is no IRI, whatever else it is."""
    try:
        return NamedNode(iri)
    except ValueError:
        return None


def as_element(name: str) -> str:
    """A name that XML can have as an element's, another one for each name."""
    first, rest = name[:1], name[1:]
    start = first if first.isascii() and first.isalpha() else "_" + _coded(first)
    return start + "".join(c if c.isascii() and (c.isalnum() or c in "_-") else _coded(c) for c in rest)


def _coded(character: str) -> str:
    return "".join(f".{byte:02X}." for byte in character.encode())


def names_property(iri: str | None) -> bool:
    """Whether every format can write it as a property."""
    if iri is None or iri in _NO_ELEMENTS or iri.startswith(_NO_NAMESPACE):
        return False
    return _ELEMENT.search(iri) is not None and node(iri) is not None


def may_name_property(iri: str | None) -> bool:
    """Whether a definition or a link can call a property so.

    What RDF, RDFS, OWL, SHACL and we ourselves say of nodes is not to be said by values: these could claim to be of
    another type, or of another label.
    """
    return names_property(iri) and (iri in _GIVEN_TO_MANY or not str(iri).startswith(BUILT_IN))


def _by_property(named: Iterable[tuple[str, Field]]) -> dict[str, Fields]:
    found: dict[str, dict[str | None, Field]] = {}
    for iri, field in named:
        found.setdefault(iri, {})[field.language] = field
    return dict(found)


class Iris:
    """From the names of one catalogue to IRIs, and back."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @cached_property
    def classes(self) -> Mapping[str, str]:
        """By type."""
        given = Counter(t.iri for t in self.catalogue.types.values())
        return {
            t.name: t.iri if t.iri and given[t.iri] == 1 and _may_name_class(t.iri) else f"{BASE}type#{t.name}"
            for t in self.catalogue.types.values()
        }

    @cached_property
    def types(self) -> Mapping[str, ObjectType]:
        """By the IRI of the class. What everything is stands for the type that has that IRI."""
        found = {iri: self.catalogue.types[name] for name, iri in self.classes.items()}
        return dict.fromkeys(ROOTS, found[ROOT]) | found if ROOT in found else found

    @cached_property
    def given(self) -> Mapping[str, str]:
        """Types by the IRI of their class, as far as they say it themselves."""
        return {iri: t.name for iri, t in self.types.items() if t.iri == iri}

    @cached_property
    def fields(self) -> Mapping[tuple[str, str], str]:
        """By (type, name) of each type's own fields."""
        unclear: set[tuple[str, str]] = set()
        for t in self.catalogue.types.values():
            shared = Counter((f.iri, f.language) for f in t.fields.values())
            unclear |= {(self.owner(t, f.name), f.name) for f in t.fields.values() if shared[f.iri, f.language] > 1}
        return {
            (t.name, f.name): self._property(f.iri, (t.name, f.name) in unclear, f"type:{t.name}#{as_element(f.name)}")
            for t in self.catalogue.types.values()
            for f in t.own_fields.values()
        }

    @cached_property
    def in_languages(self) -> Set[str]:
        """The IRIs of properties that have fields for texts in one language."""
        types = self.catalogue.types
        return {iri for (name, field), iri in self.fields.items() if types[name].own_fields[field].language is not None}

    @cached_property
    def relations(self) -> Mapping[str, str]:
        """By relation."""
        given: dict[str, set[str | None]] = {name: set() for name in self.catalogue.relations}
        for t in self.catalogue.types.values():
            for link in t.own_links.values():
                if link.outgoing:
                    given[link.relation].add(link.iri)
        only = {name: next(iter(iris)) for name, iris in given.items() if len(iris) == 1}
        times = Counter(only.values())
        return {
            name: self._property(only.get(name), times[only.get(name)] > 1, f"relation#{as_element(name)}")
            for name in given
        }

    @cached_property
    def links(self) -> Mapping[str, tuple[str, bool]]:
        """By the IRI of a property: the relation, and whether links lead from its subject."""
        found = {
            link.iri: (link.relation, False)
            for t in self.catalogue.types.values()
            for link in t.own_links.values()
            if link.iri and not link.outgoing and may_name_property(link.iri)
        }
        return found | {iri: (name, True) for name, iri in self.relations.items()}

    def members(self, object_type: ObjectType) -> Mapping[str, Fields]:
        """The type's fields, inherited ones too, by the IRIs of their properties."""
        return _by_property((self.field(object_type, f), f) for f in object_type.fields.values())

    def field(self, object_type: ObjectType, field: Field) -> str:
        return self.fields[self.owner(object_type, field.name), field.name]

    def properties(self, relation: Relation) -> Mapping[str, Fields]:
        """The fields of the relation's links, by the IRIs of their properties."""
        shared = Counter((f.iri, f.language) for f in relation.properties.values())
        made = f"relation:{as_element(relation.name)}#"
        return _by_property(
            (self._property(f.iri, shared[f.iri, f.language] > 1, made + as_element(f.name)), f)
            for f in relation.properties.values()
        )

    def owner(self, object_type: ObjectType, field: str) -> str:
        """Which of the type and its ancestors declares the field."""
        return self.catalogue.declaring(object_type.name)[field]

    @cached_property
    def itself(self) -> str | None:
        """The type whose objects, and those of its descendants, have their own IRI as natural key."""
        keyed = (t for t in self.catalogue.types.values() if t.key_type == t.name and self._is_itself(t))
        return next((t.name for t in keyed), None)

    def object(self, named: Mapping[str, Any]) -> NamedNode:
        """The node of an object, as an import record names it: by its type and natural key, or by its id."""
        if "key" not in named:
            return NamedNode(IDS + named["id"])
        own = self.own_iri(named)
        if own is not None:
            return own
        key_type = self.catalogue.types[named["type"]].key_type
        values = [quote(str(value), safe="") for value in named["key"].values()]
        return NamedNode(":".join([f"{BASE}object", key_type, *values]))

    def own_iri(self, named: Mapping[str, Any]) -> NamedNode | None:
        """The natural key itself, where it is an IRI that is the object's own and can be written as one."""
        if "key" not in named or self.catalogue.types[named["type"]].key_type != self.itself:
            return None
        (value,) = named["key"].values()
        return None if value.startswith(BASE) and not value.startswith(GENIDS) else node(value)

    def _is_itself(self, t: ObjectType) -> bool:
        return len(t.natural_key) == 1 and t.fields[t.natural_key[0]].iri == ITSELF

    def _property(self, iri: str | None, unclear: bool, made: str) -> str:
        return iri if iri is not None and not unclear and may_name_property(iri) else BASE + made


def _may_name_class(iri: str) -> bool:
    return node(iri) is not None and (iri in ROOTS or iri.startswith(JOINED) or not iri.startswith(BUILT_IN))
