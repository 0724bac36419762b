"""Registering webhooks, and what their managers do with them; each change is on the record, in its own transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fabric.database.db import Database, LostRace, Transaction, retried
from fabric.errors import BadInput, Conflict, NotFound
from fabric.events import journal
from fabric.events.events import pruned_to, read_now
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.ids import random_id
from fabric.outbound.addresses import Networks
from fabric.webhooks import queue
from fabric.webhooks.messages import Teller
from fabric.webhooks.signing import secret, shown
from fabric.webhooks.webhooks import PERMISSION, Listed, State, Webhook, read_listed, read_one, tell_deliverers

LONGEST_NAME = 200
LONGEST_OVERLAP = timedelta(days=30)

_INSERT = """
insert into fabric.webhooks (organization_id, webhook_id, label, name, url, subscription, arguments, owner, roles,
                             token_id, token_issued_at, transaction_id, position)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"""

_REVISE = """
update fabric.webhooks set name = $2, url = $3, subscription = $4, arguments = $5, owner = $6, roles = $7,
    token_id = $8, token_issued_at = $9, generation = $10, overlap_until = $11, state = $12, stopped_for = $13,
    revision = revision + 1, updated_at = now()
where webhook_id = $1"""


@dataclass(frozen=True, slots=True)
class Given:
    """What a webhook is made of: where it leads, and a subscription with its arguments."""

    name: str
    url: str
    subscription: str
    arguments: Mapping[str, Any]


Letters = Sequence[UUID] | None
"""Ids of dead letters; None for all there are."""

Decide = Callable[[Webhook], Awaitable[Webhook]]
"""From a webhook as it is to what it is to be."""

Act = Callable[[Transaction], Awaitable[None]]
"""What is done beside, in the transaction that stores it."""


class Registry:
    """The webhooks of all organizations. All that it does needs `webhook:manage`."""

    def __init__(self, database: Database, teller: Teller, networks: Networks, most: int) -> None:
        self._database = database
        self._teller = teller
        self._networks = networks
        self._most = most

    async def list(self, subject: Subject) -> list[Listed]:
        subject.require(PERMISSION)
        async with self._database.transaction(subject.session) as transaction:
            return await read_listed(transaction)

    async def find(self, subject: Subject, webhook_id: UUID) -> Listed | None:
        subject.require(PERMISSION)
        async with self._database.transaction(subject.session) as transaction:
            return next(iter(await read_listed(transaction, webhook_id)), None)

    async def dead_letters(self, subject: Subject, webhook_id: UUID, after: int, limit: int) -> queue.DeadLetters:
        subject.require(PERMISSION)
        async with self._database.transaction(subject.session) as transaction:
            return await queue.dead_letters(transaction, webhook_id, after, limit)

    async def create(
        self, subject: Subject, organization: Organization, given: Given, *, request_id: str | None = None
    ) -> UUID:
        """A new webhook at the session label, told of what is committed from now on.

        BadInput, with the path, for what cannot be; Forbidden where the subject could not subscribe to it; Conflict
        where the label has as many as it may.
        """
        subject.require(PERMISSION)
        self._check(given)
        listener = await self._teller.listener(subject, organization, given.subscription, given.arguments)
        webhook_id = random_id()

        async def attempt() -> None:
            async with self._database.transaction(subject.session) as transaction:
                count = "select count(*) from fabric.webhooks where label = $1"
                if await transaction.fetchval(count, subject.label) >= self._most:
                    raise Conflict(f"there are {self._most:,} webhooks at this label, which is as many as there may be")
                place = await read_now(transaction)
                await transaction.fetch(
                    _INSERT, subject.organization_id, webhook_id, subject.label, given.name, given.url,
                    given.subscription, dict(given.arguments), subject.subject, sorted(subject.roles),
                    subject.token_id, subject.issued_at, place.transaction_id, place.position,
                )  # fmt: skip
                webhook = await read_one(transaction, webhook_id)
                assert webhook is not None
                await queue.add(transaction, organization, webhook, [listener.ready(place, datetime.now(UTC))])
                await _record(transaction, subject, "webhook.created", webhook, request_id)

        await retried(attempt)
        return webhook_id

    async def update(
        self, subject: Subject, organization: Organization, webhook_id: UUID, changes: Mapping[str, Any],
        *, expected_revision: int | None = None, request_id: str | None = None,
    ) -> None:  # fmt: skip
        """Changes members of `Given`. Who does so is the owner from then on, and so must be able to subscribe."""

        async def decide(webhook: Webhook) -> Webhook:
            if expected_revision not in (None, webhook.revision):
                raise Conflict(f"this is at revision {webhook.revision} by now", ("expectedRevision",))
            changed = replace(webhook, **changes)
            self._check(Given(changed.name, changed.url, changed.subscription, changed.arguments))
            return await self._owned(subject, organization, changed)

        await self._change(subject, webhook_id, "webhook.updated", request_id, decide)

    async def pause(self, subject: Subject, webhook_id: UUID, *, request_id: str | None = None) -> None:
        """Nothing is delivered until it is resumed."""

        async def decide(webhook: Webhook) -> Webhook:
            return replace(webhook, state=State.PAUSED, stopped_for=None)

        await self._change(subject, webhook_id, "webhook.paused", request_id, decide)

    async def resume(
        self, subject: Subject, organization: Organization, webhook_id: UUID, *, request_id: str | None = None
    ) -> None:
        """Goes on where it was, with all that waits tried at once. Who does so is the owner from then on.

        Where events have been pruned that it did not get to, it goes on after those.
        """

        async def decide(webhook: Webhook) -> Webhook:
            return await self._owned(subject, organization, replace(webhook, state=State.ACTIVE, stopped_for=None))

        async def act(transaction: Transaction) -> None:
            await queue.begin_anew(transaction, webhook_id, await pruned_to(transaction))

        await self._change(subject, webhook_id, "webhook.resumed", request_id, decide, act)

    async def rotate(
        self, subject: Subject, webhook_id: UUID, overlap: timedelta, *, request_id: str | None = None
    ) -> None:
        """A new secret. Messages are signed with the one before as well until the overlap ends."""
        if not timedelta() <= overlap <= LONGEST_OVERLAP:
            raise BadInput(f"secrets overlap for 0 to {LONGEST_OVERLAP // timedelta(hours=1)} hours", ("overlapHours",))

        async def decide(webhook: Webhook) -> Webhook:
            return replace(webhook, generation=webhook.generation + 1, overlap_until=datetime.now(UTC) + overlap)

        await self._change(subject, webhook_id, "webhook.rotated", request_id, decide)

    async def delete(self, subject: Subject, webhook_id: UUID, *, request_id: str | None = None) -> None:
        """Takes the webhook away with all that waits for it."""

        async def act(transaction: Transaction) -> None:
            await queue.clear(transaction, webhook_id)
            await transaction.fetch("delete from fabric.webhooks where webhook_id = $1", webhook_id)

        await self._change(subject, webhook_id, "webhook.deleted", request_id, act=act)

    async def replay(
        self, subject: Subject, webhook_id: UUID, delivery_ids: Letters, *, request_id: str | None = None
    ) -> int:
        """Has dead letters, or all of them, wait for delivery again, in their order; how many."""
        return await self._of_letters(subject, webhook_id, "webhook.replayed", queue.replay, delivery_ids, request_id)

    async def discard(
        self, subject: Subject, webhook_id: UUID, delivery_ids: Letters, *, request_id: str | None = None
    ) -> int:
        """Takes dead letters, or all of them, away; how many."""
        return await self._of_letters(subject, webhook_id, "webhook.discarded", queue.discard, delivery_ids, request_id)

    async def secret(self, subject: Subject, organization: Organization, webhook_id: UUID) -> str:
        """The secret in the form that receivers take; only for who has just made or rotated it."""
        subject.require(PERMISSION)
        async with self._database.transaction(subject.session) as transaction:
            webhook = await _at_the_label(transaction, webhook_id)
        return shown(secret(organization, webhook_id, webhook.generation))

    # Common to all

    def _check(self, given: Given) -> None:
        name = given.name
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise BadInput(f"a name is 1 to {LONGEST_NAME} printable characters", ("name",))
        try:
            self._networks.target(given.url)
        except BadInput as error:
            raise error.under("url") from None

    async def _owned(self, subject: Subject, organization: Organization, webhook: Webhook) -> Webhook:
        """The webhook as the subject's own, if the subject could be told the same."""
        await self._teller.listener(subject, organization, webhook.subscription, webhook.arguments)
        return replace(
            webhook, owner=subject.subject, roles=sorted(subject.roles), token_id=subject.token_id,
            token_issued_at=subject.issued_at,
        )  # fmt: skip

    async def _of_letters(
        self, subject: Subject, webhook_id: UUID, action: str,
        of_letters: Callable[[Transaction, UUID, Letters], Awaitable[int]],
        delivery_ids: Letters, request_id: str | None,
    ) -> int:  # fmt: skip
        number = 0

        async def act(transaction: Transaction) -> None:
            nonlocal number
            number = await of_letters(transaction, webhook_id, delivery_ids)

        await self._change(subject, webhook_id, action, request_id, act=act)
        return number

    async def _change(
        self, subject: Subject, webhook_id: UUID, action: str, request_id: str | None,
        decide: Decide | None = None, act: Act | None = None,
    ) -> None:  # fmt: skip
        """Stores what is decided of the webhook as it was read, unless others were faster, and what else is done."""
        subject.require(PERMISSION)

        async def attempt() -> None:
            async with self._database.transaction(subject.session) as transaction:
                webhook = await _at_the_label(transaction, webhook_id)
            changed = await decide(webhook) if decide else None
            async with self._database.transaction(subject.session) as transaction:
                locked = await read_one(transaction, webhook_id, lock=True)
                if locked is None or locked.revision != webhook.revision:
                    raise LostRace
                if act is not None:
                    await act(transaction)
                if changed is not None:
                    await _store(transaction, changed)
                await _record(transaction, subject, action, changed or webhook, request_id)

        await retried(attempt)


async def _store(transaction: Transaction, w: Webhook) -> None:
    await transaction.fetch(
        _REVISE, w.webhook_id, w.name, w.url, w.subscription, dict(w.arguments), w.owner, w.roles, w.token_id,
        w.token_issued_at, w.generation, w.overlap_until, w.state, w.stopped_for,
    )  # fmt: skip


async def _at_the_label(transaction: Transaction, webhook_id: UUID) -> Webhook:
    """NotFound for what the session does not see, BadInput for what it sees and cannot change."""
    webhook = await read_one(transaction, webhook_id)
    if webhook is None:
        raise NotFound("not found", ("webhookId",))
    if webhook.label != transaction.session.label:
        raise BadInput("this webhook is at another label: lower the session label to it", ("webhookId",))
    return webhook


async def _record(
    transaction: Transaction, subject: Subject, action: str, webhook: Webhook, request_id: str | None
) -> None:
    """Into the audit log: where data goes to, and what kind of it. A path may hold a secret of the receiver's."""
    detail = {"host": urlsplit(webhook.url).hostname, "subscription": webhook.subscription}
    await journal.record(transaction, subject.subject, action, webhook.webhook_id, detail, request_id=request_id)
    await tell_deliverers(transaction)
