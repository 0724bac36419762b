"""The list of links: those that a reader sees between what the reader sees, in pages, however they are sought."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

import pytest

from compiler.ground import Ground
from compiler.interpreter import visible
from compiler.worlds import LABELS, World, make_world
from fabric.labels import Label

LINKS = """query ($w: LinksWhere, $f: Int, $a: String, $l: Int, $b: String) {
  links(where: $w, first: $f, after: $a, last: $l, before: $b) {
    nodes { id relation from to label weight properties revision validFrom validTo createdAt updatedAt }
    edges { cursor node { key: id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
  }
}"""
LINK = "query ($id: ID!) { link(id: $id) { id relation } }"
SEEDS = range(4)


@pytest.fixture(scope="module")
def world(ground: Ground) -> Callable[[int], World]:
    return cache(lambda seed: make_world(ground, seed))


def links(ground: Ground, world: World, label: str, **variables: Any) -> Any:
    return ground.run(ground.ask(world.organization, world.subjects[label], LINKS, variables))["links"]


def seen(world: World, label: str) -> dict[str, Any]:
    """The links that are there for the label, by id, the slow way."""
    code = world.organization.lattice.encode(Label.parse(label))
    objects = visible(world.objects, "object_id", code)
    there = {row["object_id"] for row in objects if row["type_name"] in world.catalogues[label].types}
    return {
        str(row["link_id"]): row
        for row in visible(world.links, "link_id", code)
        if {row["source_id"], row["target_id"]} <= there
    }


def wanted(row: Any, where: dict[str, Any]) -> bool:
    ends = {"OUT": [row["source_id"]], "IN": [row["target_id"]]}
    of = ends.get(where.get("direction", "BOTH"), [row["source_id"], row["target_id"]])
    return all([
        where.get("relations") is None or row["relation"] in where["relations"],
        where.get("from") in (None, str(row["source_id"])),
        where.get("to") in (None, str(row["target_id"])),
        where.get("objectId") is None or UUID(where["objectId"]) in of,
    ])  # fmt: skip


def filters(random: Random, found: dict[str, Any]) -> list[dict[str, Any]]:
    rows = list(found.values())
    one = random.choice(rows)
    relations = sorted({row["relation"] for row in rows})
    source, target = str(one["source_id"]), str(one["target_id"])
    some = random.sample(relations, random.randint(1, len(relations)))
    return [
        {}, {"relations": some}, {"relations": [*some, *some, "none"]}, {"from": source}, {"to": target},
        {"from": source, "to": target}, {"from": source, "relations": some}, {"to": target, "relations": some},
        *({"objectId": source, "direction": way} for way in ("OUT", "IN", "BOTH")),
        {"objectId": target}, {"objectId": target, "relations": relations}, {"relations": []},
    ]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("label", LABELS)
def test_what_is_listed_is_what_is_seen_and_sought(
    ground: Ground, world: Callable[[int], World], seed: int, label: str
) -> None:
    found = seen(world(seed), label)
    if not found:
        return
    for where in filters(Random(seed), found):
        expected = {id for id, row in found.items() if wanted(row, where)}
        page = links(ground, world(seed), label, w=where, f=1000)
        ids = [node["id"] for node in page["nodes"]]
        assert (len(ids), set(ids), page["totalCount"]) == (len(expected), expected, len(expected)), where
        paged(ground, world(seed), label, where, ids)
        for node in page["nodes"]:
            row = found[node["id"]]
            assert (node["from"], node["to"], node["relation"]) == (
                str(row["source_id"]), str(row["target_id"]), row["relation"]
            )  # fmt: skip


def paged(ground: Ground, world: World, label: str, where: dict[str, Any], whole: list[str]) -> None:
    """Pages of two, forwards and backwards, add up to the whole."""
    for backward in (False, True):
        ids: list[str] = []
        cursor = None
        for _ in range(len(whole) // 2 + 1):
            part = {"l": 2, "b": cursor} if backward else {"f": 2, "a": cursor}
            page = links(ground, world, label, w=where, **part)
            here, info = [edge["node"]["key"] for edge in page["edges"]], page["pageInfo"]
            ids = here + ids if backward else ids + here
            cursor = info["startCursor" if backward else "endCursor"]
            assert info["hasPreviousPage" if backward else "hasNextPage"] == (len(ids) < len(whole))
            assert info["hasNextPage" if backward else "hasPreviousPage"] == (len(ids) > len(here))
            if len(ids) >= len(whole):
                break
        assert ids == whole, (where, backward)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_link_is_there_for_who_sees_it_and_its_ends(
    ground: Ground, world: Callable[[int], World], seed: int
) -> None:
    for label in LABELS:
        found = seen(world(seed), label)
        for id in {str(row["link_id"]) for row in world(seed).links}:
            data = ground.run(ground.ask(world(seed).organization, world(seed).subjects[label], LINK, {"id": id}))
            row = found.get(id)
            assert data["link"] == (row and {"id": id, "relation": row["relation"]})
