"""Links made and taken away in the inputs of objects: with the object or not at all."""

from typing import Any
from uuid import uuid4

import pytest
from http_server import Answer, Tenant

HIGH = "SECRET"

SHOWN = """changed asset { id name plant { title } sensors(orderBy: [{name: ASC}]) {
    edges { node { name } link { weight properties validFrom validTo } } } }"""


def asked(tenant: Tenant, action: str, input: Any, *, id: str | None = None, **who: Any) -> Answer:
    given, declared = ("id: $id, ", ", $id: ID!") if id is not None else ("", "")
    kind = f"Asset{action.capitalize()}Input!"
    query = f"mutation ($i: {kind}{declared}) {{ m: {action}Asset({given}input: $i) {{ {SHOWN} }} }}"
    return tenant.ask(query, {"i": input} | ({"id": id} if id is not None else {}), **who)


def linked(answer: Answer) -> dict[str, Any]:
    """The sensors of the payload's asset by name, each with its link."""
    edges = answer.data["m"]["asset"]["sensors"]["edges"]
    return {edge["node"]["name"]: edge["link"] for edge in edges}


def made(tenant: Tenant, type_: str, label: str = "UNCLASSIFIED", **data: Any) -> str:
    query = f"mutation ($i: {type_}CreateInput!) {{ create{type_}(input: $i) {{ {type_.lower()} {{ id }} }} }}"
    found: str = tenant.data(query, {"i": data}, label=label)[f"create{type_}"][type_.lower()]["id"]
    return found


def test_an_object_is_made_with_its_links(assets: Tenant) -> None:
    dial, plant = made(assets, "Sensor", name="dial"), made(assets, "Plant", title="North")
    made(assets, "Sensor", name="bell")
    first = {"id": dial, "weight": 2.5, "properties": {"note": "left"}, "validFrom": "2024-01-01T02:00:00+02:00"}
    answer = asked(
        assets, "create",
        {"name": "pump", "link": {"sensors": [first, {"byKey": {"name": "bell"}}], "plant": {"id": plant}}},
    )  # fmt: skip
    assert linked(answer) == {
        "bell": {"weight": None, "properties": {}, "validFrom": None, "validTo": None},
        "dial": {
            "weight": 2.5, "properties": {"note": "left"}, "validFrom": "2024-01-01T00:00:00.000000Z", "validTo": None,
        },
    }  # fmt: skip
    assert answer.data["m"]["asset"]["plant"] == {"title": "North"}


