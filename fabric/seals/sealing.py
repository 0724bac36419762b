"""The sealer: seals what has been committed, about a second later, one process at a time for each organization.

Writers know nothing of it, so they never queue on a chain. It is woken by what wakes followers, and asks once at its
start which organizations have rows without a seal. A pass is one transaction: it can be killed anywhere, and any other
process can go on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog

from fabric.database.db import Database, LostRace, Transaction
from fabric.errors import FabricError
from fabric.events.feed import CHANNEL
from fabric.log import Outline
from fabric.seals import checkpoints
from fabric.seals.checkpoints import Checkpoint, CheckpointError, ForgedSeal
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.seals.seals import (
    LOGS,
    ROWS,
    SEAL_COLUMNS,
    Chain,
    Head,
    Log,
    Place,
    Run,
    Seal,
    beginning,
    make_seal,
    read_seal,
)
from fabric.secrets import SecretError
from fabric.tasks import in_background

INTERVAL = 1.0
"""Seconds between two passes. They begin with the second of the clock, so that they tell nothing of who wrote when."""

MOST = 100_000
"""Rows in one pass."""

_AFTER_FAILURE = 5.0
_LAST_PASS = 5.0
"""Seconds that the pass may take that is made when the process stops."""

_AT_ONCE = 200
"""Rows fetched together, and hashed without letting others run: about a millisecond."""

_LOCK = "select pg_try_advisory_xact_lock(hashtextextended('fabric.seals' || $1, 0))"

_SEALED_TO = """
select s.transaction_id::text as transaction_id, s.position from fabric.seals s
where s.log = $1 order by s.transaction_id desc, s.position desc limit 1"""

_HEAD = f"select {SEAL_COLUMNS} from fabric.seals s where s.log = $1 and s.label = $2 order by s.sequence desc limit 1"

_ADD = """
insert into fabric.seals (organization_id, log, label, sequence, transaction_id, position, covered, marks, previous,
                          digest, sealed_at, key_id, signature)
select $1, $2, $3, sequence, transaction_id::xid8, position, covered, marks, previous, digest, sealed_at, $4, signature
from unnest($5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bytea[], $11::bytea[],
            $12::timestamptz[], $13::bytea[])
    as s (sequence, transaction_id, position, covered, marks, previous, digest, sealed_at, signature)"""

log = structlog.stdlib.get_logger(__name__)


def _rows(of: Log) -> str:
    return f"""
    select t.label, t.transaction_id::text as transaction_id, t.{of.number} as number, {of.content} as content
    from fabric.{of.name} t
    where (t.transaction_id, t.{of.number}) > ($1::text::xid8, $2)
      and t.transaction_id < (select fabric.oldest_transaction())
    order by t.transaction_id, t.{of.number} limit $3"""


def _more(of: Log) -> str:
    """Whether rows come after a place, ready or held back by a transaction that still runs."""
    # In order, though any would do: without it the planner may look for one from the wrong end.
    return f"""
    select (select true from fabric.{of.name} t where (t.transaction_id, t.{of.number}) > ($1::text::xid8, $2)
            and t.transaction_id < (select fabric.next_transaction())
            order by t.transaction_id, t.{of.number} limit 1) is not null"""


@dataclass(frozen=True, slots=True)
class Pass:
    """What came of one pass: the new heads of chains, and whether there is more to seal."""

    heads: Mapping[Chain, Head]
    more: bool
    lost: tuple[Chain, ...] = ()
    """Chains that were further by the checkpoint that is kept than they are now."""


async def seal(
    database: Database,
    organization_id: UUID,
    key: SealingKey,
    trusted: TrustedKeys,
    known: Mapping[Chain, Head],
) -> Pass:
    """Seals what is ready in both logs of an organization. ForgedSeal where a chain's end is none of ours.

    `known` are heads that a checkpoint tells of. Where another process is at it, nothing is done.
    """
    try:
        async with database.following(organization_id) as transaction:
            if not await transaction.fetchval(_LOCK, str(organization_id)):
                return Pass({}, True)
            lost = tuple(await checkpoints.missing(transaction, known)) if known else ()
            seals: list[Seal] = []
            more = False
            for each in LOGS:
                new, rest = await _sealed(transaction, each, key, trusted)
                seals += new
                more |= rest
            await _add(transaction, seals)
    except LostRace:
        return Pass({}, True)
    return Pass({s.chain: s.head for s in seals}, more, lost)


async def _sealed(transaction: Transaction, of: Log, key: SealingKey, trusted: TrustedKeys) -> tuple[list[Seal], bool]:
    """New seals of one log, of all labels, up to one place in it; whether more comes after."""
    organization_id = transaction.session.organization_id
    # What stands before the last row under any seal is sealed: each pass takes the rows of all labels in order.
    start = await transaction.fetchrow(_SEALED_TO, of.name)
    sealed_to = place = Place(int(start["transaction_id"]), start["position"]) if start else Place(0, 0)
    heads: dict[int, Head | None] = {}
    runs: dict[int, Run] = {}
    seals: list[Seal] = []

    def close(label: int) -> None:
        made = make_seal(organization_id, Chain(of.name, label), heads[label], runs[label], key, datetime.now(UTC))
        seals.append(made)
        heads[label] = made.head
        runs[label] = Run(made.digest)

    async for row in transaction.cursor(_rows(of), str(place.transaction_id), place.number, MOST, size=_AT_ONCE):
        label = row["label"]
        if label not in runs:
            heads[label] = await _head(transaction, Chain(of.name, label), trusted, sealed_to)
            head = heads[label]
            runs[label] = Run(head.digest if head else beginning(organization_id, Chain(of.name, label)))
        place = Place(int(row["transaction_id"]), row["number"])
        runs[label].add(place, row["content"])
        if runs[label].rows == ROWS:
            close(label)
    for label, run in list(runs.items()):
        if run.rows:
            close(label)
    return seals, bool(await transaction.fetchval(_more(of), str(place.transaction_id), place.number))


async def _head(transaction: Transaction, chain: Chain, trusted: TrustedKeys, sealed_to: Place) -> Head | None:
    """The chain's end. LostRace where it is further than all was sealed to: another has sealed these rows meanwhile."""
    row = await transaction.fetchrow(_HEAD, *chain)
    if row is None:
        return None
    found = read_seal(transaction.session.organization_id, row)
    if not trusted.accepts(found.key_id, found.message, found.signature):
        raise ForgedSeal(chain)
    if found.last > sealed_to:
        raise LostRace
    return found.head


