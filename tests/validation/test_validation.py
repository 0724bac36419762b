"""Validation: what is counted of stored objects, at one label, without any value."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.errors import BadInput, Forbidden
from fabric.identity.organizations import Organization
from fabric.jobs.counts import JobCounts
from fabric.jobs.job import Job, State
from fabric.jobs.jobs import Jobs
from fabric.jobs.worker import Worker
from fabric.labels import Lattice
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from fabric.types.types import Types
from fabric.validation import validation
from fabric.validation.violations import MOST_EXAMPLES, MOST_TOLD, Report, violations
from fabric.writing.objects import Change, Objects

LOOSE: dict[str, Any] = {
    "typeName": "Part",
    "fields": {"code": {"type": "string"}, "size": {"type": "integer"}, "tags": {"type": "string", "list": True}},
}
STRICT: dict[str, Any] = {
    "typeName": "Part",
    "fields": {
        "code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 3},
        "size": {"type": "integer", "maximum": 5},
        "tags": {"type": "string", "list": True, "uniqueItems": True},
    },
}


def found(fields: dict[str, Any], data: dict[str, Any]) -> list[tuple[str, str]]:
    document = read_document({"typeName": "Part", "fields": fields})
    catalogue = plan(EMPTY, [document], Definer((1 << 62) - 1, Lattice(())))
    part = catalogue.types["Part"]
    return list(violations(part.fields, {part.fields[name].key: value for name, value in data.items()}))


@pytest.mark.parametrize(
    ("field", "value", "broken"),
    [
        ({"type": "string", "pattern": "^a", "maxLength": 2}, "bcd", ["pattern", "maxLength"]),
        ({"type": "string", "pattern": "^a", "maxLength": 2}, "ab", []),
        ({"type": "integer", "minimum": 3, "list": True, "maxItems": 1}, [1, 2], ["minimum", "maxItems"]),
        ({"type": "integer", "required": True, "minimum": 3}, None, ["required"]),
        ({"type": "integer", "minimum": 3}, None, []),
        ({"type": "enum", "values": ["A"]}, "B", ["values"]),
        ({"type": "enum", "values": ["A"], "list": True}, ["A", "B"], ["values"]),
        ({"type": "enum", "values": ["A"], "list": True}, ["A"], []),
        ({"type": "string", "encrypted": True, "required": True, "maxLength": 1}, "…marker…", []),
    ],
)
def test_each_constraint_that_is_broken_is_found_by_its_key(
    field: dict[str, Any], value: object, broken: list[str]
) -> None:
    assert found({"a": field}, {} if value is None else {"a": value}) == [("a", key) for key in broken]


def test_a_report_is_bounded_and_goes_on_from_its_state() -> None:
    report = Report()
    for number in range(MOST_TOLD + 5):
        report = Report(report.state())
        report.add(f"id{number}", "Part", iter([("same", "pattern"), (f"f{number}", "required")]))
    report.add("fine", "Part", iter([]))
    state = report.state()
    assert (state["objects"], state["violating"], state["more"]) == (MOST_TOLD + 6, MOST_TOLD + 5, 6)
    assert len(state["constraints"]) == MOST_TOLD
    (same,) = (each for each in state["constraints"] if each["field"] == "same")
    assert (same["objects"], len(same["examples"])) == (MOST_TOLD + 5, MOST_EXAMPLES)


class Ground:
    def __init__(self, database: Database, types: Types, organization: Organization, subject: MakeSubject) -> None:
        self.database, self.types, self.organization, self.subject = database, types, organization, subject
        self.kinds = [validation.kind(types, self.check)]
        self.checks: Callable[[Job], Awaitable[Mapping[str, Any]]]
        self.jobs = Jobs(database, self.kinds, 3, lambda: None)

    async def check(self, job: Job) -> Mapping[str, Any]:
        return await self.checks(job)

    async def define(self, *documents: dict[str, Any], at: str = "UNCLASSIFIED") -> None:
        await self.types.define(self.subject(at), self.organization.lattice, list(documents))

    async def write(self, at: str, *changes: Change) -> None:
        await Objects(self.types).write(self.subject(at), self.organization, list(changes))

    async def report(self, at: str, type_name: str | None = None) -> dict[str, Any]:
        job = await self.ended(await validation.ask(self.types, self.jobs, self.subject(at), type_name))
        assert job.result is not None, job.failure
        return dict(job.result)

    async def ended(self, job: Job) -> Job:
        subject = self.subject("TOP_SECRET/ALPHA,BRAVO,CHARLIE")
        async with Worker(self.database, self.kinds, JobCounts(), 1, look=0.05).running():
            async with asyncio.timeout(60):
                while not job.ended:
                    await asyncio.sleep(0.02)
                    (job,) = await self.jobs.seen(subject, 1, job.job_id)
        return job


@pytest.fixture
def ground(database: Database, types: Types, organization: Organization, subject: MakeSubject) -> Ground:
    return Ground(database, types, organization, subject)


def part(number: int, action: Any = "create", **data: Any) -> Change:
    return Change(action, "Part", data, UUID(int=number, version=4))


def counted(report: dict[str, Any]) -> dict[str, int]:
    return {f"{c['typeName']}.{c['field']} {c['constraint']}": c["objects"] for c in report["constraints"]}


@pytest.mark.anyio
async def test_what_is_stored_before_a_constraint_is_counted_over_all_batches(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "BATCH", 2)
    await ground.define(LOOSE, {"typeName": "Bolt", "extends": "Part"}, {"typeName": "Other"})
    await ground.write(
        "UNCLASSIFIED", part(1, code="ABC", size=5, tags=["a"]), part(2, code="ABCD"), part(3, code="hidden word"),
        part(4, size=9, tags=["a", "a"]), Change("create", "Bolt", {"size": 7}), Change("create", "Other", {}),
    )  # fmt: skip
    await ground.define(STRICT)
    report = await ground.report("UNCLASSIFIED", "Part")
    assert (report["objects"], report["violating"]) == (5, 4)
    assert counted(report) == {
        "Part.code pattern": 1, "Part.code maxLength": 2, "Part.size maximum": 1, "Part.tags uniqueItems": 1,
        "Bolt.size maximum": 1,
    }  # fmt: skip
    assert "hidden word" not in str(report)
    (size,) = (c for c in report["constraints"] if (c["typeName"], c["field"]) == ("Part", "size"))
    assert size["examples"] == [str(UUID(int=4, version=4))]
    assert (await ground.report("UNCLASSIFIED"))["objects"] == 6
    assert counted(await ground.report("UNCLASSIFIED", "Bolt")) == {"Bolt.size maximum": 1}


@pytest.mark.anyio
async def test_a_job_that_another_version_began_says_so(ground: Ground, admin_url: str) -> None:
    await ground.define(LOOSE)
    job = await validation.ask(ground.types, ground.jobs, ground.subject("UNCLASSIFIED"))
    place = {**Report().state(), "after": None}
    await run_sql(admin_url, "update fabric.jobs set place = $1::text::jsonb", json.dumps(place))
    ended = await ground.ended(job)
    assert (ended.state, ended.failure_code) == (State.FAILED, "CONFLICT")
    assert "ask for it again" in str(ended.failure)


@pytest.mark.anyio
async def test_only_what_the_label_sees_is_counted(ground: Ground) -> None:
    await ground.define(LOOSE)
    secret = {"typeName": "Part", "fields": LOOSE["fields"] | {"rank": {"type": "integer", "label": "SECRET"}}}
    await ground.define(secret, at="SECRET")
    await ground.write("UNCLASSIFIED", part(1, size=9), part(2, size=1), part(3, size=9))
    await ground.write("SECRET", part(1, "update", size=2), part(2, "update", size=8, rank=7), part(4, size=9))
    await ground.write("SECRET", part(3, "delete"))
    await ground.define(STRICT)
    await ground.define(
        {
            "typeName": "Part",
            "fields": STRICT["fields"] | {"rank": {"type": "integer", "label": "SECRET", "maximum": 6}},
        },
        at="SECRET",
    )
    low, high = await ground.report("UNCLASSIFIED"), await ground.report("SECRET")
    assert (low["objects"], counted(low)) == (3, {"Part.size maximum": 2})
    assert (high["objects"], counted(high)) == (3, {"Part.size maximum": 2, "Part.rank maximum": 1})
    ids = {each for c in high["constraints"] for each in c["examples"]}
    assert ids == {str(UUID(int=number, version=4)) for number in (2, 4)}


@pytest.mark.anyio
async def test_who_does_not_define_and_read_cannot_ask_and_is_told_nothing(ground: Ground) -> None:
    await ground.define(LOOSE)
    job = await validation.ask(ground.types, ground.jobs, ground.subject("UNCLASSIFIED"))
    for missing in ("type:define", "type:read", "object:read", "link:read"):
        who = ground.subject("UNCLASSIFIED")
        lesser = replace(who, permissions=who.permissions - {missing})
        with pytest.raises(Forbidden, match=missing):
            await validation.ask(ground.types, ground.jobs, lesser)
        with pytest.raises(Forbidden, match=missing):  # what came of it tells of objects and links
            await ground.jobs.seen(lesser, 1, job.job_id)
        with pytest.raises(Forbidden, match=missing):
            await ground.jobs.cancel(lesser, ground.organization.lattice, job.job_id)
    with pytest.raises(BadInput):
        await validation.ask(ground.types, ground.jobs, ground.subject("UNCLASSIFIED"), "Nothing")


@pytest.mark.anyio
async def test_a_check_of_shapes_ends_with_its_job(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "LOOK", 0.02)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def forever(job: Job) -> Mapping[str, Any]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    ground.checks = forever
    await ground.define(LOOSE)
    subject = ground.subject("UNCLASSIFIED")
    job = await validation.ask(ground.types, ground.jobs, subject, shapes="")
    async with Worker(ground.database, ground.kinds, JobCounts(), 1, look=0.05).running(), asyncio.timeout(30):
        await begun.wait()
        await ground.jobs.cancel(subject, ground.organization.lattice, job.job_id)
        await ended.wait()
