"""Changing definitions while objects and links are stored by them: what is refused, and what then holds."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from databases import MakeSubject, run_sql
from hypothesis import given
from hypothesis import strategies as st

from fabric.database.db import Database
from fabric.errors import BadInput, Conflict, FabricError, Forbidden, NotFound, Several
from fabric.identity.organizations import Organization
from fabric.types.definitions import Field
from fabric.types.evolution import keeps_values
from fabric.types.kinds import Kind, KindError, canonical, canonical_list
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

STRING = {"type": "string"}
TEXT = {"type": "text"}


def required(kind: str) -> dict[str, Any]:
    return {"type": kind, "required": True}


class Ground:
    """One organization's definitions, objects and links, at any label."""

    def __init__(self, types: Types, organization: Organization, subject: MakeSubject) -> None:
        self.types, self.organization, self.subject = types, organization, subject
        self.objects, self.links = Objects(types), Links(types)

    async def define(self, *documents: dict[str, Any], at: str = "UNCLASSIFIED", **given: Any) -> list[str]:
        return await self.types.define(self.subject(at, **given), self.organization.lattice, list(documents))

    async def thing(self, at: str = "UNCLASSIFIED", **given: Any) -> list[str]:
        return await self.define({"typeName": "Thing", **given}, at=at)

    async def create(self, type_name: str = "Thing", at: str = "UNCLASSIFIED", **data: Any) -> UUID:
        change = Change("create", type_name, data, uuid4())
        written, _ = await self.objects.write(self.subject(at), self.organization, [change])
        return written[0].object_id

    async def delete(self, id: UUID, type_name: str = "Thing", at: str = "UNCLASSIFIED") -> None:
        await self.objects.write(self.subject(at), self.organization, [Change("delete", type_name, object_id=id)])

    async def link(
        self, relation: str, source: UUID, target: UUID, at: str = "UNCLASSIFIED", **properties: Any
    ) -> None:
        change = LinkChange("link", relation, source, target, values={"properties": properties})
        await self.links.write(self.subject(at), self.organization, [change])

    async def obstacles(self, *documents: dict[str, Any], at: str = "UNCLASSIFIED") -> dict[tuple[str | int, ...], str]:
        with pytest.raises(FabricError) as caught:
            await self.define(*documents, at=at)
        return conflicts(caught.value)

    async def things_obstacles(self, at: str = "UNCLASSIFIED", **given: Any) -> dict[tuple[str | int, ...], str]:
        return await self.obstacles({"typeName": "Thing", **given}, at=at)


def conflicts(error: FabricError) -> dict[tuple[str | int, ...], str]:
    assert isinstance(error, Several)
    assert all(isinstance(e, Conflict) for e in error.errors)
    return {e.path: e.message for e in error.errors}


@pytest.fixture
def ground(types: Types, organization: Organization, subject: MakeSubject) -> Ground:
    return Ground(types, organization, subject)


# Which kinds keep each other's values

EXAMPLES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: st.text("ab\n", max_size=3),
    Kind.TEXT: st.text("ab\n", max_size=3),
    Kind.INTEGER: st.integers(-9, 9),
    Kind.BIGINT: st.integers(-(2**60), 2**60),
    Kind.FLOAT: st.floats(-9, 9),
    Kind.DECIMAL: st.decimals(-9, 9, places=2).map(str),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: st.dates().map(str),
    Kind.DATETIME: st.datetimes().map(lambda d: d.isoformat() + "Z"),
    Kind.DURATION: st.sampled_from(["P1D", "PT5M", "-PT1H"]),
    Kind.UUID: st.uuids().map(str),
    Kind.URI: st.sampled_from(["https://a.example/b", "urn:x:y"]),
    Kind.JSON: st.dictionaries(st.sampled_from("ab"), st.integers(0, 3)),
    Kind.ENUM: st.sampled_from(["x", "y"]),
}


@given(st.data(), st.sampled_from(Kind), st.sampled_from(Kind), st.booleans(), st.booleans())
def test_values_that_are_kept_read_the_same(
    data: st.DataObject, old: Kind, new: Kind, many: bool, now_many: bool
) -> None:
    values = ("x", "y")
    if not keeps_values(Field("a", old, many, values=values), Field("a", new, now_many, values=values)):
        return
    read = canonical_list if many else canonical
    value = data.draw(st.lists(EXAMPLES[old], max_size=2) if many else EXAMPLES[old])
    try:
        stored = read(old, value, values=values)
    except KindError:
        return
    again = (canonical_list if now_many else canonical)(new, stored, values=values)
    assert (again, type(again)) == (stored, type(stored))


