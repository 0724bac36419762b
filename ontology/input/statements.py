"""Statements about statements (`rdf:Statement`): what is said of links themselves."""

from functools import lru_cache

from pyoxigraph import NamedNode

from ontology.input.graph import Graph, Node, Term
from ontology.vocabulary import RDF

_KEPT = 64

Stated = tuple[Node, NamedNode, Term]


class Described:
    """Which triples of a graph have a statement about them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._any = next(graph.subjects(RDF.type, RDF.Statement), None) is not None
        # Triples come subject by subject; without this, one with many statements would be looked through for each.
        self._of = lru_cache(maxsize=_KEPT)(self._about)

    def __bool__(self) -> bool:
        return self._any

    def __contains__(self, triple: Stated) -> bool:
        subject, predicate, object = triple
        return self._any and (predicate, object) in self._of(subject)

    def _about(self, subject: Node) -> frozenset[tuple[Term | None, Term | None]]:
        return frozenset(
            (self._graph.value(statement, RDF.predicate), self._graph.value(statement, RDF.object))
            for statement in self._graph.subjects(RDF.subject, subject)
        )
