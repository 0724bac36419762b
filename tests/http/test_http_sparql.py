"""The SPARQL 1.1 Protocol: its ways of asking, its formats, what it refuses, and whose graph is asked."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from http_server import TYPES, Answer, MakeServer, Server, Tenant, answer, eventually
from pyoxigraph import QueryResultsFormat, parse, parse_query_results

from fabric.identity.revocations import revoke_subject
from ontology.output.writing import FORMATS

QUERY, FORM = "application/sparql-query", "application/x-www-form-urlencoded"
NAMES = 'select ?name where { ?asset a <urn:semantic-fabric:type#Asset>; ?p ?name filter(strends(str(?p), "#name")) }'
ALL = "construct where { ?s ?p ?o }"
TABLES = {
    "application/sparql-results+json": QueryResultsFormat.JSON,
    "application/sparql-results+xml": QueryResultsFormat.XML,
    "text/tab-separated-values": QueryResultsFormat.TSV,
}
ENDLESS = "select (count(*) as ?n) where { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l . ?m ?n2 ?o }"


@pytest.fixture(scope="module")
def filled(server: Server) -> Tenant:
    tenant = server.organization()
    tenant.define(*TYPES)
    tenant.data('mutation { createAssets(inputs: [{name: "pump"}, {name: "valve"}]) { position } }')
    tenant.data('mutation { createAsset(input: {name: "hidden"}) { position } }', label="SECRET")
    return tenant


def ask(
    tenant: Tenant, method: str = "GET", label: str = "UNCLASSIFIED", roles: tuple[str, ...] = ("admin",),
    headers: dict[str, str] | None = None, **request: Any,
) -> Answer:  # fmt: skip
    given = tenant.authorization(label, roles) | (headers or {})
    return answer(lambda: tenant.server.client.request(method, "/sparql", headers=given, **request))


def query(
    tenant: Tenant, text: str, accept: str = "*/*", headers: dict[str, str] | None = None, **who: Any
) -> Answer:
    given = {"content-type": QUERY, "accept": accept} | (headers or {})
    return ask(tenant, "POST", content=text, headers=given, **who)


def names(tenant: Tenant, **who: Any) -> list[str]:
    found = query(tenant, NAMES, **who)
    assert found.status == 200, found.content
    return sorted(row["name"]["value"] for row in orjson.loads(found.content)["results"]["bindings"])


@pytest.mark.parametrize(
    "request_",
    [
        {"params": {"query": NAMES}},
        {"method": "POST", "data": {"query": NAMES}},
        {"method": "POST", "content": NAMES, "headers": {"content-type": QUERY}},
        {"method": "POST", "content": NAMES, "headers": {"content-type": f"{QUERY}; charset=UTF-8"}},
    ],
)
def test_each_way_of_asking(filled: Tenant, request_: dict[str, Any]) -> None:
    found = ask(filled, **request_)
    assert found.status == 200, found.content
    assert found.headers["content-type"] == "application/sparql-results+json"
    assert found.headers["cache-control"] == "no-store"
    assert sorted(row["name"]["value"] for row in found.body["results"]["bindings"]) == ["pump", "valve"]


@pytest.mark.parametrize("media_type", TABLES)
def test_tables_come_in_every_format(filled: Tenant, media_type: str) -> None:
    found = query(filled, 'select ?a ?b where { values (?a ?b) { ("<&\\t\\n\\"é"@en 1) (undef <a:b>) } }', media_type)
    assert found.headers["content-type"].startswith(media_type)
    rows = list(parse_query_results(found.content, TABLES[media_type]))  # type: ignore[arg-type]
    assert [[str(term) if term else None for term in row] for row in rows] == [
        ['"<&\\t\\n\\"é"@en', '"1"^^<http://www.w3.org/2001/XMLSchema#integer>'], [None, "<a:b>"]
    ]  # fmt: skip


def test_tables_come_as_csv(filled: Tenant) -> None:
    found = query(filled, 'select ?a ?b where { values (?a ?b) { ("x,\\"y\\"" 1) (undef <a:b>) } }', "text/csv")
    assert found.content == b'a,b\r\n"x,""y""",1\r\n,a:b\r\n'


