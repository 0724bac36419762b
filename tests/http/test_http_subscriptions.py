"""Following links, events and changes over a WebSocket: everything that a reader sees, once, and nothing else."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from http_server import Tenant
from websocket_client import Socket, opened

LINKS = """subscription (
  $after: String, $relations: [String!], $types: [String!], $id: ID, $way: LinkDirection! = BOTH
) {
  linkEvents(after: $after, relations: $relations, types: $types, objectId: $id, direction: $way) {
    kind cursor topic label transactionId link { id relation from to weight properties revision }
    source { id ... on Asset { name } } target { id }
  }
}"""
EVENTS = """subscription ($after: String, $topics: [String!], $types: [String!]) {
  events(after: $after, topics: $topics, types: $types) {
    kind cursor event { topic entityId entityType label actor from to data transactionId occurredAt }
  }
}"""
CHANGES = """subscription ($after: String, $type: String!, $where: JSON) {
  changes(after: $after, type: $type, where: $where) {
    kind cursor topic objectId label node { id ... on Asset { name rating } }
  }
}"""
CREATE = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } position } }"
UPDATE = "mutation ($id: ID!, $i: AssetUpdateInput!) { updateAsset(id: $id, input: $i) { changed } }"
DELETE = "mutation ($id: ID!) { deleteAsset(id: $id) { deletedId } }"
LINK = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
UNLINK = "mutation ($id: ID!) { unlink(id: $id) { linkId } }"
EVENT = "mutation ($i: AppendEventInput!) { appendEvent(input: $i) { topic position } }"


class Following:
    """One subscription over a connection of its own; READY has come."""

    def __init__(self, socket: Socket, query: str, variables: dict[str, Any]) -> None:
        self._socket = socket
        self.field = next(f for f in ("linkEvents", "events", "changes") if f in query)
        socket.subscribe(query, variables=variables)
        self.ready = self.next()
        assert self.ready["kind"] == "READY"
        self.cursor = self.ready["cursor"]

    def next(self) -> Any:
        message = self._socket.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        notice = message["payload"]["data"][self.field]
        self.cursor = notice["cursor"]
        return notice

    def some(self, number: int) -> list[Any]:
        return [self.next() for _ in range(number)]


@contextmanager
def following(
    tenant: Tenant, query: str, label: str = "UNCLASSIFIED", roles: Sequence[str] = ("admin",), **variables: Any
) -> Iterator[Following]:
    tenant.server.settle()
    with opened(tenant.server) as socket:
        socket.initialise(tenant.authorization(label, roles))
        yield Following(socket, query, variables)


def refusal(
    tenant: Tenant, query: str, label: str = "UNCLASSIFIED", roles: Sequence[str] = ("admin",), **variables: Any
) -> Any:
    with opened(tenant.server) as socket:
        socket.initialise(tenant.authorization(label, roles))
        socket.subscribe(query, variables=variables)
        return socket.error()


def create(tenant: Tenant, name: str, label: str = "UNCLASSIFIED", **data: Any) -> str:
    made = tenant.data(CREATE, {"i": {"name": name, **data}}, label=label)
    return str(made["createAsset"]["asset"]["id"])


def create_sensor(tenant: Tenant, name: str, label: str = "UNCLASSIFIED") -> str:
    query = "mutation ($n: String!) { createSensor(input: {name: $n}) { sensor { id } } }"
    return str(tenant.data(query, {"n": name}, label=label)["createSensor"]["sensor"]["id"])


def link(tenant: Tenant, asset: str, sensor: str, label: str = "UNCLASSIFIED", **values: Any) -> str:
    wanted = {"relation": "has_sensor", "from": asset, "to": sensor, **values}
    return str(tenant.data(LINK, {"i": wanted}, label=label)["link"]["linkId"])


# Links


def test_links_are_told_as_they_come_change_and_go(assets: Tenant, pair: tuple[str, str]) -> None:
    with following(assets, LINKS) as links:
        id = link(assets, *pair, weight=1.5, properties={"note": "x", "channel": 3})
        came = links.next()
        assert (came["kind"], came["topic"], came["label"]) == ("APPEARED", "link.created", "UNCLASSIFIED")
        assert came["link"] == {
            "id": id, "relation": "has_sensor", "from": pair[0], "to": pair[1], "weight": 1.5,
            "properties": {"note": "x", "channel": 3}, "revision": 1,
        }  # fmt: skip
        assert came["source"] == {"id": pair[0], "name": "pump"}
        assets.data("mutation ($id: ID!) { updateLink(id: $id, input: {weight: 2}) { changed } }", {"id": id})
        changed = links.next()
        assert (changed["kind"], changed["topic"], changed["link"]["weight"]) == ("CHANGED", "link.updated", 2.0)
        assets.data(UNLINK, {"id": id})
        gone = links.next()
        assert (gone["kind"], gone["topic"], gone["link"]["id"]) == ("WITHDRAWN", "link.deleted", id)


def test_who_comes_back_with_a_cursor_misses_nothing(assets: Tenant, pair: tuple[str, str]) -> None:
    with following(assets, LINKS) as links:
        link(assets, *pair, key="1")
        links.next()
        cursor = links.cursor
    ids = [link(assets, *pair, key=str(n)) for n in range(2, 8)]
    with following(assets, LINKS, after=cursor) as links:
        assert [n["link"]["id"] for n in links.some(6)] == ids
        ids.append(link(assets, *pair, key="9"))
        assert links.next()["link"]["id"] == ids[-1]
    with following(assets, LINKS, after=links.ready["cursor"]) as links:
        assert [n["link"]["id"] for n in links.some(7)] == ids


def test_only_links_that_are_asked_for_are_told(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    other, plant = create(assets, "other"), assets.data("mutation { createPlant(input: {}) { plant { id } } }")
    plant = plant["createPlant"]["plant"]["id"]
    with (
        following(assets, LINKS, relations=["contains"]) as by_relation,
        following(assets, LINKS, types=["Plant"]) as by_type,
        following(assets, LINKS, id=other) as by_object,
        following(assets, LINKS, id=asset, way="IN") as into,
        following(assets, LINKS, id=asset, way="OUT") as out,
        following(assets, LINKS, relations=["nothing"], types=["Nobody"]) as none,
    ):
        first = link(assets, asset, sensor)
        second = str(assets.data(LINK, {"i": {"relation": "contains", "from": plant, "to": asset}})["link"]["linkId"])
        third = link(assets, other, sensor)
        assert by_relation.next()["link"]["id"] == by_type.next()["link"]["id"] == into.next()["link"]["id"] == second
        assert by_object.next()["link"]["id"] == third
        assert out.next()["link"]["id"] == first
        none._socket.send(type="ping")
        assert none._socket.connection.recv(5) == '{"type":"pong"}'


@pytest.mark.parametrize("written", [str.upper, lambda id: id.replace("-", ""), lambda id: f"{{{id}}}"])
def test_an_object_is_followed_however_its_id_is_written(
    assets: Tenant, pair: tuple[str, str], written: Callable[[str], str]
) -> None:
    with following(assets, LINKS, id=written(pair[0])) as links:
        id = link(assets, *pair)
        assert links.next()["link"]["id"] == id


def test_what_is_no_id_cannot_be_followed(assets: Tenant) -> None:
    error = refusal(assets, LINKS, id="pump")
    assert error["extensions"] == {"code": "NOT_FOUND", "inputPath": ["objectId"]}


def test_deletion_of_an_object_withdraws_its_links(assets: Tenant, pair: tuple[str, str]) -> None:
    id = link(assets, *pair)
    with following(assets, LINKS) as links:
        assets.data(DELETE, {"id": pair[0]})
        gone = links.next()
        assert (gone["kind"], gone["link"]["id"], gone["source"]) == ("WITHDRAWN", id, None)


def test_a_link_above_goes_with_an_object_below(assets: Tenant, pair: tuple[str, str]) -> None:
    """Who deletes the object knows nothing of the link; who saw the link is told all the same, and of its return."""
    id = link(assets, *pair, label="SECRET")
    with following(assets, LINKS, "SECRET") as links:
        assets.data("mutation ($id: ID!) { deleteSensor(id: $id) { deletedId } }", {"id": pair[1]})
        gone = links.next()
        assert (gone["kind"], gone["topic"], gone["link"]["id"]) == ("WITHDRAWN", "object.deleted", id)
        create_sensor(assets, "dial")
        back = links.next()
        assert (back["kind"], back["topic"], back["link"]["id"]) == ("APPEARED", "object.created", id)


def test_a_link_that_is_triggered_is_told(assets: Tenant, pair: tuple[str, str]) -> None:
    id = link(assets, *pair)
    hidden = link(assets, *pair, key="2", label="SECRET")
    with following(assets, LINKS) as links, following(assets, LINKS, "SECRET") as above:
        assets.data(EVENT, {"i": {"topic": "link.triggered", "linkId": hidden}}, label="SECRET")
        assets.data(EVENT, {"i": {"topic": "link.triggered", "linkId": id}})
        told = links.next()
        assert (told["kind"], told["topic"], told["link"]["id"]) == ("TRIGGERED", "link.triggered", id)
        assert [n["link"]["id"] for n in above.some(2)] == [hidden, id]
    for unseen in (hidden, "0b0e7a52-6a4e-4b0e-9a53-0d6cf19cf7a4"):
        answer = assets.ask(EVENT, {"i": {"topic": "link.triggered", "linkId": unseen}})
        answer.refused("NOT_FOUND", path=["input", "linkId"])


# What is hidden


def test_nothing_above_a_session_is_told_to_it(assets: Tenant, pair: tuple[str, str]) -> None:
    """The notices that come in the end are the first after READY: nothing came before them."""
    asset, sensor = pair
    with (
        following(assets, LINKS) as links,
        following(assets, EVENTS) as events,
        following(assets, CHANGES, type="Asset") as changes,
    ):
        link(assets, asset, sensor, label="SECRET/ALPHA")
        assets.data(UPDATE, {"id": asset, "i": {"rating": 9}}, label="SECRET")
        create(assets, "hidden", "CONFIDENTIAL")
        assets.data(DELETE, {"id": asset}, label="TOP_SECRET")
        seen = link(assets, asset, sensor)
        assets.data(UPDATE, {"id": asset, "i": {"rating": 2}})
        assert links.next()["link"]["id"] == seen
        assert [e["event"]["topic"] for e in events.some(2)] == ["link.created", "object.updated"]
        assert changes.next()["node"] == {"id": asset, "name": "pump", "rating": 2.0}


def test_the_edit_of_a_version_that_is_covered_is_no_change(assets: Tenant, pair: tuple[str, str]) -> None:
    assets.data(UPDATE, {"id": pair[0], "i": {"rating": 5}}, label="SECRET")
    with following(assets, CHANGES, "SECRET", type="Asset") as above:
        assets.data(UPDATE, {"id": pair[0], "i": {"rating": 6}})
        assets.data(DELETE, {"id": pair[0]})
        assets.data(UPDATE, {"id": pair[0], "i": {"rating": 7}}, label="SECRET")
        told = above.next()
        assert (told["kind"], told["label"], told["node"]["rating"]) == ("CHANGED", "SECRET", 7.0)


def test_a_cover_that_goes_shows_what_was_below(assets: Tenant, pair: tuple[str, str]) -> None:
    """Regrading up takes the version out of the lower reader's view, and into nobody else's twice."""
    regrade = 'mutation ($id: ID!, $l: Label!) { regradeObject(id: $id, label: $l, reason: "x") { position } }'
    with following(assets, CHANGES, type="Asset") as below, following(assets, CHANGES, "SECRET", type="Asset") as above:
        variables = {"id": pair[0], "l": "SECRET"}
        assets.data(regrade, variables, label="SECRET", session_label="UNCLASSIFIED")
        assert below.next()["kind"] == "WITHDRAWN"
        assert [n["kind"] for n in above.some(2)] == ["WITHDRAWN", "APPEARED"]


def test_a_type_that_is_hidden_is_refused_like_one_that_does_not_exist(assets: Tenant) -> None:
    assets.define({"typeName": "Vault", "fields": {"name": {"type": "string"}}}, label="SECRET")
    hidden = refusal(assets, CHANGES, type="Vault")
    assert hidden == refusal(assets, CHANGES, type="Nothing")
    assert hidden["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": ["type"]}
    with following(assets, CHANGES, "SECRET", type="Vault"):
        pass


def test_a_cursor_is_bound_to_organization_and_label(assets: Tenant, other_organization: Tenant) -> None:
    with following(assets, EVENTS) as events:
        cursor = events.cursor
    for tenant, label, given in (
        (other_organization, "UNCLASSIFIED", cursor),
        (assets, "SECRET", cursor),
        (assets, "UNCLASSIFIED", cursor[:-2] + "AA"),
        (assets, "UNCLASSIFIED", ""),
        (assets, "UNCLASSIFIED", "é" * 50),
    ):
        error = refusal(tenant, EVENTS, label, after=given)
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": ["after"]}
    position = assets.data(CREATE, {"i": {"name": "x"}})["createAsset"]["position"]
    assert refusal(assets, EVENTS, after=position)["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(("query", "permission"), [(LINKS, "link:read"), (EVENTS, "link:read")])
def test_who_may_not_follow_is_told_which_permission_it_needs(assets: Tenant, query: str, permission: str) -> None:
    error = refusal(assets, query, roles=["objects_only"])
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert permission in error["message"]


# Events


def test_events_tell_what_happened(assets: Tenant) -> None:
    with following(assets, EVENTS) as events:
        id = create(assets, "pump", rating=1)
        told = events.next()["event"]
        assert (told["topic"], told["entityId"], told["entityType"]) == ("object.created", id, "Asset")
        assert (told["actor"], told["label"]) == ("ann", "UNCLASSIFIED")
        assert told["data"] == {"before": {}, "after": {"name": "pump", "rating": 1}, "revision": 1}


def test_events_of_one_transaction_share_its_id(assets: Tenant) -> None:
    query = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }"
    with following(assets, EVENTS) as events:
        for names in ("ab", "cd"):
            assets.data(query, {"i": [{"name": name} for name in names]})
        first, second, third, fourth = (n["event"]["transactionId"] for n in events.some(4))
        assert first == second != third == fourth


@pytest.mark.parametrize(
    ("topics", "types", "expected"),
    [
        (["object.updated"], None, ["object.updated"]),
        (["object.*"], None, ["object.created", "object.created", "object.updated"]),
        (["*"], ["Alarm"], ["alarm.raised"]),
        (None, ["Asset"], ["object.created", "object.updated"]),
        (["alarm.raised", "object.updated"], None, ["object.updated", "alarm.raised"]),
    ],
)
def test_only_events_that_are_asked_for_are_told(
    assets: Tenant, topics: list[str] | None, types: list[str] | None, expected: list[str]
) -> None:
    assets.define({"typeName": "Alarm", "domain": "event", "fields": {"level": {"type": "integer", "required": True}}})
    with following(assets, EVENTS, topics=topics, types=types) as events:
        id = create(assets, "pump")
        create_sensor(assets, "dial")
        assets.data(UPDATE, {"id": id, "i": {"rating": 2}})
        wanted = {"topic": "alarm.raised", "type": "Alarm", "objectId": id, "data": {"level": 3}}
        assets.data(EVENT, {"i": wanted})
        assert [n["event"]["topic"] for n in events.some(len(expected))] == expected


def test_an_event_of_ones_own_is_as_its_type_says(assets: Tenant) -> None:
    assets.define({"typeName": "Alarm", "domain": "event", "fields": {"level": {"type": "integer", "required": True}}})
    for wanted, code, path in (
        ({"topic": "alarm.raised", "type": "Alarm", "data": {}}, "BAD_USER_INPUT", ["input", "data", "level"]),
        ({"topic": "a.b", "type": "Alarm", "data": {"level": "x"}}, "BAD_USER_INPUT", ["input", "data", "level"]),
        ({"topic": "alarm.raised", "type": "Asset", "data": {}}, "BAD_USER_INPUT", ["input", "type"]),
        ({"topic": "alarm.raised", "data": {}}, "BAD_USER_INPUT", ["input", "type"]),
        *(
            ({"topic": topic, "type": "Alarm"}, "BAD_USER_INPUT", ["input", "topic"])
            for topic in ("object.created", "job.done", "config.changed", "field.unlock", "audit.read")
        ),
        ({"topic": "Alarm!", "type": "Alarm"}, "BAD_USER_INPUT", ["input", "topic"]),
        ({"topic": "link.triggered"}, "BAD_USER_INPUT", ["input", "linkId"]),
        ({"topic": "alarm.raised", "type": "Alarm", "objectId": "x"}, "NOT_FOUND", ["input", "objectId"]),
    ):  # fmt: skip
        assets.ask(EVENT, {"i": wanted}).refused(code, path=path)
    wanted = {"topic": "a.b", "type": "Alarm", "data": {"level": 1}}
    assets.ask(EVENT, {"i": wanted}, roles=["reader"]).refused("FORBIDDEN")


# Changes


def test_objects_come_into_a_filtered_view_change_in_it_and_leave_it(assets: Tenant) -> None:
    with following(assets, CHANGES, type="Asset", where={"rating": {"gt": 3}}) as changes:
        low, high = create(assets, "low", rating=1), create(assets, "high", rating=5)
        assets.data(UPDATE, {"id": low, "i": {"rating": 4}})
        assets.data(UPDATE, {"id": high, "i": {"note": "still"}})
        assets.data(UPDATE, {"id": high, "i": {"rating": 2}})
        assets.data(DELETE, {"id": low})
        told = [(n["kind"], n["objectId"], n["topic"]) for n in changes.some(5)]
        assert told == [
            ("APPEARED", high, "object.created"), ("APPEARED", low, "object.updated"),
            ("CHANGED", high, "object.updated"), ("WITHDRAWN", high, "object.updated"),
            ("WITHDRAWN", low, "object.deleted"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ({"nothing": {"eq": 1}}, ["where"]),
        ({"rating": {"gt": "x"}}, ["where", "rating", "gt"]),
        ([], ["where"]),
        ("x", ["where"]),
    ],
)
def test_a_filter_that_means_nothing_is_refused(assets: Tenant, where: Any, path: list[str]) -> None:
    error = refusal(assets, CHANGES, type="Asset", where=where)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["inputPath"][: len(path)] == path
    assert "id you mean" not in error["message"]


def test_a_notice_is_the_same_be_it_read_from_itself_or_executed(assets: Tenant, pair: tuple[str, str]) -> None:
    selection = """subscription ($no: Boolean! = false) {
      told: linkEvents {
        __typename what: kind topic transactionId occurredAt actor label left: topic @include(if: $no) ADDED
        link { ...Whole __typename } link { weight again: revision }
      }
    }
    fragment Whole on Link {
      id relation from to properties createdAt updatedAt validFrom validTo semanticNamespace semanticPredicate
      ... on Link @skip(if: $no) { inferred label revision }
    }"""
    with opened(assets.server) as one, opened(assets.server) as other:
        for socket, added in ((one, ""), (other, "source { id }")):
            socket.initialise(assets.authorization("UNCLASSIFIED"))
            socket.subscribe(selection.replace("ADDED", added))
        told = [[], []]  # type: list[list[Any]]
        for n in range(4):
            if n == 1:
                id = link(assets, *pair)
            elif n == 2:
                assets.data("mutation ($id: ID!) { updateLink(id: $id, input: {weight: 0.5}) { linkId } }", {"id": id})
            elif n == 3:
                assets.data(UNLINK, {"id": id})
            for socket, notices in ((one, told[0]), (other, told[1])):
                notices.append(socket.receive()["payload"]["data"]["told"])
        assert [notice.pop("source") for notice in told[1]] == [None, {"id": pair[0]}, {"id": pair[0]}, {"id": pair[0]}]
        assert told[0] == told[1]
        assert [list(notice) for notice in told[0]] == [list(notice) for notice in told[1]]
        assert [n["what"] for n in told[0]] == ["READY", "APPEARED", "CHANGED", "WITHDRAWN"]


# Under load


def test_nothing_is_missed_by_readers_that_come_and_go_while_many_write(assets: Tenant, pair: tuple[str, str]) -> None:
    written: list[str] = []
    done = threading.Event()

    def write(name: str) -> None:
        rng = random.Random(name)
        for n in range(15):
            id = link(assets, *pair, key=f"{name} {n}")
            written.append(id)
            if rng.random() < 0.3:
                assets.data(UNLINK, {"id": id})

    def read() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        cursor, rng = start, random.Random(1)
        while not (done.is_set() and len({id for kind, id in found if kind == "APPEARED"}) == len(written)):
            with following(assets, LINKS, after=cursor) as links:
                for _ in range(rng.randint(1, 10)):
                    if done.is_set() and len({id for kind, id in found if kind == "APPEARED"}) == len(written):
                        break
                    notice = links.next()
                    found.append((notice["kind"], notice["link"]["id"]))
                    cursor = links.cursor
        return found

    with following(assets, LINKS) as links:
        start = links.cursor
    writers = [threading.Thread(target=write, args=(f"writer {n}",)) for n in range(4)]
    found: list[tuple[str, str]] = []
    reader = threading.Thread(target=lambda: found.extend(read()))
    for thread in [*writers, reader]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join(60)
    assert not reader.is_alive()
    assert len(found) == len(set(found))
    assert sorted(id for kind, id in found if kind == "APPEARED") == sorted(written)
