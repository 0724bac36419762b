"""What graphql-cop and scanners like it look for, each test named for its attack."""

from typing import Any

import pytest
from http_server import GRAPHQL, MakeServer, Tenant, answer
from overloads import aliased

NAME = "__typename"
CREATE = 'mutation { createAsset(input: {name: "a"}) { changed } }'


def count(tenant: Tenant) -> int:
    found: int = tenant.data("{ assets { totalCount } }")["assets"]["totalCount"]
    return found


# Overloading


@pytest.mark.parametrize(
    "query",
    [
        f"{{ {aliased(NAME, 101)} }}",
        f"{{ ...A }} fragment A on Query {{ {aliased(NAME, 101)} }}",
        f"{{ ... {{ {aliased(NAME, 51)} }} ... {{ {aliased(NAME, 50, 'b')} }} }}",
        f"{{ ...A ...B }} fragment A on Query {{ {aliased(NAME, 51)} }}"
        f" fragment B on Query {{ {aliased(NAME, 50, 'b')} }}",
        f"{{ ...A ...B ...C }} fragment A on Query {{ {aliased(NAME, 40)} }}"
        " fragment B on Query { ...A } fragment C on Query { ...B }",
        f"{CREATE} query B {{ {aliased(NAME, 101)} }}".replace("mutation", "mutation A"),
        f"mutation {{ {aliased(CREATE[11:-2], 101)} }}",
    ],
    ids="direct fragment inline fragments nested other-operation mutation".split(),
)
def test_alias_overloading(assets: Tenant, query: str) -> None:
    assets.ask(query).refused("QUERY_TOO_COMPLEX", status=400)
    assert count(assets) == 0


def test_field_duplication(assets: Tenant) -> None:
    assets.ask("{ " + "__typename " * 500 + "}").refused("QUERY_TOO_COMPLEX", status=400)
    assets.ask("{ assets { nodes { " + "name " * 500 + "} } }").refused("QUERY_TOO_COMPLEX", status=400)


@pytest.mark.parametrize("directive", ["@aa", "@skip(if: false)", "@include(if: true)"])
@pytest.mark.parametrize(
    "place",
    [
        "{{ __typename {0} }}",
        "query {0} {{ __typename }}",
        "{{ ... {0} {{ __typename }} }}",
        "{{ ...A {0} }} fragment A on Query {{ __typename }}",
    ],
)
def test_directive_overloading(organization: Tenant, directive: str, place: str) -> None:
    organization.ask(place.format(directive * 51)).refused("QUERY_TOO_COMPLEX", status=400)
    refused = organization.ask(place.format(directive * 10)).refused(status=400)
    assert len(refused.errors) < 10


def test_array_batching(assets: Tenant) -> None:
    one = b'{"query":"mutation { createAsset(input: {name: \\"a\\"}) { changed } }"}'
    for body in (b"[" + b",".join([one] * 10) + b"]", b"[" + one + b"]", b"[[" + one + b"]]", one + b"\n" + one):
        assets.post(body).refused(status=400)
    assert count(assets) == 0


@pytest.mark.parametrize(
    "query",
    [
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } fragment C on Query { ...A }",
        "{ assets { nodes { ...A } } } fragment A on Asset { sensors { nodes { ...B } } }"
        " fragment B on Sensor { assets { nodes { ...A } } }",
        "{ ...A } fragment A on Query { ... { ... on Query { ...A } } }",
        "{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }",
        "mutation { ...A } fragment A on Mutation { ...A }",
        "{ __schema { types { ...A } } } fragment A on __Type { ofType { ...A } }",
    ],
)
def test_circular_fragments(assets: Tenant, query: str) -> None:
    assert assets.ask(query).status == 400
    assert assets.ask(query).codes <= {"BAD_USER_INPUT", "QUERY_TOO_COMPLEX"}


