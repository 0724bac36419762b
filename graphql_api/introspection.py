"""Questions about the schema itself, which walk over all of its types.

Of a large schema that takes seconds, so they are answered beside the loop that serves everybody, one at a time.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, execute

from graphql_api.schema import Surface, build_whole

SCHEMA_FIELDS = frozenset({"__schema", "__type"})

KEPT = 4
"""Schemas that are kept whole, for who asks again."""


class Introspection:
    """Shared by all surfaces."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="introspection")
        self._whole: deque[tuple[Surface, GraphQLSchema]] = deque(maxlen=KEPT)

    async def run(
        self, surface: Surface, document: DocumentNode, variables: Mapping[str, Any], operation_name: str | None
    ) -> ExecutionResult:
        """The result of an operation that asks for nothing else."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, surface, document, variables, operation_name)

    def _run(
        self, surface: Surface, document: DocumentNode, variables: Mapping[str, Any], operation_name: str | None
    ) -> ExecutionResult:
        schema = self._schema(surface)
        result = execute(
            schema, document, variable_values=dict(variables), operation_name=operation_name, hide_suggestions=True
        )
        assert isinstance(result, ExecutionResult)
        return result

    def _schema(self, surface: Surface) -> GraphQLSchema:
        for known, schema in self._whole:
            if known is surface:
                return schema
        schema = build_whole(surface.catalogue)
        self._whole.append((surface, schema))
        return schema
