"""The process that holds a graph against shapes and ends.

Run with the number of the server's process, whose end is its own too, and how much memory and time it may take. What it
reads: a line with the length of the shapes, the shapes in Turtle, and the data as N-Triples. What it writes is
one JSON object: a `report`, or a `fault` in words for who gave the shapes. Nothing is fetched: after the libraries are
there it can open no file and no connection, and the shapes may say nothing that is a program.
"""

import re
import signal
import sys
from typing import IO, Any

import orjson
import pyoxigraph
from pyoxigraph import RdfFormat, parse
from pyshacl import validate
from pyshacl.errors import ReportableRuntimeError, ValidationFailure
from rdflib import RDF, SH, BNode, Graph, Literal, URIRef
from rdflib.term import Node

from ontology.process_limits import confine, end_with, start_below_others
from ontology.vocabulary import SHACL_NS, XSD

NICENESS = 10
MOST_TOLD = 200
"""Constraints that a report names."""
MOST_EXAMPLES = 10
"""Nodes that it names of each."""
MOST_WORDS = 300

_PROGRAMS = frozenset(
    "sparql select ask construct update rule target expression values condition entailment prefixes declare"
    " js jsFunctionName jsLibrary validator nodeValidator propertyValidator".split()
)
"""Words of SHACL that only its extensions know: what they say would be run, or inferred."""
_STRING = XSD.string
_IMPORTS = URIRef("http://www.w3.org/2002/07/owl#imports")
_WARM = b"""
@prefix sh: <http://www.w3.org/ns/shacl#> . <urn:s> a sh:NodeShape ; sh:targetNode <urn:n> ; sh:nodeKind sh:Literal ."""


class Refused(Exception):
    """Why the shapes are not checked, for who gave them."""


def main(server: int, memory: int, seconds: int) -> None:
    end_with(server)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _check(_graph(b"", "nt"), _graph(_WARM, "turtle"))  # what is imported late is imported now
    start_below_others(NICENESS)
    confine(memory, seconds)
    try:
        answer: dict[str, Any] = {"report": _report(source)}
    except Refused as refused:
        answer = {"fault": str(refused)}
    sink.write(orjson.dumps(answer))
    sink.flush()


def _report(source: IO[bytes]) -> dict[str, Any]:
    shapes = _shapes(source.read(int(source.readline())))
    data = Graph()
    # rdflib's own parser takes time by the square of a line's length.
    for quad in parse(source, RdfFormat.N_TRIPLES):
        data.add((_term(quad.subject), URIRef(quad.predicate.value), _term(quad.object)))
    return _counted(_check(data, shapes))


def _term(term: object) -> Node:
    match term:
        case pyoxigraph.Literal():
            datatype = None if term.language or term.datatype == _STRING else URIRef(term.datatype.value)
            return Literal(term.value, lang=term.language, datatype=datatype)
        case pyoxigraph.BlankNode():
            return BNode(term.value)
        case pyoxigraph.NamedNode():
            return URIRef(term.value)
    raise TypeError(term)


def _shapes(text: bytes) -> Graph:
    try:
        shapes = _graph(text, "turtle")
    except Exception as error:  # rdflib's parser raises whatever happens to it
        raise Refused(f"the shapes are not Turtle: {_short(error)}") from None
    if (None, _IMPORTS, None) in shapes:
        raise Refused("the shapes have owl:imports: nothing is fetched; give one file that has all of them")
    said = {p.removeprefix(SHACL_NS) for p in shapes.predicates() if isinstance(p, URIRef)}
    if programs := sorted(said & _PROGRAMS):
        raise Refused(f"the shapes have sh:{programs[0]}: only the core of SHACL is checked")
    return shapes


def _graph(text: bytes, format: str) -> Graph:
    graph = Graph()
    graph.parse(data=text, format=format)
    return graph


def _check(data: Graph, shapes: Graph) -> Graph:
    try:
        _, report, words = validate(
            data, shacl_graph=shapes, inference="none", advanced=False, js=False, do_owl_imports=False,
            meta_shacl=False, inplace=True,
        )  # fmt: skip
    except ReportableRuntimeError as error:
        raise Refused(f"the shapes cannot be checked: {_short(error.message)}") from None
    except MemoryError:
        raise
    except re.error as error:
        raise Refused(f"the shapes cannot be checked: a pattern that Python does not know: {_short(error)}") from None
    except Exception as error:  # whose words may hold a value
        raise Refused(f"the shapes cannot be checked: {type(error).__name__}") from None
    if isinstance(report, ValidationFailure) or not isinstance(report, Graph):
        raise Refused(f"the shapes cannot be checked: {_short(words)}")
    return report


def _counted(report: Graph) -> dict[str, Any]:
    """By shape, path, constraint and severity. Values, and messages that may hold them, are not told."""
    found: dict[tuple[str | None, ...], list[str | None]] = {}
    for result in report.subjects(RDF.type, SH.ValidationResult):
        what = tuple(_name(report.value(result, p)) for p in _WHAT.values())
        found.setdefault(what, []).append(_name(report.value(result, SH.focusNode)))
    told = [
        {
            **dict(zip(_WHAT, what, strict=True)),
            "results": len(nodes),
            "examples": sorted(set(filter(None, nodes)))[:MOST_EXAMPLES],
        }
        for what, nodes in sorted(found.items(), key=lambda each: [name or "" for name in each[0]])
    ]
    total = sum(len(nodes) for nodes in found.values())
    return {"results": total, "shapes": told[:MOST_TOLD], "more": max(0, len(told) - MOST_TOLD)}


_WHAT = {
    "shape": SH.sourceShape,
    "path": SH.resultPath,
    "constraint": SH.sourceConstraintComponent,
    "severity": SH.resultSeverity,
}


def _name(term: Node | None) -> str | None:
    """Of an IRI; what else a node is may be a value."""
    return str(term) if isinstance(term, URIRef) else None


def _short(words: object) -> str:
    return " ".join(str(words).split())[:MOST_WORDS]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is meant for who started this
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
