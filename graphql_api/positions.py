"""Position tokens: where in the organization's events a change stands, readable by the server alone.

Transaction ids and positions count what everybody does, hidden readers included, so the token is encrypted.
"""

import base64
import hmac
import os
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fabric.errors import BadInput
from fabric.events.journal import Position
from fabric.identity.organizations import Organization

_NONCE = 12
_NUMBER = 8


def position_token(organization: Organization, position: Position) -> str:
    """What a mutation gives, for any reader of the organization to wait for."""
    return _seal(organization, "position", position, b"")


def read_position(organization: Organization, token: str) -> Position:
    """BadInput for what is not a token of this organization."""
    position = _open(organization, "position", token, b"")
    if position is None:
        raise BadInput("not a position that a mutation gave")
    return position


def event_cursor(organization: Organization, label: int, position: Position) -> str:
    """A place in the events as a session at this label reads them."""
    return _seal(organization, "events", position, label.to_bytes(_NUMBER, "big"))


def read_event_cursor(organization: Organization, label: int, cursor: str) -> Position:
    """BadInput for what is not a cursor of this organization and session label."""
    position = _open(organization, "events", cursor, label.to_bytes(_NUMBER, "big"))
    if position is None:
        raise BadInput("not a cursor of these events, or one of another session label", ("after",))
    return position


def audit_cursor(organization: Organization, label: int, place: Position) -> str:
    """A place in the audit log as a session at this label reads it."""
    return _seal(organization, "audit", place, label.to_bytes(_NUMBER, "big"))


def read_audit_cursor(organization: Organization, label: int, cursor: str) -> Position:
    """BadInput for what is not a cursor of this organization and session label."""
    place = _open(organization, "audit", cursor, label.to_bytes(_NUMBER, "big"))
    if place is None:
        raise BadInput("not a cursor of the audit log, or one of another session label")
    return place


def letter_cursor(organization: Organization, webhook_id: UUID, ordinal: int) -> str:
    """A place among a webhook's dead letters."""
    return _seal(organization, "letters", Position(0, ordinal), webhook_id.bytes)


def read_letter_cursor(organization: Organization, webhook_id: UUID, cursor: str) -> int:
    """BadInput for what is not a cursor of this webhook."""
    position = _open(organization, "letters", cursor, webhook_id.bytes)
    if position is None:
        raise BadInput("not a cursor of these dead letters", ("after",))
    return position.position


def transaction_token(organization: Organization, position: Position) -> str:
    """The same for all events of one transaction; it tells nothing of how many there are."""
    number = position.transaction_id.to_bytes(_NUMBER, "big")
    return _text(hmac.digest(organization.key("transaction"), number, sha256)[:12])


def _seal(organization: Organization, purpose: str, position: Position, bound: bytes) -> str:
    nonce = os.urandom(_NONCE)
    content = position.transaction_id.to_bytes(_NUMBER, "big") + position.position.to_bytes(_NUMBER, "big")
    return _text(nonce + _cipher(organization, purpose).encrypt(nonce, content, _place(organization, bound)))


def _open(organization: Organization, purpose: str, token: str, bound: bytes) -> Position | None:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        content = _cipher(organization, purpose).decrypt(raw[:_NONCE], raw[_NONCE:], _place(organization, bound))
    except (ValueError, InvalidTag):
        return None
    return Position(int.from_bytes(content[:_NUMBER], "big"), int.from_bytes(content[_NUMBER:], "big"))


def _cipher(organization: Organization, purpose: str) -> AESGCM:
    return AESGCM(organization.key(purpose))


def _place(organization: Organization, bound: bytes) -> bytes:
    return organization.organization_id.bytes + bound


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
