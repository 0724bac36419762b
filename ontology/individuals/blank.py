"""IRIs for nodes without one, made of what is said of them: read again, the same nodes get the same IRIs.

Two nodes of which the same is said are one: nothing tells them apart.
"""

import hashlib
from functools import lru_cache

from pyoxigraph import BlankNode, Literal, NamedNode

from ontology.input.graph import Graph, Term
from ontology.iris import GENIDS

MAX_DEPTH = 16
"""Of nodes without IRIs that are part of one another; what is deeper does not tell nodes apart."""
_KEPT = 100_000


class Genids:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.iri = lru_cache(maxsize=_KEPT)(self._iri)
        # Without it, nodes that share their parts would be looked at as often as there are ways to them.
        self._digest = lru_cache(maxsize=_KEPT * MAX_DEPTH)(self._digested)

    def _iri(self, node: BlankNode) -> str:
        incoming = sorted(
            f"{quad.subject.value} {quad.predicate.value}"
            for quad in self._graph.quads(None, None, node)
            if isinstance(quad.subject, NamedNode)
        )
        said = "\n".join([*incoming, self._digest(node, MAX_DEPTH)])
        return GENIDS + hashlib.sha256(said.encode()).hexdigest()[:32]

    def _digested(self, node: BlankNode, depth: int) -> str:
        lines = sorted(
            f"{predicate.value} {self._shown(term, depth)}"
            for predicate, terms in self._graph.about(node).items()
            for term in terms
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _shown(self, term: Term, depth: int) -> str:
        if isinstance(term, BlankNode):
            return self._digest(term, depth - 1) if depth > 1 else "deeper"
        if isinstance(term, Literal):
            return f"{term.value!r} {term.language or ''} {term.datatype.value}"
        return term.value
