"""What an export holds, as triples: definitions as classes and properties, objects as nodes, links as statements.

The definitions are there twice: in words of RDFS, OWL and SHACL for others, and as they are for ourselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson
from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from fabric.inference.rules import Premise
from fabric.labels import Label
from fabric.types.catalogue import ObjectType
from fabric.types.definitions import Field, LinkField
from fabric.types.kinds import JSONValue, Kind
from ontology.iris import Iris, may_name_property
from ontology.iris import node as as_node
from ontology.output.shape_triples import shape_triples
from ontology.output.uncounted import ALL_COUNTED, Uncounted
from ontology.survey.annotations import is_said, statements
from ontology.survey.joined import is_joined
from ontology.values import Fields, datatype_of, lexical, literal, literal_of
from ontology.vocabulary import BUILT_IN, DEFINITION, INFERRED, LABEL, LINK_VALUES, NOT_OURS, ORDER, OWL, RDF, RDFS

_SAID_BY_ENDS = frozenset({"link", "from", "to", "label"})
_OPEN = str(Label())


class Triples:
    """Makes triples of the bodies of import records, by the catalogue that they come from."""

    def __init__(self, iris: Iris, uncounted: Uncounted = ALL_COUNTED) -> None:
        """`uncounted` are relations of which shapes must not say how many triples there are."""
        self._iris, self._uncounted = iris, uncounted
        self._fields: dict[str, dict[str, tuple[NamedNode, Field]]] = {}
        self._told: set[str] = set()
        self._statements = 0

    def definition(self, document: Mapping[str, Any]) -> Iterator[Triple]:
        object_type = self._iris.catalogue.types[document["typeName"]]
        node = NamedNode(self._iris.classes[object_type.name])
        yield Triple(node, RDF.type, OWL.Class)
        yield from _named(node, object_type.name, object_type)
        for parent in object_type.parents:
            yield Triple(node, RDFS.subClassOf, NamedNode(self._iris.classes[parent]))
        yield Triple(node, DEFINITION, Literal(orjson.dumps(document).decode(), datatype=RDF.JSON))
        for field in object_type.own_fields.values():
            yield from self._field(node, NamedNode(self._iris.fields[object_type.name, field.name]), field)
        for link in object_type.own_links.values():
            yield from self._relation(node, object_type, link)
        yield from shape_triples(self._iris, object_type, self._uncounted)
        for iri, annotations in object_type.about.items():
            if not iri.startswith(BUILT_IN) and (other := as_node(iri)) is not None:
                yield from statements(other, annotations)

    def _field(self, owner: NamedNode, node: NamedNode, field: Field) -> Iterator[Triple]:
        if node.value.startswith(NOT_OURS):
            return
        yield Triple(node, RDF.type, OWL.DatatypeProperty)
        yield Triple(node, RDFS.domain, owner)
        yield Triple(node, RDFS.range, datatype_of(field))
        yield from _named(node, field.name if field.language is None else None, field)

    def _relation(self, owner: NamedNode, object_type: ObjectType, link: LinkField) -> Iterator[Triple]:
        target = NamedNode(self._iris.classes[link.target])
        node = NamedNode(self._iris.relations[link.relation])
        source, target = (owner, target) if link.outgoing else (target, owner)
        yield Triple(node, RDF.type, OWL.ObjectProperty)
        yield Triple(node, RDFS.domain, source)
        yield Triple(node, RDFS.range, target)
        yield from self._following(node, link)
        if link.outgoing:
            yield from _named(node, None, link)
        if not link.outgoing and link.iri is not None and may_name_property(link.iri):
            inverse = NamedNode(link.iri)
            yield Triple(inverse, RDF.type, OWL.ObjectProperty)
            yield Triple(inverse, OWL.inverseOf, node)
            yield Triple(inverse, RDFS.domain, owner)
            yield Triple(inverse, RDFS.range, NamedNode(self._iris.classes[link.target]))
            yield from statements(inverse, link.annotations)
        for iri, fields in self._iris.properties(self._iris.catalogue.relations[link.relation]).items():
            if iri not in self._told:
                self._told.add(iri)
                for field in fields.values():
                    yield from self._field(RDF.Statement, NamedNode(iri), field)

    def _following(self, node: NamedNode, link: LinkField) -> Iterator[Triple]:
        """What follows from links, as far as all that is named is there for the reader."""
        if link.axioms.symmetric:
            yield Triple(node, RDF.type, OWL.SymmetricProperty)
        if link.axioms.transitive:
            yield Triple(node, RDF.type, OWL.TransitiveProperty)
        others = self._iris.relations
        inverse = link.axioms.inverse
        if inverse is not None and inverse in others:
            yield Triple(node, OWL.inverseOf, NamedNode(others[inverse]))
        for broader in link.axioms.sub_property_of:
            if broader in others:
                yield Triple(node, RDFS.subPropertyOf, NamedNode(others[broader]))
        for chain in link.axioms.chains:
            premises = [Premise.parse(text) for text in chain]
            if all(premise.relation in others for premise in premises):
                yield from self._chain(node, premises)

    def _chain(self, node: NamedNode, premises: Sequence[Premise]) -> Iterator[Triple]:
        """A list of properties, of which OWL has those of two and more; one alone is a subproperty."""
        steps: list[NamedNode | BlankNode] = []
        for premise in premises:
            step: NamedNode | BlankNode = NamedNode(self._iris.relations[premise.relation])
            if premise.reversed:
                inverse = BlankNode(f"step{self._number()}")
                yield Triple(inverse, OWL.inverseOf, step)
                step = inverse
            steps.append(step)
        if len(steps) == 1:
            yield Triple(steps[0], RDFS.subPropertyOf, node)
            return
        places = [BlankNode(f"chain{self._number()}") for _ in steps]
        yield Triple(node, OWL.propertyChainAxiom, places[0])
        for number, (place, step) in enumerate(zip(places, steps, strict=True), start=1):
            yield Triple(place, RDF.first, step)
            yield Triple(place, RDF.rest, places[number] if number < len(places) else RDF.nil)

    def object(self, body: Mapping[str, Any]) -> Iterator[Triple]:
        named = {"type": body["type"], **{name: body[name] for name in ("key", "id") if name in body}}
        node = self._iris.object(named)
        for name in self._classes(self._iris.catalogue.types[body["type"]]):
            yield Triple(node, RDF.type, NamedNode(self._iris.classes[name]))
        yield Triple(node, LABEL, Literal(body["label"]))
        own = self._iris.own_iri(named) is not None
        data = body["data"] if own else {**body.get("key", {}), **body["data"]}
        yield from self._values(node, self._members(body["type"]), data)

    def _classes(self, object_type: ObjectType) -> Iterator[str]:
        """The type, and those that it stands for together."""
        yield object_type.name
        if is_joined(self._iris.classes[object_type.name]):
            yield from object_type.parents

    def _members(self, name: str) -> dict[str, tuple[NamedNode, Field]]:
        found = self._fields.get(name)
        if found is None:
            members = self._iris.members(self._iris.catalogue.types[name])
            found = self._fields[name] = _by_name(members)
        return found

    def _values(
        self, node: NamedNode | BlankNode, members: Mapping[str, tuple[NamedNode, Field]], data: Mapping[str, JSONValue]
    ) -> Iterator[Triple]:
        ordered: dict[str, JSONValue] = {}
        for name, value in data.items():
            predicate, field = members[name]
            if field.protection is not None:  # what stands in its place says nothing to anybody
                continue
            values = value if field.many and isinstance(value, list) else [value]
            for each in values:
                yield Triple(node, predicate, literal_of(field, each))
            if field.many and not _is_set(field.kind, values):
                ordered[name] = value
        if ordered:
            yield Triple(node, ORDER, Literal(orjson.dumps(ordered).decode(), datatype=RDF.JSON))

    def links(self, bodies: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> Iterator[Triple]:
        """All links of one relation between the same two objects.

        With their `ids` what is said of a link is the same whenever it is said.
        """
        first = bodies[0]
        source, target = (self._iris.object(first[side]) for side in ("from", "to"))
        plain = len(bodies) == 1 and not first.keys() - _SAID_BY_ENDS and first["label"] == _OPEN
        for number, body in enumerate(bodies):
            predicate = self._predicate(body)
            yield Triple(source, predicate, target)
            if not plain:
                node = BlankNode(f"link{ids[number] if ids else self._number()}")
                yield from self._statement(node, source, predicate, target, body)

    def _number(self) -> int:
        self._statements += 1
        return self._statements

    def _predicate(self, body: Mapping[str, Any]) -> NamedNode:
        """What the link itself says it means in RDF, or else its relation."""
        given = (body.get("semanticNamespace") or "") + (body.get("semanticPredicate") or "")
        if body.get("semanticPredicate") and may_name_property(given) and ":" in given:
            return NamedNode(given)
        return NamedNode(self._iris.relations[body["link"]])

    def _statement(
        self, node: BlankNode, source: NamedNode, predicate: NamedNode, target: NamedNode, body: Mapping[str, Any]
    ) -> Iterator[Triple]:
        yield Triple(node, RDF.type, RDF.Statement)
        yield Triple(node, RDF.subject, source)
        yield Triple(node, RDF.predicate, predicate)
        yield Triple(node, RDF.object, target)
        if body.get("inferred"):
            yield Triple(node, INFERRED, Literal(True))
        for name, said in LINK_VALUES.items():
            if body.get(name) is not None:
                kind = _LINK_KINDS.get(name, Kind.STRING)
                yield Triple(node, said, literal(kind, body[name]))
        declared = self._iris.catalogue.relations[body["link"]]
        members = _by_name(self._iris.properties(declared))
        yield from self._values(node, members, body.get("properties") or {})


def _by_name(members: Mapping[str, Fields]) -> dict[str, tuple[NamedNode, Field]]:
    return {f.name: (NamedNode(iri), f) for iri, fields in members.items() for f in fields.values()}


_LINK_KINDS = {"weight": Kind.FLOAT, "validFrom": Kind.DATETIME, "validTo": Kind.DATETIME}


def _named(node: NamedNode, name: str | None, said: ObjectType | Field | LinkField) -> Iterator[Triple]:
    """The annotations; name and description where these do not tell them already."""
    yield from statements(node, said.annotations)
    if name is not None and RDFS.label.value not in said.annotations:
        yield Triple(node, RDFS.label, Literal(name))
    if said.description and not is_said(said.description, said.annotations):
        yield Triple(node, RDFS.comment, Literal(said.description))


def _is_set(kind: Kind, values: Sequence[JSONValue]) -> bool:
    """Whether a reader of the values alone, which have no order and no repetitions, makes the same list of them."""
    texts = [lexical(kind, value) for value in values]
    return bool(texts) and all(a < b for a, b in pairwise(texts))
