"""Statements about statements (`rdf:Statement`): what is said of links themselves."""

from pyoxigraph import NamedNode

from ontology.graph import Graph, Node, Term
from ontology.vocabulary import RDF

Stated = tuple[Node, NamedNode, Term]


class Described:
    """Which triples of a graph have a statement about them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._any = next(graph.subjects(RDF.type, RDF.Statement), None) is not None

    def __contains__(self, triple: Stated) -> bool:
        if not self._any:
            return False
        subject, predicate, object = triple
        return any(
            self._graph.value(statement, RDF.predicate) == predicate
            and self._graph.value(statement, RDF.object) == object
            for statement in self._graph.subjects(RDF.subject, subject)
        )
