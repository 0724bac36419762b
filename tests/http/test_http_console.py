"""GraphiQL for browsers: the page and its files, and that programs do not notice."""

import re

import httpx
import pytest
from http_server import MakeServer, Server, Tenant

from graphql_api import graphiql

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def page(server: Server) -> httpx.Response:
    return server.client.get("/graphql", headers={"accept": BROWSER})


def test_a_browser_gets_the_console_without_a_token(page: httpx.Response) -> None:
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_all_of_the_console_comes_from_this_server(server: Server, page: httpx.Response) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    files = [address for address in addresses if address != "data:,"]
    assert len(files) == 6
    for address in files:
        assert address.startswith(f"{graphiql.PATH}/")
        answer = server.client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_may_load_and_reach_nothing_else(page: httpx.Response) -> None:
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"<script>|\son\w+=", page.text)  # such a policy would not run it


def test_nothing_is_kept_in_the_browser() -> None:
    start = (graphiql.ASSETS / "start.js").read_text()
    assert "shouldPersistHeaders: false,\n    storage," in start
    assert "localStorage" not in start
    assert "sessionStorage" not in start


def test_the_console_can_be_switched_off(new_server: MakeServer) -> None:
    with new_server({"console": False}) as server:
        assert server.client.get("/graphql", headers={"accept": "text/html"}).status_code == 406
        assert server.client.get(f"{graphiql.PATH}/start.js").status_code == 404


@pytest.mark.parametrize("path", ["../__init__.py", "%2e%2e/__init__.py", "nothing.js", "..%2f..%2fhttp.py", ""])
def test_nothing_beside_the_files_is_served(server: Server, path: str) -> None:
    assert server.client.get(f"{graphiql.PATH}/{path}").status_code == 404


def test_programs_do_not_notice(organization: Tenant) -> None:
    assert organization.get({"query": "{ __typename }"}).data == {"__typename": "Query"}
    assert organization.get({"query": "{ __typename }"}, {"accept": "*/*"}).data
    assert organization.post(b'{"query":"{ __typename }"}', {"accept": BROWSER}).data
