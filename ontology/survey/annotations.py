"""What an ontology says that definitions only keep, and what they have kept, as statements again (see docs/rdf.md).

Kept are statements with literals and IRIs about classes and properties, as annotations of what these become, and about
the ontology itself, its datatypes, its annotation properties and the properties that become nothing. They have no
effect here; axioms among them are told of.
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from fabric.types.annotations import (
    MAX_SUBJECTS,
    MAX_VALUES,
    Annotations,
    Value,
    fault_of,
    is_iri,
    merged,
)
from ontology.input.graph import Graph, Term
from ontology.iris import names_property, node
from ontology.survey.classes import DESCRIPTIONS
from ontology.survey.terms import ClassTerm, Ontology, PropertyTerm
from ontology.values import TAGGED
from ontology.vocabulary import (
    BASE,
    OWL,
    OWL_NS,
    RDF,
    RDF_NS,
    RDFS,
    RDFS_NS,
    ROOT,
    SCHEMA_ORG,
    SHACL_NS,
    XSD,
    is_built_in,
)

WITHOUT_EFFECT = "this is kept, and nothing follows from it"

_TAKEN_OVER = frozenset(
    {RDFS.subClassOf, RDFS.subPropertyOf, RDFS.domain, RDFS.range, OWL.inverseOf, OWL.propertyChainAxiom}
)
"""Of classes and properties: their meaning becomes part of definitions, or is told of where they are read."""
_SAID_ANYWAY = frozenset(
    {OWL.Class, OWL.ObjectProperty, OWL.DatatypeProperty, OWL.SymmetricProperty, OWL.TransitiveProperty}
)
"""Classes of classes and properties that definitions themselves tell."""
_TEXTS = frozenset({RDFS.label, RDFS.comment, RDFS.seeAlso})
"""What an individual has in fields."""
_DESCRIBING = _TEXTS | {
    RDF.type, RDFS.isDefinedBy, OWL.versionInfo, OWL.deprecated, OWL.priorVersion, OWL.backwardCompatibleWith,
    OWL.incompatibleWith,
}  # fmt: skip
"""Predicates of RDFS and OWL from which nothing would follow."""
_OF_DATATYPES = frozenset({OWL.equivalentClass, OWL.withRestrictions})
_DECLARATIONS = (OWL.Ontology, OWL.AnnotationProperty, OWL.OntologyProperty)
_CLASSES = frozenset({RDF.Property.value, *(base + "DataType" for base in SCHEMA_ORG)})


def read_annotations(graph: Graph, ontology: Ontology, datatypes: Iterable[str], known: Set[str]) -> None:
    """Adds annotations to the terms, and those of what becomes none; `known` are properties that have definitions."""
    terms: list[ClassTerm | PropertyTerm] = [*ontology.classes.values(), *ontology.properties.values()]
    for term in terms:
        term.annotations = _of_term(graph, ontology, term.iri)
    others = {n.value for c in _DECLARATIONS for n in graph.subjects(RDF.type, c) if isinstance(n, NamedNode)}
    others |= {*datatypes, *ontology.left_out}
    for iri in sorted(others - ontology.classes.keys() - ontology.properties.keys() - known):
        if not is_built_in(iri) and (kept := _kept(graph, ontology, iri, told=_OF_DATATYPES)):
            ontology.about[iri] = kept


def annotate(documents: Mapping[str, dict[str, Any]], ontology: Ontology) -> None:
    """Adds the annotations to definitions, by the IRI of the class, beside those that they have."""
    for iri, document in documents.items():
        _add(document, ontology.classes.get(iri))
        for member in (*document["fields"].values(), *document["links"].values()):
            _add(member, ontology.properties.get(member.get("iri")))
    root = documents[ROOT]
    there = root.get("about", {})
    lacking = [iri for iri in ontology.about if iri not in there]
    for iri in lacking[max(0, MAX_SUBJECTS - len(there)) :]:
        ontology.notice(iri, f"is one of more than {MAX_SUBJECTS} that are no types; what is said of it is left out")
        del ontology.about[iri]
    about = there | {iri: merged(there.get(iri, {}), said) for iri, said in ontology.about.items()}
    if about:
        root["about"] = about


def _add(document: dict[str, Any], term: ClassTerm | PropertyTerm | None) -> None:
    if term is not None and term.annotations:
        document["annotations"] = merged(document.get("annotations", {}), term.annotations)


def statements(subject: NamedNode, annotations: Annotations) -> Iterator[Triple]:
    """What definitions keep, as far as it can be written in every format, and is not for the fabric itself to say."""
    for iri, values in annotations.items():
        if iri.startswith((BASE, SHACL_NS)) or not names_property(iri):
            continue
        for value in values:
            term = _term(value)
            if term is not None and _may_be_said(iri, term):
                yield Triple(subject, NamedNode(iri), term)


def is_said(description: str, annotations: Annotations) -> bool:
    """Whether the description is made of texts among the annotations, as `describe` does it."""
    texts = [_texts(annotations, predicate) for predicate in (RDFS.label, *DESCRIPTIONS)]
    labels, comments = texts[0], [text for each in texts[1:] for text in each]
    return description in (*labels, *comments, *(f"{label}. {text}" for label in labels for text in comments))


def _texts(annotations: Annotations, predicate: NamedNode) -> list[str]:
    return [value["@value"].strip() for value in annotations.get(predicate.value, ()) if "@value" in value]


def _of_term(graph: Graph, ontology: Ontology, iri: str) -> Annotations:
    """An individual that is a class too has what it says in fields, but for what is meant of classes."""
    individual = not ontology.classes.keys().isdisjoint(graph.iris(NamedNode(iri), RDF.type))
    passed_over = _TAKEN_OVER | _TEXTS if individual else _TAKEN_OVER
    kept = _kept(graph, ontology, iri, passed_over, only_built_in=individual)
    for predicate in kept:
        if predicate.startswith((OWL_NS, RDFS_NS)) and NamedNode(predicate) not in _DESCRIBING:
            for value in kept[predicate]:
                shown = value.get("@id") or value["@value"][:200]
                ontology.notice(iri, f"says {_short(predicate)} {shown}; {WITHOUT_EFFECT}")
    return kept


def _kept(
    graph: Graph, ontology: Ontology, iri: str, passed_over: Set[NamedNode] = frozenset(),
    *, only_built_in: bool = False, told: Set[NamedNode] = frozenset(),
) -> Annotations:  # fmt: skip
    """Of `told` what has no name is read, or told of, elsewhere."""
    found: dict[str, list[Value]] = {}
    for predicate, terms in graph.about(NamedNode(iri)).items():
        if predicate in passed_over or predicate.value.startswith((BASE, SHACL_NS)):
            continue
        if only_built_in and not is_built_in(predicate.value):
            continue
        for term in terms:
            if predicate == RDF.type and (term in _SAID_ANYWAY or not _may_be_said(predicate.value, term)):
                continue
            value = _value(term)
            if value is None and predicate not in told:
                ontology.notice(iri, f"says {_short(predicate.value)} of something without a name; this is left out")
            elif value is not None and _can_be_kept(predicate.value, value):
                found.setdefault(predicate.value, []).append(value)
            elif value is not None:
                ontology.notice(iri, f"says {_short(predicate.value)} of what cannot be kept; this is left out")
    kept = merged({}, found)
    if lost := sum(map(len, found.values())) - sum(map(len, kept.values())):
        ontology.notice(iri, f"has more than {MAX_VALUES} annotations, or long ones; {lost:,} are left out")
    return kept


def _can_be_kept(predicate: str, value: Value) -> bool:
    return names_property(predicate) and is_iri(predicate) and fault_of(value) is None and _term(value) is not None


def _value(term: Term) -> Value | None:
    if isinstance(term, BlankNode):
        return None
    if isinstance(term, NamedNode):
        return {"@id": term.value}
    if term.language is not None:
        return {"@value": term.value, "@language": term.language}
    return {"@value": term.value} | ({"@type": term.datatype.value} if term.datatype != XSD.string else {})


def _term(value: Value) -> NamedNode | Literal | None:
    """None for what is no IRI, or no tag of a language, to all who read RDF."""
    if "@id" in value:
        return node(value["@id"])
    if value.get("@type") in TAGGED:
        return None
    try:
        datatype = NamedNode(value["@type"]) if "@type" in value else None
        return Literal(value["@value"], language=value.get("@language"), datatype=datatype)
    except ValueError:
        return None


def _may_be_said(predicate: str, term: Term) -> bool:
    """Neither members of classes nor statements about statements: these are objects and links."""
    if predicate == RDF.type.value:
        return isinstance(term, NamedNode) and (term.value.startswith((RDFS_NS, OWL_NS)) or term.value in _CLASSES)
    return not predicate.startswith(RDF_NS)


def _short(iri: str) -> str:
    for prefix, namespace in (("owl", OWL_NS), ("rdfs", RDFS_NS), ("rdf", RDF_NS)):
        if iri.startswith(namespace):
            return f"{prefix}:{iri[len(namespace) :]}"
    return iri
