"""The types of aggregates: one for each type of values, the same in all schemas, and around them those of each type."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLInputField,
    GraphQLInputFieldMap,
    GraphQLInt,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLScalarType,
    get_named_type,
)

from fabric.types.catalogue import ObjectType
from fabric.types.kinds import Kind
from fabric.types.measures import COUNTS, RESULTS, TRUNCATIONS, measured
from graphql_api.schema.generated_types import GeneratedInput, GeneratedObject
from graphql_api.schema.inputs import Inputs
from graphql_api.schema.scalars import NAMES

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
GROUPINGS = (GROUPING, _DATE_GROUPING, _TIME_GROUPING)
_GROUP_BY = GraphQLInputField(GROUPING)
_GROUP_BY_TIME = {Kind.DATE: GraphQLInputField(_DATE_GROUPING), Kind.DATETIME: GraphQLInputField(_TIME_GROUPING)}

_DESCRIPTIONS = {
    "count": "How many objects have a value.",
    "countDistinct": "How many different values there are.",
    "min": "The smallest value; null of none.",
    "max": "The largest value; null of none.",
    "sum": "The sum, exact but for the last rounding; null of no values, and beyond a 64-bit float.",
    "avg": "The average of the values that are there; null of none.",
}


def values_name(kind: Kind) -> str:
    """What the types over values of a kind are named after; those of all enums are one."""
    return "Enum" if kind is Kind.ENUM else NAMES[kind]


class AggregateTypes:
    """Makes the types of one schema, each once. `field` makes an output field."""

    def __init__(
        self, inputs: Inputs, scalars: Mapping[str, GraphQLScalarType], field: Callable[..., GraphQLField]
    ) -> None:
        self._inputs = inputs
        self._scalars = scalars
        self._field = field
        self._made: dict[str, Any] = {}

    def shared(self, name: str) -> GraphQLNamedType | None:
        """The type of this name of the figures over values of one kind, whichever type they are of."""
        for kind in {kind for kinds in RESULTS.values() for kind in kinds}:
            for suffix, field in (("Aggregate", self._values), ("Having", self._filter)):
                if name == values_name(kind) + suffix:
                    return get_named_type(field(kind).type)
        return None

    def field(self, t: ObjectType) -> GraphQLField:
        """The field of Query, and of the links that lead to the type."""
        return cast(GraphQLField, self._once(f"field:{t.name}", lambda _: self._made_field(t)))

    def _made_field(self, t: ObjectType) -> GraphQLField:
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
        made = {"label": self._field(self._scalars["Label"])}
        for name, kind in measured(t.fields).items():
            if kind is Kind.ENUM:
                made[name] = self._field(self._inputs.leaf_of(t, name))
            else:
                made[name] = self._once(f"key:{kind}", partial(self._key_of, kind))
        return made

    def _key_of(self, kind: Kind, _: str) -> GraphQLField:
        return self._result(kind)

    def _figures(self, t: ObjectType) -> GraphQLFieldMap:
        def fields() -> GraphQLFieldMap:
            return {name: self._values(kind) for name, kind in measured(t.fields).items()}

        return {
            "count": self._field(GraphQLNonNull(GraphQLInt), description="How many objects there are."),
            "fields": self._field(GraphQLNonNull(self._output(t, "AggregateFields", fields))),
        }

    def _values(self, kind: Kind) -> GraphQLField:
        """The field that has the figures over values of a kind; there is no need for more than one."""
        return cast(GraphQLField, self._once(f"values:{values_name(kind)}", lambda _: self._made_values(kind)))

    def _made_values(self, kind: Kind) -> GraphQLField:
        fields = {
            function: self._result(kinds[kind], required=function in COUNTS, description=_DESCRIPTIONS[function])
            for function, kinds in RESULTS.items()
            if kind in kinds
        }
        return self._field(GraphQLNonNull(GeneratedObject(values_name(kind) + "Aggregate", fields)))

    def _result(self, kind: Kind, *, required: bool = False, description: str | None = None) -> GraphQLField:
        type_ = self._scalars[NAMES[kind]]
        return self._field(GraphQLNonNull(type_) if required else type_, description=description)

    def _output(self, t: ObjectType, suffix: str, fields: Callable[[], GraphQLFieldMap]) -> Any:
        return self._once(t.name + suffix, lambda name: GeneratedObject(name, fields))

    def _once(self, name: str, make: Callable[[str], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make(name)
        return self._made[name]

    # Inputs

    def _group_by(self, t: ObjectType) -> Any:
        def fields() -> GraphQLInputFieldMap:
            known = measured(t.fields).items()
            return {"label": _GROUP_BY} | {name: _GROUP_BY_TIME.get(kind, _GROUP_BY) for name, kind in known}

        return self._once(t.name + "GroupBy", lambda name: GeneratedInput(name, fields))

    def _having(self, t: ObjectType) -> Any:
        def fields() -> GraphQLInputFieldMap:
            own = self._made[t.name + "Having"]
            listed = GraphQLInputField(GraphQLList(GraphQLNonNull(own)))
            return {
                "and": listed,
                "or": listed,
                "not": GraphQLInputField(own),
                "count": GraphQLInputField(self._inputs.scalar_filter(Kind.INTEGER)),
                "fields": GraphQLInputField(GeneratedInput(t.name + "HavingFields", filters)),
            }

        def filters() -> GraphQLInputFieldMap:
            return {name: self._filter(kind) for name, kind in measured(t.fields).items()}

        return self._once(t.name + "Having", lambda name: GeneratedInput(name, fields))

    def _filter(self, kind: Kind) -> GraphQLInputField:
        """The field that has the filters on figures over values of a kind."""

        def fields() -> GraphQLInputFieldMap:
            results = {function: kinds[kind] for function, kinds in RESULTS.items() if kind in kinds}
            return {f: GraphQLInputField(self._inputs.scalar_filter(result)) for f, result in results.items()}

        def made(_: str) -> GraphQLInputField:
            return GraphQLInputField(GeneratedInput(values_name(kind) + "Having", fields))

        return cast(GraphQLInputField, self._once(f"filter:{values_name(kind)}", made))