@pytest.mark.parametrize("format", ["turtle", "jsonld", "ntriples", "rdfxml"])
@pytest.mark.parametrize("form", [ALL, "describe <urn:semantic-fabric:object:Asset:pump>"])
def test_graphs_come_in_every_format(filled: Tenant, format: str, form: str) -> None:
    found = query(filled, form, FORMATS[format].media_type)
    assert found.status == 200, found.content
    assert found.headers["content-type"] == FORMATS[format].media_type
    assert any(quad.object.value == "pump" for quad in parse(found.content, FORMATS[format]))


def test_truth(filled: Tenant) -> None:
    assert query(filled, "ask { ?s ?p 'pump' }").body == {"head": {}, "boolean": True}
    assert query(filled, "ask { ?s ?p 'hidden' }").body == {"head": {}, "boolean": False}
    assert b"<boolean>true</boolean>" in query(filled, "ask {}", "application/sparql-results+xml").content


def test_the_service_describes_itself(filled: Tenant) -> None:
    found = ask(filled)
    assert found.headers["content-type"] == "text/turtle"
    terms = {quad.predicate.value.rpartition("#")[2]: quad.object for quad in parse(found.content, FORMATS["turtle"])}
    assert terms["endpoint"].value == f"{filled.server.url}/sparql"
    assert terms["supportedLanguage"].value.endswith("#SPARQL11Query")


def test_a_mistake_is_told_by_its_place(filled: Tenant) -> None:
    found = ask(filled, params={"query": "select ?n where {?s a"})
    assert orjson.loads(found.content)["errors"][0]["message"] == "this is not SPARQL: see line and column 1:22"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"params": {"query": "select * where {"}}, 400),
        ({"params": [("query", NAMES), ("query", NAMES)]}, 400),
        ({"params": {"default-graph-uri": "a:b"}}, 400),
        ({"method": "POST", "data": {"other": "1"}}, 400),
        ({"method": "POST", "data": {"query": NAMES}, "params": {"query": NAMES}}, 400),
        ({"method": "POST", "content": b"select * { ?s ?p '\xff' }", "headers": {"content-type": QUERY}}, 400),
        ({"method": "POST", "content": NAMES, "headers": {"content-type": "text/plain"}}, 415),
        ({"method": "POST", "content": NAMES}, 415),
        ({"method": "POST", "content": NAMES, "headers": {"content-type": f"{QUERY}; charset=UTF-16"}}, 415),
        ({"method": "POST", "content": "#" * 1_000_001, "headers": {"content-type": QUERY}}, 413),
        ({"method": "PUT", "content": NAMES, "headers": {"content-type": QUERY}}, 405),
        ({"params": {"query": NAMES}, "headers": {"accept": "image/png"}}, 406),
        ({"params": {"query": NAMES}, "headers": {"accept": "text/turtle"}}, 406),
        ({"params": {"query": ALL}, "headers": {"accept": "text/csv"}}, 406),
        ({"params": {"query": "insert data { <a:b> <a:c> 1 }"}}, 400),
        ({"params": {"query": "prefix a: <a:> load <http://127.0.0.1/>"}}, 400),
        ({"method": "POST", "data": {"update": "clear all"}}, 403),
        ({"method": "POST", "content": "clear all", "headers": {"content-type": "application/sparql-update"}}, 403),
        ({"params": {"query": "select * { service <http://127.0.0.1/> { ?s ?p ?o } }"}}, 400),
        ({"params": {"query": "select * { \\u0073ervice <http://127.0.0.1/> { ?s ?p ?o } }"}}, 400),
        ({"params": {"query": "select * from <http://127.0.0.1/> { ?s ?p ?o }"}}, 400),
        ({"params": {"query": NAMES, "default-graph-uri": "http://127.0.0.1/"}}, 400),
        ({"params": {"query": NAMES, "named-graph-uri": "http://127.0.0.1/"}}, 400),
        ({"params": {"query": NAMES}, "headers": {"fabric-at-least": "x"}}, 400),
    ],
)
def test_what_is_no_query_is_refused(filled: Tenant, given: dict[str, Any], status: int) -> None:
    found = ask(filled, **given)
    code = "FORBIDDEN" if status == 403 else "BAD_USER_INPUT"
    assert found.status == status, found.content
    assert found.codes == {code}
    assert b"python" not in found.content.lower()


