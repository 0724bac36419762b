"""The ciphertexts that go with versions of objects: new ones, those that go, and those carried to another label.

A ciphertext decrypts only at its own label. So where a version is made from a lower one, or moved, its encrypted values
are decrypted and encrypted anew: between two runs of the transaction, which is told what was made of which ciphertext
and takes it only while that one is still there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from fabric.database.db import LostRace, Transaction
from fabric.encryption import ciphertexts
from fabric.encryption.ciphertexts import Ciphertext
from fabric.encryption.markers import marked
from fabric.encryption.places import Place
from fabric.errors import Conflict
from fabric.writing.versions import Version, VersionTable

Carried = Mapping[Place, tuple[Ciphertext, Ciphertext]]
"""By the place that a ciphertext lies in: as it was there, and as it is to be at the new label."""


class Uncarried(LostRace):
    """These have to be carried before the transaction can be run again."""

    def __init__(self, sources: Sequence[Ciphertext]) -> None:
        super().__init__()
        self.sources = sources


@dataclass(slots=True)
class Outcome:
    """What becomes of the ciphertexts at the session label."""

    stored: list[Ciphertext] = field(default_factory=list)
    cleared: list[tuple[UUID, str]] = field(default_factory=list)
    emptied: list[UUID] = field(default_factory=list)

    async def store(self, transaction: Transaction) -> None:
        if self.emptied:
            await ciphertexts.remove_all(transaction, "objects", self.emptied)
        if self.cleared:
            await ciphertexts.remove(transaction, "objects", self.cleared)
        if self.stored:
            await ciphertexts.store(transaction, "objects", self.stored)


async def settled(
    transaction: Transaction, table: VersionTable, before: Mapping[UUID, Version], after: Mapping[UUID, Version],
    new: Mapping[UUID, Mapping[str, Ciphertext]], carried: Carried,
) -> Outcome:  # fmt: skip
    """What becomes of the ciphertexts when `after`, at the session label, takes the place of what was read `before`.

    `new` are by id and storage key. Uncarried where one has to come from a lower label and is not in `carried`.
    """
    outcome = Outcome()
    lower: dict[UUID, list[str]] = {}
    for id, version in after.items():
        old = before.get(id)
        had = marked(old.content["data"]) if old is not None and not old.tombstone else []
        here = old is not None and old.label == version.label
        if version.tombstone:
            if here and had:
                outcome.emptied.append(id)
            continue
        has = marked(version.content["data"])
        made = new.get(id, {})
        outcome.stored += [made[key] for key in has if key in made]
        if here:
            outcome.cleared += [(id, key) for key in had if key not in has]
        elif kept := [key for key in has if key not in made]:
            lower[id] = kept
    if lower:
        outcome.stored += await carried_over(transaction, table, before, lower, carried)
    return outcome


async def carried_over(
    transaction: Transaction, table: VersionTable, versions: Mapping[UUID, Version], kept: Mapping[UUID, list[str]],
    carried: Carried,
) -> list[Ciphertext]:  # fmt: skip
    """The carried ciphertexts of these storage keys of the versions. Uncarried, or LostRace if a version has changed.

    Conflict for a value whose ciphertext is not there.
    """
    organization = transaction.session.organization_id
    found = await ciphertexts.read(transaction, "objects", [(id, versions[id].label) for id in kept])
    again = await table.read(transaction, kept)
    if any(id not in again or _stamp(again[id]) != _stamp(versions[id]) for id in kept):
        raise LostRace
    places = [Place(organization, "objects", id, versions[id].label, key) for id, keys in kept.items() for key in keys]
    if any(place not in found for place in places):
        raise Conflict("an encrypted value of this object has been lost; set it anew, or clear it")
    missing = [found[p] for p in places if p not in carried or carried[p][0].text != found[p].text]
    if missing:
        raise Uncarried(missing)
    # What else is stored of it may have changed without its ciphertext.
    return [replace(carried[p][1], hint=found[p].hint, blind_index=found[p].blind_index) for p in places]


def _stamp(version: Version) -> tuple[int, int]:
    return version.label, version.revision
