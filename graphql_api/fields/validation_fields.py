"""The validation of what is stored in the schema: a job that holds objects against their definitions."""

from typing import Any

from graphql import GraphQLArgument, GraphQLField, GraphQLFieldMap, GraphQLString

from fabric.validation import validation
from graphql_api.context import Info
from graphql_api.fields.job_fields import JOB_PAYLOAD, told_job
from ontology.shacl.check import require_checker


async def _validate(_: Any, info: Info, **given: Any) -> Any:
    context, services = info.context, info.context.services
    if given.get("shapes") is not None:
        require_checker()
    job = await validation.ask(
        services.types, services.jobs, context.subject, given.get("typeName"), given.get("shapes"),
        request_id=context.request_id,
    )  # fmt: skip
    return {"job": told_job(context, job)}


VALIDATION_MUTATIONS: GraphQLFieldMap = {
    "validateObjects": GraphQLField(
        JOB_PAYLOAD,
        {
            "typeName": GraphQLArgument(GraphQLString),
            "shapes": GraphQLArgument(GraphQLString, description="SHACL in Turtle, held against all you see."),
        },
        _validate,
        description="A job that counts which objects, as you see them, are not as their definitions ask now.",
    ),
}
"""Its result is told in docs/schema-evolution.md."""
