"""The job that holds stored objects against their definitions: of what its label sees, a batch a step.

It reads what a reader at its label would: of each object the version that shows there, of each type the fields that do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from fabric.database.db import StaleTypes, Transaction, retried
from fabric.errors import BadInput, Conflict
from fabric.identity.subject import Subject
from fabric.jobs.job import Job
from fabric.jobs.jobs import Jobs, Kind
from fabric.jobs.run import Progress, Run
from fabric.tasks import ended
from fabric.types.catalogue import Catalogue
from fabric.types.types import Types
from fabric.validation import link_counts, link_validation
from fabric.validation.violations import Report, violations

NAME = "validateObjects"
PERMISSIONS = ("type:define", "type:read", "object:read", "link:read")
"""To ask for it, and to be told what came of it: that tells of objects and links, and names some."""
BATCH = 500
"""Objects of one step."""
_OF_A_PLACE = frozenset({*Report().state(), "links", "next", "after"})
"""Keys of the place in which a step leaves a job."""
_AT_ONCE = 20
"""Objects that are looked at before others have a turn."""

_COUNT = """
    select count(*) from fabric.objects where organization_id = $1 and type_name = any($2) and not tombstone"""

_NEXT = """
    select object_id, type_name, data from fabric.objects
    where organization_id = $1 and type_name = any($2) and not tombstone and ($3::uuid is null or object_id > $3)
    order by object_id limit $4"""


MAX_SHAPES = 200_000
"""Characters of shapes."""
LOOK = 2.0
"""Seconds between two looks whether a job whose shapes are checked was cancelled."""

Check: TypeAlias = Callable[[Job], Awaitable[Mapping[str, Any]]]
"""Holds what the job's label sees against the shapes in the job's arguments, and gives a report, which is JSON."""


async def ask(
    types: Types, jobs: Jobs, subject: Subject, type_name: str | None = None, shapes: str | None = None, *,
    request_id: str | None = None,
) -> Job:  # fmt: skip
    """The job, over objects of the type and of those that extend it, or of all; these also by `shapes`, in Turtle.

    Forbidden without all PERMISSIONS; BadInput for a type that there is not, or for shapes that are too long;
    RateLimited.
    """
    for permission in PERMISSIONS:
        subject.require(permission)
    _family(await types.catalogue(subject.session), type_name)
    arguments = {"typeName": type_name}
    if shapes is not None:
        if type_name is not None:
            raise BadInput("shapes are for everything: leave typeName away", ("typeName",))
        if len(shapes) > MAX_SHAPES or "\0" in shapes:
            raise BadInput(f"expected at most {MAX_SHAPES:,} characters of text", ("shapes",))
        arguments["shapes"] = shapes
    return await jobs.ask(subject, NAME, arguments, request_id=request_id)


def kind(types: Types, check: Check) -> Kind:
    return Kind(NAME, PERMISSIONS, partial(_work, types, check))


def _family(catalogue: Catalogue, type_name: str | None) -> list[str]:
    if type_name is None:
        return [t.name for t in catalogue.types.values() if t.domain == "object"]
    found = catalogue.types.get(type_name)
    if found is None or found.domain != "object":
        raise BadInput("no such type", ("typeName",))
    return list(found.family)


async def _work(types: Types, check: Check, run: Run) -> Mapping[str, Any]:
    """From the object or link after the last one on. The place is the report so far, with where that is.

    Conflict for a place that is not told so.
    """
    if run.place is not None and not run.place.keys() >= _OF_A_PLACE:
        raise Conflict("this was begun by another version of the server; ask for it again")

    async def attempt() -> None:
        catalogue = await types.catalogue(run.job.session)
        batch = partial(_batch, catalogue, run.job, run.place)
        try:
            await run.step(batch, holding=catalogue.revision)
        except StaleTypes:
            types.forget(run.job.organization_id)
            raise

    while run.place is None or run.place["next"] is not None:
        await retried(attempt)
    if "shapes" in run.job.arguments:
        return {**_result(run.place), "shapes": await _checked(check, run)}
    return _result(run.place)


async def _checked(check: Check, run: Run) -> Mapping[str, Any]:
    """Ends with the job, which others may cancel or take over."""

    async def look(transaction: Transaction) -> Progress:
        return Progress(0, run.place)

    checking = asyncio.ensure_future(check(run.job))
    try:
        while not (await asyncio.wait([checking], timeout=LOOK))[0]:
            await run.step(look)
        return await checking
    finally:
        await ended(checking)


def _result(place: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in place.items() if name not in ("after", "next")}


async def _batch(catalogue: Catalogue, job: Job, place: Mapping[str, Any] | None, transaction: Transaction) -> Progress:
    """Objects first, then links."""
    family = _family(catalogue, job.arguments["typeName"])
    if place is None:
        objects = await transaction.fetchval(_COUNT, job.organization_id, family)
        links = await transaction.fetchval(link_validation.COUNT, job.organization_id, list(catalogue.relations))
        place = {**Report().state(), "links": link_validation.report_of(None).state(), "next": "objects", "after": None}
        return Progress(0, place, objects + links)
    if place["next"] == "links":
        report = link_validation.report_of(place["links"])
        before = report.looked_at
        last = await link_validation.batch(
            transaction, catalogue, job.organization_id, family, place["after"], BATCH, report
        )
        done = {**place, "links": report.state(), "after": last, "next": "links" if last else None}
        return Progress(report.looked_at - before, done)
    return await _objects(catalogue, job, family, place, transaction)


async def _objects(
    catalogue: Catalogue, job: Job, family: list[str], place: Mapping[str, Any], transaction: Transaction
) -> Progress:
    rows = await transaction.fetch(_NEXT, job.organization_id, family, place["after"], BATCH)
    report, beside = Report(place), await link_counts.miscounted(transaction, catalogue, job.organization_id, rows)
    for number, row in enumerate(rows, start=1):
        found = violations(catalogue.types[row["type_name"]].fields, row["data"])
        report.add(str(row["object_id"]), row["type_name"], chain(found, beside.get(row["object_id"], ())))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    last = str(rows[-1]["object_id"]) if len(rows) == BATCH else None
    return Progress(len(rows), {**place, **report.state(), "after": last, "next": "objects" if last else "links"})
