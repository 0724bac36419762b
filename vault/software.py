"""The vault that comes along: keys in a keyring file, everything computed in this process.

It protects what is in the database from whoever has the database, its backups or its replicas, and not from whoever
controls this machine. That is what the vaults that keep their keys elsewhere are for.

Values are sealed with AES-256-GCM and random nonces, each context under a key of its own that HKDF derives from the
key's version. A place is written few times, so no derived key comes near the 2³² messages at which random nonces of
96 bits would begin to be a concern, however many places there are. (AES-GCM-SIV, which bears repeated nonces, takes an
OpenSSL that not every system has, and is in no HSM to move to.)
"""

import asyncio
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from hmac import digest
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from vault.keyring import SECRET_BYTES, Key, Keyring
from vault.names import require_name
from vault.printable import parsed, printable
from vault.protocol import Each, Health, KeyKind, KeyState, NotDecryptable, Placed, Plain, Sealed, VaultError

T = TypeVar("T")
Item = TypeVar("Item")

INLINE_ITEMS = 50
INLINE_BYTES = 65_536
"""More items or bytes than these, about a millisecond's work, are computed in a thread."""

_NONCE_BYTES = 12
_TAG_BYTES = 16
_PREFIX = "sf"


class SoftwareVault:
    """Keys of a keyring file. Several processes may share the file and see each other's changes at once."""

    def __init__(self, path: Path, master_key: bytes) -> None:
        """The file is made with the first key. ValueError for a master key shorter than 32 bytes."""
        self._keyring = Keyring(path, master_key)

    async def create_key(self, key: str, kind: KeyKind) -> None:
        require_name(key)
        await asyncio.to_thread(self._keyring.create, key, kind)

    async def encrypt(self, key: str, items: Sequence[Plain]) -> Each[Sealed]:
        found = await self._key(key, KeyKind.ENCRYPTION)
        return await _each(lambda item: _seal(found, item), items, [len(item.plaintext) for item in items])

    async def decrypt(self, key: str, items: Sequence[Placed]) -> Each[bytes]:
        found = await self._key(key, KeyKind.ENCRYPTION)
        return await _each(lambda item: _open(found, item), items, [len(item.ciphertext) for item in items])

    async def rewrap(self, key: str, items: Sequence[Placed]) -> Each[Sealed]:
        found = await self._key(key, KeyKind.ENCRYPTION)

        def rewrapped(item: Placed) -> Sealed:
            return _seal(found, Plain(_open(found, item), item.context))

        return await _each(rewrapped, items, [2 * len(item.ciphertext) for item in items])

    async def mac(self, key: str, messages: Sequence[bytes]) -> Each[bytes]:
        secret = (await self._key(key, KeyKind.MAC)).versions[1].secret
        return await _each(lambda message: digest(secret, message, "sha256"), messages, [len(m) for m in messages])

    async def sign(self, key: str, messages: Sequence[bytes]) -> Each[str]:
        found = await self._key(key, KeyKind.SIGNING)
        private = _signer(found, found.latest_version)

        def signed(message: bytes) -> str:
            return printable(_PREFIX, found.latest_version, private.sign(message))

        return await _each(signed, messages, [len(message) for message in messages])

    async def verify(self, key: str, message: bytes, signature: str) -> bool:
        found = await self._key(key, KeyKind.SIGNING)
        try:
            version, raw = _parse(found, signature)
            _signer(found, version).public_key().verify(raw, message)
        except (NotDecryptable, InvalidSignature):
            return False
        return True

    async def rotate(self, key: str) -> int:
        require_name(key)

        def rotated(found: Key) -> Key:
            if found.kind is KeyKind.MAC:
                raise VaultError(f"the key {key} is for digests and has one version for ever")
            return found.rotated()

        return (await asyncio.to_thread(self._keyring.change, key, rotated)).latest_version

    async def key_state(self, key: str) -> KeyState:
        return (await self._key(key)).state

    async def set_minimum_version(self, key: str, version: int) -> None:
        require_name(key)

        def changed(found: Key) -> Key:
            if version not in found.versions:
                raise VaultError(f"the key {key} has no version {version}")
            return replace(found, minimum_version=version)

        await asyncio.to_thread(self._keyring.change, key, changed)

    async def health(self) -> Health:
        try:
            await asyncio.to_thread(self._keyring.require_readable)
        except VaultError as error:
            return Health("software", reachable=False, problems=(f"{error}.",))
        return Health("software", reachable=True)

    async def close(self) -> None:
        self._keyring.close()

    async def _key(self, name: str, kind: KeyKind | None = None) -> Key:
        require_name(name)
        find = self._keyring.key
        key = find(name) if self._keyring.fresh() else await asyncio.to_thread(find, name)
        if kind not in (None, key.kind):
            raise VaultError(f"the key {name} is of another kind: {key.kind}")
        return key


async def _each(do: Callable[[Item], T], items: Sequence[Item], sizes: Sequence[int]) -> Each[T]:
    """What `do` makes of each item, or the VaultError that it raises. A thread gives up once nobody waits for it."""
    given_up = threading.Event()

    def all_of_them() -> Each[T]:
        outcomes: Each[T] = []
        for item in items:
            if given_up.is_set():
                break
            try:
                outcomes.append(do(item))
            except VaultError as error:
                outcomes.append(error)
        return outcomes

    if len(items) <= INLINE_ITEMS and sum(sizes) <= INLINE_BYTES:
        return all_of_them()
    try:
        return await asyncio.to_thread(all_of_them)
    finally:
        given_up.set()


def _seal(key: Key, item: Plain) -> Sealed:
    if not item.context:
        raise VaultError("an item to be encrypted has no context")
    version = key.latest_version
    nonce = secrets.token_bytes(_NONCE_BYTES)
    body = _cipher(key, version, item.context).encrypt(nonce, item.plaintext, None)
    return Sealed(printable(_PREFIX, version, nonce + body), version)


def _open(key: Key, item: Placed) -> bytes:
    version, raw = _parse(key, item.ciphertext)
    if not item.context or len(raw) < _NONCE_BYTES + _TAG_BYTES:
        raise _not_decryptable()
    try:
        return _cipher(key, version, item.context).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
    except InvalidTag:
        raise _not_decryptable() from None


def _cipher(key: Key, version: int, context: bytes) -> AESGCM:
    return AESGCM(HKDFExpand(SHA256(), SECRET_BYTES, b"context:" + context).derive(key.versions[version].secret))


def _signer(key: Key, version: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.versions[version].secret)


def _parse(key: Key, text: str) -> tuple[int, bytes]:
    """The version and what it made, of a version that decrypts."""
    found = parsed(_PREFIX, text)
    if found is None or found[0] not in key.versions:
        raise _not_decryptable()
    if found[0] < key.minimum_version:
        raise NotDecryptable(f"version {found[0]} of the key is below the minimum version {key.minimum_version}")
    return found


def _not_decryptable() -> NotDecryptable:
    return NotDecryptable("no ciphertext of this key in this context, or a damaged one")
