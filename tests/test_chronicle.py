"""What events tell a reader adds up to what the reader sees, at every label and after every change."""

import random
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from databases import MakeSubject, run_sql, settled
from random_world import LABELS, NOTES, View, World

from fabric.database.db import Database
from fabric.events import history
from fabric.events.chronicle import Change as Seen
from fabric.events.chronicle import Past, link_changes, object_change
from fabric.events.events import BEGINNING, read_page
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.labels import Label
from fabric.types.types import Types

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(
    admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject, seed: int
) -> World:
    await types.define(subject(), organization.lattice, NOTES)
    world = World(admin_url, database, types, organization, subject, random.Random(seed))
    for _ in range(60):
        await world.step()
    assert len(world.views) > 10
    await settled(admin_url)
    return world


SEEDS = pytest.mark.parametrize("seed", range(6))


def applied(view: View, change: Seen | None, value: str) -> None:
    """Changes the view as told; what is told must fit what was there."""
    if change is None:
        return
    assert (change.id in view) == (change.kind != "APPEARED")
    if change.kind == "WITHDRAWN":
        del view[change.id]
    else:
        label, content = change.now
        view[change.id] = (label, content.get(value))


@SEEDS
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_changes_told_to_a_label_add_up_to_what_it_sees(world: World, size: int) -> None:
    """Whatever the size of the pages in which events are read."""
    expected = dict(world.views)
    told = []
    past = Past(most=2)
    start = BEGINNING
    async with world.database.following(world.organization.organization_id) as transaction:
        while events := (await read_page(transaction, start, size)).events:
            told += await past.tell(transaction, events, start)
            start = events[-1].position
    for text in LABELS:
        label = world.organization.lattice.encode(Label.parse(text))
        objects: View = {}
        links: View = {}
        for each in told:
            applied(objects, object_change(each, label), "data")
            for change in link_changes(each, label):
                applied(links, change, "weight")
            if each.position in expected:
                assert (objects, links) == expected[each.position][text], (text, each.event.topic)


@SEEDS
async def test_what_is_remembered_is_what_is_read(world: World) -> None:
    """Whatever is remembered of earlier pages, and however much of it."""
    start, pasts = BEGINNING, [Past(), Past(most=1)]
    async with world.database.following(world.organization.organization_id) as transaction:
        while events := (await read_page(transaction, start, 3)).events:
            expected = await Past().tell(transaction, events, start)
            for past in pasts:
                assert await past.tell(transaction, events, start) == expected
            start = events[-1].position


@SEEDS
async def test_what_was_at_a_position_is_what_a_session_saw_then(world: World) -> None:
    for position, views in world.views[:: 5]:
        for label in LABELS:
            session = world.subject(label).session
            async with world.database.transaction(session) as transaction:
                versions = await history.versions_at(transaction, "objects", world.ids, position)
            then = {id: now for id, known in versions.items() if (now := history.seen(known, session.label))}
            assert {id: (label, content["data"]) for id, (label, content) in then.items()} == views[label][0]


@SEEDS
async def test_the_last_versions_told_are_those_that_are_stored(world: World) -> None:
    for table, key in (("objects", "object_id"), ("links", "link_id")):
        rows = await run_sql(
            world.admin_url,
            f"select {key}, label, to_jsonb(t) as stored from fabric.{table} t order by 1, 2",
        )
        async with world.database.following(world.organization.organization_id) as transaction:
            versions = await history.versions_at(transaction, table, {row[key] for row in rows}, Position(2**60, 0))
        stored = {(row[key], row["label"]): row["stored"] for row in rows}
        told = {(id, label): version for id, known in versions.items() for label, version in known.items()}
        assert told.keys() == stored.keys()
        for place, version in told.items():
            assert covers(stored[place], version)


def covers(stored: str, version: Mapping[str, Any]) -> bool:


    row = orjson.loads(stored)
    return all(row[name] == value for name, value in version.items()) and row["revision"] == version["revision"]
