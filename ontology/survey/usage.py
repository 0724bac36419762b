"""Properties that data has and no ontology declares: they are read off the values."""

from collections import Counter
from collections.abc import Iterator, Set
from contextlib import suppress

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from fabric.types.kinds import KindError
from ontology.input.graph import Graph, Term, classes_among
from ontology.input.statements import Described
from ontology.survey.joined import Joiner, but_itself
from ontology.survey.properties import MAX_PROPERTIES, add_range
from ontology.survey.terms import Ontology, PropertyTerm
from ontology.values import language_of
from ontology.vocabulary import OWL, RDF, RDF_NS, ROOTS, is_built_in

MAX_NOTICES = 100
"""Nodes without a class that are told of one by one."""
NO_LANGUAGE = ""


def read_usage(
    graph: Graph, ontology: Ontology, known_classes: Set[str], known_properties: Set[str], joiner: Joiner
) -> dict[str, Counter[str]]:
    """Adds the properties that individuals have and neither the ontology nor the organization declares, and the classes
    that those of several have together.

    How many values they have in each language, by property; NO_LANGUAGE stands for none.
    """
    found: dict[str, PropertyTerm] = {}
    types = ontology.classes.keys() | known_classes | ROOTS
    described = Described(graph)
    without, spoken = 0, dict[str, Counter[str]]()
    for subject, quads in graph.by_subject():
        named = classes_among(quads)
        classes = but_itself(subject, named & types)
        if not classes:
            if isinstance(subject, NamedNode) and not _is_schema(subject, named, ontology):
                without += 1
                if without <= MAX_NOTICES:
                    ontology.notice(subject.value, "is of no class; it is left out")
            continue
        if subject.value in named - classes:
            ontology.notice(subject.value, "is a class, and one of its own members; this is left out")
        domains = joiner.of(classes)
        for quad in quads:
            predicate, object, iri = quad.predicate, quad.object, quad.predicate.value
            if iri.startswith(RDF_NS) or not isinstance(object, NamedNode | BlankNode | Literal):
                continue
            for language in _languages(graph, object):
                spoken.setdefault(iri, Counter())[language] += 1
            if is_built_in(iri) or iri in ontology.properties or iri in known_properties:
                continue
            if (subject, predicate, object) in described:
                continue
            term = found.setdefault(iri, PropertyTerm(iri))
            term.domains |= domains
            try:
                add_range(graph, term, object)
            except BadInput as error:
                ontology.notice(subject.value, error.message)
            if len(found) > MAX_PROPERTIES:
                raise BadInput(f"more than {MAX_PROPERTIES:,} properties")
    if without > MAX_NOTICES:
        ontology.notice(RDF.type.value, f"{without - MAX_NOTICES:,} more nodes are of no class; they are left out")
    for iri, term in sorted(found.items()):
        if term.datatypes or term.classes:
            ontology.properties[iri] = term
        ontology.notice(iri, "is used as a property, and declared nowhere")
    return spoken


def _languages(graph: Graph, term: Term) -> Iterator[str]:
    """Of the value, or of each of a list; what cannot be read is told of where it is read."""
    if isinstance(term, BlankNode):
        with suppress(BadInput):
            for item in graph.items(term) if graph.value(term, RDF.first) is not None else ():
                if not isinstance(item, BlankNode):
                    yield from _languages(graph, item)
    else:
        with suppress(KindError):
            yield language_of(term) or NO_LANGUAGE


def _is_schema(node: NamedNode, classes: Set[str], ontology: Ontology) -> bool:
    """Whether it is part of an ontology, which is read elsewhere, and no individual."""
    iri = node.value
    return (
        iri in ontology.classes
        or iri in ontology.properties
        or is_built_in(iri)
        or any(is_built_in(each) and each != OWL.NamedIndividual.value for each in classes)
        or any(each.endswith("/DataType") for each in classes)
    )
