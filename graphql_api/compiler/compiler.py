"""Runs operations against one surface: compiled fields as one statement, the rest through the executor.

What can be kept is kept: documents with their validation, and for each shape of variables the plan with its statement.
A repeated query costs a few look-ups, the binding of its values, and PostgreSQL.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    Executor,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution.values import get_variable_values
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from fabric.errors import BadInput
from fabric.settings import Settings
from graphql_api.aside import LARGE_TEXT, Aside
from graphql_api.caches import CacheCounts
from graphql_api.compiler.cost import Terms, cost, terms
from graphql_api.compiler.described import described
from graphql_api.compiler.introspection import SCHEMA_FIELDS, Introspection
from graphql_api.compiler.matching import digested
from graphql_api.compiler.page_bounds import PageLimits
from graphql_api.compiler.plan import Edges, Nodes, Page, Plan, Request
from graphql_api.compiler.planner import OBJECT_IDS, Planner
from graphql_api.compiler.sql import Statement, items_statement, statement
from graphql_api.context import Context, Info
from graphql_api.documents.arguments import shape
from graphql_api.documents.documents import DocumentLimits, Documents, Operation
from graphql_api.documents.selection import Selected, Spreader
from graphql_api.faults import variable_faults
from graphql_api.schema.schema import Surface

T = TypeVar("T")

USUAL_STATEMENT = 10_000
"""Characters of a statement and of what tells it from others; a longer one takes the room of several."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan with its statement, ready to be bound."""

    plan: Plan
    statement: Statement
    permissions: tuple[str, ...]
    cost: Terms


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query for one shape of variables: what is compiled of it, what is left to others, and their order."""

    keys: tuple[str, ...]
    compiled: Compiled | None
    walked: DocumentNode | None
    """The compiled fields, for the executor, where some of what they select is left to it."""
    rest: DocumentNode | None
    """For the executor."""
    introspection: DocumentNode | None


@dataclass(frozen=True, slots=True)
class Items:
    """What reads the items of a query's one connection: a statement for `Transaction.open`, and what it takes.

    `name` is the connection's response key, `listing` what is planned of its items.
    """

    name: str
    listing: Nodes | Edges
    statement: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`data` is finished JSON (`null` included), or None where the operation did not start."""

    data: bytes | None
    errors: Sequence[Exception] = ()
    warnings: Sequence[Mapping[str, str]] = ()
    """What it had to do without."""


@dataclass(frozen=True, slots=True)
class OperationReader:
    """The compiler for the fields of one operation."""

    compiler: "Compiler"
    operation: Operation

    async def read_objects(self, context: Context, info: Info, object_ids: Sequence[UUID]) -> list[Any]:
        return await self.compiler.read_objects(self.operation, context, info, object_ids)

    async def checking(self, work: Callable[[Callable[[str], None]], T]) -> T:
        return await self.compiler.checking(work)

    def check_objects(self, context: Context, info: Info, number: int) -> None:
        self.compiler.check_objects(self.operation, context, info, number)


