"""Writing links: ends, labels, versions, properties, cardinality, and what happens to links when objects go."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.errors import FabricError, Forbidden, Several
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links, WrittenLink
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio


def link_field(relation: str, target: str, **given: Any) -> dict[str, Any]:
    return {"relation": relation, "target": target, **given}


PROPERTIES = {"since": {"type": "date"}, "note": {"type": "string"}}
DOCUMENTS = [
    {
        "typeName": "Site",
        "fields": {"name": {"type": "string"}},
        "links": {
            "pumps": link_field("has", "Pump", properties=PROPERTIES),
            "near": link_field("near", "Site", properties={"metres": {"type": "integer", "required": True}}),
            "owner": link_field("owned_by", "Owner", cardinality="one"),
            "works": link_field("owned_by", "Works"),
        },
    },
    {"typeName": "Works", "extends": "Site"},
    {
        "typeName": "Pump",
        "links": {
            "site": link_field("part_of", "Site"),
            "gauge": link_field("reads", "Gauge", direction="in", cardinality="one"),
        },
    },
    {"typeName": "Gauge"},
    {"typeName": "Owner"},
]  # fmt: skip


class Ground:
    """Makes objects and links at a label, and reads which links a session at a label sees."""

    def __init__(
        self, admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
    ) -> None:
        self.admin_url, self.database, self.types = admin_url, database, types
        self.organization, self.subject = organization, subject
        self.objects, self.links = Objects(types), Links(types)

    async def make(self, type_name: str, at: str = "UNCLASSIFIED", id: UUID | None = None) -> UUID:
        changes = [Change("create", type_name, {}, id)]
        written, _ = await self.objects.write(self.subject(at), self.organization, changes)
        return written[0].object_id

    async def remove(self, type_name: str, id: UUID, at: str = "UNCLASSIFIED") -> None:
        changes = [Change("delete", type_name, object_id=id)]
        await self.objects.write(self.subject(at), self.organization, changes)

    async def write(
        self, *changes: LinkChange, at: str = "UNCLASSIFIED", **given: Any
    ) -> tuple[list[WrittenLink], Position | None]:
        return await self.links.write(self.subject(at, **given), self.organization, list(changes))

    async def link(
        self, relation: str, source: UUID, target: UUID, at: str = "UNCLASSIFIED", key: str | None = None, **values: Any
    ) -> UUID:
        written, _ = await self.write(LinkChange("link", relation, source, target, key, values=values), at=at)
        return written[0].link_id

    async def update(self, id: UUID, at: str = "UNCLASSIFIED", **values: Any) -> WrittenLink:
        written, _ = await self.write(LinkChange("update", link_id=id, values=values), at=at)
        return written[0]

    async def unlink(self, id: UUID, at: str = "UNCLASSIFIED") -> None:
        await self.write(LinkChange("unlink", link_id=id), at=at)

    async def seen(self, at: str = "UNCLASSIFIED") -> dict[UUID, tuple[str, float | None]]:
        """(relation, weight) of every link that is there with both its ends, by id."""
        async with self.database.transaction(self.subject(at).session) as transaction:
            rows = await transaction.fetch(
                """select l.link_id, l.relation, l.weight from fabric.links l
                   join fabric.objects s on s.object_id = l.source_id join fabric.objects t on t.object_id = l.target_id
                   where not l.tombstone and not s.tombstone and not t.tombstone"""
            )
        return {row["link_id"]: (row["relation"], row["weight"]) for row in rows}

    async def versions(self, id: UUID) -> list[tuple[str, int, bool]]:
        rows = await run_sql(
            self.admin_url, "select label, revision, tombstone from fabric.links where link_id = $1 order by label", id
        )
        return [(str(self.organization.lattice.decode(label)), revision, dead) for label, revision, dead in rows]

    async def events(self) -> list[tuple[str, UUID, int]]:
        rows = await run_sql(
            self.admin_url,
            """select topic, entity_id, label >> 60 as level from fabric.events
               where entity_table = 'links' order by position""",
        )
        return [tuple(row) for row in rows]


@pytest.fixture
async def ground(
    admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
) -> Ground:
    await types.define(subject(), organization.lattice, DOCUMENTS)
    return Ground(admin_url, database, types, organization, subject)


def faults(error: FabricError) -> dict[tuple[str | int, ...], tuple[str, str]]:
    return {e.path: (e.code, e.message) for e in (error.errors if isinstance(error, Several) else [error])}


async def refused(
    ground: Ground, *changes: LinkChange, at: str = "UNCLASSIFIED"
) -> dict[tuple[str | int, ...], tuple[str, str]]:
    everything = "select * from fabric.links order by link_id, label"
    before = await run_sql(ground.admin_url, everything)
    with pytest.raises(FabricError) as caught:
        await ground.write(*changes, at=at)
    assert await run_sql(ground.admin_url, everything) == before
    return faults(caught.value)


# Ends and relations


async def test_a_link_is_between_what_its_relation_declares(ground: Ground) -> None:
    site, works, pump = [await ground.make(name) for name in ("Site", "Works", "Pump")]
    await ground.link("has", site, pump)
    await ground.link("has", works, pump)  # an heir of the declared type
    for change in (
        LinkChange("link", "has", pump, site),
        LinkChange("link", "has", site, works),
        LinkChange("link", "nowhere", site, pump),
    ):
        assert [code for code, _ in (await refused(ground, change)).values()] == ["BAD_USER_INPUT"]


async def test_a_relation_declared_from_the_other_end_is_the_same(ground: Ground) -> None:
    pump, gauge = await ground.make("Pump"), await ground.make("Gauge")
    id = await ground.link("reads", gauge, pump)
    assert await ground.seen() == {id: ("reads", None)}


@pytest.mark.parametrize("at", ["UNCLASSIFIED", "SECRET/BRAVO"])
async def test_a_hidden_end_and_an_end_that_does_not_exist_are_refused_alike(ground: Ground, at: str) -> None:
    site = await ground.make("Site")
    hidden = await ground.make("Pump", at="SECRET/ALPHA")
    gone = await ground.make("Pump")
    await ground.remove("Pump", gone)
    buried = await ground.make("Pump")
    await ground.remove("Pump", buried, at=at)
    answers = [
        await refused(ground, LinkChange("link", "has", site, end), at=at) for end in (hidden, gone, buried, uuid4())
    ]
    assert answers == [{("to",): ("NOT_FOUND", "not found")}] * 4
    assert await refused(ground, LinkChange("link", "has", hidden, site), at=at) == {
        ("from",): ("NOT_FOUND", "not found")
    }


async def test_hidden_and_unknown_links_and_relations_are_refused_alike(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    hidden = await ground.link("has", site, pump, at="SECRET")
    for action in ("update", "unlink"):
        answers = [await refused(ground, LinkChange(action, link_id=id)) for id in (hidden, uuid4())]
        assert answers == [{(): ("NOT_FOUND", "not found")}] * 2
    document = DOCUMENTS[3] | {"links": {"x": link_field("secret", "Gauge")}}
    await ground.types.define(ground.subject("SECRET"), ground.organization.lattice, [document])
    gauge = await ground.make("Gauge")
    answers = [await refused(ground, LinkChange("link", name, gauge, gauge)) for name in ("secret", "nowhere")]
    assert answers == [{("relation",): ("BAD_USER_INPUT", "no such relation")}] * 2
    await ground.link("secret", gauge, gauge, at="SECRET")


async def test_every_action_needs_its_permission(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump)
    for change, permission in (
        (LinkChange("link", "has", site, pump, "k"), "link:create"),
        (LinkChange("update", link_id=id), "link:update"),
        (LinkChange("upsert", "has", site, pump), "link:create"),
        (LinkChange("unlink", link_id=id), "link:delete"),
    ):
        with pytest.raises(Forbidden, match=permission):
            await ground.write(change, roles=("reader", "designer"))


async def test_faults_lead_to_their_input(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    found = await refused(
        ground,
        LinkChange("link", "has", site, uuid4(), path=("links", 0)),
        LinkChange("link", "has", site, pump, path=("links", 1)),
        LinkChange("link", "near", site, site, path=("links", 2)),
        LinkChange("link", "has", site, pump, values={"properties": {"since": "then", "other": 1}}, path=("links", 3)),
    )
    assert set(found) == {
        ("links", 0, "to"),
        ("links", 2, "properties", "metres"),
        ("links", 3, "properties", "since"),
        ("links", 3, "properties", "other"),
    }


# Identity and content


async def test_parallel_links_are_told_apart_by_their_key(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    ids = [await ground.link("has", site, pump, key=key) for key in (None, "a", "b")]
    assert len(set(ids)) == 3
    again = await refused(ground, LinkChange("link", "has", site, pump, "a"))
    assert again == {(): ("CONFLICT", "this exists already")}


async def test_what_is_given_changes_and_the_rest_stays(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump, weight=1.5, properties={"since": "2020-01-02", "note": "x"})
    assert (await ground.update(id, properties={"note": None})).changed
    assert not (await ground.update(id, weight=1.5)).changed
    await ground.write(LinkChange("upsert", "has", site, pump, values={"semantic_predicate": "p"}))
    rows = await run_sql(ground.admin_url, "select weight, properties, semantic_predicate, revision from fabric.links")
    assert [tuple(row) for row in rows] == [(1.5, '{"since": "2020-01-02"}', "p", 3)]


async def test_validity_ends_after_it_begins(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    first, last = (datetime(2020, 1, day, tzinfo=UTC) for day in (1, 2))
    id = await ground.link("has", site, pump, valid_from=first, valid_to=last)
    found = await refused(ground, LinkChange("update", link_id=id, values={"valid_from": last, "valid_to": first}))
    assert set(found) == {("validTo",)}
    assert set(
        await refused(ground, LinkChange("update", link_id=id, values={"valid_to": datetime(2019, 1, 1, tzinfo=UTC)}))
    ) == {("validTo",)}


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * 10_001])
async def test_text_that_cannot_be_stored_is_bad_input(ground: Ground, text: str) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    for change in (
        LinkChange("link", "has", site, pump, text),
        LinkChange("link", "has", site, pump, values={"semantic_predicate": text}),
    ):
        assert [code for code, _ in (await refused(ground, change)).values()] == ["BAD_USER_INPUT"]


# Labels and versions


async def test_a_link_has_the_session_label_whatever_its_ends_have(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump", at="CONFIDENTIAL")
    id = await ground.link("has", site, pump, at="SECRET")
    assert await ground.versions(id) == [("SECRET", 1, False)]
    assert [id in await ground.seen(at) for at in ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET", "TOP_SECRET")] == [
        False,
        False,
        True,
        True,
    ]
    with pytest.raises(FabricError):
        await ground.link("has", site, pump)


async def test_links_have_versions_as_objects_have(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    high = await ground.link("has", site, pump, at="SECRET", weight=2.0)
    low = await ground.link("has", site, pump, weight=1.0)
    assert low == high
    await ground.update(low, at="CONFIDENTIAL", weight=1.5)
    assert [(await ground.seen(at))[low][1] for at in ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET")] == [1.0, 1.5, 2.0]
    await ground.unlink(low, at="SECRET")
    assert await ground.seen("SECRET") == {}
    assert await ground.versions(low) == [("UNCLASSIFIED", 1, False), ("CONFIDENTIAL", 2, False), ("SECRET", 2, True)]
    await ground.unlink(low)
    assert await ground.seen() == {}
    assert len(await ground.seen("CONFIDENTIAL")) == 1


async def test_a_tombstone_keeps_nothing_but_what_it_stands_for(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump, weight=1.0, properties={"note": "private"}, semantic_predicate="p")
    await ground.unlink(id, at="SECRET")
    rows = await run_sql(
        ground.admin_url, "select source_id, weight, properties, semantic_predicate from fabric.links where tombstone"
    )
    assert [tuple(row) for row in rows] == [(site, None, "{}", None)]


async def test_an_expected_revision_that_has_passed_conflicts(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump)
    await ground.update(id, weight=1.0)
    for action in ("update", "unlink"):
        change = LinkChange(
            action, link_id=id, values={"weight": 2.0} if action == "update" else {}, expected_revision=1
        )
        assert set(await refused(ground, change)) == {("expectedRevision",)}


async def test_updates_at_the_same_time_both_land(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump)
    for n in range(5):
        await asyncio.gather(ground.update(id, weight=float(n)), ground.update(id, properties={"note": str(n)}))
        rows = await run_sql(ground.admin_url, "select weight, properties->>'note' as note from fabric.links")
        assert [tuple(row) for row in rows] == [(float(n), str(n))]


# Objects that go


async def test_a_deleted_objects_links_at_its_label_go_with_it_and_tell(ground: Ground) -> None:
    site, pump, other = await ground.make("Site"), await ground.make("Pump"), await ground.make("Pump")
    out, inward, apart = (
        await ground.link("has", site, pump),
        await ground.link("part_of", pump, site),
        await ground.link("has", site, other),
    )
    above = await ground.link("has", site, pump, at="SECRET", key="above")
    await ground.remove("Pump", pump)
    assert set(await ground.seen()) == {apart}
    assert [await ground.versions(id) for id in (out, inward)] == [[], []]
    assert await ground.versions(above) == [("SECRET", 1, False)]
    assert set(await ground.seen("SECRET")) == {apart}  # nothing to lead to
    deleted = [event for event in await ground.events() if event[0] == "link.deleted"]
    assert sorted(deleted) == sorted([("link.deleted", out, 0), ("link.deleted", inward, 0)])
    records = await run_sql(ground.admin_url, "select entity_id from fabric.audit_log where action = 'link.deleted'")
    assert {row["entity_id"] for row in records} == {out, inward}


async def test_an_object_deleted_from_above_takes_only_links_from_above(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    low = await ground.link("has", site, pump)
    high = await ground.link("part_of", pump, site, at="SECRET")
    await ground.remove("Pump", pump, at="SECRET")
    assert (set(await ground.seen()), set(await ground.seen("SECRET"))) == ({low}, set())
    assert await ground.versions(high) == []
    assert await ground.versions(low) == [("UNCLASSIFIED", 1, False)]


async def test_a_link_removed_above_stays_removed_when_its_end_comes_back(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    removed = await ground.link("has", site, pump)
    covered = await ground.link("part_of", pump, site)
    await ground.unlink(removed, at="SECRET")
    await ground.update(covered, at="SECRET", weight=1.0)
    await ground.remove("Pump", pump, at="SECRET")
    await ground.make("Pump", at="SECRET", id=pump)
    assert await ground.seen("SECRET") == {}
    assert set(await ground.seen()) == {removed, covered}


async def test_a_link_whose_end_is_gone_is_not_found_and_can_be_made_anew(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump, at="SECRET")
    await ground.remove("Pump", pump)
    assert await ground.seen("SECRET") == {}
    for action in ("update", "unlink"):
        assert set(await refused(ground, LinkChange(action, link_id=id), at="SECRET")) == {()}
    await ground.make("Pump", id=pump)
    assert set(await refused(ground, LinkChange("link", "has", site, pump), at="SECRET")) == {()}
    assert set(await ground.seen("SECRET")) == {id}


# Cardinality


async def test_of_cardinality_one_an_object_has_one_link(ground: Ground) -> None:
    site, one, other = await ground.make("Site"), await ground.make("Owner"), await ground.make("Owner")
    id = await ground.link("owned_by", site, one)
    assert [code for code, _ in (await refused(ground, LinkChange("link", "owned_by", site, other))).values()] == [
        "CONFLICT"
    ]
    await ground.unlink(id)
    await ground.link("owned_by", site, other)


async def test_of_cardinality_one_from_the_other_end(ground: Ground) -> None:
    pump, one, other = await ground.make("Pump"), await ground.make("Gauge"), await ground.make("Gauge")
    await ground.link("reads", one, pump)
    assert set(await refused(ground, LinkChange("link", "reads", other, pump))) == {()}
    second = await ground.make("Pump")
    await ground.link("reads", one, second)  # a gauge may read several


async def test_one_can_be_exchanged_for_another_at_once(ground: Ground) -> None:
    site, one, other = await ground.make("Site"), await ground.make("Owner"), await ground.make("Owner")
    id = await ground.link("owned_by", site, one)
    await ground.write(LinkChange("link", "owned_by", site, other), LinkChange("unlink", link_id=id))
    assert len(await ground.seen()) == 1


async def test_too_many_links_are_each_refused(ground: Ground) -> None:
    site, one, other = await ground.make("Site"), await ground.make("Owner"), await ground.make("Owner")
    changes = [LinkChange("link", "owned_by", site, end, path=(n,)) for n, end in enumerate((one, other))]
    assert set(await refused(ground, *changes)) == {(1,)}


async def test_cardinality_is_of_the_declared_types_only(ground: Ground) -> None:
    """Of one relation a site has one owner, and any number of works."""
    site, owner = await ground.make("Site"), await ground.make("Owner")
    await ground.link("owned_by", site, await ground.make("Works"))
    await ground.link("owned_by", site, await ground.make("Works"))
    await ground.link("owned_by", site, owner)
    await ground.link("owned_by", site, await ground.make("Works"))
    assert set(await refused(ground, LinkChange("link", "owned_by", site, await ground.make("Owner")))) == {()}


async def test_a_higher_link_covers_a_lower_one_of_cardinality_one(ground: Ground) -> None:
    site, one, other = await ground.make("Site"), await ground.make("Owner"), await ground.make("Owner")
    await ground.link("owned_by", site, one)
    await ground.link("owned_by", site, other, at="SECRET")
    assert set(await refused(ground, LinkChange("link", "owned_by", site, one, "k"), at="SECRET")) == {()}


async def test_a_link_to_what_is_gone_takes_no_place(ground: Ground) -> None:
    site, one, other = await ground.make("Site"), await ground.make("Owner"), await ground.make("Owner")
    await ground.link("owned_by", site, one, at="SECRET")
    await ground.remove("Owner", one)
    await ground.link("owned_by", site, other, at="SECRET")


async def test_of_cardinality_one_one_link_is_made_however_many_try_at_once(ground: Ground) -> None:
    for _ in range(5):
        site = await ground.make("Site")
        owners = [await ground.make("Owner") for _ in range(3)]
        outcomes = await asyncio.gather(
            *(ground.link("owned_by", site, owner) for owner in owners), return_exceptions=True
        )
        assert sorted(type(o).__name__ for o in outcomes) == ["Conflict", "Conflict", "UUID"]


# What a write leaves behind


async def test_each_change_leaves_an_event_at_its_label(ground: Ground) -> None:
    site, pump = await ground.make("Site"), await ground.make("Pump")
    id = await ground.link("has", site, pump, weight=1.0)
    _, position = await ground.write(LinkChange("update", link_id=id, values={"weight": 2.0}), at="SECRET")
    await ground.update(id, weight=1.0)  # nothing differs
    await ground.unlink(id)
    assert await ground.events() == [("link.created", id, 0), ("link.updated", id, 3), ("link.deleted", id, 0)]
    rows = await run_sql(
        ground.admin_url,
        "select data, position, source_id, target_id from fabric.events where topic = 'link.updated'",
    )
    assert position is not None
    assert position.position == rows[0]["position"]
    assert (rows[0]["source_id"], rows[0]["target_id"]) == (site, pump)
    assert rows[0]["data"] == (
        '{"after": {"weight": 2.0, "properties": {}}, "before": {"weight": 1.0, "properties": {}}, "revision": 2}'
    )
