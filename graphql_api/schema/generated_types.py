"""GraphQL types of what definitions say, whose fields are taken as they are made.

graphql-core copies each map of fields and reads each name in it letter by letter. Definitions have had their names read
when they were made, and hundreds of types may have the same inherited fields: both would be most of a large schema's
cost.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar, cast

from graphql import (
    GraphQLFieldMap,
    GraphQLInputFieldMap,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
)

T = TypeVar("T")


class GeneratedObject(GraphQLObjectType):
    @cached_property
    def fields(self) -> GraphQLFieldMap:
        return _made(self._fields)


class GeneratedInterface(GraphQLInterfaceType):
    @cached_property
    def fields(self) -> GraphQLFieldMap:
        return _made(self._fields)


class GeneratedInput(GraphQLInputObjectType):
    @cached_property
    def fields(self) -> GraphQLInputFieldMap:
        return _made(self._fields)


def _made(given: Callable[[], Mapping[str, T]] | Mapping[str, T]) -> dict[str, T]:
    return cast(dict[str, T], given() if callable(given) else given)
