"""GraphQL over HTTP, as the specification of that name says.

POST with JSON, GET for queries only. `application/graphql-response+json` gets 4xx for what could not start;
`application/json`, for older clients, gets 200 with the errors, but for requests that are not GraphQL requests at all.
So does `text/event-stream`, in which alone subscriptions are answered here.
"""


from starlette.requests import Request

from fabric.identity.subject import SESSION_LABEL_HEADER
from graphql_api.context import Context
from graphql_api.http.endpoint import Endpoint
from graphql_api.http.http_messages import (
    GRAPHQL_JSON,
    JSON,
    Answer,
    NotGraphQL,
    accepts,
    admitted,
    asked_by,
    negotiated,
    refused,
    said,
    waited_for,
)
from graphql_api.pipeline import Prepared
from graphql_api.streaming.admission import Admission
from graphql_api.streaming.sse import EVENT_STREAM, EventStream

_OFFERS = {GRAPHQL_JSON: GRAPHQL_JSON, JSON: JSON, "*/*": JSON, "application/*": JSON, EVENT_STREAM: EVENT_STREAM}


class GraphQLOverHTTP(Endpoint):
    async def _answer(self, request: Request) -> Answer:
        request_id: str = request.state.request_id
        media_type = JSON
        try:
            media_type = negotiated(request.headers.get("accept"), _OFFERS, JSON)
            subject, organization = await admitted(self._pipeline.gate, request)
            asked = await asked_by(request, self._pipeline.services.settings)
            position = waited_for(request, organization, asked)
            prepared = await self._pipeline.prepare(asked, subject)
            context = prepared.context(self._pipeline.services, subject, organization, request_id, position)
            if prepared.operation.is_subscription:
                return self._stream(request, prepared, context)
            if request.method != "POST" and not prepared.operation.is_query:
                raise NotGraphQL(405, "GET is for queries; send mutations by POST", {"allow": "POST"})
            outcome = await prepared.run(context)
        except Exception as error:
            return refused(error, request_id, media_type)
        return said(outcome.errors, request_id, media_type, data=outcome.data, warnings=outcome.warnings)

    def _stream(self, request: Request, prepared: Prepared, context: Context) -> Answer:
        """A subscription's response, which runs it."""
        headers = request.headers
        if not accepts(headers.get("accept"), EVENT_STREAM):
            raise NotGraphQL(406, f"subscriptions are answered as {EVENT_STREAM}, or over a WebSocket")
        if request.method == "HEAD":
            raise NotGraphQL(405, "HEAD is for queries", {"allow": "GET, POST"})
        admission = Admission(
            self._pipeline.gate, headers.get("authorization"), headers.get(SESSION_LABEL_HEADER), context.subject
        )
        stream = EventStream(
            prepared.stream(context), admission, context.request_id, context.services.settings, self._connections,
            self._metrics,
        )  # fmt: skip
        return Answer(stream, "OK")
