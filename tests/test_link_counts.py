"""How many links an object is to have: what definitions may say of it, what plans tell, what writes are refused."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject, run_sql
from hypothesis import given
from hypothesis import strategies as st
from test_definitions import LATTICE, World, refused, refused_in, thing

from fabric.errors import Conflict, FabricError, Several
from fabric.identity.organizations import Organization
from fabric.types.link_counts import LinkCounts, joined
from fabric.types.type_documents import as_document
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.nested_links import NestedLink
from fabric.writing.objects import Change, Objects


def near(**said: Any) -> dict[str, Any]:
    return {"near": {"relation": "near", "target": "Place", **said}}


def place(**said: Any) -> dict[str, Any]:
    return thing("Place", links=near(**said))


def well(**given: Any) -> dict[str, Any]:
    return thing("Well", extends="Place", **given)


def counts(world: World, name: str, at: str = "UNCLASSIFIED") -> tuple[int, int | None]:
    found = world.seen(at).types[name].links["near"].counts
    return found.least, found.most


# What definitions may say


@pytest.mark.parametrize(
    ("said", "key", "told"),
    [
        ({"minLinks": -1}, "minLinks", "expected an integer from 0 to 999,999,999"),
        ({"minLinks": True}, "minLinks", "expected an integer from 0 to 999,999,999"),
        ({"maxLinks": 1}, "maxLinks", "expected an integer from 2 to 999,999,999, or the cardinality one"),
        ({"maxLinks": 2.0}, "maxLinks", "expected an integer from 2 to 999,999,999, or the cardinality one"),
        ({"maxLinks": 10**9}, "maxLinks", "expected an integer from 2 to 999,999,999, or the cardinality one"),
        ({"minLinks": 3, "maxLinks": 2}, "minLinks", "more than the most there may be"),
        ({"minLinks": 2, "cardinality": "one"}, "minLinks", "more than the most there may be"),
        ({"maxLinks": 2, "cardinality": "one"}, "maxLinks", "where the cardinality is one there is one at most"),
    ],
)
def test_what_makes_no_sense_is_refused(said: dict[str, Any], key: str, told: str) -> None:
    assert refused(place(**said)) == {("links", "near", key): told}


@pytest.mark.parametrize(
    "said",
    [{"minLinks": 1}, {"maxLinks": 2}, {"minLinks": 2, "maxLinks": 2}, {"cardinality": "one", "minLinks": 1}],
)
def test_what_is_said_comes_back_as_it_was(said: dict[str, Any]) -> None:
    world = World()
    world.define(place(**said))
    document = as_document(world.seen().types["Place"], LATTICE.decode)
    assert document["links"] == near(**said)
    assert world.define(document) == set()


def test_heirs_ask_for_as_many_as_they_and_all_that_they_descend_from_do() -> None:
    world = World()
    world.define(place(minLinks=1, maxLinks=5))
    world.define(well(links=near(minLinks=2, maxLinks=9)), thing("Lake", extends="Place"))
    world.define(thing("Deep", extends="Well", links=near(maxLinks=4)))
    found = {name: counts(world, name) for name in ("Place", "Lake", "Well", "Deep")}
    assert found == {"Place": (1, 5), "Lake": (1, 5), "Well": (2, 5), "Deep": (2, 4)}


def test_what_several_parents_ask_holds_together() -> None:
    world = World()
    world.define(place(), thing("Old", extends="Place", links=near(minLinks=3)))
    world.define(thing("New", extends="Place", links=near(maxLinks=4)), thing("Both", extends=["Old", "New"]))
    assert counts(world, "Both") == (3, 4)
    told = refused_in(world, thing("New", extends="Place", links=near(maxLinks=2)))
    assert told == {(0, "typeName"): "Both narrows near: no number of links is left, with what is inherited"}


@pytest.mark.parametrize(
    ("parent", "heir"),
    [
        ({"maxLinks": 2}, {"minLinks": 3}),
        ({"minLinks": 3}, {"maxLinks": 2}),
        ({"minLinks": 2}, {"cardinality": "one"}),
        ({"cardinality": "one"}, {"minLinks": 2}),
    ],
)
def test_counts_that_leave_no_number_are_refused(parent: dict[str, Any], heir: dict[str, Any]) -> None:
    world = World()
    world.define(place(**parent))
    told = "no number of links is left, with what is inherited"
    assert refused_in(world, well(links=near(**heir))) == {(0, "links", "near"): told}
    world = World()
    world.define(place(), well(links=near(**heir)))
    assert refused_in(world, place(**parent)) == {(0, "typeName"): f"Well narrows near: {told}"}


def test_what_is_asked_above_is_hidden_below() -> None:
    world = World()
    world.define(place(), well())
    world.define(well(label="UNCLASSIFIED", links=near(minLinks=2)), at="SECRET")
    assert counts(world, "Well") == (0, None)
    assert counts(world, "Well", "SECRET") == (2, None)
    world.define(well(links=near(maxLinks=3)))
    assert counts(world, "Well", "SECRET") == (2, 3)
    (document,) = [as_document(world.seen("SECRET").types["Well"], LATTICE.decode)]
    assert document["links"]["near"] | {"minLinks": 2, "maxLinks": 3} == document["links"]["near"]


_COUNTS = st.builds(LinkCounts, st.integers(0, 5), st.one_of(st.none(), st.integers(0, 5)))


@given(_COUNTS, _COUNTS, st.integers(0, 6))
def test_what_both_say_holds_of_what_each_allows(one: LinkCounts, other: LinkCounts, number: int) -> None:
    both = joined(one, other)
    assert (both.broken_by(number) is None) is (one.broken_by(number) is None and other.broken_by(number) is None)
    assert both.allow_none is all(both.broken_by(n) for n in range(7))


# What writes are refused, and what plans tell


@pytest.mark.anyio
class TestStored:
    @pytest.fixture(autouse=True)
    async def ground(self, types: Types, organization: Organization, subject: MakeSubject) -> None:
        self.types, self.organization, self.subject = types, organization, subject
        self.objects, self.links = Objects(types), Links(types)
        await self.define(place(maxLinks=2))
        self.hub = await self.make()
        self.ends = [await self.make() for _ in range(5)]

    async def define(self, *documents: dict[str, Any], at: str = "UNCLASSIFIED") -> None:
        await self.types.define(self.subject(at), self.organization.lattice, documents)

    async def make(self, type_name: str = "Place", at: str = "UNCLASSIFIED", id: UUID | None = None) -> UUID:
        change = Change("create", type_name, {}, id or uuid4())
        written, _ = await self.objects.write(self.subject(at), self.organization, [change])
        return written[0].object_id

    def to(self, end: int, action: Any = "link", **given: Any) -> LinkChange:
        return LinkChange(action, "near", self.hub, self.ends[end], **given)

    async def write(self, *changes: LinkChange, at: str = "UNCLASSIFIED") -> list[UUID]:
        written, _ = await self.links.write(self.subject(at), self.organization, list(changes))
        return [each.link_id for each in written]

    async def refused(self, *changes: LinkChange, at: str = "UNCLASSIFIED") -> set[tuple[str | int, ...]]:
        with pytest.raises(FabricError) as caught:
            await self.write(*changes, at=at)
        errors = caught.value.errors if isinstance(caught.value, Several) else [caught.value]
        assert all(isinstance(error, Conflict) for error in errors)
        assert {error.message for error in errors} == {
            "an object has at most 2 links near of this kind; unlink another first"
        }
        return {error.path for error in errors}

    async def test_one_link_too_many_is_refused(self) -> None:
        await self.write(self.to(0), self.to(1))
        assert await self.refused(self.to(2)) == {()}
        assert await self.refused(self.to(2, path=("a",)), self.to(3, path=("b",))) == {("a",), ("b",)}
        await self.write(self.to(2), self.to(0, "unlink"))
        await self.write(LinkChange("link", "near", self.ends[0], self.ends[1]))

    async def test_of_several_at_once_those_without_room_are_refused(self) -> None:
        assert await self.refused(*(self.to(n, path=(n,)) for n in range(4))) == {(2,), (3,)}

    async def test_links_to_one_object_count_once(self) -> None:
        await self.write(self.to(0), self.to(0, key="a"), self.to(1))
        await self.write(self.to(1, key="a"), self.to(0, key="b"))
        assert await self.refused(self.to(2)) == {()}

    async def test_what_is_there_already_can_be_changed_however_many_there_are(self) -> None:
        await self.define(place())
        ids = await self.write(*(self.to(n) for n in range(3)))
        await self.define(place(maxLinks=2))
        await self.write(LinkChange("update", link_id=ids[0], values={"weight": 1.0}), self.to(1, "upsert"))
        await self.write(LinkChange("update", link_id=ids[1], values={"weight": 1.0}), at="SECRET")
        assert await self.refused(self.to(3)) == {()}

    async def test_from_the_other_end_they_are_counted_too(self) -> None:
        incoming = {"nearTo": {"relation": "near", "target": "Place", "direction": "in", "maxLinks": 2}}
        await self.define(thing("Place", links=incoming))
        links = [LinkChange("link", "near", end, self.hub) for end in self.ends]
        await self.write(*links[:2])
        assert await self.refused(links[2]) == {()}
        await self.write(*(self.to(n) for n in range(3)))

    async def test_nested_links_are_counted_and_only_those_to_the_target(self) -> None:
        await self.define(thing("Tool"), thing("Place", links=near(maxLinks=2) | {
            "tools": {"relation": "near", "target": "Tool"}}))  # fmt: skip
        tools = [await self.make("Tool") for _ in range(3)]
        await self.write(*(LinkChange("link", "near", self.hub, tool) for tool in tools))
        await self.write(self.to(0))
        wishes = tuple(NestedLink("link", "near", self.ends[n], path=(n,)) for n in (1, 2))
        change = Change("update", "Place", {}, self.hub, links=wishes)
        with pytest.raises(FabricError, match="at most 2 links") as caught:
            await self.objects.write(self.subject(), self.organization, [change])
        assert caught.value.path == (2,)

    async def test_an_heirs_own_limit_is_for_its_objects(self) -> None:
        await self.define(place(), well(links=near(maxLinks=2)))
        await self.write(*(self.to(n) for n in range(3)))
        self.hub = await self.make("Well")
        assert await self.refused(*(self.to(n, path=(n,)) for n in range(3))) == {(2,)}

    async def test_a_writer_counts_what_it_sees_and_learns_of_nothing_above(self) -> None:
        await self.write(self.to(0), self.to(1), at="SECRET/ALPHA")
        await self.write(self.to(2), at="SECRET/BRAVO")
        await self.write(self.to(3))
        assert await self.refused(self.to(4), at="SECRET/ALPHA") == {()}
        await self.write(self.to(4))
        assert await self.refused(self.to(0)) == {()}, "it sees two of the five"
        # Who sees too many may hide some for itself, and then link what it sees in their place.
        await self.write(self.to(3, "unlink"), self.to(4, "unlink"), at="SECRET/BRAVO")
        await self.write(self.to(4, key="again"), at="SECRET/BRAVO")
        assert await self.refused(self.to(3), at="SECRET/BRAVO") == {()}

    async def test_what_is_gone_takes_no_place(self) -> None:
        await self.write(self.to(0), self.to(1), at="SECRET")
        gone = Change("delete", "Place", object_id=self.ends[0])
        await self.objects.write(self.subject(), self.organization, [gone])
        await self.write(self.to(2), at="SECRET")
        assert await self.refused(self.to(3), at="SECRET") == {()}

    async def test_no_more_are_made_however_many_try_at_once(self) -> None:
        for _ in range(3):
            self.hub = await self.make()
            outcomes = await asyncio.gather(*(self.write(self.to(n)) for n in range(5)), return_exceptions=True)
            assert sorted(type(each).__name__ for each in outcomes) == ["Conflict"] * 3 + ["list"] * 2

    async def test_who_links_the_other_way_round_at_once_waits_and_blocks_nobody(self, admin_url: str) -> None:
        """Of each link its target may have one, and its source two: writers take turns at both."""
        only = {"nearTo": {"relation": "near", "target": "Place", "direction": "in", "cardinality": "one"}}
        await self.define(thing("Place", links=near(maxLinks=2) | only))
        deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
        for _ in range(5):
            one, other = await self.make(), await self.make()
            there, back = LinkChange("link", "near", one, other), LinkChange("link", "near", other, one)
            await asyncio.gather(self.write(there), self.write(back))
        assert [row["deadlocks"] for row in await run_sql(admin_url, deadlocks)] == [0]

    async def test_too_few_are_never_refused(self) -> None:
        await self.define(place(minLinks=2))
        await self.make()
        (id,) = await self.write(self.to(0))
        await self.write(LinkChange("unlink", link_id=id))

    async def planned(
        self, *documents: dict[str, Any], at: str = "UNCLASSIFIED"
    ) -> set[tuple[str, str | None, str, int]]:
        plan = await self.types.plan(self.subject(at), self.organization.lattice, documents)
        assert plan.obstacles == ()
        return {(each.type_name, each.field, str(each.change), each.objects) for each in plan.changes}

    async def test_a_plan_tells_of_other_counts_with_the_objects_that_do_not_have_as_many(self) -> None:
        await self.write(self.to(0), self.to(0, key="k"), self.to(1))
        assert await self.planned(place(maxLinks=2)) == set()
        assert await self.planned(place(minLinks=1, maxLinks=2)) == {("Place", "near", "NARROWED", 5)}
        assert await self.planned(place(maxLinks=3)) == {("Place", "near", "WIDENED", 0)}
        assert await self.planned(place(minLinks=3, maxLinks=5)) == {("Place", "near", "NARROWED", 6)}
        new = thing("Place", links=near(maxLinks=2) | {
            "of": {"relation": "near", "target": "Place", "direction": "in", "minLinks": 1}})  # fmt: skip
        assert await self.planned(new) == {("Place", "of", "NARROWED", 4)}

    async def test_a_plan_tells_of_another_cardinality_as_of_counts(self) -> None:
        await self.write(self.to(0))
        assert await self.planned(place(cardinality="one")) == {("Place", "near", "NARROWED", 0)}
        assert await self.planned(place(cardinality="one", minLinks=1)) == {("Place", "near", "NARROWED", 5)}
        await self.define(place(cardinality="one"))
        assert await self.planned(place(maxLinks=2)) == {("Place", "near", "WIDENED", 0)}

    async def test_a_plan_tells_of_an_heirs_counts_once(self) -> None:
        await self.define(well())
        self.hub = await self.make("Well")
        await self.write(self.to(0))
        assert await self.planned(well(links=near(minLinks=2))) == {("Well", "near", "NARROWED", 1)}
        await self.define(well(links=near(minLinks=2)))
        assert await self.planned(place(minLinks=1)) == {("Place", "near", "NARROWED", 6)}
        assert await self.planned(well()) == {("Well", "near", "WIDENED", 0)}

    async def test_a_plan_tells_of_nothing_above_its_reader(self) -> None:
        await self.write(self.to(0), self.to(1), at="SECRET")
        await self.make(at="SECRET")
        await self.make(at="SECRET")
        asked = place(maxLinks=2, minLinks=1)
        assert await self.planned(asked) == {("Place", "near", "NARROWED", 6)}
        assert await self.planned(asked, at="SECRET") == {("Place", "near", "NARROWED", 7)}
