"""What a webhook is told, as its delivery sees it: finished messages, whoever makes them of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fabric.events.chronicle import Told
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to be told. `number` counts those of the event at `position`; `body` is the JSON that is sent."""

    position: Position
    number: int
    topic: str
    entity: str
    """Messages of one entity are delivered one after the other, in order."""
    occurred_at: datetime
    body: str


class Listener(Protocol):
    """Who makes the messages of one webhook."""

    async def messages(self, told: Sequence[Told]) -> list[Message]:
        """All that the events come to, in their order.

        Forbidden or BadInput once it can be told no more: its owner lacks a permission, its filter means nothing.
        """

    def ready(self, place: Position, now: datetime) -> Message:
        """The first of all: what comes after the place will be told."""


class Teller(Protocol):
    """Who makes listeners."""

    async def listener(
        self, subject: Subject, organization: Organization, subscription: str, arguments: Mapping[str, Any]
    ) -> Listener:
        """Of a subscription with its arguments, as its session sees it. Forbidden or BadInput if it may not."""
