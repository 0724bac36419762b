"""GraphQL over HTTP: methods, media types, statuses, headers; and that docs/errors.md says what is so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_server import GRAPHQL, Answer, Server, Tenant, answer

from fabric import errors
from fabric.errors import FabricError
from graphql_api.http.http_messages import STATUSES

JSON = "application/json"
QUERY = b'{"query":"{ __typename }"}'
DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def media_type(answer: Answer) -> str:
    return answer.headers["content-type"].partition(";")[0]


# Methods


def test_a_query_comes_by_post_or_get(organization: Tenant) -> None:
    assert organization.post(QUERY).data == {"__typename": "Query"}
    assert organization.get({"query": "{ __typename }"}).data == {"__typename": "Query"}


def test_get_takes_variables_and_an_operation_name(assets: Tenant) -> None:
    query = "query A($w: AssetWhere) { assets(where: $w) { totalCount } } query B { __typename }"
    parameters = {"query": query, "operationName": "A", "variables": '{"w":{"name":{"eq":"x"}}}'}
    assert assets.get(parameters).data == {"assets": {"totalCount": 0}}
    assert assets.get({"query": query, "operationName": "B", "variables": "", "extensions": "{}"}).data


@pytest.mark.parametrize(
    "parameters",
    [
        {}, {"query": ""}, {"variables": "{}"}, {"query": "{ __typename }", "variables": "{"},
        {"query": "{ __typename }", "variables": "[]"}, {"query": "{ __typename }", "variables": '"x"'},
        {"query": "{ __typename }", "extensions": "x"}, {"query": "{ __typename }", "operationName": "A"},
        {"query": "{"},
    ],
)  # fmt: skip
def test_get_is_checked_as_post_is(organization: Tenant, parameters: dict[str, str]) -> None:
    organization.get(parameters).refused(status=400)


CREATE = 'mutation { createAsset(input: {name: "a"}) { changed } }'
COUNT = "{ assets { totalCount } }"


def test_get_does_not_mutate(assets: Tenant) -> None:
    refused = assets.get({"query": CREATE}).refused(status=405)
    assert refused.headers["allow"] == "POST"
    both = {"query": f"query A {COUNT} {CREATE.replace('mutation', 'mutation B')}"}
    assets.get({**both, "operationName": "B"}).refused(status=405)
    assert assets.get({**both, "operationName": "A"}).data == {"assets": {"totalCount": 0}}


def test_head_answers_as_get_without_a_body_and_does_not_mutate(assets: Tenant) -> None:
    client, headers = assets.server.client, assets.authorization()
    asked = client.head("/graphql", params={"query": COUNT}, headers=headers)
    assert (asked.status_code, asked.content) == (200, b"")
    assert client.head("/graphql", params={"query": CREATE}, headers=headers).status_code == 405
    body = b'{"query":"mutation { createAsset(input: {name: \\"a\\"}) { changed } }"}'
    assert assets.post(body, method="HEAD").status == 400
    assert assets.data(COUNT) == {"assets": {"totalCount": 0}}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_allowed(assets: Tenant, method: str) -> None:
    refused = assets.post(b'{"query":"mutation { createAsset(input: {name: \\"a\\"}) { changed } }"}', method=method)
    refused.refused(status=405)
    assert {m.strip() for m in refused.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}
    assert assets.data(COUNT) == {"assets": {"totalCount": 0}}


@pytest.mark.parametrize("path", ["/", "/graphql/", "/graphql/x", "/graphql.json", "/nope", "/%00", "/..%2fgraphql"])
def test_nothing_is_at_other_addresses(server: Server, path: str) -> None:
    found = answer(lambda: server.client.post(path, content=QUERY))
    assert (found.status, found.code) == (404, "NOT_FOUND")


# Media types


@pytest.mark.parametrize(
    "content_type",
    [
        "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql",
        "application/jsonp", "text/json", "application/json; charset=utf-16", "application/json; charset=iso-8859-1",
        "application/graphql-response+json", "json", ";", "application/json, text/plain",
    ],
)  # fmt: skip
def test_a_body_that_is_not_json_by_its_type_is_refused(assets: Tenant, content_type: str) -> None:
    """Types that a foreign page's form may send are among them, so that none can mutate."""
    body = b'{"query":"mutation { createAsset(input: {name: \\"a\\"}) { changed } }"}'
    assets.post(body, {"content-type": content_type}).refused(status=415)
    assert assets.data(COUNT) == {"assets": {"totalCount": 0}}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json", "APPLICATION/JSON", "application/json;charset=utf-8", 'application/json; Charset="UTF-8"',
        "application/json; charset=utf-8; x=y", "application/json; x=y", "application/json;",
    ],
)  # fmt: skip
def test_json_is_taken_however_its_type_is_written(organization: Tenant, content_type: str) -> None:
    assert organization.post(QUERY, {"content-type": content_type}).data == {"__typename": "Query"}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", JSON), ("*/*", JSON), ("application/*", JSON), (JSON, JSON), (GRAPHQL, GRAPHQL),
        (GRAPHQL.upper(), GRAPHQL),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL), (f"{JSON};q=0.1, {GRAPHQL};q=0.05", JSON), (f"{JSON}, {GRAPHQL}", JSON),
        (f"text/html, {GRAPHQL};q=0.1", GRAPHQL), ("text/html, */*;q=0.1", JSON), (f"{JSON}; charset=utf-8", JSON),
        (f"{GRAPHQL}; charset=utf-8", GRAPHQL), (f"{GRAPHQL};q=1, */*;q=0.5", GRAPHQL),
    ],
)  # fmt: skip
def test_the_answer_is_of_the_type_asked_for(organization: Tenant, accept: str, expected: str) -> None:
    found = organization.post(QUERY, {"accept": accept})
    assert found.data == {"__typename": "Query"}
    assert media_type(found) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html", "text/*", "image/png, text/plain", "q", ";;;", "," * 1_000, f"{JSON};q=0", "*/*;q=0",
        f"{GRAPHQL};q=nan", f"{GRAPHQL};q=x", f"{GRAPHQL};q=-1", "a/" + "b" * 50_000,
    ],
)  # fmt: skip
def test_what_cannot_be_answered_in_is_refused(organization: Tenant, accept: str) -> None:
    organization.post(QUERY, {"accept": accept}).refused(status=406)


