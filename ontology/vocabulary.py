"""The IRIs that are known by name: those of RDF, RDFS, OWL, SHACL, SKOS and schema.org, and those of our own.

Our own begin with `urn:semantic-fabric:`. `vocabulary#…` says of objects and links what RDF has no word for; what a
definition gives no IRI gets one made of its name (`ontology.iris`).
"""

from collections.abc import Mapping

from pyoxigraph import NamedNode

from fabric.types.kinds import Kind

BASE = "urn:semantic-fabric:"
OWN = BASE + "vocabulary#"
RDF_NS = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS_NS = "http://www.w3.org/2000/01/rdf-schema#"
OWL_NS = "http://www.w3.org/2002/07/owl#"
XSD_NS = "http://www.w3.org/2001/XMLSchema#"
SHACL_NS = "http://www.w3.org/ns/shacl#"
SKOS_NS = "http://www.w3.org/2004/02/skos/core#"
SCHEMA_ORG = ("https://schema.org/", "http://schema.org/")

PREFIXES = {"rdf": RDF_NS, "rdfs": RDFS_NS, "owl": OWL_NS, "xsd": XSD_NS, "fabric": OWN}


class _Namespace:
    """Its names as attributes: `RDFS.label`; one that is a word of Python ends in an underscore."""

    def __init__(self, base: str) -> None:
        self._base = base

    def __getattr__(self, name: str) -> NamedNode:
        return NamedNode(self._base + name.rstrip("_"))


RDF, RDFS, OWL, XSD, SHACL, SKOS, FABRIC = map(_Namespace, (RDF_NS, RDFS_NS, OWL_NS, XSD_NS, SHACL_NS, SKOS_NS, OWN))

LABEL = FABRIC.label
"""Of an object or a link: its label, as text."""
DEFINITION = FABRIC.definition
"""Of a class: the type definition, as JSON."""
ORDER = FABRIC.order
"""Of an object: its lists by field, as JSON, where their order or repetitions matter."""
INFERRED = FABRIC.inferred
"""Of a link: true where it follows from others, and was not written."""
INFERRED_GRAPH = NamedNode(BASE + "inferred")
"""Where inferred links stand apart from those that were written."""
ESCAPED = FABRIC.escaped
"""The datatype of a text that RDF/XML cannot hold: a JSON string of it."""
ITSELF = OWN + "iri"
"""The `iri` of a natural key's field that is the IRI of the object itself."""
ROOT = RDFS_NS + "Resource"
"""What every class descends from."""
NOT_OURS = (RDF_NS, RDFS_NS, OWL_NS, XSD_NS, SHACL_NS)
"""What says of itself what it means."""
BUILT_IN = (*NOT_OURS, BASE)
ROOTS = frozenset({RDFS_NS + "Resource", OWL_NS + "Thing"})
"""What everything is a member of."""

LINK_VALUES: Mapping[str, NamedNode] = {
    "link": FABRIC.relation,
    "key": FABRIC.key,
    "label": FABRIC.label,
    "weight": FABRIC.weight,
    "validFrom": FABRIC.validFrom,
    "validTo": FABRIC.validTo,
    "semanticNamespace": FABRIC.semanticNamespace,
    "semanticPredicate": FABRIC.semanticPredicate,
}
"""What a reified link says of itself, by the members of an import record."""

DATATYPES: Mapping[Kind, NamedNode] = {
    Kind.STRING: XSD.string,
    Kind.TEXT: XSD.string,
    Kind.INTEGER: XSD.integer,
    Kind.BIGINT: XSD.integer,
    Kind.FLOAT: XSD.double,
    Kind.DECIMAL: XSD.decimal,
    Kind.BOOLEAN: XSD.boolean,
    Kind.DATE: XSD.date,
    Kind.DATETIME: XSD.dateTime,
    Kind.DURATION: XSD.dayTimeDuration,
    Kind.UUID: XSD.string,
    Kind.URI: XSD.anyURI,
    Kind.JSON: RDF.JSON,
    Kind.ENUM: XSD.string,
}
"""What the values of a kind are written as."""

_XSD_KINDS = {
    Kind.STRING: "string normalizedString token Name NCName NMTOKEN language QName gYear gYearMonth gMonth gDay "
    "gMonthDay time hexBinary base64Binary duration yearMonthDuration",
    Kind.INTEGER: "int short byte unsignedShort unsignedByte",
    Kind.BIGINT: "integer long unsignedInt nonNegativeInteger positiveInteger nonPositiveInteger "
    "negativeInteger unsignedLong",
    Kind.FLOAT: "double float",
    Kind.DECIMAL: "decimal",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.DATETIME: "dateTime dateTimeStamp",
    Kind.DURATION: "dayTimeDuration",
    Kind.URI: "anyURI",
}
_SCHEMA_ORG_KINDS = {
    Kind.STRING: "Text Time CssSelectorType PronounceableText XPathType DataType",
    Kind.FLOAT: "Number Float",
    Kind.BIGINT: "Integer",
    Kind.BOOLEAN: "Boolean",
    Kind.DATE: "Date",
    Kind.DATETIME: "DateTime",
    Kind.URI: "URL",
}

KINDS: Mapping[str, Kind] = {
    **{XSD_NS + name: kind for kind, names in _XSD_KINDS.items() for name in names.split()},
    **{base + name: kind for base in SCHEMA_ORG for kind, names in _SCHEMA_ORG_KINDS.items() for name in names.split()},
    RDFS_NS + "Literal": Kind.TEXT,
    RDF_NS + "langString": Kind.TEXT,
    RDF_NS + "PlainLiteral": Kind.TEXT,
    RDF_NS + "HTML": Kind.TEXT,
    RDF_NS + "XMLLiteral": Kind.TEXT,
    RDF_NS + "JSON": Kind.JSON,
    OWL_NS + "real": Kind.DECIMAL,
    OWL_NS + "rational": Kind.STRING,
}
"""The kind of field that holds what a datatype, given by its IRI, has as values."""

_WIDENED = {
    frozenset({Kind.INTEGER, Kind.BIGINT}): Kind.BIGINT,
    frozenset({Kind.INTEGER, Kind.FLOAT}): Kind.FLOAT,
    frozenset({Kind.BIGINT, Kind.FLOAT}): Kind.FLOAT,
    frozenset({Kind.INTEGER, Kind.DECIMAL}): Kind.DECIMAL,
    frozenset({Kind.BIGINT, Kind.DECIMAL}): Kind.DECIMAL,
    frozenset({Kind.FLOAT, Kind.DECIMAL}): Kind.DECIMAL,
    frozenset({Kind.INTEGER, Kind.BIGINT, Kind.FLOAT}): Kind.FLOAT,
}


def kind_of(datatypes: frozenset[str]) -> Kind:
    """The narrowest kind that holds the values of all these datatypes; `text` if that is not known."""
    kinds = frozenset(KINDS.get(each, Kind.TEXT) for each in datatypes) or frozenset({Kind.TEXT})
    if len(kinds) == 1:
        return next(iter(kinds))
    return _WIDENED.get(kinds, Kind.TEXT if Kind.TEXT in kinds else Kind.STRING)


def is_built_in(iri: str) -> bool:
    return iri.startswith(BUILT_IN)
