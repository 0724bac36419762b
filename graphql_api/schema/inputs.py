"""The generated input types: filters, orderings, and what mutations take."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputFieldMap,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    get_named_type,
)

from fabric.encryption.protection import matched_kinds
from fabric.names import pascal
from fabric.types.access import TEXT_KINDS
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field
from fabric.types.kinds import Kind
from graphql_api.compiler.matching import OPERATORS
from graphql_api.schema.generated_types import GeneratedInput
from graphql_api.schema.link_inputs import LinkInputs
from graphql_api.schema.scalars import NAMES

ORDER_DIRECTION = GraphQLEnumType(
    "OrderDirection",
    {
        "ASC": GraphQLEnumValue("ASC", "Smallest first; objects without a value last."),
        "DESC": GraphQLEnumValue("DESC", "Largest first; objects without a value first."),
        "ASC_NULLS_FIRST": GraphQLEnumValue("ASC_NULLS_FIRST"),
        "DESC_NULLS_LAST": GraphQLEnumValue("DESC_NULLS_LAST"),
    },
)

_DIRECTION = GraphQLInputField(ORDER_DIRECTION)

_EQUALITY = ("eq", "ne", "in", "notIn", "isNull")
_ORDER = ("lt", "lte", "gt", "gte")
_TEXT = ("contains", "startsWith", "endsWith", "ieq", "icontains", "istartsWith", "iendsWith")


def operators_of(kind: Kind, *, many: bool = False) -> tuple[str, ...]:
    """The operators that a filter on a field of this kind has."""
    if many:
        return ("eq", "containsAny", "containsAll", "isEmpty", "isNull")
    if kind is Kind.JSON:
        return ("eq", "contains", "isNull")
    if kind is Kind.BOOLEAN:
        return ("eq", "ne", "isNull")
    if kind in (Kind.UUID, Kind.ENUM):
        return _EQUALITY
    return _EQUALITY + _ORDER + (_TEXT if kind in TEXT_KINDS else ())


def orderable(field: Field) -> bool:
    return not field.many and field.kind is not Kind.JSON and field.protection is None


def filterable(field: Field) -> bool:
    return field.protection is None or field.protection.blind_index


class Inputs:
    """Makes the input types of one schema, each once."""

    def __init__(self, catalogue: Catalogue, scalars: Mapping[str, GraphQLScalarType]) -> None:
        self._catalogue = catalogue
        self._scalars = scalars
        self._made: dict[str, GraphQLInputObjectType] = {}
        self._enums: dict[str, GraphQLEnumType] = {}
        self._data_fields: dict[tuple[str, str, bool, str | None], GraphQLInputField] = {}
        self._filter_fields: dict[tuple[str, str], GraphQLInputField] = {}
        self._link_filter_fields: dict[str, GraphQLInputField] = {}
        self._order_fields: dict[str, GraphQLInputField] = {}
        self._links = LinkInputs(catalogue, scalars, self.value, self._object)

    # Types that are asked for by their names

    def shared(self, name: str) -> GraphQLInputObjectType | None:
        """The filter of this name on values of one kind, whichever type they are of."""
        for kind in matched_kinds():
            if name == f"{NAMES[kind]}Match":
                return self._match(self._scalars[NAMES[kind]])
        for kind in Kind:
            for many in (False, True):
                if kind is not Kind.ENUM and name == f"{NAMES[kind]}{'List' if many else ''}Where":
                    return self._operators(
                        NAMES[kind], self._scalars[NAMES[kind]], operators_of(kind, many=many), many=many
                    )
        columns: dict[str, Any] = {get_named_type(f.type).name: f.type for f in self._column_filters.values()}
        found: GraphQLInputObjectType | None = columns.get(name)
        return found

    def of_other_ends(self, object_type: ObjectType) -> list[GraphQLInputObjectType]:
        """The types that links lead to the type by, in inputs of what they come from."""
        return [self._link_filter(object_type), *self._links.of_other_ends(object_type)]

    # Leaves

    def leaf(self, field: Field, owner: str) -> GraphQLScalarType | GraphQLEnumType:
        """The type of one value of the field; `owner` is the type that declares it."""
        if field.kind is Kind.ENUM:
            return self.enum(field, owner)
        return self._scalars[NAMES[field.kind]]

    def leaf_of(self, t: ObjectType, name: str) -> GraphQLScalarType | GraphQLEnumType:
        return self.leaf(t.fields[name], self._catalogue.declaring(t.name)[name])

    def enum(self, field: Field, owner: str) -> GraphQLEnumType:
        name = owner + pascal(field.name)
        if name not in self._enums:
            declared = self._catalogue.types[owner].fields[field.name]  # heirs may have fewer of its values
            values = {v: GraphQLEnumValue(v) for v in declared.values}
            retired = {v: GraphQLEnumValue(v, deprecation_reason="retired") for v in declared.retired_values}
            self._enums[name] = GraphQLEnumType(name, values | retired, description=declared.description)
        return self._enums[name]

    # Filters and orderings

    def where(self, object_type: ObjectType) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            own = self._object(object_type.name + "Where")
            listed = GraphQLInputField(GraphQLList(GraphQLNonNull(own)))
            made = {"and": listed, "or": listed, "not": GraphQLInputField(own), **self._column_filters}
            declaring = self._catalogue.declaring(object_type.name)
            for name, field in object_type.fields.items():
                if filterable(field):
                    made[name] = self._filter_field(field, declaring[name])
            for name, link in object_type.links.items():
                made[name] = self._link_filter_field(link.target)
            return made

        return self._object(object_type.name + "Where", fields)

    @cached_property
    def _column_filters(self) -> GraphQLInputFieldMap:
        return {
            "id": GraphQLInputField(self._operators("ID", GraphQLID, ("eq", "ne", "in", "notIn"))),
            "label": GraphQLInputField(self._operators("Label", self._scalars["Label"], ("eq", "ne", "in", "notIn"))),
            "revision": GraphQLInputField(self._operators("Int", GraphQLInt, operators_of(Kind.INTEGER))),
            "createdAt": GraphQLInputField(self.scalar_filter(Kind.DATETIME)),
            "updatedAt": GraphQLInputField(self.scalar_filter(Kind.DATETIME)),
        }

    def _filter_field(self, field: Field, owner: str) -> GraphQLInputField:
        """One for the filters on the declaring type and on all that descend from it."""
        key = owner, field.name
        if key not in self._filter_fields:
            self._filter_fields[key] = GraphQLInputField(self._filter(field, owner))
        return self._filter_fields[key]

    def _link_filter_field(self, target: str) -> GraphQLInputField:
        """One for all links that lead to the type."""
        if target not in self._link_filter_fields:
            self._link_filter_fields[target] = GraphQLInputField(self._link_filter(self._catalogue.types[target]))
        return self._link_filter_fields[target]

    def _filter(self, field: Field, owner: str) -> GraphQLInputObjectType:
        leaf = self.leaf(field, owner)
        if field.protection is not None:
            return self._match(leaf)
        return self._operators(leaf.name, leaf, operators_of(field.kind, many=field.many), many=field.many)

    def _match(self, leaf: GraphQLScalarType | GraphQLEnumType) -> GraphQLInputObjectType:
        """The filter on encrypted values."""
        types = {"eq": leaf, "in": GraphQLList(GraphQLNonNull(leaf))}
        return self._object(f"{leaf.name}Match", lambda: {op: GraphQLInputField(types[op]) for op in OPERATORS})

    def scalar_filter(self, kind: Kind) -> GraphQLInputObjectType:
        """The filter on any one value of the kind, which is not an enum."""
        return self._operators(NAMES[kind], self._scalars[NAMES[kind]], operators_of(kind))

    def _operators(
        self, name: str, leaf: GraphQLScalarType | GraphQLEnumType, operators: tuple[str, ...], *, many: bool = False
    ) -> GraphQLInputObjectType:
        listed = GraphQLList(GraphQLNonNull(leaf))

        def given(op: str) -> GraphQLInputType:
            if op in ("isNull", "isEmpty"):
                return GraphQLBoolean
            if many or op in ("in", "notIn"):
                return listed
            return GraphQLString if op in _TEXT and name == "URI" else leaf  # part of a URI is none

        def fields() -> GraphQLInputFieldMap:
            return {op: GraphQLInputField(given(op)) for op in operators}

        return self._object(f"{name}{'List' if many else ''}Where", fields)

    def _link_filter(self, target: ObjectType) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            where = self.where(target)
            return {quantifier: GraphQLInputField(where) for quantifier in ("some", "every", "none")}

        return self._object(target.name + "LinkWhere", fields)

    def order_by(self, object_type: ObjectType) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            names = ["id", "createdAt", "updatedAt", "revision"]
            names += [name for name, field in object_type.fields.items() if orderable(field)]
            made = dict.fromkeys(names, _DIRECTION)
            ones = {name: link for name, link in object_type.links.items() if not link.many}
            return made | {name: self._order_over(self._catalogue.types[link.target]) for name, link in ones.items()}

        return self._object(object_type.name + "OrderBy", fields)

    def _order_over(self, target: ObjectType) -> GraphQLInputField:
        """The orderings of what a one-to-one link leads to."""
        return self._order_fields.setdefault(target.name, GraphQLInputField(self.order_by(target)))

    # What mutations take

    def create(self, object_type: ObjectType) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            own_id = {} if object_type.natural_key else {"id": GraphQLInputField(GraphQLID)}
            data = self._data(object_type, lambda field: field.required)
            return own_id | data | self._links.members(object_type, unlink=False)

        return self._object(object_type.name + "CreateInput", fields)

    def update(self, object_type: ObjectType) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            return self._data(object_type, lambda _: False) | self._links.members(object_type, unlink=True)

        return self._object(object_type.name + "UpdateInput", fields)

    def upsert(self, object_type: ObjectType) -> GraphQLInputObjectType:
        def fields() -> GraphQLInputFieldMap:
            own_id = {} if object_type.natural_key else {"id": GraphQLInputField(GraphQLNonNull(GraphQLID))}
            data = self._data(object_type, lambda field: field.name in object_type.natural_key)
            return own_id | data | self._links.members(object_type, unlink=True)

        return self._object(object_type.name + "UpsertInput", fields)

    def bulk_update(self, object_type: ObjectType) -> GraphQLInputObjectType:
        return self._object(
            object_type.name + "BulkUpdateInput",
            lambda: {
                "id": GraphQLInputField(GraphQLNonNull(GraphQLID)),
                "set": GraphQLInputField(GraphQLNonNull(self.update(object_type))),
                "expectedRevision": GraphQLInputField(GraphQLInt),
            },
        )

    def _data(self, object_type: ObjectType, required: Callable[[Field], bool]) -> GraphQLInputFieldMap:
        declaring, fields = self._catalogue.declaring(object_type.name), object_type.fields.items()
        return {name: self._data_field(declaring[name], field, required(field)) for name, field in fields}

    def _data_field(self, owner: str, field: Field, required: bool) -> GraphQLInputField:
        """One for the inputs of the declaring type and of all that descend from it and say the same of it."""
        key = owner, field.name, required, field.description
        if key not in self._data_fields:
            type_: Any = self.value(owner, field)
            self._data_fields[key] = GraphQLInputField(
                GraphQLNonNull(type_) if required else type_, description=field.description
            )
        return self._data_fields[key]

    def value(self, owner: str, field: Field) -> GraphQLInputType:
        """The type of the field's values; `owner` is the type that declares it."""
        leaf = self.leaf(field, owner)
        return GraphQLList(GraphQLNonNull(leaf)) if field.many else leaf

    def _object(self, name: str, fields: Callable[[], GraphQLInputFieldMap] | None = None) -> GraphQLInputObjectType:
        if name not in self._made:
            assert fields is not None
            self._made[name] = GeneratedInput(name, fields)
        return self._made[name]
