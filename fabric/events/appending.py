"""Events of applications: topics of their own, validated by a type definition, in the log with all others.

`link.triggered` is told of a link, to those who follow it; any other topic can be about an object, or about nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction, retried
from fabric.errors import BadInput, NotFound
from fabric.events import journal
from fabric.events.chronicle import TRIGGERED
from fabric.events.journal import Entry, Position
from fabric.events.topics import OURS, is_ours
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.faults import Faults
from fabric.types.types import Types
from fabric.types.values import check_required, read_data

_TOPIC = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+\Z")
_LONGEST_TOPIC = 200

_LINK = """
select relation, source_id, target_id from fabric.links l
where link_id = $1 and not tombstone
  and exists (select from fabric.objects o where o.object_id = l.source_id and not o.tombstone)
  and exists (select from fabric.objects o where o.object_id = l.target_id and not o.tombstone)"""


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """What is to be told. `data` is by field name, of the event type of that name."""

    topic: str
    type_name: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    object_id: UUID | None = None
    link_id: UUID | None = None


async def append(
    types: Types, subject: Subject, organization: Organization, event: OwnEvent, *, request_id: str | None = None
) -> Position:
    """Appends the event at the session label; its position.

    BadInput, with the path, for a topic or data that cannot be; NotFound for an object or link that is not seen.
    """
    subject.require("event:append")
    _check_topic(event)

    async def attempt() -> Position:
        catalogue = await types.catalogue(subject.session)
        async with types.holding(subject.session, catalogue) as transaction:
            entry = await _entry(transaction, catalogue, event)
            return await journal.append(transaction, subject.subject, [entry], request_id=request_id)

    return await retried(attempt)


def _check_topic(event: OwnEvent) -> None:
    if event.topic == TRIGGERED:
        if event.link_id is None:
            raise BadInput("required: which link was triggered", ("linkId",))
        if event.object_id is not None:
            raise BadInput("an event is about an object or about a link", ("objectId",))
        return
    if not _TOPIC.match(event.topic) or len(event.topic) > _LONGEST_TOPIC:
        raise BadInput("a topic is words in lower case with dots between, such as `alarm.raised`", ("topic",))
    if is_ours(event.topic):
        raise BadInput(f"topics that begin with {', '.join(sorted(OURS))} are the server's own", ("topic",))
    if event.link_id is not None:
        raise BadInput(f"only {TRIGGERED} is about a link", ("linkId",))
    if event.type_name is None:
        raise BadInput("required: the event's type", ("type",))


async def _entry(transaction: Transaction, catalogue: Catalogue, event: OwnEvent) -> Entry:
    data = _validated(catalogue, event)
    if event.link_id is not None:
        link = await transaction.fetchrow(_LINK, event.link_id)
        if link is None:
            raise NotFound("not found", ("linkId",))
        ends = link["source_id"], link["target_id"]
        return Entry(event.topic, "events", event.link_id, link["relation"], data, ends)
    if event.object_id is not None and not await transaction.fetchval(
        "select true from fabric.objects where object_id = $1 and not tombstone", event.object_id
    ):
        raise NotFound("not found", ("objectId",))
    assert event.type_name is not None
    return Entry(event.topic, "events", event.object_id, event.type_name, data)


def _validated(catalogue: Catalogue, event: OwnEvent) -> dict[str, Any]:
    """The data in canonical form, by field name."""
    faults = Faults()
    if event.type_name is None:
        if event.data:
            faults.add("required: the type that the data is of", "type")
        faults.raise_any()
        return {}
    event_type: ObjectType | None = catalogue.types.get(event.type_name)
    if event_type is None or event_type.domain != "event":
        raise BadInput("no such type of events", ("type",))
    stored = {k: v for k, v in read_data(event_type.fields, event.data, faults, "data").items() if v is not None}
    check_required(event_type.fields, stored, faults, "data")
    faults.raise_any()
    return {f.name: stored[f.key] for f in event_type.fields.values() if f.key in stored}
