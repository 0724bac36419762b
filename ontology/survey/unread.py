"""Axioms that are nodes of their own: told, not dropped."""

from collections.abc import Iterable

from pyoxigraph import BlankNode, NamedNode

from fabric.errors import BadInput
from ontology.input.graph import Graph, Node
from ontology.survey.classes import local_name
from ontology.survey.terms import Ontology
from ontology.vocabulary import OWL, RDF

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


def tell_of_axioms(graph: Graph, ontology: Ontology) -> None:
    """Each by the first class, property or individual that it is about."""
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
