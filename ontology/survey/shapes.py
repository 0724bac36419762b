"""SHACL: what shapes ask of the properties of the classes that they are for."""

from collections.abc import Iterator, Sequence, Set

from pyoxigraph import Literal, NamedNode

from fabric.types.languages import canonical_tag
from ontology.input.graph import Graph, Node, Term
from ontology.survey.datatypes import Datatypes
from ontology.survey.facets import Facet, facets, listed, shortened
from ontology.survey.patterns import Untranslatable
from ontology.survey.properties import sort_ranges
from ontology.survey.terms import LEFT_OUT, Ontology, PropertyTerm
from ontology.vocabulary import OWL, RDF, RDFS, ROOTS, SHACL, SHACL_NS, XSD, is_built_in

_WITHOUT_EFFECT = frozenset({
    SHACL.path, SHACL.name, SHACL.description, SHACL.order, SHACL.group, SHACL.message, SHACL.flags, SHACL.severity,
    SHACL.deactivated, SHACL.targetClass,
})  # fmt: skip
_NODE_SHAPE_TOLD_ELSEWHERE = frozenset({
    SHACL.property, SHACL.targetClass, SHACL.name, SHACL.description, SHACL.severity, SHACL.deactivated,
})  # fmt: skip
_RANGES = frozenset({SHACL.datatype, SHACL.class_, SHACL.node, SHACL.nodeKind})
_NOT_LITERAL = frozenset({"IRI", "BlankNode", "BlankNodeOrIRI"})


def read_shapes(
    graph: Graph, ontology: Ontology, datatypes: Datatypes, defined: Set[str], linked: Set[str]
) -> None:
    """Adds what shapes say to the properties they constrain; a property that is declared nowhere else is added.

    Shapes of classes that have definitions of their own, `defined`, say nothing that those do not. `linked` are
    properties that are links already.
    """
    targeted = {*graph.subjects_with(SHACL.targetClass), *graph.subjects(RDF.type, SHACL.NodeShape)}
    for shape in sorted(targeted | {*graph.subjects_with(SHACL.property)}, key=lambda n: n.value):
        named = targets_of(graph, shape)
        if named and defined >= set(named):
            continue
        targets = [iri for iri in named if iri in ontology.classes]
        if not targets:
            ontology.notice(shape.value, "is a shape for no class that is a type; it is left out")
            continue
        if _is_off(graph, shape):
            ontology.notice(targets[0], "has a shape that is deactivated; it is left out")
            continue
        if graph.value(shape, SHACL.path) is not None:  # a property shape with a target of its own
            _read_property(graph, ontology, datatypes, targets, shape, linked)
            continue
        for predicate in graph.about(shape):
            if predicate.value.startswith(SHACL_NS) and predicate not in _NODE_SHAPE_TOLD_ELSEWHERE:
                ontology.notice(targets[0], f"has a shape with {shortened(predicate.value)}; this is left out")
        for node in graph.nodes(shape, SHACL.property):
            _read_property(graph, ontology, datatypes, targets, node, linked)


def targets_of(graph: Graph, shape: Node) -> list[str]:
    """The classes that the shape is for, itself if it is one."""
    itself = [shape.value] if isinstance(shape, NamedNode) and graph.is_a(shape, RDFS.Class, OWL.Class) else []
    return [*itself, *graph.iris(shape, SHACL.targetClass)]


def _read_property(
    graph: Graph, ontology: Ontology, datatypes: Datatypes, targets: list[str], node: Node, linked: Set[str]
) -> None:
    path = graph.value(node, SHACL.path)
    if _is_off(graph, node):
        ontology.notice(targets[0], f"has a deactivated shape for {_named(path)}; it is left out")
        return
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
    mild = _is_mild(graph, node)
    for predicate, values in graph.about(node).items():
        if predicate.value.startswith(SHACL_NS) and predicate not in _WITHOUT_EFFECT:
            if mild and predicate not in _RANGES:
                message = f"{path.value}; this is left out, since it only warns"
                ontology.notice(targets[0], f"has a shape with {shortened(predicate.value)} for {message}")
                continue
            for fault in _constrain(graph, ontology, datatypes, term, targets, node, predicate, values):
                ontology.notice(targets[0], f"has a shape with {shortened(predicate.value)} for {path.value}; {fault}")
    if not term.datatypes and not term.classes:
        if path.value in linked:
            term.classes |= ROOTS
        else:
            term.datatypes.add(RDFS.Literal.value)


