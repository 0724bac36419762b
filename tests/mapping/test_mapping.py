"""Mapped fields: as a plain interpreter would, at one label, beside writers, whoever is killed."""

import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.errors import BadInput, Conflict, Forbidden, Several
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.jobs.counts import JobCounts
from fabric.jobs.job import Job, State
from fabric.jobs.jobs import Jobs
from fabric.jobs.worker import Worker
from fabric.mapping import mapping
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).with_name("working_process.py")
LABELS = ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET/ALPHA", "SECRET/BRAVO", "TOP_SECRET/ALPHA,BRAVO")

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
TYPES = [
    {
        "typeName": "Person",
        "fields": {
            "code": STRING, "number": INTEGER, "name": STRING, "first": STRING, "last": STRING, "country": STRING,
            "tags": STRING, "each": STRING | {"list": True},
        },
    },
    {"typeName": "Pilot", "extends": "Person", "fields": {"wings": INTEGER}},
]  # fmt: skip
MAPPERS: list[dict[str, Any]] = [
    {"convert": {"from": "code", "to": "number"}},
    {"split": {"from": "name", "to": ["first", "last"], "separator": " "}},
    {"split": {"from": "tags", "to": ["each"], "separator": ";"}},
    {"default": {"field": "country", "value": "FR"}},
]

Data = dict[str, Any]
Rows = dict[tuple[UUID, int], tuple[int, Data]]


class Ground:
    def __init__(
        self, database: Database, types: Types, organization: Organization, subject: MakeSubject, admin_url: str
    ) -> None:
        self.database, self.types, self.organization, self.subject = database, types, organization, subject
        self.admin_url, self.objects = admin_url, Objects(types)
        self.kinds = [mapping.kind(types)]
        self.jobs = Jobs(database, self.kinds, 3, lambda: None)

    async def write(self, at: str, action: Any, id: UUID, data: Data, type_name: str = "Person") -> None:
        await self.objects.write(self.subject(at), self.organization, [Change(action, type_name, data, id)])

    async def fill(self, rng: random.Random, number: int, labels: Sequence[str] = LABELS) -> list[UUID]:
        """Objects with versions at some of the labels."""
        ids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(number)]
        for id in ids:
            type_name = rng.choice(("Person", "Pilot"))
            for label in rng.sample(labels, rng.randint(1, len(labels))):
                try:
                    await self.write(label, "create", id, random_data(rng), type_name)
                except Conflict:
                    continue
        return ids

    async def ask(self, at: str, mappers: list[dict[str, Any]] = MAPPERS, **who: Any) -> Job:
        return await mapping.ask(self.types, self.jobs, self.subject(at, **who), "Person", mappers)

    async def run(self, at: str, mappers: list[dict[str, Any]] = MAPPERS) -> Job:
        job = await self.ask(at, mappers)
        async with Worker(self.database, self.kinds, JobCounts(), 2, look=0.02).running():
            return await self.ended(self.subject(at), job)

    async def ended(self, subject: Subject, job: Job) -> Job:
        async with asyncio.timeout(60):
            while True:
                [found] = await self.jobs.seen(subject, 1, job.job_id)
                if found.ended:
                    return found
                await asyncio.sleep(0.01)

    async def rows(self) -> Rows:
        rows = await run_sql(self.admin_url, "select object_id, label, revision, data from fabric.objects")
        return {(row["object_id"], row["label"]): (row["revision"], named(row["data"])) for row in rows}


def named(stored: str) -> Data:
    """By names, without what tells keys of different kinds apart."""
    return {key.partition("#")[0]: value for key, value in orjson.loads(stored).items()}


@pytest.fixture
async def ground(
    database: Database, types: Types, organization: Organization, subject: MakeSubject, admin_url: str
) -> Ground:
    await types.define(subject(), organization.lattice, TYPES)
    return Ground(database, types, organization, subject, admin_url)


def random_data(rng: random.Random) -> Data:
    choices: dict[str, list[Any]] = {
        "code": ["1", "-22", "x", None], "number": [7, None, None], "name": ["Ada", "Ada King", "A B C", None],
        "first": ["Bo", None, None], "tags": ["a; b", ";", "", None], "country": ["IT", None],
    }  # fmt: skip
    return {name: value for name, values in choices.items() if (value := rng.choice(values)) is not None}


