"""The ontologies that a graph names by `owl:imports`, and does not hold."""

from pyoxigraph import NamedNode

from ontology.input.graph import Graph
from ontology.vocabulary import OWL


def missing_imports(graph: Graph) -> set[str]:
    """Those of which the graph holds no such ontology, nor such a version of one."""
    named = {quad.object for quad in graph.quads(None, OWL.imports) if isinstance(quad.object, NamedNode)}
    return {iri.value for iri in named if not graph.is_a(iri, OWL.Ontology) and not _is_version(graph, iri)}


def _is_version(graph: Graph, iri: NamedNode) -> bool:
    return any(graph.subjects(OWL.versionIRI, iri))