@pytest.mark.parametrize(
    "text",
    [
        "select ?service where { ?service a 'service' } # service",
        "prefix service: <service:> select * { ?s service:load 'from \\\" service' ; a <x:service> }",
        "select * { ?s ?p '''service ' from''' , \"\"\"load \" insert\"\"\" }",
    ],
)
def test_words_that_are_no_keywords_are_left_alone(filled: Tenant, text: str) -> None:
    assert query(filled, text).status == 200


def test_a_reader_asks_what_its_label_sees(filled: Tenant) -> None:
    assert names(filled) == ["pump", "valve"]
    assert names(filled, label="SECRET") == ["hidden", "pump", "valve"]
    found = query(filled, NAMES, label="SECRET", headers={"fabric-session-label": "UNCLASSIFIED"})
    assert b"hidden" not in found.content


def test_the_graph_is_the_export(filled: Tenant) -> None:
    for label in ("UNCLASSIFIED", "SECRET"):
        headers = filled.authorization(label, ("admin",))
        exported = filled.server.client.get("/export/rdf?format=ntriples", headers=headers).content
        found = query(filled, ALL, FORMATS["ntriples"].media_type, label=label).content
        assert sorted(found.splitlines()) == sorted(set(exported.splitlines()))


def test_nobody_without_a_token_and_nobody_without_the_permissions(filled: Tenant) -> None:
    assert filled.server.client.get("/sparql", params={"query": NAMES}).status_code == 401
    assert filled.server.client.get("/sparql").status_code == 401
    assert query(filled, NAMES, roles=("clerk",)).refused("FORBIDDEN", status=403)


def test_where_only_registered_documents_run_it_is_refused(new_server: MakeServer) -> None:
    with new_server({"documents": "registered"}) as server:
        query(server.organization(), NAMES).refused("FORBIDDEN", status=403)


def test_changes_are_seen_at_once_and_what_is_taken_away_no_longer(assets: Tenant) -> None:
    made = assets.data('mutation { createAsset(input: {name: "one"}) { position asset { id } } }')["createAsset"]
    assert names(assets) == ["one"]
    assets.data('mutation { createAsset(input: {name: "two"}) { position } }')
    assert names(assets) == ["one", "two"]
    regraded = 'mutation { regradeObject(id: "%s", label: "SECRET", reason: "because") { position } }'
    assets.data(regraded % made["asset"]["id"], label="SECRET", session_label="UNCLASSIFIED")
    assert names(assets) == ["two"]
    assert names(assets, label="SECRET") == ["one", "two"]


@pytest.fixture(scope="module")
def strict(new_server: MakeServer) -> Any:
    limits = {"sparql_seconds": 1.0, "max_sparql_rows": 50, "max_sparql_bytes": 10_000, "max_sparql_queries_each": 1}
    with new_server(limits | {"sparql_query_memory_bytes": 2**26}) as server:
        tenant = server.organization()
        tenant.define(*TYPES)
        inputs = ", ".join(f'{{name: "asset {i}"}}' for i in range(100))
        tenant.data(f"mutation {{ createAssets(inputs: [{inputs}]) {{ position }} }}")
        names_of = query(tenant, "ask {}")
        assert names_of.status == 200
        yield tenant


