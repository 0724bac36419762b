"""Unlocking: the plaintext of an encrypted field for one person, with a reason, on the record before it is there.

In this order: permission, label, limit, an audit record that is committed, and only then the vault. Where any of it
fails no plaintext has existed. Refusals are recorded as well. All attempts run the same statements, so that how long a
refusal takes tells nothing of why.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from fabric.database.db import Database, Transaction, retried
from fabric.encryption.encryption import value_of
from fabric.encryption.places import Place
from fabric.errors import BadInput, Conflict, FabricError, Internal, NotFound, RateLimited, VaultUnavailable
from fabric.events import journal
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.labels import Lattice
from fabric.names import GRAPHQL_NAME
from fabric.types.definitions import Field
from fabric.types.kinds import JSONValue, Kind
from fabric.types.types import Types
from fabric.unlocking import attempts as unlock_attempts
from fabric.unlocking.attempts import Attempt, Limit
from fabric.unlocking.targets import MOST_FIELDS, Denial, Target, find, nothing, read_again
from vault.protocol import Denied, NotDecryptable, Placed, Throttled, Vault, VaultError

ACTION = "field.unlock"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Unlocked:
    """A value in its field's JSON form, to be forgotten at `expires_at`. It is in no repr."""

    object_id: UUID
    field: str
    label: int
    value: Any
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has been decided and recorded: values to be opened, or why not."""

    targets: Sequence[Target] = ()
    refusal: FabricError | None = None

    def granted(self) -> Sequence[Target]:
        if self.refusal is not None:
            raise self.refusal
        return self.targets


class Unlocking:
    """Unlocks for all organizations. `patience` is how many seconds the vault may take, all its retries included."""

    def __init__(self, database: Database, types: Types, vault: Vault | None, limit: Limit, patience: float) -> None:
        self.database, self.types, self.limit = database, types, limit
        self._vault, self._patience = vault, patience

    async def unlock(
        self, subject: Subject, organization: Organization, object_id: UUID, fields: Sequence[str], attempt: Attempt
    ) -> list[Unlocked]:
        """The values of these fields of the object, all or none.

        NotFound for whatever is not there for the subject; Conflict for a request id that was used, or a field that
        needs a second person; RateLimited; VaultUnavailable, within the patience.
        """
        check_names(fields)

        async def decide() -> Verdict:
            catalogue = await self.types.catalogue(subject.session)
            async with self.types.holding(subject.session, catalogue) as transaction:
                new = await unlock_attempts.claim(transaction, attempt)
                found = await find(transaction, subject, catalogue, object_id, fields)
                refusal = refused(new, found) or _alone(found)
                wait = await unlock_attempts.count(transaction, attempt, 0 if refusal else len(fields), self.limit)
                if refusal is None and wait is not None:
                    refusal = too_many(wait)
                for name, each in zip(fields, found, strict=True):
                    detail = described(organization.lattice, name, each) | cause_of(new, each, refusal)
                    await record(transaction, attempt, ACTION, object_id, detail, refusal)
            return Verdict([each for each in found if isinstance(each, Target)], refusal)

        targets = (await retried(decide)).granted()
        return await self.open(subject, organization, targets, attempt)

    async def open(
        self, subject: Subject, organization: Organization, targets: Sequence[Target], attempt: Attempt
    ) -> list[Unlocked]:
        """The values of what has been granted and recorded. Where it fails, that is recorded too."""
        try:
            async with asyncio.timeout(self._patience):
                values = await self._plaintexts(subject, targets)
            return [_unlocked(target, values[target.place]) for target in targets]
        except (VaultError, TimeoutError) as error:
            log.warning("vault.unlock_failed", kind=type(error).__name__)
            await self._record_failure(subject, organization, targets, attempt, "vault")
            seconds = error.retry_after if isinstance(error, Throttled) else None
            raise _unavailable(seconds) from None
        except _Changed:
            await self._record_failure(subject, organization, targets, attempt, "changed")
            raise Conflict("the value was changed at this very moment; try again") from None
        except _Unreadable:
            log.error("vault.value_unreadable", organization=organization.organization_id)
            await self._record_failure(subject, organization, targets, attempt, "unreadable")
            raise Internal("a value cannot be decrypted") from None

    async def _plaintexts(self, subject: Subject, targets: Sequence[Target]) -> dict[Place, bytes]:
        """One call for each key, all at once. What has been re-enveloped meanwhile is read again, once."""
        plaintexts = await self._decrypted(targets)
        missing = [target for target in targets if target.place not in plaintexts]
        if missing:
            async with self.database.transaction(subject.session) as transaction:
                again = [await read_again(transaction, target) for target in missing]
            same = [target for target in again if target is not None]
            if len(same) < len(again):
                raise _Changed
            plaintexts |= await self._decrypted(same)
        if any(target.place not in plaintexts for target in targets):
            raise _Unreadable
        return plaintexts

    async def _decrypted(self, targets: Sequence[Target]) -> dict[Place, bytes]:
        """Of those that can be decrypted. Raises the first fault of any other kind."""
        by_key: dict[str, list[Target]] = {}
        for target in targets:
            by_key.setdefault(target.key_name, []).append(target)
        vault = self._vault
        if vault is None:
            raise Denied("no vault is configured")
        calls = [
            vault.decrypt(key, [Placed(each.ciphertext, each.place.context) for each in group])
            for key, group in by_key.items()
        ]
        found: dict[Place, bytes] = {}
        for group, answers in zip(by_key.values(), await asyncio.gather(*calls), strict=True):
            for target, answer in zip(group, answers, strict=True):
                if isinstance(answer, bytes):
                    found[target.place] = answer
                elif not isinstance(answer, NotDecryptable):
                    raise answer
        return found

    async def _record_failure(
        self, subject: Subject, organization: Organization, targets: Sequence[Target], attempt: Attempt, cause: str
    ) -> None:
        async def record() -> None:
            async with self.database.transaction(subject.session) as transaction:
                for target in targets:
                    detail = described(organization.lattice, target.field.name, target) | {"cause": cause}
                    await journal.record(
                        transaction, attempt.actor, ACTION, target.place.entity_id, detail,
                        outcome="failed", reason=attempt.reason, request_id=attempt.request_id,
                    )  # fmt: skip

        await retried(record)


class _Changed(Exception):
    """The value that was granted is not there any more."""


class _Unreadable(Exception):
    """The vault answers, and cannot decrypt what is stored."""


def check_names(fields: Sequence[str]) -> None:
    """BadInput for what cannot be names of fields, whatever is defined."""
    good = all(GRAPHQL_NAME.match(name) for name in fields)
    if not fields or not good or len(set(fields)) != len(fields) or len(fields) > MOST_FIELDS:
        raise BadInput(f"name 1 to {MOST_FIELDS} different fields", ("fields",))


def refused(new: bool, found: Sequence[Target | Denial]) -> FabricError | None:
    """Why an attempt ends before it counts, as far as id, permission and label say."""
    if not new:
        return Conflict("this request id was used before", ("requestId",))
    if any(isinstance(each, Denial) for each in found):
        return nothing()
    return None


def _alone(found: Sequence[Target | Denial]) -> FabricError | None:
    """Refuses fields that need a second person."""
    if any(isinstance(each, Target) and each.rule.approvals for each in found):
        return Conflict("a second person has to approve this: use requestUnlock")
    return None


def too_many(wait: float) -> RateLimited:
    return RateLimited("this is more than you may unlock in so short a time", retry_after=wait)


def _unavailable(seconds: float | None) -> VaultUnavailable:
    hint = "later" if seconds is None else f"in {seconds:.0f} seconds"
    return VaultUnavailable(f"the vault does not answer; try again {hint}")


async def record(
    transaction: Transaction, attempt: Attempt, action: str, object_id: UUID | None, detail: dict[str, Any],
    refusal: FabricError | None, granted: str = "granted",
) -> None:  # fmt: skip
    """The audit record of an attempt at one field."""
    await journal.record(
        transaction, attempt.actor, action, object_id, detail,
        outcome="denied" if refusal else granted, reason=attempt.reason, request_id=attempt.request_id,
    )  # fmt: skip


def described(lattice: Lattice, name: str, found: Target | Denial) -> dict[str, Any]:
    """What a record says of a field. Of what is not there it has the name alone, as it was given."""
    if isinstance(found, Denial):
        return {"field": name}
    return {
        "field": name,
        "type": found.object_type.name,
        "version": str(lattice.decode(found.place.label)),
        "keyVersion": found.key_version,
    }


def cause_of(new: bool, found: Target | Denial, refusal: FabricError | None) -> dict[str, Any]:
    """Why this was refused; nothing where it was not."""
    if refusal is None:
        return {}
    if new and isinstance(found, Denial):
        return {"cause": str(found)}
    return {"cause": "another field" if isinstance(refusal, NotFound) else refusal.message}


def shown(field: Field, value: JSONValue) -> JSONValue:
    """A stored value in the JSON form of its kind: a bigint is told as a string."""
    if field.kind is not Kind.BIGINT:
        return value
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def _unlocked(target: Target, plaintext: bytes) -> Unlocked:
    expires_at = datetime.now(UTC) + timedelta(seconds=target.rule.ttl_seconds)
    value = shown(target.field, value_of(plaintext))
    return Unlocked(target.place.entity_id, target.field.name, target.place.label, value, expires_at)
