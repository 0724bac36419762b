"""Encrypting the values of fields: what the vault is asked for, and how its faults are told.

All of it happens outside of transactions: no connection is held while a vault is waited for. Calls for several keys run
at the same time, so what is asked for together takes one round trip's time.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

import orjson
import structlog

from fabric.encryption.ciphertexts import Ciphertext
from fabric.encryption.hints import hint_of
from fabric.encryption.places import Place
from fabric.encryption.protection import Protection
from fabric.encryption.vault_keys import encryption_key, index_key
from fabric.errors import VaultUnavailable
from fabric.settings import Settings
from fabric.types.kinds import JSONValue
from vault.protocol import (
    Denied,
    Each,
    KeyKind,
    NoSuchKey,
    NotDecryptable,
    Placed,
    Plain,
    Throttled,
    Unavailable,
    Vault,
    VaultError,
)

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)

SECONDS = 30.0
"""After which all that is asked for together is given up."""

_REQUESTS = 6
"""So many requests, one after the other, may take their whole time; a batch is several of them to some vaults."""

_TOLD: tuple[tuple[type[VaultError], str], ...] = (
    (Throttled, "the vault is asked for too much at the moment; try again later"),
    (Denied, "the vault does not let this server in; its operator has to act"),
    (Unavailable, "the vault cannot be reached at the moment; try again later"),
    (NoSuchKey, "the vault has no key for this field; its operator has to act"),
    (NotDecryptable, "an encrypted value does not decrypt where it lies; its operator has to act"),
    (VaultError, "the vault refused; its operator has to act"),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A canonical value that is to be stored encrypted."""

    place: Place
    protection: Protection
    value: JSONValue

    def __repr__(self) -> str:
        return f"Secret({self.place!r}, …)"


