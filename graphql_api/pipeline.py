"""What becomes of a request's parameters, whatever brought them: HTTP, a WebSocket or a stream of events."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import orjson
from graphql import ExecutionResult, subscribe

from fabric.errors import BadInput
from fabric.organizations import Organization
from fabric.subject import Subject
from graphql_api.authentication import Gate
from graphql_api.compiler import Compiler, OperationReader, Outcome
from graphql_api.context import Context, Services
from graphql_api.documents import Operation
from graphql_api.responses import body, format_errors
from graphql_api.surfaces import Surfaces


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a GraphQL request."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Asked":
        """BadInput for what is no GraphQL request."""
        query, name, variables = given.get("query"), given.get("operationName"), given.get("variables")
        if not isinstance(query, str) or not query:
            raise BadInput("query is missing: the text of a GraphQL document")
        if name is not None and not isinstance(name, str):
            raise BadInput("operationName is a string")
        if variables is not None and not isinstance(variables, dict) and variables != "":
            raise BadInput("variables is an object")
        if given.get("extensions") not in (None, "") and not isinstance(given["extensions"], dict):
            raise BadInput("extensions is an object")
        return cls(query, name or None, variables or {})


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation, valid against the schema of who asks, with its variables as they were sent."""

    compiler: Compiler
    operation: Operation
    given: Mapping[str, Any]

    def context(self, services: Services, subject: Subject, organization: Organization, request_id: str) -> Context:
        """What it runs in. BadInput or Several, with paths, for variables that do not fit."""
        variables = self.compiler.variables(self.operation, self.given)
        reader = OperationReader(self.compiler, self.operation)
        return Context(services, subject, organization, request_id, reader, variables)

    async def run(self, context: Context) -> Outcome:
        return await self.compiler.run(context, self.operation, self.given)

    async def stream(self, context: Context) -> AsyncGenerator[bytes, None]:
        """A subscription's payloads, each a finished GraphQL response, until it ends.

        What goes wrong before the first one is raised. Dropped for a consumer who takes them too slowly.
        """
        source = subscribe(
            self.compiler.surface.schema,
            self.operation.document,
            context_value=context,
            variable_values=dict(self.given),
            operation_name=self.operation.node.name.value if self.operation.node.name else None,
            hide_suggestions=True,
        )
        results = source if isinstance(source, ExecutionResult) or not isawaitable(source) else await source
        if isinstance(results, ExecutionResult):
            assert results.errors
            raise results.errors[0]
        assert isinstance(results, AsyncGenerator)
        async with aclosing(results):
            async for result in results:
                errors = format_errors(result.errors or (), context.request_id)
                yield body(orjson.dumps(result.data), errors)


class Pipeline:
    """Admission, the reader's schema, the operation in it. Made once; every transport runs through it."""

    def __init__(self, services: Services, gate: Gate, surfaces: Surfaces) -> None:
        self.services = services
        self.gate = gate
        self._surfaces = surfaces

    async def prepare(self, asked: Asked, subject: Subject) -> Prepared:
        """Raises as `Documents.operation` does."""
        catalogue = await self.services.types.catalogue(subject.session)
        compiler = await self._surfaces.compiler(subject.organization_id, catalogue)
        return Prepared(compiler, compiler.operation(asked.query, asked.operation_name), asked.variables)
