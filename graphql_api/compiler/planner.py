"""From selections to a plan: which fields mean what, for every concrete type that may turn up.

The document has been validated, so names and shapes are known to fit. What is left to refuse here are values: page
sizes, cursors, orderings. Their errors carry the path of the field.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from graphql import GraphQLField, SelectionSetNode

from fabric import ids
from fabric.errors import BadInput, TooComplex
from fabric.names import aggregated_link, pascal
from fabric.types.catalogue import ObjectType
from fabric.types.definitions import Field, LinkField
from graphql_api.compiler import plan as p
from graphql_api.compiler.aggregate_plans import AggregatePlanner
from graphql_api.compiler.conditions import Conditions
from graphql_api.compiler.history_plans import LISTED, HistoryPlanner
from graphql_api.compiler.orderings import Orderings
from graphql_api.compiler.page_bounds import Bounds, PageLimits
from graphql_api.documents.arguments import Leaf, Tree, Variables, read_arguments
from graphql_api.documents.selection import Selected, Spreader
from graphql_api.schema.common_types import TYPE_KEY
from graphql_api.schema.outputs import concrete_name, is_interface
from graphql_api.schema.schema import RootField, Surface

MAX_PARAMETERS = 2_000
"""Values that one statement takes; a list is one."""

MAX_OUTPUTS = 10_000
"""What the rows of a plan give in all. Types that differ are planned each by itself, at every level anew."""

LINK_OUTPUTS = 10
"""What a link counts as among them."""

OBJECT_IDS = "@objects"
"""Not a name that a document's variable can have."""


