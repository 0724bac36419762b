"""Questions about the schema itself, which walk over all of its types.

Of a large schema that takes seconds, so they are answered beside the loop that serves everybody, one at a time. Aliases
can ask for the same again and again, and types lead to types: so no more is told than describing all of it takes.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

from fabric.errors import TooComplex
from graphql_api.schema.schema import Surface, build_whole

SCHEMA_FIELDS = frozenset({"__schema", "__type"})

KEPT = 4
"""Schemas that are kept whole, for who asks again."""

FOR_EACH = 25
"""Fields that may be asked for each element of a schema. The usual introspection asks for ten."""

LEAST = 10_000


@dataclass(frozen=True, slots=True)
class _Whole:
    """A schema with all of its types, and how many fields may be asked of it at once."""

    surface: Surface
    schema: GraphQLSchema
    most: int


class _Beyond(BaseException):
    """Passes through the executor, which makes any other exception one field's error and goes on."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of one part of a schema, by one selection."""

    part: Any
    """Kept, so that nothing else comes to have its identity."""
    data: Any
    fields: int


class _Telling(Executor[None]):
    """Tells of each part of a schema once: hundreds of types have the same inherited fields.

    What is told of a part depends on nothing but the part and what is selected of it.
    """

    most = 0
    fields = 0

    def build_resolve_info(
        self, field_def: GraphQLField, field_nodes: list[FieldNode], parent_type: GraphQLObjectType, path: Path
    ) -> GraphQLResolveInfo[None]:
        self._count(1)
        return super().build_resolve_info(field_def, field_nodes, parent_type, path)

    def complete_object_value(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList, info: GraphQLResolveInfo[None],
        path: Path, result: Any, position_context: None,
    ) -> Any:  # fmt: skip
        part = (result[0], id(result[1])) if isinstance(result, tuple) else id(result)
        key = return_type.name, part, *(id(each.node) for each in field_details_list)
        told = self._told.get(key)
        if told is not None:
            self._count(told.fields)
            return told.data
        before = self.fields
        data = super().complete_object_value(
            return_type, field_details_list, info, path, result, position_context
        )
        self._told[key] = _Told(result, data, self.fields - before)
        return data

    @cached_property
    def _told(self) -> dict[tuple[Any, ...], _Told]:
        return {}

    def _count(self, fields: int) -> None:
        self.fields += fields
        if self.fields > self.most:
            raise _Beyond


class Introspection:
    """Shared by all surfaces."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="introspection")
        self._whole: deque[_Whole] = deque(maxlen=KEPT)

    async def run(
        self, surface: Surface, document: DocumentNode, variables: Mapping[str, Any], operation_name: str | None
    ) -> ExecutionResult:
        """The result of an operation that asks for nothing else. TooComplex for one that asks for too much."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, surface, document, variables, operation_name)

    def _run(
        self, surface: Surface, document: DocumentNode, variables: Mapping[str, Any], operation_name: str | None
    ) -> ExecutionResult:
        whole = self._schema(surface)
        executor = _Telling.build(
            whole.schema, document, raw_variable_values=dict(variables), operation_name=operation_name,
            hide_suggestions=True,
        )  # fmt: skip
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        assert isinstance(executor, _Telling)
        executor.most = whole.most
        try:
            result = executor.execute_operation()
        except _Beyond:
            raise TooComplex("this introspects more than the whole schema") from None
        assert isinstance(result, ExecutionResult)
        return result

    def _schema(self, surface: Surface) -> _Whole:
        for known in self._whole:
            if known.surface is surface:
                return known
        schema = build_whole(surface.catalogue)
        whole = _Whole(surface, schema, LEAST + FOR_EACH * _elements(schema))
        self._whole.append(whole)
        return whole


def _elements(schema: GraphQLSchema) -> int:
    """How many types, fields, arguments and values there are."""
    number = len(schema.directives)
    for type_ in schema.type_map.values():
        number += 1
        if is_object_type(type_) or is_interface_type(type_):
            number += sum(1 + len(field.args) for field in type_.fields.values()) + len(type_.interfaces)
            number += len(schema.get_possible_types(type_)) if is_interface_type(type_) else 0
        elif is_input_object_type(type_):
            number += len(type_.fields)
        elif is_enum_type(type_):
            number += len(type_.values)
    return number
