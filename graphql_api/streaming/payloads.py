"""Payloads of notices of which only what they bring themselves is selected: made without executing the operation.

What an executor finds out for each event anew is found out once: which values, under which keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType, SelectionSetNode

from graphql_api.documents.selection import Spreader
from graphql_api.schema.common_types import by_key
from graphql_api.schema.event_types import TOLD_WHOLE


@dataclass(frozen=True, slots=True)
class Shape:
    """What is selected of a value that is a mapping: (response key, name, shape of what lies there)."""

    type_name: str
    parts: tuple[tuple[str, str, "Shape | None"], ...]

    def of(self, value: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        return {key: self._part(value, name, shape) for key, name, shape in self.parts}

    def _part(self, value: Mapping[str, Any], name: str, shape: "Shape | None") -> Any:
        if shape is not None:
            return shape.of(value[name])
        return self.type_name if name == _TYPE_NAME else value[name]


_TYPE_NAME = "__typename"


def shape_of(type_: GraphQLObjectType, sets: Sequence[SelectionSetNode], spreader: Spreader) -> Shape | None:
    """The shape of a notice; None where something is selected that a notice does not bring."""
    parts = []
    for selected in spreader.collect(sets, lambda _: True):
        name, shape = selected.name, None
        field = type_.fields.get(name)
        whole = TOLD_WHOLE.get(name)
        if field is not None and whole is not None and field.type is whole:
            shape = shape_of(whole, selected.sets, spreader)
            if shape is None:
                return None
        elif name != _TYPE_NAME and (field is None or field.resolve not in (None, by_key)):
            return None
        parts.append((selected.key, name, shape))
    return Shape(type_.name, tuple(parts))
