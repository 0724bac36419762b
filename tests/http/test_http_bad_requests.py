"""Requests and documents that nobody should send: refused in time, with a message and a code."""

import asyncio
import gzip
import socket
from typing import Any
from uuid import uuid4

import pytest
from http_server import SLOWEST, Answer, Tenant, nested

COUNT = "query ($w: AssetWhere) { assets(where: $w) { totalCount } }"


# The body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"{'query': 'x'}",
        b'{"query":"{ __typename }",}',
        b'\xef\xbb\xbf{"query":"{ __typename }"}',
        b'{"query":"{ __typename \xff }"}',
        b'{"query":"{ __typename }","variables":{"x":NaN}}',
        b'{"query":"{ __typename }","variables":{"x":Infinity}}',
        b'{"query":"{ __typename }","variables":{"x":1e400}}',
        b'{"query":"{ __typename }","variables":{"x":' + b"1" * 400 + b"}}",
        b'{"query":"{ __typename }","variables":{"x":"\\ud800"}}',
        b'{"query":"{ __typename }","variables":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        gzip.compress(b'{"query":"{ __typename }"}', mtime=0),
        '{"query":"{ __typename }"}'.encode("utf-16"),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_what_is_not_json_is_refused(organization: Tenant, content: bytes) -> None:
    organization.post(content).refused(status=400)


