"""By what those who wait for events are found: keys that each event has, and of which a watch names some.

An event is nothing to a watch that names none of its keys. So a hundred readers who follow one object each cost an
event a few lookups, and not a hundred filters. What shares a key may still come to nothing: the watch decides.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from fabric.events.chronicle import Told

Key = tuple[str, str | UUID]

ANY: Key = ("any", "")
"""Of every event."""

LINK: Key = ("link", "")
"""Of every event that concerns a link."""


def ends(ids: Iterable[UUID]) -> frozenset[Key]:
    """Of events that concern a link at one of these objects."""
    return frozenset(("end", id) for id in ids)


def relations(names: Iterable[str]) -> frozenset[Key]:
    """Of events that concern a link of one of these relations."""
    return frozenset(("relation", name) for name in names)


def types(names: Iterable[str]) -> frozenset[Key]:
    """Of events of objects that are, or were, of one of these types at some label."""
    return frozenset(("type", name) for name in names)


def topics(names: Iterable[str]) -> frozenset[Key]:
    """Of events with one of these topics."""
    return frozenset(("topic", name) for name in names)


def subjects(names: Iterable[str]) -> frozenset[Key]:
    """Of events that say that they are of one of these types or relations."""
    return frozenset(("subject", name) for name in names)


def keys_of(told: Told) -> set[Key]:
    """Every key that the event has, at whatever label."""
    return {ANY, ("topic", told.event.topic), ("subject", told.event.entity_type), *_of_links(told), *_of_object(told)}


def _of_links(told: Told) -> Iterator[Key]:
    if told.links:
        yield LINK
    for source, target, versions in told.links.values():
        yield "end", source
        yield "end", target
        for version in versions.values():
            yield "relation", version["relation"]
    if told.event.entity_table == "links":
        for versions in (told.before, told.after):
            for version in versions.values():
                yield "relation", version["relation"]


def _of_object(told: Told) -> Iterator[Key]:
    if told.event.entity_table == "objects":
        for versions in (told.before, told.after):
            for version in versions.values():
                yield "type", version["type_name"]
