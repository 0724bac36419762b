"""From the selection of an aggregate to its plan."""

from collections.abc import Callable, Iterable, Sequence

from graphql import SelectionSetNode

from fabric.errors import BadInput, TooComplex
from fabric.types.access import LABEL, Access
from fabric.types.catalogue import ObjectType
from fabric.types.measures import COUNT, Figure, Measure, figure, measure, truncated
from graphql_api.compiler import plan as p
from graphql_api.compiler.conditions import Conditions
from graphql_api.documents.arguments import Leaf, Tree
from graphql_api.documents.selection import Selected
from graphql_api.schema.aggregate_types import values_name

MAX_KEYS = 16
"""Fields that groups are made by."""

MAX_FIGURES = 500
"""Different ones that one aggregate computes: PostgreSQL's rows have 1,664 columns at most."""

Collect = Callable[[Sequence[SelectionSetNode]], list[Selected]]


class _Columns:
    """Figures as columns of one row, each once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, figure: Figure) -> str:
        if len(self._names) == MAX_FIGURES and figure.sql not in self._names:
            raise TooComplex(f"an aggregate gives {MAX_FIGURES} different figures at most")
        return self._names.setdefault(figure.sql, f"a{len(self._names) + 1}")

    def items(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, sql) for sql, name in self._names.items())


class AggregatePlanner:
    """Plans one aggregate. `compartments` gives the parameter that labels are named by."""

    def __init__(
        self, object_type: ObjectType, conditions: Conditions, collect: Collect,
        compartments: Callable[[], p.Parameter],
    ) -> None:  # fmt: skip
        self._type = object_type
        self._conditions = conditions
        self._collect = collect
        self._compartments = compartments
        self._keys: dict[str, p.Figure] = {}
        self._totals = _Columns()
        self._figures = _Columns()

    def plan(self, field: Selected, trees: dict[str, Tree], limit: p.Parameter) -> p.Aggregate:
        """BadInput, with its path, for groups that cannot be meant."""
        keys = self._read_keys(trees.get("groupBy"), (field.key, "groupBy"))
        condition = self._conditions.where(self._type, trees.get("where"), (field.key, "where"))
        having = self._having(trees.get("having"), (field.key, "having"))
        outputs = tuple((f.key, self._output(f)) for f in self._collect(field.sets))
        grouping = p.Grouping(tuple(keys), self._figures.items(), having, limit)
        return p.Aggregate(self._type.family, condition, self._totals.items(), grouping, outputs)

    # Groups

    def _read_keys(self, tree: Tree, path: tuple[str | int, ...]) -> Iterable[tuple[str, str]]:
        items = tree if isinstance(tree, list) else []
        if len(items) > MAX_KEYS:
            raise BadInput(f"groups are made by {MAX_KEYS} fields at most", path)
        keys: list[tuple[str, str]] = []
        for i, each in enumerate(items):
            assert isinstance(each, dict)
            given = [(name, leaf) for name, leaf in each.items() if isinstance(leaf, Leaf)]
            if len(given) != 1:
                raise BadInput("each item names one field; list them in the order that counts", (*path, i))
            name, leaf = given[0]
            if name in self._keys:
                raise BadInput("groups are made by a field once", (*path, i))
            column = f"k{len(keys) + 1}"
            sql, self._keys[name] = self._key(name, leaf.now, column)
            keys.append((column, sql))
        return keys

    def _key(self, name: str, grouping: str, column: str) -> tuple[str, p.Figure]:
        if name == "label":
            json = "'\"' || fabric.label_text({v}, {p}::text[]) || '\"'"
            return LABEL.sql, p.Figure(column, json, self._compartments())
        value = self._measure(name)
        if grouping != "VALUE":
            value = truncated(value, grouping)
        return value.sql, p.Figure(column, value.form.json)

    def _having(self, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        if tree is None:
            return p.EVERYTHING
        assert isinstance(tree, dict)
        self._conditions.count(1 + len(tree), path)
        return p.All(tuple(self._having_member(name, sub, (*path, name)) for name, sub in tree.items()))

    def _having_member(self, name: str, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        if tree is None:
            return p.EVERYTHING
        if name in ("and", "or"):
            assert isinstance(tree, list)
            parts = tuple(self._having(sub, (*path, i)) for i, sub in enumerate(tree))
            return p.All(parts) if name == "and" else p.AnyOf(parts)
        if name == "not":
            return p.Not(self._having(tree, path))
        if name == "count":
            return self._compared(COUNT, tree, path)
        assert isinstance(tree, dict)
        return p.All(tuple(self._having_field(n, sub, (*path, n)) for n, sub in tree.items() if sub is not None))

    def _having_field(self, name: str, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        assert isinstance(tree, dict)
        figures = ((f, figure(f, self._measure(name)), sub) for f, sub in tree.items() if sub is not None)
        return p.All(tuple(self._compared(made, sub, (*path, f)) for f, made, sub in figures))

    def _compared(self, made: Figure, tree: Tree, path: tuple[str | int, ...]) -> p.Condition:
        access = Access(f"{{o}}.{self._figures.name(made)}", made.form.cast, "{}")
        return self._conditions.compared(access, tree, path)

    # What is selected

    def _output(self, field: Selected) -> "p.Figure | p.Constant | p.Figures | p.Groups | p.MoreGroups":
        match field.name:
            case "groups":
                return p.Groups(tuple((f.key, self._group_member(f)) for f in self._collect(field.sets)))
            case "hasMoreGroups":
                return p.MoreGroups()
            case "__typename":
                return self._named("Aggregate")
            case _:
                return self._figure(field, self._totals)

    def _group_member(self, field: Selected) -> "p.Figure | p.Constant | p.Figures":
        match field.name:
            case "key":
                return tuple((f.key, self._key_member(f.name)) for f in self._collect(field.sets))
            case "__typename":
                return self._named("AggregateGroup")
            case _:
                return self._figure(field, self._figures)

    def _key_member(self, name: str) -> p.Figure | p.Constant:
        if name == "__typename":
            return self._named("AggregateKey")
        return self._keys.get(name, p.Constant("null"))

    def _figure(self, field: Selected, columns: _Columns) -> "p.Figure | p.Figures":
        if field.name == "count":
            return _said(COUNT, columns)
        return tuple((f.key, self._values(f, columns)) for f in self._collect(field.sets))

    def _values(self, field: Selected, columns: _Columns) -> "p.Constant | p.Figures":
        """The figures over one field's values."""
        if field.name == "__typename":
            return self._named("AggregateFields")
        value = self._measure(field.name)
        name = p.Constant(f'"{values_name(value.kind)}Aggregate"')
        return tuple(
            (f.key, name if f.name == "__typename" else _said(figure(f.name, value), columns))
            for f in self._collect(field.sets)
        )

    def _measure(self, name: str) -> Measure:
        return measure(self._type.fields, name)

    def _named(self, suffix: str) -> p.Constant:
        return p.Constant(f'"{self._type.name}{suffix}"')


def _said(made: Figure, columns: _Columns) -> p.Figure:
    return p.Figure(columns.name(made), made.form.json)
