"""Requests that take long on purpose: ended in time, in PostgreSQL too, and nobody else waits for them."""

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import asyncpg
import orjson
import pytest
from http_server import Answer, MakeServer, Server, Tenant, eventually
from overloads import aliased, names
from server_process import Process
from wire import connect, post

CHAIN: dict[str, Any] = {
    "typeName": "Machine",
    "fields": {"serial": {"type": "string"}},
    "links": {"next": {"relation": "feeds", "target": "Machine", "cardinality": "one"}},
}

SORTED = "machines(orderBy: $o) { nodes { id } pageInfo { hasNextPage endCursor } }"
SLOW = f"query ($o: [MachineOrderBy!]) {{ {aliased(SORTED, 95)} }}"
"""Within all limits, and yet PostgreSQL takes seconds to plan it."""

ORDER = {"o": [{"next": {"next": {"next": {"next": {"next": {"serial": "ASC"}}}}}}] * 16}


def running(server: Server) -> int:
    """How many statements PostgreSQL works on for the server."""
    (row,) = server.sql(
        "select count(*) from pg_stat_activity where datname = current_database() and state <> 'idle'"
        " and application_name = 'semantic-fabric'"
    )
    return int(row["count"])


@contextmanager
def locked(server: Server, table: str) -> Iterator[None]:
    """Nobody else reads or writes the table meanwhile."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(server.admin_url))
        try:
            runner.run(connection.execute(f"begin; lock table {table} in access exclusive mode"))
            yield
        finally:
            runner.run(connection.close())


@pytest.fixture(scope="module")
def hasty(new_server: MakeServer) -> Iterator[Server]:
    """A server of two connections, whose statements may take half a second, and who does little of its own accord."""
    alone = {"search_indexing": False, "webhooks": False}
    with new_server({"statement_timeout_seconds": 0.5, "pool_size": 2, "max_exports": 1} | alone) as server:
        yield server


@pytest.fixture
def machines(hasty: Server) -> Tenant:
    tenant = hasty.organization()
    tenant.define(CHAIN)
    assert tenant.data("{ machines { totalCount } }")
    # The sealer is not to be in the way of what is counted here, nor to wait for what is locked.
    eventually(lambda: not hasty.sql("select fabric.unsealed()"))
    return tenant


# Statements


def test_a_query_that_is_slow_on_purpose_is_cancelled_in_the_database(machines: Tenant) -> None:
    machines.ask(SLOW, ORDER).refused("TIMEOUT", status=503)
    assert running(machines.server) == 0


def test_a_query_that_waits_is_cancelled_in_the_database(machines: Tenant) -> None:
    with locked(machines.server, "fabric.objects"):
        machines.ask("{ machines { totalCount } }").refused("TIMEOUT", status=503)
        assert running(machines.server) == 0
    assert machines.data("{ machines { totalCount } }") == {"machines": {"totalCount": 0}}


def test_a_mutation_that_is_cancelled_has_changed_nothing(machines: Tenant) -> None:
    with locked(machines.server, "fabric.audit_log"):
        machines.ask('mutation { createMachine(input: {serial: "a"}) { changed } }').refused("TIMEOUT")
        assert running(machines.server) == 0
    assert machines.data("{ machines { totalCount } }") == {"machines": {"totalCount": 0}}


def test_a_caller_who_goes_away_leaves_no_statement_behind(machines: Tenant) -> None:
    body = orjson.dumps({"query": SLOW, "variables": ORDER})
    with connect(machines) as connection:
        connection.sendall(post(machines, body=body))
        deadline = time.monotonic() + 10
        while not running(machines.server):
            assert time.monotonic() < deadline
    while running(machines.server):
        assert time.monotonic() < deadline
    assert machines.data("{ machines { totalCount } }") == {"machines": {"totalCount": 0}}


def test_fields_of_one_request_leave_connections_to_others_and_share_the_time_of_one(machines: Tenant) -> None:
    """Each of them would be cancelled only after half a second, and two of them would have all connections."""
    query = f"{{ {aliased('events(first: 1) { nodes { topic } }', 50)} }}"
    answers: list[Answer] = []
    with locked(machines.server, "fabric.events"):
        asking = threading.Thread(target=lambda: answers.append(machines.ask(query)))
        asking.start()
        time.sleep(0.3)
        assert machines.data("{ machines { totalCount } }") == {"machines": {"totalCount": 0}}
        asking.join(5)
        assert not asking.is_alive()
    assert answers[0].codes == {"TIMEOUT"}


def test_slow_queries_do_not_queue_up_without_end(machines: Tenant) -> None:
    """Two connections would be busy for six seconds with what two dozen ask, and with nothing else."""
    with locked(machines.server, "fabric.objects"), ThreadPoolExecutor(24) as pool:
        for answer in pool.map(lambda _: machines.ask("{ machines { totalCount } }"), range(24)):
            answer.refused("TIMEOUT", status=503)
            assert answer.seconds < 4
    assert machines.data("{ machines { totalCount } }") == {"machines": {"totalCount": 0}}


# The processor


class Meanwhile:
    """Asks small queries one after another while the block runs, and keeps how long each took."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = Tenant(tenant.server, tenant.name)
        self._done = threading.Event()
        self.seconds: list[float] = []

    def __enter__(self) -> "Meanwhile":
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._done.is_set():
            answer = self._tenant.ask("{ assets { totalCount } }")
            assert answer.data == {"assets": {"totalCount": 0}}
            self.seconds.append(answer.seconds)


numbers = count(1)


def unknown_fields() -> tuple[str, Any]:
    fields = " ".join(f"unknown{i}: 1" for i in range(3_200))
    return f"{{ assets(where: {{{fields}}}) {{ totalCount }} }} # {next(numbers)}", None


def spreads() -> tuple[str, Any]:
    return (
        "{ ...F } " * 10 + f"fragment F on Query {{ {names(4_900)} }} # {next(numbers)}",
        None,
    )


def conditions() -> tuple[str, Any]:
    return "query ($w: AssetWhere) { assets(where: $w) { totalCount } }", {
        "w": {"and": [{}] * (40_000 + next(numbers))}
    }


def introspection() -> tuple[str, Any]:
    return f"{{ __schema {{ {aliased('types { fields { args { name } } }', 90)} }} }} # {next(numbers)}", None


def test_hostile_documents_do_not_hold_up_small_queries(process: Process, apart: Tenant) -> None:
    """Two ask what takes the processor as long as anything may; who asks for little hardly notices."""
    for made in (unknown_fields, spreads, conditions, introspection):

        def attack(_: int, made: Callable[[], tuple[str, Any]] = made) -> float:
            answer = Tenant(process, apart.name).ask(*made())
            assert "errors" in answer.body
            return answer.seconds

        with Meanwhile(apart) as meanwhile, ThreadPoolExecutor(2) as pool:
            taken = list(pool.map(attack, range(6)))
        assert statistics.median(meanwhile.seconds) < statistics.median(taken) / 4, made.__name__