class Compiler:
    """Shared by all readers of one surface."""

    def __init__(
        self, surface: Surface, settings: Settings, counts: CacheCounts | None = None,
        introspection: Introspection | None = None,
    ) -> None:  # fmt: skip
        self.surface = surface
        self._introspection = introspection or Introspection()
        limits = DocumentLimits.of(settings)
        self._documents = Documents(surface.schema, limits, settings.document_cache_size, counts)
        self._pages = PageLimits(settings.default_page_size, settings.max_page_size)
        self._aside = Aside(surface.catalogue)

    def operation(self, text: str, name: str | None) -> Operation:
        """The operation, parsed and valid. Raises as `Documents.operation` does."""
        return self._documents.operation(text, name)

    async def found(self, text: str, name: str | None) -> Operation:
        """The same, beside the event loop where the text is long and new."""
        known = self._documents.known(text, name)
        if known is not None:
            return known
        if len(text) <= LARGE_TEXT:
            return self._documents.prepare(text, name)
        document = await self._aside.do(lambda surface: self._documents.valid(text, surface.schema))
        return self._documents.prepare(text, name, document)

    def check(self, text: str) -> None:
        """Raises as `Documents.check` does."""
        self._documents.check(text)

    async def checking(self, work: Callable[[Callable[[str], None]], T]) -> T:
        """What the work makes of `check`, beside the event loop."""
        return await self._aside.do(lambda surface: work(lambda text: self._documents.check(text, surface.schema)))

    def variables(self, operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
        """The coerced variables. BadInput or Several, with paths, for what does not fit their types."""
        plain = operation.plain.read(given)
        if plain is not None:
            return plain
        return _coerced(self.surface, operation, given)

    async def meant(self, operation: Operation, given: Mapping[str, Any], *, many: bool) -> dict[str, Any]:
        """The same, beside the event loop where they hold `many` values."""
        if not many:
            return self.variables(operation, given)
        return await self._aside.do(lambda surface: _coerced(surface, operation, given))

    async def run(self, context: Context, operation: Operation, given: Mapping[str, Any]) -> Outcome:
        """Runs the operation; `given` are the variables as sent, `context.variables` as coerced."""
        if operation.is_subscription:
            raise BadInput("a subscription needs a WebSocket or an event stream")
        if not operation.is_query:
            return _outcome(await self._execute(context, operation, operation.document, given))
        prepared = await self._prepared(context, operation)
        data = await self._read(context, prepared.compiled, (), context.variables) if prepared.compiled else b"{}"
        results: list[ExecutionResult] = []
        if prepared.walked:
            results.append(await self._execute(context, operation, prepared.walked, given, orjson.loads(data)))
            data = b"{}"
        if prepared.rest:
            results.append(await self._execute(context, operation, prepared.rest, given))
        if prepared.introspection:
            run = self._introspection.run
            results.append(await run(self.surface, prepared.introspection, given, _name(operation)))
        return replace(_joined(data, results, prepared.keys), warnings=context.warnings)

    def items(self, context: Context, operation: Operation, *, as_descriptions: bool = False) -> Items:
        """The items of the query's one connection, for as many of them as are wanted.

        `as_descriptions`: in the form of `compiler.described`. BadInput for another operation. Permissions and cost are
        checked, that of one page of it.
        """
        key = ("descriptions" if as_descriptions else "items", self._shape(operation, context.variables))
        compiled: Compiled | None = operation.plans.get(key)
        if compiled is None:
            if not operation.is_query:
                raise BadInput("an export is of a query")
            planner = self._planner(self.surface, context, operation)
            plan, most = planner.plan_items(_selected(context, operation))
            if as_descriptions:
                plan = _described(plan)
            compiled = Compiled(plan, items_statement(plan, most), tuple(sorted(planner.permissions)), terms(plan))
            operation.plans.keep(key, compiled, _weight(compiled, key))
        ((name, page),) = compiled.plan.roots
        assert isinstance(page, Page)
        ((_, listing),) = page.outputs
        assert isinstance(listing, Nodes | Edges)
        self._allow(context, compiled, (), context.variables)
        arguments = self._arguments(context, compiled, context.variables)
        return Items(name, listing, compiled.statement.text, arguments)

    async def read_objects(
        self, operation: Operation, context: Context, info: Info, object_ids: Sequence[UUID]
    ) -> list[Any]:
        """See `Reader`."""
        sets = [node.selection_set for node in info.field_nodes if node.selection_set]
        path = [step for step in info.path.as_list() if isinstance(step, str)]
        compiled = self._of_objects(operation, context, path, sets, info.return_type)
        bound = context.variables | {OBJECT_IDS: list(object_ids)}
        rows: list[Any] = orjson.loads(await self._read(context, compiled, path, bound))["objects"]
        return rows

    def check_objects(self, operation: Operation, context: Context, info: Info, number: int) -> None:
        """See `Reader`."""
        payload = get_named_type(info.return_type)
        assert isinstance(payload, GraphQLObjectType)
        sets = [node.selection_set for node in info.field_nodes if node.selection_set]
        bound = context.variables | {OBJECT_IDS: [UUID(int=0)] * number}
        for field in Spreader(operation.fragments, context.variables).collect(sets, lambda _: True):
            if field.sets:
                path = [*(step for step in info.path.as_list() if isinstance(step, str)), field.key]
                type_ = payload.fields[field.name].type
                compiled = self._of_objects(operation, context, path, field.sets, type_)
                self._allow(context, compiled, path, bound)
                self._arguments(context, compiled, bound)

    def _of_objects(
        self, operation: Operation, context: Context, path: list[str], sets: Sequence[SelectionSetNode],
        type_: GraphQLOutputType,
    ) -> Compiled:  # fmt: skip
        key = (tuple(path), self._shape(operation, context.variables))
        compiled: Compiled | None = operation.plans.get(key)
        if compiled is None:
            planner = self._planner(self.surface, context, operation)
            compiled = _compiled(planner, planner.plan_objects(sets, get_named_type(type_).name))
            operation.plans.keep(key, compiled, _weight(compiled, key))
        return compiled

    async def _prepared(self, context: Context, operation: Operation) -> Prepared:
        key = self._shape(operation, context.variables)
        prepared: Prepared | None = operation.plans.get(key)
        if prepared is None:
            if context.large:
                prepared = await self._aside.do(lambda surface: self._prepare(surface, context, operation))
            else:
                prepared = self._prepare(self.surface, context, operation)
            operation.plans.keep(key, prepared, _weight(prepared.compiled, key))
        return prepared

    def _shape(self, operation: Operation, variables: Mapping[str, Any]) -> Any:
        return shape(variables, operation.deciding, operation.cursors) if variables else ()

    def _planner(self, surface: Surface, context: Context, operation: Operation) -> Planner:
        spreader = Spreader(operation.fragments, context.variables)
        return Planner(surface, spreader, context.variables, self._pages)

    def _prepare(self, surface: Surface, context: Context, operation: Operation) -> Prepared:
        selected = _selected(context, operation)
        roots = surface.roots
        # `__typename` alone needs no database; beside compiled fields it costs their statement nothing.
        constants = {"__typename"} if any(f.name in roots for f in selected) else set()
        compiled = [f for f in selected if f.name in roots or f.name in constants]
        asked = [f for f in selected if f.name in SCHEMA_FIELDS]
        rest = [f for f in selected if f not in compiled and f not in asked]
        planner = self._planner(surface, context, operation)
        plan = planner.plan(compiled)
        walked = planner.walked
        if walked:
            planner = self._planner(surface, context, operation)
            plan = planner.plan(compiled, for_executor=True)
        return Prepared(
            tuple(f.key for f in selected),
            _compiled(planner, plan) if compiled else None,
            _only(operation, compiled) if walked else None,
            _only(operation, rest) if rest else None,
            _only(operation, asked) if asked else None,
        )

    async def _read(
        self, context: Context, compiled: Compiled, path: Sequence[str], variables: Mapping[str, Any]
    ) -> bytes:
        self._allow(context, compiled, path, variables)
        if context.large:
            arguments = await self._aside.do(lambda _: self._arguments(context, compiled, variables))
        else:
            arguments = self._arguments(context, compiled, variables)
        arguments = await digested(context.services.types.encryption, context.organization, arguments)
        data: bytes = await context.services.database.read(
            context.subject.session, compiled.statement.text, arguments
        )
        return data

    def _allow(
        self, context: Context, compiled: Compiled, path: Sequence[str], variables: Mapping[str, Any]
    ) -> None:  # fmt: skip
        """Raises where the subject may not ask for it, or not for so much in one request. `path` is the field's."""
        for permission in compiled.permissions:
            context.subject.require(permission)
        request = Request(context.subject, context.organization, variables)
        context.spend(path, cost(compiled.cost, compiled.plan, request))

    def _arguments(self, context: Context, compiled: Compiled, variables: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the statement takes. BadInput for values that it cannot have, and for cursors that were made up."""
        request = Request(context.subject, context.organization, variables)
        binders = compiled.plan.binders
        for seal in compiled.plan.seals:
            seal(request)
        return tuple(binders[i](request) for i in compiled.statement.parameters)

    def executor(self, context: Context, operation: Operation, given: Mapping[str, Any]) -> Executor[Context]:
        """For one execution after another, each with a root value of its own; the variables are known to fit."""
        executor = Executor.build(
            self.surface.schema, operation.document, context_value=context, raw_variable_values=dict(given),
            operation_name=_name(operation), hide_suggestions=True,
        )  # fmt: skip
        assert isinstance(executor, Executor)
        return executor

    async def _execute(
        self, context: Context, operation: Operation, document: DocumentNode, given: Mapping[str, Any],
        root: Mapping[str, Any] | None = None,
    ) -> ExecutionResult:  # fmt: skip
        executor: Executor[Context] | list[GraphQLError] = StrawberryGraphQLCoreExecutionContext.build(
            self.surface.schema,
            document,
            root_value=root,
            context_value=context,
            raw_variable_values=dict(given),
            operation_name=_name(operation),
            hide_suggestions=True,
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        result: Any = executor.execute_operation()
        executed: ExecutionResult = await result if executor.is_awaitable(result) else result
        return executed


def _coerced(surface: Surface, operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    definitions = operation.node.variable_definitions or ()
    values = get_variable_values(surface.schema, definitions, dict(given), max_errors=10, hide_suggestions=True)
    if isinstance(values, list):
        raise variable_faults(surface.schema, definitions, given)
    return values.coerced


def _weight(compiled: Compiled | None, key: tuple[Any, ...]) -> int:
    """What a plan takes of the room for an operation's plans, in plans of the usual length."""
    length, pending = len(compiled.statement.text) if compiled else 0, [key]
    while pending:
        length += 20 * len(each := pending.pop())
        pending += [part for part in each if isinstance(part, tuple)]
    return 1 + length // USUAL_STATEMENT


def _selected(context: Context, operation: Operation) -> list[Selected]:
    """The operation's root fields."""
    spreader = Spreader(operation.fragments, context.variables)
    return spreader.collect([operation.node.selection_set], lambda _: True)


def _compiled(planner: Planner, plan: Plan) -> Compiled:
    return Compiled(plan, statement(plan), tuple(sorted(planner.permissions)), terms(plan))


def _described(plan: Plan) -> Plan:
    ((name, page),) = plan.roots
    assert isinstance(page, Page)
    found = described(page)
    if found is None:
        raise BadInput("an export as RDF is of objects: select nodes, or the node of edges", (name,))
    return replace(plan, roots=((name, found),))


def _only(operation: Operation, fields: Sequence[Selected]) -> DocumentNode:
    """The document with nothing but these fields in its one operation; all that they refer to stays."""
    nodes = tuple(node for field in fields for node in field.nodes)
    node = operation.node
    kept = OperationDefinitionNode(
        operation=node.operation, name=node.name, variable_definitions=node.variable_definitions,
        directives=node.directives, selection_set=SelectionSetNode(selections=nodes),
    )  # fmt: skip
    return DocumentNode(definitions=(kept, *operation.fragments.values()))


def _name(operation: Operation) -> str | None:
    return operation.node.name.value if operation.node.name else None


def _joined(data: bytes, results: Sequence[ExecutionResult], keys: Sequence[str]) -> Outcome:
    """What is compiled with what others made of the rest, in the order of the selection."""
    if not results:
        return Outcome(data)
    members: dict[str, Any] = orjson.loads(data)
    for result in results:
        if result.data is None:
            return _outcome(result)
        members |= result.data
    errors = [error for result in results for error in result.errors or ()]
    return Outcome(orjson.dumps({key: members[key] for key in keys}), errors)


def _outcome(result: ExecutionResult) -> Outcome:
    return Outcome(orjson.dumps(result.data), result.errors or ())
