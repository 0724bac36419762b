"""Runs operations against one surface: compiled fields as one statement, the rest through the executor.

What can be kept is kept: documents with their validation, and for each shape of variables the plan with its statement.
A repeated query costs a few look-ups, the binding of its values, and PostgreSQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
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
from graphql_api.arguments import shape
from graphql_api.aside import Aside
from graphql_api.caches import CacheCounts
from graphql_api.context import Context, Info
from graphql_api.cost import Terms, cost, terms
from graphql_api.documents import DocumentLimits, Documents, Operation
from graphql_api.faults import variable_faults
from graphql_api.introspection import FIELDS, Introspection
from graphql_api.plan import Edges, Nodes, Page, Plan, Request
from graphql_api.planner import OBJECT_IDS, PageLimits, Planner
from graphql_api.schema import Surface
from graphql_api.selection import Selected, Spreader
from graphql_api.sql import Statement, items_statement, statement

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
    """A query for one shape of variables: what is compiled of it, what is left to the executor, and their order.

    What is asked of the schema itself is in `introspection`.
    """

    keys: tuple[str, ...]
    compiled: Compiled | None
    rest: DocumentNode | None
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


@dataclass(frozen=True, slots=True)
class OperationReader:
    """The compiler for the fields of one operation."""

    compiler: "Compiler"
    operation: Operation

    async def read_objects(self, context: Context, info: Info, object_ids: Sequence[UUID]) -> list[Any]:
        return await self.compiler.read_objects(self.operation, context, info, object_ids)

    def check_document(self, text: str) -> None:
        self.compiler.check(text)

    def check_objects(self, context: Context, info: Info, number: int) -> None:
        self.compiler.check_objects(self.operation, context, info, number)


class Compiler:
    """Shared by all readers of one surface."""

    def __init__(self, surface: Surface, settings: Settings, counts: CacheCounts | None = None) -> None:
        self.surface = surface
        limits = DocumentLimits.of(settings)
        self._documents = Documents(surface.schema, limits, settings.document_cache_size, counts)
        self._pages = PageLimits(settings.default_page_size, settings.max_page_size)
        self._introspection = Introspection(surface.schema)
        self.aside = Aside()

    def operation(self, text: str, name: str | None) -> Operation:
        """The operation, parsed and valid. Raises as `Documents.operation` does."""
        return self._documents.operation(text, name)

    def check(self, text: str) -> None:
        """Raises as `Documents.check` does."""
        self._documents.check(text)

    def known(self, text: str, name: str | None) -> Operation | None:
        """See `Documents`."""
        return self._documents.known(text, name)

    def prepare(self, text: str, name: str | None) -> Operation:
        """See `Documents`."""
        return self._documents.prepare(text, name)

    def variables(self, operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
        """The coerced variables. BadInput or Several, with paths, for what does not fit their types."""
        definitions = operation.node.variable_definitions
        if not definitions:
            return {}
        values = get_variable_values(
            self.surface.schema, definitions, dict(given), max_errors=10, hide_suggestions=True
        )
        if isinstance(values, list):
            raise variable_faults(self.surface.schema, definitions, given)
        return values.coerced

    async def run(self, context: Context, operation: Operation, given: Mapping[str, Any]) -> Outcome:
        """Runs the operation; `given` are the variables as sent, `context.variables` as coerced."""
        if operation.is_subscription:
            raise BadInput("a subscription needs a WebSocket or an event stream")
        if not operation.is_query:
            return _outcome(await self._execute(context, operation, operation.document, given))
        prepared = await self._prepared(context, operation)
        data = await self._read(context, prepared.compiled, (), context.variables) if prepared.compiled else b"{}"
        results: list[ExecutionResult] = []
        if prepared.rest is not None:
            results.append(await self._execute(context, operation, prepared.rest, given))
        if prepared.introspection is not None:
            results.append(await self._introspection.answer(prepared.introspection, _name(operation), given))
        if not results:
            return Outcome(data)
        members, errors = orjson.loads(data), list[Exception]()
        for result in results:
            if result.data is None:
                return _outcome(result)
            members |= result.data
            errors += result.errors or ()
        return Outcome(orjson.dumps({key: members[key] for key in prepared.keys}), errors)

    def items(self, context: Context, operation: Operation) -> Items:
        """The items of the query's one connection, for as many of them as are wanted.

        BadInput for another operation. Permissions and cost are checked, that of one page of it.
        """
        key = ("items", self._shape(operation, context.variables))
        compiled: Compiled | None = operation.plans.get(key)
        if compiled is None:
            if not operation.is_query:
                raise BadInput("an export is of a query")
            planner = self._planner(context, operation)
            plan, most = planner.plan_items(_selected(context, operation))
            compiled = Compiled(plan, items_statement(plan, most), tuple(sorted(planner.permissions)), terms(plan))
            operation.plans.keep(key, compiled, _weight(compiled, key))
        ((name, page),) = compiled.plan.roots
        assert isinstance(page, Page)
        ((_, listing),) = page.outputs
        assert isinstance(listing, Nodes | Edges)
        arguments = self._arguments(context, compiled, (), context.variables)
        return Items(name, listing, compiled.statement.text, arguments)

    async def read_objects(
        self, operation: Operation, context: Context, info: Info, object_ids: Sequence[UUID]
    ) -> list[Any]:
        """See `Reader`."""
        sets = [node.selection_set for node in info.field_nodes if node.selection_set]
        path = [step for step in info.path.as_list() if isinstance(step, str)]
        compiled = self._of_objects(operation, context, path, sets, info.return_type)
        bound = context.variables | {OBJECT_IDS: list(object_ids)}
        data = await self._read(context, compiled, path, bound)
        rows: list[Any] = orjson.loads(data)["objects"]
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
                self._arguments(context, compiled, path, bound)

    def _of_objects(
        self, operation: Operation, context: Context, path: list[str], sets: Sequence[SelectionSetNode],
        type_: GraphQLOutputType,
    ) -> Compiled:  # fmt: skip
        key = (tuple(path), self._shape(operation, context.variables))
        compiled: Compiled | None = operation.plans.get(key)
        if compiled is None:
            planner = self._planner(context, operation)
            compiled = _compiled(planner, planner.plan_objects(sets, get_named_type(type_).name))
            operation.plans.keep(key, compiled, _weight(compiled, key))
        return compiled

    async def _prepared(self, context: Context, operation: Operation) -> Prepared:
        key = self._shape(operation, context.variables)
        prepared: Prepared | None = operation.plans.get(key)
        if prepared is None:
            prepared = await self.aside.do(context.large, self._prepare, context, operation)
            operation.plans.keep(key, prepared, _weight(prepared.compiled, key))
        return prepared

    def _shape(self, operation: Operation, variables: Mapping[str, Any]) -> Any:
        return shape(variables, operation.deciding, operation.cursors) if variables else ()

    def _planner(self, context: Context, operation: Operation) -> Planner:
        spreader = Spreader(operation.fragments, context.variables)
        return Planner(self.surface, spreader, context.variables, self._pages)

    def _prepare(self, context: Context, operation: Operation) -> Prepared:
        selected = _selected(context, operation)
        roots = self.surface.roots
        # `__typename` alone needs no database; beside compiled fields it costs their statement nothing.
        constants = {"__typename"} if any(f.name in roots for f in selected) else set()
        compiled = [f for f in selected if f.name in roots or f.name in constants]
        introspection = [f for f in selected if f.name in FIELDS]
        rest = [f for f in selected if f not in compiled and f not in introspection]
        planner = self._planner(context, operation)
        return Prepared(
            tuple(f.key for f in selected),
            _compiled(planner, planner.plan(compiled)) if compiled else None,
            _only(operation, rest) if rest else None,
            _only(operation, introspection) if introspection else None,
        )

    async def _read(
        self, context: Context, compiled: Compiled, path: Sequence[str | int], variables: Mapping[str, Any]
    ) -> bytes:
        arguments = await self.aside.do(context.large, self._arguments, context, compiled, path, variables)
        data: bytes = await context.services.database.read(context.subject.session, compiled.statement.text, arguments)
        return data

    def _arguments(
        self, context: Context, compiled: Compiled, path: Sequence[str | int], variables: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        """What the statement takes, unless the subject may not ask for it, or not for so much."""
        for permission in compiled.permissions:
            context.subject.require(permission)
        request = Request(context.subject, context.organization, variables)
        context.spend(path, cost(compiled.cost, compiled.plan, request))
        binders = compiled.plan.binders
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
        self, context: Context, operation: Operation, document: DocumentNode, given: Mapping[str, Any]
    ) -> ExecutionResult:
        # Built apart, for that is where many variables take long.
        executor = await self.aside.do(context.large, self._executor, context, operation, document, given)
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        result: Any = executor.execute_operation()
        executed: ExecutionResult = await result if executor.is_awaitable(result) else result
        return executed

    def _executor(
        self, context: Context, operation: Operation, document: DocumentNode, given: Mapping[str, Any]
    ) -> Executor[Context] | list[GraphQLError]:
        return StrawberryGraphQLCoreExecutionContext.build(
            self.surface.schema,
            document,
            context_value=context,
            raw_variable_values=dict(given),
            operation_name=_name(operation),
            hide_suggestions=True,
        )


def _name(operation: Operation) -> str | None:
    return operation.node.name.value if operation.node.name else None


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


def _only(operation: Operation, fields: Sequence[Selected]) -> DocumentNode:
    """The document with nothing but these fields in its one operation; all that they refer to stays."""
    nodes = tuple(node for field in fields for node in field.nodes)
    node = operation.node
    kept = OperationDefinitionNode(
        operation=node.operation, name=node.name, variable_definitions=node.variable_definitions,
        directives=node.directives, selection_set=SelectionSetNode(selections=nodes),
    )  # fmt: skip
    return DocumentNode(definitions=(kept, *operation.fragments.values()))


def _outcome(result: ExecutionResult) -> Outcome:
    return Outcome(orjson.dumps(result.data), result.errors or ())
