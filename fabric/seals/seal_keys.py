"""The keys of seals: Ed25519. The private one never enters the database; the public one lets anybody verify."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from fabric.secrets import SecretError, local_secret, read_secret

FILE = "seal-key.pem"
"""What the key that is made here is called, in the data folder."""

_END = b"-----END PUBLIC KEY-----"


def key_id(public: Ed25519PublicKey) -> str:
    """16 hexadecimal digits: the first 8 bytes of the key's SHA-256."""
    return sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


class SealingKey:
    """A private key, which signs."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key()
        self.key_id = key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)

    @property
    def public_pem(self) -> str:
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class TrustedKeys:
    """The public keys whose seals count."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {key_id(key): key for key in keys}

    def knows(self, key: str) -> bool:
        return key in self._keys

    def accepts(self, key: str, message: bytes, signature: bytes) -> bool:
        """Whether a known key of this id has signed the message."""
        try:
            self._keys[key].verify(signature, message)
        except (KeyError, InvalidSignature):
            return False
        return True


def sealing_key(data_dir: Path, file: Path | None) -> SealingKey:
    """The key of the file that is set, or the one made in the data folder. SecretError if it cannot be used."""
    if file is not None:
        return _private(read_secret(file), file)
    return _private(local_secret(data_dir, FILE, _generate), data_dir / FILE)


def existing_key(data_dir: Path, file: Path | None) -> SealingKey | None:
    """The same without making one: None where no key was made yet."""
    path = file or data_dir.expanduser() / FILE
    if file is None and not path.exists():
        return None
    return _private(read_secret(path), path)


def trusted_keys(key: SealingKey, file: Path | None) -> TrustedKeys:
    """The key's own public one, and those of the file that is set."""
    return TrustedKeys([key.public, *(public_keys(file) if file else [])])


def public_keys(file: Path) -> list[Ed25519PublicKey]:
    """The public keys of a PEM file, one or more. SecretError if there is none, or another kind."""
    try:
        blocks = [block + _END for block in file.read_bytes().split(_END)[:-1]]
        keys = [load_pem_public_key(block) for block in blocks]
    except OSError as error:
        raise SecretError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SecretError(f"{file} holds no public keys in PEM") from error
    ours = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not ours or len(ours) < len(keys):
        raise SecretError(f"{file} must hold Ed25519 public keys in PEM: `openssl pkey -in KEY -pubout`")
    return ours


def _private(pem: bytes, file: Path) -> SealingKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SecretError(f"{file} must hold an Ed25519 key in PEM: `openssl genpkey -algorithm ed25519 -out {file}`")
    return SealingKey(key)


def _generate() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
