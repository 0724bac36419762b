"""Links inside the inputs of mutations: their types, and what is read out of them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from graphql import (
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputFieldMap,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
)

from fabric import ids
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field, LinkField
from fabric.writing.nested_links import NestedLink

_NAMED = ("id", "byKey", "key")

Made = Callable[[str, Callable[[], GraphQLInputFieldMap]], GraphQLInputObjectType]


class LinkInputs:
    """Makes the input types of one schema. `value` gives the type of a field's values, `made` keeps types by name."""

    def __init__(
        self, catalogue: Catalogue, scalars: Mapping[str, GraphQLScalarType],
        value: Callable[[str, Field], GraphQLInputType], made: Made,
    ) -> None:  # fmt: skip
        self._types = catalogue.types
        self._value = value
        self._declaring = catalogue.declaring
        self._made = made
        self._fields: dict[tuple[str, str, str], GraphQLInputField] = {}
        self._values = {
            "weight": GraphQLInputField(GraphQLFloat),
            "properties": GraphQLInputField(scalars["JSON"]),
            "validFrom": GraphQLInputField(scalars["DateTime"], out_name="valid_from"),
            "validTo": GraphQLInputField(scalars["DateTime"], out_name="valid_to"),
            "semanticNamespace": GraphQLInputField(GraphQLString, out_name="semantic_namespace"),
            "semanticPredicate": GraphQLInputField(GraphQLString, out_name="semantic_predicate"),
        }

    def members(self, t: ObjectType, *, unlink: bool) -> GraphQLInputFieldMap:
        """`link`, and where there may be something to unlink `unlink`, of a type that has links."""
        if not t.links:
            return {}
        made = {"link": GraphQLInputField(self._of_type(t, "Link"), description="Links made with the object.")}
        if unlink:
            made["unlink"] = GraphQLInputField(
                self._of_type(t, "Unlink"), description="Links taken away, before others are made."
            )
        return made

    def of_other_ends(self, target: ObjectType) -> list[GraphQLInputObjectType]:
        return [self._other_end(target, verb) for verb in ("Link", "Unlink")]

    def _of_type(self, t: ObjectType, verb: str) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            declaring = self._declaring(t.name)
            return {name: self._link_field(declaring[name], link, verb) for name, link in t.links.items()}

        return self._made(f"{t.name}{verb}sInput", fields)

    def _link_field(self, owner: str, link: LinkField, verb: str) -> GraphQLInputField:
        """One for the inputs of the declaring type and of all that descend from it."""
        key = owner, link.name, verb
        if key not in self._fields:
            each = self._other_end(self._types[link.target], verb)
            type_ = GraphQLList(GraphQLNonNull(each)) if link.many else each
            self._fields[key] = GraphQLInputField(type_, description=link.description)
        return self._fields[key]

    def _other_end(self, target: ObjectType, verb: str) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            made = {"id": GraphQLInputField(GraphQLID)}
            if target.natural_key:
                made["byKey"] = GraphQLInputField(self._made(f"{target.name}KeyInput", keys))
            made["key"] = GraphQLInputField(GraphQLString, description="Tells parallel links apart.")
            return made | self._values if verb == "Link" else made

        def keys() -> GraphQLInputFieldMap:
            declaring = self._declaring(target.name)
            types: dict[str, Any] = {n: self._value(declaring[n], target.fields[n]) for n in target.natural_key}
            return {name: GraphQLInputField(GraphQLNonNull(type_)) for name, type_ in types.items()}

        return self._made(f"{target.name}{verb}Input", fields)


def nested_links(
    input: Mapping[str, Any], action: Literal["link", "upsert"], *path: str | int
) -> tuple[NestedLink, ...]:
    """What an input says under `link` and `unlink`: first what goes, so that one link can take another's place."""
    gone = _wishes(input.get("unlink"), "unlink", *path, "unlink")
    return (*gone, *_wishes(input.get("link"), action, *path, "link"))


def _wishes(
    given: Mapping[str, Any] | None, action: Literal["link", "upsert", "unlink"], *path: str | int
) -> Iterator[NestedLink]:
    for name, items in (given or {}).items():
        if isinstance(items, dict):
            yield _wish(items, action, name, *path, name)
        for i, item in enumerate(items if isinstance(items, list) else ()):
            yield _wish(item, action, name, *path, name, i)


def _wish(
    item: Mapping[str, Any], action: Literal["link", "upsert", "unlink"], name: str, *path: str | int
) -> NestedLink:
    values = {k: v for k, v in item.items() if k not in _NAMED}
    for moment in values.keys() & {"valid_from", "valid_to"}:
        values[moment] = datetime.fromisoformat(values[moment]) if values[moment] is not None else None
    other = item.get("id")
    return NestedLink(
        action, name, None if other is None else ids.read_id(other), item.get("byKey"), item.get("key"), values, path
    )
