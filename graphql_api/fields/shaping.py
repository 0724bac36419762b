"""Values by field name in the form of what is selected of them, as the compiler leaves what it reads."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import SelectionSetNode

from graphql_api.context import Info
from graphql_api.documents.selection import Spreader


def by_response_key(value: Any, info: Info) -> Any:
    """The value, or list of values, of the field: what is selected of each, by response key.

    What a value does not have is left out; it has a resolver of its own.
    """
    spreader = Spreader(info.fragments, info.context.variables)
    return _shaped(value, [node.selection_set for node in info.field_nodes if node.selection_set], spreader)


def is_selected(info: Info, name: str) -> bool:
    """Whether something of this name is selected of the field, for what costs much to find out."""
    sets = [node.selection_set for node in info.field_nodes if node.selection_set]
    selected = Spreader(info.fragments, info.context.variables).collect(sets, lambda _: True)
    return any(field.name == name for field in selected)


def _shaped(value: Any, sets: Iterable[SelectionSetNode], spreader: Spreader) -> Any:
    if not sets:
        return value
    if isinstance(value, list):
        return [_shaped(each, sets, spreader) for each in value]
    if not isinstance(value, Mapping):
        return value
    selected = spreader.collect(sets, lambda _: True)
    return {field.key: _shaped(value[field.name], field.sets, spreader) for field in selected if field.name in value}
