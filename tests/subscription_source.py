"""Subscriptions that tests make and feed, beside the real ones: the transports are tested with these."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from inspect import isawaitable
from typing import Any

import orjson
import pytest
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    subscribe,
)

from fabric.errors import Forbidden
from fabric.types.catalogue import Catalogue
from graphql_api.compiler import surfaces
from graphql_api.context import Context
from graphql_api.http.responses import body, format_errors
from graphql_api.pipeline import Prepared
from graphql_api.schema.schema import Surface
from graphql_api.streaming.streams import Dropped


class Source:
    """What the field `published` tells its subscribers, from whatever thread."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}
        self._changed = threading.Condition()

    def publish(self, text: str) -> None:
        with self._changed:
            for queue, loop in self._subscribers.items():
                loop.call_soon_threadsafe(queue.put_nowait, text)

    def wait_for(self, subscribers: int) -> None:
        """Waits until there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._subscribers) == subscribers, 10), len(self._subscribers)

    async def events(self, *_: Any) -> AsyncIterator[dict[str, Any]]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._change(queue, asyncio.get_running_loop())
        try:
            while True:
                yield {"published": await queue.get()}
        finally:
            self._change(queue, None)

    def _change(self, queue: asyncio.Queue[str], loop: asyncio.AbstractEventLoop | None) -> None:
        with self._changed:
            if loop is None:
                del self._subscribers[queue]
            else:
                self._subscribers[queue] = loop
            self._changed.notify_all()


async def _count(_: Any, __: Any, to: int, size: int = 0) -> AsyncIterator[dict[str, Any]]:
    for number in range(1, to + 1):
        yield {"count": number, "text": "x" * size}


async def _forbidden(*_: Any) -> AsyncIterator[dict[str, Any]]:
    raise Forbidden("this needs the permission link:read")
    yield {}


async def _failing(*_: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"failing": 1}
    raise RuntimeError("a password")


async def _slow(*_: Any) -> AsyncIterator[dict[str, Any]]:
    yield {"slow": 1}
    raise Dropped


def _subscriptions(source: Source) -> GraphQLObjectType:
    whole = GraphQLNonNull(GraphQLInt)
    counting = {"to": GraphQLArgument(whole), "size": GraphQLArgument(GraphQLInt)}
    return GraphQLObjectType(
        "Subscription",
        {
            "published": GraphQLField(GraphQLNonNull(GraphQLString), subscribe=source.events),
            "count": GraphQLField(whole, counting, resolve=lambda event, _, **__: event["count"], subscribe=_count),
            "text": GraphQLField(
                GraphQLString, counting, resolve=lambda event, _, **__: event["text"], subscribe=_count
            ),
            "forbidden": GraphQLField(GraphQLInt, subscribe=_forbidden),
            "failing": GraphQLField(GraphQLInt, subscribe=_failing),
            "slow": GraphQLField(GraphQLInt, subscribe=_slow),
        },
    )


@contextmanager
def subscription_source() -> Iterator[Source]:
    """While the block runs, schemas that are built have its fields."""
    source, build = Source(), surfaces.build_surface

    def built(catalogue: Catalogue) -> Surface:
        surface = build(catalogue)
        parts = surface.schema.to_kwargs()
        real = parts["subscription"]
        ours = _subscriptions(source)
        if real is not None:
            ours = GraphQLObjectType("Subscription", real.fields | ours.fields)
        types = [t for t in parts["types"] or () if t is not real]
        return replace(surface, schema=GraphQLSchema(**parts | {"subscription": ours, "types": types}))

    stream = Prepared.stream

    def streamed(prepared: Prepared, context: Context) -> AsyncGenerator[Sequence[bytes], None]:
        field = prepared.operation.node.selection_set.selections[0]
        ours = isinstance(field, FieldNode) and field.name.value in _subscriptions(source).fields
        return _stream(prepared, context) if ours else stream(prepared, context)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(surfaces, "build_surface", built)
        patched.setattr(Prepared, "stream", streamed)
        yield source


async def _stream(prepared: Prepared, context: Context) -> AsyncGenerator[Sequence[bytes], None]:
    """The payloads of one of ours, as graphql-core makes them."""
    operation = prepared.operation
    source = subscribe(
        prepared.compiler.surface.schema,
        operation.document,
        operation_name=operation.node.name.value if operation.node.name else None,
        context_value=context,
        variable_values=dict(prepared.given),
        hide_suggestions=True,
    )
    results = source if isinstance(source, ExecutionResult) or not isawaitable(source) else await source
    if isinstance(results, ExecutionResult):
        assert results.errors
        raise results.errors[0]
    async with aclosing(results):
        async for result in results:
            yield [body(orjson.dumps(result.data), format_errors(result.errors or (), context.request_id))]
