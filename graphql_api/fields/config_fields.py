"""The organization's configuration in the schema."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLFloat,
    GraphQLList,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.configuration.configurations import PERMISSION, Configuration
from fabric.configuration.options import OPTIONS, Choice, Number, Option
from fabric.errors import BadInput, FabricError
from graphql_api.context import Context, Info
from graphql_api.schema.common_types import SCALARS, listed, required

_JSON = SCALARS["JSON"]

OPTION = GraphQLObjectType(
    "ConfigOption",
    {
        "name": GraphQLField(required(GraphQLString)),
        "value": GraphQLField(required(_JSON)),
        "default": GraphQLField(required(_JSON)),
        "chosen": GraphQLField(required(GraphQLBoolean), description="Whether the organization has chosen it."),
        "description": GraphQLField(required(GraphQLString)),
        "choices": GraphQLField(GraphQLList(required(GraphQLString)), description="Of a text."),
        "least": GraphQLField(GraphQLFloat, description="Of a number."),
        "most": GraphQLField(GraphQLFloat, description="Of a number."),
    },
    description="What an organization can choose, for all of its members.",
)

_PAYLOAD = GraphQLObjectType(
    "SetConfigPayload",
    {
        "changed": GraphQLField(listed(GraphQLString), description="The options that differ from before."),
        "config": GraphQLField(listed(OPTION)),
    },
)


async def _config(_: Any, info: Info) -> Any:
    info.context.subject.require(PERMISSION)
    return await _told_all(info.context)


async def _set(_: Any, info: Info, values: Any) -> Any:
    context = info.context
    if not isinstance(values, Mapping):
        raise BadInput("values are an object, by the names of options", ("values",))
    try:
        changed = await context.services.configurations.change(context.subject, values, request_id=context.request_id)
    except FabricError as error:
        raise error.under("values") from None
    return {"changed": changed, "config": await _told_all(context)}


async def _told_all(context: Context) -> list[dict[str, Any]]:
    configuration = await context.services.configurations.of(context.subject.organization_id)
    return [_told(configuration, option) for option in OPTIONS.values()]


def _told(configuration: Configuration, option: Option[Any]) -> dict[str, Any]:
    return {
        "name": option.name,
        "value": configuration[option],
        "default": configuration.default(option),
        "chosen": option.name in configuration.chosen,
        "description": option.meaning,
        "choices": option.choices if isinstance(option, Choice) else None,
        "least": option.least if isinstance(option, Number) else None,
        "most": option.most if isinstance(option, Number) else None,
    }


CONFIG_QUERIES: GraphQLFieldMap = {
    "config": GraphQLField(listed(OPTION), resolve=_config, description="What your organization can choose, and has."),
}

CONFIG_MUTATIONS: GraphQLFieldMap = {
    "setConfig": GraphQLField(
        required(_PAYLOAD),
        {"values": GraphQLArgument(required(_JSON), description="By the names of options; null for a default.")},
        _set,
        description="Chooses for your organization, at every label: in a session at the lowest one.",
    ),
}
