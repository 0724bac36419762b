"""Rotations of keys: asked for, paused and resumed, and how far they are for one reader. `fabric.rotator` does them.

A rotation has the label of the session that began it. How many ciphertexts are left is counted under the reader's own
session, so it tells nothing of what is above; that a rotation is not done yet may mean that something above is left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from fabric.database.db import Database, Transaction, retried
from fabric.encryption.vault_keys import encryption_key, purpose_of
from fabric.errors import BadInput, Conflict, NotFound, VaultUnavailable
from fabric.events import journal
from fabric.events.journal import Entry
from fabric.identity.subject import Subject
from fabric.ids import random_id
from fabric.labels import Lattice
from fabric.types.catalogue import Catalogue
from fabric.types.types import Types
from vault.protocol import KeyState, NoSuchKey, Vault, VaultError

PERMISSION = "keys:rotate"

_COLUMNS = """r.rotation_id, r.label, r.purpose, r.key_name, r.target_version, r.state, r.failure, r.started_by,
    r.started_at, r.finished_at"""

_COUNTED = """
    select count(*) as rows, count(*) filter (where e.key_version < r.target_version) as behind
    from fabric.encrypted_fields e where e.organization_id = r.organization_id and e.key_name = r.key_name"""

_READ = f"""
    select {_COLUMNS}, c.rows, case when r.target_version is null then c.rows else c.behind end as rows_left
    from fabric.key_rotations r cross join lateral ({_COUNTED}) c
    where r.organization_id = $1 and ($2::uuid is null or r.rotation_id = $2)
    order by r.started_at desc, r.rotation_id limit $3"""

_UNDER_WAY = """
    select exists (select from fabric.key_rotations
                   where organization_id = $1 and key_name = $2 and state in ('RUNNING', 'PAUSED'))"""

_INSERT = """
    insert into fabric.key_rotations (organization_id, rotation_id, label, purpose, key_name, started_by)
    values ($1, $2, $3, $4, $5, $6)"""

_MOVE = """
    update fabric.key_rotations set state = $3, updated_at = now()
    where organization_id = $1 and rotation_id = $2 and state = $4 returning rotation_id"""

_ROWS = """
    select key_name, key_version, count(*) as rows from fabric.encrypted_fields
    where organization_id = $1 group by key_name, key_version"""


class State(StrEnum):
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation. `rows` and `rows_left` are counted of what the reader dominates."""

    rotation_id: UUID
    label: int
    purpose: str
    key_name: str
    target_version: int | None
    state: State
    failure: str | None
    started_by: str
    started_at: datetime
    finished_at: datetime | None
    rows: int
    rows_left: int


@dataclass(frozen=True, slots=True)
class Key:
    """The key of one purpose. `rows` is how many ciphertexts the reader dominates, by version."""

    purpose: str
    state: KeyState
    rows: Mapping[int, int]


