"""The rotator: makes the new version of a key, and puts every ciphertext of an organization under it.

One process at a time does it for an organization. It goes in batches, and no transaction waits for the vault: what is
read is re-enveloped by the vault, and put in its own place only if that still holds what was read. So an update that
comes between is never lost, and a process that is killed anywhere leaves nothing to be mended: what is under an older
version is found again. The old versions decrypt until nothing is left under them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from fabric.database.background import keep_claiming
from fabric.database.claims import Claims
from fabric.database.db import Database, LostRace, retried
from fabric.encryption import key_rotations
from fabric.encryption.key_rotations import State
from fabric.encryption.places import Place
from fabric.encryption.vault_keys import purpose_of
from fabric.errors import Conflict
from fabric.identity.subject import Session
from fabric.ids import random_id
from fabric.tasks import in_background, woken
from vault.protocol import NoSuchKey, NotDecryptable, Placed, Sealed, Vault, VaultError

BATCH = 100
MOST_UNREADABLE = 1_000
"""Ciphertexts that a rotation leaves aside before it gives up."""

LOOK = 5.0
"""Seconds between two looks for rotations; also between two signs of life, and between two tellings of progress."""

SCHEDULE_LOOK = 3600.0
_AFTER_FAULT = (1.0, 60.0)
_NAME = "semantic-fabric-rotator"
_SCHEDULE = "schedule"
_ROTATOR = "rotator"

_OPEN = "select organization_id, rotation_id, label from fabric.open_rotations()"

_NEXT = """
    select entity_table, entity_id, label, field_name, ciphertext from fabric.encrypted_fields
    where organization_id = $1 and key_name = $2 and key_version < $3
      and not exists (select from unnest($4::text[], $5::uuid[], $6::bigint[], $7::text[]) as t(a, b, c, d)
                      where entity_table = a and entity_id = b and label = c and field_name = d)
    order by key_version limit $8"""

_PUT = """
    update fabric.encrypted_fields e set ciphertext = t.fresh, key_version = t.version
    from unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[])
        as t(entity_table, entity_id, label, field_name, old, fresh, version)
    where e.organization_id = $1 and e.entity_table = t.entity_table and e.entity_id = t.entity_id
      and e.label = t.label and e.field_name = t.field_name and e.ciphertext = t.old"""

_JOB = """
    select key_name, target_version, state from fabric.key_rotations where organization_id = $1 and rotation_id = $2"""

_TARGET = """
    update fabric.key_rotations set target_version = $3, updated_at = now()
    where organization_id = $1 and rotation_id = $2 and target_version is null"""

_END = """
    update fabric.key_rotations set state = $3, failure = $4, updated_at = now(), finished_at = now()
    where organization_id = $1 and rotation_id = $2 and state = 'RUNNING' returning rotation_id"""

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """At most so many ciphertexts a second; keys are rotated once their newest version is so old, 0 for never."""

    rows_per_second: float
    days: float = 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A rotation that runs, and the session at whose label its own row is written."""

    session: Session
    rotation_id: UUID
    key: str
    target: int | None

    @property
    def organization_id(self) -> UUID:
        return self.session.organization_id


@dataclass(frozen=True, slots=True)
class _Old:
    place: Place
    ciphertext: str


def _columns(places: Sequence[Place]) -> tuple[list[str], list[UUID], list[int], list[str]]:
    """Places as four columns of a statement."""
    return (
        [place.entity_table for place in places],
        [place.entity_id for place in places],
        [place.label for place in places],
        [place.field for place in places],
    )


