"""Reading one's own writes: by a header, by an extension of the request, by an argument."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import asyncpg
import orjson
import pytest
from http_server import TYPES, Answer, MakeServer, Tenant, eventually
from websocket_client import opened

HEADER = "fabric-at-least"
EVENTS = '{ events(where: {topics: ["object.created"]}) { nodes { entityId } } }'
COMPONENT = "query ($of: ID!) { connectedComponent(of: $of) { size } }"
CREATE = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } position } }"
PLACES: list[tuple[str, list[str]]] = [("header", ["Fabric-At-Least"]), ("extension", ["extensions", "atLeast"])]


def create(tenant: Tenant, name: str = "pump") -> tuple[str, str]:
    made = tenant.data(CREATE, {"i": {"name": name}})["createAsset"]
    return made["asset"]["id"], made["position"]


def ask(
    tenant: Tenant, place: str, token: Any, query: str, variables: Mapping[str, Any] | None = None, **headers: str
) -> Answer:
    content: dict[str, Any] = {"query": query, "variables": variables}
    if place == "header":
        return tenant.post(orjson.dumps(content), headers | {HEADER: token})
    return tenant.post(orjson.dumps(content | {"extensions": {"atLeast": token}}), headers)


@contextmanager
def held_back(tenant: Tenant) -> Iterator[Callable[[], None]]:
    """A transaction that could precede what is written meanwhile; it ends with the block, or when that is called."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(tenant.server.admin_url))
        try:
            runner.run(connection.execute("begin; select pg_current_xact_id()"))
            yield lambda: runner.run(connection.execute("rollback"))
        finally:
            runner.run(connection.close())


@contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Does the work in a thread; what it gives is there after the block."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    yield found
    thread.join(10)
    assert found


@pytest.mark.parametrize("place", ["header", "extension"])
def test_events_wait_for_what_is_held_back(assets: Tenant, place: str) -> None:
    with held_back(assets) as let_go:
        id, position = create(assets)
        assert assets.data(EVENTS)["events"]["nodes"] == []
        with meanwhile(lambda: ask(assets, place, position, EVENTS).data["events"]["nodes"]) as found:
            time.sleep(0.3)
            assert found == []
            let_go()
    assert found == [[{"entityId": id}]]


@pytest.mark.parametrize("place", ["header", "extension"])
def test_a_walk_waits_for_the_graph(assets: Tenant, pair: tuple[str, str], place: str) -> None:
    assert assets.data(COMPONENT, {"of": pair[0]})["connectedComponent"]["size"] == 1
    query = "mutation ($i: LinkInput!) { link(input: $i) { position } }"
    with held_back(assets) as let_go:
        input = {"relation": "has_sensor", "from": pair[0], "to": pair[1]}
        position = assets.data(query, {"i": input})["link"]["position"]
        with meanwhile(lambda: ask(assets, place, position, COMPONENT, {"of": pair[0]}).data) as found:
            time.sleep(0.3)
            assert found == []
            let_go()
    assert found == [{"connectedComponent": {"size": 2}}]


def test_an_operation_over_a_websocket_waits_too(assets: Tenant) -> None:
    id, position = create(assets)
    with opened(assets.server) as socket:
        socket.initialise(assets.authorization())
        socket.subscribe(EVENTS, extensions={"atLeast": position})
        assert socket.results() == [{"data": {"events": {"nodes": [{"entityId": id}]}}}]


def test_what_the_database_has_is_not_waited_for(assets: Tenant) -> None:
    with held_back(assets):
        id, position = create(assets)
        answer = ask(assets, "header", position, "query ($id: ID!) { asset(id: $id) { id } }", {"id": id})
        assert answer.data["asset"]["id"] == id


@pytest.mark.parametrize(("place", "path"), PLACES)
@pytest.mark.parametrize("kind", ["nonsense", "empty", "foreign", "cursor"])
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
def test_what_is_no_position_of_the_organization_is_refused(
    assets: Tenant, other_organization: Tenant, place: str, path: list[str], kind: str, accept: str
) -> None:
    other_organization.define(*TYPES)
    create(assets)
    cursor = assets.data("{ events { pageInfo { endCursor } } }")["events"]["pageInfo"]["endCursor"] or "x"
    token = {"nonsense": "x", "empty": "", "foreign": create(other_organization)[1], "cursor": cursor}[kind]
    answer = ask(assets, place, token, "{ viewer { subject } }", accept=accept)
    assert answer.status == 400
    assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": path}
    with opened(assets.server) as socket:
        socket.initialise(assets.authorization())
        socket.subscribe(EVENTS, extensions={"atLeast": token})
        assert socket.error()["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": ["extensions", "atLeast"]}


@pytest.mark.parametrize("token", [1, ["x"], {}])
def test_a_position_is_a_text(assets: Tenant, token: Any) -> None:
    answer = ask(assets, "extension", token, "{ viewer { subject } }")
    assert (answer.status, answer.error["extensions"]["inputPath"]) == (400, ["extensions", "atLeast"])


def test_all_positions_are_waited_for(assets: Tenant) -> None:
    first, early = create(assets)
    second, late = create(assets, "valve")
    for header, extension in ((early, late), (late, early)):
        content = orjson.dumps({"query": EVENTS, "extensions": {"atLeast": extension}})
        nodes = assets.post(content, {HEADER: header}).data["events"]["nodes"]
        assert [node["entityId"] for node in nodes] == [first, second]


def test_waiting_ends(new_server: MakeServer) -> None:
    with new_server({"graph_timeout_seconds": 0.5}) as server:
        tenant = server.organization()
        tenant.define(*TYPES)
        asset = create(tenant)[0]
        eventually(lambda: "errors" not in tenant.ask(COMPONENT, {"of": asset}).body)  # once the graph is loaded
        with held_back(tenant):
            _, position = create(tenant, "valve")
            assert ask(tenant, "header", position, EVENTS).codes == {"TIMEOUT"}
            assert ask(tenant, "extension", position, COMPONENT, {"of": asset}).codes == {"TIMEOUT"}
        eventually(lambda: "errors" not in ask(tenant, "header", position, COMPONENT, {"of": asset}).body)
