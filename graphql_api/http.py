"""GraphQL over HTTP, as the specification of that name says.

POST with JSON, GET for queries only. `application/graphql-response+json` gets 4xx for what could not start;
`application/json`, for older clients, gets 200 with the errors, but for requests that are not GraphQL requests at all.
"""

import time

from starlette.requests import Request
from starlette.responses import Response

from fabric.organizations import Organization
from fabric.subject import Subject
from graphql_api.compiler import Outcome
from graphql_api.http_messages import (
    GRAPHQL_JSON,
    JSON,
    Answer,
    NotGraphQL,
    admitted,
    asked_by,
    negotiated,
    refused,
    said,
)
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Asked, Pipeline

_OFFERS = {GRAPHQL_JSON: GRAPHQL_JSON, JSON: JSON, "*/*": JSON, "application/*": JSON}


class GraphQLOverHTTP:
    """The endpoint."""

    def __init__(self, pipeline: Pipeline, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        started = time.perf_counter()
        answer = await self._answer(request)
        self._metrics.answered(answer.outcome, time.perf_counter() - started)
        return answer.response

    async def _answer(self, request: Request) -> Answer:
        request_id: str = request.state.request_id
        media_type = JSON
        try:
            media_type = negotiated(request.headers.get("accept"), _OFFERS, JSON)
            subject, organization = await admitted(self._pipeline.gate, request)
            asked = await asked_by(request, self._pipeline.services.settings.max_body_bytes)
            outcome = await self._run(request, asked, subject, organization)
        except Exception as error:
            return refused(error, request_id, media_type)
        return said(outcome.errors, request_id, media_type, data=outcome.data)

    async def _run(self, request: Request, asked: Asked, subject: Subject, organization: Organization) -> Outcome:
        prepared = await self._pipeline.prepare(asked, subject)
        if request.method != "POST" and not prepared.operation.is_query:
            raise NotGraphQL(405, "GET is for queries; send mutations by POST", {"allow": "POST"})
        services = self._pipeline.services
        return await prepared.run(prepared.context(services, subject, organization, request.state.request_id))
