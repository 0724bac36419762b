"""Variables that need no coercion: values that are already what their scalars make of them, as most requests have."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLID,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    VariableDefinitionNode,
    type_from_ast,
)

_INT32 = 2**31

_KEPT: Mapping[Any, Callable[[Any], bool]] = {
    GraphQLString: lambda v: type(v) is str,
    GraphQLID: lambda v: type(v) is str,
    GraphQLBoolean: lambda v: type(v) is bool,
    GraphQLInt: lambda v: type(v) is int and -_INT32 <= v < _INT32,
}
"""Which values a scalar gives back as they are."""


class PlainVariables:
    """The variables of an operation, as far as each is a scalar of GraphQL's own that must be given."""

    def __init__(self, schema: GraphQLSchema, definitions: Iterable[VariableDefinitionNode]) -> None:
        self._kept: dict[str, Callable[[Any], bool]] | None = {}
        for definition in definitions:
            type_ = type_from_ast(schema, definition.type)
            kept = _KEPT.get(type_.of_type) if isinstance(type_, GraphQLNonNull) else None
            if kept is None:
                self._kept = None
                return
            self._kept[definition.variable.name.value] = kept

    def read(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The coerced variables; None where they must be looked at closer."""
        if self._kept is None:
            return None
        for name, kept in self._kept.items():
            if name not in given or not kept(given[name]):
                return None
        return {name: given[name] for name in self._kept}