# Obstacles


async def test_without_objects_anything_can_change(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING}, naturalKey=None)
    await ground.thing(fields={"a": {"type": "integer"}, "b": required("string")}, naturalKey=["b"])
    await ground.thing()


async def test_what_stands_in_the_way_is_listed(ground: Ground) -> None:
    link = {"relation": "r", "target": "Thing"}
    await ground.thing(fields={"a": STRING, "b": STRING, "c": TEXT, "d": STRING}, links={"x": link})
    one = await ground.create(a="1", b="2", c="x" * 10_001)
    await ground.create(a="1")
    await ground.link("r", one, one)
    found = await ground.things_obstacles(
        fields={"b": {"type": "integer"}, "c": STRING, "d": required("string"), "e": required("string")},
        naturalKey=["d"],
    )
    assert found == {
        ("naturalKey",): "Thing: 2 objects have their identity from the natural key as it was",
        ("fields", "a"): "Thing: 2 objects hold a value of a, which is gone",
        ("fields", "b"): "Thing: 1 objects hold a value of b, which has another kind",
        ("fields", "c"): "Thing: 1 objects hold a longer text in c",
        ("fields", "d"): "Thing: 2 objects lack d, now required",
        ("fields", "e"): "Thing: 2 objects lack e, now required",
        ("links",): "1 links r would no longer be declared",
    }
    assert set((await ground.types.catalogue(ground.subject().session)).types["Thing"].fields) == set("abcd")


async def test_length_counts_for_each_item_of_a_list(ground: Ground) -> None:
    texts, strings = ({"type": kind, "list": True} for kind in ("text", "string"))
    await ground.thing(fields={"a": texts})
    long = await ground.create(a=["x" * 9_000] * 3)
    await ground.thing(fields={"a": strings})
    await ground.thing(fields={"a": texts})
    await ground.delete(long)
    await ground.create(a=["x", "x" * 10_001])
    assert list(await ground.things_obstacles(fields={"a": strings})) == [("fields", "a")]


async def test_a_field_without_values_may_go_and_come_back_as_another(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING, "b": STRING})
    await ground.create(b="x")
    await ground.thing(fields={"b": STRING})
    await ground.thing(fields={"b": STRING, "a": {"type": "integer"}})
    await ground.create(a=1, b="x")


async def test_deleted_objects_stand_in_nobodys_way(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING})
    id = await ground.create(a="x")
    await ground.things_obstacles()
    await ground.delete(id)
    await ground.thing()


async def test_ancestors_changes_are_checked_against_descendants_objects(ground: Ground) -> None:
    await ground.define(
        {"typeName": "A", "fields": {"a": STRING}}, {"typeName": "B", "extends": "A"}, {"typeName": "C", "extends": "B"}
    )
    await ground.create("C", a="x")
    found = await ground.obstacles({"typeName": "A", "fields": {"z": required("string")}})
    assert found == {
        ("fields", "a"): "C: 1 objects hold a value of a, which is gone",
        ("fields", "z"): "C: 1 objects lack z, now required",
    }


@pytest.mark.parametrize("parent", [None, "C"])
async def test_a_type_keeps_its_parent_even_when_it_was_retired(ground: Ground, parent: str | None) -> None:
    """Objects above the definer may be there, and would lack what another parent makes non-null."""
    other = {"typeName": "B"} | ({"extends": parent} if parent else {})
    await ground.define(
        {"typeName": "A", "fields": {"a": STRING}}, {"typeName": "C"}, {"typeName": "B", "extends": "A"}
    )
    with pytest.raises(BadInput, match="keeps its parents") as refused:
        await ground.define(other)
    assert refused.value.path == (0, "extends")
    await ground.types.retire(ground.subject(), "B")
    with pytest.raises(BadInput, match="keeps its parents"):
        await ground.define(other)
    assert await ground.define({"typeName": "B", "extends": "A"}) == ["B"]


async def test_a_type_that_had_no_parent_gets_none(ground: Ground) -> None:
    await ground.define({"typeName": "A"}, {"typeName": "B"})
    with pytest.raises(BadInput, match="keeps its parents"):
        await ground.define({"typeName": "B", "extends": "A"})


