"""Selections with fragments spread, `@skip` and `@include` decided, and fields of one response key merged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from fabric.errors import BadInput


@dataclass(frozen=True, slots=True)
class Selected:
    """One response key, and every place in the document that asks for it."""

    key: str
    nodes: tuple[FieldNode, ...]

    @property
    def node(self) -> FieldNode:
        """The first; validation has seen that the others ask for the same."""
        return self.nodes[0]

    @property
    def name(self) -> str:
        return self.node.name.value

    @property
    def sets(self) -> tuple[SelectionSetNode, ...]:
        return tuple(node.selection_set for node in self.nodes if node.selection_set is not None)


class Spreader:
    """Collects fields as the specification's CollectFields does, for one document and one request's variables."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._variables = variables

    def collect(self, sets: Iterable[SelectionSetNode], applies: Callable[[str], bool]) -> list[Selected]:
        """The fields for a type to which the type conditions apply that `applies` says."""
        found: dict[str, list[FieldNode]] = {}
        seen: set[str] = set()
        for selection_set in sets:
            self._collect(selection_set.selections, applies, found, seen)
        return [Selected(key, tuple(nodes)) for key, nodes in found.items()]

    def conditions(self, sets: Iterable[SelectionSetNode]) -> set[str]:
        """Every type condition that stands on this level of the selection."""
        found: set[str] = set()
        pending: list[SelectionNode] = [s for each in sets for s in each.selections]
        spread: set[str] = set()
        while pending:
            node = pending.pop()
            if isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                fragment = self._fragments[node.name.value]
                found.add(fragment.type_condition.name.value)
                pending += fragment.selection_set.selections
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition:
                    found.add(node.type_condition.name.value)
                pending += node.selection_set.selections
        return found

    def _collect(
        self, selections: Sequence[SelectionNode], applies: Callable[[str], bool],
        found: dict[str, list[FieldNode]], seen: set[str],
    ) -> None:  # fmt: skip
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or applies(node.type_condition.name.value):
                    self._collect(node.selection_set.selections, applies, found, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self._fragments[node.name.value]
                if applies(fragment.type_condition.name.value):
                    self._collect(fragment.selection_set.selections, applies, found, seen)

    def _included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name in ("skip", "include"):
                decided = _decision((directive.arguments or ())[0].value, self._variables)
                if decided is (name == "skip"):
                    return False
        return True


def _decision(value: ValueNode, variables: Mapping[str, Any]) -> bool:
    if isinstance(value, VariableNode):
        decided: bool | None = variables[value.name.value]
        if decided is None:
            raise BadInput("null decides nothing", (value.name.value,))
        return decided
    return isinstance(value, BooleanValueNode) and value.value
