"""Writing objects: identity, validation, versions under labels, and what a write leaves behind."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.errors import FabricError, Forbidden, Several
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects, Written

pytestmark = pytest.mark.anyio

DOCUMENTS = [
    {
        "typeName": "Asset",
        "fields": {
            "code": {"type": "string", "required": True},
            "note": {"type": "string"},
            "rank": {"type": "integer"},
            "tags": {"type": "string", "list": True},
            "state": {"type": "enum", "values": ["ON", "OFF"]},
        },
        "naturalKey": ["code"],
    },
    {"typeName": "Pump", "extends": "Asset", "fields": {"flow": {"type": "float", "required": True}}},
    {"typeName": "Note", "fields": {"text": {"type": "string", "required": True}, "more": {"type": "string"}}},
    {"typeName": "Alarm", "domain": "event", "fields": {"text": {"type": "string"}}},
]  # fmt: skip
HIDDEN = {"typeName": "Note", "fields": DOCUMENTS[2]["fields"] | {"secret": {"type": "string"}}}


class Ground:
    """Writes as a subject at a label, and reads what a session at a label sees."""

    def __init__(
        self, admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
    ) -> None:
        self.admin_url, self.database, self.types = admin_url, database, types
        self.organization, self.subject = organization, subject
        self.objects = Objects(types)

    async def write(self, *changes: Change, at: str = "UNCLASSIFIED", **given: Any) -> list[Written]:
        written, _ = await self.objects.write(self.subject(at, **given), self.organization, list(changes))
        return written

    async def note(self, text: str = "x", at: str = "UNCLASSIFIED", id: UUID | None = None, **data: Any) -> UUID:
        written = await self.write(Change("create", "Note", {"text": text, **data}, id), at=at)
        return written[0].object_id

    async def update(self, id: UUID, at: str = "UNCLASSIFIED", expected: int | None = None, **data: Any) -> Written:
        return (await self.write(Change("update", "Note", data, id, expected), at=at))[0]

    async def delete(self, id: UUID, at: str = "UNCLASSIFIED", expected: int | None = None) -> Written:
        return (await self.write(Change("delete", "Note", object_id=id, expected_revision=expected), at=at))[0]

    async def seen(self, at: str = "UNCLASSIFIED") -> dict[UUID, Any]:
        """The data of every object that is there, by id."""
        async with self.database.transaction(self.subject(at).session) as transaction:
            rows = await transaction.fetch("select object_id, data from fabric.objects where not tombstone")
        return {row["object_id"]: row["data"] for row in rows}

    async def text(self, id: UUID, at: str = "UNCLASSIFIED") -> str | None:
        found = (await self.seen(at)).get(id)
        return found and found["text"]

    async def versions(self, id: UUID) -> list[tuple[Any, ...]]:
        """(label, revision, tombstone, derived from) of all versions, for those who may see everything."""
        top = self.organization.lattice.decode
        rows = await self.rows(
            """select label, revision, tombstone, derived_from_label, derived_from_revision from fabric.objects
               where object_id = $1 order by label""",
            id,
        )
        return [
            (str(top(label)), revision, tombstone, None if derived is None else (str(top(derived)), derived_revision))
            for label, revision, tombstone, derived, derived_revision in rows
        ]

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        return await run_sql(self.admin_url, sql, *args)


@pytest.fixture
async def ground(
    admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
) -> Ground:
    await types.define(subject(), organization.lattice, DOCUMENTS)
    return Ground(admin_url, database, types, organization, subject)


def faults(error: FabricError) -> dict[tuple[str | int, ...], str]:
    return {e.path: e.message for e in (error.errors if isinstance(error, Several) else [error])}


async def refused(ground: Ground, *changes: Change, at: str = "UNCLASSIFIED") -> dict[tuple[str | int, ...], str]:
    before = await ground.rows("select * from fabric.objects order by object_id, label")
    with pytest.raises(FabricError) as caught:
        await ground.write(*changes, at=at)
    assert await ground.rows("select * from fabric.objects order by object_id, label") == before
    return faults(caught.value)


# Identity


async def test_ids_of_objects_without_a_key_are_random(ground: Ground) -> None:
    ids = {await ground.note() for _ in range(3)}
    assert len(ids) == 3
    assert {id.version for id in ids} == {4}


async def test_a_natural_key_gives_the_id_at_every_label_and_in_every_heir(ground: Ground) -> None:
    [low] = await ground.write(Change("create", "Asset", {"code": "A"}))
    [high] = await ground.write(Change("create", "Pump", {"code": "A", "flow": 1.0}), at="SECRET")
    [other] = await ground.write(Change("create", "Asset", {"code": "B"}))
    assert low.object_id == high.object_id != other.object_id
    assert low.object_id.version == 8


async def test_ids_of_one_key_differ_between_secrets(ground: Ground) -> None:
    [first] = await ground.write(Change("create", "Asset", {"code": "A"}))
    other = Organization(ground.organization.organization_id, "acme", b"another", ground.organization.lattice)
    written, _ = await ground.objects.write(ground.subject(), other, [Change("create", "Asset", {"code": "A"})])
    assert written[0].object_id != first.object_id


async def test_a_key_names_the_object_to_update_upsert_and_delete(ground: Ground) -> None:
    [made] = await ground.write(Change("upsert", "Asset", {"code": "A", "note": "x"}))
    for change in (
        Change("update", "Asset", {"code": "A", "note": "y"}),
        Change("upsert", "Asset", {"code": "A", "note": "z"}),
        Change("update", "Asset", {"note": "w"}, made.object_id),
    ):
        assert await ground.write(change) == [Written(made.object_id, "Asset", changed=True, created=False)]
    assert await ground.seen() == {made.object_id: {"code": "A", "note": "w"}}
    await ground.write(Change("delete", "Asset", {"code": "A"}))
    assert await ground.seen() == {}


async def test_a_natural_key_is_given_and_does_not_change(ground: Ground) -> None:
    [made] = await ground.write(Change("create", "Asset", {"code": "A"}))
    assert set(await refused(ground, Change("create", "Asset", {}))) == {("code",)}
    assert set(await refused(ground, Change("update", "Asset", {"code": "B"}, made.object_id))) == {("code",)}
    assert set(await refused(ground, Change("update", "Asset", {"code": None}, made.object_id))) == {("code",)}
    assert set(await refused(ground, Change("create", "Asset", {"code": "B"}, uuid4()))) == {("id",)}
    await ground.write(Change("update", "Asset", {"code": "A", "note": "x"}, made.object_id))


async def test_what_has_no_key_is_named_by_its_id(ground: Ground) -> None:
    for action in ("update", "upsert", "delete"):
        assert set(await refused(ground, Change(action, "Note", {"text": "x"}))) == {("id",)}


# Validation


async def test_every_fault_is_told_with_its_path(ground: Ground) -> None:
    data = {"code": 1, "rank": "x", "tags": ["a", 2], "state": "UP", "colour": "red"}
    found = await refused(ground, Change("create", "Asset", data, path=("input", 3)))
    assert set(found) == {("input", 3, *path) for path in [("code",), ("rank",), ("tags", 1), ("state",), ("colour",)]}


async def test_unknown_and_hidden_types_and_fields_are_refused_alike(ground: Ground) -> None:
    await ground.types.define(ground.subject("SECRET"), ground.organization.lattice, [{"typeName": "Hidden"}, HIDDEN])
    for pair in (
        (Change("create", "Hidden", {}), Change("create", "Nowhere", {})),
        (Change("create", "Alarm", {"text": "x"}), Change("create", "Nowhere", {"text": "x"})),
        (Change("create", "Note", {"text": "x", "secret": 1}), Change("create", "Note", {"text": "x", "nowhere": 1})),
    ):
        hidden, unknown = [await refused(ground, change) for change in pair]
        assert list(hidden.values()) == list(unknown.values())
    await ground.note(at="SECRET", secret="x")


async def test_required_values_are_given_and_stay(ground: Ground) -> None:
    assert await refused(ground, Change("create", "Note", {"more": "x"})) == {("text",): "required"}
    assert set(await refused(ground, Change("create", "Pump", {"code": "P"}))) == {("flow",)}
    id = await ground.note()
    assert set(await refused(ground, Change("update", "Note", {"text": None}, id))) == {("text",)}


async def test_null_clears_and_what_is_not_given_stays(ground: Ground) -> None:
    id = await ground.note("x", more="y")
    await ground.update(id, text="z")
    assert await ground.seen() == {id: {"text": "z", "more": "y"}}
    await ground.update(id, more=None)
    assert await ground.seen() == {id: {"text": "z"}}


async def test_an_heir_is_validated_as_itself_when_updated_as_its_ancestor(ground: Ground) -> None:
    [pump] = await ground.write(Change("create", "Pump", {"code": "P", "flow": 1.0}))
    assert await ground.write(Change("update", "Asset", {"note": "x"}, pump.object_id)) == [
        Written(pump.object_id, "Pump", changed=True, created=False)
    ]
    assert set(await refused(ground, Change("update", "Asset", {"flow": 2.0}, pump.object_id))) == {("flow",)}


async def test_an_object_of_another_type_is_not_found_and_its_id_is_taken(ground: Ground) -> None:
    [asset] = await ground.write(Change("create", "Asset", {"code": "A"}))
    for change in (
        Change("update", "Note", {"text": "x"}, asset.object_id),
        Change("update", "Pump", {"flow": 1.0}, asset.object_id),
        Change("delete", "Note", object_id=asset.object_id),
        Change("upsert", "Note", {"text": "x"}, asset.object_id),
    ):
        assert await refused(ground, change) == {(): "not found"}
    assert await refused(ground, Change("create", "Note", {"text": "x"}, asset.object_id)) == {
        (): "this exists already"
    }


async def test_every_action_needs_its_permission(ground: Ground) -> None:
    id = await ground.note()
    for change, permission in (
        (Change("create", "Note", {"text": "x"}), "object:create"),
        (Change("update", "Note", {"text": "y"}, id), "object:update"),
        (Change("upsert", "Note", {"text": "y"}, id), "object:create"),
        (Change("delete", "Note", object_id=id), "object:delete"),
    ):
        with pytest.raises(Forbidden, match=permission):
            await ground.write(change, roles=("reader", "designer"))


# Versions under labels


async def test_a_create_conflicts_only_at_the_same_label(ground: Ground) -> None:
    id = uuid4()
    for at in ("SECRET", "UNCLASSIFIED", "CONFIDENTIAL/ALPHA"):
        await ground.note(at, at=at, id=id)
        assert await refused(ground, Change("create", "Note", {"text": "again"}, id), at=at) == {
            (): "this exists already"
        }
    for at, shown in {
        "UNCLASSIFIED": "UNCLASSIFIED",
        "CONFIDENTIAL": "UNCLASSIFIED",
        "CONFIDENTIAL/ALPHA": "CONFIDENTIAL/ALPHA",
        "SECRET": "SECRET",
        "TOP_SECRET/ALPHA": "SECRET",
    }.items():
        assert await ground.text(id, at) == shown, at


async def test_a_create_below_a_hidden_version_is_as_any_other(ground: Ground) -> None:
    hidden, free = uuid4(), uuid4()
    await ground.note("truth", at="SECRET", id=hidden)
    covered, plain = [await ground.write(Change("create", "Note", {"text": "story"}, id)) for id in (hidden, free)]
    assert [(w.changed, w.created) for w in (*covered, *plain)] == [(True, True)] * 2
    assert (await ground.versions(hidden))[0] == (await ground.versions(free))[0] == ("UNCLASSIFIED", 1, False, None)
    assert (await ground.text(hidden), await ground.text(hidden, "SECRET")) == ("story", "truth")


async def test_an_update_from_above_leaves_the_lower_version_alone(ground: Ground) -> None:
    id = await ground.note("low", more="m")
    before = await ground.rows("select data, revision, updated_at from fabric.objects where label = 0")
    await ground.update(id, at="SECRET", text="high")
    assert await ground.rows("select data, revision, updated_at from fabric.objects where label = 0") == before
    assert (await ground.seen("SECRET"))[id] == {"text": "high", "more": "m"}
    assert await ground.versions(id) == [
        ("UNCLASSIFIED", 1, False, None),
        ("SECRET", 2, False, ("UNCLASSIFIED", 1)),
    ]
    await ground.update(id, at="SECRET", text="higher")
    assert (await ground.versions(id))[1] == ("SECRET", 3, False, ("UNCLASSIFIED", 1))


async def test_an_update_from_below_leaves_the_higher_version_alone(ground: Ground) -> None:
    id = await ground.note("low")
    await ground.update(id, at="SECRET", text="high")
    await ground.update(id, text="new")
    assert (await ground.text(id), await ground.text(id, "SECRET")) == ("new", "high")


async def test_an_update_that_changes_nothing_writes_nothing(ground: Ground) -> None:
    id = await ground.note("x")
    assert not (await ground.update(id, text="x")).changed
    assert not (await ground.update(id, at="SECRET", text="x")).changed
    assert await ground.versions(id) == [("UNCLASSIFIED", 1, False, None)]


async def test_what_is_hidden_and_what_does_not_exist_is_not_found_alike(ground: Ground) -> None:
    hidden = await ground.note(at="SECRET")
    for action in ("update", "delete"):
        found = [await refused(ground, Change(action, "Note", {"text": "y"}, id)) for id in (hidden, uuid4())]
        assert found == [{(): "not found"}] * 2


async def test_a_delete_above_a_lower_version_leaves_a_tombstone(ground: Ground) -> None:
    id = await ground.note()
    await ground.delete(id, at="SECRET")
    assert (await ground.text(id), await ground.text(id, "SECRET"), await ground.text(id, "TOP_SECRET")) == (
        "x",
        None,
        None,
    )
    assert [v[:3] for v in await ground.versions(id)] == [("UNCLASSIFIED", 1, False), ("SECRET", 2, True)]
    for change in (Change("update", "Note", {"text": "y"}, id), Change("delete", "Note", object_id=id)):
        assert await refused(ground, change, at="SECRET") == {(): "not found"}


async def test_a_delete_of_a_cover_leaves_a_tombstone_too(ground: Ground) -> None:
    id = await ground.note()
    await ground.update(id, at="SECRET", text="y")
    await ground.delete(id, at="SECRET")
    assert (await ground.text(id), await ground.text(id, "SECRET")) == ("x", None)
    assert [v[:3] for v in await ground.versions(id)] == [("UNCLASSIFIED", 1, False), ("SECRET", 3, True)]


async def test_a_delete_with_nothing_below_leaves_nothing(ground: Ground) -> None:
    id = await ground.note()
    await ground.delete(id)
    assert await ground.versions(id) == []


async def test_a_delete_below_a_hidden_version_is_as_any_other(ground: Ground) -> None:
    id = await ground.note()
    await ground.update(id, at="SECRET", text="high")
    await ground.delete(id)
    assert [v[0] for v in await ground.versions(id)] == ["SECRET"]
    assert await ground.text(id, "SECRET") == "high"


async def test_a_delete_above_a_tombstone_leaves_no_second_one(ground: Ground) -> None:
    id = await ground.note()
    await ground.delete(id, at="CONFIDENTIAL")
    await ground.note("again", at="SECRET", id=id)
    await ground.delete(id, at="SECRET")
    assert [v[0] for v in await ground.versions(id)] == ["UNCLASSIFIED", "CONFIDENTIAL"]


async def test_what_was_deleted_can_be_created_anew(ground: Ground) -> None:
    id = await ground.note()
    await ground.delete(id, at="SECRET")
    await ground.note("again", at="SECRET", id=id)
    assert (await ground.text(id), await ground.text(id, "SECRET")) == ("x", "again")
    assert [v[:3] for v in await ground.versions(id)] == [("UNCLASSIFIED", 1, False), ("SECRET", 3, False)]
    await ground.delete(id)
    await ground.note("low again", id=id)
    assert (await ground.text(id), await ground.text(id, "SECRET")) == ("low again", "again")


async def test_an_upsert_creates_covers_or_revises(ground: Ground) -> None:
    outcomes = []
    for at, note in (("UNCLASSIFIED", "a"), ("SECRET", "a"), ("SECRET", "b"), ("SECRET", "c"), ("UNCLASSIFIED", "d")):
        [written] = await ground.write(Change("upsert", "Asset", {"code": "A", "note": note}), at=at)
        outcomes.append((written.changed, written.created))
    assert outcomes == [(True, True), (False, False), (True, False), (True, False), (True, False)]
    assert {x["note"] for x in (await ground.seen()).values()} == {"d"}
    assert {x["note"] for x in (await ground.seen("SECRET")).values()} == {"c"}


async def test_deleted_data_does_not_stay_in_the_tombstone(ground: Ground) -> None:
    id = await ground.note("private")
    await ground.update(id, at="SECRET", text="more private")
    await ground.delete(id, at="SECRET")
    assert [row["data"] for row in await ground.rows("select data from fabric.objects where tombstone")] == ["{}"]


# Revisions


async def test_an_expected_revision_that_has_passed_conflicts(ground: Ground) -> None:
    id = await ground.note()
    await ground.update(id, expected=1, text="y")
    for change in (
        Change("update", "Note", {"text": "z"}, id, 1),
        Change("update", "Note", {"text": "y"}, id, 1),
        Change("upsert", "Note", {"text": "z"}, id, 1),
        Change("delete", "Note", {}, id, 1),
    ):
        assert await refused(ground, change) == {("expectedRevision",): "this is at revision 2 by now"}
    await ground.delete(id, expected=2)


async def test_of_two_who_expect_one_revision_one_conflicts(ground: Ground) -> None:
    for _ in range(5):
        id = await ground.note()
        outcomes = await asyncio.gather(
            *(ground.update(id, expected=1, text=text) for text in "ab"), return_exceptions=True
        )
        assert sorted(type(o).__name__ for o in outcomes) == ["Conflict", "Written"]


async def test_of_two_who_expect_nothing_both_land(ground: Ground) -> None:
    for _ in range(5):
        id = await ground.note("x")
        await asyncio.gather(ground.update(id, text="y"), ground.update(id, more="z"))
        assert (await ground.seen())[id] == {"text": "y", "more": "z"}
        assert (await ground.versions(id))[0][1] == 3


async def test_of_two_who_create_the_same_one_conflicts(ground: Ground) -> None:
    for n in range(5):
        change = Change("create", "Asset", {"code": f"A{n}"})
        outcomes = await asyncio.gather(*(ground.write(change) for _ in range(2)), return_exceptions=True)
        assert sorted(type(o).__name__ for o in outcomes) == ["Conflict", "list"]


async def test_those_who_upsert_the_same_all_land(ground: Ground) -> None:
    for n in range(5):
        changes = [
            Change("upsert", "Asset", {"code": f"A{n}", name: value}) for name, value in (("note", "x"), ("rank", 1))
        ]
        await asyncio.gather(*(ground.write(change) for change in changes))
    assert {len(data) for data in (await ground.seen()).values()} == {3}


# Many at once


async def test_all_changes_of_one_write_or_none(ground: Ground) -> None:
    id = await ground.note()
    changes = [
        Change("create", "Note", {"text": "new"}, path=(0,)),
        Change("update", "Note", {"text": "y"}, uuid4(), path=(1,)),
        Change("create", "Asset", {"code": "A"}, path=(2,)),
        Change("create", "Asset", {"code": "A"}, path=(3,)),
        Change("update", "Note", {"text": "y"}, id, 7, path=(4,)),
    ]
    assert await refused(ground, *changes) == {
        (1,): "not found",
        (3,): "this exists already",
        (4, "expectedRevision"): "this is at revision 1 by now",
    }
    assert await ground.rows("select from fabric.events where topic like 'object.%'") == [()]


async def test_changes_of_one_write_see_those_before_them(ground: Ground) -> None:
    id, other = uuid4(), uuid4()
    written = await ground.write(
        Change("create", "Note", {"text": "x"}, id),
        Change("update", "Note", {"more": "y"}, id),
        Change("create", "Note", {"text": "x"}, other),
        Change("delete", "Note", {}, other),
        Change("create", "Asset", {"code": "A"}),
        Change("delete", "Asset", {"code": "A"}),
        Change("create", "Asset", {"code": "A", "note": "again"}),
    )
    assert [w.created for w in written] == [True, False, True, False, True, False, True]
    assert await ground.seen() == {
        id: {"text": "x", "more": "y"},
        written[-1].object_id: {"code": "A", "note": "again"},
    }


async def test_a_thousand_at_once(ground: Ground) -> None:
    await ground.write(*(Change("create", "Asset", {"code": str(n)}) for n in range(1000)))
    written = await ground.write(*(Change("upsert", "Asset", {"code": str(n), "note": "x"}) for n in range(500, 1500)))
    assert sum(w.created for w in written) == 500
    assert len(await ground.seen()) == 1500


# What a write leaves behind


async def test_each_change_leaves_an_event_and_a_record_at_its_label(ground: Ground) -> None:
    id = await ground.note("x")
    _, position = await ground.objects.write(
        ground.subject("SECRET", name="bob"), ground.organization, [Change("update", "Note", {"text": "y"}, id)],
        request_id="r1",
    )  # fmt: skip
    await ground.update(id, text="x")  # nothing differs
    await ground.delete(id)
    rows = await ground.rows(
        """select topic, label >> 60 as level, actor, entity_id, entity_type, data,
                  transaction_id::text::bigint as xid, position
           from fabric.events where entity_table = 'objects' order by position"""
    )
    assert [tuple(row)[:5] for row in rows] == [
        ("object.created", 0, "ann", id, "Note"),
        ("object.updated", 3, "bob", id, "Note"),
        ("object.deleted", 0, "ann", id, "Note"),
    ]
    assert [row["data"] for row in rows] == [
        '{"after": {"text": "x"}, "before": {}, "revision": 1}',
        '{"after": {"text": "y"}, "before": {"text": "x"}, "revision": 2}',
        '{"after": {}, "before": {"text": "x"}, "revision": 2}',
    ]
    assert position is not None
    assert (position.transaction_id, position.position) == (rows[1]["xid"], rows[1]["position"])
    records = await ground.rows(
        """select action, label >> 60 as level, actor, entity_id, outcome, request_id from fabric.audit_log
           where entity_id is not null order by audit_id"""
    )
    assert [tuple(row) for row in records] == [
        ("object.created", 0, "ann", id, "done", None),
        ("object.updated", 3, "bob", id, "done", "r1"),
        ("object.deleted", 0, "ann", id, "done", None),
    ]


async def test_a_write_that_changes_nothing_has_no_position(ground: Ground) -> None:
    id = await ground.note("x")
    change = Change("update", "Note", {"text": "x"}, id)
    written, position = await ground.objects.write(ground.subject(), ground.organization, [change])
    assert (written, position) == ([Written(id, "Note", False, False)], None)


async def test_nothing_is_half_written_when_the_last_step_fails(ground: Ground) -> None:
    await ground.rows("alter table fabric.audit_log add constraint never check (false) not valid")
    with pytest.raises(FabricError) as caught:
        await ground.note()
    assert (caught.value.code, caught.value.message) == ("INTERNAL", "the database could not answer")
    assert await ground.rows("select from fabric.objects") == []
    assert await ground.rows("select from fabric.events where entity_table = 'objects'") == []
