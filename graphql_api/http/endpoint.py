"""What endpoints of HTTP that return their response have in common: each request is answered, timed and counted."""

import time
from abc import ABC, abstractmethod

from starlette.requests import Request
from starlette.responses import Response

from graphql_api.http.http_messages import Answer
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Pipeline
from graphql_api.streaming.connections import Connections


class Endpoint(ABC):
    def __init__(self, pipeline: Pipeline, connections: Connections, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._connections = connections
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        started = time.perf_counter()
        answer = await self._answer(request)
        self._metrics.answered(answer.outcome, time.perf_counter() - started)
        return answer.response

    @abstractmethod
    async def _answer(self, request: Request) -> Answer:
        """Never raises: what goes wrong is an answer too."""
