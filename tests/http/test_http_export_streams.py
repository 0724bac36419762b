"""Large exports: in memory that does not grow, as of one moment, for slow readers, ended when something goes wrong."""

import asyncio
import io
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx
import orjson
import pytest
from http_exports import (
    CSV,
    NDJSON,
    export,
    is_whole,
    items,
    multiply,
    reading,
    table,
    transactions,
    wait_until,
)
from http_server import TYPES, MakeServer, Server, Tenant

from fabric import log

ROWS = 60_000
WIDE = "{ assets(orderBy: [{name: ASC}]) { nodes { id name note rating tags plant { title } } } }"
"""Of `ROWS` rows some 60 MB, more than sockets hold."""

STALL = 1.0


@pytest.fixture(scope="module")
def patient(new_server: MakeServer) -> Iterator[Tenant]:
    """`ROWS` assets on a server that waits long; never changed here."""
    with new_server({"max_exports": 1}) as server:
        yield _many(server)


@pytest.fixture(scope="module")
def hurried(new_server: MakeServer) -> Iterator[Tenant]:
    """The same on one that does not wait."""
    with new_server({"export_stall_seconds": STALL}) as server:
        yield _many(server)


def _many(server: Server) -> Tenant:
    tenant = server.organization()
    tenant.define(*TYPES)
    note = 'line "one"\n' + "x" * 900
    tenant.data(
        "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { changed } }",
        {"i": {"name": "a", "note": note, "rating": 1.5, "tags": ["t"]}},
    )
    multiply(tenant, ROWS - 1)
    return tenant


@pytest.fixture(autouse=True)
def _idle_before_and_after(patient: Tenant) -> Iterator[None]:
    wait_until(lambda: transactions(patient.server) == 0)
    yield
    wait_until(lambda: transactions(patient.server) == 0)


def stream(tenant: Tenant, form: str) -> Iterator[bytes]:
    sent = tenant.authorization() | {"accept": form}
    with tenant.server.client.stream("POST", "/export", json={"query": WIDE}, headers=sent) as response:
        assert response.status_code == 200
        yield from response.iter_bytes()