async def test_a_domain_does_not_change_under_objects(ground: Ground) -> None:
    await ground.thing()
    id = await ground.create()
    assert list(await ground.things_obstacles(domain="event")) == [("domain",)]
    await ground.delete(id)
    await ground.thing(domain="event")


async def test_properties_of_links_are_kept_like_fields(ground: Ground) -> None:
    def linked(**properties: Any) -> dict[str, Any]:
        return {"typeName": "Thing", "links": {"x": {"relation": "r", "target": "Thing", "properties": properties}}}

    await ground.define(linked(since=STRING, note=STRING))
    one, other = await ground.create(), await ground.create()
    await ground.link("r", one, other, since="then")
    found = await ground.obstacles(linked(note=required("string")))
    assert found == {
        ("links", "since"): "r: 1 links hold a value of since, which is gone",
        ("links", "note"): "r: 1 links lack note, now required",
    }
    found = await ground.obstacles(linked(since={"type": "date"}, note=STRING))
    assert found == {("links", "since"): "r: 1 links hold a value of since, which has another kind"}
    await ground.define(linked(since=TEXT))


async def test_cardinality_is_not_narrowed_over_links(ground: Ground) -> None:
    def linked(cardinality: str, direction: str = "out") -> dict[str, Any]:
        link = {"relation": "r", "target": "Thing", "cardinality": cardinality, "direction": direction}
        return {"typeName": "Thing", "links": {"x": link}}

    await ground.define(linked("many"))
    one, other, third = await ground.create(), await ground.create(), await ground.create()
    await ground.link("r", one, other)
    await ground.link("r", other, third)
    await ground.define(linked("one"))
    await ground.define(linked("many"))
    await ground.link("r", one, third)
    assert await ground.obstacles(linked("one")) == {
        ("links",): "1 objects have several links r, of which one would be left"
    }
    assert await ground.obstacles(linked("one", "in")) == {
        ("links",): "1 objects have several links r, of which one would be left"
    }


# Labels


async def test_what_is_hidden_stands_in_nobodys_way_and_stays_apart(ground: Ground, admin_url: str) -> None:
    await ground.thing(fields={"a": STRING})
    await ground.create(at="SECRET", a="hidden")
    await ground.thing(fields={"a": {"type": "date"}})
    seen = (await ground.types.catalogue(ground.subject("SECRET").session)).types["Thing"].fields["a"]
    rows = await run_sql(admin_url, "select data ? $1 as shown from fabric.objects", seen.key)
    assert [row["shown"] for row in rows] == [False]


async def test_what_is_seen_above_stands_in_the_way_above(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING})
    await ground.thing(fields={"a": STRING, "b": STRING}, at="SECRET")
    await ground.create(at="SECRET", b="x")
    assert list(await ground.things_obstacles(at="SECRET", fields={"a": STRING})) == [("fields", "b")]


async def test_a_lower_version_under_a_higher_one_stands_in_the_way_where_it_shows(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING})
    id = await ground.create(a="x")
    await ground.delete(id, at="SECRET")  # leaves a tombstone above
    assert list(await ground.things_obstacles(at="SECRET")) == [("fields", "a")]


async def test_lower_definitions_change_only_with_the_permission_to_regrade(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING})
    document = {"typeName": "Thing", "fields": {"a": TEXT}}
    with pytest.raises(Forbidden, match="label:regrade"):
        await ground.define(document, at="SECRET", roles=("writer", "designer"))
    with pytest.raises(Forbidden, match="label:regrade"):
        await ground.types.retire(ground.subject("SECRET", roles=("designer",)), "Thing")
    assert await ground.define(document, at="SECRET") == ["Thing"]
    low = await ground.types.catalogue(ground.subject().session)
    assert low.types["Thing"].fields["a"].kind is Kind.TEXT


async def test_defining_above_needs_no_permission_below(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING})
    document = {"typeName": "Thing", "fields": {"a": STRING, "b": STRING}}
    assert await ground.define(document, at="SECRET", roles=("designer",)) == ["Thing"]


async def test_without_the_permission_nobody_defines_or_retires(ground: Ground) -> None:
    with pytest.raises(Forbidden, match="type:define"):
        await ground.define({"typeName": "Thing"}, roles=("writer",))
    with pytest.raises(Forbidden, match="type:retire"):
        await ground.types.retire(ground.subject(roles=("writer",)), "Thing")


# Retiring


