"""What is stored of documents already, at one label; and what is left to do once a changed one has been loaded."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.texts.collection import CHUNKING, DOCUMENT, PASSAGE, Loaded, Stored
from fabric.transfer.batches import SIZE
from fabric.types.catalogue import ObjectType
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

_VERSIONS = """
    from fabric.objects where organization_id = $1 and label = $2 and type_name = $3 and not tombstone"""

_DOCUMENTS = f"select fabric.text(data, $4), fabric.text(data, $5), fabric.text(data, $6) {_VERSIONS}"

_PASSAGES = f"""
    select object_id, fabric.text(data, $4), fabric.text(data, $5) {_VERSIONS} and fabric.text(data, $4) = any($6)"""


class StoredDocuments:
    """The documents at exactly the subject's label."""

    def __init__(self, database: Database, types: Types, subject: Subject, organization: Organization) -> None:
        self._database, self._types, self._objects = database, types, Objects(types)
        self._subject, self._organization = subject, organization

    async def all(self) -> dict[str, Stored]:
        """By path; those whose load was broken off have no digest."""
        document = await self._type(DOCUMENT)
        if document is None:
            return {}
        async with self._database.transaction(self._subject.session) as transaction:
            rows = await transaction.fetch(
                _DOCUMENTS, *self._at(document), *_keys(document, "path", "sha256", "chunking")
            )
        return {path: Stored(digest or "", chunking or "") for path, digest, chunking in rows}

    async def complete(self, documents: dict[str, Loaded]) -> int:
        """Deletes what is stale of documents that were loaded, and says of each that all of it is there.

        How many passages were deleted. A document that was deleted meanwhile is left alone.
        """
        stale = await self._stale(documents)
        await self._write(Change("delete", PASSAGE, object_id=id) for id in stale)
        there = await self.all()
        await self._write(
            Change("update", DOCUMENT, {"path": path, "sha256": loaded.sha256, "chunking": CHUNKING})
            for path, loaded in documents.items()
            if path in there
        )
        return len(stale)

    async def _stale(self, documents: dict[str, Loaded]) -> list[UUID]:
        passage = await self._type(PASSAGE)
        if passage is None:
            return []
        kept = {path: set(loaded.marks) for path, loaded in documents.items()}
        async with self._database.transaction(self._subject.session) as transaction:
            rows = await transaction.fetch(_PASSAGES, *self._at(passage), *_keys(passage, "path", "mark"), [*documents])
        return sorted(id for id, path, mark in rows if mark not in kept[path])

    async def _write(self, changes: Iterable[Change]) -> None:
        for some in _batches([*changes]):
            await self._objects.write(self._subject, self._organization, some)

    def _at(self, object_type: ObjectType) -> tuple[UUID, int, str]:
        return self._subject.organization_id, self._subject.label, object_type.name

    async def _type(self, name: str) -> ObjectType | None:
        return (await self._types.catalogue(self._subject.session)).types.get(name)


def _keys(object_type: ObjectType, *names: str) -> list[str]:
    """Where the fields' values are; a field that somebody has taken away has none anywhere."""
    return [object_type.fields[name].key if name in object_type.fields else name for name in names]


def _batches(changes: list[Change]) -> Iterator[list[Change]]:
    for start in range(0, len(changes), SIZE):
        yield changes[start : start + SIZE]
