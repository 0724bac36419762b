"""HTTP as no library would speak it: lengths that lie, codings, bodies that come slowly or not at all."""

import gzip
import time
import zlib

import pytest
from http_server import MakeServer, Tenant
from wire import QUERY, connect, exchange, post

CREATE = b'{"query":"mutation { createAsset(input: {name: \\"a\\"}) { changed } }"}'


def count(tenant: Tenant) -> int:
    found: int = tenant.data("{ assets { totalCount } }")["assets"]["totalCount"]
    return found


# Lengths


@pytest.mark.parametrize(
    "length", [-1, "+26", "0x1a", "1e1", "2 6", "26, 26", "9" * 30, "\xb2", "26\r\nContent-Length: 5", "26;q=1"]
)
def test_a_length_that_is_none(organization: Tenant, length: object) -> None:
    reply = exchange(organization, [post(organization, length=length)])
    assert (reply.status, reply.closed) == (400, True)
    assert b"data" not in reply.content


def test_a_length_that_is_too_short(assets: Tenant) -> None:
    """The rest is no request of its own."""
    reply = exchange(assets, [post(assets, body=CREATE, length=len(CREATE) - 5)])
    assert reply.status == 400
    assert count(assets) == 0


def test_a_length_that_is_too_long(assets: Tenant) -> None:
    """What is whole as JSON is not taken before all that was announced has come."""
    reply = exchange(assets, [post(assets, body=CREATE, length=len(CREATE) + 5)], ending=True)
    assert reply.content == b""
    assert count(assets) == 0


@pytest.mark.parametrize(
    ("headers", "length", "body"),
    [
        (["Transfer-Encoding: chunked"], None, b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding: xchunked"], "", QUERY),
        (["Transfer-Encoding: identity"], None, QUERY),
        (["Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity"], "", b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], "", b"zz\r\n" + QUERY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], "", b"-1\r\n" + QUERY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding : chunked"], "", b"1a\r\n" + QUERY + b"\r\n0\r\n\r\n"),
    ],
    ids="both unknown identity several no-size negative space".split(),
)
def test_an_ambiguous_end_of_a_body(organization: Tenant, headers: list[str], length: object, body: bytes) -> None:
    """A proxy may understand it otherwise, and take the rest for a request of somebody else."""
    reply = exchange(organization, [post(organization, *headers, length=length, body=body)])
    assert reply.status == 400
    assert reply.closed
    assert reply.answers == 1


def test_chunks_may_be_small(organization: Tenant) -> None:
    chunks = [b"1\r\n%c\r\n" % byte for byte in QUERY] + [b"0\r\n\r\n"]
    head = post(organization, "Transfer-Encoding: chunked", length="", body=b"")
    assert b'{"data":{"__typename":"Query"}}' in exchange(organization, [head, *chunks]).content


# Codings and charsets


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_coded_body(organization: Tenant, coding: str, packed: bool) -> None:
    """Nothing is unpacked, so nothing small becomes large; and what says it is packed is not taken as it is."""
    body = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding, bytes)(QUERY) if packed else QUERY
    organization.post(body, {"content-encoding": coding}).refused(status=415)


def test_a_bomb_is_not_unpacked(organization: Tenant) -> None:
    bomb = gzip.compress(b" " * 100_000_000, 9)
    assert len(bomb) < organization.server.settings.max_body_bytes
    for headers in ({"content-encoding": "gzip"}, {}):
        organization.post(bomb, headers).refused(status=415 if headers else 400)


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "utf-8; charset=utf-16", "latin1", "\xff", "", "utf-8,utf-16"])
def test_another_charset(organization: Tenant, charset: str) -> None:
    header = f"application/json; charset={charset}".encode("latin-1")
    organization.post(QUERY, {"content-type": header}).refused(status=415)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "query",
    [
        "{%00__typename}",
        "{%FF__typename}",
        "{%C0%80__typename}",
        "{__typename%ED%A0%80}",
        "%7B__typename%EF%BF%BF%7D",
        "%",
        "%zz",
    ],
)
def test_an_address_with_odd_bytes(organization: Tenant, query: str) -> None:
    reply = exchange(
        organization, [post(organization, method="GET", target=f"/graphql?query={query}", body=b"", length="")]
    )
    assert reply.status == 400
    assert b"BAD_USER_INPUT" in reply.content