def interpreted(data: Data) -> tuple[Data, set[int]]:
    """What the mappers come to, and which of them fail, written without them."""
    new, failed = dict(data), set()
    if "code" in data and "number" not in data:
        if data["code"] == "x":
            failed.add(0)
        else:
            new["number"] = int(data["code"])
    if "name" in data and "first" not in data and "last" not in data:
        parts = data["name"].split(" ")
        if len(parts) > 2:
            failed.add(1)
        else:
            new |= dict(zip(("first", "last"), parts, strict=False))
    if "tags" in data:
        new["each"] = ["a", "b"] if data["tags"] == "a; b" else []
    new.setdefault("country", "FR")
    return new, failed


@pytest.mark.parametrize("seed", range(3))
async def test_it_is_what_an_interpreter_does_at_this_label_alone(ground: Ground, seed: int) -> None:
    await ground.fill(random.Random(seed), 25)
    before = await ground.rows()
    subject = ground.subject("SECRET/ALPHA")
    job = await ground.run("SECRET/ALPHA")
    assert job.state is State.DONE
    assert job.result is not None
    expected: Rows = {}
    failures, below = set(), set()
    for (id, label), (revision, data) in before.items():
        new, failed = interpreted(data) if label == subject.label else (data, set())
        expected[id, label] = (revision + (new != data), new)
        failures |= {(str(id), number) for number in failed}
        if label in [ground.subject(lower).label for lower in LABELS[:2]] and (id, subject.label) not in before:
            below.add(id)
    assert await ground.rows() == expected
    assert {(each["objectId"], each["mapper"]) for each in job.result["failures"]} == failures
    here = [key for key in before if key[1] == subject.label]
    changed = [key for key in before if before[key] != expected[key]]
    counts = {"objects": len(here), "changed": len(changed), "failed": len(failures), "below": len(below)}
    assert {name: job.result[name] for name in counts} == counts
    told = """
        select entity_id, label from fabric.events where topic = 'object.updated'
        and position > (select position from fabric.events where topic = 'job.queued')"""
    assert sorted(tuple(row) for row in await run_sql(ground.admin_url, told)) == sorted(changed)

    again = await ground.run("SECRET/ALPHA")
    assert again.result is not None
    assert again.result["changed"] == 0
    assert await ground.rows() == expected


async def test_what_is_hidden_changes_nothing_that_is_told(ground: Ground) -> None:
    ids = await ground.fill(random.Random(1), 20, ("UNCLASSIFIED", "CONFIDENTIAL"))
    before = await ground.rows()
    first = await ground.run("CONFIDENTIAL")
    await run_sql(ground.admin_url, "delete from fabric.objects")
    for (id, label), (_, data) in sorted(before.items(), key=lambda each: each[0][1]):
        at = "UNCLASSIFIED" if label == ground.subject().label else "CONFIDENTIAL"
        await ground.write(at, "create", id, data)
    for id in ids:
        await ground.write("SECRET/BRAVO", "upsert", id, {"code": "x", "name": "A B C"})
    await ground.fill(random.Random(2), 20, ("SECRET/BRAVO",))
    second = await ground.run("CONFIDENTIAL")
    assert (second.result, second.done, second.total) == (first.result, first.done, first.total)


async def test_writers_beside_it_lose_nothing(ground: Ground) -> None:
    ids = [UUID(int=n, version=4) for n in range(1, 251)]
    changes = [Change("create", "Person", {"code": "1"}, id) for id in ids]
    await ground.objects.write(ground.subject(), ground.organization, changes)
    rng = random.Random(3)
    wrote = {}

    async def keep_writing() -> None:
        for n in range(150):
            id = rng.choice(ids)
            await ground.write("UNCLASSIFIED", "update", id, {"name": f"n{n} x", "number": n})
            wrote[id] = n

    async with Worker(ground.database, ground.kinds, JobCounts(), 2, look=0.02).running():
        job = await ground.ask("UNCLASSIFIED", MAPPERS[:1])
        await asyncio.gather(keep_writing(), keep_writing())
        await ground.ended(ground.subject(), job)
    for (id, _), (_, data) in (await ground.rows()).items():
        n = wrote.get(id)
        expected = {"code": "1", "number": 1} if n is None else {"code": "1", "number": n, "name": f"n{n} x"}
        assert data == expected


