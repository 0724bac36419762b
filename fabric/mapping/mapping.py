"""The job that maps fields: asked for by who defines and writes, done over the versions at its label, a batch a step.

Only versions at exactly the label of the job are written, as by any writer: what it does to one follows from that
version alone, so nothing of it tells of what lies above. What lies below is counted, for who would go on there.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from fabric.database.db import StaleTypes, Transaction, retried
from fabric.errors import BadInput, FabricError
from fabric.events import journal
from fabric.events.journal import Entry
from fabric.identity.subject import Session, Subject
from fabric.jobs.job import Job
from fabric.jobs.jobs import Jobs, Kind
from fabric.jobs.run import Progress, Run
from fabric.mapping.mappers import Mapper, lacking, mapped, read_mappers
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.type_documents import field_document
from fabric.types.types import Types
from fabric.types.values import Stored, unfit
from fabric.writing.objects import TABLE, revise
from fabric.writing.versions import MOST_IN_LINE, Version

NAME = "mapFields"
PERMISSIONS = ("type:define", "object:update")
"""To ask for it, and to be told what came of it, which names objects."""
MOST_TOLD = 100
"""So many values that did not convert a result names."""

_COUNT = """
    select count(*) filter (where label = $2) as here, count(*) filter (where label <> $2) as below
    from fabric.objects where organization_id = $1 and type_name = any($3) and not tombstone"""

_NEXT = """
    select object_id from fabric.objects
    where organization_id = $1 and label = $2 and type_name = any($3) and not tombstone
      and ($4::uuid is null or object_id > $4)
    order by object_id limit $5"""


async def ask(
    types: Types, jobs: Jobs, subject: Subject, type_name: str, mappers: Sequence[Mapping[str, Any]], *,
    request_id: str | None = None,
) -> Job:  # fmt: skip
    """The job, with a record of which fields go into which. For `mappers` see `read_mappers`.

    Forbidden without `type:define` and `object:update`; BadInput or Several: what does not fit the type; RateLimited.
    """
    for permission in PERMISSIONS:
        subject.require(permission)
    arguments = {"typeName": type_name, "mappers": list(mappers)}

    async def attempt() -> Job:
        catalogue, object_type, read = await _read(types, subject.session, arguments)
        async with types.holding(subject.session, catalogue) as transaction:
            job = await jobs.ask_in(transaction, subject, NAME, arguments, request_id=request_id)
            told = _told(job, object_type, read)
            await journal.append(transaction, subject.subject, [told], request_id=request_id)
        return job

    job = await retried(attempt)
    jobs.poke()
    return job


def kind(types: Types) -> Kind:
    return Kind(NAME, PERMISSIONS, partial(_work, types))


def _told(job: Job, object_type: ObjectType, mappers: Sequence[Mapper]) -> Entry:
    """What the values are from, and into what they go, in the words of definitions."""
    before = {f.name: field_document(f) for mapper in mappers for f in mapper.sources}
    after = {f.name: field_document(f) for mapper in mappers for f in mapper.targets}
    data = {"jobId": str(job.job_id), "before": {"fields": before}, "after": {"fields": after}}
    return Entry("type.mapping", "type_definitions", None, object_type.name, data)


async def _read(
    types: Types, session: Session, arguments: Mapping[str, Any]
) -> tuple[Catalogue, ObjectType, list[Mapper]]:
    """StaleTypes where what is wrong may be so by definitions that have passed."""
    catalogue = await types.catalogue(session)
    try:
        object_type = catalogue.types.get(arguments["typeName"])
        if object_type is None or object_type.domain != "object":
            raise BadInput("no such type", ("typeName",))
        return catalogue, object_type, read_mappers(catalogue, object_type, arguments["mappers"])
    except FabricError:
        async with types.holding(session, catalogue):
            raise


async def _work(types: Types, run: Run) -> Mapping[str, Any]:
    """From the object after the last one on. The place is the result so far with that object's id."""

    async def attempt() -> None:
        catalogue, object_type, mappers = await _read(types, run.job.session, run.job.arguments)
        batch = _Batch(run.job, run.place, catalogue, object_type, mappers)
        try:
            await run.step(batch.map, holding=catalogue.revision)
        except StaleTypes:
            types.forget(run.job.organization_id)
            raise

    while run.place is None or run.place["after"] is not None:
        await retried(attempt)
    return {name: value for name, value in run.place.items() if name != "after"}


class _Batch:
    """Some objects in the order of their ids, from the place on."""

    def __init__(
        self, job: Job, place: Mapping[str, Any] | None, catalogue: Catalogue, object_type: ObjectType,
        mappers: Sequence[Mapper],
    ) -> None:  # fmt: skip
        self._job, self._place, self._catalogue, self._mappers = job, place, catalogue, mappers
        self._family = list(object_type.family)

    async def map(self, transaction: Transaction) -> Progress:
        here = self._job.organization_id, self._job.label, self._family
        total, place = None, self._place
        if place is None:
            row = await transaction.fetchrow(_COUNT, *here)
            assert row is not None
            total = row["here"]
            place = {"objects": 0, "changed": 0, "failed": 0, "failures": [], "below": row["below"], "after": None}
        rows = await transaction.fetch(_NEXT, *here, place["after"], MOST_IN_LINE)
        ids: list[UUID] = [row["object_id"] for row in rows]
        await TABLE.take_turn(transaction, ids)
        read = await TABLE.read(transaction, ids)
        before = {id: version for id, version in read.items() if self._is_ours(version)}
        changed, failures = self._mapped(before)
        await revise(transaction, self._job.asked_by, self._catalogue, before, changed)
        place = {
            "objects": place["objects"] + len(before),
            "changed": place["changed"] + len(changed),
            "failed": place["failed"] + len(failures),
            "failures": [*place["failures"], *failures][:MOST_TOLD],
            "below": place["below"],
            "after": str(ids[-1]) if len(ids) == MOST_IN_LINE else None,
        }
        return Progress(len(ids), place, total)

    def _is_ours(self, version: Version) -> bool:
        """Still, now that nobody else writes it."""
        of_the_type = version.content["type_name"] in self._family
        return version.label == self._job.label and not version.tombstone and of_the_type

    def _mapped(self, before: Mapping[UUID, Version]) -> tuple[dict[UUID, Stored], list[dict[str, Any]]]:
        changed: dict[UUID, Stored] = {}
        failures: list[dict[str, Any]] = []
        for id, version in sorted(before.items()):
            old = version.content["data"]
            result = mapped(self._mappers, old)
            failures += [{"objectId": str(id), "mapper": i, "reason": reason} for i, reason in result.failures]
            if result.data == old:
                continue
            if reason := _refused(self._catalogue.types[version.content["type_name"]], old, result.data):
                failures.append({"objectId": str(id), "mapper": None, "reason": f"not written: {reason}"})
            else:
                changed[id] = result.data
        return changed, failures


def _refused(object_type: ObjectType, old: Stored, data: Stored) -> str | None:
    """Why nobody could write the object like this."""
    if missing := lacking(object_type, data):
        return f"it lacks {', '.join(missing)}, which is required"
    if others := unfit(object_type.fields, data, [key for key in data if key not in old]):
        return f"{', '.join(others)} would not be as the definition asks"
    return None
