"""The parts of a server, put together: what is made of the settings, what of the database, and what ends when."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

from fabric.configuration.configurations import Configurations
from fabric.database.db import Database
from fabric.database.migration import require_head
from fabric.database.numbering import require_order
from fabric.document_register import DocumentRegister
from fabric.embedding import choice
from fabric.embedding.provider import Provider
from fabric.encryption.encryption import encryption_by
from fabric.encryption.key_rotations import KeyRotations
from fabric.encryption.rotator import Pace, Rotator
from fabric.events.feed import Feed
from fabric.identity.organizations import Directory
from fabric.identity.policy import Policy
from fabric.identity.revocations import Revocations
from fabric.identity.token_keys import verification_keys
from fabric.identity.tokens import Authenticator
from fabric.jobs.jobs import Jobs
from fabric.jobs.worker import Worker as JobWorker
from fabric.live_graphs.graphs import Graphs
from fabric.live_graphs.inferred import InferredLinks
from fabric.outbound.addresses import Networks
from fabric.seals.seal_keys import SealingKey, TrustedKeys, sealing_key, trusted_keys
from fabric.seals.sealing import Sealer
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.finding.searching import Search
from fabric.search.index.indexing import Indexer
from fabric.search.ranking.vector_memory import VectorMemory
from fabric.secrets import token_secret
from fabric.settings import Settings, variable
from fabric.types.types import Types
from fabric.unlocking.attempts import Limit
from fabric.unlocking.requests import UnlockRequests
from fabric.unlocking.unlocking import Unlocking
from fabric.vaults.vaults import open_vault
from fabric.webhooks.client import Client
from fabric.webhooks.courier import Office
from fabric.webhooks.pace import Schedule, Slots
from fabric.webhooks.registry import Registry
from fabric.webhooks.worker import Worker
from fabric.writing.links import Links
from fabric.writing.objects import Objects
from graphql_api import background
from graphql_api.compiler.surfaces import Surfaces
from graphql_api.context import Services
from graphql_api.fields.webhook_notices import Notices
from graphql_api.http.authentication import Gate
from graphql_api.http.downloads import Places
from graphql_api.http.export_http import ExportOverHTTP
from graphql_api.http.http import GraphQLOverHTTP
from graphql_api.http.rdf_http import RdfOverHTTP
from graphql_api.http.sparql_http import SparqlOverHTTP
from graphql_api.job_kinds import job_kinds
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Pipeline
from graphql_api.streaming.channels import Channels
from graphql_api.streaming.connections import Connections
from graphql_api.streaming.event_source import EventSource
from graphql_api.streaming.websocket import GraphQLOverWebSocket
from ontology.sparql.graphs import HeldGraphs
from vault.protocol import Vault


@dataclass(frozen=True, slots=True)
class Outfit:
    """What the settings alone give, and tell at once if they cannot: nothing of it needs the database."""

    settings: Settings
    policy: Policy
    identities: Authenticator
    webhook_client: Client
    embeddings: Provider | None
    seal_key: SealingKey
    seal_keys: TrustedKeys
    vault: Vault | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """ValueError, OSError or SecretError for a setting that cannot be used."""
        seal_key = sealing_key(settings.data_dir, settings.seal_key_file)
        return cls(
            settings,
            Policy.load(settings.policy_file),
            _authenticator(settings),
            webhook_client(settings),
            choice.provider(settings),
            seal_key,
            trusted_keys(seal_key, settings.seal_public_keys_file),
            open_vault(settings),
        )


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What answers, each to one kind of request."""

    database: Database
    graphql: GraphQLOverHTTP
    websocket: GraphQLOverWebSocket
    events: EventSource
    export: ExportOverHTTP
    rdf: RdfOverHTTP
    sparql: SparqlOverHTTP


