"""What a reader may not see makes no difference to anything it is answered: objects, links, counts, cursors, errors."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from http_server import TYPES, Answer, Tenant

HIGH, ALPHA, BRAVO, BOTH = "SECRET", "SECRET/ALPHA", "SECRET/BRAVO", "SECRET/ALPHA,BRAVO"

ASSETS = "query ($w: AssetWhere) { assets(where: $w, orderBy: {name: ASC}) { totalCount nodes { name rating } } }"
UPDATE = "mutation ($i: ID!, $d: AssetUpdateInput!) { updateAsset(id: $i, input: $d) { changed asset { label } } }"
DELETE = "mutation ($i: ID!) { deleteAsset(id: $i) { deletedId } }"
LINK = "mutation ($r: String!, $f: ID!, $t: ID!) { link(input: {relation: $r, from: $f, to: $t}) { linkId changed } }"


def create(tenant: Tenant, name: str, label: str = "UNCLASSIFIED", **data: Any) -> str:
    """An asset of this name at this label; its id."""
    query = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } } }"
    found: str = tenant.data(query, {"i": {"name": name, **data}}, label=label)["createAsset"]["asset"]["id"]
    return found


def sensor(tenant: Tenant, name: str, label: str = "UNCLASSIFIED") -> str:
    query = "mutation ($i: SensorCreateInput!) { createSensor(input: $i) { sensor { id } } }"
    found: str = tenant.data(query, {"i": {"name": name}}, label=label)["createSensor"]["sensor"]["id"]
    return found


def link(tenant: Tenant, source: str, target: str, label: str = "UNCLASSIFIED", relation: str = "has_sensor") -> str:
    found: str = tenant.data(LINK, {"r": relation, "f": source, "t": target}, label=label)["link"]["linkId"]
    return found


def update(tenant: Tenant, id: str, label: str, **data: Any) -> None:
    tenant.data(UPDATE, {"i": id, "d": data}, label=label)


def listed(tenant: Tenant, label: str = "UNCLASSIFIED", where: dict[str, Any] | None = None) -> list[tuple[str, Any]]:
    found = tenant.data(ASSETS, {"w": where}, label=label)["assets"]
    assert found["totalCount"] == len(found["nodes"])
    return [(node["name"], node["rating"]) for node in found["nodes"]]


# Other organizations


@dataclass
class Foreign:
    """What another organization has: an object, a link, a cursor."""

    tenant: Tenant
    asset: str
    link: str
    cursor: str


@pytest.fixture
def foreign(other_organization: Tenant) -> Foreign:
    from_types = other_organization
    from_types.define(*TYPES)
    asset = create(from_types, "pump", rating=1)
    made = link(from_types, asset, sensor(from_types, "dial"))
    create(from_types, "valve")
    page = from_types.data("{ assets(first: 1) { pageInfo { endCursor } } }")["assets"]
    return Foreign(from_types, asset, made, page["pageInfo"]["endCursor"])


READ_BY_ID = (
    "query ($i: ID!) { node(id: $i) { id } nodes(ids: [$i, $i]) { id } asset(id: $i) { id } sensor(id: $i) { id } }"
)
NOTHING = {"node": None, "nodes": [None, None], "asset": None, "sensor": None}


def test_another_organizations_object_is_not_read(assets: Tenant, foreign: Foreign) -> None:
    assert assets.data(READ_BY_ID, {"i": foreign.asset}) == NOTHING
    assert assets.data(READ_BY_ID, {"i": foreign.link}) == NOTHING
    assert listed(assets, where={"id": {"eq": foreign.asset}}) == []
    assert assets.data('{ assetByKey(name: "pump") { id } }') == {"assetByKey": None}
    assert foreign.tenant.data(READ_BY_ID, {"i": foreign.asset})["node"] == {"id": foreign.asset}


def test_the_same_key_in_two_organizations_gives_two_ids(assets: Tenant, foreign: Foreign) -> None:
    assert create(assets, "pump") != foreign.asset
    assert listed(foreign.tenant) == [("pump", 1), ("valve", None)]


def test_another_organizations_cursor_is_refused(assets: Tenant, foreign: Foreign) -> None:
    query = "query ($c: String) { assets(after: $c) { nodes { id } } }"
    refused = assets.ask(query, {"c": foreign.cursor}).refused(path=["assets", "after"])
    assert refused.plain == assets.ask(query, {"c": "AAAA"}).plain
    assert foreign.tenant.data(query, {"c": foreign.cursor})["assets"]["nodes"]


def test_another_organizations_type_is_not_there(assets: Tenant, foreign: Foreign) -> None:
    foreign.tenant.define({"typeName": "Theirs", "fields": {"name": {"type": "string"}}})
    assert assets.data('{ __type(name: "Theirs") { name } }') == {"__type": None}
    assets.ask("{ theirs { totalCount } }").refused(status=400)


# Errors that do not tell what is hidden from what is not there

CHANGES = {
    "update": "mutation ($i: ID!) { updateAsset(id: $i, input: {rating: 1}, expectedRevision: 7) { changed } }",
    "update many": (
        "mutation ($i: ID!) { updateAssets(inputs: [{id: $i, set: {rating: 1}, expectedRevision: 7}]) { position"
        " } }"
    ),
    "delete": DELETE,
    "delete at a revision": "mutation ($i: ID!) { deleteAsset(id: $i, expectedRevision: 7) { deletedId } }",
    "delete many": "mutation ($i: ID!) { deleteAssets(ids: [$i]) { deletedIds } }",
    "delete as another type": "mutation ($i: ID!) { deleteSensor(id: $i) { deletedId } }",
    "update as another type": "mutation ($i: ID!) { updatePlant(id: $i, input: {rank: 1}) { changed } }",
    "link from": 'mutation ($i: ID!, $s: ID!) { link(input: {relation: "has_sensor", from: $i, to: $s}) { linkId } }',
    "link to": 'mutation ($i: ID!, $a: ID!) { link(input: {relation: "has_sensor", from: $a, to: $i}) { linkId } }',
    "link by a relation that does not fit": (
        'mutation ($i: ID!, $a: ID!) { link(input: {relation: "contains", from: $i, to: $a}) { linkId } }'
    ),
    "link to itself": 'mutation ($i: ID!) { link(input: {relation: "has_sensor", from: $i, to: $i}) { linkId } }',
    "unlink": "mutation ($i: ID!) { unlink(id: $i) { linkId } }",
    "unlink at a revision": "mutation ($i: ID!) { unlink(id: $i, expectedRevision: 7) { linkId } }",
    "update link": "mutation ($i: ID!) { updateLink(id: $i, input: {weight: 1}) { linkId } }",
    "regrade": 'mutation ($i: ID!) { regradeObject(id: $i, label: "UNCLASSIFIED", reason: "x") { objectId } }',
    "regrade up": 'mutation ($i: ID!) { regradeObject(id: $i, label: "SECRET", reason: "x") { objectId } }',
    "read": READ_BY_ID,
    "list": "query ($i: ID!) { assets(where: {id: {eq: $i}}) { totalCount nodes { id } pageInfo { hasNextPage } } }",
    "list of others": "query ($i: ID!) { assets(where: {id: {ne: $i}}) { totalCount nodes { name } } }",
    "link predicate": "query ($i: ID!) { assets(where: {sensors: {some: {id: {eq: $i}}}}) { totalCount } }",
    "negated link predicate": "query ($i: ID!) { assets(where: {sensors: {none: {id: {eq: $i}}}}) { totalCount } }",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hidden", ["object", "link", "foreign object", "foreign link", "tombstone", "incomparable"])
def test_a_hidden_id_and_a_random_one_are_answered_alike(
    assets: Tenant, foreign: Foreign, change: str, hidden: str
) -> None:
    asset, reader = create(assets, "pump", rating=1), "CONFIDENTIAL/BRAVO"
    dial = sensor(assets, "dial")
    made = {
        "object": lambda: create(assets, "ghost", HIGH),
        "link": lambda: link(assets, asset, dial, HIGH),
        "foreign object": lambda: foreign.asset,
        "foreign link": lambda: foreign.link,
        "tombstone": lambda: deleted(assets, "gone"),
        "incomparable": lambda: create(assets, "ghost", "UNCLASSIFIED/ALPHA"),
    }[hidden]()

    def ask(id: str) -> Answer:
        return assets.ask(CHANGES[change], {"i": id, "s": dial, "a": asset}, label=reader)

    assert ask(made).plain == ask(str(uuid4())).plain


def deleted(tenant: Tenant, name: str) -> str:
    id = create(tenant, name)
    tenant.data(DELETE, {"i": id})
    return id


# Hidden versions


def test_a_hidden_object_is_not_read(assets: Tenant) -> None:
    id = create(assets, "ghost", HIGH, rating=1)
    assert assets.data(READ_BY_ID, {"i": id}) == NOTHING
    assert assets.data('{ assetByKey(name: "ghost") { id } }') == {"assetByKey": None}
    assert assets.data('{ assetByKey(name: "ghost") { id } }', label=HIGH) == {"assetByKey": {"id": id}}


def test_nodes_keep_their_places_beside_hidden_ones(assets: Tenant) -> None:
    seen, hidden = create(assets, "pump"), create(assets, "ghost", HIGH)
    query = "query ($i: [ID!]!) { nodes(ids: $i) { id } }"
    assert assets.data(query, {"i": [hidden, seen, hidden]}) == {"nodes": [None, {"id": seen}, None]}


def test_pages_and_counts_are_of_what_is_seen(assets: Tenant) -> None:
    for i in range(6):
        create(assets, f"a{i}", HIGH if i % 2 else "UNCLASSIFIED")
    query = (
        "{ assets(first: 3, orderBy: {name: ASC}) { totalCount nodes { name } pageInfo { hasNextPage"
        " hasPreviousPage } } }"
    )
    page = assets.data(query)["assets"]
    assert [node["name"] for node in page["nodes"]] == ["a0", "a2", "a4"]
    assert page["totalCount"] == 3
    assert page["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": False}
    higher = assets.data(query, label=HIGH)["assets"]
    assert (higher["totalCount"], higher["pageInfo"]["hasNextPage"]) == (6, True)


def test_going_on_after_a_cursor_passes_over_what_is_hidden(assets: Tenant) -> None:
    for name in ("a", "c"):
        create(assets, name)
    query = (
        "query ($c: String) { assets(first: 1, after: $c, orderBy: {name: ASC}) { nodes { name } pageInfo {"
        " endCursor hasNextPage hasPreviousPage } } }"
    )
    first = assets.data(query)["assets"]["pageInfo"]
    before = assets.ask(query, {"c": first["endCursor"]}).content
    create(assets, "0", HIGH)
    create(assets, "b", HIGH)
    create(assets, "d", HIGH)
    assert assets.ask(query, {"c": first["endCursor"]}).content == before


def test_figures_are_of_what_is_seen(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1, status="OK")
    create(assets, "valve", rating=2, status="OK")
    create(assets, "ghost", HIGH, rating=100)
    update(assets, id, HIGH, rating=10, status="FAILED")
    query = """{ assetsAggregate(groupBy: {status: VALUE}, having: {fields: {rating: {sum: {lt: 50}}}}) {
      count fields { rating { count sum min max avg countDistinct } }
      groups { key { status } count fields { rating { sum } } } } }"""
    low = assets.data(query)["assetsAggregate"]
    assert low == {
        "count": 2,
        "fields": {"rating": {"count": 2, "sum": 3.0, "min": 1.0, "max": 2.0, "avg": 1.5, "countDistinct": 2}},
        "groups": [{"key": {"status": "OK"}, "count": 2, "fields": {"rating": {"sum": 3.0}}}],
    }
    high = assets.data(query, label=HIGH)["assetsAggregate"]
    assert (high["count"], high["fields"]["rating"]["sum"]) == (3, 112.0)
    assert [(g["key"]["status"], g["count"]) for g in high["groups"]] == [("FAILED", 1), ("OK", 1)]


def test_a_filter_that_matches_only_a_hidden_version_finds_nothing(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    update(assets, id, HIGH, rating=9, status="FAILED", tags=["x"], extra={"a": 1})
    for where in (
        {"rating": {"eq": 9}}, {"rating": {"gt": 1}}, {"status": {"eq": "FAILED"}}, {"tags": {"containsAny": ["x"]}},
        {"extra": {"contains": {"a": 1}}}, {"revision": {"gt": 1}}, {"label": {"eq": HIGH}},
    ):  # fmt: skip
        assert listed(assets, where=where) == []
        assert listed(assets, HIGH, where) == [("pump", 9)]


def test_a_filter_that_matches_only_a_covered_version_finds_nothing(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1, status="OK")
    update(assets, id, HIGH, rating=9, status=None)
    for where in (
        {"rating": {"eq": 1}}, {"rating": {"lt": 5}}, {"status": {"eq": "OK"}}, {"revision": {"eq": 1}},
        {"label": {"eq": "UNCLASSIFIED"}}, {"status": {"isNull": False}},
    ):  # fmt: skip
        assert listed(assets, HIGH, where) == []
        assert listed(assets, where=where) == [("pump", 1)]


def test_an_order_is_that_of_the_versions_seen(assets: Tenant) -> None:
    first, _ = create(assets, "a", rating=1), create(assets, "b", rating=2)
    update(assets, first, HIGH, rating=3)
    query = "{ assets(orderBy: {rating: ASC}) { nodes { name } } }"
    assert [n["name"] for n in assets.data(query)["assets"]["nodes"]] == ["a", "b"]
    assert [n["name"] for n in assets.data(query, label=HIGH)["assets"]["nodes"]] == ["b", "a"]


def test_a_cover_story_is_read_by_each_as_told(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    update(assets, id, HIGH, rating=2)
    update(assets, id, ALPHA, rating=3)
    found = {
        label: listed(assets, label)
        for label in ("UNCLASSIFIED", "CONFIDENTIAL/ALPHA", HIGH, BRAVO, ALPHA, "TOP_SECRET/ALPHA")
    }
    assert found == {
        "UNCLASSIFIED": [("pump", 1)], "CONFIDENTIAL/ALPHA": [("pump", 1)], HIGH: [("pump", 2)], BRAVO: [("pump", 2)],
        ALPHA: [("pump", 3)], "TOP_SECRET/ALPHA": [("pump", 3)],
    }  # fmt: skip


def test_of_versions_that_cannot_be_compared_one_wins_for_all_who_see_both(assets: Tenant) -> None:
    create(assets, "pump", ALPHA, rating=1)
    create(assets, "pump", BRAVO, rating=2)
    assert [listed(assets, label) for label in ("UNCLASSIFIED", HIGH, ALPHA, BRAVO)] == [
        [],
        [],
        [("pump", 1)],
        [("pump", 2)],
    ]
    assert listed(assets, BOTH) == listed(assets, "TOP_SECRET/ALPHA,BRAVO,CHARLIE") == [("pump", 2)]


def test_what_is_deleted_above_is_still_there_below(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    assets.data(DELETE, {"i": id}, label=HIGH)
    assert listed(assets, HIGH) == []
    assert assets.data(READ_BY_ID, {"i": id}, label=HIGH) == NOTHING
    assert listed(assets) == [("pump", 1)]
    assert listed(assets, "CONFIDENTIAL") == [("pump", 1)]


# Writing


def test_a_cover_story_is_written_as_if_nothing_were_there(assets: Tenant) -> None:
    query = (
        "mutation ($n: String!) {{ {}(input: {{name: $n, rating: 1}}) {{ changed position asset {{ name rating"
        " label revision }} }} }}"
    )
    for field in ("createAsset", "upsertAsset"):
        create(assets, f"hidden {field}", HIGH, rating=9)
        over, beside = (assets.ask(query.format(field), {"n": f"{word} {field}"}) for word in ("hidden", "absent"))
        assert over.data[field]["asset"] | {"name": ""} == beside.data[field]["asset"] | {"name": ""}
        assert over.data[field]["asset"]["revision"] == 1
        assert len(over.content) == len(beside.content)
        assert listed(assets, HIGH, {"name": {"eq": f"hidden {field}"}}) == [(f"hidden {field}", 9)]


def test_an_id_of_ones_own_can_be_one_that_is_hidden(assets: Tenant) -> None:
    query = "mutation ($i: PlantCreateInput!) { createPlant(input: $i) { changed plant { id title revision label } } }"
    id = str(uuid4())
    assets.data(query, {"i": {"id": id, "title": "true"}}, label=HIGH)
    made = assets.data(query, {"i": {"id": id, "title": "cover"}})["createPlant"]
    assert made == {"changed": True, "plant": {"id": id, "title": "cover", "revision": 1, "label": "UNCLASSIFIED"}}
    assets.ask(query, {"i": {"id": id, "title": "again"}}).refused("CONFLICT")


def test_what_is_written_above_leaves_the_version_below_as_it_is(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    dial = sensor(assets, "dial")
    query = (
        "query ($i: ID!) { asset(id: $i) { id name rating label revision createdAt updatedAt sensors { totalCount } } }"
    )
    before = assets.ask(query, {"i": id}).content
    update(assets, id, HIGH, rating=2)
    update(assets, id, HIGH, rating=3)
    update(assets, id, ALPHA, rating=4)
    link(assets, id, dial, HIGH)
    assets.data(DELETE, {"i": id}, label=ALPHA)
    assets.data(DELETE, {"i": id}, label=HIGH)
    assert assets.ask(query, {"i": id}).content == before


def test_what_is_written_below_leaves_the_version_above_as_it_is(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    update(assets, id, HIGH, rating=2)
    query = "query ($i: ID!) { asset(id: $i) { rating revision updatedAt label } }"
    before = assets.ask(query, {"i": id}, label=HIGH).content
    update(assets, id, "UNCLASSIFIED", rating=5)
    assert assets.ask(query, {"i": id}, label=HIGH).content == before
    assets.data(DELETE, {"i": id})
    assert assets.ask(query, {"i": id}, label=HIGH).content == before
    assert listed(assets) == []


def test_an_expected_revision_is_that_of_the_version_seen(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    for rating in (2, 3, 4):
        update(assets, id, HIGH, rating=rating)
    query = (
        "mutation ($i: ID!, $n: Int) { updateAsset(id: $i, input: {rating: 7}, expectedRevision: $n) { asset {"
        " revision } } }"
    )
    assets.ask(query, {"i": id, "n": 4}).refused("CONFLICT", path=["expectedRevision"])
    assert assets.data(query, {"i": id, "n": 1})["updateAsset"]["asset"] == {"revision": 2}


def test_a_payload_shows_what_the_writer_sees(assets: Tenant) -> None:
    id = create(assets, "pump")
    link(assets, id, sensor(assets, "hidden", HIGH), HIGH)
    query = (
        "mutation ($i: ID!) { updateAsset(id: $i, input: {rating: 2}) { asset { label sensors { totalCount nodes"
        " { name } } } } }"
    )
    shown = assets.data(query, {"i": id})["updateAsset"]["asset"]
    assert shown == {"label": "UNCLASSIFIED", "sensors": {"totalCount": 0, "nodes": []}}
    shown = assets.data(query.replace("2", "3"), {"i": id}, label=HIGH)["updateAsset"]["asset"]
    assert shown == {"label": HIGH, "sensors": {"totalCount": 1, "nodes": [{"name": "hidden"}]}}


def test_a_position_tells_nothing(assets: Tenant) -> None:
    """Not how much others wrote in between, not even by its length."""
    query = "mutation ($n: String!) { createAsset(input: {name: $n}) { position } }"
    tokens = []
    for i in range(3):
        tokens.append(assets.data(query, {"n": f"low {i}"})["createAsset"]["position"])
        for j in range(i * 3):
            create(assets, f"high {i} {j}", HIGH)
    assert len({len(token) for token in tokens}) == 1
    assert len({token[:8] for token in tokens}) == len({token[-8:] for token in tokens}) == 3


# Links


def test_a_hidden_link_or_end_is_not_there(assets: Tenant) -> None:
    pump = create(assets, "pump")
    link(assets, pump, sensor(assets, "hidden end", HIGH), HIGH)
    link(assets, pump, sensor(assets, "hidden link"), HIGH)
    link(assets, pump, sensor(assets, "seen"))
    query = (
        "{ assets { nodes { sensors(first: 1, orderBy: {name: DESC}) { totalCount nodes { name } edges { link {"
        " label } } pageInfo { hasNextPage } } } } }"
    )
    seen = assets.data(query)["assets"]["nodes"][0]["sensors"]
    assert seen == {
        "totalCount": 1, "nodes": [{"name": "seen"}], "edges": [{"link": {"label": "UNCLASSIFIED"}}],
        "pageInfo": {"hasNextPage": False},
    }  # fmt: skip
    assert assets.data(query, label=HIGH)["assets"]["nodes"][0]["sensors"]["totalCount"] == 3
    backwards = "{ sensors(orderBy: {name: ASC}) { nodes { name assets { totalCount } } } }"
    assert assets.data(backwards)["sensors"]["nodes"] == [
        {"name": "hidden link", "assets": {"totalCount": 0}}, {"name": "seen", "assets": {"totalCount": 1}},
    ]  # fmt: skip


def test_a_link_to_a_deleted_end_is_gone_for_those_who_see_the_deletion(assets: Tenant) -> None:
    pump, dial = create(assets, "pump"), sensor(assets, "dial")
    link(assets, pump, dial)
    assets.data("mutation ($i: ID!) { deleteSensor(id: $i) { deletedId } }", {"i": dial}, label=HIGH)
    query = "{ assets { nodes { sensors { totalCount } } } }"
    assert assets.data(query)["assets"]["nodes"] == [{"sensors": {"totalCount": 1}}]
    assert assets.data(query, label=HIGH)["assets"]["nodes"] == [{"sensors": {"totalCount": 0}}]


def test_a_link_of_cardinality_one_shows_what_each_sees(assets: Tenant) -> None:
    pump = create(assets, "pump")
    query = "mutation ($t: String) { createPlant(input: {title: $t}) { plant { id } } }"
    for label in ("UNCLASSIFIED", HIGH):
        plant = assets.data(query, {"t": label}, label=label)["createPlant"]["plant"]["id"]
        link(assets, plant, pump, label, "contains")
    read = "{ assets { nodes { plant { title } } } }"
    assert assets.data(read)["assets"]["nodes"] == [{"plant": {"title": "UNCLASSIFIED"}}]
    assert assets.data(read, label=HIGH)["assets"]["nodes"] == [{"plant": {"title": HIGH}}]


def test_a_hidden_link_of_cardinality_one_is_in_nobodys_way(assets: Tenant) -> None:
    pump, query = create(assets, "pump"), "mutation { createPlant(input: {}) { plant { id } } }"
    first, second = (assets.data(query)["createPlant"]["plant"]["id"] for _ in range(2))
    link(assets, first, pump, HIGH, "contains")
    assert assets.ask(LINK, {"r": "contains", "f": second, "t": pump}).data["link"]["changed"]


@pytest.mark.parametrize(
    ("where", "low", "high"),
    [
        ({"sensors": {"some": {}}}, ["b"], ["a", "b"]),
        ({"sensors": {"none": {}}}, ["a", "c"], ["c"]),
        ({"sensors": {"some": {"kind": {"eq": "HOT"}}}}, [], ["a", "b"]),
        ({"sensors": {"none": {"kind": {"eq": "HOT"}}}}, ["a", "b", "c"], ["c"]),
        ({"sensors": {"every": {"kind": {"eq": "COLD"}}}}, ["a", "b", "c"], ["c"]),
        ({"sensors": {"some": {"name": {"eq": "hidden"}}}}, [], ["a"]),
        ({"sensors": {"some": {"assets": {"some": {"name": {"eq": "b"}}}}}}, ["b"], ["b"]),
    ],
)
def test_a_link_predicate_knows_only_what_is_seen(
    assets: Tenant, where: dict[str, Any], low: list[str], high: list[str]
) -> None:
    a, b, _ = (create(assets, name) for name in "abc")
    hidden, seen = sensor(assets, "hidden", HIGH), sensor(assets, "seen")
    link(assets, a, hidden, HIGH)
    link(assets, b, seen)
    kind = "mutation ($i: ID!, $k: SensorKind) { updateSensor(id: $i, input: {kind: $k}) { changed } }"
    assets.data(kind, {"i": seen, "k": "COLD"})
    for id in (hidden, seen):
        assets.data(kind, {"i": id, "k": "HOT"}, label=HIGH)
    assert [name for name, _ in listed(assets, where=where)] == low
    assert [name for name, _ in listed(assets, HIGH, where)] == high


# Labels in questions


@pytest.mark.parametrize("operator", ["eq", "ne", "in", "notIn"])
def test_a_filter_on_an_unknown_compartment_is_as_one_on_a_lacked_one(assets: Tenant, operator: str) -> None:
    create(assets, "low")
    create(assets, "high", "UNCLASSIFIED/BRAVO")

    def ask(label: str) -> bytes:
        value = [label] if operator in ("in", "notIn") else label
        return assets.ask(ASSETS, {"w": {"label": {operator: value}}}, label="SECRET/ALPHA").content

    assert ask("UNCLASSIFIED/BRAVO") == ask("UNCLASSIFIED/NOWHERE") == ask("TOP_SECRET") == ask("TOP_SECRET/NOWHERE")


def test_regrading_to_an_unknown_compartment_is_as_to_a_lacked_one(assets: Tenant) -> None:
    id = create(assets, "pump")
    query = 'mutation ($i: ID!, $l: Label!) { regradeObject(id: $i, label: $l, reason: "x") { objectId } }'
    answers = {
        assets.ask(query, {"i": id, "l": label}, label="SECRET").content for label in ("SECRET/ALPHA", "SECRET/NOWHERE")
    }
    assert len(answers) == 1


def test_a_definition_at_an_unknown_compartment_is_as_at_a_lacked_one(assets: Tenant) -> None:
    query = "mutation ($d: JSON!) { defineType(definition: $d) { changed } }"
    documents: list[Callable[[str], dict[str, Any]]] = [
        lambda at: {"typeName": "A", "label": at},
        lambda at: {"typeName": "A", "fields": {"x": {"type": "string", "label": at}}},
    ]
    for document in documents:
        asked = [
            assets.ask(query, {"d": document(at)}) for at in ("UNCLASSIFIED/ALPHA", "UNCLASSIFIED/NOWHERE", "SECRET")
        ]
        assert len({answer.refused().content for answer in asked}) == 1


# The session label


def test_a_session_label_lowers_what_is_read(assets: Tenant) -> None:
    id = create(assets, "pump", rating=1)
    update(assets, id, HIGH, rating=2)
    create(assets, "ghost", ALPHA)
    for query in (
        ASSETS,
        "{ __schema { types { name } } }",
        "{ assets { nodes { id label revision updatedAt } } }",
        "{ nope }",
    ):
        low = assets.ask(query)
        assert assets.ask(query, label=BOTH, session_label="UNCLASSIFIED").content == low.content
    assert [name for name, _ in listed(assets, ALPHA)] == ["ghost", "pump"]


def test_a_session_label_is_where_writes_go(assets: Tenant) -> None:
    query = 'mutation { createAsset(input: {name: "pump"}) { asset { label } } }'
    made = assets.data(query, label=BOTH, session_label="CONFIDENTIAL/BRAVO")
    assert made == {"createAsset": {"asset": {"label": "CONFIDENTIAL/BRAVO"}}}
    viewer = assets.data("{ viewer { clearance sessionLabel } }", label=BOTH, session_label="CONFIDENTIAL/BRAVO")
    assert viewer == {"viewer": {"clearance": BOTH, "sessionLabel": "CONFIDENTIAL/BRAVO"}}


@pytest.mark.parametrize(
    "wanted", ["TOP_SECRET/ALPHA", "SECRET/ALPHA,BRAVO", "SECRET/BRAVO", "UNCLASSIFIED/BRAVO", "SECRET/NOWHERE"]
)
def test_a_session_label_never_raises(assets: Tenant, wanted: str) -> None:
    refused = assets.ask("{ viewer { sessionLabel } }", label=ALPHA, session_label=wanted)
    assert (
        refused.refused(status=400).content
        == assets.ask("{ x }", label=ALPHA, session_label="SECRET/ELSEWHERE").content
    )


# Cursors


def test_a_cursor_of_another_clearance_is_refused(assets: Tenant) -> None:
    for name in "abc":
        create(assets, name)
    first = "{ assets(first: 1) { edges { cursor } pageInfo { endCursor } } }"
    query = "query ($c: String) { assets(after: $c) { nodes { name } } }"
    cursors = {
        label: assets.data(first, label=label)["assets"]["pageInfo"]["endCursor"]
        for label in ("UNCLASSIFIED", HIGH, ALPHA)
    }
    assert len(set(cursors.values())) == 3
    for made, cursor in cursors.items():
        for label in cursors:
            found = assets.ask(query, {"c": cursor}, label=label)
            if label == made:
                assert len(found.data["assets"]["nodes"]) == 2
            else:
                assert found.refused(status=400).content == assets.ask(query, {"c": "AAAA"}, label=label).content
    lowered = assets.ask(query, {"c": cursors["UNCLASSIFIED"]}, label=HIGH, session_label="UNCLASSIFIED")
    assert len(lowered.data["assets"]["nodes"]) == 2


# Many readers at once


def test_plans_shared_by_many_readers_mix_nothing(assets: Tenant) -> None:
    """One document, at once, with other labels, variables and shapes of variables."""
    labels = ["UNCLASSIFIED", "CONFIDENTIAL", HIGH, ALPHA, BRAVO, BOTH]
    id = create(assets, "pump", rating=0)
    for rating, label in enumerate(labels[1:], start=1):
        update(assets, id, label, rating=rating)
    query = (
        "query ($n: Int, $w: AssetWhere, $s: Boolean = false) {"
        " viewer { sessionLabel }"
        " assets(first: $n, where: $w) { totalCount nodes { label rating name @skip(if: $s) } } }"
    )
    shapes: list[dict[str, Any]] = [
        {}, {"n": 1}, {"n": 0}, {"w": {"rating": {"gte": 0}}}, {"w": {"rating": {"lt": 0}}}, {"s": True, "n": 5},
        {"w": {"name": {"eq": "pump"}}, "n": None}, {"w": None, "s": True},
    ]  # fmt: skip

    async def all_at_once() -> list[Answer]:
        asked = [(label, given) for given in shapes for label in labels] * 2
        return await asyncio.gather(
            *(asyncio.to_thread(assets.ask, query, given, label=label) for label, given in asked)
        )

    answers = asyncio.run(all_at_once())
    expected = [(rating, label, given) for given in shapes for rating, label in enumerate(labels)] * 2
    for found, (rating, label, given) in zip(answers, expected, strict=True):
        none = given.get("w") == {"rating": {"lt": 0}}
        node = {"label": label, "rating": rating, "name": "pump"}
        if given.get("s"):
            del node["name"]
        nodes = [] if none or given.get("n") == 0 else [node]
        assert found.data == {
            "viewer": {"sessionLabel": label},
            "assets": {"totalCount": 0 if none else 1, "nodes": nodes},
        }


# Permissions


@pytest.mark.parametrize(
    ("query", "permission"),
    [
        ("{ assets { totalCount } }", "object:read"),
        ("{ assets { nodes { sensors { totalCount } } } }", "link:read"),
        ("{ typeDefinitions { typeName } }", "type:read"),
        ('mutation { createAsset(input: {name: "a"}) { changed } }', "object:create"),
        ('mutation { link(input: {relation: "x", from: "x", to: "x"}) { linkId } }', None),
        ('mutation { retireType(typeName: "Nope") { typeName } }', "type:retire"),
        ("mutation { defineType(definition: {}) { changed } }", "type:define"),
    ],
)
def test_a_missing_permission_is_named_before_anything_is_looked_at(
    assets: Tenant, query: str, permission: str | None
) -> None:
    refused = assets.ask(query, roles=())
    if permission is None:
        assert refused.codes == {"NOT_FOUND"}
    else:
        assert permission in refused.refused("FORBIDDEN").error["message"]


def test_links_are_not_told_to_those_who_may_not_see_links(assets: Tenant) -> None:
    link(assets, create(assets, "a"), sensor(assets, "dial"))
    create(assets, "b")
    for query in (
        "{ assets { nodes { sensors { totalCount } } } }",
        "{ assets { nodes { plant { id } } } }",
        "{ assets(where: {sensors: {some: {}}}) { totalCount } }",
        "{ assets(where: {not: {sensors: {none: {}}}}) { totalCount } }",
    ):
        assert "link:read" in assets.ask(query, roles=("objects_only",)).refused("FORBIDDEN").error["message"]
    assert assets.data("{ assets { totalCount } }", roles=("objects_only",)) == {"assets": {"totalCount": 2}}


def test_who_may_write_but_not_read_writes_without_being_shown(assets: Tenant) -> None:
    query = 'mutation {{ createAsset(input: {{name: "a"}}) {{ changed {} }} }}'
    assert (
        "object:read"
        in assets.ask(query.format("asset { name }"), roles=("clerk",)).refused("FORBIDDEN").error["message"]
    )
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}
    assert assets.data(query.format(""), roles=("clerk",)) == {"createAsset": {"changed": True}}


REGRADE = 'mutation ($i: ID!) { regradeObject(id: $i, label: "UNCLASSIFIED", reason: "x") { objectId } }'


@pytest.mark.parametrize("ask", [
    lambda t, i: t.ask(DELETE, {"i": i}, label=HIGH, roles=("reader",)),
    lambda t, i: t.ask(REGRADE, {"i": i}, label=HIGH, roles=("writer",)),
    lambda t, i: t.ask(UPDATE, {"i": i, "d": {"rating": 1}}, label=HIGH, roles=("reader",)),
])  # fmt: skip
def test_a_missing_permission_does_not_tell_what_is_there(assets: Tenant, ask: Callable[[Tenant, str], Answer]) -> None:
    there = create(assets, "pump", HIGH)
    assert ask(assets, there).refused("FORBIDDEN").plain == ask(assets, str(uuid4())).plain
