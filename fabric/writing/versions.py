"""Polyinstantiation: the rules of labelled versions, and how a table of them is read and written.

The rules are pure functions from the winner a session sees to the version it leaves, at exactly the session label. They
serve objects and links alike; `content` is what the table keeps beside the version's own columns, by column.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric.database.db import LostRace, Transaction
from fabric.errors import Conflict, NotFound

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One labelled version. A tombstone says that nothing is there, at its label and for those who see it win."""

    id: UUID
    label: int
    content: Content
    revision: int
    tombstone: bool = False
    created_at: datetime | None = None
    derived_from: tuple[int, int] | None = None
    """(label, revision) of the lower version that it was made from."""


def alive(winner: Version | None) -> Version:
    """The winner, or NotFound: what does not exist, what is hidden and what is deleted look alike."""
    if winner is None or winner.tombstone:
        raise NotFound("not found")
    return winner


def created(winner: Version | None, id: UUID, label: int, content: Content) -> Version:
    """A new version at `label`; a lower one that shows is covered by it, only one at the same label is in the way."""
    if winner is None:
        return Version(id, label, content, revision=1)
    if winner.label == label and not winner.tombstone:
        raise Conflict("this exists already")
    return Version(id, label, content, winner.revision + 1, created_at=winner.created_at)


def updated(
    winner: Version | None, label: int, content: Content, expected_revision: int | None = None, *, always: bool = False
) -> Version:
    """The winner with new content: revised at its own label, or a version above the one below.

    Itself if equal, unless `always`: for content of which not all can be compared.
    """
    current = expected(alive(winner), expected_revision)
    if current.content == content and not always:
        return current
    return _above(current, label, content=content)


def deleted(winner: Version | None, label: int, expected_revision: int | None = None) -> Version:
    """A tombstone at `label` (`VersionTable.store` leaves none where nothing lower would show)."""
    return _above(expected(alive(winner), expected_revision), label, tombstone=True)


def expected(current: Version, revision: int | None) -> Version:
    if revision is not None and revision != current.revision:
        raise Conflict(f"this is at revision {current.revision} by now", ("expectedRevision",))
    return current


def _above(current: Version, label: int, **changes: Any) -> Version:
    derived = current.derived_from if current.label == label else (current.label, current.revision)
    return replace(current, label=label, revision=current.revision + 1, derived_from=derived, **changes)


MOST_IN_LINE = 100
"""So many objects a transaction waits for one by one: the server's table of locks is limited."""

_TAKE_TURN = """
    select pg_advisory_xact_lock(k) from (
        select distinct hashtextextended($1::uuid::text || id::text, 0) k
        from unnest($2::uuid[]) id order by k) locks"""


