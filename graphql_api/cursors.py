"""Cursors: the keys of a row in its ordering, sealed so that nobody can make one up or use another reader's.

A cursor is base64 of a 16-byte seal and the keys as JSON. The seal's key depends on the organization, the session label
and the ordering, so that a cursor from elsewhere is refused. PostgreSQL makes cursors while it makes the rows
(`fabric.cursor`), from the two padded keys of HMAC-SHA-256; here they are opened.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from fabric.identity.organizations import Organization

SEAL_BYTES = 16
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class BadCursor(ValueError):
    """Not a cursor of this list: made up, damaged, or from another reader or another ordering."""


@dataclass(frozen=True, slots=True)
class CursorKey:
    """What seals the cursors of one list for one reader."""

    key: bytes

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """HMAC's inner and outer padded key, as `fabric.cursor` takes them."""
        padded = self.key.ljust(_BLOCK, b"\0")
        return padded.translate(_INNER), padded.translate(_OUTER)

    def seal(self, keys: Sequence[Any]) -> str:
        """A cursor of these keys, which are JSON; for lists that are not compiled."""
        content = orjson.dumps(keys)
        return base64.b64encode(hmac.digest(self.key, content, sha256)[:SEAL_BYTES] + content).decode()

    def open(self, cursor: str) -> list[Any]:
        """The keys in the cursor. BadCursor for any other text."""
        seal, content = _split(cursor)
        if not hmac.compare_digest(hmac.digest(self.key, content, sha256)[:SEAL_BYTES], seal):
            raise BadCursor
        keys: list[Any] = orjson.loads(content)
        return keys


def cursor_key(organization: Organization, label: int, ordering: Sequence[str]) -> CursorKey:
    """`ordering` names the list and its order, such as ``["Asset", "name", "ASC"]``."""
    content = orjson.dumps([label, list(ordering)])
    return CursorKey(hmac.digest(organization.key("cursor"), content, sha256))


def shape(cursor: object) -> tuple[bool, ...] | None:
    """Which keys of the cursor are null, on which the statement depends; None for what is not a cursor at all."""
    if not isinstance(cursor, str):
        return None
    try:
        keys = orjson.loads(_split(cursor)[1])
    except (BadCursor, orjson.JSONDecodeError):
        return None
    return tuple(key is None for key in keys) if isinstance(keys, list) else None


def _split(cursor: str) -> tuple[bytes, bytes]:
    try:
        raw = base64.b64decode(cursor.encode(), validate=True)
    except ValueError:
        raise BadCursor from None
    if len(raw) <= SEAL_BYTES or base64.b64encode(raw) != cursor.encode():
        raise BadCursor
    return raw[:SEAL_BYTES], raw[SEAL_BYTES:]
