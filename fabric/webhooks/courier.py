"""One webhook delivered: from events to waiting messages, and from these to the receiver.

A courier is one task. It reads on in the events while there is room for what they come to, sends what is due, the
messages of each entity one after the other, and writes down what came of it. All that it must not forget is in the
tables, so it may end at any point; what was on its way then is sent again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from fabric.database.db import Database, LostRace, Transaction
from fabric.errors import BadInput, FabricError, Forbidden, NoLongerKept, Several
from fabric.events import journal
from fabric.events.feed import Feed, News, Tail
from fabric.identity.organizations import Organization
from fabric.identity.policy import Policy
from fabric.identity.revocations import Revocations
from fabric.identity.subject import Session, Subject
from fabric.log import Outline
from fabric.tasks import ended
from fabric.webhooks import queue
from fabric.webhooks.client import Client, Outcome
from fabric.webhooks.counts import WebhookCounts
from fabric.webhooks.messages import Listener, Teller
from fabric.webhooks.pace import LONGEST_PAUSE, Schedule, Slots
from fabric.webhooks.queue import Failed, Head, Superseded
from fabric.webhooks.signing import secret, signed_headers
from fabric.webhooks.webhooks import PERMISSION, Stop, Webhook

MOST_WAITING = 1_000
"""Messages of one webhook that wait; events are read on only while there are fewer."""

MOST_DEAD = 1_000
"""Messages of one webhook that were given up; then it is stopped."""

AT_ONCE = 8
"""Messages of one webhook that are on their way at once."""

FAILING = 3
"""Failures in a row after which a receiver is sent one message at a time, one in `REST` seconds at most."""

REST = 1.0
_PAGE = 100
_READY = 32
"""Messages of one webhook that are in memory before they are sent."""

_PLACE_KEPT = 10.0
"""Seconds after which the place is stored though no message came of the events."""

_AFTER_FAULT = 1.0
_ENDING = 3.0
"""Seconds that what is on its way gets once the courier is to end."""

_ACTOR = "webhooks"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Office:
    """What all couriers of a process share."""

    database: Database
    feed: Feed
    teller: Teller
    client: Client
    policy: Policy
    revocations: Revocations
    schedule: Schedule
    slots: Slots
    counts: WebhookCounts


class Courier:
    """Of one webhook, that its process has taken. `run` once."""

    def __init__(self, office: Office, organization: Organization, webhook: Webhook) -> None:
        self._office, self._organization, self._webhook = office, organization, webhook
        self._session = Session(webhook.organization_id, webhook.label)
        self._listener: Listener | None = None
        self._place = webhook.place
        self._place_kept = time.monotonic()
        self._waiting = 0
        self._news: asyncio.Task[News] | None = None
        self._ready: deque[Head] = deque()
        self._sending: dict[asyncio.Task[Outcome], Head] = {}
        self._done: list[tuple[Head, Outcome]] = []
        self._failures = 0
        self._recovered = False
        self._rest_until = 0.0
        self._poked = asyncio.Event()
        self.behind: datetime | None = None
        """When the event happened that is told of next; None if all has been told."""

    def poke(self) -> None:
        """Something may be waiting that this courier has not put there."""
        self._poked.set()

    async def run(self) -> None:
        """Delivers until it is cancelled, the webhook is stopped, or another process has it."""
        self._poked.set()
        try:
            async with self._office.feed.following(self._webhook.organization_id) as tail:
                while await self._goes_on(tail):
                    pass
        except Superseded:
            log.info("webhook is delivered elsewhere", webhook_id=self._webhook.webhook_id)
        finally:
            await self._end()

    async def _goes_on(self, tail: Tail) -> bool:
        """One round; False once the webhook is stopped."""
        try:
            return await self._round(tail)
        except Forbidden:
            await self._stop(Stop.FORBIDDEN)
        except NoLongerKept:
            await self._stop(Stop.PRUNED)
        except (BadInput, Several):
            await self._stop(Stop.FILTER)
        except (FabricError, LostRace) as error:
            outline = Outline.of(error.__cause__ or error)
            log.warning("webhook is kept waiting", webhook_id=self._webhook.webhook_id, outline=outline)
            await asyncio.sleep(_AFTER_FAULT)
            return True
        return False

    async def _round(self, tail: Tail) -> bool:
        self._post_ready()
        stop = await self._report() if self._done else None
        if stop is None and await self._is_revoked():
            stop = Stop.REVOKED
        if stop is not None:
            await self._stop(stop)
            return False
        await self._read_on(tail)
        pause = await self._make_ready()
        self._post_ready()
        await self._wait(pause)
        self._collect()
        return True

    async def _is_revoked(self) -> bool:
        w = self._webhook
        return await self._office.revocations.refuses(w.organization_id, w.owner, w.token_id, w.token_issued_at)

    # Events

    async def _read_on(self, tail: Tail) -> None:
        """Has what came of the events wait, and asks for more while there is room."""
        if self._listener is None:
            self._listener = await self._listen()
        news = self._news
        if news is not None and news.done():
            if news.exception() is not None:
                self._news = None  # then it is asked for again
            await self._take(self._listener, news.result())
            self._news = None
        if self._news is None and self._waiting < MOST_WAITING:
            self._news = asyncio.create_task(tail.next(self._place, _PAGE, self._webhook.label))

    async def _listen(self) -> Listener:
        webhook = self._webhook
        subject = Subject(
            organization_id=webhook.organization_id,
            organization=self._organization.name,
            subject=webhook.owner,
            roles=frozenset(webhook.roles),
            permissions=self._office.policy.permissions(frozenset(webhook.roles)),
            clearance=webhook.label,
            label=webhook.label,
            expires_at=float("inf"),
            links=self._office.policy.link_rights(frozenset(webhook.roles)),
        )
        subject.require(PERMISSION)
        return await self._office.teller.listener(subject, self._organization, webhook.subscription, webhook.arguments)

    async def _take(self, listener: Listener, news: News) -> None:
        messages = await listener.messages(news.told)
        if messages or time.monotonic() - self._place_kept > _PLACE_KEPT:
            async with self._transaction() as transaction:
                await queue.move(transaction, self._organization, self._webhook, messages, news.end)
            self._place_kept = time.monotonic()
            self._waiting += len(messages)
        self._place = news.end

    # Messages

    async def _make_ready(self) -> float | None:
        """Reads what is due; after how many seconds there may be more to send, None if something tells."""
        if self._poked.is_set():
            self._poked.clear()
            self._ready.clear()
            async with self._transaction() as transaction:
                self._waiting = await queue.waiting(transaction, self._webhook)
        busy = [*self._ready, *self._sending.values(), *(head for head, _ in self._done)]
        if self._ready or self._waiting <= len(busy):
            self._note_lag(busy)
            return self._rest
        async with self._transaction() as transaction:
            heads = await queue.heads(transaction, self._webhook, [head.entity for head in busy], _READY)
        self._note_lag([*busy, *heads])
        self._ready += [head for head in heads if not head.pause]
        if self._ready or not heads:
            return self._rest
        return max(self._rest or 0.0, min(head.pause for head in heads))

    @property
    def _rest(self) -> float | None:
        """For how many seconds nothing may be sent."""
        rest = self._rest_until - time.monotonic()
        return rest if rest > 0 else None

    def _post_ready(self) -> None:
        """Sends as many as may be on their way."""
        room = 1 if self._failures >= FAILING else AT_ONCE
        while self._ready and len(self._sending) < room and not self._rest:
            head = self._ready.popleft()
            self._sending[asyncio.create_task(self._post(head))] = head

    def _note_lag(self, heads: Collection[Head]) -> None:
        if heads or not self._waiting:
            self.behind = min((head.oldest for head in heads), default=None)

    async def _post(self, head: Head) -> Outcome:
        webhook, office = self._webhook, self._office
        generations = [webhook.generation]
        if webhook.overlap_until is not None and webhook.overlap_until > datetime.now(UTC):
            generations.append(webhook.generation - 1)
        secrets = [secret(self._organization, webhook.webhook_id, each) for each in generations]
        body = head.body.encode()
        async with office.slots.taken(webhook.organization_id):
            headers = signed_headers(secrets, head.delivery_id, int(time.time()), body)
            common = {"content-type": "application/json", "user-agent": "semantic-fabric"}
            outcome = await office.client.post(webhook.url, common | headers, body)
        office.counts.attempts[outcome.kind] += 1
        return outcome

    def _collect(self) -> None:
        """Notes what has arrived, and makes room for others."""
        arrived = [task for task in self._sending if task.done()]
        self._done += [(self._sending.pop(task), task.result()) for task in arrived]
        if arrived:
            self._adapt([task.result() for task in arrived])

    async def _report(self) -> Stop | None:
        """Writes down what came of those that have arrived; why the webhook is to stop, if it is."""
        done = list(self._done)
        delivered = [head.delivery_id for head, outcome in done if outcome.failure is None]
        failed = [self._failed(head, outcome) for head, outcome in done if outcome.failure is not None]
        async with self._transaction() as transaction:
            stop = await queue.report(transaction, self._webhook, delivered, failed, MOST_DEAD)
            if self._recovered:
                await queue.hurry(transaction, self._webhook)
        self._recovered = False
        del self._done[: len(done)]
        given_up = sum(each.given_up for each in failed)
        self._waiting -= len(delivered) + given_up
        self._office.counts.given_up += given_up
        return Stop.GONE if any(outcome.gone for _, outcome in done) else stop

    def _failed(self, head: Head, outcome: Outcome) -> Failed:
        assert outcome.failure is not None
        schedule = self._office.schedule
        given_up = head.age is not None and head.age >= schedule.give_up and not outcome.gone
        return Failed(head.delivery_id, outcome.failure, schedule.pause(head.attempts + 1), given_up)

    def _adapt(self, outcomes: Collection[Outcome]) -> None:
        """Goes easy on a receiver that fails, and comes back to what it has missed once it does not any more."""
        failures = [outcome for outcome in outcomes if outcome.failure is not None]
        if len(failures) < len(outcomes):
            self._recovered |= self._failures >= FAILING
            self._failures = 0
        self._failures += len(failures)
        rest = REST if failures and self._failures >= FAILING else 0.0
        asked = max((outcome.retry_after or 0.0 for outcome in failures), default=0.0)
        self._rest_until = max(self._rest_until, time.monotonic() + max(rest, min(asked, LONGEST_PAUSE)))

    async def _stop(self, reason: Stop) -> None:
        """The webhook is as it was, and goes on there once somebody resumes it."""
        webhook = self._webhook
        async with self._transaction() as transaction:
            if await queue.stop(transaction, webhook, reason):
                detail = {"reason": reason}
                await journal.record(transaction, _ACTOR, "webhook.stopped", webhook.webhook_id, detail)
        self._office.counts.stopped[reason] += 1
        log.warning("webhook stopped", webhook_id=webhook.webhook_id, reason=reason)

    # Waiting and ending

    async def _wait(self, pause: float | None) -> None:
        """Until something on its way has arrived, events have come, something was put here, or the pause is over."""
        poked = asyncio.create_task(self._poked.wait())
        waited: list[asyncio.Task[Any]] = [poked, *self._sending, *([self._news] if self._news else [])]
        await asyncio.wait(waited, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        poked.cancel()

    async def _end(self) -> None:
        """Gives what is on its way a moment to arrive; what does not is sent again by who has the webhook next."""
        given_up: list[asyncio.Task[Any]] = [self._news] if self._news else []
        if self._sending:
            await asyncio.wait(self._sending, timeout=_ENDING)
        self._collect()
        given_up += self._sending
        if self._done:
            with suppress(FabricError, LostRace, Superseded):
                await self._report()
        await ended(*given_up)

    def _transaction(self) -> AbstractAsyncContextManager[Transaction]:
        return self._office.database.transaction(self._session)
