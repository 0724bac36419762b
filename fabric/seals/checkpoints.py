"""Checkpoints: how far all chains of an organization were sealed at a moment, signed, for keeping outside the database.

Whoever cuts the end of a chain together with its seals leaves a shorter chain without a fault in itself. A checkpoint
tells that it was longer. Each server keeps the newest in its data folder; others can be printed and kept elsewhere.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.seals.seals import SEAL_COLUMNS, Chain, Head, read_seal
from fabric.secrets import private_folder

FOLDER = "checkpoints"
"""In the data folder: a file for each organization, named by its id."""

# The last seal of each chain; a step of the recursion finds the next chain by the index.
_HEADS = f"""
with recursive chains as (
    (select log, label from fabric.seals order by log, label limit 1)
    union all
    select n.log, n.label from chains c cross join lateral (
        select log, label from fabric.seals where (log, label) > (c.log, c.label) order by log, label limit 1) n
)
select {SEAL_COLUMNS} from chains c cross join lateral (
    select * from fabric.seals s where s.log = c.log and s.label = c.label order by sequence desc limit 1) s"""

_MISSING = """
select k.log, k.label from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) k (log, label, sequence, digest)
left join fabric.seals s using (log, label, sequence) where s.digest is distinct from k.digest"""


class CheckpointError(ValueError):
    """What should be a checkpoint is none that can be trusted; the message says why."""


class ForgedSeal(RuntimeError):
    """The last seal of a chain is not signed by a key that counts, so nothing may be built on it."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(f"the last seal of {chain.log} at label {chain.label} is not signed by a key that is trusted")
        self.chain = chain


@dataclass(frozen=True, slots=True)
class Checkpoint:
    organization_id: UUID
    made_at: datetime
    heads: Mapping[Chain, Head]

    def signed(self, key: SealingKey) -> str:
        """JSON, with the signature of its member `checkpoint` in canonical form (RFC 8785)."""
        body = {
            "chains": [
                {"digest": head.digest.hex(), "label": str(chain.label), "log": chain.log, "sequence": head.sequence}
                for chain, head in sorted(self.heads.items())
            ],
            "madeAt": self.made_at.isoformat(),
            "organization": str(self.organization_id),
            "version": 1,
        }
        signature = key.sign(_canonical(body)).hex()
        return json.dumps({"checkpoint": body, "key": key.key_id, "signature": signature}, indent=2) + "\n"

    @classmethod
    def read(cls, text: str, trusted: TrustedKeys) -> "Checkpoint":
        """CheckpointError for what is no checkpoint, or not signed by a trusted key."""
        try:
            document = json.loads(text)
            body, key = document["checkpoint"], str(document["key"])
            if not trusted.knows(key):
                raise CheckpointError(f"it is signed by another key, {key[:16]!r}")
            if not trusted.accepts(key, _canonical(body), bytes.fromhex(document["signature"])):
                raise CheckpointError("its signature is not of what it says")
            heads = {
                Chain(c["log"], int(c["label"])): Head(int(c["sequence"]), bytes.fromhex(c["digest"]))
                for c in body["chains"]
            }
            return cls(UUID(body["organization"]), datetime.fromisoformat(body["madeAt"]), heads)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise error if isinstance(error, CheckpointError) else CheckpointError("it is no checkpoint") from error


def _canonical(body: Any) -> bytes:
    """As RFC 8785 has it; there are no numbers here but small whole ones."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


async def current(transaction: Transaction, trusted: TrustedKeys) -> Checkpoint:
    """Of the chains that the transaction's session sees, as they are. ForgedSeal where one cannot be signed for."""
    organization_id = transaction.session.organization_id
    heads = {}
    for row in await transaction.fetch(_HEADS):
        seal = read_seal(organization_id, row)
        if not trusted.accepts(seal.key_id, seal.message, seal.signature):
            raise ForgedSeal(seal.chain)
        heads[seal.chain] = seal.head
    return Checkpoint(organization_id, datetime.now(UTC), heads)


async def missing(transaction: Transaction, heads: Mapping[Chain, Head]) -> list[Chain]:
    """The chains in which these heads are not to be found: they were cut, or replaced."""
    rows = await transaction.fetch(
        _MISSING,
        [chain.log for chain in heads],
        [chain.label for chain in heads],
        [head.sequence for head in heads.values()],
        [head.digest for head in heads.values()],
    )
    return [Chain(row["log"], row["label"]) for row in rows]


def file_of(data_dir: Path, organization_id: UUID) -> Path:
    return data_dir.expanduser() / FOLDER / f"{organization_id}.json"


def kept(data_dir: Path, organization_id: UUID, trusted: TrustedKeys) -> Checkpoint | None:
    """The newest that was kept here. CheckpointError if it cannot be trusted or read."""
    path = file_of(data_dir, organization_id)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read") from error
    try:
        checkpoint = Checkpoint.read(text, trusted)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    if checkpoint.organization_id != organization_id:
        raise CheckpointError(f"{path}: it is of another organization")
    return checkpoint


def keep(data_dir: Path, checkpoint: Checkpoint, key: SealingKey) -> None:
    """Replaces the one that was kept: whole or not at all, whatever stops the machine."""
    path = file_of(data_dir, checkpoint.organization_id)
    private_folder(data_dir)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(checkpoint.signed(key))
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