CIRCLES = {
    "cop": "{ __schema { types { fields { type { fields { type { fields { type { fields { type { name } } } } } } } }"
    " } } }",
    "interfaces": "{ __schema { types { interfaces { interfaces { interfaces { name } } } } } }",
    "possible": "{ __schema { types { possibleTypes { interfaces { possibleTypes { fields { name } } } } } } }",
    "inputs": "{ __schema { types { inputFields { type { inputFields { type { inputFields { name } } } } } } } }",
    "fragments": "{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } }"
    " fragment B on __Type { fields { type { ...C } } } fragment C on __Type { fields { name } }",
    "aliased": "{ a: __schema { b: types { c: fields { d: type { e: fields { f: type { g: fields { name } } } } } } }"
    " }",
}  # fmt: skip


@pytest.mark.parametrize("query", CIRCLES.values(), ids=CIRCLES)
def test_circular_introspection(assets: Tenant, query: str) -> None:
    assets.ask(query).refused("QUERY_TOO_COMPLEX", status=400)


@pytest.mark.parametrize(
    "query",
    [
        f"{{ {aliased('__schema { types { fields { args { name type { name kind } } } } }', 50)} }}",
        f"{{ __schema {{ {aliased('types { fields { type { fields { name } } } }', 90)} }} }}",
        f"{{ __schema {{ types {{ {aliased('fields { args { type { inputFields { name } } } }', 90)} }} }} }}",
    ],
    ids="schemas types fields".split(),
)
def test_repeated_introspection(assets: Tenant, query: str) -> None:
    """Within all other limits, and yet many times the schema."""
    assets.ask(query).refused("QUERY_TOO_COMPLEX")


# Forged from another site


def test_mutation_over_get(assets: Tenant) -> None:
    assets.get({"query": "mutation cop { __typename }"}).refused(status=405)
    both = f"query A {{ __typename }} {CREATE.replace('mutation', 'mutation B')}"
    assets.get({"query": both, "operationName": "B"}).refused(status=405)
    assets.get({"query": CREATE}, {"x-http-method-override": "POST", "x-method-override": "POST"}).refused(status=405)
    assert count(assets) == 0


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
def test_post_of_a_form(assets: Tenant, content_type: str) -> None:
    """What a form of a foreign page can send without asking first."""
    for body in (b"query=mutation%20%7B%20__typename%20%7D", b'{"query":"mutation { __typename }"}'):
        assets.post(body, {"content-type": content_type, "origin": "https://evil.example"}).refused(status=415)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://127.0.0.1"])
def test_get_from_a_foreign_page(assets: Tenant, origin: str) -> None:
    """A browser adds cookies and its own credentials, never a bearer token; its page could not read the answer."""
    token = assets.authorization()["authorization"].removeprefix("Bearer ")
    client = assets.server.client
    for parameters in ({"query": "{ viewer { subject } }"}, {"query": "{ viewer { subject } }", "access_token": token}):
        headers = {"origin": origin, "accept": GRAPHQL, "cookie": f"authorization={token}; access_token={token}"}
        got = answer(lambda sent=headers, asked=parameters: client.get("/graphql", params=asked, headers=sent))
        got.refused("UNAUTHENTICATED", status=401)
        assert not [name for name in got.headers if name.startswith("access-control-")]


def test_preflight_of_a_foreign_page(assets: Tenant) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answered = assets.server.client.options("/graphql", headers=asked)
    assert answered.status_code == 405
    assert not [name for name in answered.headers if name.startswith("access-control-")]


# What tells of the inside


def test_trace_and_debug_modes(assets: Tenant) -> None:
    asked = {
        "x-apollo-tracing": "1", "apollo-federation-include-trace": "ftv1", "x-debug": "true", "x-graphql-debug": "1",
        "apollo-query-plan-experimental": "1", "cookie": "debug=1; XDEBUG_SESSION=1",
    }  # fmt: skip
    body = b'{"query":"{ __typename }","extensions":{"tracing":true,"queryPlan":true,"debug":1},"debug":true}'
    answered = assets.post(body, asked)
    assert answered.body == {"data": {"__typename": "Query"}}
    assert set(answered.headers) <= {
        "date", "server", "cache-control", "content-length", "content-type", "x-request-id"
    }  # fmt: skip
    refused = assets.post(body.replace(b"__typename", b"nope"), asked).refused(status=400)
    assert set(refused.error["extensions"]) == {"code"}