async def _add(transaction: Transaction, seals: list[Seal]) -> None:
    """Each seal at its label, as the role that row security holds."""
    if not seals:
        return
    await transaction.stop_following()
    for chain in sorted({s.chain for s in seals}):
        await transaction.act_at(chain.label)
        of_chain = [s for s in seals if s.chain == chain]
        await transaction.fetch(
            _ADD,
            transaction.session.organization_id, *chain, of_chain[0].key_id,
            [s.sequence for s in of_chain], [str(s.last.transaction_id) for s in of_chain],
            [s.last.number for s in of_chain], [s.covered for s in of_chain], [s.marks for s in of_chain],
            [s.previous for s in of_chain], [s.digest for s in of_chain], [s.sealed_at for s in of_chain],
            [s.signature for s in of_chain],
        )  # fmt: skip


class Sealer:
    """Seals as long as it runs, and keeps a checkpoint of each organization in the data folder."""

    def __init__(self, database: Database, key: SealingKey, trusted: TrustedKeys, data_dir: Path) -> None:
        self._database, self._key, self._trusted, self._data_dir = database, key, trusted, data_dir
        self._told: set[UUID] = set()
        self._ask = True
        self._woken = asyncio.Event()
        self.alarmed: set[UUID] = set()
        """Organizations in which something is wrong with seals or checkpoints, as the log says."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Seals while the block runs, and once more when it ends."""
        async with self._database.listening(CHANNEL, self._notice):
            try:
                async with in_background(self._keep_sealing()):
                    yield
            finally:
                with suppress(FabricError, LostRace, TimeoutError):
                    async with asyncio.timeout(_LAST_PASS):
                        await self._round()

    def _notice(self, organization_id: UUID | None) -> None:
        if organization_id is None:
            self._ask = True
        else:
            self._told.add(organization_id)
        self._woken.set()

    async def _keep_sealing(self) -> None:
        while True:
            await self._woken.wait()
            await asyncio.sleep(INTERVAL - time.time() % INTERVAL)
            self._woken.clear()
            try:
                await self._round()
            except Exception as error:  # whatever it was: without the sealer nothing would be proved any more
                log.warning("sealing.failed", outline=Outline.of(error.__cause__ or error))
                await asyncio.sleep(_AFTER_FAILURE)
                self._notice(None)

    async def _round(self) -> None:
        """One pass over each organization that was told of."""
        if self._ask:
            self._told |= {row[0] for row in await self._database.ask("select fabric.unsealed()")}
            self._ask = False
        told, self._told = self._told, set()
        for organization_id in told:
            if await self._pass(organization_id):
                self._notice(organization_id)

    async def _pass(self, organization_id: UUID) -> bool:
        """Whether there is more to seal."""
        known, fault = None, ""
        try:
            known = checkpoints.kept(self._data_dir, organization_id, self._trusted)
        except CheckpointError as error:
            fault = str(error)
        try:
            done = await seal(self._database, organization_id, self._key, self._trusted, known.heads if known else {})
            if done.lost:
                fault = f"the checkpoint tells of seals that are missing now, in {len(done.lost)} chains"
            # Of one that could not be kept it is found out here, by another try, whether it can be by now.
            if (done.heads or organization_id in self.alarmed) and not fault:
                fault = await self._keep(organization_id, known, done.heads)
        except ForgedSeal as error:
            self._judge(organization_id, str(error))
            return False
        self._judge(organization_id, fault)
        return done.more

    async def _keep(self, organization_id: UUID, known: Checkpoint | None, new: Mapping[Chain, Head]) -> str:
        """Keeps a newer checkpoint; what stands in the way."""
        if known is None:
            async with self._database.following(organization_id) as transaction:
                known = await checkpoints.current(transaction, self._trusted)
        newer = replace(known, made_at=datetime.now(UTC), heads={**known.heads, **new})
        try:
            await asyncio.to_thread(checkpoints.keep, self._data_dir, newer, self._key)
        except (OSError, SecretError) as error:
            return f"the checkpoint cannot be kept: {error}"
        return ""

    def _judge(self, organization_id: UUID, fault: str) -> None:
        """Tells of a fault once, until it is mended. A checkpoint that tells of one is not replaced meanwhile."""
        if not fault:
            self.alarmed.discard(organization_id)
        elif organization_id not in self.alarmed:
            self.alarmed.add(organization_id)
            log.error("seals.alarm", organization=organization_id, reason=fault)
