"""Objects and links over HTTP: made, changed, taken away, one or many, with every way in which that can fail."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from http_server import Tenant

HIGH, ALPHA = "SECRET", "SECRET/ALPHA"

VALUES: dict[str, Any] = {
    "name": "pump",
    "note": "büßt\n💧",
    "status": "DEGRADED",
    "rating": -1.5e-7,
    "count": -7,
    "total": "9007199254740993",
    "price": "12.50",
    "active": False,
    "day": "2024-02-29",
    "installedAt": "2024-05-01T10:00:00+02:00",
    "span": "PT36H",
    "uid": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    "site": "https://example.org/ä?b#c",
    "extra": {"b": [1, 2.5, None, "x\\y"], "a": {}},
    "tags": ["b", "a", "b", ""],
    "totals": [1, "9223372036854775807"],
}
"""A value of each kind, as sent."""

CANONICAL: dict[str, Any] = VALUES | {
    "price": "12.5", "installedAt": "2024-05-01T08:00:00.000000Z", "span": "P1DT12H",
    "uid": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "totals": ["1", "9223372036854775807"],
}  # fmt: skip
"""The same, as given back."""

FIELDS = " ".join(VALUES)


def mutate(tenant: Tenant, action: str, type_: str, variables: dict[str, Any], payload: str, **who: Any) -> Any:
    """Runs `createAsset` and the like with the variable `input`, and others by name; gives the payload."""
    kinds = {"input": f"{type_}{action.capitalize()}Input!", "id": "ID!", "expectedRevision": "Int"}
    declared = ", ".join(f"${name}: {kinds[name]}" for name in variables)
    given = ", ".join(f"{name}: ${name}" for name in variables)
    query = f"mutation ({declared}) {{ {action}{type_}({given}) {{ {payload} }} }}"
    return tenant.data(query, variables, **who)[action + type_]


def create(tenant: Tenant, type_: str = "Asset", label: str = "UNCLASSIFIED", **data: Any) -> str:
    """The id of a new object."""
    field = type_.lower()
    found: str = mutate(tenant, "create", type_, {"input": data}, f"{field} {{ id }}", label=label)[field]["id"]
    return found


def names(tenant: Tenant, **who: Any) -> list[str]:
    nodes = tenant.data("{ assets(orderBy: {name: ASC}) { nodes { name } } }", **who)["assets"]["nodes"]
    return [node["name"] for node in nodes]


# One object


def test_every_kind_of_value_comes_back_in_its_canonical_form(assets: Tenant) -> None:
    made = mutate(assets, "create", "Asset", {"input": VALUES}, f"changed asset {{ {FIELDS} }}")
    assert made == {"changed": True, "asset": CANONICAL}
    assert assets.data(f"{{ assets {{ nodes {{ {FIELDS} }} }} }}")["assets"]["nodes"] == [CANONICAL]
    again = mutate(assets, "upsert", "Asset", {"input": CANONICAL}, f"changed position asset {{ {FIELDS} revision }}")
    assert again == {"changed": False, "position": None, "asset": CANONICAL | {"revision": 1}}


def test_values_in_the_document_are_as_values_in_variables(assets: Tenant) -> None:
    text = (
        'name: "pump", note: """büßt\n💧""", status: DEGRADED, rating: -1.5e-7, count: -7, total: "9007199254740993",'
        ' price: "12.50", active: false, day: "2024-02-29", installedAt: "2024-05-01T10:00:00+02:00", span: "PT36H",'
        ' uid: "6F9619FF-8B86-D011-B42D-00C04FC964FF", site: "https://example.org/ä?b#c",'
        ' extra: {b: [1, 2.5, null, "x\\\\y"], a: {}}, tags: ["b", "a", "b", ""], totals: [1, "9223372036854775807"]'
    )
    made = assets.data(f"mutation {{ createAsset(input: {{{text}}}) {{ asset {{ {FIELDS} }} }} }}")
    assert made["createAsset"]["asset"] == CANONICAL


def test_a_new_object_has_nothing_it_was_not_given(assets: Tenant) -> None:
    given = {"input": {"name": "bare", "note": None}}
    made = mutate(assets, "create", "Asset", given, f"asset {{ {FIELDS} revision label }}")
    bare = dict.fromkeys(VALUES) | {"name": "bare", "revision": 1, "label": "UNCLASSIFIED"}
    assert made["asset"] == bare


def test_an_update_changes_what_it_names_and_null_clears(assets: Tenant) -> None:
    id = mutate(assets, "create", "Asset", {"input": VALUES}, "asset { id }")["asset"]["id"]
    update = {"id": id, "input": {"rating": 2, "note": None, "tags": []}}
    found = mutate(assets, "update", "Asset", update, f"changed asset {{ {FIELDS} revision }}")
    assert found == {"changed": True, "asset": CANONICAL | {"rating": 2.0, "note": None, "tags": [], "revision": 2}}
    same = mutate(assets, "update", "Asset", update, "changed position asset { revision }")
    assert same == {"changed": False, "position": None, "asset": {"revision": 2}}


def test_times_move_as_the_object_does(assets: Tenant) -> None:
    id = create(assets, name="a")
    query = "query ($i: ID!) { asset(id: $i) { createdAt updatedAt } }"
    before = assets.data(query, {"i": id})["asset"]
    assert before["createdAt"] == before["updatedAt"]
    mutate(assets, "update", "Asset", {"id": id, "input": {"rating": 1}}, "changed")
    after = assets.data(query, {"i": id})["asset"]
    assert after["createdAt"] == before["createdAt"] < after["updatedAt"]


def test_a_natural_key_names_one_object(assets: Tenant) -> None:
    id = create(assets, name="pump")
    assets.ask('mutation { createAsset(input: {name: "pump"}) { changed } }').refused("CONFLICT", path=["input"])
    assert assets.data('{ assetByKey(name: "pump") { id } }') == {"assetByKey": {"id": id}}
    given = {"input": {"name": "pump", "rating": 3}}
    upserted = mutate(assets, "upsert", "Asset", given, "changed asset { id rating }")
    assert upserted == {"changed": True, "asset": {"id": id, "rating": 3.0}}
    renamed = assets.ask(f'mutation {{ updateAsset(id: "{id}", input: {{name: "other"}}) {{ changed }} }}')
    renamed.refused(path=["input", "name"])
    mutate(assets, "delete", "Asset", {"id": id}, "deletedId")
    assert create(assets, name="pump") == id


def test_without_a_natural_key_ids_are_random_or_given(assets: Tenant) -> None:
    first, second = create(assets, "Plant", title="a"), create(assets, "Plant", title="a")
    assert first != second
    assert UUID(first).version == UUID(second).version == 4
    own = str(uuid4())
    assert create(assets, "Plant", id=own.upper(), title="b") == own
    upsert = "mutation ($i: PlantUpsertInput!) { upsertPlant(input: $i) { changed } }"
    assets.ask(upsert, {"i": {"title": "x"}}).refused(status=400, path=["i"])


def test_an_upsert_creates_what_is_not_there(assets: Tenant) -> None:
    id = str(uuid4())
    for title, changed in (("a", True), ("a", False), ("b", True)):
        found = mutate(assets, "upsert", "Plant", {"input": {"id": id, "title": title}}, "changed plant { id title }")
        assert found == {"changed": changed, "plant": {"id": id, "title": title}}
    assert assets.data("{ plants { totalCount } }") == {"plants": {"totalCount": 1}}


def test_a_deleted_object_is_gone(assets: Tenant) -> None:
    id = create(assets, name="a")
    assert mutate(assets, "delete", "Asset", {"id": id.upper()}, "deletedId") == {"deletedId": id}
    assert names(assets) == []
    for again in (id, str(uuid4())):
        answer = assets.ask("mutation ($i: ID!) { deleteAsset(id: $i) { deletedId } }", {"i": again})
        answer.refused("NOT_FOUND", path=["id"])


@pytest.mark.parametrize("action", ["update", "delete"])
def test_an_expected_revision_that_has_passed_conflicts(assets: Tenant, action: str) -> None:
    id = create(assets, name="a", rating=1)
    given = "id: $i, expectedRevision: $n" + (", input: {rating: 5}" if action == "update" else "")
    query = f"mutation ($i: ID!, $n: Int) {{ {action}Asset({given}) {{ position }} }}"
    for revision in (0, 2, -1, 2**31 - 1):
        refused = assets.ask(query, {"i": id, "n": revision}).refused("CONFLICT", path=["expectedRevision"])
        assert "revision 1" in refused.error["message"]
    assert assets.data(query, {"i": id, "n": 1})[f"{action}Asset"]["position"]


def test_required_fields_cannot_be_cleared_or_left_out(organization: Tenant) -> None:
    organization.define({"typeName": "Thing", "fields": {n: {"type": "string", "required": True} for n in "ab"}})
    create = "mutation ($i: ThingCreateInput!) { createThing(input: $i) { thing { id } } }"
    organization.ask(create, {"i": {"a": "x"}}).refused(status=400, path=["i"])
    id = organization.data(create, {"i": {"a": "x", "b": "y"}})["createThing"]["thing"]["id"]
    query = "mutation ($i: ID!, $d: ThingUpdateInput!) { updateThing(id: $i, input: $d) { changed } }"
    refused = organization.ask(query, {"i": id, "d": {"a": None, "b": None}}).refused()
    assert [e["extensions"]["inputPath"] for e in refused.errors] == [["input", "a"], ["input", "b"]]


def test_faults_come_all_at_once_each_with_its_place(assets: Tenant) -> None:
    # What GraphQL's own types let pass: too long a text, half a list.
    input = {"name": "a" * 10_001, "note": "n\0", "tags": ["x", "y\0", "z\0"]}
    query = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { changed } }"
    refused = assets.ask(query, {"i": input}).refused()
    paths = [e["extensions"]["inputPath"] for e in refused.errors]
    assert ["input", "name"] in paths
    assert ["input", "note"] in paths
    assert ["input", "tags", 1] in paths
    assert all(e["path"] == ["createAsset"] for e in refused.errors)


# Many objects

MANY = "mutation ($i: [Asset{0}Input!]!) {{ {1}Assets(inputs: $i) {{ position assets {{ name rating revision }} }} }}"
CREATE_MANY = MANY.format("Create", "create")
UPSERT_MANY = MANY.format("Upsert", "upsert")
UPDATE_MANY = MANY.format("BulkUpdate", "update")


def test_many_are_made_in_one_go_in_their_order(assets: Tenant) -> None:
    given: list[dict[str, Any]] = [{"name": n, "rating": i} for i, n in enumerate("cab")]
    made = assets.data(CREATE_MANY, {"i": given})["createAssets"]
    assert made["assets"] == [g | {"rating": float(g["rating"]), "revision": 1} for g in given]
    upserted = assets.data(UPSERT_MANY, {"i": [{"name": "a", "rating": 9}, {"name": "d"}, {"name": "c", "rating": 0}]})
    assert upserted["upsertAssets"]["assets"] == [
        {"name": "a", "rating": 9.0, "revision": 2}, {"name": "d", "rating": None, "revision": 1},
        {"name": "c", "rating": 0.0, "revision": 1},
    ]  # fmt: skip
    assert names(assets) == ["a", "b", "c", "d"]


def test_a_single_one_is_taken_as_a_list_of_one(assets: Tenant) -> None:
    assert len(assets.data(CREATE_MANY, {"i": {"name": "a"}})["createAssets"]["assets"]) == 1


def test_none_at_all_is_nothing(assets: Tenant) -> None:
    assert assets.data(CREATE_MANY, {"i": []}) == {"createAssets": {"position": None, "assets": []}}
    assert assets.data("mutation { deleteAssets(ids: []) { deletedIds position } }") == {
        "deleteAssets": {"deletedIds": [], "position": None}
    }


@pytest.mark.parametrize(
    ("inputs", "code", "paths"),
    [
        ([{"name": "x"}, {"name": "old"}], "CONFLICT", [["inputs", 1]]),
        ([{"name": "x"}, {"name": "x"}], "CONFLICT", [["inputs", 1]]),
        ([{"name": "old"}, {"name": "x"}, {"name": "x"}], "CONFLICT", [["inputs", 0], ["inputs", 2]]),
        ([{"name": "x"}, {"name": "y\0"}, {"name": "z", "tags": ["\0"]}], "BAD_USER_INPUT",
         [["inputs", 1, "name"], ["inputs", 2, "tags", 0]]),
    ],
)  # fmt: skip
def test_of_many_all_or_none_are_made(assets: Tenant, inputs: Any, code: str, paths: list[list[Any]]) -> None:
    create(assets, name="old")
    refused = assets.ask(CREATE_MANY, {"i": inputs}).refused(code)
    told = [e["extensions"]["inputPath"] for e in refused.errors]
    assert [path for path in told if path in paths] == paths
    assert {path[1] for path in told} == {path[1] for path in paths}
    assert names(assets) == ["old"]


def test_many_are_changed_each_with_its_revision(assets: Tenant) -> None:
    ids = [create(assets, name=n, rating=0) for n in "abc"]
    mixed = [
        {"id": ids[0], "set": {"rating": 1}, "expectedRevision": 1},
        {"id": ids[1], "set": {"rating": 1}, "expectedRevision": 2},
        {"id": str(uuid4()), "set": {"rating": 1}},
        {"id": ids[2], "set": {"name": "z"}},
        {"id": "no id", "set": {"rating": 1}},
    ]
    refused = assets.ask(UPDATE_MANY, {"i": mixed}).refused_with("CONFLICT", "NOT_FOUND", "BAD_USER_INPUT", "NOT_FOUND")
    assert [(e["extensions"]["code"], e["extensions"]["inputPath"]) for e in refused.errors] == [
        ("CONFLICT", ["inputs", 1, "expectedRevision"]),
        ("NOT_FOUND", ["inputs", 2, "id"]),
        ("BAD_USER_INPUT", ["inputs", 3, "set", "name"]),
        ("NOT_FOUND", ["inputs", 4, "id"]),
    ]
    changed = assets.data(UPDATE_MANY, {"i": [{"id": id, "set": {"rating": i}} for i, id in enumerate(ids)]})
    assert [(n["rating"], n["revision"]) for n in changed["updateAssets"]["assets"]] == [(0.0, 1), (1.0, 2), (2.0, 2)]


def test_one_object_can_be_changed_twice_in_one_go(assets: Tenant) -> None:
    id = create(assets, name="a")
    twice = [
        {"id": id, "set": {"rating": 1}, "expectedRevision": 1},
        {"id": id, "set": {"count": 2}, "expectedRevision": 2},
    ]
    assets.data(UPDATE_MANY, {"i": twice})
    query = "{ assets { nodes { rating count } } }"
    assert assets.data(query)["assets"]["nodes"] == [{"rating": 1.0, "count": 2}]


def test_many_are_deleted_all_or_none(assets: Tenant) -> None:
    ids = [create(assets, name=n) for n in "abc"]
    query = "mutation ($i: [ID!]!) { deleteAssets(ids: $i) { deletedIds } }"
    refused = assets.ask(query, {"i": [ids[0], str(uuid4()), ids[1], "x"]}).refused("NOT_FOUND")
    assert [e["extensions"]["inputPath"] for e in refused.errors] == [["ids", 1], ["ids", 3]]
    assert names(assets) == ["a", "b", "c"]
    assert assets.data(query, {"i": ids[:2]}) == {"deleteAssets": {"deletedIds": ids[:2]}}
    assert names(assets) == ["c"]


def test_each_id_that_is_none_is_told(assets: Tenant) -> None:
    for action in ("create", "upsert"):
        query = f"mutation ($i: [Plant{action.title()}Input!]!) {{ {action}Plants(inputs: $i) {{ position }} }}"
        refused = assets.ask(query, {"i": [{"id": "x"}, {"id": str(uuid4())}, {"id": ""}]}).refused()
        assert [e["extensions"]["inputPath"] for e in refused.errors] == [["inputs", 0, "id"], ["inputs", 2, "id"]]
    assert assets.data("{ plants { totalCount } }")["plants"]["totalCount"] == 0


def test_what_is_no_id_names_no_object_not_even_that_of_zeros(assets: Tenant) -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    assets.data("mutation ($i: ID!) { createPlant(input: {id: $i}) { changed } }", {"i": zeros})
    query = """query ($i: ID!) { plant(id: $i) { id } events(where: {entityId: $i}) { nodes { topic } }
      objectAsOf(id: $i, time: "9999-01-01T00:00:00Z") { type } }"""
    found = assets.data(query, {"i": zeros})
    assert found["plant"] == {"id": zeros}
    assert found["objectAsOf"] == {"type": "Plant"}
    assert assets.data(query, {"i": "zero"}) == {"plant": None, "events": {"nodes": []}, "objectAsOf": None}


def test_a_thousand_are_made_in_time(assets: Tenant) -> None:
    answer = assets.ask(CREATE_MANY, {"i": [{"name": f"{i:04}"} for i in range(1_000)]})
    assert [n["name"] for n in answer.data["createAssets"]["assets"]] == [f"{i:04}" for i in range(1_000)]
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 1_000}}


# Tombstones and covers


def test_a_deletion_above_leaves_what_is_below(assets: Tenant) -> None:
    id = create(assets, name="a", rating=1)
    mutate(assets, "delete", "Asset", {"id": id}, "deletedId", label=HIGH)
    seen = {label: names(assets, label=label) for label in ("UNCLASSIFIED", "CONFIDENTIAL", HIGH, ALPHA)}
    assert seen == {"UNCLASSIFIED": ["a"], "CONFIDENTIAL": ["a"], HIGH: [], ALPHA: []}
    made = mutate(assets, "create", "Asset", {"input": {"name": "a"}}, "asset { id rating label }", label=HIGH)
    assert made["asset"] == {"id": id, "rating": None, "label": HIGH}
    assert names(assets, label=ALPHA) == ["a"]


def test_a_deleted_cover_shows_what_it_covered_no_more(assets: Tenant) -> None:
    id = create(assets, name="a", rating=1)
    mutate(assets, "update", "Asset", {"id": id, "input": {"rating": 2}}, "changed", label=HIGH)
    mutate(assets, "delete", "Asset", {"id": id}, "deletedId", label=HIGH)
    assert names(assets, label=HIGH) == []
    mutate(assets, "delete", "Asset", {"id": id}, "deletedId")
    assert names(assets) == []


def test_a_regraded_object_moves(assets: Tenant) -> None:
    id = create(assets, name="a", rating=1)
    query = (
        "mutation ($i: ID!, $l: Label!, $r: String!) { regradeObject(id: $i, label: $l, reason: $r) { objectId label"
        " position } }"
    )
    given = {"i": id, "l": "SECRET/ALPHA", "r": "found to be more"}
    up = assets.data(query, given, label=ALPHA, session_label="UNCLASSIFIED")["regradeObject"]
    assert (up["objectId"], up["label"]) == (id, ALPHA)
    assert [names(assets), names(assets, label=HIGH), names(assets, label=ALPHA)] == [[], [], ["a"]]
    assets.ask(query, given | {"l": "TOP_SECRET"}, label=ALPHA).refused(path=["label"])
    assets.ask(query, given, label=ALPHA).refused(path=["label"])
    for reason in ("", " ", "\0", "r" * 2_001):
        assets.ask(query, given | {"l": HIGH, "r": reason}, label=ALPHA).refused(path=["reason"])
    assets.data(query, given | {"l": "UNCLASSIFIED"}, label=ALPHA)
    assert names(assets) == ["a"]


# Links

LINK = "mutation ($i: LinkInput!) { link(input: $i) { linkId changed position } }"
MEMBERS = "id weight properties validFrom validTo revision label"
READ_LINKS = (
    f"{{ assets(orderBy: {{name: ASC}}) {{ nodes {{ sensors {{ totalCount edges {{ link {{ {MEMBERS} }} node {{"
    f" name }} }} }} }} }} }}"
)


def edges(tenant: Tenant, **who: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tenant.data(READ_LINKS, **who)["assets"]["nodes"][0]["sensors"]["edges"]
    return found


def test_a_link_keeps_what_it_is_given(assets: Tenant, pair: tuple[str, str]) -> None:
    given = {
        "relation": "has_sensor", "from": pair[0], "to": pair[1], "weight": 0.25,
        "properties": {"note": "left", "channel": 3},
        "validFrom": "2024-01-01T01:00:00+01:00", "validTo": "2025-01-01T00:00:00Z",
        "semanticNamespace": "https://example.org/", "semanticPredicate": "hasSensor",
    }  # fmt: skip
    made = assets.data(LINK, {"i": given})["link"]
    assert made["changed"]
    assert edges(assets) == [
        {
            "link": {
                "id": made["linkId"], "weight": 0.25, "properties": {"note": "left", "channel": 3}, "revision": 1,
                "validFrom": "2024-01-01T00:00:00.000000Z", "validTo": "2025-01-01T00:00:00.000000Z",
                "label": "UNCLASSIFIED",
            },
            "node": {"name": "dial"},
        }
    ]  # fmt: skip
    assets.ask(LINK, {"i": given}).refused("CONFLICT", path=["input"])


def test_a_link_is_changed_and_taken_away(assets: Tenant, pair: tuple[str, str]) -> None:
    given: dict[str, Any] = {"relation": "has_sensor", "from": pair[0], "to": pair[1], "weight": 1}
    given["properties"] = {"note": "a", "channel": 1}
    id = assets.data(LINK, {"i": given})["link"]["linkId"]
    query = (
        "mutation ($i: ID!, $d: UpdateLinkInput!, $n: Int) { updateLink(id: $i, input: $d, expectedRevision: $n)"
        " { linkId changed } }"
    )
    change = {"weight": None, "properties": {"note": None, "channel": 2}, "validFrom": "2024-01-01T00:00:00Z"}
    assert assets.data(query, {"i": id, "d": change})["updateLink"] == {"linkId": id, "changed": True}
    assert assets.data(query, {"i": id, "d": change})["updateLink"] == {"linkId": id, "changed": False}
    link = edges(assets)[0]["link"]
    assert (link["weight"], link["properties"], link["revision"]) == (None, {"channel": 2}, 2)
    assets.ask(query, {"i": id, "d": {"weight": 3}, "n": 1}).refused("CONFLICT", path=["expectedRevision"])
    assets.ask(query, {"i": id, "d": {"validTo": "2023-01-01T00:00:00Z"}}).refused(path=["input", "validTo"])
    assets.ask(query, {"i": id, "d": {"properties": {"nope": 1}}}).refused(path=["input", "properties", "nope"])
    unlink = "mutation ($i: ID!, $n: Int) { unlink(id: $i, expectedRevision: $n) { linkId } }"
    assets.ask(unlink, {"i": id, "n": 9}).refused("CONFLICT", path=["expectedRevision"])
    assert assets.data(unlink, {"i": id, "n": 2}) == {"unlink": {"linkId": id}}
    assert edges(assets) == []
    assets.ask(unlink, {"i": id}).refused("NOT_FOUND", path=["id"])


def test_parallel_links_are_told_apart_by_their_key(assets: Tenant, pair: tuple[str, str]) -> None:
    keys: Sequence[str | None] = (None, "a", "b", "")
    given = {"relation": "has_sensor", "from": pair[0], "to": pair[1]}
    made = {assets.data(LINK, {"i": given | {"key": key}})["link"]["linkId"] for key in keys}
    assert len(made) == 4
    assert {edge["link"]["id"] for edge in edges(assets)} == made


def test_a_deleted_end_takes_its_links_along(assets: Tenant, pair: tuple[str, str]) -> None:
    given = {"i": {"relation": "has_sensor", "from": pair[0], "to": pair[1]}}
    assets.data(LINK, given)
    mutate(assets, "delete", "Sensor", {"id": pair[1]}, "deletedId")
    assert edges(assets) == []
    create(assets, "Sensor", name="dial")
    assert edges(assets) == []
    assert assets.data(LINK, given)["link"]["changed"]


def test_a_link_is_read_from_both_ends(assets: Tenant, pair: tuple[str, str]) -> None:
    plant = create(assets, "Plant", title="north")
    assets.data(LINK, {"i": {"relation": "has_sensor", "from": pair[0], "to": pair[1]}})
    assets.data(LINK, {"i": {"relation": "contains", "from": plant, "to": pair[0]}})
    query = """{ sensors(first: 5) { nodes { assets(first: 5) { nodes { name plant {
        title assets(first: 5) { nodes { sensors(first: 5) { nodes { name } } } } } } } } } }"""
    around = {"title": "north", "assets": {"nodes": [{"sensors": {"nodes": [{"name": "dial"}]}}]}}
    assert assets.data(query)["sensors"]["nodes"] == [{"assets": {"nodes": [{"name": "pump", "plant": around}]}}]


def test_the_cost_of_nodes_grows_with_their_ids(assets: Tenant) -> None:
    query = (
        "query ($i: [ID!]!) { nodes(ids: $i) { ... on Plant { assets(first: 1000) { nodes { sensors(first: 100)"
        " { nodes { id } } } } } } }"
    )
    ids = [str(uuid4()) for _ in range(200)]
    assert assets.data(query, {"i": ids[:2]}) == {"nodes": [None, None]}
    assets.ask(query, {"i": ids}).refused("QUERY_TOO_COMPLEX", status=400)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("sensors(first: -1) { totalCount }", "BAD_USER_INPUT"),
        ("sensors(first: $n) { totalCount }", "BAD_USER_INPUT"),
        ('sensors(after: "made up") { totalCount }', "BAD_USER_INPUT"),
        ('sensors(where: {name: {eq: "\\u0000"}}) { totalCount }', "BAD_USER_INPUT"),
        ("sensors(orderBy: [{}]) { totalCount }", "BAD_USER_INPUT"),
        ("sensors(first: 999) { nodes { assets(first: 999) { nodes { sensors(first: 999) { totalCount } } } } }",
         "QUERY_TOO_COMPLEX"),
    ],
)  # fmt: skip
def test_nothing_is_written_when_the_payload_cannot_be_read(assets: Tenant, payload: str, code: str) -> None:
    declared = "($n: Int = 5000)" if "$n" in payload else ""
    for field in (
        f'createAsset(input: {{name: "a"}}) {{ changed again: asset {{ name }} asset {{ {payload} }} }}',
        f'createAssets(inputs: [{{name: "a"}}]) {{ ...P }} }} fragment P on AssetBulkPayload {{ assets {{ {payload} }}',
        f'upsertAsset(input: {{name: "a"}}) {{ changed ... on AssetPayload {{ asset {{ {payload} }} }} }}',
    ):
        refused = assets.ask(f"mutation {declared} {{ {field} }}")
        assert refused.codes == {code}
        assert refused.body["data"] is None
    assert names(assets) == []