@pytest.mark.parametrize(
    "content",
    [
        b"null", b"1", b'"{ __typename }"', b"[]", b'[{"query":"{ __typename }"}]', b"{}", b'{"query":null}',
        b'{"query":5}',
        b'{"query":""}', b'{"query":["{ __typename }"]}', b'{"query":"{ __typename }","operationName":5}',
        b'{"query":"{ __typename }","variables":[]}', b'{"query":"{ __typename }","variables":"{}"}',
        b'{"query":"{ __typename }","variables":false}', b'{"query":"{ __typename }","extensions":[]}',
        b'{"query":"{ __typename }","extensions":"x"}',
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_graphql_request_is_refused(organization: Tenant, content: bytes) -> None:
    organization.post(content).refused(status=400)


def test_of_a_repeated_key_the_last_counts(organization: Tenant) -> None:
    answer = organization.post(b'{"query":"{ a: __typename }","query":"{ b: __typename }"}')
    assert answer.data == {"b": "Query"}


def test_a_body_beyond_the_limit_is_refused_by_its_length_before_any_of_it_is_sent(organization: Tenant) -> None:
    port = int(organization.server.url.rpartition(":")[2])
    token = organization.authorization()["authorization"]
    head = (
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {token}\r\nContent-Length: 10000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_beyond_the_limit_is_refused(organization: Tenant) -> None:
    organization.post(b" " * 10_000_000).refused(status=413)


def test_a_chunked_body_is_read_up_to_the_limit_only(organization: Tenant) -> None:
    """The sender of chunks without end gets its answer while it is still sending."""
    port = int(organization.server.url.rpartition(":")[2])
    token = organization.authorization()["authorization"]
    head = (
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST) as connection:
        connection.sendall(head.encode())
        for _ in range(11):
            connection.sendall(b"186a0\r\n" + b" " * 100_000 + b"\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_of_the_allowed_length_is_taken(organization: Tenant) -> None:
    content = b'{"query":"{ __typename }"}'
    limit = organization.server.settings.max_body_bytes
    assert organization.post(content.ljust(limit)).data == {"__typename": "Query"}
    organization.post(content.ljust(limit + 1)).refused(status=413)


def test_an_address_beyond_all_measure_is_refused(organization: Tenant) -> None:
    port = int(organization.server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST) as connection:
        connection.sendall(b"GET /graphql?query=" + b"+" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


# Documents


@pytest.mark.parametrize(
    "query",
    [
        " ", "{", "}", "query", "{ __typename", "{ __typename \0 }", "{ __typename \x07 }", "# nothing",
        "type X { a: Int }", "extend type Query { a: Int }", "subscription { a }", "{ nope }", "{ assets }",
        "{ assets { nodes { nope } } }", "{ assets(nope: 1) { totalCount } }", "{ viewer }",
        "{ viewer { subject { x } } }",
        '{ assetByKey(name: "\\ud800") { id } }', '{ assetByKey(name: "\\udc00\\ud800") { id } }',
        "{ assetByKey { id } }",
        "{ assetByKey(name: null) { id } }", "{ assetByKey(name: 5) { id } }", "{ node(id: 1.5) { id } }",
        "{ assets(where: {nope: {eq: 1}}) { totalCount } }", "{ assets(where: {name: {nope: 1}}) { totalCount } }",
        "{ assets(where: {status: {eq: NOPE}}) { totalCount } }",
        '{ assets(where: {status: {eq: "OK"}}) { totalCount } }',
        '{ assets(where: {label: {eq: "HIGH"}}) { totalCount } }', "{ assets(orderBy: [{tags: ASC}]) { totalCount } }",
        "{ assets(orderBy: [{name: UP}]) { totalCount } }", "{ __typename @nope }", "{ __typename @skip }",
        '{ __typename @skip(if: "x") }', "fragment A on Query { __typename }", "{ ...A }",
        "fragment A on Nope { id } { ...A }", "fragment A on Query { ...B } fragment B on Query { ...A } { ...A }",
        "fragment A on Query { ...A } { ...A }", "{ a: assets { totalCount } a: sensors { totalCount } }",
        "query A { __typename } query A { __typename }", "{ __typename } query A { __typename }",
        "query ($x: Nope) { __typename }", "query ($x: Asset) { __typename }", "query ($x: Int) { __typename }",
        "query ($x: Int, $x: Int) { assets(first: $x) { totalCount } }", "{ assets(first: $x) { totalCount } }",
        "query ($x: String) { assets(first: $x) { totalCount } }", "mutation { createAsset(input: {}) { changed } }",
        "mutation { createAsset(input: {name: 5}) { changed } }", "mutation { deleteAsset { id } }",
    ],
)  # fmt: skip
def test_a_document_that_is_not_of_this_schema_is_refused(assets: Tenant, query: str) -> None:
    refused = assets.ask(query).refused(status=400)
    assert "data" not in refused.body


@pytest.mark.parametrize("word", ["asset", "asets", "assetss", "viewr", "__typname", "sensor1"])
def test_no_error_suggests_what_might_have_been_meant(assets: Tenant, word: str) -> None:
    for query in (
        f"{{ {word} {{ id }} }}", f"{{ assets {{ {word} }} }}", f"{{ assets({word}: 1) {{ totalCount }} }}",
        f"{{ assets(where: {{{word}: {{}}}}) {{ totalCount }} }}",
        f"{{ assets(orderBy: {{{word}: ASC}}) {{ totalCount }} }}",
        f"{{ assets(where: {{status: {{eq: {word}}}}}) {{ totalCount }} }}", f"query ($x: {word}) {{ __typename }}",
        f"{{ ... on {word} {{ __typename }} }}", f"{{ ...{word} }}", f"{{ __typename @{word} }}",
        f"mutation {{ {word} }}", f"mutation {{ createAsset(input: {{{word}: 1}}) {{ changed }} }}",
    ):  # fmt: skip
        assets.ask(query).refused()
    wheres: list[dict[str, Any]] = [{word: {}}, {"name": {word: 1}}, {"status": {"eq": word}}, {"or": [{word: {}}]}]
    for where in wheres:
        assets.ask(COUNT, {"w": where}).refused()


# Too much of it


@pytest.mark.parametrize(
    "query",
    [
        nested("{ assets { nodes { sensors { nodes ", "} } } }", 8, "{ id }").replace("nodes {", "nodes {", 1),
        "{ " + nested("... { ", "} ", 150, "__typename ") + "}",
        "{ " + nested("... { ", "} ", 200, "__typename ") + "}",
        "{ assets { nodes { " + nested("sensors { nodes { assets { nodes { ", "} } } } ", 50, "name ") + "} } }",
        "{ assets(where: " + nested("{not: ", "}", 150, "{}") + ") { totalCount } }",
        "{ assets(where: " + nested("{and: [", "]}", 190, "{}") + ") { totalCount } }",
        "{ assets(where: {extra: {eq: " + nested("[", "]", 250) + "}}) { totalCount } }",
        "{ " + " ".join(f"a{i}: assets {{ totalCount }}" for i in range(1000)) + " }",
        "{ " + " ".join(f"a{i}: viewer {{ subject }}" for i in range(101)) + " }",
        "{ __typename " + "@include(if: true) " * 1000 + "}",
        "query " + "@include(if: true) " * 1000 + "{ __typename }",
        "{ " + "__typename " * 80_000 + "}",
        "{ assets { nodes { " + "id " * 9_900 + "} } }",
        "{ assets { nodes { name } } } fragment F on Asset { " + "id " * 5_000 + "}",
        "{ assets { nodes { " + "sensors { nodes { id } } " * 1_200 + "} } }",
        "{ __typename } fragment F on Asset { " + "sensors { nodes { id } } " * 1_200 + "}",
    ],
    ids=lambda query: f"{query[:30]}…{len(query)}",
)  # fmt: skip
def test_a_document_beyond_a_limit_is_too_complex(assets: Tenant, query: str) -> None:
    assets.ask(query).refused("QUERY_TOO_COMPLEX", status=400)


def fragments(number: int, spread: str, last: str) -> str:
    chain = "".join(f"fragment F{i} on Query {{ {spread.format(i + 1)} }} " for i in range(number))
    return chain + f"fragment F{number} on Query {{ {last} }} {{ ...F0 }}"


@pytest.mark.parametrize("number", [18, 40, 200])
@pytest.mark.parametrize("last", ["__typename", "...F0", "...Nowhere"])
def test_fragments_that_multiply_are_refused_in_time(assets: Tenant, number: int, last: str) -> None:
    assets.ask(fragments(number, "...F{0} ...F{0}", last)).refused("QUERY_TOO_COMPLEX", status=400)


def test_a_long_chain_of_fragments_is_refused(assets: Tenant) -> None:
    assets.ask(fragments(1_200, "...F{0}", "__typename")).refused("QUERY_TOO_COMPLEX", status=400)


def test_fragments_nobody_uses_are_refused_in_time(assets: Tenant) -> None:
    unused = " ".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 2} }}" for i in range(400))
    assert assets.ask("{ __typename } " + unused).status == 400


def test_introspection_cannot_be_nested_without_end(assets: Tenant) -> None:
    query = '{ __type(name: "Query") { ' + nested("fields { type { ", "} } ", 8, "name ") + "} }"
    assets.ask(query).refused("QUERY_TOO_COMPLEX", status=400)


@pytest.mark.parametrize("times", [60, 150, 200, 500, 900])
@pytest.mark.parametrize(
    "step", [('{"not":', "}"), ('{"and":[', "]}"), ('{"or":[{"name":{}},', "]}"), ('{"and":', "}")]
)
def test_a_filter_nested_deeply_in_a_variable_is_refused(assets: Tenant, times: int, step: tuple[str, str]) -> None:
    answer = assets.ask_text(COUNT, '{"w":' + nested(*step, times, "{}") + "}")
    assert answer.status == 400 or times == 60
    assert answer.seconds < SLOWEST
    if answer.status == 400:
        assert answer.codes <= {"QUERY_TOO_COMPLEX", "BAD_USER_INPUT"}


@pytest.mark.parametrize("quantifiers", [("some", "some"), ("every", "none"), ("none", "every")])
@pytest.mark.parametrize("pairs", [4, 6, 30])
def test_a_filter_over_many_links_is_too_complex(assets: Tenant, pairs: int, quantifiers: tuple[str, str]) -> None:
    step = f'{{"sensors":{{"{quantifiers[0]}":{{"assets":{{"{quantifiers[1]}":'
    answer = assets.ask_text(COUNT, '{"w":' + nested(step, "}}}}", pairs, "{}") + "}")
    answer.refused("QUERY_TOO_COMPLEX", status=400)


def test_a_filter_over_some_links_is_answered_in_time(assets: Tenant) -> None:
    step = '{"sensors":{"every":{"assets":{"none":'
    answer = assets.ask_text(COUNT, '{"w":' + nested(step, "}}}}", 2, "{}") + "}")
    assert answer.data == {"assets": {"totalCount": 0}}
    assert answer.seconds < SLOWEST


@pytest.mark.parametrize("number", [3_000, 6_000])
def test_a_filter_of_thousands_of_conditions_is_too_complex(assets: Tenant, number: int) -> None:
    answer = assets.ask(COUNT, {"w": {"or": [{"rating": {"eq": 1}}] * number}})
    answer.refused("QUERY_TOO_COMPLEX", status=400)


def test_a_list_of_ten_thousand_values_is_answered_in_time(assets: Tenant, pair: tuple[str, str]) -> None:
    answer = assets.ask(COUNT, {"w": {"name": {"in": [*map(str, range(10_000)), "pump"]}}})
    assert answer.data == {"assets": {"totalCount": 1}}
    assert answer.seconds < SLOWEST


def test_ordering_by_very_many_keys_is_refused(assets: Tenant) -> None:
    query = "query ($o: [AssetOrderBy!]) { assets(orderBy: $o) { nodes { id } pageInfo { endCursor } } }"
    assets.ask(query, {"o": [{"name": "ASC"}] * 200}).refused(path=["assets", "orderBy"])


def test_one_mutation_takes_so_many_objects(assets: Tenant) -> None:
    query = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { assets { id } } }"
    assets.ask(query, {"i": [{"name": str(i)} for i in range(1_001)]}).refused(path=["inputs"])
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}


# Requests at the same time


def test_bad_requests_do_not_hold_up_good_ones(assets: Tenant) -> None:
    """Three dozen at once, every second one bad."""
    good, bad = "{ assets { totalCount } }", "{ assets { nodes { " + "id " * 2_000 + "} } }"

    async def all_at_once() -> list[Answer]:
        asked = (asyncio.to_thread(assets.ask, bad if i % 2 else good) for i in range(36))
        return list(await asyncio.gather(*asked))

    for i, answer in enumerate(asyncio.run(all_at_once())):
        if i % 2:
            answer.refused("QUERY_TOO_COMPLEX")
        else:
            assert answer.data == {"assets": {"totalCount": 0}}


def test_a_mutation_of_many_fields_does_each_by_itself(assets: Tenant) -> None:
    """Fields of a mutation run one after another; one that fails undoes itself, not those before it."""
    id = str(uuid4())
    answer = assets.ask(
        f'mutation {{ a: createAsset(input: {{name: "a"}}) {{ changed }} b: deleteAsset(id: "{id}") {{ deletedId }} }}'
    )
    assert answer.error["path"] == ["b"]
    assert assets.data("{ assets { nodes { name } } }") == {"assets": {"nodes": [{"name": "a"}]}}
