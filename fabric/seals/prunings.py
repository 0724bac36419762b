"""Prunings: signed statements of what was taken away under some seals, and of the rows that were kept.

A range of seals of one chain is pruned together. The rows that are left are added up like those of a seal, from the
digest before the range; so they are proved as before, and that they are all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fabric.seals.seal_keys import SealingKey
from fabric.seals.seals import Chain, Place, Run, Seal, microseconds


@dataclass(frozen=True, slots=True)
class Pruning:
    """What one row of `fabric.prunings` says: of the seals `first` to `last`, `kept` rows are left.

    `end` is the place of the last row that they covered; `digest` adds up the rows that are left.
    """

    organization_id: UUID
    chain: Chain
    first: int
    last: int
    end: Place
    kept: int
    digest: bytes
    pruned_at: datetime
    key_id: str
    signature: bytes = b""

    @property
    def message(self) -> bytes:
        """What is signed."""
        lines = (
            "fabric.pruning 1", self.organization_id, *self.chain, self.first, self.last, *self.end, self.kept,
            self.digest.hex(), microseconds(self.pruned_at), self.key_id,
        )  # fmt: skip
        return "\n".join(map(str, lines)).encode()


PRUNING_COLUMNS = """p.first, p.last, p.transaction_id::text as pruned_transaction_id, p.position as pruned_position,
    p.kept, p.digest as kept_digest, p.pruned_at, p.key_id as pruning_key_id, p.signature as pruning_signature"""


def read_pruning(organization_id: UUID, chain: Chain, row: Mapping[str, Any] | None) -> Pruning | None:
    """Of a row with `PRUNING_COLUMNS`; None where there is none, or they are null."""
    if row is None or row["first"] is None:
        return None
    return Pruning(
        organization_id, chain, row["first"], row["last"],
        Place(int(row["pruned_transaction_id"]), row["pruned_position"]),
        *(row[name] for name in "kept kept_digest pruned_at pruning_key_id pruning_signature".split()),
    )  # fmt: skip


def make_pruning(first: int, last: Seal, kept: Run, key: SealingKey) -> Pruning:
    """Of the range that ends with the seal `last`; `kept` has the rows that are left in it."""
    pruning = Pruning(
        last.organization_id, last.chain, first, last.sequence, last.last, kept.rows, kept.digest, datetime.now(UTC),
        key.key_id,
    )  # fmt: skip
    return replace(pruning, signature=key.sign(pruning.message))
