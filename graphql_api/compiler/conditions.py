"""From a where-filter to conditions.

A comparison with a missing value is false, so `ne` and `notIn`, the opposites of `eq` and `in`, are true of it.
`eq: null` asks for a missing value. Members of a filter are joined by "and"; an empty filter lets everything pass.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from fabric.errors import BadInput, TooComplex
from fabric.labels import Label
from fabric.types.access import CREATED, ID, LABEL, REVISION, TEXT_KINDS, UPDATED, Access, has, literal, value_of
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field
from fabric.types.kinds import STRING_LENGTH, URI_LENGTH, Kind, KindError, canonical, canonical_list
from graphql_api.compiler import plan as p
from graphql_api.compiler.matching import PERMISSION, condition, messages
from graphql_api.documents.arguments import Leaf, Tree

OPERATORS: Mapping[str, str] = {
    "eq": "{x} = {p}",
    "lt": "{x} < {p}",
    "lte": "{x} <= {p}",
    "gt": "{x} > {p}",
    "gte": "{x} >= {p}",
    "contains": "strpos({x}, {p}) > 0",
    "startsWith": "starts_with({x}, {p})",
    "endsWith": "right({x}, length({p})) = {p}",
}
"""`{x}` is the value, `{p}` the parameter."""

_OPPOSITES = {"ne": "eq", "notIn": "in"}
_WITHOUT_CASE = {"ieq": "eq", "icontains": "contains", "istartsWith": "startsWith", "iendsWith": "endsWith"}
PARTS = frozenset({"contains", "startsWith", "endsWith", *_WITHOUT_CASE})
"""Operators on a part of a text, or on a text that differs in case."""

COLUMNS: Mapping[str, Access] = {
    "id": ID,
    "label": LABEL,
    "revision": REVISION,
    "createdAt": CREATED,
    "updatedAt": UPDATED,
}

_GREATEST = chr(0x10FFFF)

MAX_NESTING = 100
"""Longest path into a filter."""

MAX_HOPS = 5
"""Links that one condition may follow: PostgreSQL plans each further negated one in twice the time."""

MAX_LINKS = 100
"""Links that all filters of a request follow: PostgreSQL tries the orders in which it could join them."""

MAX_CONDITIONS = 5_000
"""Conditions in all filters of a request, with those that only hold others."""

AddParameter = Callable[[p.Binder], p.Parameter]


class Conditions:
    """Makes the conditions of one plan; values become parameters through `add`, needs go into `permissions`."""

    def __init__(
        self, catalogue: Catalogue, add: AddParameter, permissions: set[str], *, matching: bool = True
    ) -> None:
        """Without `matching` no value of an encrypted field can be asked for; else arguments are `digested`."""
        self._catalogue = catalogue
        self._matching = matching
        self._add = add
        self._permissions = permissions
        self._hops = 0
        self._links_followed = 0
        self._conditions_made = 0

    def where(self, object_type: ObjectType, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        """The condition of a `…Where` input on objects of the type. BadInput with the path for what cannot be meant."""
        if len(path) > MAX_NESTING:
            raise TooComplex("the filter is nested too deeply", path[:1])
        if tree is None:
            return p.EVERYTHING
        assert isinstance(tree, dict)
        self.count(1 + len(tree), path)
        return p.All(tuple(self._member(object_type, name, sub, (*path, name)) for name, sub in tree.items()))

    def _member(self, object_type: ObjectType, name: str, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        if tree is None:
            return p.EVERYTHING
        if name in ("and", "or"):
            assert isinstance(tree, list)
            parts = tuple(self.where(object_type, sub, (*path, i)) for i, sub in enumerate(tree))
            return p.All(parts) if name == "and" else p.AnyOf(parts)
        if name == "not":
            return p.Not(self.where(object_type, tree, path))
        assert isinstance(tree, dict)
        if name in COLUMNS:
            return self._operators(COLUMNS[name], _COLUMN_BINDERS.get(name, _plain), tree, path, None)
        if name in object_type.fields:
            field = object_type.fields[name]
            if field.protection is not None:
                return self._matched(field, tree, path)
            if field.many:
                return self._list(field, tree, path)
            return self._operators(value_of(field), _plain, tree, path, field)
        return self._links(object_type, name, tree, path)

    def _matched(self, field: Field, tree: dict[str, Tree], path: tuple[str | int, ...]) -> p.Condition:
        """Of an encrypted field with a blind index. Also to ask whether it has a value takes the permission."""
        if not self._matching:
            raise BadInput("the values of encrypted fields cannot be asked for here", path)
        self._permissions.add(PERMISSION)
        parts: list[p.Condition] = []
        for op, leaf in tree.items():
            if op == "eq" and leaf is None:
                parts.append(p.Not(p.Holds(has(field, "{o}"))))
            elif leaf is None:
                raise BadInput("this operator needs a value", (*path, op))
            else:
                assert isinstance(leaf, Leaf)
                parts.append(p.Holds(condition(field), self._add(messages(field, op, leaf, (*path, op)))))
        return p.All(tuple(parts))

    def count(self, conditions: int, path: tuple[str | int, ...]) -> None:
        """Takes note of so many more. TooComplex for too many."""
        self._conditions_made += conditions
        if self._conditions_made > MAX_CONDITIONS:
            raise TooComplex(f"the filters hold more than {MAX_CONDITIONS:,} conditions", path[:1])

    def compared(self, access: Access, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        """The operators' condition on a value that is no field's: arguments are taken as their scalar reads them."""
        assert isinstance(tree, dict)
        return self._operators(access, _plain, tree, path, None)

    def _operators(
        self, access: Access, binder: "_Binding", tree: dict[str, Tree], path: tuple[str | int, ...],
        field: Field | None,
    ) -> p.Condition:  # fmt: skip
        conditions = [self._operator(access, binder, op, leaf, (*path, op), field) for op, leaf in tree.items()]
        return p.All(tuple(conditions))

    def _operator(
        self, access: Access, binder: "_Binding", op: str, leaf: Tree, path: tuple[str | int, ...], field: Field | None
    ) -> p.Condition:  # fmt: skip
        if op in _OPPOSITES:
            return p.Not(self._operator(access, binder, _OPPOSITES[op], leaf, path, field))
        if op == "eq" and leaf is None:
            return _missing(access, field)
        if leaf is None:
            raise BadInput("this operator needs a value; ask for missing values with isNull or eq: null", path)
        assert isinstance(leaf, Leaf)
        if op == "isNull":
            return p.AnyOf((
                p.All((self._holds(leaf), _missing(access, field))),
                p.All((p.Not(self._holds(leaf)), p.Not(_missing(access, field)))),
            ))  # fmt: skip
        if field is not None:
            binder = _read(Kind.TEXT if op in PARTS and field.kind in TEXT_KINDS else field.kind, field, path)
        if op == "in":
            return p.Compare(access, "{x} = any({p})", self._add(_each(binder, leaf)), _many(access.cast))
        cast = access.cast
        template = OPERATORS[_WITHOUT_CASE.get(op, op)] if field is None or field.kind is not Kind.JSON else _JSON[op]
        if op == "startsWith" and field is not None and field.kind in _BEGINNINGS:
            return self._begins(access, lambda r: binder(r, leaf.get(r.variables)), _BEGINNINGS[field.kind])
        if op in _WITHOUT_CASE:
            folded = "fabric.lower({x} collate fabric.folding)"
            template = template.replace("{x}", folded).replace("{p}", folded.replace("{x}", "{p}"))
        return p.Compare(access, template, self._add(lambda r: binder(r, leaf.get(r.variables))), cast)

    def _begins(self, access: Access, prefix: p.Binder, length: int) -> p.Condition:
        """As a range, which an index finds the ends of without knowing the prefix when it is planned."""
        end = self._add(lambda r: beyond_prefix(prefix(r), length))
        from_begin = p.Compare(access, OPERATORS["gte"], self._add(prefix), access.cast)
        return p.All((from_begin, p.Compare(access, OPERATORS["lt"], end, access.cast)))

    def _holds(self, leaf: Leaf) -> p.Condition:
        return p.Holds("{p}::boolean", self._add(_value(leaf)))

    def _list(self, field: Field, tree: dict[str, Tree], path: tuple[str | int, ...]) -> p.Condition:
        """Of a list: its items as a set (containsAny, containsAll), or all of it in order (eq)."""
        stored = f"({{o}}.data->{literal(field.key)})"
        parts: list[p.Condition] = []
        for op, leaf in tree.items():
            missing = p.Not(p.Holds(has(field, "{o}")))
            if op == "eq" and leaf is None:
                parts.append(missing)
                continue
            if leaf is None:
                raise BadInput("this operator needs a value", (*path, op))
            assert isinstance(leaf, Leaf)
            if op == "isNull":
                holds = self._holds(leaf)
                parts.append(p.AnyOf((p.All((holds, missing)), p.All((p.Not(holds), p.Not(missing))))))
            elif op == "isEmpty":
                empty: p.Condition = p.Holds(f"{stored} = '[]'::jsonb")
                holds = self._holds(leaf)
                parts.append(
                    p.AnyOf((p.All((holds, empty)), p.All((p.Not(holds), p.Holds(f"{stored} <> '[]'::jsonb")))))
                )
            else:
                parameter = self._add(_read_list(field, leaf, (*path, op)))
                templates = _JSON_LISTS if field.kind is Kind.JSON else _LISTS
                parts.append(p.Holds(templates[op].replace("{x}", stored), parameter))
        return p.All(tuple(parts))

    def _links(
        self, object_type: ObjectType, name: str, tree: dict[str, Tree], path: tuple[str | int, ...]
    ) -> p.Condition:
        link = object_type.links[name]
        target = self._catalogue.types[link.target]
        hop = p.Hop(link.relation, link.outgoing, target.family, link.relation in self._catalogue.concluded)
        self._permissions.add("link:read")
        parts: list[p.Condition] = []
        self._hops += 1
        if self._hops > MAX_HOPS:
            raise TooComplex(f"a filter follows {MAX_HOPS} links at most, one after another", path[:1])
        for quantifier, sub in tree.items():
            if sub is None:
                continue
            self._links_followed += 1
            if self._links_followed > MAX_LINKS:
                raise TooComplex(f"the filters follow more than {MAX_LINKS} links", path[:1])
            inner = self.where(target, sub, (*path, quantifier))
            if quantifier == "every":
                parts.append(p.Not(p.Linked(hop, p.Not(inner))))
            else:
                some = p.Linked(hop, inner)
                parts.append(some if quantifier == "some" else p.Not(some))
        self._hops -= 1
        return p.All(tuple(parts))


_JSON = {"eq": "{x} = {p}", "contains": "{x} @> {p}"}
_LISTS = {
    "eq": "{x} = {p}::jsonb",
    "containsAll": "{x} @> {p}::jsonb",
    "containsAny": "exists (select from jsonb_array_elements({x}) e where {p}::jsonb @> jsonb_build_array(e))",
}
# Of lists and objects `@>` would ask whether they are contained, not whether they are equal.
_JSON_LISTS = {
    "eq": "{x} = {p}::jsonb",
    "containsAll": "({x} is not null and not exists (select from jsonb_array_elements({p}::jsonb) w"
    " where w not in (select jsonb_array_elements({x}))))",
    "containsAny": "exists (select from jsonb_array_elements({x}) e"
    " where e in (select jsonb_array_elements({p}::jsonb)))",
}

# Not of long texts, whose greatest is too long to send. Nor are those of much use in an index.
_BEGINNINGS = {Kind.STRING: STRING_LENGTH, Kind.URI: URI_LENGTH}
"""Kinds of which those that begin with something are found as a range, and the length that their values can have."""

_Binding = Callable[[p.Request, Any], Any]


def _plain(_: p.Request, value: Any) -> Any:
    return value


def _read(kind: Kind, field: Field, path: tuple[str | int, ...]) -> _Binding:
    """Filters take what fields take; part of a text (`PARTS`) need not be of the field's kind itself."""
    values = (*field.values, *field.retired_values)

    def read(_: p.Request, value: Any) -> Any:
        try:
            return canonical(kind, value, values=values)
        except KindError as error:
            raise BadInput(str(error), path) from None

    return read


