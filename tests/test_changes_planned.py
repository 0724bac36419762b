"""Plans of changed definitions: what they tell, and that they tell and do nothing more."""

from typing import Any
from uuid import uuid4

import pytest
from databases import MakeSubject, run_sql

from fabric.errors import Forbidden, Several
from fabric.identity.organizations import Organization
from fabric.types.changes_planned import Plan
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

STRING, TEXT = {"type": "string"}, {"type": "text"}
BEFORE = {
    "name": STRING, "note": TEXT, "size": {"type": "integer"}, "old": STRING, "gone": STRING,
    "mood": {"type": "enum", "values": ["CALM", "TENSE"]}, "rank": STRING,
}  # fmt: skip
AFTER = {
    "name": TEXT, "note": STRING, "size": {"type": "boolean"}, "fresh": STRING | {"replaces": "old"},
    "mood": {"type": "enum", "values": ["CALM"]}, "rank": STRING | {"required": True}, "extra": STRING,
}  # fmt: skip


class Ground:
    def __init__(self, types: Types, organization: Organization, subject: MakeSubject) -> None:
        self.types, self.organization, self.subject = types, organization, subject

    def _document(self, fields: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"typeName": "Thing", "fields": fields}]

    async def define(self, fields: dict[str, Any], at: str = "UNCLASSIFIED") -> None:
        await self.types.define(self.subject(at), self.organization.lattice, self._document(fields))

    async def plan(self, fields: dict[str, Any], at: str = "UNCLASSIFIED", **who: Any) -> Plan:
        return await self.types.plan(self.subject(at, **who), self.organization.lattice, self._document(fields))

    async def create(self, at: str = "UNCLASSIFIED", **data: Any) -> None:
        change = Change("create", "Thing", data, uuid4())
        await Objects(self.types).write(self.subject(at), self.organization, [change])


@pytest.fixture
def ground(types: Types, organization: Organization, subject: MakeSubject) -> Ground:
    return Ground(types, organization, subject)


def told(plan: Plan) -> set[tuple[str | None, str, int]]:
    return {(each.field, str(each.change), each.objects) for each in plan.changes}


async def test_each_change_is_told_with_the_objects_that_it_concerns(ground: Ground) -> None:
    await ground.define(BEFORE)
    await ground.create(name="a", note="n", size=1, old="o", gone="g", mood="TENSE", rank="r")
    await ground.create(name="b", old="o")
    plan = await ground.plan(AFTER)
    assert told(plan) == {
        ("name", "WIDENED", 2), ("note", "NARROWED", 1), ("size", "REPLACED", 1), ("fresh", "RENAMED", 2),
        ("gone", "REMOVED", 1), ("mood", "NARROWED", 1), ("rank", "REQUIRED", 1), ("extra", "ADDED", 0),
    }  # fmt: skip
    assert [each.was for each in plan.changes if each.field == "fresh"] == ["old"]
    assert len(plan.obstacles) == 3  # gone, size, rank
    with pytest.raises(Several) as refused:
        await ground.define(AFTER)
    assert {error.message for error in refused.value.errors} == set(plan.obstacles)


async def test_a_new_type_is_told_as_one_and_nothing_is_done(ground: Ground, admin_url: str) -> None:
    plan = await ground.plan(BEFORE)
    assert told(plan) == {(None, "ADDED", 0)}
    assert await run_sql(admin_url, "select from fabric.type_definitions") == []
    assert await run_sql(admin_url, "select from fabric.events") == []
    await ground.define(BEFORE)
    assert (await ground.plan(BEFORE)).changes == ()


async def test_what_is_hidden_changes_neither_counts_nor_obstacles(ground: Ground) -> None:
    await ground.define(BEFORE)
    await ground.create(name="a")
    before = await ground.plan(AFTER)
    for at in ("CONFIDENTIAL", "SECRET/ALPHA"):
        await ground.create(at, name="b", gone="g", size=2)
    await ground.define(BEFORE | {"deep": STRING | {"label": "SECRET"}}, at="SECRET")
    await ground.create("SECRET", name="c", deep="d")
    assert await ground.plan(AFTER) == before
    above = await ground.plan(BEFORE, at="SECRET")
    assert told(above) == {("deep", "REMOVED", 1)}


async def test_it_needs_what_defining_needs(ground: Ground) -> None:
    with pytest.raises(Forbidden):
        await ground.plan(BEFORE, roles=("writer",))
    await ground.define(BEFORE)
    with pytest.raises(Forbidden, match="label:regrade"):
        await ground.plan(AFTER, at="SECRET", roles=("designer",))
