"""Relay: its compiler takes the printed schema, and its runtime loads pages from the live server."""

from typing import Any

import pytest
from http_server import Tenant
from workshop import Workshop, client

pytestmark = client("relay-compiler and relay-runtime")

COUNT = 3
OPERATING = {"status": {"eq": "OPERATING"}}


@pytest.fixture
def compiling(workshop: Workshop, schema_text: str) -> Workshop:
    (workshop.folder / "relay" / "schema.graphql").write_text(schema_text)
    (workshop.folder / "relay" / "artifacts").mkdir()
    return workshop


def test_pages_of_connections_are_loaded_and_objects_come_and_go(compiling: Workshop, demo: Tenant) -> None:
    compiling.succeed("relay-compiler", "relay.config.json", within="relay")
    [facility] = demo.data(
        "{ facilities(first: 1, orderBy: [{code: ASC}], where: {supplies: {some: {}}, assets: {some: {}}})"
        " { nodes { code assets(orderBy: [{tag: ASC}]) { nodes { tag } } supplies { totalCount } } } }"
    )["facilities"]["nodes"]
    added = {"code": "RSV-0001", "name": "Aldersyke Tank", "status": "OPERATING", "volume": "9007199254740993"}
    given = {"count": COUNT, "where": OPERATING, "added": added, "facility": facility["code"]}
    told = compiling.ask("relay/pages.mjs", given)
    codes = [n["code"] for n in listed(demo, 2 * COUNT)]
    assert told["pages"] == codes
    assert told["grown"] == [added["code"], *codes]
    assert told["shrunk"] == codes
    tags = [n["tag"] for n in facility["assets"]["nodes"]]
    assert len(tags) > 2
    assert (told["forward"]["page"], told["forward"]["all"]) == (tags[:2], tags)
    assert (told["backward"]["page"], told["backward"]["all"]) == (tags[-2:], tags)
    assert told["forward"]["supplies"] == min(3, facility["supplies"]["totalCount"])
    assert told["complaints"] == []


def listed(demo: Tenant, first: int) -> list[dict[str, Any]]:
    query = """query ($where: FacilityWhere, $first: Int) {
      facilities(where: $where, first: $first, orderBy: [{name: ASC}, {code: ASC}]) { nodes { code } } }"""
    found: list[dict[str, Any]] = demo.data(query, {"where": OPERATING, "first": first})["facilities"]["nodes"]
    return found


def test_a_field_that_is_not_there_does_not_compile(compiling: Workshop) -> None:
    path = compiling.folder / "relay" / "facility.js"
    path.write_text(path.read_text("utf-8").replace("          tag\n", "          nonesuch\n"), "utf-8")
    refused = compiling.run("relay-compiler", "relay.config.json", within="relay")
    assert refused.returncode != 0
    assert "The type `Asset` has no field `nonesuch`" in refused.stdout + refused.stderr
