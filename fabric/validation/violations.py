"""What one object's data breaks of its definition, and the report that counts it. No value is ever told."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from fabric.types.constraints import broken
from fabric.types.definitions import Field
from fabric.types.kinds import JSONValue
from fabric.types.values import Stored

NAMES = ("typeName", "field", "constraint")
_What: TypeAlias = tuple[str | None, ...]

MOST_TOLD = 200
"""Constraints that a report names."""
MOST_EXAMPLES = 10
"""Objects that it names of each."""


def violations(members: Mapping[str, Field], data: Stored) -> Iterator[tuple[str, str]]:
    """(Field, constraint), by the constraint's key in the definition. What is encrypted is only held to be there."""
    for field in members.values():
        value = data.get(field.key)
        if value is None:
            if field.required:
                yield field.name, "required"
        elif field.protection is None:
            for key in broken(field.constraints, field.kind, value):
                yield field.name, key
            if _is_retired(field, value):
                yield field.name, "values"


def _is_retired(field: Field, value: JSONValue) -> bool:
    """Whether an enum no longer has the value."""
    return bool(field.values) and not set(value if isinstance(value, list) else [value]) <= set(field.values)


class Report:
    """Counts objects, or links; JSON by `state`, and made of it again."""

    def __init__(
        self, state: Mapping[str, Any] | None = None, things: str = "objects", names: tuple[str, str, str] = NAMES
    ) -> None:
        """`names` are those of what a violation is told by: what it is of, a member of that, the constraint."""
        said = state or {things: 0, "violating": 0, "constraints": [], "more": 0}
        self._things, self._names = things, names
        self.looked_at, self.violating, self.more = said[things], said["violating"], said["more"]
        self._of: dict[_What, dict[str, Any]] = {tuple(c[name] for name in names): dict(c) for c in said["constraints"]}

    def add(self, id: str, of: str, found: Iterator[tuple[str | None, str]]) -> None:
        self.looked_at += 1
        violating = False
        for member, constraint in found:
            violating = True
            self._count(id, (of, member, constraint))
        self.violating += violating

    def _count(self, id: str, what: _What) -> None:
        told = self._of.get(what)
        if told is None:
            if len(self._of) == MOST_TOLD:
                self.more += 1
                return
            names = dict(zip(self._names, what, strict=True))
            told = self._of[what] = {**names, self._things: 0, "examples": []}
        told[self._things] += 1
        if len(told["examples"]) < MOST_EXAMPLES:
            told["examples"] = [*told["examples"], id]

    def state(self) -> dict[str, Any]:
        told = [self._of[what] for what in sorted(self._of, key=lambda what: tuple(each or "" for each in what))]
        return {self._things: self.looked_at, "violating": self.violating, "constraints": told, "more": self.more}
