"""Registered documents: texts of GraphQL that are asked for by their SHA-256, each at the label of its registrar.

A session finds what its label dominates. What is registered above it is not found, exactly as what never was.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from fabric.database.db import READ, Database, Transaction, retried
from fabric.events import journal
from fabric.identity.subject import Session, Subject
from fabric.text_cache import TextCache

FOUND_SECONDS = 30.0
"""How long a document that was found is run without asking again: so long after it is removed it may still run."""

MISSED_SECONDS = 5.0
"""How long one that was not found is not looked for: so long after it is registered elsewhere it may not be found."""

MEMORY = 16_000_000
"""Characters of documents that one process keeps."""

_ID = re.compile(r"sha256:[0-9a-f]{64}")

_FIND = READ.format("select d.text from fabric.documents d where d.organization_id = s.org and d.sha256 = $3 limit 1")

_ADD = """
insert into fabric.documents (organization_id, sha256, label, text, registered_by)
select $1, sha256, $2, text, $5 from unnest($3::bytea[], $4::text[]) as t(sha256, text)
on conflict do nothing returning sha256"""

_REMOVE = "delete from fabric.documents where label = $1 and sha256 = any($2) returning sha256"

_LIST = "select sha256, label, text, registered_by, created_at from fabric.documents order by created_at, sha256, label"


@dataclass(frozen=True, slots=True)
class Registered:
    id: str
    label: int
    text: str
    registered_by: str
    registered_at: datetime


def document_id(text: str) -> str:
    """`sha256:` and the hash in hexadecimal digits, as GraphQL over HTTP has it."""
    return _named(sha256(text.encode()).digest())


def is_document_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


class DocumentRegister:
    """The store of them, with what was looked up last."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._looked_up: TextCache[tuple[Session, str]] = TextCache(MEMORY)

    async def find(self, session: Session, id: str) -> str | None:
        """The document of this id that the session sees, or None."""
        kept = self._looked_up.get((session, id), self._clock())
        if kept is not None:
            return kept.text
        text: str | None = await self._database.read(session, _FIND, (_hash(id),))
        until = self._clock() + (MISSED_SECONDS if text is None else FOUND_SECONDS)
        self._looked_up.keep((session, id), text, until)
        return text

    async def register(self, subject: Subject, texts: Sequence[str], *, request_id: str | None = None) -> list[str]:
        """Registers the texts at the session label, all or none; the ids of those that were not there. Forbidden.

        Whether they are documents at all is for the caller to see.
        """
        subject.require("document:register")
        by_id = dict(sorted({document_id(text): text for text in texts}.items()))  # in one order, against deadlocks

        async def attempt() -> list[str]:
            async with self._database.transaction(subject.session) as transaction:
                rows = await transaction.fetch(
                    _ADD, subject.organization_id, subject.label, list(map(_hash, by_id)), list(by_id.values()),
                    subject.subject,
                )  # fmt: skip
                return await _told(transaction, subject, "registered", (row["sha256"] for row in rows), request_id)

        new = await retried(attempt)
        for id in by_id:
            self._looked_up.drop((subject.session, id))
        return new

    async def remove(self, subject: Subject, ids: Sequence[str], *, request_id: str | None = None) -> list[str]:
        """Takes away what is registered at exactly the session label; the ids of what was there. Forbidden."""
        subject.require("document:register")

        async def attempt() -> list[str]:
            async with self._database.transaction(subject.session) as transaction:
                rows = await transaction.fetch(_REMOVE, subject.label, list(map(_hash, ids)))
                return await _told(transaction, subject, "removed", (row["sha256"] for row in rows), request_id)

        gone = await retried(attempt)
        for id in ids:
            self._looked_up.drop((subject.session, id))
        return gone

    async def listed(self, session: Session) -> list[Registered]:
        """All that the session sees, the oldest first."""
        async with self._database.transaction(session) as transaction:
            rows = await transaction.fetch(_LIST)
        return [
            Registered(_named(r["sha256"]), r["label"], r["text"], r["registered_by"], r["created_at"]) for r in rows
        ]


async def _told(
    transaction: Transaction, subject: Subject, what: str, hashes: Iterable[bytes], request_id: str | None
) -> list[str]:
    """Leaves an event and an audit record of each document; their ids."""
    ids = sorted(map(_named, hashes))
    entries = [journal.Entry(f"document.{what}", "documents", None, id, {}) for id in ids]
    if entries:
        await journal.append(transaction, subject.subject, entries, request_id=request_id)
    return ids


def _hash(id: str) -> bytes:
    return bytes.fromhex(id.removeprefix("sha256:"))


def _named(hash: bytes) -> str:
    return f"sha256:{hash.hex()}"
