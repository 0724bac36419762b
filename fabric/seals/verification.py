"""Verifying a log against its seals: all rows that a session sees, as of one moment, in memory that does not grow.

Rows are read in their order, and seals in the order of the last rows that they cover; so each seal is held against the
rows that came since the one before it. Hashes are made here, of what the database gives.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from fabric.database.db import Transaction
from fabric.labels import dominates
from fabric.seals.checkpoints import Checkpoint
from fabric.seals.faults import Fault, Kind, compare
from fabric.seals.prunings import PRUNING_COLUMNS, Pruning, read_pruning
from fabric.seals.seal_keys import TrustedKeys
from fabric.seals.seals import MARK, ROWS, SEAL_COLUMNS, Chain, Head, Log, Place, Run, Seal, beginning, read_seal

_AT_ONCE = 500
_SHOWN = 5
"""Rows at fault that are shown of one seal."""

MOST_FAULTS = 1000
"""More are only counted."""

_SEALS = f"""
select {SEAL_COLUMNS}, {PRUNING_COLUMNS}
from fabric.seals s left join lateral (
    select * from fabric.prunings p
    where p.organization_id = s.organization_id and p.log = s.log and p.label = s.label and p.first <= s.sequence
    order by p.first desc limit 1) p on p.last >= s.sequence