async def test_killed_anywhere_it_repeats_and_loses_nothing(ground: Ground, server_url: str) -> None:
    ids = [UUID(int=n, version=4) for n in range(1, 4001)]
    for start in range(0, len(ids), 500):
        changes = [Change("create", "Person", {"code": str(n)}, ids[n]) for n in range(start, start + 500)]
        await ground.objects.write(ground.subject(), ground.organization, changes)
    job = await ground.ask("UNCLASSIFIED", MAPPERS[:1])
    kills = 0
    while not (await ground.jobs.seen(ground.subject(), 1, job.job_id))[0].ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), server_url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(random.uniform(0.1, 0.4))
        process.kill()
        await process.wait()
        kills += 1
        assert kills < 60
    done = await ground.ended(ground.subject(), job)
    assert done.result is not None
    assert (done.done, done.total, done.result["changed"]) == (4000, 4000, 4000)
    rows = await ground.rows()
    assert all(rows[id, 0] == (2, {"code": str(n), "number": n}) for n, id in enumerate(ids))
    told = "select count(*) from fabric.events where topic = 'object.updated'"
    assert (await run_sql(ground.admin_url, told))[0][0] == 4000


async def test_it_goes_on_by_definitions_that_changed_and_ends_where_they_no_longer_fit(
    ground: Ground, database: Database
) -> None:
    await ground.write("UNCLASSIFIED", "create", UUID(int=1, version=4), {"code": "1"})
    elsewhere = Types(database)
    await elsewhere.define(
        ground.subject(), ground.organization.lattice,
        [{"typeName": "Person", "fields": {**TYPES[0]["fields"], "size": INTEGER}}],  # type: ignore[dict-item]
    )  # fmt: skip
    fitting = [{"convert": {"from": "code", "to": "size"}}]  # by a catalogue that does not know of it yet
    done = await ground.run("UNCLASSIFIED", fitting)
    assert done.result is not None
    assert done.result["changed"] == 1
    job = await ground.ask("UNCLASSIFIED", MAPPERS[1:2])
    fields = {name: field for name, field in TYPES[0]["fields"].items() if name != "last"}  # type: ignore[attr-defined]
    document = {"typeName": "Person", "fields": fields | {"size": INTEGER}}
    await elsewhere.define(ground.subject(), ground.organization.lattice, [document])
    async with Worker(ground.database, ground.kinds, JobCounts(), 2, look=0.02).running():
        failed = await ground.ended(ground.subject(), job)
    assert (failed.state, failed.failure_code, failed.failure) == (State.FAILED, "BAD_USER_INPUT", "no such field")


async def test_what_would_lack_a_required_field_is_left_and_named(ground: Ground) -> None:
    id = UUID(int=1, version=4)
    await ground.write("CONFIDENTIAL", "create", id, {"code": "1"})
    required = [{"typeName": "Person", "fields": TYPES[0]["fields"] | {"last": STRING | {"required": True}}}]  # type: ignore[operator]
    await ground.types.define(ground.subject(), ground.organization.lattice, required)
    job = await ground.run("CONFIDENTIAL", MAPPERS[:1])
    assert job.result is not None
    reason = "not written: it lacks last, which is required"
    assert job.result["failures"] == [{"objectId": str(id), "mapper": None, "reason": reason}]
    assert list((await ground.rows()).values()) == [(1, {"code": "1"})]
    filled = await ground.run("CONFIDENTIAL", [{"default": {"field": "last", "value": "?"}}, *MAPPERS[:1]])
    assert filled.result is not None
    assert filled.result["changed"] == 1


async def test_the_failures_that_are_named_are_bounded_and_counted(ground: Ground) -> None:
    ids = [UUID(int=n, version=4) for n in range(1, 152)]
    changes = [Change("create", "Person", {"code": "a secret"}, id) for id in ids]
    await ground.objects.write(ground.subject(), ground.organization, changes)
    job = await ground.run("UNCLASSIFIED", MAPPERS[:1])
    assert job.result is not None
    assert (job.result["failed"], len(job.result["failures"])) == (151, mapping.MOST_TOLD)
    assert "secret" not in str(job.result)


