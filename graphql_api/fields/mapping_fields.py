"""The mapping of fields in the schema: a job that fills fields from others, over what is stored."""

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLString,
)

from fabric.mapping import mapping
from graphql_api.context import Info
from graphql_api.fields.job_fields import JOB_PAYLOAD, told_job
from graphql_api.schema.common_types import SCALARS, required

_NAME = GraphQLInputField(required(GraphQLString))
_NAMES = GraphQLInputField(required(GraphQLList(required(GraphQLString))))

_CONVERT = GraphQLInputObjectType(
    "ConvertFieldInput",
    {"from": _NAME, "to": _NAME},
    description="The field `to` gets the value of `from` in the form of its own kind.",
)
_SPLIT = GraphQLInputObjectType(
    "SplitFieldInput",
    {"from": _NAME, "to": _NAMES, "separator": _NAME},
    description="The fields `to` get a part of the text each; a single one that is a list gets all of them.",
)
_DEFAULT = GraphQLInputObjectType(
    "DefaultFieldInput", {"field": _NAME, "value": GraphQLInputField(required(SCALARS["JSON"]))}
)

MAPPER = GraphQLInputObjectType(
    "FieldMapperInput",
    {
        "convert": GraphQLInputField(_CONVERT),
        "split": GraphQLInputField(_SPLIT),
        "default": GraphQLInputField(_DEFAULT),
    },
    description="Exactly one of them. A field that has a value keeps it.",
)


async def _map_fields(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    job = await mapping.ask(
        context.services.types, context.services.jobs, context.subject, given["typeName"], given["mappers"],
        request_id=context.request_id,
    )  # fmt: skip
    return {"job": told_job(context, job)}


MAPPING_MUTATIONS: GraphQLFieldMap = {
    "mapFields": GraphQLField(
        JOB_PAYLOAD,
        {
            "typeName": GraphQLArgument(required(GraphQLString)),
            "mappers": GraphQLArgument(required(GraphQLList(required(MAPPER)))),
        },
        _map_fields,
        description="A job that fills fields of a type's objects from others, in the versions at your session label.",
    ),
}
