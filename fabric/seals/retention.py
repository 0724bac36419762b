"""Retention: rows older than a policy allows are pruned, whole seals at a time, with a signed statement of it.

The seals stay. Of events, the one is kept that is the newest of its object and label, or was so when the last of the
pruned ones happened; so the state of every object can be told at that place and at each later one. Rows that do not
match their seals are not pruned: they are evidence.

Only the owner of the tables can do this. It goes in small steps, each a transaction, and can be stopped anywhere.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from fabric.database.db import DRIVER_ERRORS
from fabric.log import Outline
from fabric.seals.prunings import PRUNING_COLUMNS, Pruning, make_pruning, read_pruning
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.seals.seals import AUDIT_LOG, EVENTS, ROWS, SEAL_COLUMNS, Chain, Log, Place, Run, Seal, beginning, read_seal

log = structlog.stdlib.get_logger(__name__)

_LOCK = "select pg_try_advisory_lock(hashtextextended('fabric.retention', 0))"

_ORGANIZATIONS = "select organization_id from fabric.organizations order by organization_id"

_CHAINS = """
with recursive chains as (
    (select label from fabric.seals where organization_id = $1 and log = $2 order by label limit 1)
    union all
    select n.label from chains c cross join lateral (
        select label from fabric.seals where organization_id = $1 and log = $2 and label > c.label
        order by label limit 1) n
)
select label from chains"""

_CHAIN = "s.organization_id = $1 and s.log = $2 and s.label = $3"

_SEALS = (
    f"select {SEAL_COLUMNS} from fabric.seals s where {_CHAIN} and s.sequence between $4 and $5 order by s.sequence"
)

# The first seal that is too young ends what can be pruned, whatever comes after it.
_LAST_OLD = f"""
select coalesce((select min(s.sequence) - 1 from fabric.seals s where {_CHAIN} and s.sequence > $5
                 and s.sealed_at >= $4),
                (select max(s.sequence) from fabric.seals s where {_CHAIN}))"""

_PRUNED_TO = """
select first, last from fabric.prunings where organization_id = $1 and log = $2 and label = $3
order by first desc limit 1"""

_PRUNING = f"""
select {PRUNING_COLUMNS} from fabric.prunings p
where p.organization_id = $1 and p.log = $2 and p.label = $3 and p.first = $4"""

_STATE = """
insert into fabric.prunings (organization_id, log, label, first, last, transaction_id, position, kept, digest,
                             pruned_at, key_id, signature)
values ($1, $2, $3, $4, $5, $6::text::xid8, $7, $8, $9, $10, $11, $12)
on conflict (organization_id, log, label, first) do update set
    kept = excluded.kept, digest = excluded.digest, pruned_at = excluded.pruned_at, key_id = excluded.key_id,
    signature = excluded.signature"""

_SAME = """{0}.organization_id = {1}.organization_id and {0}.entity_id = {1}.entity_id
    and {0}.entity_table = {1}.entity_table and {0}.label = {1}.label"""

# What a removal ended must be gone before the removal is, or it would seem to be there again. Inside the range it goes
# together with it.
_GOES = f"""
case when t.version is null then not exists (
    select from fabric.events e where {_SAME.format("e", "t")}
      and (e.transaction_id, e.position) <= ($3::text::xid8, $4))
else exists (
    select from fabric.events l where {_SAME.format("l", "t")}
      and (l.transaction_id, l.position) > (t.transaction_id, t.position)
      and (l.transaction_id, l.position) <= ($7::text::xid8, $8::bigint)) end"""

# Ranges that have rows which what has been pruned since supersedes, and those with the removals that waited for that.
_SUPERSEDED = f"""
select distinct p.first from fabric.events n
join fabric.events t on {_SAME.format("t", "n")} and (t.transaction_id, t.position) < (n.transaction_id, n.position)
cross join lateral (values (t.transaction_id, t.position), (n.transaction_id, n.position)) r (transaction_id, position)
cross join lateral (
    select p.first from fabric.prunings p
    where p.organization_id = n.organization_id and p.log = 'events' and p.label = n.label
      and (p.transaction_id, p.position) >= (r.transaction_id, r.position)
    order by p.transaction_id, p.position limit 1) p
