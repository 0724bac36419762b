"""Triples in the formats of RDF, a block after the other: what goes around them is written once."""

import re
from collections.abc import Iterable, Mapping
from typing import cast

from pyoxigraph import Literal, Quad, RdfFormat, Triple, serialize

from ontology.values import escaped
from ontology.vocabulary import PREFIXES

FORMATS: Mapping[str, RdfFormat] = {
    "turtle": RdfFormat.TURTLE,
    "nquads": RdfFormat.N_QUADS,
    "ntriples": RdfFormat.N_TRIPLES,
    "rdfxml": RdfFormat.RDF_XML,
    "jsonld": RdfFormat.JSON_LD,
}

_TURTLE_PREFIXES = re.compile(rb"(?:@prefix .*\n)+")
"""In whatever order the library writes them."""

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Writer:
    """Made for one document: `head`, blocks, `tail`."""

    def __init__(self, format: str) -> None:
        self._format = FORMATS[format]
        self._separator = b""
        around = self._serialized(())
        if self._format == RdfFormat.RDF_XML:
            self._head, self._tail = around.removesuffix(b"</rdf:RDF>"), b"</rdf:RDF>"
        elif self._format == RdfFormat.JSON_LD:
            self._head, self._tail = b"[", b"]"
        else:
            self._head, self._tail = _turtle_prefixes() if self._format == RdfFormat.TURTLE else b"", b""
        self.media_type = self._format.media_type
        self.extension = self._format.file_extension

    def head(self) -> bytes:
        return self._head

    def block(self, triples: Iterable[Triple | Quad]) -> bytes:
        """Quads only in formats that name graphs."""
        text = self._serialized(triples)
        if self._format == RdfFormat.JSON_LD:
            inner = text.removeprefix(b"[").removesuffix(b"]")
            separator, self._separator = (self._separator, b",\n") if inner else (b"", self._separator)
            return separator + inner
        if self._format == RdfFormat.TURTLE:
            prefixes = _TURTLE_PREFIXES.match(text)
            return text[prefixes.end() :] if prefixes else text
        return text.removeprefix(self._head).removesuffix(self._tail)

    def tail(self) -> bytes:
        return self._tail + (b"\n" if self._tail else b"")

    def _serialized(self, triples: Iterable[Triple | Quad]) -> bytes:
        if self._format == RdfFormat.RDF_XML:
            triples = map(_for_xml, triples)
        mixed = cast("Iterable[Quad]", triples)  # a triple is written as one of the default graph
        return serialize(mixed, format=self._format, prefixes=dict(PREFIXES)) or b""


def _turtle_prefixes() -> bytes:
    return "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in sorted(PREFIXES.items())).encode()


def _for_xml(triple: Triple | Quad) -> Triple | Quad:
    """Characters that XML cannot have in any way are escaped, and the literal says so."""
    value = triple.object
    if isinstance(value, Literal) and _NOT_XML.search(value.value):
        return Triple(triple.subject, triple.predicate, escaped(value))
    return triple
