"""Unlocks that need a second person: one asks, another approves, and then the first may collect, for some time.

A request has the label of the session that made it, and so has its approval: nobody lower could know of it, and who is
higher lowers the session label to it, so that the approval can be seen where it is needed. It is bound to the value
that was there: once that is changed, nothing of the request holds any more.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction, retried
from fabric.errors import Conflict, FabricError
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.ids import random_id
from fabric.labels import Lattice
from fabric.types.catalogue import Catalogue
from fabric.unlocking import attempts as unlock_attempts
from fabric.unlocking.attempts import Attempt
from fabric.unlocking.targets import PERMISSION, Denial, Target, find
from fabric.unlocking.unlocking import (
    ACTION,
    Unlocked,
    Unlocking,
    Verdict,
    cause_of,
    check_names,
    described,
    record,
    refused,
    too_many,
)

REQUESTED, APPROVED = "field.unlock.requested", "field.unlock.approved"

_INSERT = """
    insert into fabric.unlock_requests (organization_id, unlock_id, label, object_id, version_label, type_name,
                                        field_name, value_written_at, reason, requested_by, needed, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + make_interval(secs => $12))"""

_READ = """
    select r.*, coalesce((select jsonb_agg(jsonb_build_object('by', a.approver, 'at', a.approved_at)
                                           order by a.approved_at, a.approver)
                          from fabric.unlock_approvals a
                          where a.organization_id = r.organization_id and a.unlock_id = r.unlock_id
                            and a.label = r.label), '[]') as approvals
    from fabric.unlock_requests r
    where r.organization_id = $1 and ($2::uuid is null or r.unlock_id = $2)
      and ($3 is false or (r.collected_at is null and r.expires_at > now()))
    order by r.requested_at desc, r.unlock_id limit $4"""

_APPROVE = """
    insert into fabric.unlock_approvals (organization_id, unlock_id, approver, label)
    values ($1, $2, $3, $4) on conflict do nothing returning unlock_id"""

_COLLECT = """
    update fabric.unlock_requests set collected_at = now()
    where organization_id = $1 and unlock_id = $2 and collected_at is null returning unlock_id"""

_GIVE_BACK = "update fabric.unlock_requests set collected_at = null where organization_id = $1 and unlock_id = $2"


class State(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    COLLECTED = "COLLECTED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Approval:
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it stands. `written_at` tells the value that it is bound to."""

    unlock_id: UUID
    label: int
    object_id: UUID
    version_label: int
    type_name: str
    field: str
    written_at: datetime
    reason: str
    requested_by: str
    needed: int
    requested_at: datetime
    expires_at: datetime
    collected_at: datetime | None
    approvals: Sequence[Approval]

    @property
    def state(self) -> State:
        if self.collected_at is not None:
            return State.COLLECTED
        if self.expires_at <= datetime.now(UTC):
            return State.EXPIRED
        return State.APPROVED if len(self.approvals) >= self.needed else State.PENDING