where s.log = $1 order by s.transaction_id, s.position, s.label, s.sequence"""

_SEALED_TO = """
select transaction_id::text as transaction_id, position from fabric.seals s
where s.log = $1 order by s.transaction_id desc, s.position desc limit 1"""

_SEALED = "select coalesce(sum(covered), 0)::bigint from fabric.seals where log = $1"

Progress = Callable[[int], None]
"""Gets how many more rows have been read."""


def _rows(of: Log) -> str:
    return f"""
    select t.label, t.transaction_id::text as transaction_id, t.{of.number} as number, {of.content} as content
    from fabric.{of.name} t order by t.transaction_id, t.{of.number}"""


def _details(of: Log) -> str:
    return f"""select {of.what} as what, entity_id, occurred_at from fabric.{of.name}
               where {of.number} = any($1) order by transaction_id, {of.number} limit {_SHOWN}"""


@dataclass(slots=True)
class Summary:
    """One chain, as it was found."""

    seals: int = 0
    sealed: int = 0
    """Rows that seals cover, those that have been pruned included."""
    sealed_at: datetime | None = None
    pruned: int = 0
    pruned_to: datetime | None = None
    """When the last of the pruned rows was sealed."""
    unsealed: int = 0
    unsealed_since: datetime | None = None


@dataclass(slots=True)
class Report:
    """What was found. `faults` are the first `MOST_FAULTS` of `number`."""

    chains: dict[int, Summary] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    number: int = 0

    def add(self, kind: Kind, label: int, text: str) -> None:
        self.number += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(kind, label, text))


class _State:
    """One chain on the way: its last seal, and what has been read since."""

    def __init__(self, start: bytes, summary: Summary) -> None:
        self.head = Head(0, start)
        self.summary = summary
        self.invalid: set[int] = set()
        """Sequences of seals since the last that counts which do not count."""
        self.begin(start)

    def begin(self, digest: bytes) -> None:
        self.run = Run(digest)
        self.numbers: list[int] = []
        self.behind = 0
        """How many of the rows stand before the end of what is sealed in the whole log."""
        self.doubtful = False
        """Whether a fault is told already that makes these rows differ."""

    def add(self, place: Place, content: bytes, *, behind: bool) -> None:
        self.run.add(place, content)
        self.behind += behind
        if len(self.numbers) <= 2 * ROWS:
            self.numbers.append(place.number)
        else:
            self.run.marks.clear()


async def sealed_rows(transaction: Transaction, of: Log) -> int:
    """How many rows there are to verify, about; for progress."""
    return int(await transaction.fetchval(_SEALED, of.name))


async def verify(
    transaction: Transaction,
    of: Log,
    trusted: TrustedKeys,
    *,
    clearance: int | None = None,
    checkpoints: tuple[Checkpoint, ...] = (),
    progress: Progress = lambda _: None,
) -> Report:
    """Verifies what the transaction sees, which is a snapshot: of its session, at `clearance`, or of a follower, all.

    The checkpoints must have been read before the transaction began, or they may be ahead of it.
    """
    verification = _Verification(transaction, of, trusted, clearance)
    for checkpoint in checkpoints:
        verification.expect(checkpoint)
    await verification.read(progress)
    return verification.report


class _Verification:
    def __init__(self, transaction: Transaction, of: Log, trusted: TrustedKeys, clearance: int | None) -> None:
        self.report = Report()
        self._transaction, self._of, self._trusted, self._clearance = transaction, of, trusted, clearance
        self._organization_id = transaction.session.organization_id
        self._states: dict[int, _State] = {}
        self._expected: dict[int, dict[int, bytes]] = {}
        """By label and sequence: what checkpoints tell of."""

    def expect(self, checkpoint: Checkpoint) -> None:
        for chain, head in checkpoint.heads.items():
            if chain.log == self._of.name and (self._clearance is None or dominates(self._clearance, chain.label)):
                self._expected.setdefault(chain.label, {})[head.sequence] = head.digest
                self._state(chain.label)

    async def read(self, progress: Progress) -> None:
        next_id = int(await self._transaction.fetchval("select fabric.next_transaction()::text"))
        sealed_to = await self._sealed_to()
        beyond: dict[int, int] = {}
        seals = self._seals()
        pending = await anext(seals, None)
        done = 0
        async for row in self._transaction.cursor(_rows(self._of), size=_AT_ONCE):
            place = Place(int(row["transaction_id"]), row["number"])
            while pending is not None and pending[0].last < place:
                await self._close(*pending)
                pending = await anext(seals, None)
            if place.transaction_id < next_id:
                self._state(row["label"]).add(place, row["content"], behind=place <= sealed_to)
            else:
                beyond[row["label"]] = beyond.get(row["label"], 0) + 1
            done += 1
            if done % _AT_ONCE == 0:
                progress(_AT_ONCE)
        while pending is not None:
            await self._close(*pending)
            pending = await anext(seals, None)
        progress(done % _AT_ONCE)
        for label, number in beyond.items():
            self.report.add(Kind.BEYOND, label, f"{self._several(number)} of transactions that have not begun yet")
        for label in sorted(self._states):
            await self._finish(label, self._states[label])

    async def _sealed_to(self) -> Place:
        row = await self._transaction.fetchrow(_SEALED_TO, self._of.name)
        return Place(int(row["transaction_id"]), row["position"]) if row else Place(0, 0)

    async def _seals(self) -> AsyncIterator[tuple[Seal, Pruning | None]]:
        async for row in self._transaction.cursor(_SEALS, self._of.name, size=_AT_ONCE):
            seal = read_seal(self._organization_id, row)
            yield seal, read_pruning(self._organization_id, seal.chain, row)

    def _state(self, label: int) -> _State:
        state = self._states.get(label)
        if state is None:
            summary = self.report.chains[label] = Summary()
            start = beginning(self._organization_id, Chain(self._of.name, label))
            state = self._states[label] = _State(start, summary)
        return state

    async def _close(self, seal: Seal, pruning: Pruning | None) -> None:
        """Holds one seal against the rows that came since the last."""
        state = self._state(seal.chain.label)
        if not self._counts(seal):
            if len(state.invalid) < MOST_FAULTS:
                state.invalid.add(seal.sequence)
            return
        self._follow(state, seal)
        if pruning is not None and not self._is_valid(pruning, seal):
            pruning = None
        ends = pruning is None or pruning.last == seal.sequence
        if ends and not state.doubtful:
            await self._hold(state, seal, pruning)
        state.head = seal.head
        state.invalid.clear()
        if ends:
            state.begin(seal.digest)
        _account(state.summary, seal, pruning)

    async def _hold(self, state: _State, seal: Seal, pruning: Pruning | None) -> None:
        """The rows against what was sealed, or kept when the rest was pruned."""
        found = (state.run.digest, state.run.rows)
        if pruning is None and found != (seal.digest, seal.covered):
            await self._differ(state, seal)
        elif pruning is not None and found != (pruning.digest, pruning.kept):
            kept, there = self._several(pruning.kept), f"{state.run.rows:,}"
            text = f"{kept} were kept of what was pruned up to {_named(seal)}; {there} are there, or they were changed"
            self.report.add(Kind.PRUNED, seal.chain.label, text)

    def _counts(self, seal: Seal) -> bool:
        """Whether it is signed by a key that is trusted."""
        if not self._trusted.knows(seal.key_id):
            text = f"{_named(seal)} is signed by another key, {seal.key_id[:16]!r}"
            self.report.add(Kind.FOREIGN, seal.chain.label, text)
        elif not self._trusted.accepts(seal.key_id, seal.message, seal.signature):
            self.report.add(Kind.FORGED, seal.chain.label, f"the signature of {_named(seal)} is not of what it says")
        else:
            return True
        return False

    def _follow(self, state: _State, seal: Seal) -> None:
        """Whether the seal is the next one, and the one that checkpoints tell of."""
        label, expected = seal.chain.label, state.head.sequence + 1
        if seal.sequence != expected:
            state.doubtful = True
            missing = seal.sequence - expected - sum(expected <= s < seal.sequence for s in state.invalid)
            if missing > 0:
                self.report.add(Kind.MISSING, label, f"{missing:,} seals are missing before {_named(seal)}")
            elif seal.sequence < expected:
                self.report.add(Kind.BROKEN, label, f"{_named(seal)} comes after seal {state.head.sequence}")
        elif seal.previous != state.head.digest:
            state.doubtful = True
            self.report.add(Kind.BROKEN, label, f"{_named(seal)} does not follow the one before it")
        told = self._expected.get(label, {}).pop(seal.sequence, seal.digest)
        if told != seal.digest:
            self.report.add(Kind.REPLACED, label, f"{_named(seal)} is not the one that a checkpoint tells of")

    def _is_valid(self, pruning: Pruning, seal: Seal) -> bool:
        if not self._trusted.accepts(pruning.key_id, pruning.message, pruning.signature):
            text = f"the statement of what was pruned under {_named(seal)} is not signed by a key that is trusted"
        elif pruning.last == seal.sequence and pruning.end != seal.last:
            text = f"the statement of what was pruned does not end with {_named(seal)}"
        else:
            return True
        self.report.add(Kind.PRUNED, seal.chain.label, text)
        return False

    async def _differ(self, state: _State, seal: Seal) -> None:
        """Tells which rows differ from what the seal covers."""
        label, run = seal.chain.label, state.run
        if run.rows > len(state.numbers):
            text = f"under {_named(seal)}, {self._several(run.rows - seal.covered)} too many"
            self.report.add(Kind.INSERTED, label, text)
            return
        for difference in compare(_split(seal.marks), _split(bytes(run.marks))):
            shown = await self._shown([state.numbers[i] for i in difference.rows])
            what = self._several(difference.number) if difference.number else f"places of {self._of.rows}"
            text = f"under {_named(seal)}, {what}{shown}"
            self.report.add(difference.kind, label, text)

    async def _shown(self, numbers: list[int]) -> str:
        """The first few of these rows, as they are now."""
        if not numbers:
            return ""
        rows = await self._transaction.fetch(_details(self._of), numbers[:_SHOWN])
        told = [f"{r['what']} of {r['entity_id'] or 'nothing'} at {_moment(r['occurred_at'])}" for r in rows]
        return ": " + "; ".join(told) + ("; …" if len(numbers) > _SHOWN else "")

    async def _finish(self, label: int, state: _State) -> None:
        """What comes after the last seal, and what should."""
        if ahead := [s for s in self._expected.get(label, {}) if s > state.head.sequence]:
            text = f"the chain ends with seal {state.head.sequence}; a checkpoint tells of seal {max(ahead)}"
            self.report.add(Kind.CUT, label, text)
        behind = state.behind if self._clearance is None else 0
        if behind:
            shown = await self._shown(state.numbers[:behind])
            self.report.add(Kind.UNCOVERED, label, f"{self._several(behind)} among others that are sealed{shown}")
        state.summary.unsealed = state.run.rows - behind
        if state.summary.unsealed and behind < len(state.numbers):
            rows = await self._transaction.fetch(_details(self._of), [state.numbers[behind]])
            state.summary.unsealed_since = rows[0]["occurred_at"]

    def _several(self, number: int) -> str:
        return f"{number:,} {self._of.rows if number != 1 else self._of.rows[:-1]}"


def _account(summary: Summary, seal: Seal, pruning: Pruning | None) -> None:
    summary.seals += 1
    summary.sealed += seal.covered
    summary.sealed_at = seal.sealed_at
    if pruning is not None:
        summary.pruned += seal.covered
        if pruning.last == seal.sequence:
            summary.pruned -= pruning.kept
            summary.pruned_to = seal.sealed_at


def _split(marks: bytes) -> list[bytes]:
    return [marks[i : i + MARK] for i in range(0, len(marks), MARK)]


def _named(seal: Seal) -> str:
    return f"seal {seal.sequence} of {_moment(seal.sealed_at)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
