"""Encrypted values in their fields' JSON form."""

from typing import Any

import orjson

from fabric.definitions import Field


def opened(field: Field, plaintext: bytes) -> Any:
    """The value of a plaintext."""
    return orjson.loads(plaintext)