class Planner:
    """Plans one operation, for one shape of variables."""

    def __init__(self, surface: Surface, spreader: Spreader, variables: Variables, limits: PageLimits) -> None:
        self._surface = surface
        self._types = surface.catalogue.types
        self._spreader = spreader
        self._variables = variables
        self._limits = limits
        self._binders: list[p.Binder] = []
        self._bounds = Bounds(limits, self._add)
        self.permissions = {"object:read"}
        self._conditions = Conditions(surface.catalogue, self._add, self.permissions)
        self._orderings = Orderings(self._types, surface.catalogue.concluded, self.permissions)
        self._names: p.Parameter | None = None
        self._named = False
        self.walked = False
        """Whether there is something in it that resolvers answer, so that the executor must walk over what is read."""
        self._outputs_planned = 0

    def plan(self, fields: Sequence[Selected], *, for_executor: bool = False) -> p.Plan:
        """The plan of these fields of Query; what the executor is to walk over holds the names of types too."""
        self._named = for_executor
        return self._planned((field.key, self._root(field)) for field in fields)

    def _planned(self, roots: Iterable[tuple[str, p.Root]]) -> p.Plan:
        return p.Plan(tuple(roots), tuple(self._binders), tuple(self._bounds.seals))

    def plan_objects(self, sets: Sequence[SelectionSetNode], type_name: str) -> p.Plan:
        """The plan that reads a selection of the objects in the variable `OBJECT_IDS`, under the key `objects`.

        They are of this type, or (where it is the interface of all objects) of any.
        """
        types = self._types[type_name].family if type_name in self._types else self._object_types()
        wanted = self._add(lambda r: r.variables[OBJECT_IDS])
        self._named = True
        row = self._row(sets, types)
        return self._planned([("objects", p.ByIds(types, wanted, row))])

    def plan_items(self, fields: Sequence[Selected]) -> tuple[p.Plan, p.Parameter]:
        """The plan of one connection's nodes or edges, a page at a time, and how many of them in all; None is all.

        BadInput where the fields are not one connection with one of the two.
        """
        kinds = [root.kind if (root := self._surface.roots.get(f.name)) else None for f in fields]
        if kinds != ["list"]:
            raise BadInput("an export is of one field, a list of objects")
        field = fields[0]
        trees = read_arguments(self._query_field(field), field.node, self._variables)
        if trees.get("last") is not None:
            raise BadInput("an export goes forward: give first, or nothing for all", (field.key, "last"))
        page = self._root(field)
        assert isinstance(page, p.Page)
        if self.walked:
            raise BadInput("an export tells neither what is similar nor what links follow from", (field.key,))
        listed = tuple(o for o in page.outputs if isinstance(o[1], p.Nodes | p.Edges))
        if len(listed) != 1:
            raise BadInput("an export lists either nodes or edges, once", (field.key,))
        wanted, default = self._wanted(trees.get("first"), (field.key, "first")), self._limits.default
        most = self._add(wanted)
        at_once = self._add(lambda r: default if (number := wanted(r)) is None else min(number, default))
        return self._planned([(field.key, replace(page, limit=at_once, outputs=listed))]), most

    def _wanted(self, tree: Tree, path: tuple[str | int, ...]) -> p.Binder:
        """How many items, without the limit of a page."""
        if tree is None:
            return lambda _: None
        assert isinstance(tree, Leaf)

        def bind(request: p.Request) -> int:
            number: int = tree.get(request.variables)
            if number < 0:
                raise BadInput("first is 0 or more", path)
            return number

        return bind

    def _add(self, binder: p.Binder) -> p.Parameter:
        if len(self._binders) == MAX_PARAMETERS:
            raise TooComplex(f"this holds more than {MAX_PARAMETERS:,} conditions and pages")
        self._binders.append(binder)
        return p.Parameter(len(self._binders) - 1)

    def _root(self, field: Selected) -> p.Root:
        if field.name == "__typename":
            return p.Constant('"Query"')
        root = self._surface.roots[field.name]
        trees = read_arguments(self._query_field(field), field.node, self._variables)
        types = self._types[root.type_name].family if root.type_name else self._object_types()
        if root.kind == "list":
            assert root.type_name is not None
            object_type = self._types[root.type_name]
            return self._page(field, trees, object_type, object_type.name, [object_type.name], None, (field.key,))
        if root.kind == "aggregate":
            assert root.type_name is not None
            return self._aggregate(field, trees, self._types[root.type_name])
        row = self._row(field.sets, types)
        match root.kind:
            case "nodes":
                return p.ByIds(types, self._add(self._ids(trees["ids"], (field.key, "ids"))), row)
            case "key":
                return p.ById(types, self._add(self._key_binder(root, trees)), row)
            case _:
                return p.ById(types, self._add(_id(trees["id"])), row)

    def _query_field(self, field: Selected) -> GraphQLField:
        query = self._surface.schema.query_type
        assert query is not None
        definition: GraphQLField = query.fields[field.name]
        return definition

    def _object_types(self) -> tuple[str, ...]:
        return tuple(n for n, t in self._types.items() if t.domain == "object")

    def _key_binder(self, root: RootField, trees: dict[str, Tree]) -> p.Binder:
        assert root.type_name is not None
        object_type = self._types[root.type_name]
        leaves = [leaf for name in object_type.natural_key if isinstance(leaf := trees[name], Leaf)]

        def bind(request: p.Request) -> UUID:
            values = [leaf.get(request.variables) for leaf in leaves]
            return ids.object_id(request.organization, object_type.key_type, values)

        return bind

    def _ids(self, tree: Tree, path: tuple[str | int, ...]) -> p.Binder:
        assert isinstance(tree, Leaf)

        def bind(request: p.Request) -> list[UUID | None]:
            values = tree.get(request.variables)
            if len(values) > self._limits.most:
                raise BadInput(f"at most {self._limits.most:,} ids at once", path)
            return [_uuid(value) for value in values]

        return bind

    # Rows

    def _row(self, sets: Sequence[SelectionSetNode], types: Iterable[str]) -> p.Row:
        """What objects of these types give. Types to which the same type conditions apply share their outputs.

        What the executor will walk over also has the type's name under `TYPE_KEY`, by which it tells types apart.
        """
        conditions = sorted(self._spreader.conditions(sets))
        groups: dict[tuple[bool, ...], list[ObjectType]] = {}
        for name in types:
            t = self._types[name]
            groups.setdefault(tuple(_applies(t, c) for c in conditions), []).append(t)
        variants = []
        for signature, members in groups.items():
            applying = {c for c, applies in zip(conditions, signature, strict=True) if applies}
            selected = self._spreader.collect(sets, applying.__contains__)
            # Fields of one name can differ between types that share no declaration of it.
            for same in _alike(members, [s.name for s in selected]):
                outputs = self._outputs(selected, same)
                if self._named:
                    outputs = ((TYPE_KEY, self._type_name(same)), *outputs)
                variants.append((tuple(t.name for t in same), outputs))
        return p.Row(tuple(variants))

    def _outputs(self, selected: Sequence[Selected], types: Sequence[ObjectType]) -> p.Outputs:
        self._count(len(selected))
        return tuple((field.key, self._output(field, types)) for field in selected)

    def _count(self, outputs: int) -> None:
        self._outputs_planned += outputs
        if self._outputs_planned > MAX_OUTPUTS:
            raise TooComplex("this asks for too many fields of too many types at once")

    def _type_name(self, types: Sequence[ObjectType]) -> p.Output:
        if len(types) == 1:
            return p.Constant(f'"{concrete_name(types[0])}"')
        return p.TypeName(tuple(t.name for t in types if is_interface(t)))

    def _output(self, field: Selected, types: Sequence[ObjectType]) -> p.Output:
        t, name = types[0], field.name
        if name == "__typename":
            return self._type_name(types)
        if name in t.fields:
            return self._data(field, t.fields[name])
        if name in t.links:
            return self._link(field, t, t.links[name])
        if (link := t.links.get(aggregated_link(name))) is not None:
            return self._summary(field, t, link)
        if name == "history":
            return self._history(field, t)
        if name == "similar":  # its resolver finds whose it is
            self.walked = True
            return self._column("id", "{o}")
        return self._column(name, "{o}")

    def _data(self, selected: Selected, field: Field) -> p.Output:
        if field.protection is None:
            return p.Data(field)
        members = self._collect(selected.sets)
        self._count(len(members))
        return p.Encrypted(field, tuple((m.key, m.name) for m in members))

    def _column(self, name: str, row: str) -> p.Output:
        """A column that objects (`{o}`) and links (`{l}`) both have."""
        match name:
            case "id":
                return p.Column(f"{row}.{'object' if row == '{o}' else 'link'}_id", quoted=True)
            case "label":
                return p.Column(f"fabric.label_text({row}.label, {{p}}::text[])", self._compartments(), quoted=True)
            case "revision":
                return p.Column(f"{row}.revision")
            case "createdAt":
                return p.Column(f"fabric.time_text({row}.created_at)", quoted=True)
            case _:
                return p.Column(f"fabric.time_text({row}.updated_at)", quoted=True)

    def _compartments(self) -> p.Parameter:
        if self._names is None:
            self._names = self._add(lambda r: r.organization.lattice.compartments)
        return self._names

    def _link(self, field: Selected, t: ObjectType, link: LinkField) -> p.Output:
        self.permissions.add("link:read")
        self._count(LINK_OUTPUTS)
        target = self._types[link.target]
        hop = self._hop(link, target)
        if not link.many:
            return p.One(hop, self._row(field.sets, target.family))
        owner = next(n for n in reversed((t.name, *t.ancestors)) if link.name in self._types[n].own_links)
        name = owner + pascal(link.name)
        trees = read_arguments(self._definition(t, link.name), field.node, self._variables)
        return p.Many(hop, self._page(field, trees, target, name, [owner, link.name], link, (field.key,)))

    def _hop(self, link: LinkField, target: ObjectType) -> p.Hop:
        return p.Hop(link.relation, link.outgoing, target.family, link.relation in self._surface.catalogue.concluded)

    def _summary(self, field: Selected, t: ObjectType, link: LinkField) -> p.Summary:
        self.permissions.add("link:read")
        target = self._types[link.target]
        trees = read_arguments(self._definition(t, field.name), field.node, self._variables)
        return p.Summary(self._hop(link, target), self._aggregate(field, trees, target))

    def _aggregate(self, field: Selected, trees: dict[str, Tree], t: ObjectType) -> p.Aggregate:
        planner = AggregatePlanner(t, self._conditions, self._collect, self._compartments)
        return planner.plan(field, trees, self._bounds.limit(trees.get("first"), (field.key,), "first"))

    def _definition(self, t: ObjectType, name: str) -> GraphQLField:
        definition: GraphQLField = self._surface.schema.type_map[concrete_name(t)].fields[name]  # type: ignore[attr-defined]
        return definition

    # Pages

    def _page(
        self, field: Selected, trees: dict[str, Tree], target: ObjectType, name: str, listed: list[str],
        link: LinkField | None, path: tuple[str | int, ...],
    ) -> p.Page:  # fmt: skip
        """`name` is what its GraphQL types are named after; `listed` what its cursors belong to."""
        ordering = self._orderings.read(trees.get("orderBy"), target, link, (*path, "orderBy"))
        sealed = [*listed, *ordering.names]
        limit, backward = self._bounds.size(trees, path)
        pads = self._bounds.pads(sealed)
        return p.Page(
            types=target.family,
            condition=self._conditions.where(target, trees.get("where"), (*path, "where")),
            keys=ordering.keys,
            limit=limit,
            backward=backward,
            after=self._bounds.keyset(trees.get("after"), len(ordering.keys), sealed, (*path, "after")),
            before=self._bounds.keyset(trees.get("before"), len(ordering.keys), sealed, (*path, "before")),
            cursor_pads=pads,
            ranged=ordering.ranged,
            outputs=tuple((f.key, self._page_output(f, target, name)) for f in self._collect(field.sets)),
        )

    def _history(self, field: Selected, t: ObjectType) -> p.History:
        trees, path = read_arguments(self._definition(t, field.name), field.node, self._variables), (field.key,)
        limit, backward = self._bounds.size(trees, path)
        planner = HistoryPlanner(self._add, self._collect, self._compartments)
        after, before = (self._bounds.place(trees.get(name), LISTED, (*path, name)) for name in ("after", "before"))
        pads = planner.place_pads(), self._bounds.pads(LISTED)
        return p.History(limit, backward, after, before, *pads, planner.outputs(field))

    def _collect(self, sets: Sequence[SelectionSetNode]) -> list[Selected]:
        """Fields of a type without subtypes: every type condition that validation let pass applies."""
        return self._spreader.collect(sets, lambda _: True)

    def _page_output(self, field: Selected, target: ObjectType, name: str) -> Any:
        match field.name:
            case "nodes":
                return p.Nodes(self._row(field.sets, target.family))
            case "edges":
                return p.Edges(tuple((f.key, self._edge(f, target, name)) for f in self._collect(field.sets)))
            case "pageInfo":
                return p.PageInfo(tuple((f.key, f.name) for f in self._collect(field.sets)))
            case "totalCount":
                return p.Total()
            case _:
                return p.Constant(f'"{name}Connection"')

    def _edge(self, field: Selected, target: ObjectType, name: str) -> Any:
        match field.name:
            case "cursor":
                return p.Cursor()
            case "node":
                return self._row(field.sets, target.family)
            case "link":
                return tuple((f.key, self._link_member(f.name)) for f in self._collect(field.sets))
            case _:
                return p.Constant(f'"{name}Edge"')

    def _link_member(self, member: str) -> p.Output:
        match member:
            case "__typename":
                return p.Constant('"Link"')
            case "inferred":
                return p.Column("({l}.revision = 0)::text")
            case "explain":  # its resolver finds what it follows from
                self.walked = True
                return p.Column("case when {l}.revision = 0 then '\"' || {l}.link_id || '\"' else 'null' end")
            case "weight":
                return p.Column("coalesce({l}.weight::text, 'null')")
            case "properties":
                return p.Column("{l}.properties")
            case "relation":
                return p.Column("fabric.quoted({l}.relation)")
            case "from" | "to":
                return p.Column(f"{{l}}.{'source' if member == 'from' else 'target'}_id", quoted=True)
            case "semanticNamespace" | "semanticPredicate":
                column = "semantic_namespace" if member == "semanticNamespace" else "semantic_predicate"
                return p.Column(f"coalesce(fabric.quoted({{l}}.{column}), 'null')")
            case "validFrom" | "validTo":
                column = "valid_from" if member == "validFrom" else "valid_to"
                return p.Column(f"coalesce('\"' || fabric.time_text({{l}}.{column}) || '\"', 'null')")
            case _:
                return self._column(member, "{l}")

def _applies(t: ObjectType, condition: str) -> bool:
    return condition in (t.name, concrete_name(t), "Node", "FabricObject") or condition in t.ancestors


def _alike(types: Sequence[ObjectType], names: Sequence[str]) -> list[list[ObjectType]]:
    """The types in groups for which the selected names mean the same."""
    groups: dict[str, list[ObjectType]] = {}
    for t in types:
        meaning = repr([(_read(t.fields.get(n)), t.links.get(n), t.links.get(aggregated_link(n))) for n in names])
        groups.setdefault(meaning, []).append(t)
    return list(groups.values())


def _read(field: Field | None) -> object:
    """How its values are read; what an heir asks of them beside makes no difference."""
    return field and (field.key, field.kind, field.many, field.label, field.protection)


def _id(tree: Tree) -> p.Binder:
    assert isinstance(tree, Leaf)
    return lambda request: _uuid(tree.get(request.variables))


def _uuid(value: str) -> UUID | None:
    """None, which no object has, for what is no id."""
    try:
        return UUID(value)
    except ValueError:
        return None
