"""Metrics: what a scraper is told, on an address of its own."""

import socket

import httpx
import pytest

from graphql_api.caches import Cache
from graphql_api.metrics import Metrics, served


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_scraper_reads_requests_by_outcome_and_what_caches_saw() -> None:
    metrics, port = Metrics(), free_port()
    kept: Cache[str, str] = Cache(1, metrics.caches.documents)
    assert kept.get("a") is None
    kept.keep("a", "A")
    assert kept.get("a") == "A"
    kept.keep("b", "B")
    metrics.webhooks.attempts["DELIVERED"] += 2
    metrics.webhooks.attempts["HTTP_5XX"] += 1
    metrics.webhooks.stopped["GONE"] += 1
    metrics.webhooks.lag = lambda: 1.5
    metrics.search.vectors += 3
    metrics.answered("OK", 0.002)
    metrics.answered("CONFLICT", 3.0)
    metrics.exported("GONE")
    metrics.exporting.set(2)
    with served(metrics, "127.0.0.1", port):
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    assert 'fabric_cache_lookups_total{cache="documents",result="hit"} 1.0' in lines
    assert 'fabric_cache_lookups_total{cache="documents",result="miss"} 1.0' in lines
    assert 'fabric_cache_evictions_total{cache="documents"} 1.0' in lines
    assert 'fabric_requests_total{outcome="OK"} 1.0' in lines
    assert 'fabric_requests_total{outcome="CONFLICT"} 1.0' in lines
    assert "fabric_request_seconds_count 2.0" in lines
    assert 'fabric_exports_total{outcome="GONE"} 1.0' in lines
    assert "fabric_exports_running 2.0" in lines
    assert 'fabric_webhook_attempts_total{outcome="DELIVERED"} 2.0' in lines
    assert 'fabric_webhook_attempts_total{outcome="HTTP_5XX"} 1.0' in lines
    assert 'fabric_webhooks_stopped_total{reason="GONE"} 1.0' in lines
    assert "fabric_webhook_lag_seconds 1.5" in lines
    assert "fabric_webhook_dead_letters_total 0.0" in lines
    assert "fabric_search_vectors_total 3.0" in lines
    assert "fabric_search_lag_seconds 0.0" in lines


def test_nothing_listens_once_the_server_has_stopped_or_where_no_port_is_set() -> None:
    port = free_port()
    with served(Metrics(), "127.0.0.1", port):
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
    with served(Metrics(), "127.0.0.1", 0):
        pass


def test_a_full_cache_forgets_what_was_not_used_for_longest() -> None:
    cache: Cache[int, str] = Cache(2, Metrics().caches.plans)
    cache.keep(1, "one")
    cache.keep(2, "two")
    assert cache.get(1) == "one"
    cache.keep(3, "three")
    assert (cache.get(1), cache.get(2), cache.get(3)) == ("one", None, "three")
    assert len(cache) == 2