async def test_a_type_is_retired_when_nothing_of_it_is_left(ground: Ground) -> None:
    await ground.thing(fields={"a": STRING})
    id = await ground.create(a="x")
    with pytest.raises(FabricError) as caught:
        await ground.types.retire(ground.subject(), "Thing")
    assert conflicts(caught.value) == {("typeName",): "Thing: 1 objects of this type are still there"}
    await ground.delete(id)
    await ground.types.retire(ground.subject(), "Thing")
    assert (await ground.types.catalogue(ground.subject().session)).types == {}


async def test_what_is_not_there_and_what_is_hidden_cannot_be_retired(ground: Ground) -> None:
    await ground.thing(at="SECRET")
    messages = set()
    for name in ("Thing", "Nowhere"):
        with pytest.raises(NotFound) as caught:
            await ground.types.retire(ground.subject(), name)
        messages.add((caught.value.message, caught.value.path))
    assert len(messages) == 1


async def test_objects_hidden_from_who_retires_a_type_do_not_show_in_the_next_ones_fields(
    ground: Ground, database: Database
) -> None:
    await ground.thing(fields={"a": STRING})
    await ground.create(at="SECRET", a="hidden")
    await ground.types.retire(ground.subject(), "Thing")
    await ground.thing(fields={"a": required("string")})
    field = (await ground.types.catalogue(ground.subject("SECRET").session)).types["Thing"].fields["a"]
    assert not field.non_null
    async with database.transaction(ground.subject("SECRET").session) as transaction:
        data = await transaction.fetchval("select data from fabric.objects")
    assert field.key not in data


async def test_what_others_refer_to_can_be_retired_and_is_left_out(ground: Ground) -> None:
    await ground.define(
        {"typeName": "A"}, {"typeName": "B", "extends": "A", "links": {"x": {"relation": "r", "target": "A"}}}
    )
    await ground.types.retire(ground.subject(), "A")
    b = (await ground.types.catalogue(ground.subject().session)).types["B"]
    assert (b.parents, dict(b.links)) == ((), {})


# All or nothing, and at the same time


async def test_all_definitions_of_one_request_or_none(ground: Ground) -> None:
    with pytest.raises(FabricError):
        await ground.define({"typeName": "A"}, {"typeName": "B", "extends": "Nowhere"})
    assert (await ground.types.catalogue(ground.subject().session)).types == {}


async def test_a_change_leaves_an_event_and_a_record_at_its_label(ground: Ground, admin_url: str) -> None:
    await ground.thing(fields={"a": STRING})
    await ground.thing(fields={"a": STRING, "b": STRING}, at="SECRET")
    await ground.thing(fields={"a": STRING, "b": STRING}, at="SECRET")  # nothing differs
    await ground.thing(fields={"a": TEXT})
    await ground.types.retire(ground.subject(), "Thing")
    events = await run_sql(admin_url, "select topic, label >> 60 as level, actor from fabric.events order by position")
    expected = [("type.defined", 0), ("type.defined", 3), ("type.changed", 0), ("type.retired", 0)]
    assert [tuple(row) for row in events] == [(topic, level, "ann") for topic, level in expected]
    records = await run_sql(
        admin_url, "select action, label >> 60 as level, actor from fabric.audit_log order by audit_id"
    )
    assert records == events


async def told(admin_url: str) -> list[tuple[int, Any, Any]]:
    """The level, and what was there before and after, of each event."""
    rows = await run_sql(admin_url, "select label >> 60 as level, data from fabric.events order by position")
    told = [(row["level"], orjson.loads(row["data"])) for row in rows]
    return [(level, data["before"], data["after"]) for level, data in told]


async def test_events_tell_what_differs_in_the_words_of_definitions(ground: Ground, admin_url: str) -> None:
    await ground.thing(description="One.", fields={"a": STRING, "b": {"type": "enum", "values": ["X", "Y"]}})
    await ground.thing(
        fields={"a": {"type": "integer"}, "b": {"type": "enum", "values": ["X"]}, "c": STRING}, indexes=[["a", "c"]],
        links={"next": {"relation": "next", "target": "Thing", "properties": {"p": {"type": "float"}}}},
    )  # fmt: skip
    await ground.types.retire(ground.subject(), "Thing")
    first = {"description": "One.", "fields": {"a": STRING, "b": {"type": "enum", "values": ["X", "Y"]}}}
    link = {"relation": "next", "target": "Thing", "properties": {"p": {"type": "float"}}}
    fields = {"a": {"type": "integer"}, "b": {"type": "enum", "values": ["X"]}, "c": STRING}
    second = {"indexes": [["a", "c"]], "fields": fields, "links": {"next": link}}
    assert await told(admin_url) == [(0, {}, first), (0, first, second), (0, second, {})]