async def test_it_needs_what_defining_and_writing_need(ground: Ground) -> None:
    for role in ("designer", "writer"):
        with pytest.raises(Forbidden):
            await ground.ask("UNCLASSIFIED", roles=(role,))
    await ground.ask("UNCLASSIFIED", roles=("designer", "writer"))


async def test_who_asked_for_which_fields_is_on_the_record(ground: Ground) -> None:
    job = await ground.ask("CONFIDENTIAL", MAPPERS[:1])
    sql = "select label, actor, entity_type, data from fabric.events where topic = 'type.mapping'"
    [row] = await run_sql(ground.admin_url, sql)
    assert tuple(row)[:3] == (job.label, "ann", "Person")
    before, after = {"code": {"type": "string"}}, {"number": {"type": "integer"}}
    told = {"jobId": str(job.job_id), "before": {"fields": before}, "after": {"fields": after}}
    assert orjson.loads(row["data"]) == told
    audited = "select action from fabric.audit_log where action in ('type.mapping', 'job.queued') order by audit_id"
    assert [each[0] for each in await run_sql(ground.admin_url, audited)] == ["job.queued", "type.mapping"]


@pytest.mark.parametrize(
    ("mapper", "path"),
    [
        ({}, ()),
        ({"convert": {"from": "code", "to": "number"}, "default": {"field": "last", "value": "x"}}, ()),
        ({"convert": {"from": "code", "to": "hidden"}}, ("convert", "to")),
        ({"convert": {"from": "wings", "to": "number"}}, ("convert", "from")),
        ({"convert": {"from": "code", "to": "code"}}, ("convert", "to")),
        ({"convert": {"from": "number", "to": "each"}}, None),
        ({"split": {"from": "number", "to": ["first"], "separator": " "}}, ("split", "from")),
        ({"split": {"from": "name", "to": ["first"], "separator": ""}}, ("split", "separator")),
        ({"split": {"from": "name", "to": ["first", "first"], "separator": " "}}, ("split", "to")),
        ({"split": {"from": "name", "to": ["first", "each"], "separator": " "}}, ("split", "to")),
        ({"split": {"from": "name", "to": [], "separator": " "}}, ("split", "to")),
        ({"default": {"field": "number", "value": "x"}}, ("default", "value")),
    ],
)
async def test_what_does_not_fit_the_type_is_refused(
    ground: Ground, mapper: dict[str, Any], path: tuple[str, ...] | None
) -> None:
    fields = TYPES[0]["fields"] | {"hidden": INTEGER | {"label": "SECRET"}}  # type: ignore[operator]
    await ground.types.define(
        ground.subject("SECRET"), ground.organization.lattice, [{"typeName": "Person", "fields": fields}]
    )
    if path is None:
        await ground.ask("UNCLASSIFIED", [mapper])
        return
    with pytest.raises((BadInput, Several)) as refused:
        await ground.ask("UNCLASSIFIED", [mapper])
    errors = refused.value.errors if isinstance(refused.value, Several) else [refused.value]
    assert [error.path for error in errors] == [("mappers", 0, *path)]


async def test_what_the_definition_of_the_object_does_not_ask_for_is_not_written(ground: Ground) -> None:
    document = {**TYPES[0], "fields": {**TYPES[0]["fields"], "number": {"type": "integer", "maximum": 9}}}
    narrower = {"typeName": "Pilot", "extends": "Person", "fields": {"number": {"type": "integer", "maximum": 5}}}
    await ground.types.define(ground.subject(), ground.organization.lattice, [document, narrower])
    written = {number: UUID(int=number, version=4) for number in range(1, 6)}
    for id, type_name, code in zip(
        written.values(), ("Person", "Person", "Pilot", "Pilot"), ("9", "10", "5", "6"), strict=False
    ):  # fmt: skip
        await ground.write("UNCLASSIFIED", "create", id, {"code": code}, type_name)
    job = await ground.run("UNCLASSIFIED", [{"convert": {"from": "code", "to": "number"}}])
    assert job.result is not None
    assert {(f["objectId"], f["reason"]) for f in job.result["failures"]} == {
        (str(written[n]), "not written: number would not be as the definition asks") for n in (2, 4)
    }
    assert {data.get("number") for _, data in (await ground.rows()).values()} == {9, 5, None}
