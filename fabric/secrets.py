"""Secrets of this installation: files of the data folder that only its own user can read."""

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LENGTH = 32
"""Bytes of a secret made here, and the fewest that any may have."""


class SecretError(RuntimeError):
    """A folder or a file that cannot keep a secret; the message says what to do."""


def private_folder(path: Path) -> Path:
    """The data folder, made (0700) if absent. SecretError if another user owns it or can write to it."""
    path = path.expanduser().resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SecretError(f"{path} cannot be made ({error.strerror}): choose another data folder") from error
    state = path.stat()
    if state.st_uid not in (0, os.geteuid()):
        raise SecretError(f"{path} belongs to another user: run as that user or choose another data folder")
    if state.st_mode & 0o022 and not state.st_mode & stat.S_ISVTX:
        raise SecretError(f"others can write to {path}: `chmod go-w {path}`, or choose a folder inside it")
    return path


def random_bytes() -> bytes:
    return secrets.token_bytes(LENGTH)


def local_secret(data_dir: Path, name: str, make: Callable[[], bytes] = random_bytes) -> bytes:
    """The secret kept in `data_dir/name`: made at the first call, 32 random bytes by default, then always the same.

    Of several processes that make it at once, all get the winner's.
    """
    path = private_folder(data_dir) / name
    if not path.exists():
        _create(path, make())
    return read_secret(path)


def token_secret(data_dir: Path, file: Path | None) -> bytes:
    """The shared secret of tokens: the file that is set, or the one made in the data folder."""
    return read_secret(file) if file else local_secret(data_dir, "jwt")


def read_secret(path: Path) -> bytes:
    """The bytes of a secret file as they are. SecretError if others can read it, or it is shorter than 32 bytes."""
    secret = read_private(path)
    if len(secret) < LENGTH:
        raise SecretError(f"the secret {path} is shorter than {LENGTH} bytes: `openssl rand -out {path} {LENGTH}`")
    return secret


def read_private(path: Path) -> bytes:
    """The bytes of a file, such as a credential that others have issued. SecretError if others can read it.

    A file that root owns may be readable by its group: that is how containers are handed their secrets.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretError(f"the secret {path} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid not in (0, os.geteuid()):
            raise SecretError(f"{path} must be a file of this process's own user")
        if state.st_mode & (0o077 if state.st_uid == os.geteuid() else 0o037):
            raise SecretError(f"others can read the secret {path}: `chmod 600 {path}`")
        return file.read()


def _create(path: Path, secret: bytes) -> None:
    """A link appears whole or not at all, and never replaces what another process put there first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