def test_without_an_accept_header_json_is_answered(organization: Tenant) -> None:
    request = organization.server.client.build_request(
        "POST", "/graphql", content=QUERY, headers={"content-type": JSON} | organization.authorization()
    )
    del request.headers["accept"]
    assert media_type(answer(lambda: organization.server.client.send(request))) == JSON


# Statuses


STARTED = "query { assets { totalCount } }"


@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
def test_the_status_says_whether_an_operation_began(assets: Tenant, accept: str) -> None:
    def status(content: bytes) -> int:
        return assets.post(content, {"accept": accept}).status

    refused = 400 if accept == GRAPHQL else 200
    assert status(QUERY) == 200
    assert status(b'{"query":"{ nope }"}') == refused
    assert status(b'{"query":"{"}') == refused
    assert status(b'{"query":"query A { __typename }","operationName":"B"}') == refused
    assert status(b'{"query":"query ($i: Int!) { assets(first: $i) { totalCount } }"}') == refused
    assert status(b'{"query":"{ assets(first: -1) { totalCount } }"}') == refused
    assert status(b'{"query":"{ ' + b"__typename " * 10_000 + b'}"}') == refused
    assert status(b'{"query":"mutation { retireType(typeName: \\"Nope\\") { typeName } }"}') == 200
    assert status(b"x") == status(b"{}") == status(b"[]") == 400


@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
def test_a_bad_session_label_is_a_bad_request(organization: Tenant, accept: str) -> None:
    for label in ("", "HIGH", "SECRET", "UNCLASSIFIED/", "UNCLASSIFIED/ALPHA", "UNCLASSIFIED/NOWHERE", "A" * 5_000):
        refused = organization.post(QUERY, {"accept": accept, "fabric-session-label": label})
        refused.refused(status=400, path=["Fabric-Session-Label"])


def test_two_session_labels_are_refused(organization: Tenant) -> None:
    headers = [("content-type", JSON), *organization.authorization(label="SECRET").items()]
    headers += [("fabric-session-label", "UNCLASSIFIED"), ("fabric-session-label", "SECRET")]
    client = organization.server.client
    answer(lambda: client.post("/graphql", content=QUERY, headers=headers)).refused(status=400)


@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic YTpi", "bearer a.b.c", "Bearer " + "a" * 9_000, "Bearer é"]
)
def test_without_a_token_nothing_is_read(organization: Tenant, accept: str, authorization: str) -> None:
    """Not even what would be refused anyway: who is not known learns nothing of a body."""
    for content in (QUERY, b"x", b'{"query":"{ nope }"}', b" " * 2_000_000):
        refused = organization.post(content, {"authorization": authorization.encode(), "accept": accept})  # type: ignore[dict-item]
        refused.refused("UNAUTHENTICATED", status=401)
        assert refused.headers["www-authenticate"] == "Bearer"


