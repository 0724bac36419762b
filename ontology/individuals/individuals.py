"""Individuals as objects and links: import records for what a graph says of members of classes that types stand for."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import lru_cache, partial
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from fabric.errors import BadInput
from fabric.transfer.records import Problem, Record
from fabric.types.catalogue import ObjectType
from fabric.types.definitions import Field
from fabric.types.kinds import JSONValue, Kind, KindError
from ontology.individuals.blank import Genids
from ontology.input.graph import Graph, Node, Said, Term, classes_among, said
from ontology.input.statements import Described
from ontology.iris import IDS, Iris
from ontology.survey.joined import but_itself, joined_iri
from ontology.values import Fields, field_for, json_of, lexical, text_of, value_of
from ontology.vocabulary import BASE, DEFINITION, FABRIC, INFERRED, LABEL, LINK_VALUES, ORDER, RDF, RDFS, is_built_in

_UUIDS = "urn:uuid:"
_NAMES_KEPT = 100_000
"""Objects whose names as ends of links are kept."""

_SETS_KEPT = 10_000
"""Of classes that a node is of."""


class Individuals:
    """Reads a graph by a catalogue in which all its classes have types.

    `label` is that of records that give none, `zone` where times are that tell no offset.
    """

    def __init__(self, graph: Graph, iris: Iris, label: str | None = None, zone: tzinfo | None = None) -> None:
        self._graph, self._iris, self._label, self._zone = graph, iris, label, zone
        self._genids = Genids(graph)
        self._described = Described(graph)
        self._members: dict[str, Mapping[str, Fields]] = {}
        self.end = lru_cache(maxsize=_NAMES_KEPT)(self._end)
        self._types = lru_cache(maxsize=_SETS_KEPT)(self._types_among)

    def objects(self) -> Iterator[Record | Problem]:
        """Each individual once, with the values of its fields, and what of them cannot be taken."""
        for node, types, quads in self._individuals():
            yield from self._telling(node, partial(self._object, node, types, quads))

    def links(self) -> Iterator[Record | Problem]:
        """What leads from an individual to another, then what is said of links themselves."""
        for node, types, quads in self._individuals():
            yield from self._telling(node, partial(self._links_of, node, types[0], quads))
        yield from self._statements()

    def all(self) -> Iterator[Record | Problem]:
        """Objects and links in one pass, each individual's together: for who only looks at them."""
        for node, types, quads in self._individuals():
            yield from self._telling(node, partial(self._object, node, types, quads))
            yield from self._telling(node, partial(self._links_of, node, types[0], quads))
        yield from self._statements()

    def _statements(self) -> Iterator[Record | Problem]:
        for statement in self._graph.subjects(RDF.type, RDF.Statement):
            yield from self._telling(statement, partial(self._statement, statement))

    def _telling(self, node: Node, read: Callable[[], Iterator[Record | Problem]]) -> Iterator[Record | Problem]:
        """What is read of the node, and at its end what else of it cannot be read."""
        try:
            yield from read()
        except (BadInput, KindError) as error:
            yield Problem(self.iri(node), str(error))

    def _links_of(self, node: Node, object_type: ObjectType, quads: Iterable[Quad]) -> Iterator[Record | Problem]:
        for predicate, terms in self._of_itself(node, said(quads)).items():
            known = self._iris.links.get(predicate.value)
            if known is None:
                continue
            field = self._of(object_type).get(predicate.value, {}).get(None)
            for target in self._flat(terms):
                if not isinstance(target, Literal) and not (field and self._is_value(field, target)):
                    yield from self._link(node, known, target)

    def iri(self, node: Node) -> str:
        """The node's IRI; one that is made of what is said of it, if it has none."""
        return node.value if isinstance(node, NamedNode) else self._genids.iri(node)

    def _individuals(self) -> Iterator[tuple[Node, Sequence[ObjectType], list[Quad]]]:
        """Each with the types of its classes and all that is said of it."""
        for node, quads in self._graph.by_subject():
            if types := self._types_of(node, quads):
                yield node, types, quads

    def _types_of(self, node: Node, quads: Iterable[Quad]) -> Sequence[ObjectType]:
        known = classes_among(quads) & self._iris.types.keys()
        return self._types(*sorted(but_itself(node, known)))

    def _types_among(self, *classes: str) -> Sequence[ObjectType]:
        """The type for what is of all these classes; without one, the types that no other one of them descends from."""
        found = {(t := self._iris.types[iri]).name: t for iri in classes}
        lowest = [t for t in found.values() if found.keys().isdisjoint(set(t.family) - {t.name})]
        joined = self._iris.types.get(joined_iri(self._iris.classes[t.name] for t in lowest))
        return [joined] if joined is not None and all(joined.name in t.family for t in lowest) else lowest

    def _type_of(self, node: Node) -> ObjectType | None:
        return next(iter(self._types_of(node, self._graph.quads(node, RDF.type))), None)

    def _object(self, node: Node, types: Sequence[ObjectType], quads: Iterable[Quad]) -> Iterator[Record | Problem]:
        where, object_type = self.iri(node), types[0]
        for other in types[1:]:
            too = f"is of the class {self._iris.classes[other.name]} too"
            yield Problem(where, f"{too}; an object has one type, {object_type.name}")
        about = self._but_of_type(node, self._of_itself(node, said(quads)))
        members, faults = self._of(object_type), list[str]()
        data = self._data(about, members, faults)
        for predicate in about:
            if predicate.value not in members and not self._is_known(predicate):
                faults.append(f"{predicate.value}: {object_type.name} has no such field or link")
        named = self._named(where, object_type, data)
        yield from (Problem(where, fault) for fault in faults)
        body: dict[str, Any] = {"type": object_type.name, **named, "data": data}
        yield Record(where, body | self._labelled(about.get(LABEL)))

    def _of_itself(self, node: Node, about: Said) -> Said:
        """What is said of the node, but for links that have a statement: their predicate can be any."""
        if not self._described:
            return about
        left = {
            p: [t for t in terms if isinstance(t, Literal) or (node, p, t) not in self._described]
            for p, terms in about.items()
        }
        return {p: terms for p, terms in left.items() if terms}

    def _but_of_type(self, node: Node, about: Said) -> Said:
        """What is said of an object that is a class too, without the name and description of that class's type."""
        if DEFINITION not in about or node.value not in self._iris.types:
            return about
        named = self._iris.types[node.value]
        written = {RDFS.label: named.name, RDFS.comment: named.description}
        return about | {
            p: [t for t in about[p] if not isinstance(t, Literal) or t.language or t.value != text]
            for p, text in written.items()
            if p in about
        }

    def _is_known(self, predicate: NamedNode) -> bool:
        return predicate.value in self._iris.links or is_built_in(predicate.value)

    def _of(self, object_type: ObjectType) -> Mapping[str, Fields]:
        found = self._members.get(object_type.name)
        if found is None:
            found = self._members[object_type.name] = self._iris.members(object_type)
        return found

    def _data(self, about: Said, members: Mapping[str, Fields], faults: list[str]) -> dict[str, JSONValue]:
        """Values by field; those that a field cannot hold are faults."""
        data: dict[str, JSONValue] = {}
        for predicate, terms in about.items():
            fields = members.get(predicate.value, {})
            found = self._values(fields, predicate, terms, faults)
            for field in fields.values():
                values = found.get(field.name, [])
                if field.many and values:
                    data[field.name] = sorted(values, key=partial(lexical, field.kind))
                elif len(values) == 1:
                    data[field.name] = values[0]
                elif values:
                    faults.append(f"{predicate.value}: has {len(values)} values, and {field.name} holds one")
        return data | self._ordered(about, members)

    def _values(
        self, fields: Fields, predicate: NamedNode, terms: list[Term], faults: list[str]
    ) -> dict[str, list[JSONValue]]:
        """Each once, by the names of the property's fields."""
        linked = predicate.value in self._iris.links
        found: dict[str, dict[Hashable, JSONValue]] = {}
        for term in self._flat(terms) if fields else ():
            try:
                field = field_for(fields, term)
                if linked and not (self._is_value(field, term) if field else isinstance(term, Literal)):
                    continue
                if field is None:
                    raise KindError(f"expected a text in one of the languages {', '.join(sorted(map(str, fields)))}")
                value = value_of(field, term, self._zone)
            except KindError as error:
                faults.append(f"{predicate.value}: {error}")
            else:
                found.setdefault(field.name, {}).setdefault(_same(field.kind, value), value)
        return {name: [*values.values()] for name, values in found.items()}

    def _is_value(self, field: Field, term: Term) -> bool:
        """Of a property that has values and links, an IRI that is of no class is a value."""
        texts = (Kind.URI, Kind.STRING, Kind.TEXT)
        return isinstance(term, Literal) or (
            isinstance(term, NamedNode) and field.kind in texts and self._type_of(term) is None
        )

    def _flat(self, terms: list[Term]) -> Iterator[Term]:
        """The terms, and of a list its members."""
        for term in terms:
            if isinstance(term, BlankNode) and self._graph.value(term, RDF.first) is not None:
                yield from self._graph.items(term)
            else:
                yield term

    def _ordered(self, about: Said, members: Mapping[str, Fields]) -> dict[str, JSONValue]:
        """The lists that the fabric wrote beside their values, since these alone have no order."""
        found: dict[str, JSONValue] = {}
        lists = {f.name for fields in members.values() for f in fields.values() if f.many}
        for term in about.get(ORDER, ()):
            written = json_of(text_of(term))
            if not isinstance(written, dict) or not written.keys() <= lists:
                raise BadInput("fabric:order is a JSON object of lists, by field")
            found |= written
        return found

    def _link(self, source: Node, known: tuple[str, bool], target: Node) -> Iterator[Record | Problem]:
        relation, outgoing = known
        ends = (source, target) if outgoing else (target, source)
        where = f"{self.iri(source)} {relation} {self.iri(target)}"
        try:
            named = {side: self.end(end) for side, end in zip(("from", "to"), ends, strict=True)}
        except BadInput as error:
            yield Problem(where, error.message)
        else:
            yield Record(where, {"link": relation, **named} | self._labelled(None))

    def _statement(self, node: Node) -> Iterator[Record | Problem]:
        """A link with what is said of it: a statement about a statement."""
        about = self._graph.about(node)
        subject, predicate, target = (
            next(iter(about.get(part, ())), None) for part in (RDF.subject, RDF.predicate, RDF.object)
        )
        if not isinstance(subject, NamedNode | BlankNode) or not isinstance(predicate, NamedNode):
            return
        if Literal(True) in about.get(INFERRED, ()):  # it follows here too, from what it follows from
            return
        known = self._iris.links.get(predicate.value)
        body = {name: text_of(term) for name, p in LINK_VALUES.items() for term in about.get(p, ())[:1]}
        relation, outgoing = (body.get("link"), True) if "link" in body else known or (None, True)
        if relation is None or not isinstance(target, NamedNode | BlankNode):
            if FABRIC.key in about or known is not None:
                yield Problem(self.iri(subject), f"a statement with {predicate.value} is no link that can be told")
            return
        where, faults = f"{self.iri(subject)} {relation} {self.iri(target)}", list[str]()
        if next(self._graph.quads(subject, predicate, target), None) is None:
            yield Problem(where, "something is said of this statement, but it is not made itself")
            return
        declared = self._iris.catalogue.relations.get(relation)
        properties = self._data(about, self._iris.properties(declared), faults) if declared else {}
        try:
            ends = (subject, target) if outgoing else (target, subject)
            sides = {side: self.end(end) for side, end in zip(("from", "to"), ends, strict=True)}
            told = self._weight(body) | self._labelled(about.get(LABEL))
            record = {**body, "link": relation, **sides, **told}
        except (BadInput, KindError) as error:
            yield Problem(where, str(error))
            return
        yield from (Problem(where, fault) for fault in faults)
        yield Record(where, record | ({"properties": properties} if properties else {}))

    def _weight(self, body: Mapping[str, str]) -> dict[str, Any]:
        if "weight" not in body:
            return {}
        try:
            return {"weight": float(body["weight"])}
        except ValueError:
            raise BadInput("fabric:weight is a number") from None

    def _labelled(self, given: list[Term] | None) -> dict[str, str]:
        if given and len(given) > 1:
            raise BadInput("has several labels")
        label = text_of(given[0]) if given else self._label
        return {"label": label} if label is not None else {}

    def _named(self, iri: str, object_type: ObjectType, data: dict[str, JSONValue]) -> dict[str, Any]:
        """What a record names the object by; the values of a natural key are taken out of the data."""
        if object_type.key_type == self._iris.itself:
            (name,) = object_type.natural_key
            return {"key": {name: data.pop(name, iri)}}
        if object_type.natural_key:
            key = {name: data.pop(name) for name in object_type.natural_key if name in data}
            if len(key) < len(object_type.natural_key):
                raise BadInput(f"lacks a value of its natural key, {', '.join(object_type.natural_key)}")
            return {"key": key}
        return {"id": id_of(iri)}

    def _end(self, node: Node) -> dict[str, Any]:
        """An object as a link's record names it. BadInput for what is none."""
        iri, object_type = self.iri(node), self._type_of(node)
        if object_type is None:
            if iri.startswith(IDS):
                return {"id": id_of(iri)}
            if self._iris.itself is None:
                raise BadInput(f"{iri}: is of no class that is a type")
            return self._by_iri(self._iris.itself, iri)
        if object_type.key_type == self._iris.itself and not iri.startswith(BASE):
            return self._by_iri(object_type.name, iri)
        if not object_type.natural_key:
            return {"id": id_of(iri)}
        about = self._of_itself(node, self._graph.about(node))
        named = self._named(iri, object_type, self._data(about, self._of(object_type), []))
        return {"type": object_type.name, **named} if "key" in named else named

    def _by_iri(self, name: str, iri: str) -> dict[str, Any]:
        return {"type": name, "key": {self._iris.catalogue.types[name].natural_key[0]: iri}}


def _same(kind: Kind, value: JSONValue) -> Hashable:
    """What two values of the kind share if they are one."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if kind is Kind.JSON else cast("Hashable", value)


def id_of(iri: str) -> str:
    """The UUID in the IRI, or one that is made of it."""
    text = iri.removeprefix(IDS).removeprefix(_UUIDS)
    if text != iri:
        try:
            return str(UUID(text))
        except ValueError:
            pass
    return str(uuid5(NAMESPACE_URL, iri))
