"""What webhooks are told: the notices of a subscription with its arguments, each in an envelope of Standard Webhooks.

An object that comes into view or changes is told as the event left it, so that its messages, one after the other, are
its history; a subscription would read it as it is by then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from fabric.database.db import Database
from fabric.events.chronicle import Change, Told, object_change
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.types.catalogue import Catalogue
from fabric.types.definitions import Field
from fabric.types.kinds import Kind
from fabric.types.types import Types
from fabric.webhooks.messages import Message
from graphql_api.compiler.surfaces import Surfaces
from graphql_api.fields.told_events import moment
from graphql_api.positions import event_cursor
from graphql_api.schema.outputs import concrete_name
from graphql_api.streaming.watches import Notice, Watch, Watcher, watch

READY = "webhook.ready"

_FOR_RESOLVERS = ("nodeId", "sourceId", "targetId")
"""Members of notices by which a subscription's objects are read."""


class Notices:
    """Makes listeners (see `fabric.webhook_messages.Teller`)."""

    def __init__(self, database: Database, types: Types, surfaces: Surfaces) -> None:
        self._database = database
        self._types = types
        self._surfaces = surfaces

    async def listener(
        self, subject: Subject, organization: Organization, subscription: str, arguments: Mapping[str, Any]
    ) -> "NoticeListener":
        listener = NoticeListener(self, subject, organization, subscription, arguments)
        await listener.prepare()
        return listener

    async def watching(
        self, subject: Subject, organization: Organization, known: Catalogue | None
    ) -> Watcher | None:  # fmt: skip
        """Who watches by the definitions as they are now; None if these are the known ones."""
        catalogue = await self._types.catalogue(subject.session)
        if known is not None and known.fingerprint == catalogue.fingerprint:
            return None
        compiler = self._surfaces.compiler(subject.organization_id, catalogue)
        return Watcher(self._database, compiler.surface, subject, organization)


class NoticeListener:
    """Of one webhook. Definitions that change are followed: what its label does not see any more is not told."""

    def __init__(
        self, notices: Notices, subject: Subject, organization: Organization, subscription: str,
        arguments: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self._notices = notices
        self._subject, self._organization = subject, organization
        self._subscription, self._arguments = subscription, arguments
        self._watcher: Watcher | None = None
        self._watch: Watch | None = None

    async def prepare(self) -> None:
        known = self._watcher.catalogue if self._watcher else None
        watcher = await self._notices.watching(self._subject, self._organization, known)
        if watcher is not None:
            self._watch = watch(watcher, self._subscription, self._arguments)
            self._watcher = watcher

    async def messages(self, told: Sequence[Told]) -> list[Message]:
        await self.prepare()
        assert self._watch is not None
        found = await self._watch.notices(told)
        return [message for each, notices in zip(told, found, strict=True) for message in self._of(each, notices)]

    def ready(self, place: Position, now: datetime) -> Message:
        data = {"kind": "READY", "cursor": self._cursor(place)}
        return _message(place, 0, READY, "", now, data)

    def _of(self, told: Told, notices: Sequence[Notice]) -> list[Message]:
        # Who comes to a subscription with a cursor that is not the event's last gets the event again.
        position = told.position
        before = Position(position.transaction_id, position.position - 1)
        made = []
        for number, notice in enumerate(notices):
            place = position if number == len(notices) - 1 else before
            data = {name: value for name, value in notice.items() if name not in _FOR_RESOLVERS}
            if self._subscription == "changes":
                data["node"] = self._node(object_change(told, self._subject.label), notice)
            data["cursor"] = self._cursor(place)
            event = told.event
            made.append(_message(position, number, event.topic, _entity(told, notice), event.occurred_at, data))
        return made

    def _node(self, change: Change | None, notice: Notice) -> Notice | None:
        """The object as the event left it, in the shape of all its fields selected; None if it is out of view."""
        assert self._watcher is not None
        assert change is not None
        object_type = self._watcher.catalogue.types.get(change.now[1]["type_name"])
        if notice["nodeId"] is None or change.after is None or object_type is None:
            return None
        label, version = change.after
        return {
            "__typename": concrete_name(object_type),
            "id": str(change.id),
            "label": str(self._organization.lattice.decode(label)),
            "revision": version["revision"],
            "createdAt": moment(datetime.fromisoformat(version["created_at"])),
            "updatedAt": moment(datetime.fromisoformat(version["updated_at"])),
            **{f.name: _value(f, version["data"].get(f.key)) for f in object_type.fields.values()},
        }

    def _cursor(self, place: Position) -> str:
        return event_cursor(self._organization, self._subject.label, place)


def _entity(told: Told, notice: Notice) -> str:
    """What messages are kept in order for: the link or object, or else all events of one type."""
    if "link" in notice:
        return str(notice["link"]["id"])
    return str(notice.get("objectId") or told.event.entity_id or told.event.entity_type)


def _value(field: Field, stored: Any) -> Any:
    """As queries answer it: integers of 64 bits as text, which every reader of JSON keeps whole; nothing encrypted."""
    if field.protection is not None and stored is not None:
        unlock = field.protection.unlock.permission
        return {"locked": True, "hint": None, "purpose": field.protection.purpose, "unlockPermission": unlock}
    if field.kind is not Kind.BIGINT or stored is None:
        return stored
    return [str(item) for item in stored] if field.many else str(stored)


def _message(
    position: Position, number: int, topic: str, entity: str, occurred_at: datetime, data: Notice
) -> Message:  # fmt: skip
    envelope = {"type": topic, "timestamp": moment(occurred_at), "data": data}
    return Message(position, number, topic, entity, occurred_at, orjson.dumps(envelope).decode())