def test_an_unknown_organization_and_an_unknown_compartment_look_alike(organization: Tenant) -> None:
    nobody = Tenant(organization.server, "no-such-organization").ask("{ __typename }")
    beyond = organization.ask("{ __typename }", label="SECRET/NOWHERE")
    assert nobody.refused("UNAUTHENTICATED", status=401).content == beyond.content


def test_a_token_of_one_organization_is_none_of_another(organization: Tenant, other_organization: Tenant) -> None:
    viewer = "{ viewer { organization } }"
    assert organization.data(viewer) == {"viewer": {"organization": organization.name}}
    assert other_organization.data(viewer) == {"viewer": {"organization": other_organization.name}}


# Headers


def test_no_answer_is_kept_by_a_cache(organization: Tenant) -> None:
    for found in (organization.post(QUERY), organization.get({"query": "{ __typename }"}), organization.post(b"x")):
        assert found.headers["cache-control"] == "no-store"


def test_the_request_id_is_the_callers_if_it_is_fit(organization: Tenant) -> None:
    def told(id: str) -> str:
        return organization.post(QUERY, {"x-request-id": id}).headers["x-request-id"]

    assert told("trace-1") == "trace-1"
    assert len({told(""), told("a b"), told("x" * 1_000), told('"}')} & {"", "a b", "x" * 1_000, '"}'}) == 0


# Shape of the answer


def test_the_order_of_keys_is_that_of_the_selection(assets: Tenant) -> None:
    assets.data(CREATE)
    found = assets.ask(
        "{ z: viewer { subject } assets { totalCount nodes { rating name id } } __typename b: typeDefinitions { label }"
        " a: sensors { totalCount } viewer { sessionLabel organization } }"
    )
    assert list(found.data) == ["z", "assets", "__typename", "b", "a", "viewer"]
    assert list(found.data["assets"]) == ["totalCount", "nodes"]
    assert list(found.data["assets"]["nodes"][0]) == ["rating", "name", "id"]
    assert list(found.data["viewer"]) == ["sessionLabel", "organization"]


def test_one_of_several_operations_runs(assets: Tenant) -> None:
    document = f"query A {COUNT} {CREATE.replace('mutation', 'mutation B')} query C {{ __typename }}"
    assert assets.data(document, operation="A") == {"assets": {"totalCount": 0}}
    assert assets.data(document, operation="B") == {"createAsset": {"changed": True}}
    assert assets.data(document, operation="A") == {"assets": {"totalCount": 1}}
    assert assets.data(document, operation="C") == {"__typename": "Query"}
    assets.ask(document).refused(status=400)
    assets.ask(document, operation="D").refused(status=400)


def test_an_empty_selection_gives_an_empty_object(assets: Tenant) -> None:
    assert assets.data("{ assets { pageInfo { } } viewer { } }") == {"assets": {"pageInfo": {}}, "viewer": {}}
    assert assets.data("{ }") == {}


def test_typename_needs_no_permission(organization: Tenant) -> None:
    assert organization.data("{ __typename viewer { roles } }", roles=()) == {
        "__typename": "Query",
        "viewer": {"roles": []},
    }


# The document on errors


def code_classes() -> Iterator[type[FabricError]]:
    pending: list[type[FabricError]] = [errors.FabricError]
    while pending:
        each = pending.pop()
        pending += each.__subclasses__()
        yield each


def documented() -> dict[str, int]:
    """Codes with the statuses that the document's table gives."""
    rows = re.findall(r"(?m)^\| \[`([A-Z_]+)`\]\(#[a-z_]+\) \| .* \| (\d+) \|$", DOCUMENT.read_text("utf-8"))
    return {code: int(status) for code, status in rows}


def test_the_document_has_every_code_and_no_other() -> None:
    assert set(documented()) == {each.code for each in code_classes()}


def test_every_code_has_a_section_with_an_example() -> None:
    sections = dict(re.findall(r"(?ms)^## ([A-Z_]+)\n(.*?)(?=^## |\Z)", DOCUMENT.read_text("utf-8")))
    assert sections.keys() == documented().keys()
    for code, text in sections.items():
        assert f'"code": "{code}"' in text


def test_the_document_tells_the_statuses() -> None:
    given: dict[Any, int] = {kind.code: status for kind, status in STATUSES.items()}
    assert documented() == {code: given.get(code, 400) for code in documented()}
