"""What becomes of a request's parameters, whatever brought them: HTTP, a WebSocket or a stream of events."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabric.document_register import document_id, is_document_id
from fabric.errors import BadInput
from fabric.events.journal import Position
from fabric.graph import Budget
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from graphql_api.aside import LARGE_TEXT, LARGE_VALUES
from graphql_api.at_least import EXTENSION
from graphql_api.compiler.compiler import Compiler, Items, OperationReader, Outcome
from graphql_api.compiler.surfaces import Surfaces
from graphql_api.context import Context, Services, Turns
from graphql_api.documents import variables
from graphql_api.documents.documents import Operation
from graphql_api.documents.persisted import Persisted
from graphql_api.http.authentication import Gate
from graphql_api.streaming.subscriptions import Subscription


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a GraphQL request: a document, its id (`sha256:` and the hash), or both, which then agree."""

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    document_id: str | None = None
    at_least: str | None = None
    """A position token that came with it."""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "Asked":
        """BadInput for what is no GraphQL request."""
        query, name, variables = given.get("query") or None, given.get("operationName"), given.get("variables")
        extensions = _extensions(given)
        id = _document_id(given, extensions)
        if not isinstance(query, str) and (query is not None or id is None):
            raise BadInput("query is missing: the text of a GraphQL document")
        if name is not None and not isinstance(name, str):
            raise BadInput("operationName is a string")
        if variables is not None and not isinstance(variables, dict) and variables != "":
            raise BadInput("variables is an object")
        if id is not None and query is not None and document_id(query) != id:
            raise BadInput("the query is another document than its id says", ("documentId",))
        at_least = extensions.get("atLeast")
        if not isinstance(at_least, str | None):
            raise BadInput("atLeast is a position that a mutation gave", EXTENSION)
        return cls(query, name or None, variables or {}, id, at_least)


def _extensions(given: Mapping[str, Any]) -> Mapping[str, Any]:
    extensions = given.get("extensions")
    if extensions in (None, ""):
        return {}
    if not isinstance(extensions, dict):
        raise BadInput("extensions is an object")
    return extensions


def _document_id(given: Mapping[str, Any], extensions: Mapping[str, Any]) -> str | None:
    """As GraphQL over HTTP has it, or as Apollo's clients send it."""
    id = given.get("documentId")
    if id is not None and not (isinstance(id, str) and is_document_id(id)):
        raise BadInput("documentId is sha256: and 64 hexadecimal digits in lower case", ("documentId",))
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return id
    path = ("extensions", "persistedQuery")
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise BadInput("persistedQuery is an object of version 1", path)
    other = f"sha256:{persisted.get('sha256Hash')}"
    if not is_document_id(other):
        raise BadInput("sha256Hash is 64 hexadecimal digits in lower case", (*path, "sha256Hash"))
    if id not in (None, other):
        raise BadInput("this names another document than documentId", path)
    return other


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation, valid against the schema of who asks, with its variables as they were sent and as they are meant.

    `large` says that running it may keep the processor busy.
    """

    compiler: Compiler
    operation: Operation
    given: Mapping[str, Any]
    variables: dict[str, Any]
    large: bool

    def context(
        self, services: Services, subject: Subject, organization: Organization, request_id: str,
        at_least: Position | None = None,
    ) -> Context:  # fmt: skip
        reader = OperationReader(self.compiler, self.operation)
        settings = services.settings
        budget, turns = Budget(subject.links.looks(settings.max_graph_links)), Turns(settings.statement_timeout_seconds)
        return Context(
            services, subject, organization, request_id, reader, self.variables, budget, turns, self.large, at_least
        )  # fmt: skip

    def stream(self, context: Context) -> AsyncGenerator[Sequence[bytes], None]:
        """The payloads of a subscription, each the JSON of a GraphQL response; close it to end it (`aclose`).

        Raises as an operation that cannot start; in the course of it `streams.Dropped`, for a reader that is too slow.
        """
        return Subscription(self.compiler, self.operation, context, self.given).payloads()

    async def run(self, context: Context) -> Outcome:
        return await self.compiler.run(context, self.operation, self.given)

    def items(self, context: Context, *, as_descriptions: bool = False) -> Items:
        """What an export reads. Raises as `Compiler.items` does."""
        return self.compiler.items(context, self.operation, as_descriptions=as_descriptions)


class Pipeline:
    """Admission, the reader's schema, the operation in it. Made once; every transport runs through it."""

    def __init__(self, services: Services, gate: Gate, surfaces: Surfaces) -> None:
        self.services = services
        self.gate = gate
        self._surfaces = surfaces
        self._persisted = Persisted(services.documents, services.settings)

    async def prepare(self, asked: Asked, subject: Subject) -> Prepared:
        """Raises as `Persisted.text` and `Documents.operation` do.

        BadInput or Several, with paths, for variables that do not fit; TooComplex for too many.
        """
        values = variables.count(asked.variables, self.services.settings.max_values)
        text = await self._persisted.text(asked.query, asked.document_id, subject.session)
        prepared = await self.prepare_own(text, asked.variables, subject, asked.operation_name, values > LARGE_VALUES)
        if asked.query is not None and asked.document_id is not None:
            self._persisted.leave(text, subject.session)
        return prepared

    async def prepare_own(
        self, text: str, given: Mapping[str, Any], subject: Subject, name: str | None = None, many: bool = False
    ) -> Prepared:
        """Of a document that may run, such as the server's own; `many` says that the variables take long to read.

        Raises as `Documents.operation` does; BadInput or Several, with paths, for variables that do not fit.
        """
        catalogue = await self.services.types.catalogue(subject.session)
        compiler = self._surfaces.compiler(subject.organization_id, catalogue)
        operation = await compiler.found(text, name)
        meant = await compiler.meant(operation, given, many=many)
        return Prepared(compiler, operation, given, meant, many or len(text) > LARGE_TEXT)
