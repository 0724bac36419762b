"""What becomes of a request's parameters, whatever brought them: HTTP, a WebSocket or a stream of events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric.errors import BadInput
from fabric.organizations import Organization
from fabric.subject import Subject
from graphql_api.authentication import Gate
from graphql_api.compiler import Compiler, Items, OperationReader, Outcome
from graphql_api.context import Context, Services
from graphql_api.documents import Operation
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

    def items(self, context: Context) -> Items:
        """What an export reads. Raises as `Compiler.items` does."""
        return self.compiler.items(context, self.operation)


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
