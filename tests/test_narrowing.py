"""Types that ask more of what they inherit: what they may say, for whom it holds, and what writes are held against."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject
from graphql import validate_schema
from hypothesis import given
from hypothesis import strategies as st
from test_definitions import LATTICE, World, refused_in, thing

from fabric.errors import BadInput, Conflict, FabricError, Several
from fabric.identity.organizations import Organization
from fabric.types.catalogue import Catalogue
from fabric.types.constraints import joined
from fabric.types.faults import Faults
from fabric.types.kinds import Kind
from fabric.types.type_documents import as_document
from fabric.types.types import Types
from fabric.types.values import read_data
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects
from graphql_api.schema.schema import build_whole

STRING: Mapping[str, Any] = {"type": "string"}
MOODS = {"type": "enum", "values": ["CALM", "TENSE", "WILD"]}
PLACE = thing(
    "Place",
    fields={
        "name": STRING, "size": {"type": "integer", "minimum": 0}, "mood": MOODS, "tags": {**STRING, "list": True},
        "serial": {**STRING, "encrypted": True},
    },
    links={
        "near": {"relation": "near", "target": "Place"},
        "of": {"relation": "near", "target": "Place", "direction": "in"},
    },
)  # fmt: skip


def well(**given: Any) -> dict[str, Any]:
    return thing("Well", extends="Place", **given)


@pytest.fixture
def world() -> World:
    world = World()
    world.define(PLACE, thing("Lake", extends="Place"))
    return world


def refused(catalogue: Catalogue, name: str, data: Mapping[str, Any]) -> set[str]:
    found = Faults()
    read_data(catalogue.types[name].fields, data, found)
    return {str(error.path[0]) for error in found.errors}


def test_an_heir_asks_more_of_its_own_objects_only(world: World) -> None:
    world.define(
        well(
            fields={
                "name": {**STRING, "required": True, "pattern": "^W", "values": ["Wa", "Xa"]},
                "size": {"type": "integer", "maximum": 9}, "mood": {"type": "enum", "values": ["TENSE", "CALM"]},
                "tags": {**STRING, "list": True, "maxItems": 1}, "serial": {**STRING, "maxLength": 3},
            }
        ),
        thing("Deep", extends="Well", fields={"name": {**STRING, "pattern": "a$"}}),
    )  # fmt: skip
    seen = world.seen()
    wrong = {"name": "Xa", "size": 10, "mood": "WILD", "tags": ["a", "b"], "serial": "1234"}
    assert refused(seen, "Well", wrong) == set(wrong)
    assert refused(seen, "Place", wrong) == refused(seen, "Lake", wrong) == set()
    assert refused(seen, "Deep", {"name": "Wb", "size": -1}) == {"name", "size"}
    assert refused(seen, "Deep", {"name": "Wa", "size": 3}) == set()
    place, heir = seen.types["Place"].fields, seen.types["Well"].fields
    assert [heir[n].key for n in place] == [place[n].key for n in place]
    assert heir["name"].required
    assert heir["name"].non_null
    assert heir["mood"].retired_values == ("WILD",)
    assert "mood" not in seen.types["Well"].own_fields
    assert validate_schema(build_whole(seen)) == []


def test_what_is_restated_comes_back_as_it_was_said(world: World) -> None:
    said = well(
        fields={"size": {"type": "integer", "maximum": 9}, "mood": {"type": "enum", "values": ["CALM"]}},
        links={"near": {"relation": "near", "target": "Lake", "cardinality": "one"}},
    )
    world.define(said)
    document = as_document(world.seen().types["Well"], LATTICE.decode)
    assert {key: document[key] for key in ("fields", "links")} == {key: said[key] for key in ("fields", "links")}
    assert world.define(document) == set()


@pytest.mark.parametrize(
    ("group", "member", "told"),
    [
        ("fields", {"name": {"type": "text"}}, "keeps its type"),
        ("fields", {"tags": STRING}, "keeps its type: string, a list"),
        ("fields", {"name": {**STRING, "encrypted": True}}, "encrypted as it is"),
        ("fields", {"name": {**STRING, "indexed": True}}, "indexed and searchable as it is"),
        ("fields", {"name": {**STRING, "iri": "urn:x:y"}}, "keeps its iri"),
        ("fields", {"name": {**STRING, "datatype": "urn:x:y"}}, "keeps its iri, its datatype and its language"),
        ("fields", {"name": {**STRING, "language": "de"}}, "keeps its iri, its datatype and its language"),
        ("fields", {"mood": {"type": "enum", "values": ["CALM", "ODD"]}}, "gets no values"),
        ("fields", {"size": {"type": "integer", "maximum": -1}}, "no value is between these bounds"),
        ("fields", {"size": {"type": "integer", "values": [-1, -2]}}, "none of these values"),
        ("links", {"near": {"relation": "far", "target": "Place"}}, "relation and direction"),
        ("links", {"near": {"relation": "near", "target": "Tool"}}, "Place, or descends from it"),
        ("links", {"near": {"relation": "near", "target": "Place", "symmetric": True}}, "where it is declared"),
        ("links", {"near": {"relation": "near", "target": "Lake", "properties": {"a": STRING}}}, "its properties"),
    ],
)  # fmt: skip
def test_what_is_no_narrower_is_refused(world: World, group: str, member: dict[str, Any], told: str) -> None:
    world.define(thing("Tool"))
    (name,) = member
    faults = refused_in(world, well(**{group: member}))
    assert list(faults) == [(0, group, name)]
    assert told in faults[0, group, name]


def test_a_natural_key_is_not_made_of_what_is_inherited(world: World) -> None:
    document = well(fields={"name": {**STRING, "required": True}}, naturalKey=["name"])
    assert refused_in(world, document) == {(0, "naturalKey", 0): "a natural key is made of the type's own fields"}


def test_a_parent_keeps_what_an_heir_narrows_but_for_those_who_do_not_see_it(world: World) -> None:
    world.define(well(fields={"size": {"type": "integer", "maximum": 9}}), at="SECRET")
    without = {**PLACE, "fields": {name: field for name, field in PLACE["fields"].items() if name != "size"}}
    assert "Well narrows size" in refused_in(world, without, at="SECRET")[0, "typeName"]
    tighter = {**PLACE, "fields": {**PLACE["fields"], "size": {"type": "integer", "minimum": 10}}}
    assert "Well narrows size" in refused_in(world, tighter, at="SECRET")[0, "typeName"]
    world.define(without)
    assert "size" not in world.seen("SECRET").types["Well"].fields
    # Nobody is held up by what somebody else has done below.
    world.define({**without, "description": "New."}, at="SECRET")
    world.define(well(fields={"size": {"type": "boolean"}}), at="SECRET")
    assert world.seen("SECRET").types["Well"].fields["size"].key != "size"


def test_what_labels_say_of_one_field_holds_together_for_who_sees_both(world: World) -> None:
    for compartment, said in (("ALPHA", {"minimum": 3}), ("BRAVO", {"maximum": 5, "required": True})):
        at = f"SECRET/{compartment}"
        if compartment == "ALPHA":
            world.define(well(label="UNCLASSIFIED"), at="UNCLASSIFIED")
        world.define(well(label="UNCLASSIFIED", fields={"size": {"type": "integer", **said}}), at=at)
    alpha, both = world.seen("SECRET/ALPHA"), world.seen("SECRET/ALPHA,BRAVO")
    assert refused(world.seen(), "Well", {"size": 99}) == set()
    assert refused(alpha, "Well", {"size": 99}) == set()
    assert refused(alpha, "Well", {"size": 2}) == {"size"}
    assert {n for n in range(9) if not refused(both, "Well", {"size": n})} == {3, 4, 5}
    assert both.types["Well"].fields["size"].required
    assert both.types["Well"].fields["size"].label == 0


def test_what_says_more_of_a_hidden_field_is_hidden_with_it(world: World) -> None:
    hidden = {**PLACE["fields"], "depth": {"type": "integer", "label": "SECRET"}}
    world.define({**PLACE, "fields": hidden}, at="SECRET")
    world.define(well(label="UNCLASSIFIED", fields={"depth": {"type": "integer", "maximum": 5}}), at="SECRET")
    assert not any("narrowedFields" in f.schema for f in world.seen().fragments)
    world.define(well(label="UNCLASSIFIED"))
    lower = well(fields={"depth": {"type": "integer", "maximum": 5, "label": "UNCLASSIFIED"}})
    assert refused_in(world, lower, at="SECRET") == {
        (0, "fields", "depth"): "its label dominates that of the inherited field"
    }


def test_several_parents_ask_together(world: World) -> None:
    sized = lambda name, **said: thing(name, extends="Place", fields={"size": {"type": "integer", **said}})  # noqa: E731
    world.define(sized("Old", maximum=9), sized("New", exclusiveMinimum=3))
    world.define(thing("Both", extends=["Old", "New"]))
    assert {n for n in range(-5, 20) if not refused(world.seen(), "Both", {"size": n})} == {4, 5, 6, 7, 8, 9}
    assert (0, "typeName") in refused_in(world, sized("New", exclusiveMinimum=9))


_NUMBERS = st.one_of(st.none(), st.integers(-5, 5))
_BOUNDS = st.fixed_dictionaries(
    {}, optional={"minimum": st.integers(-5, 5), "maximum": st.integers(-5, 5), "exclusiveMinimum": st.integers(-5, 5),
                  "values": st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True)},
)  # fmt: skip
_TEXTS = st.fixed_dictionaries(
    {}, optional={"minLength": st.integers(0, 3), "maxLength": st.integers(0, 3),
                  "pattern": st.sampled_from(["a", "^b", "c$"])},
)  # fmt: skip
_LISTS = st.fixed_dictionaries(
    {}, optional={"minItems": st.integers(0, 3), "maxItems": st.integers(0, 3), "uniqueItems": st.just(True)}
)
_ENUMS = st.fixed_dictionaries({"values": st.lists(st.sampled_from("ABC"), min_size=1, unique=True)})


@given(st.data())
def test_what_an_heir_accepts_its_parent_accepts(data: st.DataObject) -> None:
    of_kind = {"integer": _BOUNDS, "string": _TEXTS, "enum": _ENUMS}
    kind = data.draw(st.sampled_from(sorted(of_kind)))
    many = data.draw(st.booleans())
    said = [{"type": kind, **data.draw(of_kind[kind]), "required": data.draw(st.booleans())} for _ in range(3)]
    if many:
        said = [{**each, "list": True, **data.draw(_LISTS)} for each in said]
    world = World()
    try:
        for name, field, parents in zip("ABC", said, ([], ["A"], ["B"]), strict=True):
            world.define(thing(name, fields={"a": field}, extends=parents))
    except FabricError:
        return
    items = {"integer": st.integers(-6, 6), "string": st.text("abc", max_size=4), "enum": st.sampled_from("ABC")}[kind]
    values = data.draw(st.lists(st.lists(items, max_size=4) if many else items, min_size=1, max_size=8))
    seen = world.seen()
    for heir, parent in (("C", "B"), ("B", "A")):
        assert seen.types[heir].fields["a"].required >= seen.types[parent].fields["a"].required
        for value in values:
            assert refused(seen, heir, {"a": value}) or not refused(seen, parent, {"a": value})
    alone = world.seen().types["B"].fields["a"].constraints
    assert joined(Kind(kind), alone, alone) == alone


# Writing


@pytest.mark.anyio
class TestWriting:
    @pytest.fixture(autouse=True)
    async def ground(self, types: Types, organization: Organization, subject: MakeSubject) -> None:
        self.types, self.organization, self.subject = types, organization, subject
        fields = {name: field for name, field in PLACE["fields"].items() if name != "serial"}
        await self.define({**PLACE, "fields": fields}, thing("Lake", extends="Place"))
        await self.define(
            well(
                fields={"name": {**STRING, "required": True}, "size": {"type": "integer", "maximum": 9}},
                links={"near": {"relation": "near", "target": "Lake", "cardinality": "one"}},
            )
        )

    async def define(self, *documents: Mapping[str, Any], at: str = "UNCLASSIFIED") -> None:
        await self.types.define(self.subject(at), self.organization.lattice, documents)

    async def write(self, action: Any, type_name: str, id: UUID | None = None, **data: Any) -> UUID:
        change = Change(action, type_name, data, id or uuid4())
        written, _ = await Objects(self.types).write(self.subject(), self.organization, [change])
        return written[0].object_id

    async def link(self, source: UUID, target: UUID) -> None:
        change = LinkChange("link", relation="near", source_id=source, target_id=target)
        await Links(self.types).write(self.subject(), self.organization, [change])

    async def test_an_object_is_held_against_its_own_type_by_whichever_it_is_written(self) -> None:
        well = await self.write("create", "Well", name="a", size=9)
        for data in ({"size": 10}, {"name": None}):
            for type_name in ("Well", "Place"):
                with pytest.raises((BadInput, Several)):
                    await self.write("update", type_name, well, **data)
        await self.write("update", "Place", well, size=8)
        await self.write("create", "Place", size=10)
        with pytest.raises((BadInput, Several)):
            await self.write("create", "Well", size=1)

    async def test_links_lead_where_the_narrower_type_says(self) -> None:
        place, lake, other = [await self.write("create", name) for name in ("Place", "Lake", "Lake")]
        well = await self.write("create", "Well", name="a")
        await self.link(place, place)
        with pytest.raises((BadInput, Several)):
            await self.link(well, place)
        await self.link(place, well)
        await self.link(well, lake)
        with pytest.raises((Conflict, Several)):
            await self.link(well, other)

    async def test_what_is_stored_stands_in_the_way_where_it_would_of_any_field(self) -> None:
        place = await self.write("create", "Place")
        lake = await self.write("create", "Lake")
        await self.link(lake, place)
        narrower = thing("Lake", extends="Place", fields={"name": {**STRING, "required": True}})
        with pytest.raises((Conflict, Several)):
            await self.define(narrower)
        with pytest.raises((Conflict, Several)):
            await self.define(thing("Lake", extends="Place", links={"near": {"relation": "near", "target": "Lake"}}))
        await self.write("update", "Lake", lake, name="b", size=5)
        also = {**narrower, "fields": {**narrower["fields"], "size": {"type": "integer", "maximum": 3}}}
        plan = await self.types.plan(self.subject(), self.organization.lattice, [also])
        told = {(c.type_name, c.field, str(c.change), c.objects) for c in plan.changes}
        assert told == {("Lake", "name", "REQUIRED", 0), ("Lake", "size", "NARROWED", 1)}
        await self.define(narrower)
        assert not (await self.types.catalogue(self.subject().session)).types["Lake"].fields["name"].non_null


def key_of(world: World, name: str, field: str) -> str:
    return world.seen().types[name].fields[field].key


@pytest.mark.parametrize("at_once", [False, True])
def test_values_of_a_field_that_a_parent_lost_do_not_turn_up_in_the_one_that_an_heir_gets(at_once: bool) -> None:
    world = World()
    world.define(thing("Place", fields={"name": STRING, "note": STRING}), well())
    before = key_of(world, "Well", "note")
    without, own = thing("Place", fields={"name": STRING}), well(fields={"note": STRING})
    for documents in [[without, own]] if at_once else [[without], [own]]:
        world.define(*documents)
    after = key_of(world, "Well", "note")
    assert after != before
    world.define(own)
    assert key_of(world, "Well", "note") == after, "the same again is no change"
    world.define(well())
    world.define(own)
    assert key_of(world, "Well", "note") not in (before, after)


def test_values_of_a_field_that_an_heir_lost_do_not_turn_up_in_the_one_that_a_parent_gets() -> None:
    world = World()
    world.define(thing("Place", fields={"name": STRING}), well(fields={"note": STRING}))
    before = key_of(world, "Well", "note")
    world.define(well())
    world.define(thing("Place", fields={"name": STRING, "note": STRING}))
    assert key_of(world, "Well", "note") == key_of(world, "Place", "note") != before


def test_types_that_are_no_relatives_may_use_a_name_that_another_lost() -> None:
    world = World()
    world.define(thing("Place", fields={"name": STRING, "note": STRING}))
    world.define(thing("Place", fields={"name": STRING}), thing("Other", fields={"note": STRING}))
    assert key_of(world, "Other", "note") == "note"