class Rotator:
    """Use `running`, once in a process."""

    def __init__(self, database: Database, vault: Vault, pace: Pace, look: float = LOOK) -> None:
        self._database, self._vault, self._pace, self._look = database, vault, pace, look
        self._woken = asyncio.Event()
        self._scheduled_at = -SCHEDULE_LOOK

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Rotates while the block runs."""
        async with in_background(keep_claiming(self._database, _NAME, self._keep_looking)):
            yield

    def poke(self) -> None:
        """There may be something to do."""
        self._woken.set()

    async def _keep_looking(self, claims: Claims) -> None:
        while True:
            self._woken.clear()
            await claims.processes()
            await self._schedule(claims)
            seen: set[UUID] = set()
            for row in await self._database.ask(_OPEN):
                if row["organization_id"] not in seen and await claims.take(row["organization_id"]):
                    seen.add(row["organization_id"])
                    try:
                        await self._rotate(claims, Session(row["organization_id"], row["label"]), row["rotation_id"])
                    finally:
                        await claims.give_back(row["organization_id"])
            await woken(self._woken, self._look)

    # By policy

    async def _schedule(self, claims: Claims) -> None:
        """Begins rotations, at the lowest label, of the keys whose newest version has become too old."""
        if not self._pace.days or time.monotonic() - self._scheduled_at < SCHEDULE_LOOK:
            return
        self._scheduled_at = time.monotonic()
        for row in await self._database.ask("select organization_id, key_name from fabric.encryption_keys()"):
            if await claims.take(row["organization_id"]):
                try:
                    await self._begin_if_due(row["organization_id"], row["key_name"])
                finally:
                    await claims.give_back(row["organization_id"])

    async def _begin_if_due(self, organization_id: UUID, key: str) -> None:
        try:
            state = await self._vault.key_state(key)
        except VaultError as error:
            log.warning("rotation.not_scheduled", kind=type(error).__name__)
            return
        if datetime.now(UTC) - state.versions[state.latest_version] < timedelta(days=self._pace.days):
            return
        with suppress(Conflict, LostRace):  # one is under way
            async with self._database.transaction(Session(organization_id, 0)) as transaction:
                await key_rotations.begin(transaction, random_id(), purpose_of(key), _SCHEDULE)

    # One rotation

    async def _rotate(self, claims: Claims, session: Session, rotation_id: UUID) -> None:
        """Goes on with a rotation until it ends or is paused. A vault that fails is asked again, later each time."""
        pause = _AFTER_FAULT[0]
        unreadable: set[Place] = set()
        told_at = time.monotonic()
        while True:
            await claims.processes()  # raises where the claims are lost
            job = await self._job(session, rotation_id)
            if job is None:
                return
            try:
                if time.monotonic() - told_at > self._look:
                    told_at = time.monotonic()
                    await self._tell(job)
                if await self._step(job, unreadable):
                    return
                pause = _AFTER_FAULT[0]
            except VaultError as error:
                log.warning("rotation.vault_failed", kind=type(error).__name__, rotation=rotation_id)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _AFTER_FAULT[1])
            except LostRace:
                continue

    async def _job(self, session: Session, rotation_id: UUID) -> _Job | None:
        async with self._database.transaction(session) as transaction:
            row = await transaction.fetchrow(_JOB, session.organization_id, rotation_id)
        if row is None or row["state"] != State.RUNNING:
            return None
        return _Job(session, rotation_id, row["key_name"], row["target_version"])

    async def _tell(self, job: _Job) -> None:
        async with self._database.transaction(job.session) as transaction:
            (now,) = await key_rotations.read(transaction, 1, job.rotation_id)
            await key_rotations.tell(transaction, _ROTATOR, "rotation.progressed", now, now.state, recorded=False)

    async def _step(self, job: _Job, unreadable: set[Place]) -> bool:
        """The next thing to be done; whether it was the last."""
        if job.target is None:
            await self._make_version(job)
            return False
        began = time.monotonic()
        olds = await self._next(job, job.target, unreadable)
        if olds:
            await self._envelop(job, job.target, olds, unreadable)
            await asyncio.sleep(max(0.0, len(olds) / self._pace.rows_per_second - (time.monotonic() - began)))
        elif unreadable and await self._next(job, job.target, set()):
            return await self._fail(job, len(unreadable))
        else:
            return await self._finish(job, job.target)
        return len(unreadable) > MOST_UNREADABLE and await self._fail(job, len(unreadable))

    async def _make_version(self, job: _Job) -> None:
        # Killed between the two, the next one makes another version; the one between is then never used.
        try:
            version = await self._vault.rotate(job.key)
        except NoSuchKey:
            version = 1  # nothing was ever encrypted with it
        async with self._database.transaction(job.session) as transaction:
            await transaction.fetch(_TARGET, job.organization_id, job.rotation_id, version)

    async def _next(self, job: _Job, target: int, aside: set[Place]) -> list[_Old]:
        """Some ciphertexts under older versions, at whatever label."""
        async with self._database.rotating(job.organization_id) as transaction:
            rows = await transaction.fetch(
                _NEXT, job.organization_id, job.key, target, *_columns(list(aside)), BATCH
            )  # fmt: skip
        return [
            _Old(
                Place(job.organization_id, row["entity_table"], row["entity_id"], row["label"], row["field_name"]),
                row["ciphertext"],
            )
            for row in rows
        ]

    async def _envelop(self, job: _Job, target: int, olds: Sequence[_Old], unreadable: set[Place]) -> None:
        """Puts them under the new version. What changes meanwhile stays as it was changed."""
        answers = await self._vault.rewrap(job.key, [Placed(old.ciphertext, old.place.context) for old in olds])
        fresh: list[tuple[_Old, Sealed]] = []
        for old, answer in zip(olds, answers, strict=True):
            if isinstance(answer, NotDecryptable):
                unreadable.add(old.place)
            elif isinstance(answer, VaultError):
                raise answer
            elif answer.key_version < target:
                raise VaultError("the vault does not know the new version yet")
            else:
                fresh.append((old, answer))
        fresh.sort(key=lambda pair: (pair[0].place.entity_id, pair[0].place.field))  # the order of all writers

        async def put() -> None:
            async with self._database.rotating(job.organization_id) as transaction:
                await transaction.fetch(
                    _PUT, job.organization_id, *_columns([old.place for old, _ in fresh]),
                    [old.ciphertext for old, _ in fresh], [new.ciphertext for _, new in fresh],
                    [new.key_version for _, new in fresh],
                )  # fmt: skip

        await retried(put)

    async def _finish(self, job: _Job, target: int) -> bool:
        """Ends it if nothing at all is left under older versions, and nothing can come to be any more."""
        async with self._database.transaction(job.session) as transaction:
            free = await transaction.fetchval("select fabric.raise_key_floor($1, $2)", job.key, target)
        await asyncio.sleep(self._look)  # for who has just read something older, or else for those who store
        if not free:
            return False
        with suppress(NoSuchKey):
            await self._vault.set_minimum_version(job.key, target)
        await self._end(job, State.DONE, None)
        return True

    async def _fail(self, job: _Job, values: int) -> bool:
        log.error("rotation.unreadable", rotation=job.rotation_id, values=values)
        await self._end(job, State.FAILED, "there are values that no version of the key decrypts")
        return True

    async def _end(self, job: _Job, state: State, failure: str | None) -> None:
        topic = "rotation.done" if state is State.DONE else "rotation.failed"

        async def attempt() -> None:
            async with self._database.transaction(job.session) as transaction:
                if await transaction.fetch(_END, job.organization_id, job.rotation_id, state, failure):
                    (now,) = await key_rotations.read(transaction, 1, job.rotation_id)
                    await key_rotations.tell(transaction, _ROTATOR, topic, now, state)

        await retried(attempt)
