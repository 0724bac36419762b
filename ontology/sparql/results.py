"""Solutions as the four formats of the W3C write them, never more of them than are allowed.

https://www.w3.org/TR/sparql11-results-json/, https://www.w3.org/TR/rdf-sparql-XMLres/ and
https://www.w3.org/TR/sparql11-results-csv-tsv/
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias
from xml.sax.saxutils import escape, quoteattr

import orjson
from pyoxigraph import BlankNode, Literal, NamedNode, QuerySolutions, Triple

from ontology.vocabulary import XSD

Term: TypeAlias = NamedNode | BlankNode | Literal | Triple

MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/sparql-results+json",
    "xml": "application/sparql-results+xml",
    "csv": "text/csv; charset=utf-8; header=present",
    "tsv": "text/tab-separated-values; charset=utf-8",
}

_STRING = XSD.string
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<sparql xmlns="http://www.w3.org/2005/sparql-results#">'


class Unwritable(Exception):
    """An answer that its format has no words for."""


Row: TypeAlias = Sequence[Term | None]


class Form(Protocol):
    """How solutions are written: what comes before them, each of them, and what comes after."""

    def head(self, names: Sequence[str]) -> bytes: ...
    def row(self, names: Sequence[str], row: Row) -> bytes: ...
    def tail(self) -> bytes: ...


class _Json:
    def __init__(self) -> None:
        self._separator = b""

    def head(self, names: Sequence[str]) -> bytes:
        return b'{"head":{"vars":' + orjson.dumps(list(names)) + b'},"results":{"bindings":['

    def row(self, names: Sequence[str], row: Row) -> bytes:
        separator, self._separator = self._separator, b",\n"
        bound = {name: _described(term) for name, term in zip(names, row, strict=True) if term is not None}
        return separator + orjson.dumps(bound)

    def tail(self) -> bytes:
        return b"]}}"


class _Xml:
    def head(self, names: Sequence[str]) -> bytes:
        variables = "".join(f"<variable name={quoteattr(name)}/>" for name in names)
        return f"{_XML_HEAD}<head>{variables}</head><results>".encode()

    def row(self, names: Sequence[str], row: Row) -> bytes:
        bound = (
            f"<binding name={quoteattr(name)}>{_element(term)}</binding>"
            for name, term in zip(names, row, strict=True)
            if term is not None
        )
        return f"<result>{''.join(bound)}</result>".encode()

    def tail(self) -> bytes:
        return b"</results></sparql>"


class _Csv:
    def head(self, names: Sequence[str]) -> bytes:
        return self._line(names)

    def row(self, names: Sequence[str], row: Row) -> bytes:
        return self._line([_plain(term) for term in row])

    def tail(self) -> bytes:
        return b""

    def _line(self, values: Sequence[str]) -> bytes:
        if not values:
            return b"\r\n"
        text = io.StringIO()
        csv.writer(text, lineterminator="\r\n").writerow(values)
        return text.getvalue().encode()


class _Tsv:
    def head(self, names: Sequence[str]) -> bytes:
        return "\t".join(f"?{name}" for name in names).encode() + b"\n"

    def row(self, names: Sequence[str], row: Row) -> bytes:
        return "\t".join("" if term is None else _turtle(term) for term in row).encode() + b"\n"

    def tail(self) -> bytes:
        return b""


FORMS: Mapping[str, type[Form]] = {"json": _Json, "xml": _Xml, "csv": _Csv, "tsv": _Tsv}


def solutions(found: QuerySolutions, format: str) -> Iterator[bytes]:
    """The head, each solution, the tail. Unwritable for what the format cannot have."""
    form = FORMS[format]()
    variables = list(found.variables)
    names = [variable.value for variable in variables]
    yield form.head(names)
    rows: Iterable[Any] = found
    for solution in rows:
        yield form.row(names, [solution[variable] for variable in variables])
    yield form.tail()


def truth(value: bool, format: str) -> bytes:
    """The answer to an ASK. CSV and TSV have no form for it but the word."""
    word = b"true" if value else b"false"
    if format == "json":
        return b'{"head":{},"boolean":' + word + b"}"
    if format == "xml":
        return _XML_HEAD.encode() + b"<head/><boolean>" + word + b"</boolean></sparql>"
    return word


def _described(term: Term) -> dict[str, str]:
    match term:
        case NamedNode():
            return {"type": "uri", "value": term.value}
        case BlankNode():
            return {"type": "bnode", "value": term.value}
        case Literal():
            return {"type": "literal", "value": term.value} | _kind(term, "xml:lang")
    raise Unwritable


def _kind(literal: Literal, language: str) -> dict[str, str]:
    if literal.language is not None:
        return {language: literal.language}
    return {} if literal.datatype == _STRING else {"datatype": literal.datatype.value}


def _element(term: Term) -> str:
    match term:
        case NamedNode():
            return f"<uri>{escape(term.value)}</uri>"
        case BlankNode():
            return f"<bnode>{escape(term.value)}</bnode>"
        case Literal():
            if _NOT_XML.search(term.value):
                raise Unwritable
            attributes = "".join(f" {name}={quoteattr(value)}" for name, value in _kind(term, "xml:lang").items())
            return f"<literal{attributes}>{escape(term.value, {chr(13): '&#xD;'})}</literal>"
    raise Unwritable


def _plain(term: Term | None) -> str:
    match term:
        case None:
            return ""
        case NamedNode() | Literal():
            return term.value
        case BlankNode():
            return f"_:{term.value}"
    raise Unwritable


_BARE = {
    XSD.integer: re.compile(r"[+-]?[0-9]+\Z"),
    XSD.decimal: re.compile(r"[+-]?[0-9]*\.[0-9]+\Z"),
    XSD.double: re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.?[0-9]+)[eE][+-]?[0-9]+\Z"),
}
"""Numbers that Turtle writes without quotes."""


def _turtle(term: Term) -> str:
    if isinstance(term, Triple):
        raise Unwritable
    if isinstance(term, Literal) and term.datatype in _BARE and _BARE[term.datatype].match(term.value):
        return term.value
    return str(term).replace("\t", "\\t")