where n.organization_id = $1 and n.label = $2
  and (n.transaction_id, n.position) > ($3::text::xid8, $4) and (n.transaction_id, n.position) <= ($5::text::xid8, $6)
order by p.first"""


def _rows(of: Log) -> str:
    """Rows of a chain after one place and up to another, and whether each can go by what has come up to a third."""
    return f"""
    select t.transaction_id::text as transaction_id, t.{of.number} as number, {of.content} as content,
           {_GOES if of is EVENTS else "($7::text, $8::bigint) is not null"} as goes
    from fabric.{of.name} t
    where t.organization_id = $1 and t.label = $2
      and (t.transaction_id, t.{of.number}) > ($3::text::xid8, $4)
      and (t.transaction_id, t.{of.number}) <= ($5::text::xid8, $6)
    order by t.transaction_id, t.{of.number} limit $9"""


def _delete(of: Log) -> str:
    return f"delete from fabric.{of.name} where organization_id = $1 and {of.number} = any($2)"


class NotAsSealed(RuntimeError):
    """Rows that should be pruned are not those that were sealed, so they stay."""

    def __init__(self, chain: Chain, organization_id: UUID) -> None:
        super().__init__(f"{chain.log} of organization {organization_id} at label {chain.label}: not as sealed")


@dataclass(frozen=True, slots=True)
class Policy:
    """How old the rows of each log may become; None for ever."""

    events: timedelta | None = None
    audit_log: timedelta | None = None

    @classmethod
    def of_days(cls, events: int, audit_log: int) -> "Policy":
        """0 days mean for ever."""
        return cls(*(timedelta(days=days) if days else None for days in (events, audit_log)))

    def __iter__(self) -> Iterator[tuple[Log, timedelta]]:
        for of, kept in ((EVENTS, self.events), (AUDIT_LOG, self.audit_log)):
            if kept is not None:
                yield of, kept


async def prune(
    admin_url: str,
    policy: Policy,
    key: SealingKey,
    trusted: TrustedKeys,
    *,
    now: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Mapping[str, int], list[NotAsSealed]]:
    """Prunes all organizations; how many rows of each log are gone, and what stood in the way.

    One process at a time does this; where another is at it, nothing is done. `progress` gets how many more are gone.
    """
    gone = {of.name: 0 for of, _ in policy}
    faults: list[NotAsSealed] = []
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval(_LOCK):
            return gone, faults
        await connection.execute("set role semantic_fabric_owner")
        for organization in await connection.fetch(_ORGANIZATIONS):
            for of, kept in policy:
                for row in await connection.fetch(_CHAINS, organization[0], of.name):
                    chain = _Chain(connection, organization[0], of, row[0], key, trusted)
                    try:
                        async for rows in chain.prune((now or datetime.now(UTC)) - kept):
                            gone[of.name] += rows
                            progress(rows)
                    except NotAsSealed as fault:
                        faults.append(fault)
    finally:
        await connection.close()
    return gone, faults


class _Chain:
    """One chain of one organization, as its owner sees it."""

    def __init__(
        self, connection: asyncpg.Connection, organization_id: UUID, of: Log, label: int, key: SealingKey,
        trusted: TrustedKeys,
    ) -> None:  # fmt: skip
        self._connection, self._organization_id, self._of = connection, organization_id, of
        self._chain = Chain(of.name, label)
        self._key, self._trusted = key, trusted

    async def prune(self, before: datetime) -> AsyncIterator[int]:
        """Prunes what was sealed before the moment; how many rows in each step."""
        first, pruned_to = await self._connection.fetchrow(_PRUNED_TO, *self._key_of_chain) or (1, 0)
        last = await self._connection.fetchval(_LAST_OLD, *self._key_of_chain, before, pruned_to)
        if pruned_to:  # it may have been stopped before it had come to what the last range supersedes
            async for rows in self._prune_again(first, pruned_to):
                yield rows
        while pruned_to < last:
            seals = _together(await self._seals(pruned_to + 1, min(last, pruned_to + ROWS)))
            yield await self._step(seals, None, seals[-1].last)
            async for rows in self._prune_again(pruned_to + 1, seals[-1].sequence):
                yield rows
            pruned_to = seals[-1].sequence

    async def _prune_again(self, first: int, last: int) -> AsyncIterator[int]:
        """Of ranges pruned already: what the events under these seals, the last that are pruned, have superseded."""
        if self._of is not EVENTS:
            return
        (_, start), (_, end) = await self._before(first), await self._before(last + 1)
        ranges = await self._connection.fetch(
            _SUPERSEDED, self._organization_id, self._chain.label, str(start.transaction_id), start.number,
            str(end.transaction_id), end.number,
        )  # fmt: skip
        for each in ranges:
            row = await self._connection.fetchrow(_PRUNING, *self._key_of_chain, each["first"])
            pruning = read_pruning(self._organization_id, self._chain, row)
            if pruning is None or not self._trusted.accepts(pruning.key_id, pruning.message, pruning.signature):
                raise NotAsSealed(self._chain, self._organization_id)
            yield await self._step(await self._seals(pruning.first, pruning.last), pruning, end)

    async def _step(self, seals: Sequence[Seal], pruned: Pruning | None, end: Place) -> int:
        """One range, in a transaction. `end` is the place whose state, and all after it, must stay tellable."""
        start, before = await self._before(seals[0].sequence)
        expected = (pruned.digest, pruned.kept) if pruned else (seals[-1].digest, sum(s.covered for s in seals))
        async with self._connection.transaction(isolation="repeatable_read"):
            rows = await self._connection.fetch(
                _rows(self._of), self._organization_id, self._chain.label, str(before.transaction_id), before.number,
                str(seals[-1].last.transaction_id), seals[-1].last.number, str(end.transaction_id), end.number,
                expected[1] + 1,
            )  # fmt: skip
            found, kept = Run(start), Run(start)
            for row in rows:
                place = Place(int(row["transaction_id"]), row["number"])
                found.add(place, row["content"])
                if not row["goes"]:
                    kept.add(place, row["content"])
            if (found.digest, found.rows) != expected:
                raise NotAsSealed(self._chain, self._organization_id)
            if pruned is None or kept.rows < found.rows:
                going = [row["number"] for row in rows if row["goes"]]
                await self._connection.execute(_delete(self._of), self._organization_id, going)
                await self._state(make_pruning(seals[0].sequence, seals[-1], kept, self._key))
        return found.rows - kept.rows

    async def _state(self, pruning: Pruning) -> None:
        await self._connection.execute(
            _STATE, pruning.organization_id, *pruning.chain, pruning.first, pruning.last,
            str(pruning.end.transaction_id), pruning.end.number, pruning.kept, pruning.digest, pruning.pruned_at,
            pruning.key_id, pruning.signature,
        )  # fmt: skip

    async def _before(self, sequence: int) -> tuple[bytes, Place]:
        """The digest and the place that a seal's rows follow."""
        if sequence == 1:
            return beginning(self._organization_id, self._chain), Place(0, 0)
        (seal,) = await self._seals(sequence - 1, sequence - 1)
        return seal.digest, seal.last

    async def _seals(self, first: int, last: int) -> list[Seal]:
        """All of these, each signed; NotAsSealed otherwise."""
        rows = await self._connection.fetch(_SEALS, *self._key_of_chain, first, last)
        seals = [read_seal(self._organization_id, row) for row in rows]
        signed = all(self._trusted.accepts(s.key_id, s.message, s.signature) for s in seals)
        if not signed or [s.sequence for s in seals] != [*range(first, last + 1)]:
            raise NotAsSealed(self._chain, self._organization_id)
        return seals

    @property
    def _key_of_chain(self) -> tuple[UUID, str, int]:
        return self._organization_id, *self._chain


def _together(seals: Sequence[Seal]) -> Sequence[Seal]:
    """So many of them that their rows make one step."""
    rows = 0
    for i, seal in enumerate(seals):
        rows += seal.covered
        if rows >= ROWS:
            return seals[: i + 1]
    return seals


async def keep(admin_url: str, policy: Policy, key: SealingKey, trusted: TrustedKeys, *, every: float = 3600.0) -> None:
    """Prunes for ever: at the start, and every `every` seconds."""
    while True:
        try:
            gone, faults = await prune(admin_url, policy, key, trusted)
            if any(gone.values()):
                log.info("retention.pruned", **gone)
            for fault in faults:
                log.error("retention.refused", reason=str(fault))
        except DRIVER_ERRORS as error:
            log.warning("retention.failed", outline=Outline.of(error))
        await asyncio.sleep(every)