class KeyRotations:
    """All that callers do with rotations; it needs `keys:rotate`."""

    def __init__(self, database: Database, types: Types, vault: Vault | None, begun: Callable[[], None]) -> None:
        """`begun` is called when there is something to do."""
        self._database, self._types, self._vault, self._begun = database, types, vault, begun

    async def start(self, subject: Subject, purpose: str, *, request_id: str | None = None) -> UUID:
        """Begins to rotate the key of a purpose.

        NotFound for a purpose that no encrypted field has that the subject sees; Conflict while one is under way.
        """
        subject.require(PERMISSION)
        catalogue = await self._types.catalogue(subject.session)
        rotation_id = random_id()

        async def attempt() -> None:
            async with self._database.transaction(subject.session) as transaction:
                if purpose not in await _purposes(transaction, catalogue):
                    raise NotFound("no encrypted field has this purpose", ("purpose",))
                await begin(transaction, rotation_id, purpose, subject.subject, request_id=request_id)

        await retried(attempt)
        self._begun()
        return rotation_id

    async def pause(self, subject: Subject, lattice: Lattice, rotation_id: UUID, *, request_id: str) -> None:
        """Stops it after what it has in hand. Every value stays readable."""
        await self._move(subject, lattice, rotation_id, (State.RUNNING, State.PAUSED), "rotation.paused", request_id)

    async def resume(self, subject: Subject, lattice: Lattice, rotation_id: UUID, *, request_id: str) -> None:
        """Goes on where it was."""
        await self._move(subject, lattice, rotation_id, (State.PAUSED, State.RUNNING), "rotation.resumed", request_id)
        self._begun()

    async def _move(
        self, subject: Subject, lattice: Lattice, rotation_id: UUID, states: tuple[State, State], topic: str,
        request_id: str,
    ) -> None:  # fmt: skip
        subject.require(PERMISSION)

        async def attempt() -> None:
            async with self._database.transaction(subject.session) as transaction:
                found = await read(transaction, 1, rotation_id)
                if not found:
                    raise NotFound("not found", ("rotationId",))
                if found[0].label != subject.label:
                    raise BadInput(f"lower the session label to {lattice.decode(found[0].label)}", ("rotationId",))
                if not await transaction.fetch(_MOVE, subject.organization_id, rotation_id, states[1], states[0]):
                    raise Conflict(f"this is {found[0].state}", ("rotationId",))
                await tell(transaction, subject.subject, topic, found[0], states[1], request_id=request_id)

        await retried(attempt)

    async def seen(self, subject: Subject, limit: int, rotation_id: UUID | None = None) -> Sequence[Rotation]:
        """Those that the subject sees, the newest first."""
        subject.require(PERMISSION)
        async with self._database.transaction(subject.session) as transaction:
            return await read(transaction, limit, rotation_id)

    async def keys(self, subject: Subject) -> list[Key]:
        """The keys of the purposes that the subject sees, by purpose. VaultUnavailable."""
        subject.require(PERMISSION)
        catalogue = await self._types.catalogue(subject.session)
        organization_id = subject.organization_id
        async with self._database.transaction(subject.session) as transaction:
            counted = await transaction.fetch(_ROWS, organization_id)
            purposes = await _purposes(transaction, catalogue)
        rows: dict[str, dict[int, int]] = {}
        for row in counted:
            rows.setdefault(row["key_name"], {})[row["key_version"]] = row["rows"]
        found: list[Key] = []
        if self._vault is None:
            return found
        try:
            for purpose in sorted(purposes):
                key = encryption_key(organization_id, purpose)
                try:
                    found.append(Key(purpose, await self._vault.key_state(key), rows.get(key, {})))
                except NoSuchKey:
                    continue  # nothing was encrypted with it yet
        except VaultError:
            raise VaultUnavailable("the vault does not answer; try again later") from None
        return found


async def read(transaction: Transaction, limit: int, rotation_id: UUID | None = None) -> list[Rotation]:
    """As the transaction's session sees them, the newest first."""
    rows = await transaction.fetch(_READ, transaction.session.organization_id, rotation_id, limit)
    return [_rotation(row) for row in rows]


def _rotation(row: Any) -> Rotation:
    return Rotation(**(dict(row) | {"state": State(row["state"])}))


async def begin(
    transaction: Transaction, rotation_id: UUID, purpose: str, actor: str, *, request_id: str | None = None
) -> None:
    """A new rotation at the session label. Conflict where one is under way that the session sees."""
    session = transaction.session
    key = encryption_key(session.organization_id, purpose)
    if await transaction.fetchval(_UNDER_WAY, session.organization_id, key):
        raise Conflict("this key is being rotated", ("purpose",))
    await transaction.fetch(_INSERT, session.organization_id, rotation_id, session.label, purpose, key, actor)
    (rotation,) = await read(transaction, 1, rotation_id)
    await tell(transaction, actor, "rotation.started", rotation, State.RUNNING, request_id=request_id)


async def tell(
    transaction: Transaction, actor: str, topic: str, rotation: Rotation, state: State, *,
    recorded: bool = True, request_id: str | None = None,
) -> None:  # fmt: skip
    """An event of the rotation at its label, with what that label sees of it; `recorded` in the audit log as well."""
    data = {
        "purpose": rotation.purpose,
        "state": str(state),
        "targetVersion": rotation.target_version,
        "rows": rotation.rows,
        "rowsLeft": rotation.rows_left,
    }
    entry = Entry(topic, "key_rotations", rotation.rotation_id, "KeyRotation", data)
    if recorded:
        await journal.append(transaction, actor, [entry], request_id=request_id)
    else:
        await journal.tell(transaction, actor, entry)


async def _purposes(transaction: Transaction, catalogue: Catalogue) -> set[str]:
    """The purposes of encrypted fields, and of encrypted values, that the session sees."""
    declared = {
        field.protection.purpose
        for object_type in catalogue.types.values()
        for field in object_type.fields.values()
        if field.protection is not None
    }
    rows = await transaction.fetch(
        "select distinct key_name from fabric.encrypted_fields where organization_id = $1",
        transaction.session.organization_id,
    )
    return declared | {purpose_of(row["key_name"]) for row in rows}
