"""What lies in `objects.data` where a value is encrypted: always the same, so that it tells nothing of the value."""

from collections.abc import Mapping
from typing import Any

MARKER: Mapping[str, bool] = {"_encrypted": True}

ENCRYPTED_SUFFIX = "#e"
"""Behind the field's name in the storage keys of encrypted values; no other key holds it (see `fabric.projection`)."""


def marked(data: Mapping[str, Any]) -> list[str]:
    """The storage keys at which the data has markers."""
    return [key for key, value in data.items() if value == MARKER and ENCRYPTED_SUFFIX in key]