class Encryption:
    """What the fabric asks of its vault. Every method raises VaultUnavailable, with a message that tells no more."""

    def __init__(self, vault: Vault, seconds: float = SECONDS) -> None:
        self.vault = vault
        self._seconds = seconds

    async def make_keys(self, organization_id: UUID, protections: Iterable[Protection]) -> None:
        """Makes the keys that such fields need, as far as they are not there."""
        given = list(protections)
        keys = {encryption_key(organization_id, p.purpose): KeyKind.ENCRYPTION for p in given}
        if any(p.blind_index for p in given):
            keys[index_key(organization_id)] = KeyKind.MAC
        await self._together([self.vault.create_key(key, kind) for key, kind in keys.items()])

    async def sealed(self, secrets: Sequence[Secret]) -> list[Ciphertext]:
        """Their ciphertexts, hints and blind indexes, in order."""
        if not secrets:
            return []
        texts = [plaintext_of(s.value) for s in secrets]
        by_key: dict[str, list[int]] = {}
        by_index: dict[str, list[int]] = {}
        for i, secret in enumerate(secrets):
            by_key.setdefault(encryption_key(secret.place.organization_id, secret.protection.purpose), []).append(i)
            if secret.protection.blind_index:
                by_index.setdefault(index_key(secret.place.organization_id), []).append(i)
        calls: list[Awaitable[Each[Any]]] = [
            self.vault.encrypt(key, [Plain(texts[i], secrets[i].place.context) for i in places])
            for key, places in by_key.items()
        ]
        calls += [
            self.vault.mac(key, [index_message(secrets[i].place.field, secrets[i].value) for i in places])
            for key, places in by_index.items()
        ]
        answers = await self._together(calls)
        digests: dict[int, bytes] = {}
        for places, answer in zip(by_index.values(), answers[len(by_key) :], strict=True):
            digests |= zip(places, self._each(answer), strict=True)
        made: dict[int, Ciphertext] = {}
        for (key, places), answer in zip(by_key.items(), answers, strict=False):
            for i, sealed in zip(places, self._each(answer), strict=True):
                secret = secrets[i]
                hint = hint_of(secret.protection.hint, secret.value)
                made[i] = Ciphertext(secret.place, key, sealed.key_version, sealed.ciphertext, hint, digests.get(i))
        return [made[i] for i in range(len(secrets))]

    async def opened(self, ciphertexts: Sequence[Ciphertext]) -> list[JSONValue]:
        """The values, in order. Each ciphertext must be that of its place."""
        texts = await self._decrypted(ciphertexts)
        return [value_of(text) for text in texts]

    async def moved(self, ciphertexts: Sequence[Ciphertext], label: int) -> dict[Place, tuple[Ciphertext, Ciphertext]]:
        """Each as it is now, and encrypted anew for the same place at this label, by the place where it is."""
        texts = await self._decrypted(ciphertexts)
        places = [replace(c.place, label=label) for c in ciphertexts]
        by_key = _by_key(ciphertexts)
        answers = await self._together([
            self.vault.encrypt(key, [Plain(texts[i], places[i].context) for i in items])
            for key, items in by_key.items()
        ])  # fmt: skip
        made: dict[Place, tuple[Ciphertext, Ciphertext]] = {}
        for items, answer in zip(by_key.values(), answers, strict=True):
            for i, sealed in zip(items, self._each(answer), strict=True):
                old = ciphertexts[i]
                new = replace(old, place=places[i], key_version=sealed.key_version, text=sealed.ciphertext)
                made[old.place] = (old, new)
        return made

    async def digests(self, organization_id: UUID, messages: Sequence[bytes]) -> list[bytes]:
        """The blind indexes of messages that `index_message` makes."""
        (answer,) = await self._together([self.vault.mac(index_key(organization_id), messages)])
        return self._each(answer)

    async def _decrypted(self, ciphertexts: Sequence[Ciphertext]) -> list[bytes]:
        by_key = _by_key(ciphertexts)
        answers = await self._together([
            self.vault.decrypt(key, [Placed(ciphertexts[i].text, ciphertexts[i].place.context) for i in items])
            for key, items in by_key.items()
        ])  # fmt: skip
        texts: dict[int, bytes] = {}
        for items, answer in zip(by_key.values(), answers, strict=True):
            texts |= zip(items, self._each(answer), strict=True)
        return [texts[i] for i in range(len(ciphertexts))]

    async def _together(self, calls: Sequence[Awaitable[T]]) -> list[T]:
        try:
            async with asyncio.timeout(self._seconds):
                answers = await asyncio.gather(*calls, return_exceptions=True)
        except TimeoutError:
            raise _told(Unavailable("no answer within the time limit")) from None
        done: list[T] = []
        for answer in answers:
            if isinstance(answer, VaultError):
                raise _told(answer) from None
            if isinstance(answer, BaseException):
                raise answer
            done.append(answer)
        return done

    def _each(self, answers: Each[T]) -> list[T]:
        good: list[T] = []
        for answer in answers:
            if isinstance(answer, VaultError):
                raise _told(answer) from None
            good.append(answer)
        return good


def required(encryption: Encryption | None) -> Encryption:
    """VaultUnavailable where none is configured, though encrypted values are there."""
    if encryption is None:
        raise VaultUnavailable("no vault is configured, so encrypted values can be neither read nor written")
    return encryption


def plaintext_of(value: JSONValue) -> bytes:
    """What is encrypted of a canonical value: its JSON."""
    return orjson.dumps(value)


def value_of(plaintext: bytes) -> JSONValue:
    value: JSONValue = orjson.loads(plaintext)
    return value


def index_message(key: str, value: JSONValue) -> bytes:
    """What the blind index is a digest of: the storage key, behind its length, and the canonical value."""
    name = key.encode()
    return len(name).to_bytes(4, "big") + name + orjson.dumps(value)


def _by_key(ciphertexts: Sequence[Ciphertext]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, each in enumerate(ciphertexts):
        found.setdefault(each.key_name, []).append(i)
    return found


def _told(error: VaultError) -> VaultUnavailable:
    log.warning("vault.failed", kind=type(error).__name__, reason=str(error))
    return VaultUnavailable(next(message for kind, message in _TOLD if isinstance(error, kind)))


def encryption_by(settings: Settings, vault: Vault | None) -> Encryption | None:
    """What all writers of a process use; None where there is no vault."""
    return Encryption(vault, _REQUESTS * settings.vault_timeout_seconds) if vault else None
