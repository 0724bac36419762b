"""What an unlock is about: one encrypted value of the version that the session sees, if there is one for the subject.

Whatever is not there for somebody looks alike, and takes the same statements: an object that does not exist or is
hidden, a field that does not exist, is hidden or is not encrypted, a missing value, a missing permission.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.encryption.places import Place
from fabric.encryption.protection import Unlock
from fabric.errors import NotFound
from fabric.identity.subject import Subject
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field
from fabric.writing.objects import TABLE
from fabric.writing.versions import Version

PERMISSION = "field:decrypt"

MOST_FIELDS = 100
"""That are unlocked together."""

_VALUES = """
select field_name, key_name, key_version, ciphertext, updated_at from fabric.encrypted_fields
where organization_id = $1 and entity_table = 'objects' and entity_id = $2 and label = $3"""


class Denial(StrEnum):
    """Why there is nothing for somebody, for the audit log alone."""

    PERMISSION = "permission"
    OBJECT = "object"
    FIELD = "field"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Target:
    """A value that the subject may unlock. `written_at` is when it was stored; re-enveloping leaves that as it is."""

    object_type: ObjectType
    field: Field
    place: Place
    key_name: str
    key_version: int
    ciphertext: str
    written_at: datetime

    @property
    def rule(self) -> Unlock:
        """How the field may be unlocked."""
        assert self.field.protection is not None
        return self.field.protection.unlock


def nothing() -> NotFound:
    """What is told of each Denial."""
    return NotFound("there is no encrypted value here that you may unlock")


async def find(
    transaction: Transaction, subject: Subject, catalogue: Catalogue, object_id: UUID, names: Sequence[str]
) -> list[Target | Denial]:
    """For each field of the object by name, in order. The catalogue is the session's."""
    version = (await TABLE.read(transaction, [object_id])).get(object_id)
    label = version.label if version else subject.label
    rows = await transaction.fetch(_VALUES, subject.organization_id, object_id, label)
    stored = {row["field_name"]: row for row in rows}
    return [_judged(subject, catalogue, version, name, stored) for name in names]


def _judged(
    subject: Subject, catalogue: Catalogue, version: Version | None, name: str, stored: Mapping[str, Any]
) -> Target | Denial:
    if PERMISSION not in subject.permissions:
        return Denial.PERMISSION
    if version is None or version.tombstone:
        return Denial.OBJECT
    object_type = catalogue.types.get(version.content["type_name"])
    field = object_type.fields.get(name) if object_type else None
    if object_type is None or field is None or field.protection is None:
        return Denial.FIELD
    if field.protection.unlock.permission not in subject.permissions:
        return Denial.PERMISSION
    row = stored.get(field.key)
    if row is None:
        return Denial.VALUE
    place = Place(subject.organization_id, "objects", version.id, version.label, field.key)
    return Target(
        object_type, field, place, row["key_name"], row["key_version"], row["ciphertext"], row["updated_at"]
    )  # fmt: skip


async def read_again(transaction: Transaction, target: Target) -> Target | None:
    """The same value as it is stored now, perhaps under another version of its key; None where it is another."""
    place = target.place
    rows = await transaction.fetch(_VALUES, place.organization_id, place.entity_id, place.label)
    for row in rows:
        if row["field_name"] == place.field and row["updated_at"] == target.written_at:
            return Target(
                target.object_type, target.field, place, row["key_name"], row["key_version"], row["ciphertext"],
                row["updated_at"],
            )  # fmt: skip
    return None
