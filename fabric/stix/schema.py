"""Type definitions for what a bundle holds, and the names its types and properties have in them."""

from collections.abc import Iterable, Iterator, Set
from itertools import count
from typing import Any

from fabric.names import GRAPHQL_NAME, RESERVED_NAMES, camel, generated_names, pascal, plural
from fabric.stix.forms import field_of
from fabric.stix.survey import Ends, Forms, Survey
from fabric.types.definitions import RESERVED_FIELDS

STIX_ID = "stixId"
_NAME_LENGTH = 63
_WORDED = ("name", "description")
"""What people read and search, and what an object is embedded by."""


class Schema:
    """How the types and relations of a surveyed bundle are written in the fabric."""

    def __init__(self, survey: Survey) -> None:
        self.types = type_names(survey.forms)
        """By STIX type."""
        self.fields = {stix_type: field_names(forms) for stix_type, forms in survey.forms.items()}
        """By STIX type and property."""
        self.properties = {relation: field_names(forms) for relation, forms in survey.property_forms.items()}
        """By relation and property."""
        self._forms, self._property_forms = survey.forms, survey.property_forms
        self._ends = sorted(survey.ends)

    def definitions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each STIX type with its definition, in the order of their names."""
        described: set[str] = set()
        for stix_type, type_name in sorted(self.types.items(), key=lambda named: named[1]):
            fields = self._fields(stix_type)
            definition = {
                "typeName": type_name,
                "description": f"STIX objects of the type {stix_type}",
                "fields": fields,
                "links": self._links(stix_type, fields.keys(), described),
                "naturalKey": [STIX_ID],
            }
            embedded = [name for name in _WORDED if fields.get(name, {}).get("searchable")]
            if embedded:
                definition["embedding"] = {"fields": embedded}
            yield stix_type, definition

    def _fields(self, stix_type: str) -> dict[str, dict[str, Any]]:
        fields: dict[str, dict[str, Any]] = {STIX_ID: {}}
        fields |= _definitions(self._forms[stix_type], self.fields[stix_type])
        fields[STIX_ID] = {"type": "string", "required": True}
        for name in _WORDED:
            if fields.get(name) in ({"type": "string"}, {"type": "text"}):
                fields[name]["searchable"] = True
        if fields.get("name", {}).get("type") == "string" and "list" not in fields["name"]:
            fields["name"]["indexed"] = True  # long text does not fit an index
        return fields

    def _links(self, stix_type: str, taken: Iterable[str], described: set[str]) -> dict[str, dict[str, Any]]:
        """The type's link fields. A relation's properties are declared once: `described` are those that are."""
        links: dict[str, dict[str, Any]] = {}
        names = set(taken) | RESERVED_FIELDS
        for wanted, relation, other, direction in _link_ends(stix_type, self._ends, self.types):
            name = next(name for name in _numbered(wanted, "Links") if name not in names)
            names.add(name)
            links[name] = {"relation": relation, "target": self.types[other], "direction": direction}
            properties = self._property_forms.get(relation)
            if properties and direction == "out" and relation not in described:
                links[name]["properties"] = _definitions(properties, self.properties[relation])
                described.add(relation)
        return links


def _definitions(forms: Forms, names: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {names[name]: field_of(forms[name]) for name in sorted(forms)}


def _link_ends(stix_type: str, ends: Iterable[Ends], types: dict[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """For each link field of the type: the name it should have, relation, type at the other end, direction."""
    for relation, source, target in ends:
        if source == stix_type:
            yield _graphql_name(camel(relation) + plural(types[target])), relation, target, "out"
        if target == stix_type:
            yield _graphql_name(f"{camel(relation)}From{plural(types[source])}"), relation, source, "in"


def type_names(stix_types: Iterable[str]) -> dict[str, str]:
    """`attack-pattern` → `AttackPattern`; a number where another type has the name, `Stix` where the schema has it."""
    taken, names = set(RESERVED_NAMES), {}

    def generated(name: str) -> Set[str]:
        return generated_names(name, plural(name), (), ())

    for stix_type in sorted(stix_types):
        wanted = pascal(stix_type)
        if not GRAPHQL_NAME.match(wanted[:_NAME_LENGTH]) or generated(wanted) & RESERVED_NAMES:
            wanted = f"Stix{wanted}"
        name = next(name for name in _numbered(wanted) if not generated(name) & taken)
        taken |= generated(name)
        names[stix_type] = name
    return names


def field_names(properties: Iterable[str]) -> dict[str, str]:
    """`x_mitre_platforms` → `xMitrePlatforms`; `stix…` for names the fabric has itself, a number for a second one."""
    taken, names = {STIX_ID}, {}
    for stix_name in sorted(properties):
        if stix_name == "id":
            names[stix_name] = STIX_ID
            continue
        wanted = f"stix{pascal(stix_name)}" if stix_name.startswith("__") else _graphql_name(camel(stix_name))
        names[stix_name] = next(name for name in _numbered(wanted) if name not in taken)
        taken.add(names[stix_name])
    return names


def _graphql_name(name: str) -> str:
    if name in RESERVED_FIELDS or not GRAPHQL_NAME.match(name[:_NAME_LENGTH]):
        return f"stix{pascal(name)}"
    return name


def _numbered(name: str, ending: str = "") -> Iterator[str]:
    """`name`, then `nameLinks` if there is an ending, then the same with 2, 3, …; none longer than names may be."""
    for number in count():
        suffix = "" if number == 0 else ending + (str(number) if number > 1 else "")
        yield name[: _NAME_LENGTH - len(suffix)] + suffix