def test_repeated_and_unknown_parameters(organization: Tenant) -> None:
    target = "/graphql?query={a:__typename}&query={b:__typename}&" + "&".join(f"x{i}=1" for i in range(1_000))
    reply = exchange(organization, [post(organization, method="GET", target=target, body=b"", length="")])
    assert b'{"data":{"b":"Query"}}' in reply.content


# Requests within requests


@pytest.mark.parametrize(
    "head",
    [
        "get /graphql HTTP/1.1\r\n\r\n", "GET /graphql HTTP/3.0\r\n\r\n",
        "GET /graphql HTTP/1.1\r\nX: a\r\n b\r\n\r\n", "GET /graphql HTTP/1.1\r\nX: a\0b\r\n\r\n",
        "GET /graphql HTTP/1.1\nHost: x\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\0\x01\0",
        "GET /\xff HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http(organization: Tenant, head: str) -> None:
    reply = exchange(organization, [head.encode("latin-1")])
    assert reply.status in (0, 400)
    assert b"data" not in reply.content


def test_a_mutation_behind_a_query_needs_a_token_of_its_own(assets: Tenant) -> None:
    """Two requests in one packet are two requests."""
    bare = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
        CREATE
    )
    reply = exchange(assets, [post(assets) + bare + CREATE])
    assert reply.answers == 2
    assert b"UNAUTHENTICATED" in reply.content
    assert count(assets) == 0


def test_the_host_is_not_believed(organization: Tenant) -> None:
    for target in ("/graphql/", "//graphql", "/graphql/console", "/Graphql"):
        headers = ("X-Forwarded-Host: evil.example", "Forwarded: host=evil.example")
        reply = exchange(organization, [post(organization, *headers, target=target)])
        assert reply.status in (404, 405)
        assert b"location" not in reply.content.lower()


def test_a_head_does_not_answer_what_a_get_would(assets: Tenant) -> None:
    mutation = "/graphql?query=mutation{createAsset(input:{name:%22a%22}){changed}}"
    for target, status in (("/graphql?query={__typename}", 200), ("/graphql?query={nope}", 400), (mutation, 405)):
        reply = exchange(assets, [post(assets, method="HEAD", target=target, body=b"", length="")])
        assert reply.status == status
        assert reply.content.endswith(b"\r\n\r\n")
    assert count(assets) == 0


# Slowness


def test_a_body_that_comes_slowly(new_server: MakeServer) -> None:
    """Byte after byte, for as long as one likes."""
    with new_server({"body_timeout_seconds": 0.5}) as server:
        tenant = server.organization()
        head, body = post(tenant, length=1_000, body=b""), (b" " for _ in range(20))
        began = time.perf_counter()
        reply = exchange(tenant, [head, *body], pause=0.1)
        assert reply.status == 408
        assert b"BAD_USER_INPUT" in reply.content
        assert reply.closed
        assert time.perf_counter() - began >= 0.5
        assert tenant.data("{ __typename }")


def test_a_body_that_takes_its_time_is_taken(organization: Tenant) -> None:
    reply = exchange(
        organization, [post(organization, body=b"", length=len(QUERY)), *(bytes([b]) for b in QUERY)], pause=0.01
    )
    assert b'{"data":{"__typename":"Query"}}' in reply.content


def test_many_connections_that_send_nothing_keep_nobody_waiting(organization: Tenant) -> None:
    idle = [connect(organization) for _ in range(100)]
    try:
        for connection in idle[::2]:
            connection.sendall(post(organization, length=500, body=b"{"))
        assert organization.data("{ __typename }") == {"__typename": "Query"}
    finally:
        for connection in idle:
            connection.close()
    assert organization.data("{ __typename }") == {"__typename": "Query"}
