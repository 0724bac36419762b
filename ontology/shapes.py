"""SHACL: what shapes ask of the properties of the classes that they are for."""

from collections.abc import Iterator

from pyoxigraph import Literal, NamedNode

from fabric.names import GRAPHQL_NAME
from ontology.graph import Graph, Node, Term
from ontology.properties import sort_ranges
from ontology.terms import ROOTS, Ontology, PropertyTerm, is_built_in
from ontology.vocabulary import OWL, RDF, RDFS, SHACL, SHACL_NS

_WITHOUT_EFFECT = frozenset({SHACL.path, SHACL.name, SHACL.description, SHACL.order, SHACL.group, SHACL.message})
_NODE_SHAPE_TOLD_ELSEWHERE = frozenset({SHACL.property, SHACL.targetClass, SHACL.name, SHACL.description})
_NOT_LITERAL = frozenset({"IRI", "BlankNode", "BlankNodeOrIRI"})
_RESERVED = frozenset({"true", "false", "null"})


def read_shapes(graph: Graph, ontology: Ontology, datatypes: dict[str, str]) -> None:
    """Adds what shapes say to the properties they constrain; a property that is declared nowhere else is added."""
    shapes = {*graph.subjects(RDF.type, SHACL.NodeShape), *graph.subjects_with(SHACL.property)}
    for shape in sorted(shapes, key=lambda n: n.value):
        targets = [iri for iri in targets_of(graph, shape) if iri in ontology.classes]
        if not targets:
            ontology.notice(shape.value, "is a shape for no class that is a type; it is left out")
            continue
        for predicate in graph.about(shape):
            if predicate.value.startswith(SHACL_NS) and predicate not in _NODE_SHAPE_TOLD_ELSEWHERE:
                ontology.notice(targets[0], f"has a shape with {_short(predicate)}; this is left out")
        for node in graph.nodes(shape, SHACL.property):
            _read_property(graph, ontology, datatypes, targets, node)


def targets_of(graph: Graph, shape: Node) -> list[str]:
    """The classes that the shape is for, itself if it is one."""
    itself = [shape.value] if isinstance(shape, NamedNode) and graph.is_a(shape, RDFS.Class, OWL.Class) else []
    return [*itself, *graph.iris(shape, SHACL.targetClass)]


def _read_property(graph: Graph, ontology: Ontology, datatypes: dict[str, str], targets: list[str], node: Node) -> None:
    path = graph.value(node, SHACL.path)
    if not isinstance(path, NamedNode) or is_built_in(path.value):
        ontology.notice(targets[0], "has a shape for a path that is no property of its own; this is left out")
        return
    term = ontology.properties.get(path.value)
    if term is None:
        description = graph.text(node, SHACL.description, SHACL.name)
        term = ontology.properties[path.value] = PropertyTerm(path.value, description, functional=False)
        term.domains = set(targets)
    elif term.domains:
        term.domains |= set(targets)
    for predicate, values in graph.about(node).items():
        if predicate.value.startswith(SHACL_NS) and predicate not in _WITHOUT_EFFECT:
            for fault in _constrain(graph, ontology, datatypes, term, targets, predicate, values):
                ontology.notice(targets[0], f"has a shape with {_short(predicate)} for {path.value}; {fault}")
    if not term.datatypes and not term.classes:
        term.datatypes.add(RDFS.Literal.value)


def _short(predicate: NamedNode) -> str:
    return "sh:" + predicate.value.removeprefix(SHACL_NS)


_LEFT_OUT = "this is left out"


def _constrain(
    graph: Graph, ontology: Ontology, datatypes: dict[str, str], term: PropertyTerm, targets: list[str],
    predicate: NamedNode, values: list[Term],
) -> Iterator[str]:  # fmt: skip
    """What of a constraint has no effect."""
    match predicate:
        case SHACL.datatype | SHACL.class_:
            sort_ranges(term, {v.value for v in values if isinstance(v, NamedNode)}, ontology, datatypes)
        case SHACL.node:
            shapes = [v for v in values if not isinstance(v, Literal)]
            sort_ranges(term, {t for shape in shapes for t in targets_of(graph, shape)}, ontology, datatypes)
        case SHACL.nodeKind:
            if any(v.value.removeprefix(SHACL_NS) in _NOT_LITERAL for v in values):
                if not term.classes:
                    term.classes |= ROOTS
            elif not term.datatypes:
                term.datatypes.add(RDFS.Literal.value)
        case SHACL.maxCount:
            if _numbers(values) == {1}:
                term.single_in |= set(targets)
            else:
                yield _LEFT_OUT
        case SHACL.minCount:
            if _numbers(values) >= {1}:
                term.required_in |= set(targets)
            if _numbers(values) - {0, 1}:
                yield "one value is enough"
        case SHACL.in_:
            found = [item for head in values for item in graph.items(head)]
            names = tuple(dict.fromkeys(item.value for item in found if isinstance(item, Literal)))
            if len(names) == len(found) and all(GRAPHQL_NAME.match(n) and n not in _RESERVED for n in names) and names:
                term.values_in |= dict.fromkeys(targets, names)
                term.datatypes.add(RDFS.Literal.value)
            else:
                yield "its values are no names; it becomes no enum"
        case _:
            yield _LEFT_OUT


def _numbers(values: list[Term]) -> set[int]:
    return {int(v.value) for v in values if isinstance(v, Literal) and v.value.isdecimal()}
