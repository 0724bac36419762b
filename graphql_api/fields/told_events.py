"""Events as values by field name, the same wherever they are told."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fabric.events.events import Event
from fabric.identity.organizations import Organization
from graphql_api.positions import transaction_token


def told_event(organization: Organization, event: Event) -> dict[str, Any]:
    """What the type `Event` shows."""
    return told_change(organization, event) | {
        "entityId": _text(event.entity_id),
        "entityType": event.entity_type,
        "from": _text(event.source_id),
        "to": _text(event.target_id),
        "data": event.data,
    }


def told_change(organization: Organization, event: Event) -> dict[str, Any]:
    """What of an event is told with what it means."""
    return {
        "topic": event.topic,
        "transactionId": transaction_token(organization, event.position),
        "occurredAt": moment(event.occurred_at),
        "actor": event.actor,
        "label": str(organization.lattice.decode(event.label)),
    }


def moment(value: datetime) -> str:
    """As all times are told: UTC with microseconds."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)
