"""Who holds a connection open: counted by actor, checked again while they stay, sent away when the server stops.

An actor is a subject of an organization, however many tokens it has. The counts are this process's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from fabric.errors import FabricError, RateLimited, Unauthenticated
from fabric.identity.subject import Subject
from fabric.settings import Settings
from graphql_api.http.authentication import Gate
from graphql_api.metrics import Metrics, Transport
from graphql_api.streaming.streams import CloseCode, Dropped, Ending


@dataclass(slots=True)
class _Held:
    """What one actor holds."""

    connections: int = 0
    subscriptions: int = 0


class Connections:
    """All of this process's."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._held: dict[tuple[UUID, str], _Held] = {}
        self._present: dict[UUID, dict[Ending, Subject]] = {}
        self._stopping = False

    @contextmanager
    def entered(self, transport: Transport, subject: Subject, ending: Ending) -> Iterator[None]:
        """Counts a connection while the block runs, and ends it when it must. RateLimited for one too many."""
        with self._holding(subject) as held:
            if held.connections >= self._settings.max_connections_per_actor:
                raise RateLimited(f"you hold {held.connections:,} connections already; close some first")
            held.connections += 1
            present = self._present.setdefault(subject.organization_id, {})
            present[ending] = subject
            if self._stopping:
                ending.now(_stopped())
            try:
                with self._metrics.connected(transport):
                    yield
            finally:
                held.connections -= 1
                del present[ending]
                if not present:
                    del self._present[subject.organization_id]

    @contextmanager
    def subscribed(self, transport: Transport, subject: Subject) -> Iterator[None]:
        """Counts a subscription while the block runs. RateLimited for one too many."""
        with self._holding(subject) as held:
            if held.subscriptions >= self._settings.max_subscriptions_per_actor:
                raise RateLimited(f"you hold {held.subscriptions:,} subscriptions already; complete some first")
            held.subscriptions += 1
            try:
                with self._metrics.subscribed(transport):
                    yield
            finally:
                held.subscriptions -= 1

    @contextmanager
    def _holding(self, subject: Subject) -> Iterator[_Held]:
        actor = (subject.organization_id, subject.subject)
        held = self._held.setdefault(actor, _Held())
        try:
            yield held
        finally:
            if not held.connections and not held.subscriptions:
                self._held.pop(actor, None)

    async def recheck(self, gate: Gate, organization_id: UUID | None = None) -> None:
        """Ends the connections whose tokens are not accepted any more: of one organization, or of all."""
        for each in list(self._present) if organization_id is None else [organization_id]:
            for ending, subject in list(self._present.get(each, {}).items()):
                try:
                    await gate.require_current(subject)
                except Unauthenticated as error:
                    ending.now(Dropped(CloseCode.FORBIDDEN, error.message))
                except FabricError:  # not to be known now: each asks again before its next event
                    break

    def stop(self) -> None:
        """Ends all connections, and those that are yet to come: the server would wait for them to end by themselves."""
        self._stopping = True
        for present in self._present.values():
            for ending in present:
                ending.now(_stopped())


def _stopped() -> Dropped:
    return Dropped(CloseCode.SERVICE_RESTART, "the server is stopping")
