"""Exports: the items of one connection, all as of one moment, in chunks of whole lines and in constant memory.

PostgreSQL finishes each item's JSON, and a cursor gives them in order, so that an order without an index costs one sort
and not one for each page. How many are taken at once follows their size.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from fabric.database.db import LostRace
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
    settings, database = context.services.settings, context.services.database
    number, most = settings.default_page_size, settings.max_page_size
    arguments = await digested(context.services.types.encryption, context.organization, items.arguments)
    patience = (settings.export_stall_seconds, settings.export_seconds)
    try:
        async with database.transaction(context.subject.session, snapshot=True, patience=patience) as transaction:
            cursor = await transaction.open(items.statement, arguments)
            records = await cursor.fetch(number)
            head = form.head()
            while records:
                lines = [record[0] for record in records]
                yield head + form.chunk(lines)
                head = b""
                number = max(1, min(most, 4 * number, CHUNK_BYTES * len(lines) // sum(map(len, lines))))
                records = await cursor.fetch(number)
            if head:
                yield head
    except LostRace as race:
        raise Internal("try again") from race.__cause__
