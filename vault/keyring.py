"""A file of keys, sealed under a master key and shared by the processes of one machine.

The file is replaced whole, so that it is never read half written; who replaces it holds a lock beside it.
"""

import base64
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.protocol import Denied, KeyKind, KeyState, NoSuchKey, Unavailable, VaultError

T = TypeVar("T")

SECRET_BYTES = 32
"""Length of every secret: AES-256, HMAC-SHA-256 and Ed25519 seeds alike."""

LOCK_SECONDS = 10.0
"""Longest wait for another process that changes the file; a change takes milliseconds."""

_HEADER = b"semantic-fabric keyring 1\n"
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key."""

    created: datetime
    secret: bytes

    def __repr__(self) -> str:
        return f"Version({self.created.isoformat()})"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept. Never changed: a change makes another."""

    name: str
    kind: KeyKind
    versions: Mapping[int, Version]
    minimum_version: int = 1

    @property
    def latest_version(self) -> int:
        return max(self.versions)

    @property
    def state(self) -> KeyState:
        created = {number: version.created for number, version in self.versions.items()}
        return KeyState(self.name, self.kind, created, self.minimum_version)

    def rotated(self) -> "Key":
        return replace(self, versions={**self.versions, self.latest_version + 1: _new_version()})


class Keyring:
    """The keys of a file. Its calls wait for the disk, those that change it for other processes too: use a thread.

    An absent file is an empty keyring. Denied if the master key is not the file's or others can read the file,
    Unavailable if it cannot be read or written.
    """

    def __init__(self, path: Path, master_key: bytes) -> None:
        """The master key: at least 32 bytes, random ones. ValueError if it is shorter."""
        if len(master_key) < SECRET_BYTES:
            raise ValueError(f"a master key has at least {SECRET_BYTES} bytes")
        self._path = path
        self._aead = AESGCM(HKDF(SHA256(), SECRET_BYTES, None, b"semantic-fabric keyring").derive(master_key))
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._stamp: tuple[int, ...] | None = None
        self._keys: dict[str, Key] = {}

    def fresh(self) -> bool:
        """Whether the file is the one that was read last. It takes microseconds."""
        return self._stamp is not None and _stamp(self._path) == self._stamp

    def key(self, name: str) -> Key:
        """A key as it is now. NoSuchKey if there is none."""
        if not self.fresh():
            self.require_readable()
        return self._find(name)

    def require_readable(self) -> None:
        """Reads the file anew if it has changed."""
        with self._lock:
            self._read()

    def create(self, name: str, kind: KeyKind) -> None:
        """Makes a key. Nothing happens if it exists; VaultError if it exists as another kind."""
        with self._changes():
            if name not in self._keys:
                self._write(Key(name, kind, {1: _new_version()}))
            elif self._keys[name].kind is not kind:
                raise VaultError(f"the key {name} exists as another kind: {self._keys[name].kind}")

    def change(self, name: str, change: Callable[[Key], Key]) -> Key:
        """Puts what `change` makes of a key in its place, and returns it. NoSuchKey if there is none."""
        with self._changes():
            key = change(self._find(name))
            self._write(key)
            return key

    def close(self) -> None:
        with self._lock:
            self._forget()
            self._stamp = None

    def _find(self, name: str) -> Key:
        try:
            return self._keys[name]
        except KeyError:
            raise NoSuchKey(f"there is no key {name} in the keyring") from None

    def _read(self) -> None:
        if self.fresh():
            return
        try:
            file = open(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")  # noqa: SIM115
        except FileNotFoundError:
            if self._stamp is not None:
                raise Unavailable("the keyring file is gone: restore it") from None
            return
        except OSError as error:
            raise Unavailable(f"the keyring file cannot be read: {error.strerror}") from None
        try:
            _require_private(os.fstat(file.fileno()))
            keys = self._opened(file.read())
        except BaseException:
            file.close()
            raise
        self._forget()
        self._file, self._keys = file, keys
        self._stamp = _stamp(file.fileno())

    def _forget(self) -> None:
        """The file that was read stays open until then, so that no other gets its inode number meanwhile."""
        if self._file is not None:
            self._file.close()
        self._file, self._keys = None, {}

    @contextmanager
    def _changes(self) -> Iterator[None]:
        """Alone among threads and processes, with the keys as they are."""
        with self._lock:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise Unavailable(f"the keyring file cannot be locked: {error.strerror}") from None
            try:
                _wait_for(lock)
                self._read()
                yield
            finally:
                os.close(lock)

    def _write(self, key: Key) -> None:
        """The file with this key in it. A power cut leaves the old one or the new one, and perhaps a draft."""
        keys = {**self._keys, key.name: key}
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            for left in self._path.parent.glob(f".{self._path.name}.*"):
                left.unlink()
            try:
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(self._sealed(keys))
                    file.flush()
                    os.fsync(file.fileno())
                draft.rename(self._path)
            finally:
                draft.unlink(missing_ok=True)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(f"the keyring file cannot be written: {error.strerror}") from None
        self._read()

    def _sealed(self, keys: Mapping[str, Key]) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _HEADER + nonce + self._aead.encrypt(nonce, json.dumps(_as_json(keys)).encode(), _HEADER)

    def _opened(self, content: bytes) -> dict[str, Key]:
        nonce, body = content[len(_HEADER) :][:_NONCE_BYTES], content[len(_HEADER) + _NONCE_BYTES :]
        if not content.startswith(_HEADER) or not body:
            raise Denied("the keyring file is no keyring of this version, or was cut")
        try:
            return _from_json(json.loads(self._aead.decrypt(nonce, body, _HEADER)))
        except InvalidTag:
            raise Denied("the keyring file was damaged, or sealed under another master key") from None


def _new_version() -> Version:
    return Version(datetime.now(UTC), secrets.token_bytes(SECRET_BYTES))


def _wait_for(lock: int) -> None:
    """Polls, since waiting in the kernel has no time limit."""
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise Unavailable("another process holds the lock of the keyring file") from None
            time.sleep(0.01)


def _stamp(file: Path | int) -> tuple[int, ...] | None:
    try:
        state = os.stat(file)
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size


def _require_private(state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
        raise Denied("the keyring must be a file of this process's own user")
    if state.st_mode & 0o077:
        raise Denied("others can read the keyring file: chmod 600")


def _as_json(keys: Mapping[str, Key]) -> dict[str, Any]:
    return {
        name: {
            "kind": key.kind.value,
            "minimum": key.minimum_version,
            "versions": {
                str(number): [version.created.isoformat(), base64.b64encode(version.secret).decode()]
                for number, version in key.versions.items()
            },
        }
        for name, key in keys.items()
    }


def _from_json(keys: Mapping[str, Any]) -> dict[str, Key]:
    return {
        name: Key(
            name,
            KeyKind(key["kind"]),
            {
                int(number): Version(datetime.fromisoformat(created), base64.b64decode(secret))
                for number, (created, secret) in key["versions"].items()
            },
            key["minimum"],
        )
        for name, key in keys.items()
    }
