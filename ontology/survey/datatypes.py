"""The datatypes that an ontology derives from others, and what it asks of their values."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from ontology.input.graph import Graph, Node, Term
from ontology.survey.facets import Facet, facets, listed, shortened
from ontology.survey.patterns import Untranslatable
from ontology.survey.terms import LEFT_OUT, Ontology
from ontology.vocabulary import KINDS, OWL, RDF, RDFS, RDFS_NS, SCHEMA_ORG


@dataclass(frozen=True, slots=True)
class Derived:
    """`base` is the datatype that it comes from in the end, `facets` what holds of its values beside."""

    base: str
    facets: tuple[Facet, ...] = ()
    values: tuple[str, ...] = ()
    """All that there are, if they are listed."""


Datatypes = Mapping[str, Derived]
"""By IRI."""


def read_datatypes(graph: Graph, ontology: Ontology) -> Datatypes:
    """Those that are declared; what their restrictions say without counterpart is told of."""
    found: dict[str, Derived] = {}
    for node in graph.subjects(RDF.type, RDFS.Datatype):
        if isinstance(node, NamedNode):
            found[node.value] = _declared(graph, ontology, node) or Derived(RDFS_NS + "Literal")
    for base in SCHEMA_ORG:
        for node in graph.subjects(RDF.type, NamedNode(base + "DataType")):
            if isinstance(node, NamedNode):
                found.setdefault(node.value, Derived(node.value))
    _descend(graph, found)
    return {iri: _resolved(found, each) for iri, each in found.items()}


def restricted(graph: Graph, ontology: Ontology, node: Node, about: str, known: Datatypes) -> Derived | None:
    """A datatype without a name that is part of another; None for any other node. Notices are about the IRI `about`."""
    made = _restriction(graph, ontology, node, about)
    return _resolved(known, made) if made else None


def _descend(graph: Graph, found: dict[str, Derived]) -> None:
    """Adds what is only said to be part of a datatype."""
    waiting = [NamedNode(iri) for iri in found]
    while waiting:
        node = waiting.pop()
        for lower in graph.subjects(RDFS.subClassOf, node):
            if isinstance(lower, NamedNode) and lower.value not in found:
                found[lower.value] = Derived(lower.value if lower.value in KINDS else node.value)
                waiting.append(lower)


def _declared(graph: Graph, ontology: Ontology, node: NamedNode) -> Derived | None:
    for each in (node, *graph.nodes(node, OWL.equivalentClass)):
        made = _restriction(graph, ontology, each, node.value)
        if made is not None:
            return made
    return None


def _restriction(graph: Graph, ontology: Ontology, node: Node, about: str) -> Derived | None:
    for head in graph.nodes(node, OWL.oneOf):
        return _enumeration(graph.items(head))
    base = next(iter(graph.iris(node, OWL.onDatatype)), None)
    if base is None:
        return None
    found: list[Facet] = []
    for head in graph.nodes(node, OWL.withRestrictions):
        for item in graph.items(head):
            said = graph.about(item) if isinstance(item, NamedNode | BlankNode) else {}
            for predicate, values in said.items():
                try:
                    found += facets(predicate, values)
                except Untranslatable as error:
                    why = f"{error} is not understood; " if str(error) else ""
                    ontology.notice(about, f"restricts its values by {shortened(predicate.value)}; {why}{LEFT_OUT}")
    return Derived(base, tuple(found))


def _enumeration(items: list[Term]) -> Derived | None:
    datatypes = {item.datatype.value for item in items if isinstance(item, Literal)}
    if not datatypes or not all(isinstance(item, Literal) for item in items):
        return None
    return Derived(datatypes.pop() if len(datatypes) == 1 else RDFS_NS + "Literal", values=listed(items))


def _resolved(known: Datatypes, each: Derived) -> Derived:
    """With all that it comes from. BadInput for one that comes from itself."""
    seen: set[str] = set()
    while (base := known.get(each.base)) is not None and base.base != each.base:
        if each.base in seen:
            raise BadInput(f"{each.base[:200]}: a datatype that comes from itself")
        seen.add(each.base)
        each = Derived(base.base, (*each.facets, *base.facets), each.values or base.values)
    return each
