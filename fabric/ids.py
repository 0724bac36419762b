"""Ids that tell nothing: random, or derived from a key by a hash that only the organization's secret can make.

A low and a high version of one natural key share an id without either knowing of the other, and neither order nor time
can be read from one. Derived ids are marked as version 8 (RFC 9562, custom), random ones as version 4.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID, uuid4

import orjson

from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.types.kinds import JSONValue


def random_id() -> UUID:
    return uuid4()


def read_id(text: str) -> UUID:
    """An id that a caller gives; for what is none a random one: neither is found, and nothing tells them apart."""
    try:
        return UUID(text)
    except ValueError:
        return random_id()


def object_id(organization: Organization, key_type: str, key: Sequence[JSONValue]) -> UUID:
    """The id of the object of `key_type` with this natural key, its values canonical and in the key's order."""
    return _derived(organization, "object", [key_type, *key])


def link_id(organization: Organization, relation: str, source: UUID, target: UUID, key: str | None) -> UUID:
    """The id of the link; `key` tells parallel links of one relation apart."""
    return _derived(organization, "link", [relation, str(source), str(target), key])


def inferred_link_id(
    organization: Organization, relation: str, source: UUID, target: UUID, span: tuple[int, int]
) -> UUID:
    """The id of a link that follows from others, valid within the span (microseconds since 1970)."""
    return _derived(organization, "inferred link", [relation, str(source), str(target), *map(str, span)])


def delivery_id(organization: Organization, webhook_id: UUID, position: Position, number: int) -> UUID:
    """The id of what a webhook is told of an event: the same whenever and by whomever it is worked out again."""
    return _derived(organization, "delivery", [str(webhook_id), position.transaction_id, position.position, number])


def _derived(organization: Organization, purpose: str, content: Sequence[JSONValue]) -> UUID:
    digest = bytearray(hmac.digest(organization.key(purpose), orjson.dumps(list(content)), sha256)[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))