def test_a_link_alone_is_a_change_and_leaves_the_object_as_it_is(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    answer = asked(assets, "update", {"link": {"sensors": [{"id": sensor}]}}, id=asset)
    assert answer.data["m"]["changed"] is True
    assert assets.data("query ($i: ID!) { asset(id: $i) { revision } }", {"i": asset})["asset"]["revision"] == 1


def test_what_is_unlinked_makes_room_for_what_is_linked(assets: Tenant) -> None:
    north, south = made(assets, "Plant", title="North"), made(assets, "Plant", title="South")
    asset = made(assets, "Asset", name="pump", link={"plant": {"id": north}})
    asked(assets, "update", {"link": {"plant": {"id": south}}}, id=asset).refused(
        "CONFLICT", path=["input", "link", "plant"]
    )
    answer = asked(assets, "update", {"link": {"plant": {"id": south}}, "unlink": {"plant": {"id": north}}}, id=asset)
    assert answer.data["m"]["asset"]["plant"] == {"title": "South"}


def test_an_upsert_repeated_changes_nothing_more(assets: Tenant) -> None:
    made(assets, "Sensor", name="dial")
    input = {"name": "pump", "link": {"sensors": [{"byKey": {"name": "dial"}, "weight": 1.0}]}}
    assert asked(assets, "upsert", input).data["m"]["changed"] is True
    assert asked(assets, "upsert", input).data["m"]["changed"] is False
    input["link"]["sensors"][0]["weight"] = 2.0  # type: ignore[index]
    answer = asked(assets, "upsert", input)
    assert answer.data["m"]["changed"] is True
    assert linked(answer)["dial"]["weight"] == 2.0


def test_parallel_links_are_told_apart_by_their_key(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    both = [{"id": sensor, "key": "a", "weight": 1}, {"id": sensor, "key": "b", "weight": 2}]
    assert asked(assets, "update", {"link": {"sensors": both}}, id=asset).status == 200
    answer = asked(assets, "update", {"unlink": {"sensors": [{"id": sensor, "key": "a"}]}}, id=asset)
    assert linked(answer)["dial"]["weight"] == 2


def test_many_objects_link_to_each_other_in_one_mutation(assets: Tenant) -> None:
    query = "mutation ($i: [SensorCreateInput!]!) { createSensors(inputs: $i) { sensors { id } } }"
    assets.data(query, {"i": [{"name": "dial"}]})
    query = """mutation ($i: [AssetUpsertInput!]!) { upsertAssets(inputs: $i) {
        assets { name sensors { nodes { name } } } } }"""
    inputs = [{"name": n, "link": {"sensors": [{"byKey": {"name": "dial"}}]}} for n in ("a", "b")]
    shown = assets.data(query, {"i": inputs})["upsertAssets"]["assets"]
    assert shown == [{"name": n, "sensors": {"nodes": [{"name": "dial"}]}} for n in ("a", "b")]


def test_an_object_links_to_one_that_comes_in_the_same_mutation(organization: Tenant) -> None:
    parts = {"relation": "has_part", "target": "Part"}
    fields = {"name": {"type": "string", "required": True}}
    organization.define({"typeName": "Part", "fields": fields, "naturalKey": ["name"], "links": {"parts": parts}})
    query = "mutation ($i: [PartCreateInput!]!) { createParts(inputs: $i) { parts { name parts { nodes { name } } } } }"
    inputs = [{"name": "a", "link": {"parts": [{"byKey": {"name": "b"}}]}}, {"name": "b"}]
    shown = organization.data(query, {"i": inputs})["createParts"]["parts"]
    assert shown[0] == {"name": "a", "parts": {"nodes": [{"name": "b"}]}}


def test_all_faults_are_told_each_with_its_place_and_nothing_is_done(assets: Tenant) -> None:
    sensor = made(assets, "Sensor", name="dial")
    sensors = [
        {"id": sensor, "properties": {"nope": 1, "channel": "x"}},
        {"id": str(uuid4())},
        {},
        {"id": sensor, "byKey": {"name": "dial"}},
        {"id": sensor, "validFrom": "2024-01-02T00:00:00Z", "validTo": "2024-01-01T00:00:00Z"},
        {"id": sensor, "key": "\0"},
        {"id": sensor, "key": "k" * 10_001},
    ]
    query = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { assets { id } } }"
    first = assets.ask(query, {"i": [{"name": "a"}, {"name": "b", "link": {"sensors": sensors}}]})
    at = ["inputs", 1, "link", "sensors"]
    assert sorted(e["extensions"]["inputPath"] for e in first.errors) == [[*at, 2], [*at, 3]]
    sensors = [sensors[0], sensors[1], *sensors[4:]]
    second = assets.ask(query, {"i": [{"name": "a"}, {"name": "b", "link": {"sensors": sensors}}]})
    found = sorted((e["extensions"]["inputPath"], e["extensions"]["code"]) for e in second.errors)
    assert found == [
        ([*at, 0, "properties", "channel"], "BAD_USER_INPUT"),
        ([*at, 0, "properties", "nope"], "BAD_USER_INPUT"),
        ([*at, 1, "id"], "NOT_FOUND"),
        ([*at, 2, "validTo"], "BAD_USER_INPUT"),
        ([*at, 3, "key"], "BAD_USER_INPUT"),
        ([*at, 4, "key"], "BAD_USER_INPUT"),
    ]
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}


def test_faults_of_objects_and_of_links_are_told_together(assets: Tenant) -> None:
    made(assets, "Asset", name="there")
    query = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { assets { id } } }"
    inputs = [{"name": "there"}, {"name": "new", "link": {"plant": {"id": str(uuid4())}}}]
    assets.ask(query, {"i": inputs}).refused_with("CONFLICT", "NOT_FOUND")


@pytest.mark.parametrize("action", ["link", "unlink"])
@pytest.mark.parametrize("named", ["id", "byKey"])
def test_a_hidden_end_is_as_one_that_does_not_exist(assets: Tenant, action: str, named: str) -> None:
    asset = made(assets, "Asset", name="pump")
    hidden = made(assets, "Sensor", HIGH, name="hidden")
    ends = {"id": [{"id": hidden}, {"id": str(uuid4())}, {"id": "no id"}]}
    ends["byKey"] = [{"byKey": {"name": "hidden"}}, {"byKey": {"name": "nothing"}}]  # type: ignore[dict-item]
    answers = [asked(assets, "update", {action: {"sensors": [end]}}, id=asset) for end in ends[named]]
    assert len({a.plain for a in answers}) == 1
    for answer in answers:
        answer.refused("NOT_FOUND", path=["input", action, "sensors", 0, named])