def _is_off(graph: Graph, shape: Node) -> bool:
    return any(isinstance(v, Literal) and v.value in ("true", "1") for v in graph.objects(shape, SHACL.deactivated))


def _is_mild(graph: Graph, shape: Node) -> bool:
    """Whether it warns or informs where values are otherwise: then they may be."""
    return graph.value(shape, SHACL.severity) not in (None, SHACL.Violation)


def _named(path: Term | None) -> str:
    return path.value if isinstance(path, NamedNode) else "a path"


def _constrain(
    graph: Graph, ontology: Ontology, datatypes: Datatypes, term: PropertyTerm, targets: list[str],
    node: Node, predicate: NamedNode, values: list[Term],
) -> Iterator[str]:  # fmt: skip
    """What of a constraint has no effect."""
    match predicate:
        case SHACL.datatype | SHACL.class_:
            ranges = {v.value for v in values if isinstance(v, NamedNode)}
            _ask(term, targets, sort_ranges(term, ranges, ontology, datatypes))
            _lead(term, targets, ranges & ontology.classes.keys())
        case SHACL.node:
            shapes = [v for v in values if not isinstance(v, Literal)]
            ranges = {t for shape in shapes for t in targets_of(graph, shape)}
            sort_ranges(term, ranges, ontology, datatypes)
            _lead(term, targets, ranges & ontology.classes.keys())
        case SHACL.nodeKind:
            if any(v.value.removeprefix(SHACL_NS) in _NOT_LITERAL for v in values):
                if not term.classes:
                    term.classes |= ROOTS
            elif not term.datatypes:
                term.datatypes.add(RDFS.Literal.value)
        case SHACL.maxCount if "1" in {v.value for v in values}:
            term.single_in |= set(targets)
        case SHACL.maxCount if "0" in {v.value for v in values}:
            yield LEFT_OUT
        case SHACL.minCount if {v.value for v in values} == {"0"}:
            pass
        case SHACL.in_:
            found = [item for head in values for item in graph.items(head)]
            texts = listed(found)
            if not texts or (term.classes and not term.datatypes):
                yield f"it lists what is no value; {LEFT_OUT}"
                return
            _list(term, targets, texts)
            if not term.datatypes:
                iris = all(isinstance(item, NamedNode) for item in found)
                term.datatypes.add(XSD.anyURI.value if iris else RDFS.Literal.value)
        case SHACL.languageIn:
            tags = [item.value.lower() for head in values for item in graph.items(head)]
            if not tags or not all(map(canonical_tag, tags)):
                yield f"it lists what is no language; {LEFT_OUT}"
                return
            term.languages.update(tags)
            term.datatypes.update(() if term.datatypes else (RDF.langString.value,))
        case SHACL.uniqueLang:
            term.one_each_in |= set(targets) if any(v.value in ("true", "1") for v in values) else set()
        case SHACL.hasValue if not term.classes and len(values) == 1 and _is_single(graph, term, node):
            _list(term, targets, listed(values))
            term.required_in |= set(targets)
        case _:
            flags = "".join(v.value for v in graph.objects(node, SHACL.flags))
            yield from _constrain_values(term, targets, predicate, values, flags)


def _constrain_values(
    term: PropertyTerm, targets: list[str], predicate: NamedNode, values: list[Term], flags: str
) -> Iterator[str]:
    try:
        found = list(facets(predicate, values, flags))
    except Untranslatable as error:
        yield f"{error} is not understood; {LEFT_OUT}" if str(error) else LEFT_OUT
        return
    if predicate == SHACL.minCount:
        term.required_in |= set(targets)
    _ask(term, targets, found)


def _is_single(graph: Graph, term: PropertyTerm, node: Node) -> bool:
    return term.functional or any(v.value == "1" for v in graph.objects(node, SHACL.maxCount))


def _list(term: PropertyTerm, targets: list[str], values: tuple[str, ...]) -> None:
    for target in targets:
        known = term.values_in.get(target, values)
        term.values_in[target] = tuple(value for value in values if value in known) or values


def _lead(term: PropertyTerm, targets: list[str], classes: set[str]) -> None:
    for target in targets if classes else ():
        term.classes_in.setdefault(target, set()).update(classes)


def _ask(term: PropertyTerm, targets: list[str], found: Sequence[Facet]) -> None:
    for target in targets if found else ():
        term.facets_in.setdefault(target, []).extend(found)
