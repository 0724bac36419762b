"""Jobs in the schema."""

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.errors import BadInput
from fabric.jobs.job import Job, State
from graphql_api.context import Context, Info
from graphql_api.fields.told_events import moment
from graphql_api.schema.common_types import SCALARS, listed, required

_TIME = SCALARS["DateTime"]
_COUNT = SCALARS["BigInt"]
_JSON = SCALARS["JSON"]

STATE = GraphQLEnumType(
    "JobState",
    {str(state): str(state) for state in State},
    description="What a job that FAILED or was CANCELLED has done stays done.",
)

JOB = GraphQLObjectType(
    "Job",
    {
        "jobId": GraphQLField(required(GraphQLID)),
        "kind": GraphQLField(required(GraphQLString)),
        "label": GraphQLField(required(SCALARS["Label"]), description="The session label of who asked for it."),
        "state": GraphQLField(required(STATE)),
        "arguments": GraphQLField(required(_JSON)),
        "done": GraphQLField(required(_COUNT), description="Items that are done, of whatever its kind counts."),
        "total": GraphQLField(_COUNT, description="Null where it is not known."),
        "result": GraphQLField(_JSON, description="What came of it, once it is DONE."),
        "failureCode": GraphQLField(GraphQLString, description="As of an error."),
        "failure": GraphQLField(GraphQLString),
        "askedBy": GraphQLField(required(GraphQLString)),
        "askedAt": GraphQLField(required(_TIME)),
        "startedAt": GraphQLField(_TIME),
        "finishedAt": GraphQLField(_TIME),
    },
    description="Work that takes long, done beside answering.",
)

JOB_PAYLOAD = GraphQLObjectType("JobPayload", {"job": GraphQLField(required(JOB))})


async def _jobs(_: Any, info: Info, first: int | None = None) -> Any:
    context = info.context
    settings = context.services.settings
    limit = settings.default_page_size if first is None else first
    if not 0 <= limit <= settings.max_page_size:
        raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", ("first",))
    return [told_job(context, each) for each in await context.services.jobs.seen(context.subject, limit)]


async def _job(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    found = await context.services.jobs.seen(context.subject, 1, context.read_id(given["jobId"], "jobId"))
    return told_job(context, found[0]) if found else None


async def _cancel(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    job_id = context.read_id(given["jobId"], "jobId")
    lattice = context.organization.lattice
    job = await context.services.jobs.cancel(context.subject, lattice, job_id, request_id=context.request_id)
    return {"job": told_job(context, job)}


def told_job(context: Context, job: Job) -> dict[str, Any]:
    """What the type `Job` shows."""
    return {
        "jobId": str(job.job_id),
        "kind": job.kind,
        "label": str(context.organization.lattice.decode(job.label)),
        "state": str(job.state),
        "arguments": job.arguments,
        "done": str(job.done),
        "total": None if job.total is None else str(job.total),
        "result": job.result,
        "failureCode": job.failure_code,
        "failure": job.failure,
        "askedBy": job.asked_by,
        "askedAt": moment(job.asked_at),
        "startedAt": moment(job.started_at) if job.started_at else None,
        "finishedAt": moment(job.finished_at) if job.finished_at else None,
    }


_ID = {"jobId": GraphQLArgument(required(GraphQLID))}

JOB_QUERIES: GraphQLFieldMap = {
    "job": GraphQLField(JOB, _ID, _job),
    "jobs": GraphQLField(listed(JOB), {"first": GraphQLArgument(GraphQLInt)}, _jobs, description="The newest first."),
}

JOB_MUTATIONS: GraphQLFieldMap = {
    "cancelJob": GraphQLField(required(JOB_PAYLOAD), _ID, _cancel, description="Ends a job after what it has in hand."),
}
