"""How a field is encrypted: what its definition says beside `"encrypted": true` (see docs/type-definitions.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from fabric.encryption.vault_keys import DEFAULT_PURPOSE, PURPOSE
from fabric.identity.policy import PERMISSIONS
from fabric.types.kinds import Kind

KEYS = frozenset({"purpose", "hint", "unlock", "blindIndex"})
"""Members of a field that only an encrypted one has."""

MOST_SECONDS = 3_600

_UNLOCK_KEYS = frozenset({"permission", "ttlSeconds", "approvals"})

_UNSEARCHABLE = frozenset({Kind.JSON, Kind.FLOAT, Kind.BOOLEAN, Kind.ENUM})
"""Kinds without a blind index: values that have no one form to compare, and those so few that asking is unlocking."""


def matched_kinds() -> list[Kind]:
    """The kinds whose encrypted values can be found by a blind index."""
    return [kind for kind in Kind if kind not in _UNSEARCHABLE]


class Hint(StrEnum):
    NONE = "none"
    LAST4 = "last4"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class Unlock:
    """Who may unlock the field: the permission, for how long a plaintext holds, how many others must approve."""

    permission: str = "field:decrypt"
    ttl_seconds: int = 15
    approvals: int = 0


@dataclass(frozen=True, slots=True)
class Protection:
    """`blind_index`: whether the value can be found by equality without unlocking it."""

    purpose: str = DEFAULT_PURPOSE
    hint: Hint = Hint.NONE
    blind_index: bool = False
    unlock: Unlock = Unlock()


class AddFault(Protocol):
    def __call__(self, message: str, *path: str | int) -> None: ...


def read_protection(value: Mapping[str, Any], kind: Kind, many: bool, fault: AddFault) -> Protection:
    """Of an encrypted field as written; `fault` gets what is wrong, with paths from the field."""
    purpose = value.get("purpose", DEFAULT_PURPOSE)
    if not isinstance(purpose, str) or not PURPOSE.fullmatch(purpose):
        fault("purpose is 1 to 30 lower-case letters, digits and single hyphens, such as pii", "purpose")
        purpose = DEFAULT_PURPOSE
    hint = value.get("hint", "none")
    if not isinstance(hint, str) or hint not in Hint._value2member_map_:
        fault(f"hint is one of {', '.join(Hint)}", "hint")
        hint = Hint.NONE
    blind_index = value.get("blindIndex", False)
    if not isinstance(blind_index, bool):
        fault("blindIndex is true or false", "blindIndex")
    elif blind_index and (many or kind in _UNSEARCHABLE):
        fault("a list and a json, float, boolean or enum field cannot have a blind index", "blindIndex")
    for key in ("indexed", "searchable"):
        if value.get(key) is True:
            fault(f"an encrypted field cannot be {key}: the database does not see its values", key)
    return Protection(purpose, Hint(hint), blind_index is True, _read_unlock(value.get("unlock"), fault))


def _read_unlock(value: object, fault: AddFault) -> Unlock:
    usual = Unlock()
    if value is None:
        return usual
    if not isinstance(value, Mapping) or not value.keys() <= _UNLOCK_KEYS:
        fault('unlock is an object: {"permission": "field:decrypt", "ttlSeconds": 15, "approvals": 0}', "unlock")
        return usual
    permission = value.get("permission", usual.permission)
    if not isinstance(permission, str) or permission not in PERMISSIONS:
        fault("no such permission", "unlock", "permission")
    seconds = value.get("ttlSeconds", usual.ttl_seconds)
    if type(seconds) is not int or not 1 <= seconds <= MOST_SECONDS:
        fault(f"ttlSeconds is a number of seconds from 1 to {MOST_SECONDS:,}", "unlock", "ttlSeconds")
    approvals = value.get("approvals", usual.approvals)
    if type(approvals) is not int or approvals not in (0, 1):
        fault("approvals is 0, or 1 for a second person", "unlock", "approvals")
    return Unlock(permission, seconds, approvals)


def protection_json(protection: Protection) -> dict[str, Any]:
    """As it is stored, and as people write it."""
    unlock = protection.unlock
    return {
        "encrypted": True,
        "purpose": protection.purpose,
        "hint": str(protection.hint),
        "blindIndex": protection.blind_index,
        "unlock": {
            "permission": unlock.permission, "ttlSeconds": unlock.ttl_seconds, "approvals": unlock.approvals,
        },
    }  # fmt: skip


def protection_of(stored: Mapping[str, Any]) -> Protection | None:
    """Of what `protection_json` made; None of a plain field."""
    if not stored.get("encrypted"):
        return None
    unlock = stored["unlock"]
    return Protection(
        stored["purpose"], Hint(stored["hint"]), stored.get("blindIndex", False),
        Unlock(unlock["permission"], unlock["ttlSeconds"], unlock["approvals"]),
    )  # fmt: skip