def _read_list(field: Field, leaf: Leaf, path: tuple[str | int, ...]) -> p.Binder:
    values = (*field.values, *field.retired_values)

    def read(request: p.Request) -> Any:
        try:
            return canonical_list(field.kind, leaf.get(request.variables), values=values)
        except KindError as error:
            raise BadInput(str(error), path if error.index is None else (*path, error.index)) from None

    return read


def beyond_prefix(prefix: str, length: int) -> str:
    """The first text, by code points, after all of up to this many characters that begin with the prefix."""
    kept = prefix.rstrip(_GREATEST)
    if not kept:
        return _GREATEST * (length + 1)
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters


def _uuid(_: p.Request, value: Any) -> str | None:
    """An id in its one form; None, which nothing equals, for a text that is no id."""
    try:
        return str(UUID(value))
    except ValueError:
        return None


def _label(request: p.Request, value: Any) -> int:
    """The label's code; one that no row has, for a compartment that does not exist."""
    try:
        return request.organization.lattice.encode(Label.parse(value))
    except LookupError:
        return -1


_COLUMN_BINDERS: Mapping[str, _Binding] = {"id": _uuid, "label": _label}


def _each(binder: _Binding, leaf: Leaf) -> p.Binder:
    def bind(request: p.Request) -> list[Any]:
        values = leaf.get(request.variables) or []
        return [binder(request, v) for v in values if v is not None]

    return bind


def _many(cast: str) -> str:
    """A cast of one value as a cast of an array of them."""
    if "(" in cast:
        return f"array(select {cast.replace('{}::text', 'v')} from unnest({{}}::text[]) v)"
    return "{}" + "".join(f"::{t}[]" for t in cast.split("::")[1:])


def _missing(access: Access, field: Field | None) -> p.Condition:
    if field is None:
        return p.Holds(f"{access.sql} is null")
    return p.Not(p.Holds(has(field, "{o}")))


def _value(leaf: Leaf) -> p.Binder:
    return lambda request: leaf.get(request.variables)
