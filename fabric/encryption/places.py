"""Places of encrypted values: each ciphertext decrypts in its own and nowhere else (see docs/security-officers.md)."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

EntityTable = Literal["objects", "events"]


@dataclass(frozen=True, slots=True)
class Place:
    """The value of one field in one labelled version. `label` is as stored, `field` the field's storage key."""

    organization_id: UUID
    entity_table: EntityTable
    entity_id: UUID
    label: int
    field: str

    @property
    def context(self) -> bytes:
        """Every part behind its length, so that no two places share one."""
        parts = (
            self.organization_id.bytes,
            self.entity_table.encode(),
            self.entity_id.bytes,
            self.label.to_bytes(8, "big", signed=True),
            self.field.encode(),
        )
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
