"""The store of type definitions: reading a session's catalogue, defining, retiring."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from fabric.database.db import Database, StaleTypes, Transaction, retried
from fabric.encryption.encryption import Encryption
from fabric.errors import BadInput, FabricError, Forbidden, NotFound, Several
from fabric.events import journal
from fabric.identity.subject import Session, Subject
from fabric.labels import Lattice
from fabric.types import evolution
from fabric.types.catalogue import Catalogue, Fragment
from fabric.types.changes_planned import Plan, planned
from fabric.types.definitions import Document
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY, build
from fabric.types.projection import Definer, plan
from fabric.types.type_changes import difference

_STAMP = "t.type_name, t.label, t.revision, t.updated_at"
_CONTENT = f"{_STAMP}, t.domain, t.field_schema, t.ui_schema"
_ALL = """
select o.types_revision, {}
from fabric.organizations o left join fabric.type_definitions t using (organization_id)"""
_SOME = f"""
select {_CONTENT} from fabric.type_definitions t
join unnest($1::text[], $2::bigint[]) as wanted(type_name, label) using (type_name, label)"""


class Types:
    """Catalogues by (organization, session label), kept until a definition changes."""

    def __init__(self, database: Database, encryption: Encryption | None = None, capacity: int = 256) -> None:
        """Without `encryption` no field can be encrypted; all writers by these types use it."""
        self._database = database
        self.encryption = encryption
        self._capacity = capacity
        self._catalogues: OrderedDict[Session, Catalogue] = OrderedDict()
        self._stale: set[Session] = set()
        """Those of the sessions that are good only for building a new one on."""
        self._reading: dict[tuple[Session, int], asyncio.Task[Catalogue]] = {}
        self._changes = 0

    async def catalogue(self, session: Session) -> Catalogue:
        """What the session sees. Sessions that see the same share one catalogue in all but identity."""
        known = self._catalogues.get(session)
        if known is not None and session not in self._stale:
            return known
        # Who asks after a change never waits for what was begun before it.
        key = session, self._changes
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read(session, self._changes))
        return await asyncio.shield(reading)

    async def _read(self, session: Session, changes: int) -> Catalogue:
        try:
            async with self._database.transaction(session) as transaction:
                catalogue = await read_catalogue(transaction, self._nearest(session))
            if changes == self._changes:  # otherwise it may be older than what made them
                self._catalogues[session] = catalogue
                self._stale.discard(session)
                if len(self._catalogues) > self._capacity:
                    self._stale.discard(self._catalogues.popitem(last=False)[0])
            return catalogue
        finally:
            del self._reading[session, changes]

    def _nearest(self, session: Session) -> Catalogue | None:
        """One of the organization's, old or new, to build on: the session's own, or the last that was read."""
        if session in self._catalogues:
            return self._catalogues[session]
        others = (c for s, c in reversed(self._catalogues.items()) if s.organization_id == session.organization_id)
        return next(others, None)

    def forget(self, organization_id: UUID | None = None) -> None:
        """Definitions have changed: of one organization, or (after a gap in the notices) perhaps of any."""
        self._changes += 1
        self._stale |= {s for s in self._catalogues if organization_id in (None, s.organization_id)}

    @asynccontextmanager
    async def holding(self, session: Session, catalogue: Catalogue) -> AsyncIterator[Transaction]:
        """A transaction for work prepared by the catalogue, whose definitions stay until it ends.

        StaleTypes if they have changed already; the next `catalogue` is then a new one.
        """
        try:
            async with self._database.transaction(session, holding=catalogue.revision) as transaction:
                yield transaction
        except StaleTypes:
            self.forget(session.organization_id)
            raise

    async def define(self, subject: Subject, lattice: Lattice, documents: Sequence[object]) -> list[str]:
        """Makes or changes types, all of them or none. The names of those that changed.

        Several or BadInput: what is wrong with a document, its path led on from its place. Conflict: what is stored
        that would not fit. Forbidden: a label below the session's, without `label:regrade`.
        """
        subject.require("type:define")
        read = _read_all(documents)
        await self._make_keys(subject, read)

        async def attempt() -> list[str]:
            async with self._database.transaction(subject.session) as transaction:
                before = await self._lock_and_load(transaction)
                after = plan(before, read, Definer(subject.label, lattice))
                return await _replace(transaction, subject, before, after)

        changed = await retried(attempt)
        self.forget(subject.organization_id)
        return changed

    async def plan(
        self, subject: Subject, lattice: Lattice, documents: Sequence[object], *, seen_at: int | None = None
    ) -> Plan:
        """What `define` would come to, without doing any of it. Raises as it does, but for Conflict: that is told.

        Objects are counted as they are seen at the label `seen_at`, the session's if none is given.
        """
        subject.require("type:define")
        read = _read_all(documents)
        async with self._database.transaction(subject.session) as transaction:
            before = await read_catalogue(transaction, self._nearest(transaction.session))
            after = plan(before, read, Definer(subject.label, lattice))
            changed = _changed(subject, before, after)
            found = await _obstacles(transaction, subject, before, after, changed)
            await transaction.act_at(subject.label if seen_at is None else seen_at)
            changes = await planned(transaction, before, after)
        return Plan(changes, tuple(error.message for error in found))

    async def _make_keys(self, subject: Subject, documents: Sequence[Document]) -> None:
        """Makes the keys of the encrypted fields, before there is a transaction."""
        places = {
            (i, "fields", f.name, "encrypted"): f.protection
            for i, document in enumerate(documents)
            for f in document.fields.values()
            if f.protection is not None
        }
        if not places:
            return
        if self.encryption is None:
            message = "a field can be encrypted only where a vault is configured, and none is"
            raise Several([BadInput(message, place) for place in places])
        await self.encryption.make_keys(subject.organization_id, places.values())

    async def retire(self, subject: Subject, name: str) -> None:
        """Takes a type away. NotFound where the session sees none; Conflict while objects of it are there."""
        subject.require("type:retire")

        async def attempt() -> None:
            async with self._database.transaction(subject.session) as transaction:
                before = await self._lock_and_load(transaction)
                if name not in before.types:
                    raise NotFound("no such type", ("typeName",))
                fragments = [f.retired() if f.type_name == name else f for f in before.fragments]
                await _replace(transaction, subject, before, build(fragments, before=before))

        await retried(attempt)
        self.forget(subject.organization_id)

    async def _lock_and_load(self, transaction: Transaction) -> Catalogue:
        """Waits until nobody writes objects by the definitions as they are, and keeps new writers waiting."""
        await transaction.fetchval(
            "select pg_advisory_xact_lock(fabric.types_lock($1))", transaction.session.organization_id
        )
        return await read_catalogue(transaction, self._nearest(transaction.session))


def _read_all(documents: Sequence[object]) -> list[Document]:
    read, errors = [], list[FabricError]()
    for i, value in enumerate(documents):
        try:
            read.append(read_document(value))
        except Several as several:
            errors += [e.under(i) for e in several.errors]
        except FabricError as error:
            errors.append(error.under(i))
    if errors:
        raise Several(errors)
    return read


async def read_catalogue(transaction: Transaction, before: Catalogue | None = None) -> Catalogue:
    """What the transaction's session sees, as of the transaction, built on an earlier catalogue.

    Of the fragments that are in that one only the stamps are read.
    """
    if before is None:
        return _built(await transaction.fetch(_ALL.format(_CONTENT)))
    known = {(f.type_name, f.label): f for f in before.fragments}
    rows = await transaction.fetch(_ALL.format(_STAMP))
    same: list[Fragment] = []
    changed: dict[tuple[str, int], tuple[int, datetime]] = {}
    for _, name, label, revision, written_at in rows:
        fragment = known.get((name, label))
        if fragment is not None and (fragment.revision, fragment.written_at) == (revision, written_at):
            same.append(fragment)
        elif name is not None:
            changed[name, label] = revision, written_at
    read: list[Fragment] = []
    if changed:
        names, labels = zip(*changed, strict=True)
        read = [_fragment(row) for row in await transaction.fetch(_SOME, names, labels)]
    if {(f.type_name, f.label): (f.revision, f.written_at) for f in read} != changed:  # changed between the two looks
        return _built(await transaction.fetch(_ALL.format(_CONTENT)), before)
    return build([*same, *read], rows[0]["types_revision"] if rows else 0, before)


def _built(rows: Sequence[asyncpg.Record], before: Catalogue | None = None) -> Catalogue:
    fragments = [_fragment(row) for row in rows if row["type_name"] is not None]
    return build(fragments, rows[0]["types_revision"] if rows else 0, before or EMPTY)


def _fragment(row: asyncpg.Record) -> Fragment:
    return Fragment(
        row["type_name"], row["label"], row["domain"], row["field_schema"], row["ui_schema"], row["revision"],
        row["updated_at"],
    )  # fmt: skip


async def _replace(transaction: Transaction, subject: Subject, before: Catalogue, after: Catalogue) -> list[str]:
    """Stores the fragments that differ, each at its own label, unless something stored would no longer fit."""
    old = {(f.type_name, f.label): f for f in before.fragments}
    changed = _changed(subject, before, after)
    if found := await _obstacles(transaction, subject, before, after, changed):
        raise Several(found)
    for fragment in changed:
        await transaction.act_at(fragment.label)
        was = old.get((fragment.type_name, fragment.label))
        told = difference(was, fragment, (before, after))
        await _store(transaction, subject, fragment, told, new=was is None)
    return sorted({f.type_name for f in changed})


def _changed(subject: Subject, before: Catalogue, after: Catalogue) -> list[Fragment]:
    """The fragments that differ. Forbidden where the subject may not write one."""
    old = {(f.type_name, f.label): f for f in before.fragments}
    changed = [f for f in after.fragments if old.get((f.type_name, f.label)) != f]
    for fragment in changed:
        if fragment.label != subject.label and "label:regrade" not in subject.permissions:
            raise Forbidden(
                f"{fragment.type_name} is partly defined at another label than your session's: "
                "this needs the permission label:regrade, or a session at that label"
            )
    return changed


async def _obstacles(
    transaction: Transaction, subject: Subject, before: Catalogue, after: Catalogue, changed: Sequence[Fragment]
) -> list[FabricError]:
    """What is in the way at the session label, and at those whose fragments change."""
    found: list[FabricError] = []
    for label in sorted({subject.label, *(f.label for f in changed)}):
        await transaction.act_at(label)
        found += await evolution.obstacles(transaction, before, after)
    return list({(e.path, e.message): e for e in found}.values())


async def _store(
    transaction: Transaction, subject: Subject, fragment: Fragment, told: Mapping[str, Any], *, new: bool
) -> None:  # fmt: skip
    await transaction.fetch(
        """insert into fabric.type_definitions
               (organization_id, type_name, label, domain, field_schema, ui_schema, revision)
           values ($1, $2, $3, $4, $5, $6, 1)
           on conflict (organization_id, type_name, label) do update
           set domain = excluded.domain, field_schema = excluded.field_schema, ui_schema = excluded.ui_schema,
               revision = type_definitions.revision + 1, updated_at = now()""",
        subject.organization_id, fragment.type_name, fragment.label, fragment.domain,
        dict(fragment.schema), fragment.ui_schema,
    )  # fmt: skip
    topic = "type.retired" if fragment.schema.get("retired") else "type.defined" if new else "type.changed"
    entry = journal.Entry(topic, "type_definitions", None, fragment.type_name, told)
    await journal.append(transaction, subject.subject, [entry])
