"""Reading what happened: pages of events, each reader's own, that a subscription goes on from."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from http_server import Tenant, eventually
from websocket_client import opened

from fabric.database.db import Database
from fabric.events.event_pages import Sought, list_events
from fabric.events.log_pages import Slice
from fabric.identity.organizations import Directory
from fabric.identity.subject import Session

SECRET = "SECRET/ALPHA"
EVENTS = """query ($w: EventWhere, $f: Int, $a: String, $l: Int, $b: String) {
  events(where: $w, first: $f, after: $a, last: $l, before: $b) {
    nodes { topic entityId entityType label actor from to data transactionId occurredAt }
    edges { cursor node { id: entityId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
FOLLOWED = """subscription ($a: String, $t: [String!]) { events(after: $a, topics: $t) { kind event {
    topic entityId entityType label actor from to data transactionId occurredAt } } }"""
AS_OF = """query ($id: ID!, $p: String, $t: DateTime) {
  objectAsOf(id: $id, position: $p, time: $t) { objectId type label revision data createdAt updatedAt }
}"""
RANDOM = "0b0e7a52-6a4e-4b0e-9a53-0d6cf19cf7a4"


def create(tenant: Tenant, name: str, label: str = "UNCLASSIFIED", **data: Any) -> tuple[str, str]:
    """The asset's id, and the position of its making."""
    query = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } position } }"
    made = tenant.data(query, {"i": {"name": name, **data}}, label=label)["createAsset"]
    return made["asset"]["id"], made["position"]


def update(tenant: Tenant, id: str, label: str = "UNCLASSIFIED", **data: Any) -> str:
    query = "mutation ($id: ID!, $i: AssetUpdateInput!) { updateAsset(id: $id, input: $i) { position } }"
    return str(tenant.data(query, {"id": id, "i": data}, label=label)["updateAsset"]["position"])


def delete(tenant: Tenant, id: str, label: str = "UNCLASSIFIED") -> str:
    query = "mutation ($id: ID!) { deleteAsset(id: $id) { position } }"
    return str(tenant.data(query, {"id": id}, label=label)["deleteAsset"]["position"])


def settle(tenant: Tenant) -> None:
    """Waits until no transaction, of whomever, holds back what has been committed."""
    held_back = "select from fabric.events where transaction_id >= pg_snapshot_xmin(pg_current_snapshot()) limit 1"
    eventually(lambda: not tenant.server.sql(held_back))


def events(tenant: Tenant, label: str = "UNCLASSIFIED", **variables: Any) -> Any:
    settle(tenant)
    return tenant.data(EVENTS, variables, label=label)["events"]


@pytest.fixture
def six(assets: Tenant) -> list[str]:
    """The ids of six assets, made one after another; every second one is secret."""
    return [create(assets, f"a{i}", SECRET if i % 2 else "UNCLASSIFIED")[0] for i in range(6)]


OBJECTS = {"topics": ["object.*"]}


def test_events_come_in_commit_order_as_far_as_the_session_dominates_them(assets: Tenant, six: list[str]) -> None:
    assert [e["entityId"] for e in events(assets, SECRET, w=OBJECTS)["nodes"]] == six
    low = events(assets, w=OBJECTS)["nodes"]
    assert [e["entityId"] for e in low] == six[::2]
    assert {(e["topic"], e["entityType"], e["label"], e["actor"]) for e in low} == {
        ("object.created", "Asset", "UNCLASSIFIED", "ann")
    }
    assert low[0]["data"]["after"] == {"name": "a0"}
    assert len({e["transactionId"] for e in low}) == 3


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("backward", [False, True])
def test_pages_add_up_to_the_whole(assets: Tenant, six: list[str], size: int, *, backward: bool) -> None:
    found: list[str] = []
    cursor = None
    for _ in range(7):
        part = {"l": size, "b": cursor} if backward else {"f": size, "a": cursor}
        page = events(assets, SECRET, w=OBJECTS, **part)
        ids, info = [e["entityId"] for e in page["nodes"]], page["pageInfo"]
        assert [e["node"]["id"] for e in page["edges"]] == ids
        found = ids + found if backward else found + ids
        cursor = info["startCursor" if backward else "endCursor"]
        assert info["hasNextPage" if backward else "hasPreviousPage"] == (len(found) > len(ids))
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            break
    assert found == six


def test_the_last_are_the_newest_and_a_page_lies_between_its_cursors(assets: Tenant, six: list[str]) -> None:
    assert [e["entityId"] for e in events(assets, SECRET, w=OBJECTS, l=2)["nodes"]] == six[-2:]
    edges = events(assets, SECRET, w=OBJECTS)["edges"]
    between = events(assets, SECRET, w=OBJECTS, a=edges[0]["cursor"], b=edges[4]["cursor"])
    assert [e["entityId"] for e in between["nodes"]] == six[1:4]


def test_what_a_running_transaction_could_precede_comes_once_it_has_ended(assets: Tenant) -> None:
    """So nothing ever turns up before a cursor that was given."""
    create(assets, "first")
    cursor = events(assets, w=OBJECTS)["pageInfo"]["endCursor"]

    def listed() -> list[str]:
        return [e["entityId"] for e in assets.data(EVENTS, {"w": OBJECTS, "a": cursor})["events"]["nodes"]]

    async def while_one_runs() -> tuple[str, list[str]]:
        connection = await asyncpg.connect(assets.server.admin_url)
        try:
            async with connection.transaction():
                await connection.fetchval("select pg_current_xact_id()")
                made = await asyncio.to_thread(create, assets, "second")
                return made[0], await asyncio.to_thread(listed)
        finally:
            await connection.close()

    second, meanwhile = asyncio.run(while_one_runs())
    settle(assets)
    assert (meanwhile, listed()) == ([], [second])


def test_what_is_sought_is_found_and_nothing_else(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    link_id = assets.data(link, {"i": {"relation": "has_sensor", "from": asset, "to": sensor}})["link"]["linkId"]
    update(assets, asset, rating=2.5)

    def topics(**where: Any) -> list[str]:
        return [e["topic"] for e in events(assets, w=where)["nodes"]]

    assert topics(entityId=asset) == ["object.created", "object.updated"]
    assert topics(entityId=link_id) == topics(types=["has_sensor"]) == ["link.created"]
    assert topics(topics=["object.updated", "link.*"]) == ["link.created", "object.updated"]
    assert topics(topics=["object.updat"]) == topics(topics=[]) == topics(types=["Nothing"]) == []
    assert topics(types=["Sensor"]) == ["type.defined", "object.created"]
    assert topics(entityId=RANDOM) == topics(entityId="no id") == []
    everything = events(assets)["nodes"]
    last = everything[-1]["occurredAt"]
    assert [e["topic"] for e in events(assets, w={"since": last})["nodes"]] == ["object.updated"]
    assert events(assets, w={"until": last})["nodes"] == everything[:-1]


@pytest.fixture
def told(assets: Tenant, six: list[str]) -> Any:
    return events(assets, w=OBJECTS, f=1)


def test_a_subscription_goes_on_where_a_page_ends(assets: Tenant, six: list[str], told: Any) -> None:
    rest = events(assets, w=OBJECTS, a=told["pageInfo"]["endCursor"])["nodes"]
    with opened(assets.server) as socket:
        socket.initialise(assets.authorization())
        socket.subscribe(FOLLOWED, variables={"a": told["pageInfo"]["endCursor"], "t": ["object.*"]})
        assert socket.receive()["payload"]["data"]["events"]["kind"] == "READY"
        followed = [socket.receive()["payload"]["data"]["events"]["event"] for _ in rest]
    assert followed == rest
    assert len(rest) == 2


def test_a_page_goes_on_where_a_subscription_was(assets: Tenant) -> None:
    with opened(assets.server) as socket:
        socket.initialise(assets.authorization())
        socket.subscribe("subscription { events { cursor } }")
        ready = socket.receive()["payload"]["data"]["events"]["cursor"]
    id, _ = create(assets, "later")
    assert [e["entityId"] for e in events(assets, a=ready)["nodes"]] == [id]


@pytest.mark.parametrize("name", ["\0", "object.created\0", "\0*", "", "*\0", "\U0010ffff", "x" * 100_000])
def test_a_name_that_nothing_can_have_finds_nothing(assets: Tenant, pair: tuple[str, str], name: str) -> None:
    for where in ({"topics": [name]}, {"types": [name]}):
        assert events(assets, w=where)["nodes"] == []
    links = "query ($r: [String!]) { links(where: {relations: $r}) { totalCount nodes { id } } }"
    assert assets.data(links, {"r": [name]})["links"] == {"totalCount": 0, "nodes": []}


def test_a_cursor_of_elsewhere_is_refused(
    assets: Tenant, other_organization: Tenant, six: list[str], told: Any
) -> None:
    cursor = told["pageInfo"]["endCursor"]
    for name in ("a", "b"):
        path = {"a": ["after"], "b": ["before"]}[name]
        assets.ask(EVENTS, {name: cursor}, label=SECRET).refused(path=path)
        other_organization.ask(EVENTS, {name: cursor}).refused(path=path)
        assets.ask(EVENTS, {name: cursor[:-2]}).refused(path=path)
        assets.ask(EVENTS, {name: "ü"}).refused(path=path)


@pytest.mark.parametrize(
    ("given", "path"),
    [({"f": -1}, ["first"]), ({"l": -1}, ["last"]), ({"f": 10**6}, ["first"]), ({"f": 1, "l": 1}, None)],
)
def test_a_page_that_cannot_be_is_refused(assets: Tenant, given: dict[str, int], path: list[str] | None) -> None:
    assets.ask(EVENTS, given).refused(path=path)


def test_events_need_the_permissions_to_read_what_they_tell(assets: Tenant) -> None:
    assets.ask(EVENTS, roles=["objects_only"]).refused("FORBIDDEN")
    assets.ask(AS_OF, {"id": RANDOM, "t": "2024-01-01T00:00:00Z"}, roles=["clerk"]).refused("FORBIDDEN")


def test_events_stand_beside_compiled_fields(assets: Tenant) -> None:
    create(assets, "one")
    settle(assets)
    data = assets.data('{ assets { nodes { name } } e: events(where: {topics: "object.*"}) { nodes { t: topic } } }')
    assert data == {"assets": {"nodes": [{"name": "one"}]}, "e": {"nodes": [{"t": "object.created"}]}}


# Objects as they were


def test_an_object_as_of_a_position_is_what_there_was(assets: Tenant) -> None:
    id, made = create(assets, "pump", rating=1.5)
    above = update(assets, id, SECRET, rating=9.5)
    below = update(assets, id, rating=2.5)
    gone = delete(assets, id)

    def rating(position: str, label: str = "UNCLASSIFIED") -> Any:
        state = assets.data(AS_OF, {"id": id, "p": position}, label=label)["objectAsOf"]
        return state and (state["type"], state["label"], state["data"]["rating"])

    assert [rating(p) for p in (made, above, below, gone)] == [
        *[("Asset", "UNCLASSIFIED", each) for each in (1.5, 1.5, 2.5)], None
    ]  # fmt: skip
    assert rating(made, SECRET) == ("Asset", "UNCLASSIFIED", 1.5)
    assert {rating(p, SECRET) for p in (above, below, gone)} == {("Asset", SECRET, 9.5)}


def test_what_was_hidden_then_answers_like_what_never_was(assets: Tenant) -> None:
    id, position = create(assets, "hidden", SECRET)
    for when in ({"p": position}, {"t": "2100-01-01T00:00:00Z"}):
        hidden, unknown, none = (assets.ask(AS_OF, {"id": each, **when}) for each in (id, RANDOM, "no id"))
        assert hidden.plain == unknown.plain == none.plain
    assert assets.data(AS_OF, {"id": id, "t": "2100-01-01T00:00:00Z"}, label=SECRET)["objectAsOf"]["objectId"] == id


def test_when_is_said_once_and_by_a_position_of_here(assets: Tenant, other_organization: Tenant) -> None:
    id, position = create(assets, "pump")
    assets.ask(AS_OF, {"id": id}).refused()
    assets.ask(AS_OF, {"id": id, "p": position, "t": "2100-01-01T00:00:00Z"}).refused()
    assets.ask(AS_OF, {"id": id, "p": "x"}).refused(path=["position"])
    other_organization.ask(AS_OF, {"id": id, "p": position}).refused(path=["position"])


def test_a_list_that_begins_at_some_time_does_not_look_at_all_that_was_before(assets: Tenant) -> None:
    server = assets.server
    server.sql(
        """insert into fabric.events
               (organization_id, label, topic, entity_table, entity_type, actor, data, occurred_at)
           select organization_id, 0, 'tick', 'events', 'Tick', 'clock', '{}', now() - i * interval '1 minute'
           from fabric.organizations, generate_series(0, 50000) i where name = $1""",
        assets.name,
    )
    server.sql("analyze fabric.events")

    async def scans() -> tuple[int, int]:
        async with await Database.connect(server.database_url, size=1) as database:
            found = await Directory(database).find(assets.name)
            assert found is not None
            async with database.transaction(Session(found.organization_id, 0)) as transaction:
                since = datetime.now(UTC) - timedelta(minutes=10, seconds=30)
                page = await list_events(transaction, Sought(topics=["tick"], since=since), Slice(100))
                index = "select pg_stat_get_xact_numscans('fabric.events_by_time'::regclass)"
                return len(page.events), await transaction.fetchval(index)

    settle(assets)
    assert asyncio.run(scans()) == (11, 1)
