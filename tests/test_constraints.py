"""Constraints of fields: what a definition may say, what a write is held against, and for whom."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from databases import MakeSubject
from encrypted_ground import Ground, faults
from hypothesis import given
from hypothesis import strategies as st
from steered_vault import software

from fabric.database.db import Database
from fabric.errors import BadInput, FabricError, Several
from fabric.identity.organizations import Organization
from fabric.types.catalogue import field_json, read_field
from fabric.types.definitions import Field
from fabric.types.document_reading import read_document
from fabric.types.faults import Faults
from fabric.types.type_documents import field_document
from fabric.types.values import read_data
from fabric.writing.nested_links import NestedLink
from fabric.writing.objects import Change

MIDNIGHT = "2024-01-01T00:00:00Z"
TEXT: dict[str, Any] = {"type": "string"}
NUMBERS: dict[str, Any] = {"type": "integer", "list": True}


def field(**said: Any) -> Field:
    return read_document({"typeName": "Thing", "fields": {"a": said}}).fields["a"]


def refused(field: Field, value: object) -> list[tuple[str | int, ...]]:
    """The paths of what is wrong with the value."""
    found = Faults()
    read_data({"a": field}, {"a": value}, found, "data")
    return [error.path for error in found.errors]


@pytest.mark.parametrize(
    ("said", "fits", "other"),
    [
        (TEXT | {"pattern": "^[A-Z]{2}-[0-9]+$"}, "AB-1", "AB-1\n"),
        (TEXT | {"pattern": "é"}, "caféine", "cafe and more"),
        (TEXT | {"minLength": 2}, "éé", "é"),
        (TEXT | {"maxLength": 2}, "éé", "ééé"),
        ({"type": "uri", "pattern": "^https:"}, "https://example.org", "http://example.org"),
        ({"type": "integer", "minimum": 0}, 0, -1),
        ({"type": "integer", "maximum": 0}, 0, 1),
        ({"type": "bigint", "minimum": "9007199254740993"}, "9007199254740993", "9007199254740992"),
        ({"type": "float", "exclusiveMinimum": 0}, 0.1, 0.0),
        ({"type": "decimal", "maximum": "9.5"}, "9.50", "10"),
        ({"type": "date", "exclusiveMaximum": "2024-02-01"}, "2024-01-31", "2024-02-01"),
        ({"type": "datetime", "minimum": MIDNIGHT}, "2024-01-01T01:00:00+01:00", "2024-01-01T00:30:00+01:00"),
        (NUMBERS | {"minItems": 1}, [1], []),
        (NUMBERS | {"maxItems": 1}, [1], [1, 2]),
    ],
)  # fmt: skip
def test_a_value_is_held_against_its_constraint(said: dict[str, Any], fits: object, other: object) -> None:
    assert refused(field(**said), fits) == []
    assert refused(field(**said), other) == [("data", "a")]


def test_no_message_repeats_a_value() -> None:
    found = Faults()
    for said in ({"pattern": "^a"}, {"minLength": 20}, {"maxLength": 2}):
        read_data({"a": field(**TEXT, **said)}, {"a": "hidden"}, found)
    assert len(found.errors) == 3
    assert not any("hidden" in error.message for error in found.errors)


def test_an_item_at_fault_has_its_index_in_the_path() -> None:
    assert refused(field(**NUMBERS, maximum=5), [1, 9]) == [("data", "a", 1)]
    assert refused(field(**NUMBERS, uniqueItems=True), [1, 2, 1]) == [("data", "a", 2)]
    assert refused(field(type="decimal", list=True, uniqueItems=True), ["1.0", "1"]) == [("data", "a", 1)]


@given(st.decimals(-1000, 1000, places=2), st.decimals(-1000, 1000, places=2))
def test_bounds_order_decimals_as_numbers(bound: Decimal, value: Decimal) -> None:
    for key, fits in (
        ("minimum", value >= bound),
        ("maximum", value <= bound),
        ("exclusiveMinimum", value > bound),
        ("exclusiveMaximum", value < bound),
    ):
        found = Faults()
        read_data({"a": field(type="decimal", **{key: str(bound)})}, {"a": str(value)}, found)
        assert (not found.errors) is fits


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (TEXT | {"pattern": "("}, "pattern"),
        (TEXT | {"pattern": "(?=a)"}, "pattern"),
        (TEXT | {"pattern": "(a{1000}){1000}"}, "pattern"),
        (TEXT | {"pattern": "a" * 1_001}, "pattern"),
        (TEXT | {"pattern": ".{0,1000}x"}, "pattern"),
        (TEXT | {"pattern": 1}, "pattern"),
        (TEXT | {"minLength": -1}, "minLength"),
        (TEXT | {"minLength": True}, "minLength"),
        (TEXT | {"minLength": 3, "maxLength": 2}, "minLength"),
        (TEXT | {"minimum": 1}, "minimum"),
        ({"type": "integer", "pattern": "1"}, "pattern"),
        ({"type": "integer", "minimum": "1"}, "minimum"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "minimum"),
        ({"type": "decimal", "exclusiveMinimum": "10", "maximum": "9"}, "exclusiveMinimum"),
        ({"type": "integer", "minItems": 1}, "minItems"),
        (NUMBERS | {"minItems": 2, "maxItems": 1}, "minItems"),
        (NUMBERS | {"uniqueItems": "yes"}, "uniqueItems"),
        ({"type": "boolean", "minimum": False}, "minimum"),
    ],
)
def test_a_constraint_that_no_value_can_be_held_against_is_refused(said: dict[str, Any], key: str) -> None:
    with pytest.raises(FabricError) as caught:
        field(**said)
    errors = caught.value.errors if isinstance(caught.value, Several) else [caught.value]
    assert [error.path for error in errors] == [("fields", "a", key)]
    assert all(isinstance(error, BadInput) for error in errors)


@pytest.mark.parametrize(
    "said",
    [
        TEXT | {"pattern": "^a", "minLength": 0, "maxLength": 9},
        {"type": "float", "exclusiveMinimum": 0.0, "maximum": 1.5},
        NUMBERS | {"minimum": 0, "minItems": 0, "maxItems": 4, "uniqueItems": True},
    ],
)
def test_constraints_come_back_as_they_were_written(said: dict[str, Any]) -> None:
    made = field(**said)
    assert field_document(made) == said
    assert read_field(field_json(made), 0) == made


@pytest.mark.parametrize(
    ("bounds", "possible"),
    [
        ({"minimum": 5, "maximum": 5}, True),
        ({"minimum": 5, "exclusiveMaximum": 5}, False),
        ({"exclusiveMinimum": 5, "maximum": 5}, False),
        ({"minimum": 5, "maximum": 5, "exclusiveMaximum": 6}, True),
    ],
)
def test_bounds_that_leave_no_value_are_refused(bounds: dict[str, int], possible: bool) -> None:
    if possible:
        field(type="integer", **bounds)
    else:
        with pytest.raises(FabricError):
            field(type="integer", **bounds)


def test_a_text_that_is_too_long_for_a_pattern_is_refused() -> None:
    assert refused(field(type="text", pattern="x"), "x" * 10_001) == [("data", "a")]


def test_a_pattern_of_nested_repetitions_does_not_hang() -> None:
    assert refused(field(type="text", pattern="^(x+x+)+y$"), "x" * 10_000) == [("data", "a")]


PERSON = {
    "typeName": "Person",
    "fields": {
        "name": {"type": "string", "maxLength": 5},
        "age": {"type": "integer"},
        "serial": {"type": "string", "encrypted": True, "pattern": "^[0-9]+$"},
    },
}


@pytest.fixture
async def ground(
    admin_url: str, database: Database, organization: Organization, subject: MakeSubject, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with software(tmp_path) as vault:
        ground = Ground(admin_url, database, organization, subject, vault)
        await ground.define(PERSON)
        yield ground


async def refused_write(ground: Ground, *changes: Change, at: str = "UNCLASSIFIED") -> set[tuple[str | int, ...]]:
    with pytest.raises(FabricError) as caught:
        await ground.write(*changes, at=at)
    return set(faults(caught.value))


@pytest.mark.anyio
async def test_every_change_of_a_write_is_checked_and_none_is_made(ground: Ground) -> None:
    id = await ground.create(name="Ann")
    changes = [
        Change("create", "Person", {"name": "Augusta"}, path=(0,)),
        Change("update", "Person", {"name": "Augusta"}, id, path=(1,)),
        Change("upsert", "Person", {"name": "Augusta"}, UUID(int=7, version=4), path=(2,)),
        Change("update", "Person", {"name": "Bob"}, id, path=(3,)),
    ]
    assert await refused_write(ground, *changes) == {(0, "name"), (1, "name"), (2, "name")}
    assert (await ground.data(id))["name"] == "Ann"


@pytest.mark.anyio
async def test_an_encrypted_value_is_checked_before_the_vault_is_asked(ground: Ground) -> None:
    ground.vault.calls.clear()
    assert await refused_write(ground, Change("create", "Person", {"serial": "secret"})) == {("serial",)}
    assert not ground.vault.calls
    await ground.create(serial="123")


@pytest.mark.anyio
async def test_an_encrypted_value_is_held_against_what_the_objects_own_type_asks(ground: Ground) -> None:
    serial = {"type": "string", "maxLength": 1}
    await ground.define({"typeName": "Agent", "extends": "Person", "fields": {"serial": serial}})
    (agent,) = await ground.write(Change("create", "Agent", {"name": "x", "serial": "1"}))
    assert await refused_write(ground, Change("update", "Person", {"serial": "12"}, agent.object_id)) == {("serial",)}
    await ground.update(agent.object_id, serial="2")
    await ground.create(serial="12")


@pytest.mark.anyio
async def test_what_is_stored_stays_when_a_constraint_comes_and_other_fields_can_be_written(ground: Ground) -> None:
    id = await ground.create(name="Ann")
    fields = PERSON["fields"]
    assert isinstance(fields, dict)
    await ground.define(PERSON | {"fields": fields | {"name": {"type": "string", "maxLength": 2}}})
    await ground.update(id, age=7)
    assert (await ground.data(id))["name"] == "Ann"
    assert await refused_write(ground, Change("update", "Person", {"name": "Ann"}, id)) == {("name",)}


@pytest.mark.anyio
async def test_objects_are_still_reached_by_keys_that_are_no_longer_allowed(ground: Ground) -> None:
    def site(**said: Any) -> dict[str, Any]:
        return {
            "typeName": "Site",
            "fields": {"code": {"type": "string", "required": True, **said}, "size": {"type": "integer"}},
            "naturalKey": ["code"],
            "links": {"next": {"relation": "next", "target": "Site"}},
        }

    await ground.define(site())
    await ground.write(Change("create", "Site", {"code": "long"}))
    await ground.define(site(maxLength=2))
    by_key = NestedLink("link", "next", other_key={"code": "long"})
    await ground.write(Change("create", "Site", {"code": "a"}, links=(by_key,)))
    await ground.write(Change("update", "Site", {"code": "long", "size": 1}))
    await ground.write(Change("delete", "Site", {"code": "long"}))
    assert await refused_write(ground, Change("create", "Site", {"code": "long"})) == {("code",)}


@pytest.mark.anyio
async def test_a_constraint_on_a_higher_field_neither_binds_nor_shows_below(ground: Ground) -> None:
    fields = PERSON["fields"]
    assert isinstance(fields, dict)
    low = {n: f for n, f in fields.items() if n != "age"}
    high = {"typeName": "Person", "fields": fields | {"rank": {"type": "integer", "maximum": 3, "label": "SECRET"}}}
    await ground.define(high, at="SECRET")
    assert await refused_write(ground, Change("create", "Person", {"rank": 9}), at="SECRET") == {("rank",)}
    with pytest.raises(FabricError) as caught:
        await ground.write(Change("create", "Person", {"rank": 9}))
    assert faults(caught.value) == {("rank",): "no such field"}
    await ground.define({"typeName": "Person", "fields": {**low, "age": fields["age"], "rank": {"type": "integer"}}})
    await ground.write(Change("create", "Person", {"rank": 9}))
