"""What an ontology says beside its classes and properties, and texts in more languages than one: told, not dropped."""

from collections import Counter
from collections.abc import Iterable

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from ontology.classes import DESCRIPTIONS, describe, local_name, plain
from ontology.graph import Graph, Node
from ontology.terms import Ontology
from ontology.vocabulary import OWL, RDF, RDFS

MAX_NOTICES = 1_000
"""Axioms of one kind that are told of one by one."""

_AXIOMS = {
    OWL.Axiom: (OWL.annotatedSource, OWL.annotatedProperty, OWL.annotatedTarget),
    OWL.AllDisjointClasses: (OWL.members,),
    OWL.AllDisjointProperties: (OWL.members,),
    OWL.AllDifferent: (OWL.members, OWL.distinctMembers),
    OWL.NegativePropertyAssertion: (OWL.sourceIndividual, OWL.assertionProperty),
}
"""Axioms that are nodes without a name, and the predicates that lead to what they are about."""


def tell_of_texts(graph: Graph, ontology: Ontology, nodes: Iterable[NamedNode]) -> None:
    """Labels and comments of these classes and properties that are in no description."""
    left: Counter[str] = Counter()
    for node in nodes:
        description, name = describe(graph, node) or "", plain(local_name(node.value))
        for predicate in (RDFS.label, *DESCRIPTIONS):
            for value in graph.objects(node, predicate):
                text = value.value.strip().replace("\0", "") if isinstance(value, Literal) else ""
                if text not in description and not (predicate == RDFS.label and plain(text) == name):
                    left[predicate.value] += 1
    for iri, number in sorted(left.items()):
        ontology.notice(iri, f"texts that are in no description are left out: {number:,}")


def tell_of_axioms(graph: Graph, ontology: Ontology) -> None:
    """What is said of the ontology itself, and axioms that are nodes of their own, by the first that they are about."""
    for node in graph.subjects(RDF.type, OWL.Ontology):
        number = sum(len(values) for predicate, values in graph.about(node).items() if predicate != OWL.imports) - 1
        if number and isinstance(node, NamedNode):
            ontology.notice(node.value, f"statements about the ontology itself are left out: {number:,}")
    for kind, about in _AXIOMS.items():
        name = f"owl:{local_name(kind.value)}"
        for number, node in enumerate(graph.subjects(RDF.type, kind), start=1):
            if number > MAX_NOTICES:
                ontology.notice(kind.value, f"there are more than {MAX_NOTICES:,} of these; they are left out")
                break
            try:
                subject, *others = _concerned(graph, node, about) or [kind.value]
            except BadInput as error:
                ontology.notice(kind.value, error.message)
            else:
                ontology.notice(subject, f"is in an {name}{_listed(others)}; this is left out")


def _concerned(graph: Graph, axiom: Node, predicates: Iterable[NamedNode]) -> list[str]:
    found: list[str] = []
    for value in graph.objects(axiom, *predicates):
        members = graph.items(value) if isinstance(value, BlankNode) and _is_list(graph, value) else [value]
        found += [member.value for member in members if isinstance(member, NamedNode)]
    return found


def _is_list(graph: Graph, node: Node) -> bool:
    return graph.value(node, RDF.first) is not None


def _listed(iris: list[str]) -> str:
    return f" with {', '.join(iris)[:500]}" if iris else ""
