"""Validation of how many links objects have: whose are counted, at which label, and which are told."""

from typing import Any
from uuid import UUID

import pytest
from databases import MakeSubject, run_sql
from test_validation import Ground, counted

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.validation import validation
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

A, B, C, D = (UUID(int=number, version=4) for number in range(1, 5))
NEAR = {"relation": "near", "target": "Place"}


def place(name: str = "Place", parent: str | None = None, **said: Any) -> dict[str, Any]:
    return {"typeName": name, "extends": parent, "label": "UNCLASSIFIED", "links": {"near": {**NEAR, **said}}}


@pytest.fixture
async def ground(database: Database, types: Types, organization: Organization, subject: MakeSubject) -> Ground:
    ground = Ground(database, types, organization, subject)
    await ground.define(place(), {"typeName": "Well", "extends": "Place"})
    await ground.write("UNCLASSIFIED", *(Change("create", "Place", {}, id) for id in (A, B, C)))
    return ground


async def link(ground: Ground, *ends: tuple[UUID, UUID], at: str = "UNCLASSIFIED", key: str | None = None) -> None:
    changes = [LinkChange("link", "near", source, target, key) for source, target in ends]
    await Links(ground.types).write(ground.subject(at), ground.organization, changes)


async def told(ground: Ground, at: str = "UNCLASSIFIED", type_name: str | None = None) -> dict[str, int]:
    return counted(await ground.report(at, type_name))


async def test_objects_with_too_few_and_too_many_are_counted_and_named(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "BATCH", 2)
    await link(ground, (A, A), (A, B), (A, C), (B, A))
    await link(ground, (B, A), key="again")
    await ground.define(place(minLinks=1, maxLinks=2))
    report = await ground.report("UNCLASSIFIED")
    assert {(c["constraint"], *c["examples"]) for c in report["constraints"]} == {
        ("minLinks", str(C)), ("maxLinks", str(A)),
    }  # fmt: skip
    assert (report["objects"], report["violating"], report["links"]["violating"]) == (3, 2, 0)
    await ground.define(place(minLinks=2))
    assert await told(ground) == {"Place.near minLinks": 2}, "links to one object count once"


async def test_from_the_other_end_and_of_an_heir_its_own_are_counted(ground: Ground) -> None:
    await ground.write("UNCLASSIFIED", Change("create", "Well", {}, D))
    await link(ground, (A, D), (B, D), (D, A))
    await ground.define(place("Well", parent="Place", minLinks=2))
    incoming = {**NEAR, "direction": "in", "minLinks": 1}
    await ground.define({"typeName": "Place", "links": {"near": NEAR, "of": incoming}})
    assert await told(ground) == {"Place.of minLinks": 2, "Well.near minLinks": 1}
    assert await told(ground, type_name="Well") == {"Well.near minLinks": 1}


async def test_only_what_the_label_sees_counts(ground: Ground) -> None:
    await ground.define(place(minLinks=1, maxLinks=2))
    await link(ground, (A, B))
    await link(ground, (A, B), (B, A), (C, A), at="SECRET", key="above")
    await link(ground, (A, C), (C, B), at="SECRET")
    await link(ground, (C, C))
    assert await told(ground) == {"Place.near minLinks": 1}
    assert await told(ground, "SECRET") == {"Place.near maxLinks": 1}
    # An object that is gone, seen from above, takes its links along.
    await ground.write("SECRET", Change("delete", "Place", {}, B))
    assert await told(ground) == {"Place.near minLinks": 1}
    assert await told(ground, "SECRET") == {}


async def test_what_is_asked_above_is_told_above_only(ground: Ground) -> None:
    await ground.define(place("Well", parent="Place", minLinks=1), at="SECRET")
    await ground.write("UNCLASSIFIED", Change("create", "Well", {}, D))
    assert await told(ground) == {}
    assert await told(ground, "SECRET") == {"Well.near minLinks": 1}


async def test_neither_inferred_links_nor_when_a_link_is_valid_change_it(ground: Ground, admin_url: str) -> None:
    await ground.define(place(symmetric=True, minLinks=1))
    await link(ground, (A, B), (B, C))
    await run_sql(admin_url, "update fabric.links set valid_to = '2001-01-01', valid_from = '2000-01-01'")
    assert await told(ground) == {"Place.near minLinks": 1}
