"""What definitions ask of values, as shapes of SHACL: for each field a property shape with an IRI of its own.

A shape says nothing that data could be as its definition wants and the shape not: of lists RDF counts values that
differ, what is encrypted has no triples, links can have triples of their own, and a pattern without a counterpart in
XPath is left out. A property that has fields for languages has none, for a shape would be of all its values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field, LinkField
from fabric.types.kinds import Kind
from fabric.types.narrowing import narrowed_fields, narrowed_links
from ontology.iris import Iris, as_element
from ontology.output.uncounted import Uncounted
from ontology.survey.patterns import Untranslatable, xpath_pattern
from ontology.values import datatype_of, literal, literal_of
from ontology.vocabulary import BASE, ITSELF, NOT_OURS, RDF, SHACL, XSD


def shape_triples(iris: Iris, object_type: ObjectType, uncounted: Uncounted) -> Iterator[Triple]:
    """Of what the type itself declares, and of what it asks beside of what it inherits."""
    owner, said = NamedNode(iris.classes[object_type.name]), False
    for field in (*object_type.own_fields.values(), *_narrowed(object_type)):
        path = iris.field(object_type, field)
        is_told = field.protection is None and field.iri != ITSELF and path not in iris.in_languages
        if is_told and not path.startswith(NOT_OURS):
            shape = shape_iri(object_type.name, field.name)
            yield from _property(owner, shape, path)
            yield from _asked(shape, field)
            said = True
    for link in (*object_type.own_links.values(), *narrowed_links(object_type)):
        shape = shape_iri(object_type.name, link.name)
        asked = [*_asked_of_link(iris, object_type, link, shape, uncounted)] if link.outgoing else []
        if asked:
            yield from _property(owner, shape, iris.relations[link.relation])
            yield from asked
            said = True
    if said:
        yield Triple(owner, RDF.type, SHACL.NodeShape)


def _asked_of_link(
    iris: Iris, object_type: ObjectType, link: LinkField, shape: NamedNode, uncounted: Uncounted
) -> Iterator[Triple]:
    declared = object_type.links.get(link.name)
    if declared is None or (declared.relation, declared.outgoing) != (link.relation, link.outgoing):
        return  # what another label says holds in its place
    if link.target != declared.target:
        yield Triple(shape, SHACL.class_, NamedNode(iris.classes[link.target]))
    if link.counts.least and link.relation not in uncounted.short:
        yield Triple(shape, SHACL.minCount, _number(link.counts.least))
    most = link.counts.most if link.many else 1
    if most is not None and link.relation not in uncounted.beyond and _is_whole(iris.catalogue, object_type, declared):
        yield Triple(shape, SHACL.maxCount, _number(most))


def _is_whole(catalogue: Catalogue, object_type: ObjectType, link: LinkField) -> bool:
    """Whether the link field has all links of its relation that lead from objects of the type."""
    family = {*catalogue.types[link.target].family}
    return all(
        family.issuperset(catalogue.types[target].family)
        for source, target in catalogue.relations[link.relation].ends
        if not {*object_type.family}.isdisjoint(catalogue.types[source].family)
    )


def _narrowed(object_type: ObjectType) -> Iterator[Field]:
    for field in narrowed_fields(object_type):
        inherited = object_type.fields[field.name]
        yield replace(
            field, required=inherited.required, protection=inherited.protection, iri=inherited.iri,
            datatype=inherited.datatype,
        )  # fmt: skip


def shape_iri(type_name: str, member: str) -> NamedNode:
    return NamedNode(f"{BASE}shape:{type_name}#{as_element(member)}")


def _property(owner: NamedNode, shape: NamedNode, path: str) -> Iterator[Triple]:
    yield Triple(owner, SHACL.property, shape)
    yield Triple(shape, RDF.type, SHACL.PropertyShape)
    yield Triple(shape, SHACL.path, NamedNode(path))


def _asked(shape: NamedNode, field: Field) -> Iterator[Triple]:
    yield Triple(shape, SHACL.datatype, datatype_of(field))
    yield from _counts(shape, field)
    if field.kind is Kind.ENUM:
        yield from _values(shape, [literal_of(field, value) for value in field.values])
    asked = field.constraints
    if asked.values is not None:
        yield from _values(shape, [literal_of(field, value) for value in asked.values])
    for pattern in asked.pattern or ():
        yield from _pattern(shape, pattern)
    for predicate, length in ((SHACL.minLength, asked.min_length), (SHACL.maxLength, asked.max_length)):
        if length is not None:
            yield Triple(shape, predicate, _number(length))
    for predicate, bound in (
        (SHACL.minInclusive, asked.minimum),
        (SHACL.maxInclusive, asked.maximum),
        (SHACL.minExclusive, asked.exclusive_minimum),
        (SHACL.maxExclusive, asked.exclusive_maximum),
    ):
        if bound is not None:
            yield Triple(shape, predicate, literal(field.kind, bound))


def _counts(shape: NamedNode, field: Field) -> Iterator[Triple]:
    asked = field.constraints
    least = asked.min_items or 0 if field.many else 1
    if field.required and least:
        yield Triple(shape, SHACL.minCount, _number(least if asked.unique_items else 1))
    most = asked.max_items if field.many else 1
    if most is not None:
        yield Triple(shape, SHACL.maxCount, _number(most))


def _values(shape: NamedNode, values: Sequence[Literal]) -> Iterator[Triple]:
    name = shape.value.removeprefix(BASE).encode().hex()
    nodes = [BlankNode(f"values{name}x{number}") for number in range(len(values))]
    yield Triple(shape, SHACL.in_, nodes[0])
    for number, value in enumerate(values):
        yield Triple(nodes[number], RDF.first, value)
        yield Triple(nodes[number], RDF.rest, nodes[number + 1] if number + 1 < len(nodes) else RDF.nil)


def _pattern(shape: NamedNode, pattern: str) -> Iterator[Triple]:
    try:
        text, flags = xpath_pattern(pattern)
    except Untranslatable:
        return
    yield Triple(shape, SHACL.pattern, Literal(text))
    if flags:
        yield Triple(shape, SHACL.flags, Literal(flags))


def _number(value: int) -> Literal:
    return Literal(str(value), datatype=XSD.integer)
