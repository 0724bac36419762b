"""What a Prometheus scraper is told of this process. Nothing of it names an organization, a label, a type or a person.

Even so the figures tell how busy others are, so they are served from an address of their own (`serve` opens it).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fabric.database.db import Database
from fabric.jobs.counts import JobCounts
from fabric.live_graphs.graphs import GraphFigures, Graphs
from fabric.seals.sealing import Sealer
from fabric.search.index.counts import IndexCounts
from fabric.search.ranking.vector_memory import MemoryFigures, VectorMemory
from fabric.webhooks.counts import WebhookCounts
from graphql_api.caches import CacheCounts
from ontology.sparql.graphs import Figures, HeldGraphs

Transport: TypeAlias = Literal["websocket", "sse"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Collector):
    """The figures of one application. A scrape comes in another thread, and only reads."""

    def __init__(self) -> None:
        self.caches = CacheCounts()
        self.webhooks = WebhookCounts()
        self.search = IndexCounts()
        self.jobs = JobCounts()
        self.database: Database | None = None
        self.graphs: Graphs | None = None
        self.vectors: VectorMemory | None = None
        self.sealer: Sealer | None = None
        self.held_graphs: HeldGraphs | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._requests = Counter(
            "fabric_requests", "GraphQL requests answered, by the code of their first error.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._exports = Counter(
            "fabric_exports", "Exports that ended, by what went wrong with them.", ["outcome"], registry=self.registry
        )
        self.exporting = Gauge("fabric_exports_running", "Exports that run.", registry=self.registry)
        self._seconds = Histogram(
            "fabric_request_seconds", "From a request's headers to its answer.", buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._sparql = Counter(
            "fabric_sparql_queries", "SPARQL queries answered, by what went wrong with them.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._connected = Gauge(
            "fabric_stream_connections", "Connections that are held open for streams.", ["transport"],
            registry=self.registry,
        )  # fmt: skip
        self._subscribed = Gauge(
            "fabric_subscriptions", "Subscriptions that are running.", ["transport"], registry=self.registry
        )
        self._streamed = Counter(
            "fabric_stream_events", "Payloads of subscriptions sent.", ["transport"], registry=self.registry
        )
        self._dropped = Counter(
            "fabric_stream_drops", "Connections that the server ended, by why.", ["reason"], registry=self.registry
        )

    def answered(self, outcome: str, seconds: float) -> None:
        """`outcome` is OK, one of the documented codes, or GONE where the client has left, so there are few of them."""
        self._requests.labels(outcome).inc()
        self._seconds.observe(seconds)

    def connected(self, transport: Transport) -> AbstractContextManager[object]:
        """Counts a connection while the block runs."""
        return self._connected.labels(transport).track_inprogress()

    def subscribed(self, transport: Transport) -> AbstractContextManager[object]:
        """Counts a subscription while the block runs."""
        return self._subscribed.labels(transport).track_inprogress()

    def streamed(self, transport: Transport) -> Callable[[float], None]:
        """What to call with the number of payloads that a subscription has sent."""
        return self._streamed.labels(transport).inc

    def dropped(self, reason: str) -> None:
        """`reason` is one of the close codes, in words."""
        self._dropped.labels(reason).inc()

    def sparql_answered(self, outcome: str) -> None:
        """`outcome` is OK or one of the documented codes."""
        self._sparql.labels(outcome).inc()

    def exported(self, outcome: str) -> None:
        """`outcome` is OK, one of the documented codes, or GONE where the reader has left."""
        self._exports.labels(outcome).inc()

    def collect(self) -> Iterator[Metric]:
        """What is counted elsewhere, as it stands at a scrape."""
        lookups = CounterMetricFamily(
            "fabric_cache_lookups", "Look-ups of schemas, documents and plans.", labels=["cache", "result"]
        )
        evictions = CounterMetricFamily("fabric_cache_evictions", "What caches had no room for.", labels=["cache"])
        kinds = {"schemas": self.caches.schemas, "documents": self.caches.documents, "plans": self.caches.plans}
        for name, seen in kinds.items():
            lookups.add_metric([name, "hit"], seen.hits)
            lookups.add_metric([name, "miss"], seen.misses)
            evictions.add_metric([name], seen.evictions)
        yield lookups
        yield evictions
        yield from _of_webhooks(self.webhooks)
        if self.held_graphs is not None:
            yield from _of_held(self.held_graphs.figures)
        yield from _of_search(self.search)
        yield from _of_jobs(self.jobs)
        if self.database is not None:
            connections = GaugeMetricFamily("fabric_connections", "Database connections of the pool.", labels=["state"])
            for state, number in self.database.connections().items():
                connections.add_metric([state], number)
            yield connections
        if self.graphs is not None:
            yield from _of_graphs(self.graphs.figures())
        if self.vectors is not None:
            yield from _of_vectors(self.vectors.figures())
        if self.sealer is not None:
            alarms = "Organizations whose seals or checkpoints are not as they should be."
            yield GaugeMetricFamily("fabric_seal_alarms", alarms, value=len(self.sealer.alarmed))


def _of_graphs(figures: GraphFigures) -> Iterator[Metric]:
    for name, meaning, value in (
        ("count", "Link graphs in memory.", figures.graphs),
        ("nodes", "Objects in them.", figures.nodes),
        ("links", "Links in them.", figures.links),
        ("bytes", "About the memory that they take.", figures.nbytes),
        ("events_behind", "Events that have been read and that some graph has not been told yet.", figures.behind),
        ("load_seconds", "How long the last load of a graph took.", figures.seconds),
        ("loading", "Link graphs that are being loaded.", figures.loading),
        ("loading_rows", "Rows that have come of them so far: versions of objects and links.", figures.rows),
    ):
        yield GaugeMetricFamily(f"fabric_graph_{name}", meaning, value=value)


def _of_vectors(figures: MemoryFigures) -> Iterator[Metric]:
    for name, meaning, value in (
        ("count", "Vectors in memory.", figures.vectors),
        ("bytes", "About the memory that they take.", figures.nbytes),
        ("loading", "Organizations of which vectors are being loaded.", figures.loading),
    ):
        yield GaugeMetricFamily(f"fabric_vectors_{name}", meaning, value=value)


def _of_held(figures: Figures) -> Iterator[Metric]:
    for name, meaning, value in (
        ("graphs", "Graphs that are held for SPARQL.", figures.graphs),
        ("triples", "Triples in them.", figures.triples),
        ("bytes", "The memory that they take.", figures.nbytes),
        ("load_seconds", "How long it took to make the last of them.", figures.seconds),
    ):
        yield GaugeMetricFamily(f"fabric_sparql_{name}", meaning, value=value)


def _of_webhooks(counts: WebhookCounts) -> Iterator[Metric]:
    sent = CounterMetricFamily("fabric_webhook_attempts", "Messages sent, by what came of it.", labels=["outcome"])
    for outcome, number in list(counts.attempts.items()):
        sent.add_metric([outcome], number)
    stopped = CounterMetricFamily("fabric_webhooks_stopped", "Webhooks that were stopped, by why.", labels=["reason"])
    for reason, number in list(counts.stopped.items()):
        stopped.add_metric([reason], number)
    yield sent
    yield stopped
    yield CounterMetricFamily("fabric_webhook_dead_letters", "Messages that were given up.", counts.given_up)
    yield GaugeMetricFamily("fabric_webhooks", "Webhooks that this process delivers.", counts.working_on)
    yield GaugeMetricFamily("fabric_webhook_lag_seconds", "Age of the oldest message that waits.", counts.lag())


def _of_search(counts: IndexCounts) -> Iterator[Metric]:
    for name, meaning, number in (
        ("words", "Texts of objects and events whose words were stored.", counts.words),
        ("vectors", "Texts of objects, links and events whose vectors were stored.", counts.vectors),
        ("failures", "Times that no vectors could be had.", counts.failures),
        ("refused", "Texts that the provider of vectors would not take.", counts.refused),
    ):
        yield CounterMetricFamily(f"fabric_search_{name}", meaning, number)
    behind = "Organizations with something to index that this process knows of."
    yield GaugeMetricFamily("fabric_search_behind", behind, value=len(counts.behind))
    yield GaugeMetricFamily("fabric_search_lag_seconds", "How long the oldest of it has waited.", value=counts.lag())


def _of_jobs(counts: JobCounts) -> Iterator[Metric]:
    ended = CounterMetricFamily("fabric_jobs_ended", "Jobs that ended here, by what came of them.", labels=["outcome"])
    for outcome, number in list(counts.ended.items()):
        ended.add_metric([outcome], number)
    yield ended
    yield GaugeMetricFamily("fabric_jobs_running", "Jobs that this process works on.", value=counts.running)


@contextmanager
def served(metrics: Metrics, host: str, port: int) -> Iterator[None]:
    """Answers scrapes at this address while the block runs; port 0 answers none. OSError where it cannot listen."""
    if not port:
        yield
        return
    server, thread = start_http_server(port, host, metrics.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