class VersionTable:
    """A table of labelled versions.

    `columns` are its content's, with their PostgreSQL types; `fixed` never change; `emptied` is what a tombstone has
    instead of the content, so that what was deleted is gone.
    """

    def __init__(
        self, name: str, key: str, columns: Mapping[str, str], emptied: Content, fixed: frozenset[str] = frozenset()
    ) -> None:
        self.name, self.key, self.columns, self._emptied = name, key, tuple(columns), emptied
        content = ", ".join(columns)
        meta = ("uuid", "bigint", "boolean", "bigint", "bigint", "timestamptz")
        arrays = ", ".join(f"${i}::{t}[]" for i, t in enumerate([*meta, *columns.values()], start=3))
        fields = f"{key}, revision, tombstone, derived_from_label, derived_from_revision, created_at"
        given = f"unnest({arrays}) as t({fields}, {content})"
        self._read = f"""
            select {key}, label, revision, tombstone, derived_from_label, derived_from_revision, created_at, {content}
            from fabric.{name} where {key} = any($1)"""
        self._insert = f"""
            insert into fabric.{name} (organization_id, label, {key}, revision, tombstone, derived_from_label,
                                       derived_from_revision, created_at, {content})
            select $1, $2, {key}, revision, tombstone, derived_from_label, derived_from_revision,
                   coalesce(created_at, now()), {content} from {given}"""
        revised = ["revision", "tombstone", "derived_from_label", "derived_from_revision"]
        revised += [c for c in columns if c not in fixed]
        assignments = ", ".join(f"{c} = t.{c}" for c in revised)
        self._revise = f"""
            update fabric.{name} v set updated_at = now(), {assignments} from {given}
            where v.organization_id = $1 and v.label = $2 and v.{key} = t.{key} and v.revision = t.revision - 1
            returning v.{key}"""
        self._remove = f"""
            delete from fabric.{name} v using unnest($3::uuid[], $4::bigint[]) as t({key}, revision)
            where v.organization_id = $1 and v.label = $2 and v.{key} = t.{key} and v.revision = t.revision
            returning v.{key}"""

    async def take_turn(self, transaction: Transaction, ids: Iterable[UUID]) -> None:
        """Waits until nobody else writes these, and until the transaction ends nobody else does; of very many, nothing.

        They are the locks of the triggers that keep winners, taken in the same order, only before reading.
        """
        wanted = list(ids)
        if len(wanted) <= MOST_IN_LINE:
            await transaction.fetch(_TAKE_TURN, transaction.session.organization_id, wanted)

    async def read(self, transaction: Transaction, ids: Iterable[UUID]) -> dict[UUID, Version]:
        """The winners, tombstones included, that the transaction's session sees."""
        rows = await transaction.fetch(self._read, list(ids))
        return {row[self.key]: self._version(row) for row in rows}

    def _version(self, row: Any) -> Version:
        derived = row["derived_from_label"], row["derived_from_revision"]
        return Version(
            row[self.key], row["label"], {c: row[c] for c in self.columns}, row["revision"], row["tombstone"],
            row["created_at"], None if derived[0] is None else derived,
        )  # fmt: skip

    async def store(
        self, transaction: Transaction, before: Mapping[UUID, Version], after: Mapping[UUID, Version]
    ) -> None:
        """Makes `after`, at the session label, out of what `read` gave. LostRace if another was there first."""
        label = transaction.session.label
        new, revised, gone = [], [], []
        for id, version in after.items():
            old = before.get(id)
            if old is None or old.label != label:
                if old is not None or not version.tombstone:
                    new.append(version)
            elif version.tombstone:
                gone.append(old)
            else:
                revised.append(replace(version, revision=old.revision + 1))
        if revised and len(await self._write(transaction, self._revise, revised)) != len(revised):
            raise LostRace
        if gone:
            new += await self._remove_or_bury(transaction, gone)
        if new:
            await self._write(transaction, self._insert, new)

    async def remove(self, transaction: Transaction, gone: list[Version]) -> None:
        """Deletes the versions at the session label, whatever then shows. LostRace if one has changed."""
        session = transaction.session
        removed = await transaction.fetch(
            self._remove, session.organization_id, session.label, [v.id for v in gone], [v.revision for v in gone]
        )
        if len(removed) != len(gone):
            raise LostRace

    async def _remove_or_bury(self, transaction: Transaction, gone: list[Version]) -> list[Version]:
        """Deletes the rows; the tombstones for those of which a lower version would now show."""
        await self.remove(transaction, gone)
        showing = await self.read(transaction, [v.id for v in gone])
        return [
            replace(v, tombstone=True, revision=v.revision + 1)
            for v in gone
            if v.id in showing and not showing[v.id].tombstone
        ]

    async def _write(self, transaction: Transaction, sql: str, rows: list[Version]) -> list[Any]:
        # One order for all writers, so that two that meet wait for each other instead of deadlocking.
        rows = sorted(rows, key=lambda v: v.id)
        rows = [replace(v, content=v.content | self._emptied) if v.tombstone else v for v in rows]
        session = transaction.session
        return await transaction.fetch(
            sql,
            session.organization_id,
            session.label,
            [v.id for v in rows],
            [v.revision for v in rows],
            [v.tombstone for v in rows],
            [v.derived_from[0] if v.derived_from else None for v in rows],
            [v.derived_from[1] if v.derived_from else None for v in rows],
            [v.created_at for v in rows],
            *([v.content[c] for v in rows] for c in self.columns),
        )
