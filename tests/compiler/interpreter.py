"""Queries answered the slow, obvious way: over Python lists of all versions, one rule of the contract after another.

It shares nothing with the compiled path but the reader's catalogue and the kinds' canonical form. It takes the rows as
the tables' owner reads them, selects what the reader's label sees, and only then filters, sorts, pages and writes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any
from uuid import UUID

from graphql import FieldNode, FragmentDefinitionNode, OperationDefinitionNode, SelectionSetNode, parse
from graphql.language import FragmentSpreadNode, InlineFragmentNode
from graphql.utilities import value_from_ast_untyped

from compiler.aggregates import Aggregates
from compiler.values import TEXT_OPERATORS, Row, comparable, equal, holds, json_equal, listed, moment
from fabric.encryption.hints import hint_of
from fabric.encryption.places import Place as FieldPlace
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.labels import Label, dominates, rank, winner
from fabric.names import camel, pascal
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field, LinkField
from fabric.types.kinds import Kind, canonical
from graphql_api.positions import transaction_token

ABSENT = object()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cursor points: a row of a list, with the link by which it is reached, if by one."""

    row: Row
    link: Row | None = None


class Interpreter:
    """Answers for one reader. `cursors` are the texts that earlier answers gave, with the places they stand for."""

    def __init__(
        self, catalogue: Catalogue, organization: Organization, label: int, objects: Iterable[Row],
        links: Iterable[Row], events: Iterable[Row], cursors: Mapping[str, Place],
        secrets: Mapping[FieldPlace, Any], *, page_size: int = 50,
    ) -> None:  # fmt: skip
        self._types = catalogue.types
        self._organization, self._lattice = organization, organization.lattice
        self._cursors = cursors
        self._secrets = secrets
        self._page_size = page_size
        self._objects = {r["object_id"]: r for r in visible(objects, "object_id", label)}
        self._links = list(visible(links, "link_id", label))
        self._events = sorted(
            (e for e in events if dominates(label, e["label"])), key=lambda e: (e["transaction_id"], e["position"])
        )

    def answer(self, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data of the document's one operation; where a cursor is due stands its `Place`."""
        document = parse(text)
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        [operation] = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        self._variables = dict(variables)
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                self._variables.setdefault(definition.variable.name.value, plain(definition.default_value, {}))
        fields = self._collect([operation.selection_set], lambda _: True)
        return {key: self._root(nodes) for key, nodes in fields.items()}

    # Selections

    def _collect(
        self, sets: Iterable[SelectionSetNode], applies: Callable[[str], bool]
    ) -> dict[str, list[FieldNode]]:
        found: dict[str, list[FieldNode]] = {}
        for selection in (s for each in sets for s in each.selections):
            if not self._included(selection):
                continue
            if isinstance(selection, FieldNode):
                found.setdefault((selection.alias or selection.name).value, []).append(selection)
                continue
            if isinstance(selection, FragmentSpreadNode):
                fragment: Any = self._fragments[selection.name.value]
            else:
                assert isinstance(selection, InlineFragmentNode)
                fragment = selection
            if fragment.type_condition is None or applies(fragment.type_condition.name.value):
                for key, nodes in self._collect([fragment.selection_set], applies).items():
                    found.setdefault(key, []).extend(nodes)
        return found

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if plain(directive.arguments[0].value, self._variables) == (directive.name.value == "skip"):
                return False
        return True

    def _members(self, nodes: Sequence[FieldNode], make: Callable[[list[FieldNode]], Any]) -> dict[str, Any]:
        """An object of a type without subtypes."""
        return {key: make(each) for key, each in self._collect(_sets(nodes), lambda _: True).items()}

    def _arguments(self, node: FieldNode) -> dict[str, Any]:
        given = {a.name.value: plain(a.value, self._variables) for a in node.arguments or ()}
        return {name: value for name, value in given.items() if value is not ABSENT}

    # Roots

    def _root(self, nodes: list[FieldNode]) -> Any:
        name, arguments = nodes[0].name.value, self._arguments(nodes[0])
        if name == "__typename":
            return "Query"
        if name == "node":
            return self._object(self._find(arguments["id"], self._types), nodes)
        if name == "nodes":
            return [self._object(self._find(i, self._types), nodes) for i in listed(arguments["ids"])]
        for t in self._types.values():
            if name == camel(t.name):
                return self._object(self._find(arguments["id"], t.family), nodes)
            if name == camel(t.name) + "ByKey":
                return self._object(self._by_key(t, arguments), nodes)
            if name == camel(t.plural):
                places = [Place(r) for r in self._objects.values() if r["type_name"] in t.family]
                return self._connection(places, t, t.name, nodes, arguments)
            if name == camel(t.plural) + "Aggregate":
                return self._summary([r for r in self._objects.values() if r["type_name"] in t.family], t, nodes)
        raise AssertionError(name)

    def _find(self, id: str, types: Iterable[str]) -> Row | None:
        row = self._objects.get(_uuid(id))
        return row if row is not None and row["type_name"] in types else None

    def _by_key(self, t: ObjectType, arguments: Mapping[str, Any]) -> Row | None:
        key = {t.fields[n].key: _canonical(t.fields[n], v) for n, v in arguments.items()}
        rows = [r for r in self._objects.values() if r["type_name"] in t.family]
        found = [r for r in rows if all(r["data"][k] == v for k, v in key.items())]
        assert len(found) <= 1
        return found[0] if found else None

    def _summary(self, rows: list[Row], t: ObjectType, nodes: list[FieldNode]) -> dict[str, Any]:
        arguments = self._arguments(nodes[0])
        rows = [r for r in rows if self._passes(r, t, arguments.get("where"))]
        return Aggregates(t, self._lattice, self._members, self._page_size).answer(rows, nodes, arguments)

    # Objects

    def _object(self, row: Row | None, nodes: Sequence[FieldNode]) -> dict[str, Any] | None:
        if row is None:
            return None
        t = self._types[row["type_name"]]
        names = {t.name, _concrete(t), *t.ancestors, "Node", "FabricObject"}
        return {k: self._field(row, t, each) for k, each in self._collect(_sets(nodes), names.__contains__).items()}

    def _field(self, row: Row, t: ObjectType, nodes: list[FieldNode]) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return _concrete(t)
        if name in t.fields and t.fields[name].protection:
            return self._encrypted(row, t.fields[name], nodes)
        if name in t.fields:
            return _leaf(t.fields[name], row["data"])
        if name in t.links:
            return self._linked(row, t, t.links[name], nodes)
        if name.endswith("Aggregate"):
            link = t.links[name.removesuffix("Aggregate")]
            return self._summary([p.row for p in self._over(row, link)], self._types[link.target], nodes)
        if name == "history":
            return self._history(row, nodes)
        return self._column(row, name, "object_id")

    def _encrypted(self, row: Row, field: Field, nodes: list[FieldNode]) -> Any:
        secret, protection = self._secret(row, field), field.protection
        assert protection is not None
        if secret is ABSENT:
            return None
        hint = hint_of(protection.hint, secret)
        shown = {
            "__typename": "EncryptedField", "locked": True, "purpose": protection.purpose,
            "unlockPermission": protection.unlock.permission, "hint": None if hint is None else hint.split(":", 1)[1],
        }  # fmt: skip
        return self._members(nodes, lambda each: shown[each[0].name.value])

    def _secret(self, row: Row, field: Field) -> Any:
        place = FieldPlace(row["organization_id"], "objects", row["object_id"], row["label"], field.key)
        return self._secrets.get(place, ABSENT)

    def _history(self, row: Row, nodes: list[FieldNode]) -> dict[str, Any]:
        places = [Place(e) for e in self._events if e["entity_id"] == row["object_id"]]

        def order(a: Place, b: Place) -> int:
            return places.index(a) - places.index(b)

        page, before, after = self._page(places, order, self._arguments(nodes[0]))

        def edge(place: Place, nodes: list[FieldNode]) -> Any:
            match nodes[0].name.value:
                case "cursor":
                    return place
                case "node":
                    return self._members(nodes, lambda n: self._event(place.row, n[0].name.value))
            return "EventEdge"

        def member(nodes: list[FieldNode]) -> Any:
            match nodes[0].name.value:
                case "nodes":
                    return [self._members(nodes, lambda n: self._event(p.row, n[0].name.value)) for p in page]  # noqa: B023
                case "edges":
                    return [self._members(nodes, lambda n: edge(p, n)) for p in page]  # noqa: B023
                case "pageInfo":
                    return self._members(nodes, lambda n: _page_info(n[0].name.value, page, before, after))
            return "EventConnection"

        return self._members(nodes, member)

    def _event(self, event: Row, name: str) -> Any:
        match name:
            case "__typename":
                return "Event"
            case "entityId" | "from" | "to":
                id = event[{"entityId": "entity_id", "from": "source_id", "to": "target_id"}[name]]
                return None if id is None else str(id)
            case "label":
                return str(self._lattice.decode(event["label"]))
            case "occurredAt":
                return moment(event["occurred_at"])
            case "transactionId":
                return transaction_token(self._organization, Position(event["transaction_id"], event["position"]))
            case "entityType":
                return event["entity_type"]
        return event[name]

    def _column(self, row: Row, name: str, id: str) -> Any:
        match name:
            case "id":
                return str(row[id])
            case "label":
                return str(self._lattice.decode(row["label"]))
            case "revision":
                return row["revision"]
            case "createdAt" | "updatedAt":
                return moment(row["created_at" if name == "createdAt" else "updated_at"])
        raise AssertionError(name)

    def _over(self, row: Row, link: LinkField) -> list[Place]:
        """The objects over a link field, with their links."""
        near, far = ("source_id", "target_id") if link.outgoing else ("target_id", "source_id")
        found = []
        for each in self._links:
            if each["relation"] == link.relation and each[near] == row["object_id"]:
                target = self._objects.get(each[far])
                if target is not None and target["type_name"] in self._types[link.target].family:
                    found.append(Place(target, each))
        return found

    def _linked(self, row: Row, t: ObjectType, link: LinkField, nodes: list[FieldNode]) -> Any:
        places = self._over(row, link)
        target = self._types[link.target]
        if link.many:
            owner = [n for n in (t.name, *t.ancestors) if link.name in self._types[n].own_links][-1]
            return self._connection(places, target, owner + pascal(link.name), nodes, self._arguments(nodes[0]))
        return self._object(_first(places), nodes)

    # Connections

    def _connection(
        self, places: list[Place], t: ObjectType, name: str, nodes: list[FieldNode], arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        places = [p for p in places if self._passes(p.row, t, arguments.get("where"))]
        order = self._order(t, arguments.get("orderBy"))
        places.sort(key=cmp_to_key(order))
        page, before, after = self._page(places, order, arguments)

        def member(nodes: list[FieldNode]) -> Any:
            match nodes[0].name.value:
                case "nodes":
                    return [self._object(p.row, nodes) for p in page]
                case "edges":
                    return [self._members(nodes, lambda n: self._edge(p, name, n)) for p in page]  # noqa: B023
                case "pageInfo":
                    return self._members(nodes, lambda n: _page_info(n[0].name.value, page, before, after))
                case "totalCount":
                    return len(places)
            return name + "Connection"

        return self._members(nodes, member)

    def _page(
        self, places: list[Place], order: Callable[[Place, Place], int], arguments: Mapping[str, Any]
    ) -> tuple[list[Place], bool, bool]:
        """The page, whether there is something before it, and whether something after."""
        start, end = arguments.get("after"), arguments.get("before")
        left = [p for p in places if start is not None and order(p, self._cursors[start]) <= 0]
        right = [p for p in places if end is not None and order(p, self._cursors[end]) >= 0]
        between = [p for p in places if p not in left and p not in right]
        if arguments.get("last") is not None:
            size = arguments["last"]
            return between[max(len(between) - size, 0) :], len(between) > size, bool(right)
        size = self._page_size if arguments.get("first") is None else arguments["first"]
        return between[:size], bool(left), len(between) > size

    def _edge(self, place: Place, name: str, nodes: list[FieldNode]) -> Any:
        match nodes[0].name.value:
            case "cursor":
                return place
            case "node":
                return self._object(place.row, nodes)
            case "link":
                return self._members(nodes, lambda n: self._link_member(_link(place), n[0].name.value))
        return name + "Edge"

    def _link_member(self, link: Row, member: str) -> Any:
        match member:
            case "__typename":
                return "Link"
            case "inferred":
                return False
            case "weight" | "properties":
                return link[member]
            case "validFrom" | "validTo":
                value = link["valid_from" if member == "validFrom" else "valid_to"]
                return None if value is None else moment(value)
            case "from" | "to":
                return str(link["source_id" if member == "from" else "target_id"])
            case "relation" | "semanticNamespace" | "semanticPredicate":
                return link[{"relation": "relation"}.get(member, f"semantic_{member.removeprefix('semantic').lower()}")]
        return self._column(link, member, "link_id")

    def _order(self, t: ObjectType, order_by: Any) -> Callable[[Place, Place], int]:
        keys = [_order_key(each) for each in listed(order_by or [])]

        def compare(a: Place, b: Place) -> int:
            for names, direction in keys:
                x, y = self._sort_value(a.row, t, names), self._sort_value(b.row, t, names)
                if (x is None) != (y is None):
                    nulls_first = direction in ("DESC", "ASC_NULLS_FIRST")
                    return -1 if (x is None) == nulls_first else 1
                if x != y:
                    return -1 if (x < y) == direction.startswith("ASC") else 1
            last = (_ids(a) > _ids(b)) - (_ids(a) < _ids(b))
            return -last if keys and keys[-1][1].startswith("DESC") else last

        return compare

    def _sort_value(self, row: Row, t: ObjectType, names: Sequence[str]) -> Any:
        """The value at the end of the names, of which all but the last are links."""
        name, *further = names
        if further:
            target = _first(self._over(row, t.links[name]))
            return None if target is None else self._sort_value(target, self._types[t.links[name].target], further)
        if name in t.fields:
            value = row["data"].get(t.fields[name].key)
            return None if value is None else comparable(t.fields[name].kind, value)
        return self._column(row, name, "object_id")

    # Filters

    def _passes(self, row: Row, t: ObjectType, where: Mapping[str, Any] | None) -> bool:
        return all(self._passes_member(row, t, name, sub) for name, sub in (where or {}).items() if sub is not None)

    def _passes_member(self, row: Row, t: ObjectType, name: str, sub: Any) -> bool:
        match name:
            case "and":
                return all(self._passes(row, t, each) for each in listed(sub))
            case "or":
                return any(self._passes(row, t, each) for each in listed(sub))
            case "not":
                return not self._passes(row, t, sub)
        if name in t.links:
            return all(self._quantified(row, t.links[name], q, inner) for q, inner in sub.items() if inner is not None)
        if name in t.fields and t.fields[name].many:
            return all(_list_passes(t.fields[name], row["data"], op, given) for op, given in sub.items())
        return all(self._operator(row, t, name, op, given) for op, given in sub.items())

    def _quantified(self, row: Row, link: LinkField, quantifier: str, where: Mapping[str, Any]) -> bool:
        passing = [self._passes(p.row, self._types[link.target], where) for p in self._over(row, link)]
        return {"some": any(passing), "every": all(passing), "none": not any(passing)}[quantifier]

    def _operator(self, row: Row, t: ObjectType, name: str, op: str, given: Any) -> bool:
        if op in ("ne", "notIn"):
            return not self._operator(row, t, name, {"ne": "eq", "notIn": "in"}[op], given)
        field = t.fields.get(name)
        if field is not None:
            stored = self._secret(row, field) if field.protection else row["data"].get(field.key)
            stored = None if stored is ABSENT else stored
            kind = field.kind
            read = _given(field, op)
        else:
            stored = self._column(row, name, "object_id")
            kind = {"revision": Kind.INTEGER}.get(name, Kind.STRING)
            read = {"id": _id_text, "label": _label_text, "revision": _same}.get(name, _moment_text)
        if op == "isNull":
            return bool(given == (stored is None))
        if op == "eq" and given is None:
            return stored is None
        if stored is None:
            return False
        if op == "in":
            return any(equal(kind, stored, read(v)) for v in listed(given))
        return holds(kind, op, stored, read(given))


def visible(rows: Iterable[Row], key: str, label: int) -> list[Row]:
    """The winning versions for a reader at `label`, without the tombstones among them."""
    versions: dict[UUID, dict[int, Row]] = {}
    for row in rows:
        versions.setdefault(row[key], {})[row["label"]] = row
    winners = ((by_label, winner(by_label, label)) for by_label in versions.values())
    return [by_label[won] for by_label, won in winners if won is not None and not by_label[won]["tombstone"]]


def plain(node: Any, variables: Mapping[str, Any]) -> Any:
    """A value as Python data; ABSENT for a variable that is not there, which takes its place in an object with it."""
    match node.kind:
        case "variable":
            return variables.get(node.name.value, ABSENT)
        case "list_value":
            return [plain(v, variables) for v in node.values]
        case "object_value":
            members = {f.name.value: plain(f.value, variables) for f in node.fields}
            return {name: value for name, value in members.items() if value is not ABSENT}
    return value_from_ast_untyped(node)


def _list_passes(field: Field, data: Mapping[str, Any], op: str, given: Any) -> bool:
    stored = data.get(field.key)
    if op == "isNull":
        return bool(given == (stored is None))
    if op == "eq" and given is None:
        return stored is None
    if stored is None:
        return False
    if op == "isEmpty":
        return bool(given == (stored == []))
    wanted = [_canonical(field, v) for v in listed(given)]
    if op == "eq":
        return json_equal(stored, wanted)
    present = [any(json_equal(w, s) for s in stored) for w in wanted]
    return any(present) if op == "containsAny" else all(present)


def _leaf(field: Field, data: Mapping[str, Any]) -> Any:
    value = data.get(field.key)
    if field.kind is Kind.BIGINT and value is not None:
        return [str(v) for v in value] if field.many else str(value)
    return value


def _page_info(name: str, page: list[Place], before: bool, after: bool) -> Any:
    match name:
        case "hasNextPage":
            return after
        case "hasPreviousPage":
            return before
        case "startCursor":
            return page[0] if page else None
        case "endCursor":
            return page[-1] if page else None
    return "PageInfo"


def _sets(nodes: Iterable[FieldNode]) -> list[SelectionSetNode]:
    return [n.selection_set for n in nodes if n.selection_set is not None]


def _first(places: list[Place]) -> Row | None:
    """Of several links the highest label's covers the lower ones; the link's id decides between equals."""
    places = sorted(places, key=lambda p: (*(-part for part in rank(_link(p)["label"])), _link(p)["link_id"]))
    return places[0].row if places else None


def _order_key(item: Mapping[str, Any]) -> tuple[list[str], str]:
    """The names on the way to the direction, and the direction."""
    names: list[str] = []
    inner: Any = item
    while isinstance(inner, Mapping):
        [(name, inner)] = [(n, v) for n, v in inner.items() if v is not None]
        names.append(name)
    return names, inner


def _link(place: Place) -> Row:
    assert place.link is not None
    return place.link


def _ids(place: Place) -> tuple[UUID, ...]:
    own: UUID = place.row["object_id"]
    return (own,) if place.link is None else (own, place.link["link_id"])


def _concrete(t: ObjectType) -> str:
    return t.name + "Object" if len(t.family) > 1 else t.name


def _given(field: Field, op: str) -> Callable[[Any], Any]:
    """How an operator's argument is read: part of a text need not be of the kind."""
    return _same if op in TEXT_OPERATORS and field.kind is not Kind.JSON else lambda v: _canonical(field, v)


def _canonical(field: Field, value: Any) -> Any:
    if field.kind is Kind.INTEGER and isinstance(value, float):
        value = int(value)
    return canonical(field.kind, value, values=(*field.values, *field.retired_values))


def _same(value: Any) -> Any:
    return value


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None


def _id_text(value: str) -> str | None:
    found = _uuid(value)
    return None if found is None else str(found)


def _label_text(value: Any) -> str:
    return str(Label.of(value))


def _moment_text(value: Any) -> Any:
    return canonical(Kind.DATETIME, value)
