"""The printable form of what a version of a key made: `prefix:v3:base64`. Each has one form only.

Lenient readers take other spellings of the same bytes for the same: leading zeros, line breaks, the unused bits of
base64. (Transit also reads version 0 as 1.) Here whatever differs is something else.
"""

import base64
import binascii
import re

_FORM = re.compile(r"([a-z]+):v([1-9][0-9]{0,8}):([A-Za-z0-9+/]*={0,2})")


def printable(prefix: str, version: int, raw: bytes) -> str:
    return f"{prefix}:v{version}:{base64.b64encode(raw).decode()}"


def parsed(prefix: str, text: str) -> tuple[int, bytes] | None:
    """The version and the bytes; None if this is not their printable form."""
    match = _FORM.fullmatch(text)
    if not match:
        return None
    try:
        raw = base64.b64decode(match[3], validate=True)
    except binascii.Error:
        return None
    version = int(match[2])
    return (version, raw) if printable(prefix, version, raw) == text else None
