"""The lowest label at which a link can be written: where both its ends can be seen."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from uuid import UUID

from fabric.database.db import Database, Transaction
from fabric.identity.subject import Session
from fabric.labels import COMPARTMENT_BITS, Level, code, level_of, rank

_WINNERS = "select object_id, label, tombstone from fabric.objects where object_id = any($1)"


async def labels_of_ends(database: Database, clearance: Session, label: int, ids: Collection[UUID]) -> dict[UUID, int]:
    """By object, what a link of this label that ends there has to be joined with.

    That is nothing more than `label` for what can be seen from there, for the others their lowest-ranking version's
    label. Objects that the clearance does not see are left out.
    """
    async with database.transaction(Session(clearance.organization_id, label)) as transaction:
        rows = await transaction.fetch(_WINNERS, list(ids))
        found = {row["object_id"]: label for row in rows if not row["tombstone"]}
        unseen = set(ids) - found.keys()
        return found | (await _lowest(transaction, clearance.label, unseen) if unseen else {})


async def _lowest(transaction: Transaction, clearance: int, ids: set[UUID]) -> dict[UUID, int]:
    """The label of each object's lowest-ranking version, tombstones aside.

    A session sees one version of an object. Each other one lacks something that its label has, so it turns up where
    the session lacks that too.
    """
    found: dict[UUID, int] = {}
    sought: defaultdict[int, set[UUID]] = defaultdict(set, {clearance: ids})
    while sought:
        session = max(sought, key=rank)  # what is sought later ranks lower: no session comes twice
        await transaction.act_at(session)
        for row in await transaction.fetch(_WINNERS, list(sought.pop(session))):
            id, label = row["object_id"], row["label"]
            if not row["tombstone"]:
                found[id] = min(found.get(id, label), label, key=rank)
            for lower in _without(session, label):
                sought[lower].add(id)
    return found


def _without(session: int, label: int) -> Iterator[int]:
    """The highest labels that `session` dominates and from which `label` cannot be seen."""
    for i in range(COMPARTMENT_BITS):
        if label >> i & 1:
            yield session & ~(1 << i)
    level = level_of(label)
    if level:
        yield code(Level(level - 1), session & ((1 << COMPARTMENT_BITS) - 1))
