"""What links say, with both their ends: one text for each label that sees it differently.

A link, its source and its target can each have several versions. For the three that win at some label there is a
text, at the join of theirs: who sees these three dominates the join, and at the join itself the same three win. So
there is at most one text of a link at a label, and it is a reader's if the labels of what it sees join to that.
"""

import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol, TypeVar
from uuid import UUID

from fabric.labels import winner

_SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


class _Labelled(Protocol):
    @property
    def label(self) -> int: ...
    @property
    def tombstone(self) -> bool: ...


V = TypeVar("V", bound=_Labelled)


@dataclass(frozen=True, slots=True)
class End:
    """A version of an object, by how its text begins."""

    label: int
    tombstone: bool
    head: str


@dataclass(frozen=True, slots=True)
class LinkVersion:
    """`text` is what the link says itself, beside its relation, by the properties `keys`; `said` as `SAID` has it."""

    label: int
    tombstone: bool
    relation: str
    source_id: UUID
    target_id: UUID
    text: str
    said: bytes = b""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Composite:
    """`made_of` says of what, so that who reads knows whether it still is what stands there.

    `keys` are the properties that have a part in it.
    """

    text: str
    made_of: bytes
    keys: tuple[str, ...] = ()


SAID = "sha256(convert_to(concat_ws(' ', {0}.relation, {0}.source_id, {0}.target_id, {0}.properties), 'UTF8'))"
"""Of a version of a link, for SQL: another one where its text is. Neither its weight nor a time enters."""

# Equal to `_made_of`.
MADE_OF = f"""sha256(int8send({{link}}.label) || {SAID.format("{link}")}
    || sha256(convert_to(coalesce({{source}}.head, ''), 'UTF8'))
    || sha256(convert_to(coalesce({{target}}.head, ''), 'UTF8')))"""
"""For SQL: of a link, and of the texts of its ends."""


def composites(link: Sequence[LinkVersion], ends: Mapping[UUID, Sequence[End]]) -> dict[int, Composite]:
    """The texts of one link by their labels, of all its versions and those of all its ends."""
    labels = {
        version.label | source.label | target.label
        for version in link
        for source, target in product(ends.get(version.source_id, ()), ends.get(version.target_id, ()))
    }
    found = {}
    for label in labels:
        version = _seen(link, label)
        if version is None:
            continue
        source, target = (_seen(ends.get(id, ()), label) for id in (version.source_id, version.target_id))
        if source is not None and target is not None and version.label | source.label | target.label == label:
            parts = f"{source.head} {words_of(version.relation)} {target.head}", version.text
            text = "\n".join(part for part in parts if part.strip())
            found[label] = Composite(text, _made_of(version, source, target), version.keys)
    return found


def _made_of(link: LinkVersion, source: End, target: End) -> bytes:
    heads = (hashlib.sha256(end.head.encode()).digest() for end in (source, target))
    return hashlib.sha256(struct.pack(">q", link.label) + link.said + b"".join(heads)).digest()


def words_of(relation: str) -> str:
    """Its name as it would be said: `isPartOf` is part of."""
    return " ".join(word.lower() for word in _SEAM.split(relation) if word)


def _seen(versions: Sequence[V], label: int) -> V | None:
    """Which version wins at a label, if there is something of it to see."""
    at = winner((version.label for version in versions), label)
    return next((version for version in versions if version.label == at and not version.tombstone), None)
