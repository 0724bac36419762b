"""Validation of links: what is counted of them, and of whose."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from databases import MakeSubject
from test_validation import Ground

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.validation import validation
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

A, B, C, D = (UUID(int=number, version=4) for number in range(1, 5))
SEVERAL: dict[str, Any] = {"relation": "near", "target": "Place"}


def place(link: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    return {"typeName": "Place", "links": {"near": {**SEVERAL, **link}, **members}}


@pytest.fixture
def ground(database: Database, types: Types, organization: Organization, subject: MakeSubject) -> Ground:
    return Ground(database, types, organization, subject)


async def link(ground: Ground, source: UUID, target: UUID, at: str = "UNCLASSIFIED", **properties: Any) -> UUID:
    values = {"properties": properties} if properties else {}
    change = LinkChange("link", relation="near", source_id=source, target_id=target, values=values)
    written, _ = await Links(ground.types).write(ground.subject(at), ground.organization, [change])
    return written[0].link_id


Told = tuple[int, int, dict[tuple[Any, str], int]]


async def links_of(ground: Ground, at: str, type_name: str | None = None) -> Told:
    said = (await ground.report(at, type_name))["links"]
    return said["links"], said["violating"], {(c["property"], c["constraint"]): c["links"] for c in said["constraints"]}


async def test_properties_are_held_against_what_is_asked_of_them_now(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "BATCH", 2)
    properties = {"since": {"type": "integer"}, "how": {"type": "string"}}
    await ground.define(place({"properties": properties}), {"typeName": "Other"})
    await ground.write("UNCLASSIFIED", *(Change("create", "Place", {}, id) for id in (A, B, C)))
    await link(ground, A, B, since=1, how="hidden word")
    wrong = await link(ground, A, C, since=9, how="hidden word")
    await link(ground, B, C, how="x")
    narrower = {"since": {"type": "integer", "maximum": 5}, "how": {"type": "string", "maxLength": 5}}
    await ground.define(place({"properties": narrower}), {"typeName": "Other"})
    assert await links_of(ground, "UNCLASSIFIED") == (3, 2, {("since", "maximum"): 1, ("how", "maxLength"): 2})
    report = await ground.report("UNCLASSIFIED", "Place")
    assert "hidden word" not in str(report)
    assert str(wrong) in str(report["links"])
    assert await links_of(ground, "UNCLASSIFIED", "Other") == (0, 0, {})


async def test_what_is_hidden_is_not_counted(ground: Ground) -> None:
    await ground.define(place({"properties": {"since": {"type": "integer"}}}))
    await ground.write("UNCLASSIFIED", *(Change("create", "Place", {}, id) for id in (A, B)))
    await ground.write("SECRET", *(Change("create", "Place", {}, id) for id in (C, D)))
    await link(ground, A, B, since=1)
    await link(ground, A, C, "SECRET", since=9)  # an end is hidden
    await link(ground, B, A, "SECRET", since=9)  # the link is
    hidden = {**SEVERAL, "label": "SECRET", "properties": {"grade": {"type": "integer"}}}
    since = {"since": {"type": "integer", "maximum": 5}}
    await ground.define(place({"label": "UNCLASSIFIED", "properties": since}))
    await ground.define(
        place({"label": "UNCLASSIFIED", "properties": since}, also=hidden) | {"label": "UNCLASSIFIED"}, at="SECRET"
    )  # fmt: skip
    assert await links_of(ground, "UNCLASSIFIED") == (1, 0, {})
    assert await links_of(ground, "SECRET") == (3, 2, {("since", "maximum"): 2})
    # An object that a higher version takes away takes its links along, for those who see that.
    await ground.write("SECRET", Change("delete", "Place", {}, B))
    assert await links_of(ground, "UNCLASSIFIED") == (1, 0, {})
    assert await links_of(ground, "SECRET") == (1, 1, {("since", "maximum"): 1})


async def test_a_property_that_is_required_above_is_asked_of_nobody_below(ground: Ground, admin_url: str) -> None:
    await ground.define(place({}))
    await ground.write("UNCLASSIFIED", *(Change("create", "Place", {}, id) for id in (A, B)))
    hidden = {**SEVERAL, "label": "SECRET", "properties": {"grade": {"type": "integer", "required": True}}}
    await ground.define(
        place({"label": "UNCLASSIFIED"}, also=hidden) | {"label": "UNCLASSIFIED"}, at="SECRET"
    )
    await link(ground, A, B)
    assert await links_of(ground, "UNCLASSIFIED") == (1, 0, {})
    assert await links_of(ground, "SECRET") == (1, 1, {("grade", "required"): 1})


async def test_links_beyond_the_one_and_to_others_than_an_heir_leads_to_are_counted(ground: Ground) -> None:
    heir = {"typeName": "Well", "extends": "Place"}
    await ground.define(place({}), heir)
    named = (("Well", A), ("Well", B), ("Place", C))
    await ground.write("UNCLASSIFIED", *(Change("create", name, {}, id) for name, id in named))
    made = [await link(ground, A, target, "SECRET") for target in (B, C)]
    await link(ground, C, A, "SECRET")
    # Whoever defines it does not see the links.
    await ground.define({**heir, "links": {"near": {**SEVERAL, "target": "Well", "cardinality": "one"}}})
    assert await links_of(ground, "UNCLASSIFIED") == (0, 0, {})
    links, violating, told = await links_of(ground, "SECRET")
    assert (links, told) == (3, {(None, "target"): 1, (None, "cardinality"): 1})
    assert violating == (1 if max(made) == made[1] else 2)
