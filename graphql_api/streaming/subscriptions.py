"""A subscription's operation run: from its one field to a stream of payloads."""

from collections.abc import AsyncGenerator, Hashable, Mapping, Sequence
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLField, GraphQLObjectType, get_named_type
from graphql.execution.values import get_argument_values

from fabric.errors import BadInput, NoLongerKept
from fabric.events.chronicle import Told
from fabric.events.journal import Position
from graphql_api.compiler.compiler import Compiler
from graphql_api.context import Context
from graphql_api.documents.documents import Operation
from graphql_api.documents.selection import Selected, Spreader
from graphql_api.http.responses import body, format_errors
from graphql_api.positions import event_cursor, read_event_cursor
from graphql_api.streaming.channels import Entry
from graphql_api.streaming.payloads import shape_of
from graphql_api.streaming.watches import Notice, Watcher, watch


class Subscription:
    """One reader's subscription. Raises, when it is made, what an operation that cannot start is refused with."""

    def __init__(
        self, compiler: Compiler, operation: Operation, context: Context, given: Mapping[str, Any]
    ) -> None:  # fmt: skip
        self._surface, self._operation, self._context = compiler.surface, operation, context
        self._executor = compiler.executor(context, operation, given)
        self._spreader = Spreader(operation.fragments, context.variables)
        selected, definition = self._field()
        arguments = get_argument_values(definition, selected.node, self._executor.variable_values)
        self._key_of_data = selected.key
        notice = get_named_type(definition.type)
        assert isinstance(notice, GraphQLObjectType)
        self._shape = shape_of(notice, selected.sets, self._spreader)
        after = arguments.pop("after", None)
        self._after = None
        if after is not None:
            self._after = read_event_cursor(context.organization, context.subject.label, after)
        services = context.services
        watcher = Watcher(services.database, self._surface, context.subject, context.organization)
        self._watch = watch(watcher, selected.name, arguments)
        self._arguments = arguments

    @property
    def _key(self) -> Hashable:
        """Equal for those to whom all payloads but READY are the same."""
        subject, variables = self._context.subject, self._context.variables
        shared = {name: value for name, value in variables.items() if name not in self._operation.cursors}
        told = orjson.dumps([self._arguments, shared], option=orjson.OPT_SORT_KEYS)
        return subject.session, subject.permissions, id(self._operation), told

    def _field(self) -> tuple[Selected, GraphQLField]:
        selected = self._spreader.collect([self._operation.node.selection_set], lambda _: True)
        type_ = self._surface.schema.subscription_type
        assert type_ is not None
        if len(selected) != 1:
            raise BadInput("a subscription has one field")
        return selected[0], type_.fields[selected[0].name]

    async def payloads(self) -> AsyncGenerator[Sequence[bytes], None]:
        """READY's, then one for each notice, as many at once as there are; each is the JSON of a GraphQL response.

        Dropped for a reader too slow.

        NoLongerKept, before READY, for a cursor that leads to what has been pruned.
        """
        channels, organization_id = self._context.services.channels, self._context.subject.organization_id
        async with channels.joined(self._key, organization_id, self._watch.interests, self._entries) as channel:
            try:
                async for payloads in channel.read(self._after, self._context.subject.label, self._ready):
                    yield payloads
            except NoLongerKept as error:
                raise error.under("after") from None

    async def _ready(self, place: Position) -> bytes:
        return await self._payload({"kind": "READY"}, place)

    async def _entries(self, told: Sequence[Told]) -> list[Entry]:
        entries = []
        place = None
        for each, notices in zip(told, await self._watch.notices(told), strict=True):
            if not notices:
                place = each.position
                continue
            # Who comes back with a cursor that is not the event's last gets the event again, rather than lose a part.
            places = [place or _before(each.position)] * (len(notices) - 1) + [each.position]
            made = [await self._payload(notice, at) for notice, at in zip(notices, places, strict=False)]
            place = each.position
            entries.append(Entry(each.position, tuple(made)))
        return entries

    async def _payload(self, notice: Notice, place: Position) -> bytes:
        organization, label = self._context.organization, self._context.subject.label
        told = _WITHOUT | notice | {"cursor": event_cursor(organization, label, place)}
        if self._shape is not None:
            return body(orjson.dumps({self._key_of_data: self._shape.of(told)}), [])
        running = self._executor.build_per_event_executor(told).execute_operation(serially=False)
        result = await running if self._executor.is_awaitable(running) else running
        assert isinstance(result, ExecutionResult)
        return body(orjson.dumps(result.data), format_errors(result.errors or (), self._context.request_id))


_WITHOUT: Notice = dict.fromkeys(
    "topic transactionId occurredAt actor label link event objectId nodeId sourceId targetId".split()
)


def _before(position: Position) -> Position:
    return Position(position.transaction_id, position.position - 1)
