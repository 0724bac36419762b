"""What a vault does, whichever it is. `tests/vault/contract.py` holds every backend to it.

A vault keeps keys by name, each in numbered versions (1, 2, …): the latest encrypts, those from the minimum on
decrypt. Keys never leave it. Every ciphertext is bound to a context, bytes that say where it belongs: with another
context it does not decrypt. What goes in batches comes back in their order, with a `VaultError` in the place of each
item that failed alone; a fault of the whole call is raised. Every call ends within the backend's time limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Each: TypeAlias = list[T | "VaultError"]
"""Outcomes item by item, in the order of the batch."""


class VaultError(Exception):
    """The message is for logs and officers: no key material, plaintext, token, address or ciphertext is in it."""


class Unavailable(VaultError):
    """Down, sealed, too slow, or its own backend is: the same call may succeed later."""


class Throttled(Unavailable):
    """Over a quota. `retry_after` is in seconds, None where the vault does not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Denied(Unavailable):
    """The credentials are wrong, expired, or may not do this: somebody has to act."""


class NoSuchKey(VaultError):
    """No key of this name exists, or none of this version."""


class NotDecryptable(VaultError):
    """No ciphertext of this key, version and context, or one that was tampered with, or below the minimum version."""


class KeyKind(StrEnum):
    ENCRYPTION = "encryption"
    """Encrypts and decrypts in contexts."""
    MAC = "mac"
    """Computes keyed digests. It has one version: what was computed is compared for as long as it is kept."""
    SIGNING = "signing"
    """Signs, Ed25519 or what the backend has that is as strong."""


@dataclass(frozen=True, slots=True)
class Plain:
    """What is to be encrypted. An empty plaintext is one too; the context is never empty."""

    plaintext: bytes
    context: bytes

    def __repr__(self) -> str:
        return "Plain(…)"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ciphertext in the backend's own printable form, and the version of the key that made it."""

    ciphertext: str
    key_version: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A ciphertext and the context that it must have been made in."""

    ciphertext: str
    context: bytes


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key: `versions` are those that exist and when they were made, `minimum_version` the first that decrypts."""

    name: str
    kind: KeyKind
    versions: dict[int, datetime]
    minimum_version: int

    @property
    def latest_version(self) -> int:
        return max(self.versions)


@dataclass(frozen=True, slots=True)
class Health:
    """How a vault is. `problems` says what to do, one sentence each; it is empty where all is well."""

    backend: str
    reachable: bool
    sealed: bool = False
    token_seconds_left: float | None = None
    """Until the first of its credentials expires; None where none does."""
    problems: tuple[str, ...] = ()


class Vault(Protocol):
    """Safe to be used by many tasks at once. Names of keys match `[a-z0-9][a-z0-9-]{0,99}`.

    All calls may raise Unavailable, Throttled or Denied; those that name a key NoSuchKey.
    """

    async def create_key(self, key: str, kind: KeyKind) -> None:
        """Makes a key with one version. Nothing happens if it exists; VaultError if it exists as another kind."""

    async def encrypt(self, key: str, items: Sequence[Plain]) -> Each[Sealed]:
        """With the latest version. The same item twice gives two different ciphertexts."""

    async def decrypt(self, key: str, items: Sequence[Placed]) -> Each[bytes]:
        """The plaintexts. An item that is none of this key's in this context is NotDecryptable."""

    async def rewrap(self, key: str, items: Sequence[Placed]) -> Each[Sealed]:
        """The same plaintexts under the latest version, in the same contexts; no plaintext leaves the vault."""

    async def mac(self, key: str, messages: Sequence[bytes]) -> Each[bytes]:
        """A keyed digest of each message, at least 32 bytes: always the same for the same key and message."""

    async def sign(self, key: str, messages: Sequence[bytes]) -> Each[str]:
        """A signature of each message in the backend's own printable form."""

    async def verify(self, key: str, message: bytes, signature: str) -> bool:
        """Whether the key, in any version from the minimum on, has signed the message."""

    async def rotate(self, key: str) -> int:
        """Makes a new version of an encryption or signing key and returns its number."""

    async def key_state(self, key: str) -> KeyState: ...

    async def set_minimum_version(self, key: str, version: int) -> None:
        """From now on earlier versions decrypt nothing. VaultError for a version that does not exist."""

    async def health(self) -> Health:
        """Asks the vault, and never raises."""

    async def close(self) -> None: ...
