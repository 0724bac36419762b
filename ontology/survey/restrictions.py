"""Restrictions of OWL on the values that a property has of one class.

What OWL only says to be there, somewhere, is asked of no object: data need not tell all that is. So of restrictions to
some value, and to a certain one, only what they exclude is taken over, where a property has one value at most.
"""

from collections.abc import Iterable

from pyoxigraph import BlankNode, Literal, NamedNode

from ontology.input.graph import Graph, Node, Term
from ontology.survey.classes import members
from ontology.survey.datatypes import Datatypes, Derived, restricted
from ontology.survey.facets import Facet, listed
from ontology.survey.terms import Ontology, PropertyTerm
from ontology.survey.xsd import facets_of
from ontology.vocabulary import KINDS, OWL, OWL_NS, RDF, RDFS, kind_of

_COUNTS = (
    OWL.maxCardinality, OWL.cardinality, OWL.maxQualifiedCardinality, OWL.qualifiedCardinality,
)  # fmt: skip
_QUALIFIED = (OWL.maxQualifiedCardinality, OWL.qualifiedCardinality)
_PARTS = (RDF.type, OWL.onProperty, OWL.onClass, OWL.onDataRange)
_OF_ONE = (OWL.someValuesFrom, OWL.hasValue)


def read_restrictions(graph: Graph, ontology: Ontology, datatypes: Datatypes) -> None:
    """Adds what superclasses that are restrictions say of properties; what is left out is told of."""
    found: list[tuple[str, Node]] = []
    for quad in graph.quads(None, RDFS.subClassOf):
        node = quad.object
        if isinstance(node, BlankNode) and isinstance(quad.subject, NamedNode) and graph.is_a(node, OWL.Restriction):
            found.append((quad.subject.value, node))
    reader = _Reader(graph, ontology, datatypes)
    for wanted in (_COUNTS, None):  # how many values there are is known before anything else is read
        for iri, node in found:
            reader.read(iri, node, wanted)


class _Reader:
    def __init__(self, graph: Graph, ontology: Ontology, datatypes: Datatypes) -> None:
        self._graph, self._ontology, self._datatypes = graph, ontology, datatypes

    def read(self, iri: str, node: Node, wanted: Iterable[NamedNode] | None) -> None:
        """The `wanted` predicates, or all but counts."""
        on = next(iter(self._graph.iris(node, OWL.onProperty)), "an anonymous property")
        term = self._ontology.properties.get(on)
        for predicate, values in self._graph.about(node).items():
            if predicate in _PARTS or (predicate in _COUNTS) is (wanted is None):
                continue
            if term is None or not self._takes(term, iri, node, predicate, values):
                name = predicate.value.removeprefix(OWL_NS)
                self._ontology.notice(iri, f"restricts {on} by {name}; this is left out")

    def _takes(self, term: PropertyTerm, iri: str, node: Node, predicate: NamedNode, values: list[Term]) -> bool:
        if predicate in _COUNTS:
            return self._count(term, iri, node, predicate, values)
        if predicate in _OF_ONE and not (term.functional or iri in term.single_in):
            return False
        if predicate == OWL.hasValue:
            literals = bool(term.datatypes) and all(isinstance(value, Literal) for value in values)
            return literals and _list(term, iri, listed(values))
        filled = predicate in (OWL.allValuesFrom, OWL.someValuesFrom)
        return filled and all(self._fill(term, iri, value) for value in values)

    def _count(self, term: PropertyTerm, iri: str, node: Node, predicate: NamedNode, values: list[Term]) -> bool:
        qualified = predicate in _QUALIFIED
        if qualified and not set(self._graph.iris(node, OWL.onClass)) >= term.classes:
            return False
        numbers = [int(v.value) for v in values if isinstance(v, Literal) and v.value.isdecimal() and len(v.value) < 9]
        if 1 in numbers:
            term.single_in.add(iri)
        elif numbers and min(numbers) > 1 and not (qualified and term.datatypes):
            facet = Facet(f"owl:{predicate.value.removeprefix(OWL_NS)}", "maxItems", str(min(numbers)))
            term.facets_in.setdefault(iri, []).append(facet)
        else:
            return False
        return True

    def _fill(self, term: PropertyTerm, iri: str, filler: Term) -> bool:
        """All values are of the class, or of the datatype."""
        if isinstance(filler, Literal):
            return False
        datatype = self._datatype(filler, iri)
        if datatype is not None:
            kind = kind_of(frozenset(term.datatypes)) if term.datatypes else None
            if kind is not kind_of(frozenset([datatype.base])):
                return False
            asked = (*datatype.facets, *facets_of(datatype.base))
            if asked:
                term.facets_in.setdefault(iri, []).extend(asked)
            return not datatype.values or _list(term, iri, datatype.values)
        classes = set(members(self._graph, [filler])) & self._ontology.classes.keys()
        if not classes or not term.classes:
            return False
        term.classes_in[iri] = classes
        return True

    def _datatype(self, filler: Node, iri: str) -> Derived | None:
        if isinstance(filler, BlankNode):
            return restricted(self._graph, self._ontology, filler, iri, self._datatypes)
        known = self._datatypes.get(filler.value)
        return known or (Derived(filler.value) if filler.value in KINDS else None)


def _list(term: PropertyTerm, iri: str, values: tuple[str, ...]) -> bool:
    known = term.values_in.get(iri, values)
    term.values_in[iri] = tuple(value for value in values if value in known) or values
    return bool(values)
