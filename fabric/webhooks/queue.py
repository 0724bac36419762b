"""The messages of webhooks that are waiting, and those that were given up, as tables keep them.

What is read of the events is put here in the transaction that moves the webhook's place, and taken away once it is
delivered. So whoever takes over finds all that is not delivered, once, and in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fabric.database.db import Transaction
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.ids import delivery_id
from fabric.webhooks.messages import Message
from fabric.webhooks.webhooks import COLUMNS, Stop, Webhook

_TAKE = f"""
update fabric.webhooks set epoch = epoch + 1 where webhook_id = $1 and state = 'ACTIVE' returning {COLUMNS}"""

_MOVE = """
update fabric.webhooks set transaction_id = $3, position = $4 where webhook_id = $1 and epoch = $2 returning true"""

_ADD = """
insert into fabric.webhook_deliveries
    (organization_id, webhook_id, label, delivery_id, entity, topic, body, occurred_at)
select $1, $2, $3, delivery_id, entity, topic, body, occurred_at
from unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
     with ordinality as m(delivery_id, entity, topic, body, occurred_at, n) order by n"""

# Of each entity only the message that is first may go.
_HEADS = """
with heads as (
    select distinct on (entity) delivery_id, ordinal, entity, attempts, occurred_at, retry_at,
           extract(epoch from now() - first_attempt_at)::float8 as age
    from fabric.webhook_deliveries
    where organization_id = $1 and webhook_id = $2 and state = 'WAITING'
    order by entity, ordinal
), chosen as (
    select *, min(occurred_at) over () as oldest from heads where not entity = any($3)
    order by greatest(retry_at, now()), ordinal limit $4
)
select c.delivery_id, c.entity, c.attempts, c.age, c.oldest, d.body,
       greatest(0, extract(epoch from c.retry_at - now()))::float8 as pause
from chosen c join fabric.webhook_deliveries d
     on d.organization_id = $1 and d.webhook_id = $2 and d.delivery_id = c.delivery_id
order by greatest(c.retry_at, now()), c.ordinal"""

_REPORT = """
update fabric.webhooks
set last_delivered_at = case when $3 then now() else last_delivered_at end,
    failing_since = case when not $3 then coalesce(failing_since, now()) end,
    last_failure = coalesce($4, last_failure)
where webhook_id = $1 and epoch = $2 returning last_delivered_at"""

_DELIVERED = "delete from fabric.webhook_deliveries where webhook_id = $1 and delivery_id = any($2)"

_FAILED = """
update fabric.webhook_deliveries d
set attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, now()), failure = f.failure,
    retry_at = now() + make_interval(secs => f.pause), state = case when f.dead then 'DEAD' else d.state end,
    given_up_at = case when f.dead then now() end
from unnest($2::uuid[], $3::text[], $4::float8[], $5::bool[]) f(delivery_id, failure, pause, dead)
where d.webhook_id = $1 and d.delivery_id = f.delivery_id
returning d.state, d.first_attempt_at"""

_HURRY = "update fabric.webhook_deliveries set retry_at = now() where webhook_id = $1 and state = 'WAITING'"

_STOP = """
update fabric.webhooks set state = 'STOPPED', stopped_for = $3, revision = revision + 1, updated_at = now()
where webhook_id = $1 and epoch = $2 and state = 'ACTIVE' returning true"""

_COUNT = "select count(*) from fabric.webhook_deliveries where webhook_id = $1 and state = $2"

_LETTERS = """
select delivery_id, ordinal, topic, body, attempts, failure, occurred_at, first_attempt_at, given_up_at
from fabric.webhook_deliveries where webhook_id = $1 and state = 'DEAD' and ordinal > $2
order by ordinal limit $3"""

_REPLAY = """
update fabric.webhook_deliveries
set state = 'WAITING', attempts = 0, first_attempt_at = null, given_up_at = null, retry_at = now()
where webhook_id = $1 and state = 'DEAD' and ($2::uuid[] is null or delivery_id = any($2))
returning true"""

_DISCARD = """
delete from fabric.webhook_deliveries
where webhook_id = $1 and state = 'DEAD' and ($2::uuid[] is null or delivery_id = any($2))
returning true"""

_BEGIN_ANEW = """
update fabric.webhook_deliveries set attempts = 0, first_attempt_at = null, retry_at = now()
where webhook_id = $1 and state = 'WAITING'"""

_FORGET_FAILURES = """
update fabric.webhooks set failing_since = null, (transaction_id, position) = (
    select t, n from (values (transaction_id, position), ($2::bigint, $3::bigint)) p (t, n)
    order by t desc, n desc limit 1)
where webhook_id = $1"""


class Superseded(Exception):
    """Another process delivers this webhook by now, or it is gone."""


@dataclass(frozen=True, slots=True)
class Head:
    """The message of its entity that is to go next, in `pause` seconds.

    `age` is how many seconds ago it was first tried, None if it was not yet. `oldest` is the time of the event that is
    the longest behind of all that wait.
    """

    delivery_id: UUID
    entity: str
    body: str
    attempts: int
    age: float | None
    pause: float
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that was not taken: why, and after how many seconds it is tried again, if it is not given up."""

    delivery_id: UUID
    failure: str
    pause: float
    given_up: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up. `ordinal` is its place among the webhook's, and told to nobody."""

    delivery_id: UUID
    ordinal: int
    topic: str
    body: str
    attempts: int
    failure: str
    occurred_at: datetime
    first_attempt_at: datetime
    given_up_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Some of a webhook's in order, whether there are more after them, and how many there are in all."""

    letters: list[DeadLetter]
    more: bool
    total: int


