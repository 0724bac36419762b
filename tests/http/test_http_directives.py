"""Directives: `@skip` and `@include` anywhere, and none that would have an answer come in parts."""

from collections.abc import Iterator

import pytest
from http_exports import export
from http_server import Tenant
from sse_client import streamed
from websocket_client import Socket, opened

IN_PARTS = {
    "defer": "{ assets { ... @defer { nodes { name } } } }",
    "defer a fragment": '{ ...A @defer(label: "a") } fragment A on Query { viewer { subject } }',
    "defer on a condition": "query ($x: Boolean) { ... @defer(if: $x) { __typename } }",
    "stream": "{ assets { nodes @stream(initialCount: 1) { name } } }",
    "stream of a link": "{ assets { nodes { sensors { edges @stream { node { name } } } } } }",
    "beside introspection": "{ __schema { ... @defer { types { name } } } }",
    "in a mutation": 'mutation { createAsset(input: {name: "a"}) { asset { ... @defer { name } } } }',
    "in a subscription": 'subscription { changes(type: "Asset") { ... @defer { kind } } }',
}  # fmt: skip


@pytest.fixture
def socket(assets: Tenant) -> Iterator[Socket]:
    with opened(assets.server) as socket:
        socket.initialise(assets.authorization())
        yield socket


def test_the_schema_offers_no_others(assets: Tenant) -> None:
    offered = assets.data("{ __schema { directives { name locations } } }")["__schema"]["directives"]
    used = {d["name"] for d in offered if {"FIELD", "FRAGMENT_SPREAD", "QUERY"} & set(d["locations"])}
    assert used == {"skip", "include"}


@pytest.mark.parametrize("query", IN_PARTS.values(), ids=IN_PARTS)
def test_an_answer_in_parts_is_refused(assets: Tenant, socket: Socket, query: str) -> None:
    """By every transport, in the same plain words, and nothing is done."""
    refused = assets.ask(query).refused(status=400)
    assert refused.error["message"] in ("Unknown directive '@defer'.", "Unknown directive '@stream'.")
    socket.subscribe(query)
    assert socket.error() == refused.error
    with streamed(assets, query) as response:
        assert refused.error["message"] in response.read().decode()
    assert assets.data("{ assets { totalCount } }")["assets"]["totalCount"] == 0


@pytest.mark.parametrize("accept", ["multipart/mixed", "multipart/mixed;deferSpec=20220824, application/json"])
def test_asking_for_parts_by_the_media_type_brings_none(assets: Tenant, accept: str) -> None:
    answer = assets.post(b'{"query":"{ __typename }"}', {"accept": accept})
    assert answer.status == (406 if accept == "multipart/mixed" else 200)
    assert not answer.headers["content-type"].startswith("multipart")


def test_an_export_and_a_registration_refuse_it_too(assets: Tenant) -> None:
    query = IN_PARTS["stream"]
    assert "Unknown directive '@stream'" in export(assets, query).error["message"]
    register = "mutation ($t: [String!]!) { registerDocuments(texts: $t) { changed } }"
    assets.ask(register, {"t": [query]}).refused()


@pytest.mark.parametrize("on", [True, False])
def test_skip_and_include_hold_wherever_they_stand(assets: Tenant, pair: tuple[str, str], on: bool) -> None:
    query = """query ($on: Boolean!, $asset: ID!) {
      asset(id: $asset) @include(if: $on) { name }
      assets { nodes { name note @skip(if: $on) sensors @include(if: $on) { totalCount } ...F @skip(if: $on) }
               totalCount @include(if: $on) edges @skip(if: $on) { cursor } pageInfo { hasNextPage @include(if: $on) } }
      sum: assetsAggregate { count @skip(if: $on) fields { rating { max @include(if: $on) min } } }
      viewer @skip(if: $on) { subject }
      typeDefinitions(names: ["Plant"]) { typeName label @include(if: $on) }
      __schema @include(if: $on) { queryType { name } }
      links { nodes { id } totalCount @skip(if: $on) }
      linkDegree(of: $asset) @skip(if: $on)
    }
    fragment F on Asset { rating }"""
    data = assets.data(query, {"on": on, "asset": pair[0]})
    only = {"asset", "__schema"} if on else {"viewer", "linkDegree"}
    assert set(data) == {"assets", "sum", "typeDefinitions", "links"} | only
    assert set(data["assets"]) == {"nodes", "pageInfo"} | ({"totalCount"} if on else {"edges"})
    assert data["assets"]["nodes"] == (
        [{"name": "pump", "sensors": {"totalCount": 0}}] if on else [{"name": "pump", "note": None, "rating": 1.5}]
    )
    assert data["sum"] == ({"fields": {"rating": {"max": 1.5, "min": 1.5}}} if on else
                           {"count": 1, "fields": {"rating": {"min": 1.5}}})  # fmt: skip
    assert data["links"] == ({"nodes": []} if on else {"nodes": [], "totalCount": 0})
    assert [set(t) for t in data["typeDefinitions"]] == [{"typeName", "label"} if on else {"typeName"}]
