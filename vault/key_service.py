"""What a service that wraps keys, digests and signs must offer for `vault.service_vault` to make a vault of it.

Such services take one item a request, and their libraries block: everything here runs in threads. The service keeps
all state, so that a version which may no longer decrypt is one that the service itself has disabled.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from vault.protocol import Denied, Health, KeyKind, VaultError

L = TypeVar("L")
"""The latest version of a key, as a service likes to have it at hand."""


class Disabled(Denied):
    """The service has disabled this version of the key: by a minimum version, or somebody did it by hand."""


class Refused(VaultError):
    """The service does not do such a thing with this key, whatever the item: it is a key of another kind."""


@dataclass(frozen=True, slots=True)
class Version:
    """`reference` is in hex digits and stays for ever; the number is the place among the key's versions, from 1."""

    number: int
    reference: str
    created: datetime
    enabled: bool


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped data key, and the number and reference of the version that wrapped it."""

    number: int
    reference: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Versions:
    """All versions of a key that exist, by number."""

    kind: KeyKind
    each: Sequence[Version]

    @property
    def minimum(self) -> int:
        """The first that is enabled; the latest if none is."""
        return next((version.number for version in self.each if version.enabled), self.each[-1].number)

    def number(self, reference: str) -> int | None:
        return next((version.number for version in self.each if version.reference == reference), None)


class KeyService(ABC, Generic[L]):
    """Safe to be used by many threads. All may raise VaultErrors, and Disabled where the version is.

    A key is NoSuchKey where none of that name exists.
    """

    name: str
    """Of lower-case letters and digits: the first part of every ciphertext and signature."""

    @abstractmethod
    def latest(self, key: str, kind: KeyKind) -> L:
        """The version to work with now, asked once a batch."""

    @abstractmethod
    def wrap(self, latest: L, data_key: bytes, bound_to: bytes) -> Wrapped: ...

    @abstractmethod
    def unwrap(self, key: str, reference: str, wrapped: bytes, bound_to: bytes) -> bytes:
        """The data key. NotDecryptable for what this version has not wrapped with this binding, or if it is unknown."""

    @abstractmethod
    def rewrap(self, key: str, latest: L, reference: str, wrapped: bytes, bound_to: bytes) -> Wrapped:
        """The same data key, wrapped by the latest version."""

    @abstractmethod
    def mac(self, latest: L, message: bytes) -> bytes: ...

    @abstractmethod
    def sign(self, latest: L, message: bytes) -> tuple[str, bytes]:
        """The reference of the version that signed, and the signature."""

    @abstractmethod
    def verify(self, key: str, reference: str, message: bytes, signature: bytes) -> bool:
        """False also where the version is unknown."""

    @abstractmethod
    def versions(self, key: str) -> Versions: ...

    @abstractmethod
    def create(self, key: str, kind: KeyKind) -> None: ...

    @abstractmethod
    def rotate(self, key: str, kind: KeyKind) -> int: ...

    @abstractmethod
    def enable(self, key: str, version: Version, enabled: bool) -> None: ...

    @abstractmethod
    def check(self) -> Health:
        """May raise, as everything else."""

    @abstractmethod
    def close(self) -> None: ...
