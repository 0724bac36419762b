"""What a process does beside answering: each a block within which it is done, and after which it has ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import structlog

from fabric.configuration import configurations as stored
from fabric.configuration.configurations import Configurations
from fabric.database.db import Database
from fabric.identity.revocations import CHANNEL, Revocations
from fabric.inference.worker import Worker as Inferring
from fabric.jobs.worker import Worker as JobWorker
from fabric.seals import retention
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.search.index.indexing import Indexer
from fabric.search.index.worker import Worker as Indexing
from fabric.settings import Settings, variable
from fabric.tasks import ended, in_background
from fabric.types import indexes
from fabric.types.types import Types
from fabric.webhooks.client import Client
from fabric.webhooks.worker import Worker
from graphql_api.http.authentication import Gate
from graphql_api.streaming.connections import Connections

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def following_types(database: Database, types: Types, admin_url: str | None) -> AsyncIterator[None]:
    """What other replicas change is forgotten here, and indexed."""
    changed = asyncio.Event()

    def notice(organization_id: UUID | None) -> None:
        types.forget(organization_id)
        changed.set()

    async with AsyncExitStack() as stack:
        if admin_url:
            await stack.enter_async_context(in_background(indexes.keep(admin_url, changed)))
        await stack.enter_async_context(database.listening("fabric_types", notice))
        yield


@asynccontextmanager
async def following_configurations(database: Database, configurations: Configurations) -> AsyncIterator[None]:
    """What other replicas, and commands, choose for an organization holds here too."""
    async with database.listening(stored.CHANNEL, configurations.forget):
        yield


@asynccontextmanager
async def following_revocations(
    database: Database, revocations: Revocations, gate: Gate, connections: Connections, worker: Worker
) -> AsyncIterator[None]:
    """What is revoked ends the connections and the webhooks of its tokens at once, here too."""
    checks: set[asyncio.Task[None]] = set()

    def notice(organization_id: UUID | None) -> None:
        revocations.forget(organization_id)
        worker.poke(organization_id)
        check = asyncio.create_task(connections.recheck(gate, organization_id))
        checks.add(check)
        check.add_done_callback(checks.discard)

    try:
        async with database.listening(CHANNEL, notice):
            yield
    finally:
        await ended(*checks)


@asynccontextmanager
async def delivering(settings: Settings, worker: Worker, client: Client) -> AsyncIterator[None]:
    """Webhooks are sent what happens, by this process unless others do it."""
    if not settings.webhooks:
        yield
        return
    async with client, worker.running():
        yield


@asynccontextmanager
async def indexing(settings: Settings, database: Database, indexer: Indexer) -> AsyncIterator[None]:
    """What changes can be found by its words and meaning, by this process's work unless others do it."""
    if not settings.search_indexing:
        yield
        return
    async with Indexing(database, indexer).running():
        yield


@asynccontextmanager
async def working(settings: Settings, worker: JobWorker) -> AsyncIterator[None]:
    """Jobs are done, by this process unless others do them."""
    if not settings.job_slots:
        yield
        return
    async with worker.running():
        yield


@asynccontextmanager
async def inferring(settings: Settings, database: Database, types: Types) -> AsyncIterator[None]:
    """Links that follow from others are there, by this process's work unless others do it."""
    if not settings.inference:
        yield
        return
    async with Inferring(database, types, settings.max_inferred_links).running():
        yield


@asynccontextmanager
async def pruning(
    settings: Settings, admin_url: str | None, key: SealingKey, trusted: TrustedKeys
) -> AsyncIterator[None]:
    """What is too old by the settings goes, where this process may do that."""
    policy = retention.Policy.of_days(settings.events_kept_days, settings.audit_kept_days)
    if admin_url is None or not [*policy]:
        if [*policy]:
            log.warning("retention.needs_admin", setting=variable("admin_database_url"))
        yield
        return
    async with in_background(retention.keep(admin_url, policy, key, trusted)):
        yield
