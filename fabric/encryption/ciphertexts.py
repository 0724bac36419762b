"""The table of ciphertexts: one row for each encrypted value, at the label of the version that it belongs to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.encryption.places import EntityTable, Place

_COLUMNS = "entity_id, label, field_name, key_name, key_version, ciphertext, hint, blind_index"

_READ = f"""
    select {_COLUMNS} from fabric.encrypted_fields
    where organization_id = $1 and entity_table = $2 and (entity_id, label) in (
        select * from unnest($3::uuid[], $4::bigint[]))"""

_STORE = f"""
    insert into fabric.encrypted_fields (organization_id, entity_table, {_COLUMNS})
    select $1, $2, t.* from unnest($3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                                   $9::text[], $10::bytea[]) as t
    on conflict (organization_id, entity_table, entity_id, label, field_name) do update set
        key_name = excluded.key_name, key_version = excluded.key_version, ciphertext = excluded.ciphertext,
        hint = excluded.hint, blind_index = excluded.blind_index, updated_at = now()"""

_REMOVE = """
    delete from fabric.encrypted_fields e using unnest($4::uuid[], $5::text[]) as t(entity_id, field_name)
    where e.organization_id = $1 and e.entity_table = $2 and e.label = $3 and e.entity_id = t.entity_id
      and e.field_name = t.field_name"""

_REMOVE_ALL = """
    delete from fabric.encrypted_fields e
    where e.organization_id = $1 and e.entity_table = $2 and e.label = $3 and e.entity_id = any($4::uuid[])"""


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """What is stored of an encrypted value. `hint` and `blind_index` are None where its field has none."""

    place: Place
    key_name: str
    key_version: int
    text: str
    hint: str | None = None
    blind_index: bytes | None = None


async def read(
    transaction: Transaction, table: EntityTable, versions: Iterable[tuple[UUID, int]]
) -> dict[Place, Ciphertext]:
    """The ciphertexts of these versions, (id, label) each, as far as the session dominates them."""
    wanted = list(versions)
    organization = transaction.session.organization_id
    rows = await transaction.fetch(_READ, organization, table, [id for id, _ in wanted], [at for _, at in wanted])
    return {found.place: found for found in (_ciphertext(organization, table, row) for row in rows)}


def _ciphertext(organization: UUID, table: EntityTable, row: Any) -> Ciphertext:
    place = Place(organization, table, row["entity_id"], row["label"], row["field_name"])
    return Ciphertext(place, row["key_name"], row["key_version"], row["ciphertext"], row["hint"], row["blind_index"])


async def store(transaction: Transaction, table: EntityTable, ciphertexts: Sequence[Ciphertext]) -> None:
    """Stores them in the place of those that are there; all are at the session label, or row security refuses."""
    rows = sorted(ciphertexts, key=lambda c: (c.place.entity_id, c.place.field))  # one order for all writers
    await transaction.fetch(
        _STORE,
        transaction.session.organization_id,
        table,
        [c.place.entity_id for c in rows],
        [c.place.label for c in rows],
        [c.place.field for c in rows],
        [c.key_name for c in rows],
        [c.key_version for c in rows],
        [c.text for c in rows],
        [c.hint for c in rows],
        [c.blind_index for c in rows],
    )


async def remove(transaction: Transaction, table: EntityTable, fields: Sequence[tuple[UUID, str]]) -> None:
    """Removes the ciphertexts of these (id, storage key) at the session label."""
    session = transaction.session
    ids, keys = [id for id, _ in fields], [key for _, key in fields]
    await transaction.fetch(_REMOVE, session.organization_id, table, session.label, ids, keys)


async def remove_all(transaction: Transaction, table: EntityTable, ids: Sequence[UUID]) -> None:
    """Removes all ciphertexts of these entities at the session label."""
    session = transaction.session
    await transaction.fetch(_REMOVE_ALL, session.organization_id, table, session.label, list(ids))
