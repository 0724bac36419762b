"""Position tokens: where in the organization's events a change stands, readable by the server alone.

Transaction ids and positions count what everybody does, hidden readers included, so the token is encrypted.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fabric.errors import BadInput
from fabric.journal import Position
from fabric.organizations import Organization

_NONCE = 12
_NUMBER = 8


def position_token(organization: Organization, position: Position) -> str:
    nonce = os.urandom(_NONCE)
    content = position.transaction_id.to_bytes(_NUMBER, "big") + position.position.to_bytes(_NUMBER, "big")
    sealed = AESGCM(organization.key("position")).encrypt(nonce, content, organization.organization_id.bytes)
    return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")


def read_position(organization: Organization, token: str) -> Position:
    """BadInput for what is not a token of this organization."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        cipher = AESGCM(organization.key("position"))
        content = cipher.decrypt(raw[:_NONCE], raw[_NONCE:], organization.organization_id.bytes)
    except (ValueError, InvalidTag):
        raise BadInput("not a position that a mutation gave") from None
    return Position(int.from_bytes(content[:_NUMBER], "big"), int.from_bytes(content[_NUMBER:], "big"))
