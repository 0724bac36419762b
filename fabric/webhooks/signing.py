"""Signatures as Standard Webhooks 1.0.0 has them, by secrets that nowhere rest: each is derived when it is needed."""

import base64
import hmac
from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

from fabric.identity.organizations import Organization

PREFIX = "whsec_"


def secret(organization: Organization, webhook_id: UUID, generation: int) -> bytes:
    """The 32 bytes that a webhook's messages are signed with, others for each generation."""
    return hmac.digest(organization.key("webhook"), webhook_id.bytes + generation.to_bytes(8, "big"), sha256)


def shown(secret: bytes) -> str:
    """A secret in the form that receivers' libraries take."""
    return PREFIX + base64.b64encode(secret).decode()


def message_id(delivery_id: UUID) -> str:
    """How the receiver knows a message: the same for each attempt."""
    return f"msg_{delivery_id.hex}"


def signed_headers(secrets: Iterable[bytes], delivery_id: UUID, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt; `timestamp` is of the attempt, in whole seconds since the epoch."""
    message = message_id(delivery_id)
    content = f"{message}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, content, sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