def test_a_query_without_end_ends_and_leaves_the_graph(strict: Tenant) -> None:
    assert query(strict, ENDLESS).refused("TIMEOUT", status=503)
    assert query(strict, "ask {}").status == 200


@pytest.mark.parametrize("text", ["select * { ?s ?p ?o }", ALL])
def test_an_answer_with_too_many_rows_is_refused(strict: Tenant, text: str) -> None:
    assert "rows" in query(strict, text).refused("QUERY_TOO_COMPLEX").error["message"]
    assert query(strict, f"{text} limit 50").status == 200


def test_an_answer_that_is_too_long_is_refused(strict: Tenant) -> None:
    found = query(strict, "select (group_concat(str(?o)) as ?all) { ?s ?p ?o filter(!isBlank(?o)) }")
    assert "bytes" in found.refused("QUERY_TOO_COMPLEX").error["message"]


@pytest.mark.parametrize(
    "text",
    [
        "select * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } order by ?c ?f ?i limit 1",
        "select * " + "{" * 20_000 + "}" * 20_000,
        "ask { filter(" + "(" * 50_000 + "1" + ")" * 50_000 + ") }",
    ],
)
def test_what_takes_too_much_memory_is_refused(strict: Tenant, text: str) -> None:
    found = query(strict, text)
    assert found.codes <= {"QUERY_TOO_COMPLEX", "TIMEOUT", "BAD_USER_INPUT"}
    assert query(strict, "ask {}").status == 200


def test_one_subject_cannot_take_all_places(strict: Tenant) -> None:
    with ThreadPoolExecutor(1) as aside:
        running = aside.submit(query, strict, ENDLESS)
        time.sleep(0.3)
        assert query(strict, "ask {}").refused("RATE_LIMITED", status=429)
        running.result()


def test_a_client_who_leaves_takes_its_query_along(new_server: MakeServer) -> None:
    with new_server({"sparql_seconds": 600.0, "max_sparql_queries_each": 1}) as server:
        tenant = server.organization()
        tenant.define(*TYPES)
        assert query(tenant, "ask {}").status == 200
        for way in ({"method": "GET", "params": {"query": ENDLESS}}, {"method": "POST", "data": {"query": ENDLESS}}):
            with pytest.raises(httpx.ReadTimeout):
                server.client.request(url="/sparql", headers=tenant.authorization(), timeout=0.5, **way)
            eventually(lambda: query(tenant, "ask {}").status == 200)


def test_a_client_who_leaves_while_its_graph_is_made_takes_that_along(new_server: MakeServer) -> None:
    with new_server({"max_sparql_queries_each": 1}) as server, ThreadPoolExecutor(1) as aside:
        tenant = server.organization()
        tenant.define(*TYPES)
        hold = "do $$ begin lock table fabric.links in access exclusive mode; perform pg_sleep(3); end $$"
        held, found = aside.submit(server.sql, hold), 429
        time.sleep(0.3)
        with pytest.raises(httpx.ReadTimeout):
            server.client.get("/sparql", params={"query": ALL}, headers=tenant.authorization(), timeout=0.5)
        while found == 429 and not held.done():
            found = query(tenant, "ask {}").status
        assert found == 200


def test_an_answer_is_not_given_to_a_token_that_was_revoked_meanwhile(server: Server) -> None:
    tenant = server.organization()
    tenant.define(*TYPES)
    assert query(tenant, "ask {}").status == 200
    hold = "do $$ begin lock table fabric.links in access exclusive mode; perform pg_sleep(1); end $$"
    with ThreadPoolExecutor(2) as aside:
        tenant.data('mutation { createAsset(input: {name: "pump"}) { position } }')
        held = aside.submit(server.sql, hold)
        time.sleep(0.3)
        asked = aside.submit(query, tenant, NAMES)
        time.sleep(0.2)
        asyncio.run(revoke_subject(server.admin_url, tenant.name, "ann", datetime.now(UTC), "moved", actor="operator"))
        held.result()
        found = asked.result()
    assert found.status == 401
    assert b"pump" not in found.content
