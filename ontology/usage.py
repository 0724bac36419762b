"""Properties that data has and no ontology declares: they are read off the values."""

from collections.abc import Iterator, Set
from itertools import groupby

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from ontology.graph import Graph, Node
from ontology.properties import MAX_PROPERTIES, add_range
from ontology.terms import Ontology, PropertyTerm, is_built_in
from ontology.vocabulary import RDF, RDF_NS


def read_usage(graph: Graph, ontology: Ontology, known_classes: Set[str], known_properties: Set[str]) -> None:
    """Adds the properties that individuals have and neither the ontology nor the organization declares."""
    found: dict[str, PropertyTerm] = {}
    types = ontology.classes.keys() | known_classes
    for subject, predicates in _individuals(graph):
        classes = {iri for iri in graph.iris(subject, RDF.type) if iri in types}
        for predicate, object in predicates if classes else ():
            iri = predicate.value
            if is_built_in(iri) or iri in ontology.properties or iri in known_properties:
                continue
            term = found.setdefault(iri, PropertyTerm(iri))
            term.domains |= classes
            add_range(graph, term, object)
            if len(found) > MAX_PROPERTIES:
                raise BadInput(f"more than {MAX_PROPERTIES:,} properties")
    for iri, term in sorted(found.items()):
        ontology.properties[iri] = term
        ontology.notice(iri, "is used as a property, and declared nowhere")


def _individuals(graph: Graph) -> Iterator[tuple[Node, list[tuple[NamedNode, NamedNode | BlankNode | Literal]]]]:
    for subject, quads in groupby(graph.quads(), key=lambda quad: quad.subject):
        if isinstance(subject, NamedNode | BlankNode):
            yield (
                subject,
                [
                    (q.predicate, q.object)
                    for q in quads
                    if isinstance(q.object, NamedNode | BlankNode | Literal)
                    and not q.predicate.value.startswith(RDF_NS)
                ],
            )
