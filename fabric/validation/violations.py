"""What one object's data breaks of its definition, and the report that counts it. No value is ever told."""

from collections.abc import Iterator, Mapping
from typing import Any

from fabric.types.catalogue import ObjectType
from fabric.types.constraints import broken
from fabric.types.definitions import Field
from fabric.types.kinds import JSONValue
from fabric.types.values import Stored

MOST_TOLD = 200
"""Constraints that a report names."""
MOST_EXAMPLES = 10
"""Objects that it names of each."""


def violations(object_type: ObjectType, data: Stored) -> Iterator[tuple[str, str]]:
    """(Field, constraint), by the constraint's key in the definition. What is encrypted is only held to be there."""
    for field in object_type.fields.values():
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
    """Counts objects; JSON by `state`, and made of it again."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        said = state or {"objects": 0, "violating": 0, "constraints": [], "more": 0}
        self.objects, self.violating, self.more = said["objects"], said["violating"], said["more"]
        self._of = {(c["typeName"], c["field"], c["constraint"]): dict(c) for c in said["constraints"]}

    def add(self, object_id: str, type_name: str, found: Iterator[tuple[str, str]]) -> None:
        self.objects += 1
        violating = False
        for field, constraint in found:
            violating = True
            self._count(object_id, (type_name, field, constraint))
        self.violating += violating

    def _count(self, object_id: str, what: tuple[str, str, str]) -> None:
        told = self._of.get(what)
        if told is None:
            if len(self._of) == MOST_TOLD:
                self.more += 1
                return
            names = dict(zip(("typeName", "field", "constraint"), what, strict=True))
            told = self._of[what] = {**names, "objects": 0, "examples": []}
        told["objects"] += 1
        if len(told["examples"]) < MOST_EXAMPLES:
            told["examples"] = [*told["examples"], object_id]

    def state(self) -> dict[str, Any]:
        told = [self._of[what] for what in sorted(self._of)]
        return {"objects": self.objects, "violating": self.violating, "constraints": told, "more": self.more}