class UnlockRequests:
    """Requests of all organizations; `seconds` is how long each may be approved and collected."""

    def __init__(self, unlocking: Unlocking, seconds: float) -> None:
        self._unlocking, self._seconds = unlocking, seconds

    async def seen(self, subject: Subject, limit: int, *, open_only: bool = True) -> Sequence[Request]:
        """Those that the subject sees, the newest first. Forbidden without the permission to unlock."""
        subject.require(PERMISSION)
        async with self._unlocking.database.transaction(subject.session) as transaction:
            return await _read(transaction, None, open_only, limit)

    async def request(
        self, subject: Subject, organization: Organization, object_id: UUID, field: str, attempt: Attempt
    ) -> Request:
        """Asks for the approval of an unlock. It refuses what `Unlocking.unlock` refuses, and counts as nothing."""
        check_names([field])
        unlock_id = random_id()

        async def decide() -> tuple[Verdict, Request | None]:
            catalogue = await self._unlocking.types.catalogue(subject.session)
            async with self._unlocking.types.holding(subject.session, catalogue) as transaction:
                new = await unlock_attempts.claim(transaction, attempt)
                (found,) = await find(transaction, subject, catalogue, object_id, [field])
                refusal = refused(new, [found])
                await unlock_attempts.count(transaction, attempt, 0, self._unlocking.limit)
                detail = described(organization.lattice, field, found) | cause_of(new, found, refusal)
                await record(transaction, attempt, REQUESTED, object_id, detail, refusal, "done")
                made = None
                if refusal is None and isinstance(found, Target):
                    made = await self._insert(transaction, unlock_id, found, attempt)
            return Verdict(refusal=refusal), made

        verdict, made = await retried(decide)
        verdict.granted()
        assert made is not None
        return made

    async def _insert(self, transaction: Transaction, unlock_id: UUID, target: Target, attempt: Attempt) -> Request:
        session = transaction.session
        await transaction.fetch(
            _INSERT, session.organization_id, unlock_id, session.label, target.place.entity_id, target.place.label,
            target.object_type.name, target.field.name, target.written_at, attempt.reason, attempt.actor,
            max(1, target.rule.approvals), self._seconds,
        )  # fmt: skip
        (made,) = await _read(transaction, unlock_id, False, 1)
        return made

    async def approve(
        self, subject: Subject, organization: Organization, unlock_id: UUID, request_id: str | None
    ) -> Request:
        """Approves what another person asked for, at the label of the request.

        NotFound where the subject could not have unlocked it; Conflict, which says why, where it cannot be approved.
        """

        async def act(transaction: Transaction, case: _Case) -> FabricError | None:
            request = case.request
            if request.requested_by == subject.subject:
                return Conflict("another person has to approve this")
            if not await transaction.fetch(
                _APPROVE, subject.organization_id, unlock_id, subject.subject, request.label
            ):  # fmt: skip
                return Conflict("you have approved this already")
            return None

        _, case = await self._act(subject, organization, unlock_id, request_id, APPROVED, act)
        return case.request

    async def collect(
        self, subject: Subject, organization: Organization, unlock_id: UUID, request_id: str | None
    ) -> Unlocked:
        """The value, once, for who asked for it, when enough others have approved. Where the vault fails, not once."""

        async def act(transaction: Transaction, case: _Case) -> FabricError | None:
            request = case.request
            if request.requested_by != subject.subject:
                return Conflict("only who asked for this can collect it")
            if request.state is not State.APPROVED:
                return Conflict("this is not approved yet")
            wait = await unlock_attempts.count(transaction, case.attempt, 1, self._unlocking.limit)
            if wait is not None:
                return too_many(wait)
            if not await transaction.fetch(_COLLECT, subject.organization_id, unlock_id):
                return Conflict("this was collected already")
            return None

        targets, case = await self._act(subject, organization, unlock_id, request_id, ACTION, act)
        try:
            (unlocked,) = await self._unlocking.open(subject, organization, targets, case.attempt)
        except FabricError:
            async with self._unlocking.database.transaction(subject.session) as transaction:
                await transaction.fetch(_GIVE_BACK, subject.organization_id, unlock_id)
            raise
        return unlocked

    async def _act(
        self, subject: Subject, organization: Organization, unlock_id: UUID, request_id: str | None, action: str,
        act: "_Act",
    ) -> tuple[Sequence[Target], "_Case"]:  # fmt: skip
        """Does something with a request that still holds, and records it. Raises what refused it, recorded too."""
        id = unlock_attempts.request_id_of(request_id)
        unlocking = self._unlocking

        async def decide() -> tuple[Verdict, _Case | None]:
            catalogue = await unlocking.types.catalogue(subject.session)
            async with unlocking.types.holding(subject.session, catalogue) as transaction:
                attempt = Attempt(subject.subject, "", id)
                new = await unlock_attempts.claim(transaction, attempt)
                asked = next(iter(await _read(transaction, unlock_id, False, 1)), None)
                attempt = replace(attempt, reason=asked.reason if asked else "")
                found = await _found(transaction, subject, catalogue, asked)
                await unlock_attempts.count(transaction, attempt, 0, unlocking.limit)
                refusal = refused(new, [found])
                case = None
                if refusal is None and asked is not None and isinstance(found, Target):
                    case = _Case(asked, attempt)
                    refusal = _standing(asked, found, subject, organization.lattice) or await act(transaction, case)
                detail = described(organization.lattice, asked.field if asked else "", found)
                detail |= {"unlockId": str(unlock_id)} | cause_of(new, found, refusal)
                await record(
                    transaction, attempt, action, asked.object_id if asked else None, detail, refusal,
                    "granted" if action == ACTION else "done",
                )  # fmt: skip
                if case is not None and refusal is None:
                    (now,) = await _read(transaction, unlock_id, False, 1)
                    case = _Case(now, attempt)
            return Verdict([found] if isinstance(found, Target) else [], refusal), case

        verdict, case = await retried(decide)
        targets = verdict.granted()
        assert case is not None
        return targets, case


@dataclass(frozen=True, slots=True)
class _Case:
    """A request, and the attempt to do something with it."""

    request: Request
    attempt: Attempt


_Act = Callable[[Transaction, _Case], Awaitable[FabricError | None]]
"""Does it, in the transaction; or says why not."""

_NO_OBJECT = UUID(int=0)


async def _found(
    transaction: Transaction, subject: Subject, catalogue: Catalogue, asked: Request | None
) -> Target | Denial:
    """What the request is about, as the subject could unlock it. For no request too, by the same statements."""
    object_id, field = (asked.object_id, asked.field) if asked else (_NO_OBJECT, "")
    (found,) = await find(transaction, subject, catalogue, object_id, [field])
    return found


def _standing(asked: Request, target: Target, subject: Subject, lattice: Lattice) -> FabricError | None:
    """Why nothing can be done with the request any more, or not from here."""
    if asked.label != subject.label:
        return Conflict(f"lower the session label to that of the request, {lattice.decode(asked.label)}")
    if (target.place.label, target.written_at) != (asked.version_label, asked.written_at):
        return Conflict("the value was changed since this was asked for; ask again")
    if asked.state is State.EXPIRED:
        return Conflict("this has expired; ask again")
    if asked.state is State.COLLECTED:
        return Conflict("this was collected already")
    return None


async def _read(transaction: Transaction, unlock_id: UUID | None, open_only: bool, limit: int) -> list[Request]:
    rows = await transaction.fetch(_READ, transaction.session.organization_id, unlock_id, open_only, limit)
    return [_request(row) for row in rows]


def _request(row: Any) -> Request:
    return Request(
        row["unlock_id"], row["label"], row["object_id"], row["version_label"], row["type_name"], row["field_name"],
        row["value_written_at"], row["reason"], row["requested_by"], row["needed"], row["requested_at"],
        row["expires_at"], row["collected_at"],
        [Approval(each["by"], datetime.fromisoformat(each["at"])) for each in row["approvals"]],
    )  # fmt: skip
