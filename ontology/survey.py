"""All that is to be known of a graph before definitions are made: its ontology, and what of it cannot be read."""

from collections import Counter
from typing import Any

import orjson
from pyoxigraph import Literal, NamedNode

from fabric.errors import BadInput
from fabric.types.kinds import KindError
from ontology.classes import DESCRIPTIONS, read_classes
from ontology.datatypes import read_datatypes
from ontology.graph import Graph, order
from ontology.iris import Iris
from ontology.properties import PROPERTY_CLASSES, read_properties
from ontology.reading import Read
from ontology.shapes import read_shapes
from ontology.terms import Ontology
from ontology.unread import tell_of_axioms, tell_of_texts
from ontology.usage import read_usage
from ontology.values import text_of
from ontology.vocabulary import (
    BASE,
    DEFINITION,
    OWL,
    OWL_NS,
    RDF,
    RDF_NS,
    RDFS,
    RDFS_NS,
    SCHEMA_ORG,
    SHACL_NS,
)

_HANDLED = {
    RDF.type, RDFS.label, RDFS.subClassOf, RDFS.domain, RDFS.range, OWL.inverseOf, *DESCRIPTIONS,
    *(NamedNode(s + name) for s in SCHEMA_ORG for name in ("domainIncludes", "rangeIncludes", "inverseOf")),
}  # fmt: skip
"""Predicates of classes and properties whose meaning is taken over, or told of where they are read."""


def definitions(graph: Graph) -> list[tuple[str, dict[str, Any]]]:
    """The definitions that the graph holds as such, with the IRIs of their classes. BadInput for one that is none."""
    found: list[tuple[str, dict[str, Any]]] = []
    for quad in graph.quads(None, DEFINITION):
        try:
            document = orjson.loads(text_of(quad.object)) if isinstance(quad.object, Literal) else None
        except (orjson.JSONDecodeError, KindError):
            document = None
        if not isinstance(document, dict) or not isinstance(quad.subject, NamedNode):
            raise BadInput("a fabric:definition is a type definition in JSON, of a class with an IRI")
        found.append((quad.subject.value, document))
    return sorted(found, key=lambda each: (str(each[1].get("typeName")), each[0]))


def survey(read: Read, iris: Iris) -> Ontology:
    """The ontology of what was read, of which `iris` are already known: types with definitions of their own too.

    BadInput for one that is larger or deeper than it may be.
    """
    graph, ontology = read.graph, Ontology()
    defined = {q.subject.value for q in graph.quads(None, DEFINITION) if isinstance(q.subject, NamedNode)}
    defined.add(RDF.Statement.value)
    derived = read_datatypes(graph, ontology)
    read_classes(graph, ontology, derived.keys() | defined, iris.types.keys())
    read_properties(graph, ontology, derived, defined)
    read_shapes(graph, ontology, derived, defined)
    known = {*iris.fields.values(), *iris.links}
    read_usage(graph, ontology, iris.types.keys(), known)
    _tell_of_the_rest(read, ontology)
    return ontology


def _tell_of_the_rest(read: Read, ontology: Ontology) -> None:
    graph = read.graph
    for name in sorted(read.names):
        ontology.notice(name, "is a graph; its statements are read with all others, without its name")
    for quad in graph.quads(None, OWL.imports):
        ontology.notice(quad.object.value if isinstance(quad.object, NamedNode) else "owl:imports", _NOT_FETCHED)
    annotations: Counter[str] = Counter()
    declared = {n for kind in PROPERTY_CLASSES for n in graph.subjects(RDF.type, kind)}
    nodes = sorted({NamedNode(iri) for iri in ontology.classes} | declared, key=order)
    for node in nodes:
        is_individual = not ontology.classes.keys().isdisjoint(graph.iris(node, RDF.type))
        for predicate, values in graph.about(node).items():
            iri = predicate.value
            if predicate in _HANDLED or iri.startswith((BASE, SHACL_NS)):
                continue
            if predicate in (RDFS.subPropertyOf, OWL.propertyChainAxiom) and node in declared:
                continue  # the plan of definitions tells of it
            if iri.startswith((OWL_NS, RDFS_NS, RDF_NS)) and predicate != RDFS.isDefinedBy:
                for value in values:
                    ontology.notice(node.value, f"says {_short(iri)} {_shown(value)}; this is left out")
            elif not is_individual:
                annotations[iri] += len(values)
    of_schema = (n for n in nodes if isinstance(n, NamedNode) and _is_described(graph, ontology, n))
    tell_of_texts(graph, ontology, of_schema)
    tell_of_axioms(graph, ontology)
    for iri, number in sorted(annotations.items()):
        ontology.notice(iri, f"annotates classes and properties {number:,} times; this is left out")


def _is_described(graph: Graph, ontology: Ontology, node: NamedNode) -> bool:
    """Whether it becomes a type or members, and no object, whose texts are values."""
    known = node.value in ontology.classes or node.value in ontology.properties
    return known and ontology.classes.keys().isdisjoint(graph.iris(node, RDF.type))


_NOT_FETCHED = "is imported, which means nothing here: nothing is fetched; give it as another file"


def _short(iri: str) -> str:
    for prefix, namespace in (("owl", OWL_NS), ("rdfs", RDFS_NS), ("rdf", RDF_NS)):
        if iri.startswith(namespace):
            return f"{prefix}:{iri[len(namespace) :]}"
    return iri


def _shown(value: Any) -> str:
    return str(value.value)[:200] if isinstance(value, NamedNode | Literal) else "of something without a name"
