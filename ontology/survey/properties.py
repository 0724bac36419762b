"""The properties of an ontology, declared or used: what they lead from and to, and how many values they have."""

from collections.abc import Set

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.errors import BadInput
from fabric.inference.rules import MAX_PREMISES
from ontology.input.graph import Graph, Term
from ontology.survey.classes import describe, members
from ontology.survey.datatypes import Datatypes, restricted
from ontology.survey.facets import Facet
from ontology.survey.terms import Ontology, PropertyTerm
from ontology.vocabulary import KINDS, OWL, RDF, RDFS, ROOTS, SCHEMA_ORG, XSD, XSD_NS, is_built_in

MAX_PROPERTIES = 50_000
PROPERTY_CLASSES = (
    RDF.Property, OWL.DatatypeProperty, OWL.ObjectProperty, OWL.FunctionalProperty, OWL.InverseFunctionalProperty,
    OWL.SymmetricProperty, OWL.TransitiveProperty, OWL.AsymmetricProperty, OWL.ReflexiveProperty,
    OWL.IrreflexiveProperty,
)  # fmt: skip
_NOT_INFERRED = {
    OWL.AsymmetricProperty: "is asymmetric",
    OWL.ReflexiveProperty: "is reflexive",
    OWL.IrreflexiveProperty: "is irreflexive",
}
_DOMAINS = (RDFS.domain, *(NamedNode(s + "domainIncludes") for s in SCHEMA_ORG))
_RANGES = (RDFS.range, *(NamedNode(s + "rangeIncludes") for s in SCHEMA_ORG))
_INVERSES = (OWL.inverseOf, *(NamedNode(s + "inverseOf") for s in SCHEMA_ORG))


def read_properties(graph: Graph, ontology: Ontology, datatypes: Datatypes, defined: Set[str]) -> None:
    """Adds the properties that are declared, but for those whose domains all have definitions of their own."""
    declared = {n.value for c in PROPERTY_CLASSES for n in graph.subjects(RDF.type, c) if isinstance(n, NamedNode)}
    for iri in sorted(declared):
        if is_built_in(iri):
            continue
        node = NamedNode(iri)
        domains = set(members(graph, graph.objects(node, *_DOMAINS)))
        if domains and domains <= defined:
            continue
        term = _read(graph, ontology, node, domains, datatypes)
        if term.datatypes or term.classes:
            ontology.properties[iri] = term
        else:
            ontology.left_out.append(iri)
            ontology.notice(iri, "has no domain, no range and no values; it is left out")
        if len(ontology.properties) > MAX_PROPERTIES:
            raise BadInput(f"more than {MAX_PROPERTIES:,} properties")
    _pair_inverses(graph, ontology)


def _read(graph: Graph, ontology: Ontology, node: NamedNode, domains: set[str], datatypes: Datatypes) -> PropertyTerm:
    term = PropertyTerm(node.value, describe(graph, node))
    if len(graph.objects(node, RDFS.domain)) > 1:
        ontology.notice(node.value, "has several domains; any of them is taken for one, in place of all")
    if domains.isdisjoint(ROOTS):
        term.domains = {d for d in domains if d in ontology.classes}
        for other in sorted(domains - term.domains):
            ontology.notice(node.value, f"has the domain {other}, which no type stands for; this is left out")
    ranges = set(members(graph, graph.objects(node, *_RANGES)))
    term.values = next((datatypes[iri].values for iri in sorted(ranges) if iri in datatypes), ())
    term.facets += sort_ranges(term, ranges, ontology, datatypes)
    _read_anonymous_ranges(graph, ontology, term, node, datatypes)
    if not term.datatypes and not term.classes:
        _guess_range(graph, ontology, term, node)
    term.functional = graph.is_a(node, OWL.FunctionalProperty)
    term.inverse_functional = graph.is_a(node, OWL.InverseFunctionalProperty)
    term.symmetric = graph.is_a(node, OWL.SymmetricProperty)
    term.transitive = graph.is_a(node, OWL.TransitiveProperty)
    term.broader = sorted(set(graph.iris(node, RDFS.subPropertyOf)) - {node.value})
    term.chains = _read_chains(graph, ontology, node)
    for kind, words in _NOT_INFERRED.items():
        if graph.is_a(node, kind):
            ontology.notice(node.value, f"{words}; what follows from that is not inferred")
    return term


