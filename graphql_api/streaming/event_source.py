"""`/events`: what the subscription `events` tells, as plain server-sent events for those who do without GraphQL.

An event's id is its cursor, so a client that comes back with the last one (`Last-Event-ID`) misses nothing. All else is
the subscription's: who may, what is seen, the limits, and how a stream ends.
"""

from typing import Any

import orjson
from starlette.requests import Request

from fabric.errors import BadInput, Forbidden
from fabric.identity.subject import SESSION_LABEL_HEADER
from graphql_api.http.endpoint import Endpoint
from graphql_api.http.http_messages import GRAPHQL_JSON, Answer, NotGraphQL, admitted, negotiated, refused
from graphql_api.streaming.admission import Admission
from graphql_api.streaming.sse import EVENT_STREAM, EventStream

LAST_EVENT_ID = "Last-Event-ID"

_DOCUMENT = """subscription ($topics: [String!], $types: [String!], $after: String) {
  events(topics: $topics, types: $types, after: $after) {
    kind cursor event { topic transactionId occurredAt actor label entityId entityType from to data }
  }
}"""

_LISTS = ("topics", "types")
_OFFERS = {EVENT_STREAM: EVENT_STREAM, "text/*": EVENT_STREAM, "*/*": EVENT_STREAM}


class PlainForm:
    """An event by the name of its topic; the first is `ready`, and `failed` says why a stream ends."""

    complete = b""

    def event(self, payload: bytes) -> bytes:
        response = orjson.loads(payload)
        if "errors" in response:
            return self.failure(payload)
        notice = response["data"]["events"]
        told = notice["event"]
        name = "ready" if told is None else told["topic"]
        return _event(name, {} if told is None else told, notice["cursor"])

    def failure(self, told: bytes) -> bytes:
        return _event("failed", {"errors": orjson.loads(told)["errors"]})


def _event(name: str, data: Any, id: str | None = None) -> bytes:
    """Topics and cursors are words of one line, and so is this JSON."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


class EventSource(Endpoint):
    async def _answer(self, request: Request) -> Answer:
        request_id: str = request.state.request_id
        try:
            negotiated(request.headers.get("accept"), _OFFERS, EVENT_STREAM)
            if request.method == "HEAD":
                raise NotGraphQL(405, "a stream has no HEAD", {"allow": "GET"})
            return Answer(await self._stream(request, request_id), "OK")
        except Forbidden as error:
            return refused(NotGraphQL(403, error), request_id, GRAPHQL_JSON)
        except Exception as error:
            return refused(error, request_id, GRAPHQL_JSON)

    async def _stream(self, request: Request, request_id: str) -> EventStream:
        gate, services, headers = self._pipeline.gate, self._pipeline.services, request.headers
        subject, organization = await admitted(gate, request)
        prepared = await self._pipeline.prepare_own(_DOCUMENT, _asked(request), subject)
        context = prepared.context(services, subject, organization, request_id)
        admission = Admission(gate, headers.get("authorization"), headers.get(SESSION_LABEL_HEADER), subject)
        return EventStream(
            prepared.stream(context), admission, request_id, services.settings, self._connections, self._metrics,
            PlainForm(),
        )  # fmt: skip


def _asked(request: Request) -> dict[str, Any]:
    """The subscription's variables. BadInput for a parameter that there is not: its misspelling would ask for all."""
    parameters = request.query_params
    for name in parameters:
        if name not in (*_LISTS, "after"):
            raise BadInput(f"no such parameter; there are {', '.join(_LISTS)} and after", (name[:100],))
    found: dict[str, Any] = {
        name: [word.strip() for text in parameters.getlist(name) for word in text.split(",")]
        for name in _LISTS
        if name in parameters
    }
    after = request.headers.get(LAST_EVENT_ID) or parameters.get("after")
    return found | ({"after": after} if after else {})
