"""Values of fields as literals, and back."""

import json
import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import TypeAlias

import orjson
from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from fabric.transfer.jsonl import DEPTH
from fabric.types.definitions import Field
from fabric.types.kinds import JSONValue, Kind, KindError, canonical
from ontology.input.graph import Term
from ontology.input.guards import check_json
from ontology.local_times import in_zone
from ontology.vocabulary import DATATYPES, ESCAPED, KINDS, RDF

Fields: TypeAlias = Mapping[str | None, Field]
"""Those of one property, by the language that their values are in; None for those in no language."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
TAGGED = (RDF.langString.value, RDF.dirLangString.value)
"""Datatypes of literals with a language: no parser takes one of them without."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def datatype_of(field: Field) -> NamedNode:
    """What the field's values are written as: the datatype that it came with, if that has the values of its kind."""
    if field.language is not None:
        return RDF.langString
    kind = Kind.STRING if field.kind is Kind.ENUM else field.kind
    known = field.datatype not in (None, *TAGGED) and KINDS.get(field.datatype or "") is kind
    return NamedNode(field.datatype) if known and field.datatype else DATATYPES[field.kind]


def literal_of(field: Field, value: JSONValue) -> Literal:
    """A canonical value of the field, as text of its datatype or in its language."""
    if field.language is not None:
        return Literal(lexical(field.kind, value), language=field.language)
    return Literal(lexical(field.kind, value), datatype=datatype_of(field))


def literal(kind: Kind, value: JSONValue) -> Literal:
    """A canonical value as text of its datatype."""
    return Literal(lexical(kind, value), datatype=DATATYPES[kind])


def lexical(kind: Kind, value: JSONValue) -> str:
    if kind is Kind.JSON:
        return orjson.dumps(value).decode()
    if kind is Kind.BOOLEAN:
        return "true" if value else "false"
    return repr(value) if kind is Kind.FLOAT else str(value)


def value_of(field: Field, term: Term, zone: tzinfo | None = None) -> JSONValue:
    """What the term says, in the canonical form of the field's kind. KindError for what has none.

    In the `zone` are times that tell no offset; without one they are no values.
    """
    text = text_of(term)
    if zone is not None and field.kind is Kind.DATETIME:
        text = in_zone(text.strip(), zone)
    if isinstance(term, BlankNode):
        raise KindError("expected a value, got a node without a name")
    if isinstance(term, NamedNode) and field.kind not in (Kind.URI, Kind.STRING, Kind.TEXT):
        raise KindError("expected a literal, got an IRI")
    return canonical(field.kind, _decoded(field.kind, text), values=field.values)


def field_for(fields: Fields, term: Term) -> Field | None:
    """Of one property the field that takes the value: of its language, or else of none."""
    language = language_of(term)
    return fields.get(language, fields.get(None))


def text_of(term: Term) -> str:
    """The term's text, even if RDF/XML could not hold it. KindError for one that is escaped wrongly."""
    return _unescaped(term)[0] if isinstance(term, Literal) and term.datatype == ESCAPED else term.value


def language_of(term: Term) -> str | None:
    """The language that the term is in, likewise."""
    if not isinstance(term, Literal):
        return None
    return _unescaped(term)[1] if term.datatype == ESCAPED else term.language


def escaped(literal: Literal) -> Literal:
    """The same in characters that every format can hold."""
    said = {"@value": literal.value, "@language": literal.language} if literal.language else literal.value
    return Literal(json.dumps(said), datatype=ESCAPED)


def _unescaped(literal: Literal) -> tuple[str, str | None]:
    """The text, and its language."""
    try:
        match json.loads(literal.value):
            case str() as text:
                return text, None
            case {"@value": str() as text, "@language": str() as language}:
                return text, language
    except (json.JSONDecodeError, RecursionError):
        pass
    raise KindError("expected a text that is escaped as JSON")


def _decoded(kind: Kind, text: str) -> JSONValue:
    """The JSON value that a text stands for, if it has the form; the text itself otherwise."""
    if kind in (Kind.INTEGER, Kind.BIGINT) and _INTEGER.fullmatch(text.strip()):
        return int(text)
    if kind is Kind.FLOAT and _FLOAT.fullmatch(text.strip()):
        return float(text)
    if kind is Kind.BOOLEAN:
        return _BOOLEANS.get(text.strip(), text)
    if kind is Kind.JSON:
        return json_of(text)
    return text


def json_of(text: str) -> JSONValue:
    """KindError for what is no JSON, or nested deeper than records of an import are."""
    try:
        check_json(text.encode(), DEPTH)
        value: JSONValue = json.loads(text)
    except (BadInput, ValueError, RecursionError):
        raise KindError(f"expected JSON of at most {DEPTH} levels") from None
    return value
