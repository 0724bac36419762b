"""Questions about the schema: answered beside the loop, as a part of whatever else is asked."""

import asyncio
import threading

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema

from compiler.house import HIGH, LOW, House
from fabric.types.catalogue import Catalogue
from graphql_api.compiler import introspection
from graphql_api.schema.schema import build_whole

SCHEMA = "{ __schema { queryType { name } } }"


def test_introspection_tells_the_schema_that_the_label_sees(house: House) -> None:
    for label in (LOW, HIGH):
        catalogue = house.ground.run(
            house.ground.types.catalogue(house.ground.subject(house.organization, label).session)
        )
        told = build_client_schema(house.ask(get_introspection_query(), label=label))
        assert print_schema(told) == print_schema(build_whole(catalogue))


def test_what_else_is_asked_keeps_its_place_beside_introspection(house: House) -> None:
    data = house.ask(
        """query ($name: String!) { last: viewer { subject } equipmentList(first: 1) { nodes { name } }
           __type(name: $name) { ...Fields } __typename __schema { queryType { name } } first: viewer { subject } }
           fragment Fields on __Type { name fields { name } }""",
        {"name": "PageInfo"},
    )
    assert list(data) == ["last", "equipmentList", "__type", "__typename", "__schema", "first"]
    assert data["__type"]["name"] == "PageInfo"
    assert {f["name"] for f in data["__type"]["fields"]} >= {"hasNextPage", "endCursor"}
    assert data["__schema"] == {"queryType": {"name": "Query"}}
    assert data["__typename"] == "Query"
    assert len(data["equipmentList"]["nodes"]) == 1
    assert data["last"] == data["first"] == {"subject": "ann"}
    assert house.ask("query ($n: String!) { __type(name: $n) { name } }", {"n": "Nope"}) == {"__type": None}


def test_others_are_answered_while_one_introspects(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(catalogue: Catalogue) -> object:
        begun.set()
        assert go_on.wait(30)
        return build_whole(catalogue)

    monkeypatch.setattr(introspection, "build_whole", slow)
    ground = house.ground
    ground.forget_compilers()

    async def both() -> None:
        subject = ground.subject(house.organization, LOW)
        asking = asyncio.create_task(ground.ask(house.organization, subject, SCHEMA))
        await asyncio.to_thread(begun.wait, 30)
        found = await ground.ask(house.organization, subject, "{ equipmentList(first: 1) { nodes { name } } }")
        assert len(found["equipmentList"]["nodes"]) == 1
        assert not asking.done()
        go_on.set()
        assert await asking == {"__schema": {"queryType": {"name": "Query"}}}

    ground.run(both())
