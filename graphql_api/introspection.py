"""Introspection: answered from the schema alone, with no more fields than describing all of it takes.

Aliases can ask for the same again and again, and types lead to types, so that a short document can ask for very much.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)
from graphql import GraphQLResolveInfo as Info
from graphql.pyutils import Path

from fabric.errors import TooComplex
from graphql_api.aside import Aside

FIELDS = frozenset({"__schema", "__type"})

FOR_EACH = 25
"""Fields that may be asked for each element of a schema. The usual introspection asks for ten."""

LEAST = 10_000


class _Beyond(BaseException):
    """Passes through the executor, which makes any other exception one field's error and goes on."""


class _Counting(Executor[None]):
    most = 0
    fields = 0

    def build_resolve_info(
        self, field_def: GraphQLField, field_nodes: list[FieldNode], parent_type: GraphQLObjectType, path: Path
    ) -> Info[None]:
        self.fields += 1
        if self.fields > self.most:
            raise _Beyond
        return super().build_resolve_info(field_def, field_nodes, parent_type, path)


class Introspection:
    """Of one schema. Of a large one it takes seconds."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._most = 0
        self._aside = Aside()

    async def answer(self, document: DocumentNode, operation: str | None, given: Mapping[str, Any]) -> ExecutionResult:
        """TooComplex for a document that asks for more than `FOR_EACH` fields for each element of the schema."""
        return await self._aside.do(True, self._answer, document, operation, given)

    def _answer(self, document: DocumentNode, operation: str | None, given: Mapping[str, Any]) -> ExecutionResult:
        executor = _Counting.build(
            self._schema, document, raw_variable_values=dict(given), operation_name=operation, hide_suggestions=True
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        assert isinstance(executor, _Counting)
        self._most = self._most or LEAST + FOR_EACH * _elements(self._schema)
        executor.most = self._most
        try:
            result = executor.execute_operation()
        except _Beyond:
            raise TooComplex("this introspects more than the whole schema") from None
        assert isinstance(result, ExecutionResult)
        return result


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
