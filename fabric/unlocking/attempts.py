"""Attempts to unlock: each has an id that is used once, and what is unlocked counts, whatever the session label.

Both live in the database behind functions (see migrations/versions/0009_unlocking.py), so that they hold across
processes, and for a person as a whole: lowering the session label gives no second allowance.
"""

from dataclasses import dataclass
from uuid import uuid4

from fabric.database.db import Transaction
from fabric.errors import BadInput

LONGEST_REASON = 1_000
LONGEST_REQUEST_ID = 200

_CLAIM = "select fabric.claim_unlock($1, $2)"
_COUNT = "select fabric.count_unlocks($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many fields may one person unlock within so many seconds, whenever they begin."""

    fields: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One use of an unlocking mutation. The id is the caller's, or one of ours where none was given."""

    actor: str
    reason: str
    request_id: str

    @classmethod
    def of(cls, actor: str, reason: str, request_id: str | None) -> "Attempt":
        """BadInput for a reason or an id that cannot be."""
        return cls(actor, reason_of(reason), request_id_of(request_id))


def reason_of(text: str) -> str:
    """Why somebody unlocks, as it is recorded."""
    reason = text.strip()
    if not reason or len(reason) > LONGEST_REASON or "\0" in reason:
        raise BadInput(f"a reason has 1 to {LONGEST_REASON:,} characters", ("reason",))
    return reason


def request_id_of(text: str | None) -> str:
    """The id of an attempt."""
    if text is None:
        return uuid4().hex
    if not text or len(text) > LONGEST_REQUEST_ID or not text.isprintable():
        raise BadInput(f"a request id has 1 to {LONGEST_REQUEST_ID} printable characters", ("requestId",))
    return text


async def claim(transaction: Transaction, attempt: Attempt) -> bool:
    """Whether the id is new. The person's other attempts wait until the transaction ends."""
    return bool(await transaction.fetchval(_CLAIM, attempt.actor, attempt.request_id))


async def count(transaction: Transaction, attempt: Attempt, fields: int, limit: Limit) -> float | None:
    """Counts the fields; or, where they are too many, how many seconds from now they will not be."""
    seconds: float | None = await transaction.fetchval(
        _COUNT, attempt.actor, attempt.request_id, fields, limit.fields, limit.seconds
    )
    return seconds
