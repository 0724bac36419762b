"""What makes a bundle's element one that can be imported."""

import re
from typing import Any, TypeGuard

from fabric.stix.elements import Element
from fabric.stix.markings import marking_refs
from fabric.transfer.records import Problem
from fabric.types.kinds import Kind, KindError, canonical

RELATIONSHIP = "relationship"

NAME_LENGTH = 200
"""Longest name of a type, property or relation: what the fabric takes for a relation."""

ID_LENGTH = 255
_ID = re.compile(r"[^ ]+?--[^ ]+\Z")
_TIMES = ("start_time", "stop_time")


def fault_of(element: Element) -> str | None:
    """What is wrong with the element by itself; None if nothing is."""
    value = element.value
    if type(value) is not dict:
        return "is not an object"
    fault = _identity_fault(value) or _name_fault(value)
    if fault is None and not element.plain:
        fault = _value_fault(value)
    if fault is None and value["type"] == RELATIONSHIP:
        fault = _relationship_fault(value)
    return fault or _marking_fault(value)


def problem(position: int, value: object, message: str) -> Problem:
    """A problem with the element at the position (from 0), named by its id, or by its place where it has none."""
    stix_id = value.get("id") if isinstance(value, dict) else None
    return Problem(stix_id if is_id(stix_id) else f"object {position + 1:,}", message)


def is_relationship(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") == RELATIONSHIP


def is_id(value: object) -> TypeGuard[str]:
    """Whether it has an id's form: a type, two hyphens and more. That this is a UUID nothing here relies on."""
    return isinstance(value, str) and len(value) <= ID_LENGTH and _ID.match(value) is not None and value.isprintable()


def is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= NAME_LENGTH and value.isprintable()


def _identity_fault(value: dict[str, Any]) -> str | None:
    stix_id, stix_type = value.get("id"), value.get("type")
    if stix_type is None:
        return "has no type"
    if not is_name(stix_type) or "--" in stix_type:
        return "has a type that is no name"
    if stix_id is None:
        return "has no id"
    if not is_id(stix_id) or stix_id.partition("--")[0] != stix_type:
        return "has an id that is not its type, two hyphens and a UUID"
    return None


def _name_fault(value: dict[str, Any]) -> str | None:
    for name in value:
        if not is_name(name):
            return f"has a property whose name is not 1 to {NAME_LENGTH} printable characters"
    return None


def _value_fault(value: dict[str, Any]) -> str | None:
    for name, member in value.items():
        try:
            if member is not None:
                canonical(Kind.JSON, member)
        except KindError as error:
            return f"{name}: {error}"
    return None


def _relationship_fault(value: dict[str, Any]) -> str | None:
    for name in ("source_ref", "target_ref"):
        if not is_id(value.get(name)):
            return f"has no {name}, or one that is no id"
    if not is_name(value.get("relationship_type")):
        return "has no relationship_type, or one that is no name"
    try:
        # Of canonical forms the earlier is also the lesser text.
        times = [canonical(Kind.DATETIME, value[name]) for name in _TIMES if value.get(name) is not None]
    except KindError as error:
        return f"start_time or stop_time: {error}"
    return "ends before it starts" if times != sorted(map(str, times)) else None


def _marking_fault(value: dict[str, Any]) -> str | None:
    try:
        for _ in marking_refs(value):
            pass
    except ValueError as error:
        return str(error)
    return None
