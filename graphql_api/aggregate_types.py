"""The generated types of aggregates: figures by function and field, what groups are made by, and which are kept."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLInputField,
    GraphQLInputFieldMap,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
)

from fabric.catalogue import ObjectType
from fabric.kinds import Kind
from fabric.measures import RESULTS, TRUNCATIONS, Measure, measures
from graphql_api.inputs import Inputs
from graphql_api.scalars import NAMES

_VALUE = GraphQLEnumValue("VALUE", "Each value makes a group.")


def _grouping(name: str, description: str, truncations: tuple[str, ...]) -> GraphQLEnumType:
    values = {"VALUE": _VALUE} | {t: GraphQLEnumValue(t) for t in truncations}
    return GraphQLEnumType(name, values, description=description)


GROUPING = _grouping("Grouping", "How a field's values make groups.", ())
_DATE_GROUPING = _grouping(
    "DateGrouping", "How days make groups; a group's key is its first day. Weeks begin on Mondays.", TRUNCATIONS[:4]
)
_TIME_GROUPING = _grouping(
    "TimeGrouping", "How times make groups, by UTC; a group's key is its start. Weeks begin on Mondays.", TRUNCATIONS
)
_GROUPINGS = {Kind.DATE: _DATE_GROUPING, Kind.DATETIME: _TIME_GROUPING}

SHAPES = {
    "countPresent": "Counts", "countDistinct": "Counts", "min": "Extremes", "max": "Extremes", "sum": "Sums",
    "avg": "Averages",
}  # fmt: skip
"""Which type has a function's results."""

_DESCRIPTIONS = {
    "countPresent": "Of how many objects a field has a value.",
    "countDistinct": "How many different values a field has.",
    "min": "The smallest values.",
    "max": "The largest values.",
    "sum": "Sums, exact but for the last rounding; null of no values, and beyond a 64-bit float's range.",
    "avg": "Averages of the values that are there; null of none.",
}


class AggregateTypes:
    """Makes the types of one schema, each once. `field` makes an output field."""

    def __init__(
        self, inputs: Inputs, scalars: Mapping[str, GraphQLScalarType], field: Callable[..., GraphQLField]
    ) -> None:
        self._inputs = inputs
        self._scalars = scalars
        self._field = field
        self._made: dict[str, Any] = {}

    def field(self, t: ObjectType) -> GraphQLField:
        """The field of Query."""
        args = {
            "where": GraphQLArgument(self._inputs.where(t)),
            "groupBy": GraphQLArgument(GraphQLList(GraphQLNonNull(self._group_by(t)))),
            "having": GraphQLArgument(self._having(t)),
            "first": GraphQLArgument(GraphQLInt),
        }
        groups = GraphQLNonNull(GraphQLList(GraphQLNonNull(self._group(t))))
        members = {
            "groups": self._field(groups, description="Ordered by their keys; missing values come last."),
            "hasMoreGroups": self._field(GraphQLNonNull(GraphQLBoolean), description="Whether `first` left some out."),
        }
        type_ = self._output(t, "Aggregate", lambda: self._figures(t) | members)
        return self._field(GraphQLNonNull(type_), args, f"Counts and sums over {t.plural}, and over groups of them.")

    def _group(self, t: ObjectType) -> Any:
        key = {"key": self._field(GraphQLNonNull(self._output(t, "AggregateKey", lambda: self._key(t))))}
        return self._output(t, "AggregateGroup", lambda: key | self._figures(t))

    def _key(self, t: ObjectType) -> GraphQLFieldMap:
        label = self._field(self._scalars["Label"])
        return {"label": label} | {n: self._field(self._leaf(t, n, m.kind)) for n, m in measures(t.fields).items()}

    def _figures(self, t: ObjectType) -> GraphQLFieldMap:
        made = {"count": self._field(GraphQLNonNull(GraphQLInt), description="How many objects there are.")}
        for function in RESULTS:
            if results := self._results(t, function):
                shape = self._shape(t, SHAPES[function], results)
                made[function] = self._field(GraphQLNonNull(shape), description=_DESCRIPTIONS[function])
        return made

    def _shape(self, t: ObjectType, shape: str, results: Mapping[str, Kind]) -> Any:
        def fields() -> GraphQLFieldMap:
            leaves = {name: self._leaf(t, name, kind) for name, kind in results.items()}
            return {n: self._field(GraphQLNonNull(leaf) if shape == "Counts" else leaf) for n, leaf in leaves.items()}

        return self._output(t, "Aggregate" + shape, fields)

    def _results(self, t: ObjectType, function: str) -> dict[str, Kind]:
        kinds = RESULTS[function]
        return {name: kinds[m.kind] for name, m in measures(t.fields).items() if m.kind in kinds}

    def _leaf(self, t: ObjectType, name: str, kind: Kind) -> Any:
        if kind is Kind.ENUM:
            return self._inputs.leaf(t.fields[name], self._inputs.owner(t, name))
        return self._scalars[NAMES[kind]]

    def _output(self, t: ObjectType, suffix: str, fields: Callable[[], GraphQLFieldMap]) -> Any:
        return self._once(t.name + suffix, lambda name: GraphQLObjectType(name, fields))

    def _once(self, name: str, make: Callable[[str], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make(name)
        return self._made[name]

    # Inputs

    def _group_by(self, t: ObjectType) -> Any:
        def fields() -> GraphQLInputFieldMap:
            known: dict[str, Measure] = measures(t.fields)
            made = {"label": GraphQLInputField(GROUPING)}
            return made | {n: GraphQLInputField(_GROUPINGS.get(m.kind, GROUPING)) for n, m in known.items()}

        return self._once(t.name + "GroupBy", lambda name: GraphQLInputObjectType(name, fields))

    def _having(self, t: ObjectType) -> Any:
        def fields() -> GraphQLInputFieldMap:
            own = self._made[t.name + "Having"]
            listed = GraphQLInputField(GraphQLList(GraphQLNonNull(own)))
            count = GraphQLInputField(self._inputs.scalar_filter(Kind.INTEGER))
            made = {"and": listed, "or": listed, "not": GraphQLInputField(own), "count": count}
            return made | {f: GraphQLInputField(self._filters(t, f, r)) for f in RESULTS if (r := self._results(t, f))}

        return self._once(t.name + "Having", lambda name: GraphQLInputObjectType(name, fields))

    def _filters(self, t: ObjectType, function: str, results: Mapping[str, Kind]) -> Any:
        def fields() -> GraphQLInputFieldMap:
            return {name: GraphQLInputField(self._inputs.scalar_filter(kind)) for name, kind in results.items()}

        return self._once(
            t.name + "Having" + SHAPES[function], lambda name: GraphQLInputObjectType(name, fields)
        )  # fmt: skip