def _read_chains(graph: Graph, ontology: Ontology, node: NamedNode) -> list[tuple[tuple[str, bool], ...]]:
    """In an order that does not depend on the names of lists, which are the parser's."""
    found = []
    for head in graph.objects(node, OWL.propertyChainAxiom):
        try:
            steps = [_step(graph, item) for item in graph.items(head)]
        except BadInput as error:
            ontology.notice(node.value, f"says owl:propertyChainAxiom: {error.message}")
            continue
        known = tuple(step for step in steps if step is not None)
        if len(known) < len(steps) or not 1 <= len(known) <= MAX_PREMISES:
            what = "with a step that is no property" if len(known) < len(steps) else f"of {len(known)} properties"
            ontology.notice(node.value, f"says owl:propertyChainAxiom {what}; this is left out")
        else:
            found.append(known)
    return sorted(found)


def _step(graph: Graph, item: Term) -> tuple[str, bool] | None:
    """A property, or one that is read backwards."""
    if isinstance(item, NamedNode):
        return item.value, False
    inverses = graph.iris(item, OWL.inverseOf) if isinstance(item, BlankNode) else []
    return (inverses[0], True) if len(inverses) == 1 else None


def sort_ranges(term: PropertyTerm, ranges: set[str], ontology: Ontology, datatypes: Datatypes) -> tuple[Facet, ...]:
    """Puts each range among the term's datatypes or classes. What the only datatype of them asks of its values."""
    found = [iri for iri in sorted(ranges) if iri in datatypes or iri in KINDS or iri.startswith(XSD_NS)]
    for iri in found:
        term.datatypes.add(datatypes[iri].base if iri in datatypes else iri)
    for iri in ranges.difference(found):
        if iri in ontology.classes:
            term.classes.add(iri)
        elif iri in ROOTS:
            term.classes |= ROOTS
        else:
            ontology.notice(term.iri, f"has the range {iri}, which no type stands for; this is left out")
    asked = [datatypes[iri].facets for iri in found if iri in datatypes and datatypes[iri].facets]
    if asked and len(found) > 1:
        ontology.notice(term.iri, "has several datatypes; what one of them asks of its values is left out")
        return ()
    return asked[0] if asked else ()


def _read_anonymous_ranges(
    graph: Graph, ontology: Ontology, term: PropertyTerm, node: NamedNode, datatypes: Datatypes
) -> None:
    for each in graph.objects(node, *_RANGES):
        if not isinstance(each, BlankNode) or graph.nodes(each, OWL.unionOf):
            continue
        made = restricted(graph, ontology, each, node.value, datatypes)
        if made is None:
            ontology.notice(node.value, "has a range without a name; this is left out")
        else:
            term.datatypes.add(made.base)
            term.facets += made.facets
            term.values = term.values or made.values


def add_range(graph: Graph, term: PropertyTerm, value: Term) -> None:
    """Makes room for one more value. An IRI that is of no class is a value, what is of one is linked."""
    if isinstance(value, Literal):
        term.datatypes.add(value.datatype.value)
    elif isinstance(value, BlankNode) and graph.value(value, RDF.first) is not None:
        for item in graph.items(value):
            add_range(graph, term, item)
    elif isinstance(value, NamedNode) and graph.value(value, RDF.type) is None:
        term.datatypes.add(XSD.anyURI.value)
    else:
        term.classes |= ROOTS


def _guess_range(graph: Graph, ontology: Ontology, term: PropertyTerm, node: NamedNode) -> None:
    """By what kind of property it is, or else by the values it has."""
    if graph.is_a(node, OWL.ObjectProperty):
        term.classes |= ROOTS
    elif graph.is_a(node, OWL.DatatypeProperty):
        term.datatypes.add(RDFS.Literal.value)
    else:
        for quad in graph.quads(None, node):
            if isinstance(quad.object, NamedNode | BlankNode | Literal):
                add_range(graph, term, quad.object)
        if not term.datatypes and not term.classes and term.domains:
            term.datatypes.add(RDFS.Literal.value)
            ontology.notice(term.iri, "has no range and no values; it is taken for text")


def _pair_inverses(graph: Graph, ontology: Ontology) -> None:
    """Of two inverse properties one is the relation, and the other its links seen from their other end."""
    paired: set[str] = set()
    for iri, term in sorted(ontology.properties.items()):
        others = graph.iris(NamedNode(iri), *_INVERSES)
        others += [n.value for p in _INVERSES for n in graph.subjects(p, NamedNode(iri)) if isinstance(n, NamedNode)]
        for other in sorted(set(others)):
            inverse = ontology.properties.get(other)
            if other == iri:
                term.symmetric = True
            elif inverse is None:
                ontology.notice(iri, f"is the inverse of {other}, which is no property here; this is left out")
            elif not paired & {iri, other} and term.classes and inverse.classes:
                inverse.inverse = iri
                paired |= {iri, other}
                term.inverse_functional |= inverse.functional
                inverse.functional |= term.inverse_functional
            elif inverse.inverse != iri and term.inverse != other:
                ontology.notice(iri, f"is the inverse of {other} besides another; this is left out")