async def test_no_event_tells_of_members_above_its_label(ground: Ground, admin_url: str) -> None:
    low, high = {"a": STRING}, {"codename": STRING | {"label": "SECRET"}}
    await ground.thing(fields=low)
    await ground.thing(fields=low | high, indexes=[["a"], ["codename"], ["a", "codename"]], at="SECRET",
                       embedding={"fields": ["a", "codename"]})  # fmt: skip
    await ground.thing(fields=low | {"codename": {"type": "text", "label": "SECRET"}}, at="SECRET")
    await ground.types.retire(ground.subject("SECRET"), "Thing")
    events = await told(admin_url)
    seen_below = {"indexes": [["a"]], "embedding": ["a"]}
    assert [(b, a) for level, b, a in events if level == 0] == [
        ({}, {"fields": low}), ({}, seen_below), (seen_below, {}), ({"fields": low}, {}),
    ]  # fmt: skip
    assert [(b, a) for level, b, a in events if level] == [
        ({}, {"fields": {"codename": STRING}}),
        ({"fields": {"codename": STRING}}, {"fields": {"codename": TEXT}}),
        ({"fields": {"codename": TEXT}}, {}),
    ]


async def test_a_definition_shows_no_index_over_fields_that_are_hidden(ground: Ground) -> None:
    low, high = {"a": STRING}, {"codename": STRING | {"label": "SECRET"}}
    await ground.thing(fields=low)
    await ground.thing(fields=low | high, indexes=[["a"], ["a", "codename"]], at="SECRET")
    for label, indexes in (("UNCLASSIFIED", (("a",),)), ("SECRET", (("a",), ("a", "codename")))):
        seen = await ground.types.catalogue(ground.subject(label).session)
        assert seen.types["Thing"].indexes == indexes


async def test_writers_that_knew_older_definitions_read_them_again(
    ground: Ground, server_url: str, organization: Organization
) -> None:
    """Another replica does not hear of the change before it writes."""
    await ground.thing(fields={"a": STRING})
    async with await Database.connect(server_url, size=2) as other:
        elsewhere = Objects(Types(other))
        await elsewhere.write(ground.subject(), organization, [Change("create", "Thing", {})])
        await ground.thing(fields={"a": STRING, "b": STRING})
        await elsewhere.write(ground.subject(), organization, [Change("create", "Thing", {"b": "x"})])
        await ground.thing(fields={"a": STRING, "b": STRING, "c": STRING}, at="SECRET")
        await elsewhere.write(ground.subject(), organization, [Change("create", "Thing", {"b": "x"})])


async def test_objects_written_while_definitions_change_fit_them(
    ground: Ground, server_url: str, organization: Organization, admin_url: str
) -> None:
    await ground.thing(fields={"a": STRING})
    async with await Database.connect(server_url, size=6) as other:
        elsewhere = Objects(Types(other))

        async def write(n: int) -> None:
            await asyncio.sleep(0.003 * n)
            with suppress(BadInput):
                await elsewhere.write(ground.subject(), organization, [Change("create", "Thing", {"a": "x"})])

        async def change() -> bool:
            await asyncio.sleep(0.03)
            try:
                await ground.thing()
            except Several:
                return False
            return True

        for _ in range(5):
            await run_sql(admin_url, "delete from fabric.objects")
            await ground.thing(fields={"a": STRING})
            *_, gone = await asyncio.gather(*(write(n) for n in range(20)), change())
            left = await run_sql(admin_url, "select from fabric.objects where data ? 'a' or data::text like '%a@%'")
            assert not (gone and left)


async def test_definitions_made_at_the_same_time_are_all_there(ground: Ground) -> None:
    await asyncio.gather(
        *(ground.define({"typeName": f"T{n}"}, at="SECRET" if n % 2 else "UNCLASSIFIED") for n in range(6))
    )
    assert len((await ground.types.catalogue(ground.subject("SECRET").session)).types) == 6


async def test_a_catalogue_is_kept_until_something_changes(ground: Ground, types: Types) -> None:
    await ground.thing()
    first = await types.catalogue(ground.subject().session)
    assert await types.catalogue(ground.subject().session) is first
    await ground.thing(fields={"a": STRING})
    assert await types.catalogue(ground.subject().session) is not first
