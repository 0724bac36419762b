"""Regrading: who may, what moves, what is left, and what must not come down."""

from typing import Any
from uuid import UUID

import pytest
from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.errors import BadInput, Conflict, Forbidden, NotFound
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.types.types import Types
from fabric.writing.objects import TABLE, Change, Objects
from fabric.writing.regrading import regrade

pytestmark = pytest.mark.anyio

SITE: dict[str, Any] = {"typeName": "Site", "naturalKey": ["code"], "fields": {
    "code": {"type": "string", "required": True},
    "story": {"type": "string"},
    "guards": {"type": "integer", "label": "SECRET"},
}}  # fmt: skip


@pytest.fixture
async def site(types: Types, organization: Organization, subject: MakeSubject) -> None:
    await types.define(subject("TOP_SECRET"), organization.lattice, [SITE | {"label": "UNCLASSIFIED"}])


async def write(objects: Objects, organization: Organization, at: Subject, **data: Any) -> UUID:
    written, _ = await objects.write(at, organization, [Change("create", "Site", {"code": "A", **data})])
    return written[0].object_id


async def story(database: Database, at: Subject, object_id: UUID) -> Any:
    """What a session sees of the object: its label and story."""
    async with database.transaction(at.session) as transaction:
        version = (await TABLE.read(transaction, [object_id])).get(object_id)
    return None if version is None or version.tombstone else (version.label, version.content["data"].get("story"))


@pytest.mark.usefixtures("site")
async def test_a_version_moves_down_and_is_seen_from_both_labels(
    database: Database, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    low, middle, high = subject("UNCLASSIFIED"), subject("CONFIDENTIAL"), subject("SECRET")
    object_id = await write(objects, organization, low, story="cover")
    await write(objects, organization, high, story="truth")
    await regrade(types, high, organization, object_id, "CONFIDENTIAL", "declassified")
    assert await story(database, low, object_id) == (low.label, "cover")
    assert await story(database, middle, object_id) == (middle.label, "truth")
    assert await story(database, high, object_id) == (middle.label, "truth")


@pytest.mark.usefixtures("site")
async def test_a_version_moves_up_and_leaves_what_lies_below(
    database: Database, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    low, high = subject("UNCLASSIFIED"), subject("SECRET", clearance="TOP_SECRET")
    object_id = await write(objects, organization, low, story="cover")
    await write(objects, organization, high, story="truth")
    await regrade(types, high, organization, object_id, "TOP_SECRET", "too much said")
    assert await story(database, high, object_id) == (low.label, "cover")
    assert (await story(database, subject("TOP_SECRET"), object_id))[1] == "truth"


@pytest.mark.usefixtures("site")
async def test_values_of_higher_fields_do_not_come_down(
    types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    high = subject("SECRET")
    object_id = await write(objects, organization, high, guards=3)
    with pytest.raises(BadInput, match="guards"):
        await regrade(types, high, organization, object_id, "CONFIDENTIAL", "a reason")


@pytest.mark.usefixtures("site")
async def test_it_needs_the_permission_a_reason_and_a_label_within_the_clearance(
    types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    high = subject("SECRET")
    object_id = await write(objects, organization, high)
    with pytest.raises(Forbidden):
        await regrade(types, subject("SECRET", roles=("writer",)), organization, object_id, "CONFIDENTIAL", "a reason")
    with pytest.raises(BadInput, match="reason"):
        await regrade(types, high, organization, object_id, "CONFIDENTIAL", "  ")
    refusals = []
    for label in ("TOP_SECRET", "SECRET/ALPHA", "SECRET/NOSUCH"):
        with pytest.raises(BadInput) as refused:
            await regrade(types, high, organization, object_id, label, "a reason")
        refusals.append((refused.value.message, refused.value.path))
    assert len(set(refusals)) == 1


@pytest.mark.usefixtures("site")
async def test_only_the_version_at_the_session_label_moves(
    types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    object_id = await write(objects, organization, subject("UNCLASSIFIED"))
    with pytest.raises(NotFound):
        await regrade(types, subject("SECRET"), organization, object_id, "CONFIDENTIAL", "a reason")


@pytest.mark.usefixtures("site")
async def test_a_version_that_is_there_is_not_overwritten(
    database: Database, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    low, high = subject("UNCLASSIFIED"), subject("SECRET")
    object_id = await write(objects, organization, low, story="cover")
    await write(objects, organization, high, story="truth")
    with pytest.raises(Conflict):
        await regrade(types, high, organization, object_id, "UNCLASSIFIED", "a reason")
    assert await story(database, high, object_id) == (high.label, "truth")


@pytest.mark.usefixtures("site")
async def test_it_is_on_the_record_at_both_labels_with_the_reason(
    admin_url: str, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    high, target = subject("SECRET"), subject("CONFIDENTIAL")
    object_id = await write(objects, organization, high)
    await regrade(types, high, organization, object_id, "CONFIDENTIAL", "reviewed")
    rows = await run_sql(
        admin_url, "select label, reason, actor from fabric.audit_log where action = 'object.regraded' order by label"
    )
    assert [tuple(row) for row in rows] == [(target.label, "reviewed", "ann"), (high.label, "reviewed", "ann")]
