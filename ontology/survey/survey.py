"""All that is to be known of a graph before definitions are made: its ontology, and what of it cannot be read."""

from typing import Any

import orjson
from pyoxigraph import Literal, NamedNode

from fabric.errors import BadInput
from fabric.types.kinds import KindError
from ontology.input.graph import Graph
from ontology.input.imports import missing_imports
from ontology.input.reading import Read
from ontology.iris import Iris
from ontology.survey.annotations import read_annotations
from ontology.survey.classes import read_classes
from ontology.survey.datatypes import read_datatypes
from ontology.survey.fitting import leave_out_clashing
from ontology.survey.joined import Joiner
from ontology.survey.languages import add_languages
from ontology.survey.properties import read_properties
from ontology.survey.restrictions import read_restrictions
from ontology.survey.shapes import read_shapes
from ontology.survey.terms import Ontology
from ontology.survey.unread import tell_of_axioms
from ontology.survey.usage import read_usage
from ontology.values import text_of
from ontology.vocabulary import DEFINITION, RDF


def definitions(graph: Graph) -> list[tuple[str, dict[str, Any]]]:
    """The definitions that the graph holds as such, with the IRIs of their classes. BadInput for one that is none."""
    found: list[tuple[str, dict[str, Any]]] = []
    for quad in graph.quads(None, DEFINITION):
        try:
            document = orjson.loads(text_of(quad.object)) if isinstance(quad.object, Literal) else None
        except (orjson.JSONDecodeError, KindError):
            document = None
        if not isinstance(document, dict) or not isinstance(quad.subject, NamedNode):
            raise BadInput("a fabric:definition is a type definition in JSON, of a class with an IRI")
        found.append((quad.subject.value, document))
    return sorted(found, key=lambda each: (str(each[1].get("typeName")), each[0]))


def survey(read: Read, iris: Iris, *, languages_apart: bool = True) -> Ontology:
    """The ontology of what was read, of which `iris` are already known: types with definitions of their own too.

    With `languages_apart` texts of individuals keep their language, each in a field of its own.
    BadInput for one that is larger or deeper than it may be.
    """
    graph, ontology = read.graph, Ontology()
    defined = {q.subject.value for q in graph.quads(None, DEFINITION) if isinstance(q.subject, NamedNode)}
    defined.add(RDF.Statement.value)
    derived = read_datatypes(graph, ontology)
    read_classes(graph, ontology, derived.keys() | defined, iris.types.keys(), iris.given.keys())
    leave_out_clashing(ontology, iris)
    read_properties(graph, ontology, derived, defined)
    read_shapes(graph, ontology, derived, defined, iris.links.keys())
    read_restrictions(graph, ontology, derived)
    known = {*iris.fields.values(), *iris.links}
    spoken = read_usage(graph, ontology, iris.types.keys(), known, Joiner(ontology, iris))
    add_languages(ontology, iris, spoken, apart=languages_apart)
    read_annotations(graph, ontology, derived, known)
    _tell_of_the_rest(read, ontology)
    return ontology


def _tell_of_the_rest(read: Read, ontology: Ontology) -> None:
    graph = read.graph
    for name in sorted(read.names):
        ontology.notice(name, "is a graph; its statements are read with all others, without its name")
    for iri in sorted(missing_imports(graph) - read.fetched):
        ontology.notice(iri, _NOT_FETCHED)
    tell_of_axioms(graph, ontology)


_NOT_FETCHED = "is imported, and was not fetched; give it as another file"