@pytest.mark.parametrize("form", [NDJSON, CSV])
def test_memory_does_not_grow_with_the_rows(patient: Tenant, form: str) -> None:
    tracemalloc.start()
    try:
        size = sum(map(len, stream(patient, form)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 900 * ROWS
    assert peak < size / 10


def test_all_rows_come_in_their_order(patient: Tenant) -> None:
    rows = [row["name"] for row in items(export(patient, "{ assets(orderBy: [{name: DESC}]) { nodes { name } } }"))]
    assert rows == [*(f"a-{n:06}" for n in reversed(range(1, ROWS))), "a"]
    cells = table(export(patient, "{ assets(orderBy: [{name: ASC}]) { nodes { name } } }", form=CSV))
    assert [row[0] for row in cells[1:]] == rows[::-1]


def test_the_file_has_what_the_pages_have(patient: Tenant) -> None:
    page = """query ($n: Int, $a: String) { assets(first: $n, after: $a, orderBy: [{rating: ASC}]) {
      nodes { id name } pageInfo { hasNextPage endCursor } } }"""
    paged, after, more = [], None, True
    while more:
        found = patient.data(page, {"n": 1_000, "a": after})["assets"]
        paged += found["nodes"]
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    assert len(paged) == ROWS
    assert items(export(patient, page)) == paged


@pytest.mark.parametrize("number", [0, 1, 49, 51, 12_345])
def test_first_takes_as_many_as_one_likes(patient: Tenant, number: int) -> None:
    found = items(export(patient, f"{{ assets(first: {number}, orderBy: [{{name: ASC}}]) {{ nodes {{ name }} }} }}"))
    assert [row["name"] for row in found] == ["a", *(f"a-{n:06}" for n in range(1, number))][:number]


def test_all_rows_are_as_of_one_moment(new_server: MakeServer) -> None:
    with new_server() as server:
        tenant = _many(server)
        with reading(tenant, WIDE) as reader:
            begun = reader.take(1_000)
            tenant.data('mutation { createAsset(input: {name: "zz"}) { changed } }')
            server.sql("delete from fabric.objects where type_name = 'Asset' and data::text like '%a-0%'")
            text = begun + reader.rest()
        assert is_whole(text)
        assert text.count(b'"name":"a') == ROWS
        assert b'"zz"' not in text


# Slow readers


def test_a_reader_who_takes_nothing_holds_the_server_back(patient: Tenant) -> None:
    tracemalloc.start()
    try:
        with reading(patient, WIDE) as reader:
            reader.take(1_000)
            wait_until(lambda: waiting_for_the_reader(patient.server))
            _, peak = tracemalloc.get_traced_memory()
            assert patient.data("{ assets(first: 1) { nodes { name } } }")
            assert is_whole(reader.rest())
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def waiting_for_the_reader(server: Server) -> bool:
    """The export's transaction has been idle, and for a while: PostgreSQL is asked for nothing more."""
    return bool(
        server.sql(
            "select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"
            " and clock_timestamp() - state_change > interval '0.3 s'"
        )
    )


def test_one_who_takes_nothing_for_too_long_is_broken_off(hurried: Tenant, untouched_log: None) -> None:
    told = io.StringIO()
    log.configure("json", "info", told)
    with reading(hurried, WIDE) as reader:
        begun = reader.take(1_000)
        wait_until(lambda: transactions(hurried.server) == 0)
        text = begun + reader.rest()
    assert text.startswith(b"HTTP/1.1 200")
    assert not is_whole(text)
    lines = [orjson.loads(line) for line in told.getvalue().splitlines()]
    (line,) = [each for each in lines if each["event"] == "export broken off"]
    assert (line["code"], line["level"]) == ("TIMEOUT", "error")
    assert line["request_id"]
    assert not [each for each in lines if "x" * 100 in orjson.dumps(each).decode()]


def test_one_who_is_slow_but_takes_something_is_served(hurried: Tenant) -> None:
    with reading(hurried, "{ assets(first: 8000) { nodes { name note } } }") as reader:
        text = bytearray()
        while piece := reader.take(250_000):
            text += piece
            time.sleep(STALL / 10)
    assert is_whole(bytes(text))


# What goes wrong


@contextmanager
def blocked(server: Server) -> Iterator[None]:
    """While it lasts, whoever reads objects waits."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(server.admin_url))
        runner.run(connection.execute("begin; lock table fabric.objects in access exclusive mode"))
        try:
            yield
        finally:
            runner.run(connection.close())


def break_connection(server: Server) -> None:
    server.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and usename = 'semantic_fabric_server' and xact_start is not null"
    )


def test_the_transaction_ends_at_once_when_the_reader_leaves(patient: Tenant) -> None:
    with reading(patient, WIDE) as reader:
        reader.take(1_000)
        assert transactions(patient.server) == 1
        reader.leave()
        wait_until(lambda: transactions(patient.server) == 0)
    assert items(export(patient, "{ assets(first: 1) { nodes { name } } }"))


def test_it_ends_too_when_the_reader_leaves_before_the_first_byte(patient: Tenant) -> None:
    with blocked(patient.server), reading(patient, WIDE) as reader:
        wait_until(lambda: transactions(patient.server) == 1)
        reader.leave()
        wait_until(lambda: transactions(patient.server) == 0)


def test_a_database_that_takes_too_long_is_told_before_the_first_byte(hurried: Tenant) -> None:
    with blocked(hurried.server):
        refused = export(hurried, WIDE).refused("TIMEOUT", status=503)
    assert refused.headers["content-type"].startswith("application/graphql-response+json")


def test_an_export_may_not_take_for_ever(new_server: MakeServer) -> None:
    with new_server({"export_seconds": 1.0}) as server:
        tenant = server.organization()
        tenant.define(*TYPES)
        with blocked(server):
            export(tenant, WIDE).refused("TIMEOUT", status=503)


def test_an_error_in_the_middle_is_no_proper_end(patient: Tenant, untouched_log: None) -> None:
    told = io.StringIO()
    log.configure("json", "info", told)
    with reading(patient, WIDE) as reader:
        begun = reader.take(1_000)
        break_connection(patient.server)
        text = begun + reader.rest()
    assert not is_whole(text)
    (line,) = [e for e in map(orjson.loads, told.getvalue().splitlines()) if e["event"] == "export broken off"]
    assert line["code"] == "INTERNAL"


def test_a_client_library_notices(patient: Tenant) -> None:
    pieces = stream(patient, NDJSON)
    assert next(pieces)
    break_connection(patient.server)
    with pytest.raises(httpx.RemoteProtocolError):
        list(pieces)


# Not too many at once


def test_exports_beyond_the_limit_are_refused_until_one_ends(patient: Tenant) -> None:
    few = "{ assets(first: 1) { nodes { name } } }"
    with reading(patient, WIDE) as reader:
        reader.take(1_000)
        refused = export(patient, few).refused("RATE_LIMITED", status=429)
        assert "try again later" in refused.error["message"]
        export(patient, "{ assets { totalCount } }").refused()  # what is wrong is told all the same
        assert patient.data(few)
    wait_until(lambda: export(patient, few).status == 200)
    for _ in range(3):
        assert len(items(export(patient, few))) == 1
