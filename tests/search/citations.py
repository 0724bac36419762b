"""Reports that cite the papers of a library, and alarms: what else is searched beside objects."""

from typing import Any
from uuid import UUID

from library import Library
from seeker import U

from fabric.events.appending import OwnEvent, append
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change

REPORT: dict[str, Any] = {
    "typeName": "Report",
    "fields": {"title": {"type": "string", "searchable": True}},
    "links": {
        "cites": {"relation": "cites", "target": "Paper"},
        "mentions": {"relation": "mentions", "target": "Paper"},
    },
}
CITES = {**REPORT, "links": {"cites": {
    "relation": "isCitedFor", "target": "Paper",
    "properties": {"why": {"type": "string"}, "year": {"type": "integer"}},
}}}  # fmt: skip
ALARM: dict[str, Any] = {
    "typeName": "Alarm", "domain": "event",
    "fields": {"what": {"type": "text"}, "where": {"type": "string", "searchable": True}, "code": {"type": "integer"}},
    "embedding": {"fields": ["what"]},
}  # fmt: skip


async def report(library: Library, title: str, at: str = U) -> UUID:
    return (await library.change(Change("create", "Report", {"title": title}), at=at))[0]


async def cite(library: Library, source: UUID, target: UUID, at: str = U, **properties: Any) -> UUID:
    change = LinkChange("link", "isCitedFor", source, target, values={"properties": properties})
    written, _ = await Links(library.types).write(library.subject(at), library.organization, [change])
    return written[0].link_id


async def tell(
    library: Library, what: str, at: str = U, topic: str = "alarm.raised", object_id: UUID | None = None, **data: Any
) -> UUID:
    event = OwnEvent(topic, "Alarm", {"what": what, **data}, object_id)
    position = await append(library.types, library.subject(at), library.organization, event)
    return UUID(int=position.position)
