"""What one request carries through the executor, and the services that all requests share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar
from uuid import UUID

from graphql import GraphQLResolveInfo

from fabric.configuration.configurations import Configurations
from fabric.database.db import Database, Transaction
from fabric.document_register import DocumentRegister
from fabric.encryption.key_rotations import KeyRotations
from fabric.errors import NotFound, TimedOut, TooComplex
from fabric.events.feed import Feed
from fabric.events.journal import Position
from fabric.graph import Budget
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.jobs.jobs import Jobs
from fabric.live_graphs.graphs import Graphs
from fabric.live_graphs.inferred import InferredLinks
from fabric.search.finding.searching import Search
from fabric.settings import Settings
from fabric.types.types import Types
from fabric.unlocking.requests import UnlockRequests
from fabric.unlocking.unlocking import Unlocking
from fabric.webhooks.registry import Registry
from fabric.writing.links import Links
from fabric.writing.objects import Objects
from graphql_api.streaming.channels import Channels

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, shared by all requests."""

    settings: Settings
    database: Database
    types: Types
    objects: Objects
    links: Links
    documents: DocumentRegister
    feed: Feed
    channels: Channels
    graphs: Graphs
    inferred_links: InferredLinks
    webhooks: Registry
    unlocking: Unlocking
    unlock_requests: UnlockRequests
    key_rotations: KeyRotations
    search: Search
    jobs: Jobs
    configurations: Configurations


@dataclass(slots=True)
class Turns:
    """Fields of one request that read for themselves take turns, and share as many seconds as one statement may take.

    Else one request of many such fields would have all connections for itself, and for long.
    """

    left: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """TimedOut where nothing is left."""
        async with self.lock:
            if self.left <= 0:
                raise TimedOut("the request took too long; ask for less at once")
            began = time.monotonic()
            try:
                yield
            finally:
                self.left -= time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Context:
    """One request. `large` says that its document or its variables may keep the processor busy."""

    services: Services
    subject: Subject
    organization: Organization
    request_id: str
    reader: "Reader"
    variables: dict[str, Any]
    budget: Budget
    """What all walks of the link graph share, however many there are."""
    turns: Turns
    large: bool = False
    at_least: Position | None = None
    """What is read must have come at least so far, where it follows the events."""
    batches: dict[Any, Any] = field(default_factory=dict)
    """What `graphql_api.batches` gathers, and what fields count that are asked for many times."""
    spent: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Rows that may be read, by the field that reads them: its path without places in lists."""

    warnings: list[dict[str, str]] = field(default_factory=list)
    """What the answer had to do without, for its `extensions`."""

    def warn(self, code: str, message: str) -> None:
        warning = {"code": code, "message": message}
        if warning not in self.warnings:
            self.warnings.append(warning)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """A transaction of the request's session, for one of its fields after the other. Raises as `Turns.take`."""
        async with self.turns.take(), self.services.database.transaction(self.subject.session) as transaction:
            yield transaction

    def spend(self, path: Sequence[str | int], rows: int) -> None:
        """TooComplex where this field and those before it may read more than one request may."""
        self.spent[tuple(step for step in path if isinstance(step, str))] = rows
        most = self.services.settings.max_cost
        if sum(self.spent.values()) > most:
            raise TooComplex(
                f"this may ask for more than {most:,} rows: nested page sizes multiply; make them smaller"
            )

    def spend_more(self, path: Sequence[str | int], rows: int) -> None:
        """The same, beside what was read at this place of the document before."""
        place = tuple(step for step in path if isinstance(step, str))
        self.spend(path, self.spent.get(place, 0) + rows)

    def read_id(self, value: str, *path: str | int) -> UUID:
        """An `ID` argument. What is no id names nothing, so it is not found."""
        try:
            return UUID(value)
        except ValueError:
            raise NotFound("not found", path) from None


Info: TypeAlias = GraphQLResolveInfo[Context]


class Reader(Protocol):
    """The compiler, as the executor's fields use it."""

    async def checking(self, work: Callable[[Callable[[str], None]], T]) -> T:
        """What the work makes of a function that raises as `Documents.check` does, beside the event loop."""

    async def read_objects(self, context: Context, info: Info, object_ids: Sequence[UUID]) -> list[Any]:
        """What the field selects of these objects, in their order, by response keys."""

    def check_objects(self, context: Context, info: Info, number: int) -> None:
        """Refuses a mutation whose payload could not be read: as `read_objects` would, before anything is written."""