@asynccontextmanager
async def serving(
    outfit: Outfit, database_url: str, admin_url: str | None, metrics: Metrics, connections: Connections
) -> AsyncIterator[Endpoints]:
    """The endpoints, for as long as the block runs; what they use ends in the opposite order of its beginning."""
    settings, vault = outfit.settings, outfit.vault
    async with AsyncExitStack() as running:
        for outside in (vault, outfit.embeddings):
            if outside is not None:
                running.push_async_callback(outside.close)
        await require_head(database_url)
        await require_order(database_url)
        database = await running.enter_async_context(
            await Database.connect(
                database_url, size=settings.pool_size, statement_timeout=settings.statement_timeout_seconds
            )
        )
        await database.require_safe_role()
        types = Types(database, encryption_by(settings, vault))
        feed = Feed(database)
        await running.enter_async_context(feed.running())
        pace = Pace(settings.rotation_rows_per_second, settings.rotation_days)
        rotator = Rotator(database, vault, pace) if vault else None
        kinds = job_kinds(database, types, settings)
        job_worker = JobWorker(database, kinds, metrics.jobs, settings.job_slots)
        surfaces = Surfaces(settings, metrics.caches)
        notices = Notices(database, types, surfaces)
        jobs = Jobs(database, kinds, settings.max_jobs, job_worker.poke)
        services = _services(outfit, database, types, feed, notices, rotator, jobs)
        running.push_async_callback(services.graphs.close)
        running.push_async_callback(services.search.vectors.close)
        running.push_async_callback(services.search.memory.close)
        metrics.database, metrics.graphs = database, services.graphs
        metrics.vectors = services.search.memory
        directory = Directory(database)
        revocations = Revocations(database, leeway_seconds=settings.jwt_leeway_seconds)
        gate = Gate(outfit.identities, directory, outfit.policy, revocations)
        worker = Worker(_office(outfit, services, notices, revocations, metrics), directory)
        indexer = Indexer(database, types, outfit.embeddings, services.configurations, metrics.search)
        patience = settings.export_stall_seconds, settings.export_seconds
        held = metrics.held_graphs = HeldGraphs(database, settings.sparql_memory_bytes, patience)
        metrics.sealer = Sealer(database, outfit.seal_key, outfit.seal_keys, settings.data_dir)
        for beside in (
            metrics.sealer.running(),
            held.running(),
            *([rotator.running()] if rotator else []),
            background.following_types(database, types, admin_url),
            background.following_configurations(database, services.configurations),
            background.following_revocations(database, revocations, gate, connections, worker),
            background.delivering(settings, worker, outfit.webhook_client),
            background.indexing(settings, database, indexer),
            background.working(settings, job_worker),
            background.inferring(settings, database, types),
            background.pruning(settings, admin_url, outfit.seal_key, outfit.seal_keys),
        ):
            await running.enter_async_context(beside)
        yield _endpoints(settings, Pipeline(services, gate, surfaces), connections, metrics, held)


def _services(
    outfit: Outfit, database: Database, types: Types, feed: Feed, notices: Notices, rotator: Rotator | None,
    jobs: Jobs,
) -> Services:
    settings, vault = outfit.settings, outfit.vault
    limit = Limit(settings.unlock_limit, settings.unlock_window_seconds)
    unlocking = Unlocking(database, types, vault, limit, settings.vault_timeout_seconds)
    configurations = Configurations.by(settings, database)
    vectors = QueryVectors(outfit.embeddings, lambda key: choice.former(settings, key))
    return Services(
        settings=settings,
        database=database,
        types=types,
        objects=Objects(types),
        links=Links(types),
        documents=DocumentRegister(database),
        feed=feed,
        channels=Channels(feed),
        graphs=Graphs(database, feed, settings.graph_memory_bytes),
        inferred_links=InferredLinks(database, settings.graph_memory_bytes // 4),
        webhooks=Registry(database, notices, outfit.webhook_client.networks, settings.max_webhooks),
        unlocking=unlocking,
        unlock_requests=UnlockRequests(unlocking, settings.unlock_request_seconds),
        key_rotations=KeyRotations(database, types, vault, rotator.poke if rotator else _nothing),
        search=Search(
            database, types, vectors, VectorMemory(database, settings.vector_memory_bytes), configurations
        ),
        jobs=jobs,
        configurations=configurations,
    )


def _office(
    outfit: Outfit, services: Services, notices: Notices, revocations: Revocations, metrics: Metrics
) -> Office:
    settings = outfit.settings
    pace = Schedule(settings.webhook_retry_seconds, settings.webhook_give_up_hours * 3600)
    slots = Slots(settings.webhook_concurrency)
    return Office(
        services.database, services.feed, notices, outfit.webhook_client, outfit.policy, revocations, pace, slots,
        metrics.webhooks,
    )  # fmt: skip


def _endpoints(
    settings: Settings, pipeline: Pipeline, connections: Connections, metrics: Metrics, held: HeldGraphs
) -> Endpoints:
    places = Places(settings.max_exports, metrics)
    return Endpoints(
        pipeline.services.database,
        GraphQLOverHTTP(pipeline, connections, metrics),
        GraphQLOverWebSocket(pipeline, connections, metrics),
        EventSource(pipeline, connections, metrics),
        ExportOverHTTP(pipeline, metrics, places),
        RdfOverHTTP(pipeline, metrics, places),
        SparqlOverHTTP(pipeline, connections, metrics, held),
    )


def _nothing() -> None:
    """There is nobody to be woken."""


def _authenticator(settings: Settings) -> Authenticator:
    shared = "HS256" in settings.jwt_algorithms
    keys = verification_keys(
        settings.jwt_algorithms,
        secret=token_secret(settings.data_dir, settings.jwt_secret_file) if shared else None,
        public_key=settings.jwt_key_file.read_bytes() if settings.jwt_key_file else None,
        jwks_url=settings.jwks_url,
    )
    return Authenticator(
        keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway_seconds=settings.jwt_leeway_seconds,
    )


def webhook_client(settings: Settings) -> Client:
    """ValueError for a file of certificate authorities that cannot be read."""
    networks = Networks.parse(settings.webhook_allowed_networks)
    try:
        return Client(
            networks, timeout=settings.webhook_timeout_seconds, connections=settings.webhook_concurrency,
            ca_file=settings.webhook_ca_file,
        )  # fmt: skip
    except OSError as error:
        raise ValueError(f"{variable('webhook_ca_file')}: {error.strerror or error}") from error
