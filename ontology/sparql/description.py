"""What the SPARQL endpoint is and can, in the vocabulary of the W3C for it.

https://www.w3.org/TR/sparql11-service-description/
"""

from collections.abc import Iterator

from pyoxigraph import BlankNode, NamedNode, Triple

from ontology.vocabulary import RDF

_SD = "http://www.w3.org/ns/sparql-service-description#"
_FORMATS = "http://www.w3.org/ns/formats/"
RESULTS = (
    "SPARQL_Results_JSON", "SPARQL_Results_XML", "SPARQL_Results_CSV", "SPARQL_Results_TSV", "Turtle", "JSON-LD",
    "N-Triples", "RDF_XML",
)  # fmt: skip


def description(endpoint: str) -> Iterator[Triple]:
    """The same for every reader: it tells nothing of what there is. `endpoint` is the IRI that was asked."""
    service, dataset, graph = BlankNode("service"), BlankNode("dataset"), BlankNode("graph")
    yield Triple(service, RDF.type, _sd("Service"))
    yield Triple(service, _sd("endpoint"), NamedNode(endpoint))
    yield Triple(service, _sd("supportedLanguage"), _sd("SPARQL11Query"))
    for format in RESULTS:
        yield Triple(service, _sd("resultFormat"), NamedNode(_FORMATS + format))
    yield Triple(service, _sd("defaultDataset"), dataset)
    yield Triple(dataset, RDF.type, _sd("Dataset"))
    yield Triple(dataset, _sd("defaultGraph"), graph)
    yield Triple(graph, RDF.type, _sd("Graph"))


def _sd(name: str) -> NamedNode:
    return NamedNode(_SD + name)