def test_an_object_of_another_type_is_not_found_through_a_link_field(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, _ = pair
    for action in ("link", "unlink"):
        answer = asked(assets, "update", {action: {"sensors": [{"id": asset}]}}, id=asset)
        answer.refused("NOT_FOUND", path=["input", action, "sensors", 0, "id"])


def test_another_organizations_object_is_not_found(
    assets: Tenant, other_organization: Tenant, pair: tuple[str, str]
) -> None:
    other_organization.define({"typeName": "Sensor", "fields": {"name": {"type": "string"}}})
    foreign = made(other_organization, "Sensor", name="foreign")
    asset, _ = pair
    answers = [asked(assets, "update", {"link": {"sensors": [{"id": i}]}}, id=asset) for i in (foreign, str(uuid4()))]
    assert answers[0].refused("NOT_FOUND").plain == answers[1].plain


def test_a_link_that_is_not_there_is_not_unlinked(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    answer = asked(assets, "update", {"unlink": {"sensors": [{"id": sensor}]}}, id=asset)
    answer.refused("NOT_FOUND", path=["input", "unlink", "sensors", 0])


def test_a_link_made_above_is_not_seen_below(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    assert linked(asked(assets, "update", {"link": {"sensors": [{"id": sensor}]}}, id=asset, label=HIGH))
    shown = assets.data("query ($i: ID!) { asset(id: $i) { sensors { totalCount } label } }", {"i": asset})
    assert shown == {"asset": {"sensors": {"totalCount": 0}, "label": "UNCLASSIFIED"}}


@pytest.mark.parametrize(
    ("action", "permission"), [("create", "link:create"), ("upsert", "link:create"), ("update", "link:delete")]
)
def test_nested_links_need_the_permissions_of_links(
    assets: Tenant, pair: tuple[str, str], action: str, permission: str
) -> None:
    asset, sensor = pair
    verb = "unlink" if action == "update" else "link"
    input = {verb: {"sensors": [{"id": sensor}]}} | ({} if action == "update" else {"name": "new"})
    answer = asked(assets, action, input, id=asset if action == "update" else None, roles=["reader", "clerk"])
    assert permission in answer.refused("FORBIDDEN").error["message"]


def test_links_count_among_what_one_mutation_takes(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    many = [{"id": sensor, "key": str(n)} for n in range(1_000)]
    asked(assets, "update", {"link": {"sensors": many}}, id=asset).refused(path=["input"])


def test_one_event_tells_of_each_object_and_link(assets: Tenant, pair: tuple[str, str]) -> None:
    asset, sensor = pair
    before = len(assets.server.sql("select from fabric.events"))
    asked(assets, "update", {"rating": 2.0, "link": {"sensors": [{"id": sensor}]}}, id=asset).data  # noqa: B018
    rows = assets.server.sql(
        "select topic, transaction_id from fabric.events order by position desc limit $1",
        len(assets.server.sql("select from fabric.events")) - before,
    )
    assert [row["topic"] for row in rows] == ["link.created", "object.updated"]
    assert len({row["transaction_id"] for row in rows}) == 1


def test_nested_links_leave_what_separate_mutations_leave(assets: Tenant) -> None:
    """Of the same wishes, one asset's made at once and another's one by one."""
    sensors = [made(assets, "Sensor", name=f"s{n}") for n in range(3)]
    at_once, one_by_one = made(assets, "Asset", name="x"), made(assets, "Asset", name="y")
    wishes = [{"id": sensor, "weight": n, "properties": {"channel": n}} for n, sensor in enumerate(sensors)]
    asked(assets, "update", {"link": {"sensors": wishes}}, id=at_once)
    asked(assets, "update", {"unlink": {"sensors": [{"id": sensors[0]}]}}, id=at_once)
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    ids = []
    for n, sensor in enumerate(sensors):
        input = {"relation": "has_sensor", "from": one_by_one, "to": sensor, "weight": n, "properties": {"channel": n}}
        ids.append(assets.data(link, {"i": input})["link"]["linkId"])
    assets.data("mutation ($i: ID!) { unlink(id: $i) { linkId } }", {"i": ids[0]})
    shown = """query ($i: ID!) { asset(id: $i) { sensors(orderBy: [{name: ASC}]) {
        edges { node { name } link { weight properties revision label } } } } }"""
    assert assets.data(shown, {"i": at_once}) == assets.data(shown, {"i": one_by_one})
