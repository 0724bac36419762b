"""Exports: the items of one connection, all as of one moment, in chunks of whole lines and in constant memory.

PostgreSQL finishes each item's JSON, and a cursor gives them in order, so that an order without an index costs one sort
and not one for each page. How many are taken at once follows their size.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fabric.database.db import LostRace, Transaction
from fabric.errors import Internal
from graphql_api.compiler.compiler import Items
from graphql_api.compiler.matching import digested
from graphql_api.context import Context

CHUNK_BYTES = 256 * 1024
"""What a chunk should have; a single item may have more."""


class Form(Protocol):
    """How items are written. Made for one export."""

    media_type: str
    extension: str

    def head(self) -> bytes:
        """What comes before all items."""

    def chunk(self, lines: Sequence[bytes]) -> bytes:
        """Several items, each one line of JSON."""


class Ndjson:
    """One item a line, as JSON."""

    media_type = "application/x-ndjson"
    extension = "ndjson"

    def head(self) -> bytes:
        return b""

    def chunk(self, lines: Sequence[bytes]) -> bytes:
        return b"".join(lines)


async def export(context: Context, items: Items, form: Form) -> AsyncGenerator[bytes]:
    """The items in chunks; the first one is there, perhaps empty, once the database has answered.

    TimedOut or Internal, before the first chunk or after any, VaultUnavailable before. The transaction ends with the
    iterator: close it.
    """
    async with reading(context, items) as (_, batches):
        head = form.head()
        async for lines in batches:
            yield head + form.chunk(lines)
            head = b""
        if head:
            yield head


@asynccontextmanager
async def reading(context: Context, items: Items) -> AsyncIterator[tuple[Transaction, AsyncIterator[list[bytes]]]]:
    """One moment, and the items' lines as of it, some at a time. Raises as `export` does."""
    settings, database = context.services.settings, context.services.database
    arguments = await digested(context.services.types.encryption, context.organization, items.arguments)
    patience = (settings.export_stall_seconds, settings.export_seconds)
    try:
        async with database.transaction(context.subject.session, snapshot=True, patience=patience) as transaction:
            sizes = settings.default_page_size, settings.max_page_size
            yield transaction, _batches(transaction, items.statement, arguments, *sizes)
    except LostRace as race:
        raise Internal("try again") from race.__cause__


async def _batches(
    transaction: Transaction, statement: str, arguments: tuple[Any, ...], number: int, most: int
) -> AsyncIterator[list[bytes]]:
    cursor = await transaction.open(statement, arguments)
    while records := await cursor.fetch(number):
        lines = [record[0] for record in records]
        yield lines
        number = max(1, min(most, 4 * number, CHUNK_BYTES * len(lines) // sum(map(len, lines))))
