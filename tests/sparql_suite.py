"""The tests of the W3C for SPARQL 1.0 and 1.1: what each asks and expects. https://github.com/w3c/rdf-tests has them.

Left out is what the endpoint does not have, by feature: updates and the protocols of graph stores; regimes of
entailment; graphs with names, be they data of the test or named by `FROM`; `SERVICE`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import rdflib
from pyoxigraph import RdfFormat, Triple, parse
from rdflib.collection import Collection
from rdflib.namespace import RDF, Namespace

from ontology.sparql.lexing import words

SUITE = Path(os.environ.get("SPARQL_TESTS", "/nowhere"))
"""The folder `sparql` of the repository."""

MF = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-manifest#")
QT = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-query#")
DAWGT = Namespace("http://www.w3.org/2001/sw/DataAccess/tests/test-dawg#")
EVALUATION = (MF.QueryEvaluationTest, MF.CSVResultFormatTest)
POSITIVE, NEGATIVE = (MF.PositiveSyntaxTest, MF.PositiveSyntaxTest11), (MF.NegativeSyntaxTest, MF.NegativeSyntaxTest11)
NO_LONGER = (DAWGT.Withdrawn, DAWGT.Obsoleted, DAWGT.Rejected)


@dataclass(frozen=True)
class Case:
    """One test. `result` is None for a test of syntax, whose query is SPARQL where `well_formed`."""

    name: str
    query: Path
    data: tuple[Path, ...] = ()
    result: Path | None = None
    well_formed: bool = True

    @property
    def text(self) -> str:
        """With the place of the query for its base, which the endpoint cannot know."""
        text = self.query.read_text()
        return f"BASE <{self.query.as_uri()}>\n{text}"


def cases() -> Iterator[Case]:
    """None where the suite is not here."""
    for manifest in sorted(SUITE.resolve().glob("sparql1[01]/*/manifest.ttl")):
        graph = rdflib.Graph().parse(manifest, format="turtle", publicID=manifest.as_uri())
        folder = manifest.parent.relative_to(SUITE.resolve())
        for listed in graph.objects(None, MF.entries):
            for test in Collection(graph, listed):
                case = _case(graph, test, f"{folder}/{str(test).rpartition('#')[2]}")
                if case is not None:
                    yield case


def _case(graph: rdflib.Graph, test: rdflib.term.Node, name: str) -> Case | None:
    """None for what is left out."""
    kind, action = graph.value(test, RDF.type), graph.value(test, MF.action)
    if "entailment/" in name or graph.value(test, DAWGT.approval) in NO_LONGER or action is None:
        return None
    if kind in (*POSITIVE, *NEGATIVE):
        case = Case(name, _path(action), well_formed=kind in POSITIVE)
        return None if case.well_formed and _beyond(case) else case
    result = graph.value(test, MF.result)
    if kind not in EVALUATION or result is None or (action, QT.graphData, None) in graph:
        return None
    query = graph.value(action, QT.query)
    data = tuple(_path(each) for each in graph.objects(action, QT.data))
    assert query is not None
    case = Case(name, _path(query), data, _path(result))
    return None if _beyond(case) else case


def _beyond(case: Case) -> bool:
    return not {"FROM", "SERVICE"}.isdisjoint(words(case.text))


def _path(iri: rdflib.term.Node) -> Path:
    return Path(str(iri).removeprefix("file://"))


def triples(path: Path) -> list[Triple]:
    format = RdfFormat.RDF_XML if path.suffix == ".rdf" else RdfFormat.TURTLE
    return [quad.triple for quad in parse(path.read_bytes(), format, base_iri=path.as_uri())]
