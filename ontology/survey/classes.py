"""The classes of an ontology, declared or used, and how they descend from each other."""

from collections import deque
from collections.abc import Iterator, Set

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from ontology.input.graph import Graph, Node, Term
from ontology.survey.terms import ClassTerm, Ontology
from ontology.vocabulary import KINDS, OWL, RDF, RDFS, RDFS_NS, ROOTS, SCHEMA_ORG, SHACL, SKOS, is_built_in

MAX_CLASSES = 20_000
MAX_LEVELS = 64
"""Of classes below one another."""

DESCRIPTIONS = (
    RDFS.comment,
    SKOS.definition,
    NamedNode("http://purl.org/dc/terms/description"),
    NamedNode("http://www.w3.org/ns/prov#definition"),
)
MAX_DESCRIPTION = 10_000


def read_classes(graph: Graph, ontology: Ontology, no_classes: Set[str], known: Set[str], given: Set[str]) -> None:
    """Adds the classes. `no_classes` are datatypes and classes that have definitions, `known` those that have types.

    Of those, the `given` say that they are of the class, and others can descend from them.
    """
    for iri in sorted(_named(graph)):
        if not is_built_in(iri) and iri not in no_classes:
            ontology.classes[iri] = ClassTerm(iri, describe(graph, NamedNode(iri)))
            if len(ontology.classes) > MAX_CLASSES:
                raise BadInput(f"more than {MAX_CLASSES:,} classes")
    spoken_of = {iri for iri in _spoken_of(graph) if not is_built_in(iri)} - no_classes - ontology.classes.keys()
    shaped = {o.value for q in graph.quads(None, SHACL.targetClass) if isinstance(o := q.object, NamedNode)}
    for iri in sorted((spoken_of | (shaped - no_classes - ontology.classes.keys())) & known - ROOTS):
        ontology.classes[iri] = ClassTerm(iri)
    used = {iri for iri in _of_individuals(graph) if not is_built_in(iri)} - no_classes
    for iri in sorted((used | spoken_of) - known - ontology.classes.keys()):
        ontology.classes[iri] = ClassTerm(iri)
        ontology.notice(iri, "is used as a class, and declared nowhere")
    parents = (ontology.classes.keys() | given) - ROOTS
    for term in list(ontology.classes.values()):
        _descend(graph, ontology, term, parents)
    _break_cycles(ontology)
    _check_levels(ontology)


def describe(graph: Graph, node: Node) -> str | None:
    """The label, where it is more than the name, and the comment."""
    label, comment = graph.label(node), graph.text(node, *DESCRIPTIONS)
    if label is not None and plain(label) == plain(local_name(node.value)):
        label = None
    return ". ".join(filter(None, (label, comment)))[:MAX_DESCRIPTION].replace("\0", "") or None


def plain(text: str) -> str:
    """The letters and digits alone: what two names have in common that mean the same."""
    return "".join(c for c in text.lower() if c.isalnum())


def local_name(iri: str) -> str:
    """What follows the namespace."""
    return iri[len(namespace(iri)) :]


def namespace(iri: str) -> str:
    rest = iri.rstrip("/#:")
    return iri[: max(rest.rfind(mark) for mark in "/#:") + 1]


def members(graph: Graph, terms: list[Term]) -> Iterator[str]:
    """The named classes of a domain or range: itself, or of a union each."""
    pending, seen = deque(terms), set(terms)
    while pending:
        term = pending.popleft()
        if isinstance(term, NamedNode):
            yield term.value
        elif isinstance(term, BlankNode):
            found = [item for union in graph.nodes(term, OWL.unionOf) for item in graph.items(union)]
            pending.extend(item for item in found if item not in seen)
            seen.update(found)


def _named(graph: Graph) -> set[str]:
    declared = {n for c in (RDFS.Class, OWL.Class) for n in graph.subjects(RDF.type, c)}
    for quad in graph.quads(None, RDFS.subClassOf):
        declared |= {n for n in (quad.subject, quad.object) if isinstance(n, NamedNode | BlankNode)}
    return {n.value for n in declared if isinstance(n, NamedNode)}


def _of_individuals(graph: Graph) -> set[str]:
    found = {q.object.value for q in graph.quads(None, RDF.type) if isinstance(q.object, NamedNode)}
    return found - {s + "DataType" for s in SCHEMA_ORG} - KINDS.keys()


def _spoken_of(graph: Graph) -> set[str]:
    """Those that properties lead from and to."""
    found: set[str] = set()
    for predicate in _SIDES:
        for quad in graph.quads(None, predicate):
            if isinstance(quad.object, NamedNode | BlankNode):
                found |= set(members(graph, [quad.object]))
    return found - KINDS.keys()


_SIDES = (
    RDFS.domain, RDFS.range, *(NamedNode(s + p) for s in SCHEMA_ORG for p in ("domainIncludes", "rangeIncludes")),
)  # fmt: skip


def _descend(graph: Graph, ontology: Ontology, term: ClassTerm, classes: Set[str]) -> None:
    for parent in graph.objects(NamedNode(term.iri), RDFS.subClassOf):
        if isinstance(parent, Literal):
            ontology.notice(term.iri, "descends from a literal; this is left out")
        elif isinstance(parent, BlankNode):
            _read_expression(graph, ontology, term, parent, classes)
        elif parent.value == RDFS_NS + "Class":
            ontology.notice(term.iri, "is a class of classes; its members are read as classes or as objects")
        elif parent.value in classes and parent.value != term.iri:
            term.parents.append(parent.value)
        elif parent.value not in ROOTS | {term.iri}:
            ontology.notice(term.iri, f"descends from {parent.value}, which no type stands for; this is left out")


def _read_expression(
    graph: Graph, ontology: Ontology, term: ClassTerm, node: BlankNode, classes: Set[str]
) -> None:
    """Of an anonymous superclass, the named members of an intersection; restrictions are read with the properties."""
    for intersection in graph.nodes(node, OWL.intersectionOf):
        for member in graph.items(intersection):
            if isinstance(member, NamedNode) and member.value in classes:
                term.parents.append(member.value)
    if not graph.is_a(node, OWL.Restriction) and not graph.nodes(node, OWL.intersectionOf):
        ontology.notice(term.iri, "descends from an anonymous class other than a restriction; this is left out")


def _break_cycles(ontology: Ontology) -> None:
    """Takes away each statement that would make a class descend from itself, in one order for all files."""
    finished: set[str] = set()
    for start in sorted(ontology.classes):
        path = [(start, iter(list(ontology.classes[start].parents)))]
        on_path = {start}
        while path:
            iri, parents = path[-1]
            parent = next(parents, None)
            if parent is None:
                path.pop()
                on_path.discard(iri)
                finished.add(iri)
            elif parent in on_path:
                ontology.classes[iri].parents.remove(parent)
                ontology.notice(iri, f"would descend from itself by way of {parent}; this statement is left out")
            elif parent not in finished and parent in ontology.classes:
                path.append((parent, iter(list(ontology.classes[parent].parents))))
                on_path.add(parent)


def _check_levels(ontology: Ontology) -> None:
    levels: dict[str, int] = {}
    waiting = sorted(ontology.classes)
    while waiting:
        iri = waiting[-1]
        parents = ontology.classes[iri].parents
        unknown = [p for p in parents if p not in levels and p in ontology.classes]
        if unknown:
            waiting += unknown
            continue
        waiting.pop()
        levels[iri] = 1 + max((levels.get(p, 0) for p in parents), default=0)
        if levels[iri] > MAX_LEVELS:
            raise BadInput(f"{iri[:200]}: more than {MAX_LEVELS} classes below one another")
