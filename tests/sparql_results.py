"""What a query found, in whatever form it came, so that two findings can be compared.

Solutions are the same where they are as many, each with an equal one, in their order where there is one; graphs where
they are isomorphic. In both, names of blank nodes mean nothing but within one finding. Numbers and truth are equal by
their value and type: the engine keeps no other spelling of them.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from pyoxigraph import (
    BlankNode,
    CanonicalizationAlgorithm,
    Dataset,
    Literal,
    NamedNode,
    Quad,
    QueryBoolean,
    QueryResultsFormat,
    RdfFormat,
    Store,
    Triple,
    parse,
    parse_query_results,
)
from sparql_suite import triples

RS = "http://www.w3.org/2001/sw/DataAccess/tests/result-set#"
XSD = "http://www.w3.org/2001/XMLSchema#"
TABLES = {
    "application/sparql-results+json": QueryResultsFormat.JSON,
    "application/sparql-results+xml": QueryResultsFormat.XML,
    "text/tab-separated-values": QueryResultsFormat.TSV,
}
SUFFIXES = {
    ".srj": "application/sparql-results+json",
    ".srx": "application/sparql-results+xml",
    ".tsv": "text/tab-separated-values",
    ".csv": "text/csv",
}
EXACT, APPROXIMATE = (XSD + "integer", XSD + "decimal"), (XSD + "double", XSD + "float")

Cell: TypeAlias = tuple[str, ...]
Row: TypeAlias = frozenset[tuple[str, Cell]]
BLANK = "blank"


@dataclass(frozen=True)
class Table:
    names: frozenset[str]
    rows: Sequence[Row]


Finding: TypeAlias = bool | Table | Dataset


def accepted(result: Path) -> str:
    """The media types to ask for, so that the answer can be compared with a file of this kind."""
    return SUFFIXES.get(result.suffix, "application/sparql-results+json") + ", text/turtle"


def received(content: bytes, media_type: str) -> Finding:
    kind = media_type.partition(";")[0]
    if kind == "text/csv":
        return _comma_separated(content)
    return (
        _parsed(content, TABLES[kind])
        if kind in TABLES
        else _dataset([quad.triple for quad in parse(content, RdfFormat.TURTLE)])
    )


def expected(result: Path) -> Finding:
    if result.suffix in SUFFIXES:
        return received(result.read_bytes(), SUFFIXES[result.suffix])
    told = triples(result)
    if any(triple.object == NamedNode(RS + "ResultSet") for triple in told):
        return _told(told)
    return _dataset(told)


def same(found: Finding, wanted: Finding, ordered: bool, lax: bool) -> bool:
    """`lax` is for REDUCED: of equal rows at least one is to be found, and no more than are wanted."""
    if not isinstance(found, Table) or not isinstance(wanted, Table):
        return type(found) is type(wanted) and found == wanted
    if lax:
        return set(found.rows) == set(wanted.rows) and Counter(found.rows) <= Counter(wanted.rows)
    if found.names != wanted.names or len(found.rows) != len(wanted.rows):
        return False
    return _match(list(found.rows), list(wanted.rows), {}, ordered)


def _match(found: list[Row], wanted: list[Row], renamed: dict[str, str], ordered: bool) -> bool:
    """Whether each row found is one of those wanted, by one renaming of blank nodes, which goes on from `renamed`."""
    if not found:
        return True
    tried = set[Row]()
    for place, candidate in enumerate(wanted[:1] if ordered else wanted):
        further = None if candidate in tried else _renaming(found[0], candidate, renamed)
        tried.add(candidate)
        if further is not None and _match(found[1:], wanted[:place] + wanted[place + 1 :], further, ordered):
            return True
    return False


def _renaming(found: Row, wanted: Row, renamed: dict[str, str]) -> dict[str, str] | None:
    ours, theirs, further = dict(found), dict(wanted), dict(renamed)
    if ours.keys() != theirs.keys():
        return None
    for name, cell in ours.items():
        other = theirs[name]
        if cell[0] == other[0] == BLANK:
            if further.setdefault(cell[1], other[1]) != other[1]:
                return None
        elif cell != other:
            return None
    return further if len(set(further.values())) == len(further) else None


def _parsed(content: bytes, format: QueryResultsFormat) -> Finding:
    found = parse_query_results(content, format)
    if isinstance(found, QueryBoolean):
        return bool(found)
    names = [variable.value for variable in found.variables]
    rows = [
        frozenset((name, _cell(term)) for name in names if (term := solution[name]) is not None)
        for solution in found
    ]
    return Table(frozenset(names), rows)


def _comma_separated(content: bytes) -> Table:
    """What CSV tells: words, where one that begins with _: is a blank node."""
    names, *lines = csv.reader(io.StringIO(content.decode(), newline=""))
    rows = [
        frozenset(
            (name, (BLANK, text) if text.startswith("_:") else ("text", text))
            for name, text in zip(names, line, strict=True)
            if text
        )
        for line in lines
    ]
    return Table(frozenset(names), rows)


def _told(told: list[Triple]) -> Finding:
    """A result as the vocabulary of the older tests describes it."""
    store = Store()
    store.extend(Quad(*triple) for triple in told)

    def objects(of: object, name: str) -> list[NamedNode | BlankNode | Literal]:
        return [q.object for q in store.quads_for_pattern(of, NamedNode(RS + name), None)]  # type: ignore[arg-type, misc]

    truth = objects(None, "boolean")
    if truth:
        return truth[0].value == "true"
    numbered = []
    for solution in objects(None, "solution"):
        bound = [(objects(b, "variable")[0].value, objects(b, "value")[0]) for b in objects(solution, "binding")]
        index = objects(solution, "index")
        numbered.append((int(index[0].value) if index else 0, frozenset((name, _cell(term)) for name, term in bound)))
    numbered.sort(key=lambda each: each[0])
    names = frozenset(variable.value for variable in objects(None, "resultVariable"))
    return Table(names, [row for _, row in numbered])


def _cell(term: NamedNode | BlankNode | Literal | Triple) -> Cell:
    if isinstance(term, BlankNode):
        return BLANK, term.value
    if not isinstance(term, Literal):
        return "iri", str(term)
    return "literal", _value(term), term.datatype.value, (term.language or "").lower()


def _value(literal: Literal) -> str:
    try:
        if literal.datatype.value == XSD + "boolean":
            return {"1": "true", "0": "false"}.get(literal.value, literal.value)
        if literal.datatype.value in EXACT:
            return str(Decimal(literal.value).normalize())
        if literal.datatype.value in APPROXIMATE:
            return repr(float(literal.value))
    except (ArithmeticError, ValueError):
        pass
    return literal.value


def _dataset(found: list[Triple]) -> Dataset:
    def plain(triple: Triple) -> Quad:
        term = triple.object
        if isinstance(term, Literal) and term.language is None:
            term = Literal(_value(term), datatype=term.datatype)
        return Quad(triple.subject, triple.predicate, term)

    dataset = Dataset(plain(triple) for triple in found)
    dataset.canonicalize(CanonicalizationAlgorithm.UNSTABLE)
    return dataset