def test_unhandled_errors(assets: Tenant) -> None:
    for query in ("qwerty cop { abc }", "query cop { abc", "query cop { abc(x: $y) }", "\\", "query cop @ { abc }"):
        refused = assets.ask(query).refused(status=400)
        assert {key for error in refused.errors for key in error} <= {"message", "locations", "extensions"}


WORDS = "asset nam directive ratin OKK DEGRADE skipp frst assetsAggregat".split()


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { WORD } }",
        "{ __schema { types { WORD } } }",
        "{ __schema { directives { WORD } } }",
        "query ($WORD: Int) { assets(first: $firstt) { totalCount } }",
        "query ($o: AssetOrderB = {WORD: ASC}) { assets(orderBy: $o) { totalCount } }",
        "query ($s: AssetStatus = WORD) { assets(where: {status: {eq: $s}}) { totalCount } }",
        "query ($w: AssetWhere = {WORD: {}}) { assets(where: $w) { totalCount } }",
        "{ __typename @skip(WORD: true) }",
        "{ ...WORD } fragment Asset on Query { __typename }",
        "fragment A on WORD { id } { node(id: 1) { ...A } }",
        "{ assetsAggregate(groupBy: [{WORD: VALUE}]) { count } }",
        "{ assetsAggregate(groupBy: [{day: WORD}]) { count } }",
        "{ assetsAggregate(having: {fields: {WORD: {}}}) { count } }",
        "{ assetsAggregate { fields { WORD { max } rating { WORD } } } }",
        "{ assetByKey(WORD: 1) { id } }",
        "mutation { createAsset(input: {name: 1, WORD: 2}) { asset { WORD } } }",
        "mutation { link(input: {WORD: 1}) { WORD } }",
        "{ assets { edges { WORD node { ... on WORD { id } } } pageInfo { WORD } } }",
    ],
)
def test_field_suggestions(assets: Tenant, query: str) -> None:
    for word in WORDS:
        assets.ask(query.replace("WORD", word)).refused(status=400)


def test_suggestions_for_values_of_variables(assets: Tenant) -> None:
    query = "query ($w: AssetWhere, $s: [AssetStatus!], $o: [AssetOrderBy!]) { assets(where: $w, orderBy: $o)" \
            " { totalCount } a: assets(where: {status: {in: $s}}) { totalCount } }"  # fmt: skip
    variables: list[dict[str, Any]] = [
        {"w": {"nam": {"eq": "a"}}}, {"w": {"name": {"eqq": "a"}}}, {"w": {"sensors": {"som": {}}}}, {"s": ["OKK"]},
        {"w": {"sensors": {"some": {"kinds": {}}}}}, {"w": {"status": {"in": ["DEGRADE"]}}}, {"o": [{"nam": "ASC"}]},
        {"o": [{"name": "AS"}]},
    ]  # fmt: skip
    for given in variables:
        assets.ask(query, given).refused(status=400)


def test_introspection_when_it_is_off(new_server: MakeServer) -> None:
    with new_server({"introspection": False, "console": False}) as server:
        tenant = server.organization()
        tenant.define({"typeName": "Secret", "fields": {"name": {"type": "string"}}})
        for query in (
            "{ __schema { types { name } } }", '{ __type(name: "Secret") { name } }', "{ a: __schema { __typename } }",
            "{ ...A } fragment A on Query { __schema { types { name } } }", "{ ... { __schema { types { name } } } }",
            '{ ... on Query { b: __type(name: "Secret") { fields { name } } } }',
            "query ($x: Boolean = true) { __schema @skip(if: $x) { types { name } } }",
        ):  # fmt: skip
            refused = tenant.ask(query).refused(status=400)
            assert b"Secret" not in refused.content.replace(b'"Secret"', b"")
            tenant.get({"query": query}).refused(status=400)
        for query in (
            "{ secre { id } }",
            "{ secrets { nodes { nam } } }",
            "mutation { createSecre(input: {}) { id } }",
        ):
            tenant.ask(query).refused(status=400)
        assert tenant.data("{ __typename secrets { __typename nodes { __typename } } }")["__typename"] == "Query"
        assert server.client.get("/graphql", headers={"accept": "text/html"}).status_code == 406
