"""Seals: what proves that the rows of an append-only log are those that were written, in their order.

The rows of one label in one log make a chain. Each row's digest leads on from the one before it, and each seal signs
how far the chain had come, and the seal before it. So who sees a label can verify its chain, without any other.
docs/seals.md tells the exact bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

from fabric.seals.seal_keys import SealingKey

ROWS = 1000
"""Most rows under one seal."""

MARK = 4
"""Bytes of a row's content digest that the seal keeps, to tell which row is at fault. They prove nothing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = Struct(">Qq")


@dataclass(frozen=True, slots=True)
class Log:
    """An append-only table. In order of `transaction_id`, then `number`; `what` names the column that says what was."""

    name: str
    number: str
    what: str
    rows: str
    columns: tuple[str, ...]

    @property
    def content(self) -> str:
        """SQL of what a row says, as UTF-8: all of its columns but the two that are its place."""
        return f"convert_to(json_build_array({', '.join(self.columns)})::text, 'UTF8')"


_TIME = "occurred_at at time zone 'UTC'"

EVENTS = Log(
    "events", "position", "topic", "events",
    ("organization_id", "label", "topic", "entity_table", "entity_id", "entity_type", "actor", "data", "version",
     "source_id", "target_id", _TIME),
)  # fmt: skip

AUDIT_LOG = Log(
    "audit_log", "audit_id", "action", "records",
    ("organization_id", "label", "actor", "action", "outcome", "entity_id", "reason", "request_id", "detail", _TIME),
)  # fmt: skip

LOGS = (EVENTS, AUDIT_LOG)


class Place(NamedTuple):
    """Where a row stands in its log."""

    transaction_id: int
    number: int


class Chain(NamedTuple):
    """The rows of one label in one log of an organization."""

    log: str
    label: int


class Head(NamedTuple):
    """How far a chain is sealed: its last seal's sequence and digest."""

    sequence: int
    digest: bytes


def beginning(organization_id: UUID, chain: Chain) -> bytes:
    """The digest that a chain starts from."""
    return sha256(f"fabric.chain 1\n{organization_id}\n{chain.log}\n{chain.label}".encode()).digest()


def microseconds(moment: datetime) -> int:
    """Since 1970 began, UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


class Run:
    """Rows of one chain added up, from the digest that they follow."""

    __slots__ = ("digest", "last", "marks", "rows")

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.rows = 0
        self.marks = bytearray()
        self.last = Place(0, 0)

    def add(self, place: Place, content: bytes) -> bytes:
        """The row's mark."""
        digest = sha256(content).digest()
        self.digest = sha256(self.digest + _PLACE.pack(*place) + digest).digest()
        self.rows += 1
        self.last = place
        mark = digest[:MARK]
        self.marks += mark
        return mark


@dataclass(frozen=True, slots=True)
class Seal:
    """What one row of `fabric.seals` says. `last` is the place of the last of its `covered` rows."""

    organization_id: UUID
    chain: Chain
    sequence: int
    last: Place
    covered: int
    marks: bytes
    previous: bytes
    digest: bytes
    sealed_at: datetime
    key_id: str
    signature: bytes = b""

    @property
    def message(self) -> bytes:
        """What is signed."""
        lines = (
            "fabric.seal 1", self.organization_id, *self.chain, self.sequence, *self.last, self.covered,
            sha256(self.marks).hexdigest(), self.previous.hex(), self.digest.hex(), microseconds(self.sealed_at),
            self.key_id,
        )  # fmt: skip
        return "\n".join(map(str, lines)).encode()

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.digest)


SEAL_COLUMNS = """s.log, s.label, s.sequence, s.transaction_id::text as transaction_id, s.position, s.covered, s.marks,
    s.previous, s.digest, s.sealed_at, s.key_id, s.signature"""


def read_seal(organization_id: UUID, row: Mapping[str, Any]) -> Seal:
    """Of a row with `SEAL_COLUMNS`."""
    return Seal(
        organization_id,
        Chain(row["log"], row["label"]),
        row["sequence"],
        Place(int(row["transaction_id"]), row["position"]),
        *(row[name] for name in "covered marks previous digest sealed_at key_id signature".split()),
    )


def make_seal(
    organization_id: UUID, chain: Chain, head: Head | None, run: Run, key: SealingKey, sealed_at: datetime
) -> Seal:
    """The next seal of a chain whose last one is `head`, over the rows of `run`, which follow it."""
    seal = Seal(
        organization_id, chain, (head.sequence if head else 0) + 1, run.last, run.rows, bytes(run.marks),
        head.digest if head else beginning(organization_id, chain), run.digest, sealed_at, key.key_id,
    )  # fmt: skip
    return replace(seal, signature=key.sign(seal.message))
