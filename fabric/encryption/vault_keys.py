"""Which keys an organization has in the vault: one for each purpose of encrypted fields, one for blind indexes."""

import re
from uuid import UUID

PURPOSE = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,29}")
"""What a field's purpose looks like, such as `pii`."""

DEFAULT_PURPOSE = "default"
"""Of encrypted fields that name none."""


def encryption_key(organization_id: UUID, purpose: str) -> str:
    """The name of the key that encrypts this purpose's fields."""
    return f"sf-{organization_id.hex}-field-{purpose}"


def index_key(organization_id: UUID) -> str:
    """The name of the key that blind indexes are computed with."""
    return f"sf-{organization_id.hex}-index"


def purpose_of(key: str) -> str:
    """The purpose of an encryption key's name."""
    return key.split("-field-", 1)[1]