# For managers, at the session label; all but reading needs one that is the webhook's.


async def dead_letters(transaction: Transaction, webhook_id: UUID, after: int, limit: int) -> DeadLetters:
    rows = await transaction.fetch(_LETTERS, webhook_id, after, limit + 1)
    letters = [DeadLetter(**dict(row)) for row in rows[:limit]]
    return DeadLetters(letters, len(rows) > limit, await transaction.fetchval(_COUNT, webhook_id, "DEAD"))


async def replay(transaction: Transaction, webhook_id: UUID, delivery_ids: Sequence[UUID] | None) -> int:
    """Has dead letters wait again, each before what came later of its entity; how many."""
    return len(await transaction.fetch(_REPLAY, webhook_id, delivery_ids))


async def discard(transaction: Transaction, webhook_id: UUID, delivery_ids: Sequence[UUID] | None) -> int:
    return len(await transaction.fetch(_DISCARD, webhook_id, delivery_ids))


async def begin_anew(transaction: Transaction, webhook_id: UUID, place: Position) -> None:
    """All that waits is due, and as if it had never been tried; events are read on from the place at the earliest."""
    await transaction.fetch(_BEGIN_ANEW, webhook_id)
    await transaction.fetch(_FORGET_FAILURES, webhook_id, place.transaction_id, place.position)


async def clear(transaction: Transaction, webhook_id: UUID) -> None:
    await transaction.fetch("delete from fabric.webhook_deliveries where webhook_id = $1", webhook_id)


async def add(
    transaction: Transaction, organization: Organization, webhook: Webhook, messages: Sequence[Message]
) -> None:
    await transaction.fetch(
        _ADD, webhook.organization_id, webhook.webhook_id, webhook.label,
        [delivery_id(organization, webhook.webhook_id, m.position, m.number) for m in messages],
        [m.entity for m in messages], [m.topic for m in messages], [m.body for m in messages],
        [m.occurred_at for m in messages],
    )  # fmt: skip


# For who delivers. All that writes raises Superseded once another does.


async def take(transaction: Transaction, webhook_id: UUID) -> Webhook | None:
    """The webhook to be delivered from now on by the caller alone; None if it is not to be."""
    row = await transaction.fetchrow(_TAKE, webhook_id)
    return Webhook.of(row) if row else None


async def move(
    transaction: Transaction, organization: Organization, webhook: Webhook, messages: Sequence[Message], place: Position
) -> None:
    """Has the messages wait, which are all that the events up to the place come to."""
    position = place.transaction_id, place.position
    if not await transaction.fetchval(_MOVE, webhook.webhook_id, webhook.epoch, *position):
        raise Superseded
    if messages:
        await add(transaction, organization, webhook, messages)


async def heads(transaction: Transaction, webhook: Webhook, busy: Sequence[str], limit: int) -> list[Head]:
    """The first message of each entity but the busy ones: those that are due first, then as they will be."""
    rows = await transaction.fetch(_HEADS, webhook.organization_id, webhook.webhook_id, busy, limit)
    return [Head(**dict(row)) for row in rows]


async def waiting(transaction: Transaction, webhook: Webhook) -> int:
    number: int = await transaction.fetchval(_COUNT, webhook.webhook_id, "WAITING")
    return number


async def report(
    transaction: Transaction, webhook: Webhook, delivered: Sequence[UUID], failed: Sequence[Failed], most_dead: int
) -> Stop | None:
    """Takes away what was delivered, has the rest wait, or gives it up; why the webhook is to stop, if so."""
    last = failed[-1].failure if failed else None
    row = await transaction.fetchrow(_REPORT, webhook.webhook_id, webhook.epoch, bool(delivered), last)
    if row is None:
        raise Superseded
    if delivered:
        await transaction.fetch(_DELIVERED, webhook.webhook_id, delivered)
    if not failed:
        return None
    rows = await transaction.fetch(
        _FAILED, webhook.webhook_id, [f.delivery_id for f in failed], [f.failure for f in failed],
        [f.pause for f in failed], [f.given_up for f in failed],
    )  # fmt: skip
    dead = [r["first_attempt_at"] for r in rows if r["state"] == "DEAD"]
    if dead and (row["last_delivered_at"] is None or row["last_delivered_at"] < min(dead)):
        return Stop.FAILING
    if dead and await transaction.fetchval(_COUNT, webhook.webhook_id, "DEAD") >= most_dead:
        return Stop.DEAD_LETTERS
    return None


async def hurry(transaction: Transaction, webhook: Webhook) -> None:
    """All that waits is due: the receiver takes messages again."""
    await transaction.fetch(_HURRY, webhook.webhook_id)


async def stop(transaction: Transaction, webhook: Webhook, reason: Stop) -> bool:
    """Whether it was this that stopped it."""
    return bool(await transaction.fetchval(_STOP, webhook.webhook_id, webhook.epoch, reason))
