"""A plaintext under a data key of its own, and what a key service needs to wrap that data key.

For services that encrypt little at a time, one item a request, or without a context. The data key encrypts nothing
else, never rests in plaintext and is forgotten with the call. The service wraps it bound to a digest of the key's name,
the context and the encrypted body, so it can move a ciphertext to another version of its key and find out on the way
that it was tampered with or stands in the wrong place, without the plaintext.
"""

import os
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.protocol import NotDecryptable, Plain

DATA_KEY_BYTES = 32
BINDING_BYTES = 32
_NONCE = bytes(12)
"""Always the same, for a data key is used once."""
_FORM = "semantic-fabric envelope 1"
_TEXT = re.compile(r"([a-z0-9]+):([0-9a-f]{1,64}):([A-Za-z0-9+/]+={0,2}):([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Envelope:
    """`reference` is the service's own name for the version of the key that wrapped the data key, in hex digits."""

    backend: str
    reference: str
    wrapped: bytes
    body: bytes

    def __str__(self) -> str:
        return f"{self.backend}:{self.reference}:{to_base64(self.wrapped)}:{to_base64(self.body)}"

    @classmethod
    def parse(cls, backend: str, text: str) -> Self:
        """NotDecryptable for what this backend never writes."""
        match = _TEXT.fullmatch(text)
        if not match or match[1] != backend:
            raise NotDecryptable("this is no ciphertext of this vault")
        return cls(backend, match[2], from_base64(match[3]), from_base64(match[4]))


def to_base64(data: bytes) -> str:
    return b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """The one way back from `to_base64`: NotDecryptable for any other text."""
    try:
        data = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        data = b""
    if to_base64(data) != text:
        raise NotDecryptable("this is no ciphertext of this vault")
    return data


def seal(key: str, item: Plain) -> tuple[bytes, bytes]:
    """A new data key, and the body that it encrypted."""
    data_key = os.urandom(DATA_KEY_BYTES)
    return data_key, AESGCM(data_key).encrypt(_NONCE, item.plaintext, _place(key, item.context))


def unseal(key: str, context: bytes, data_key: bytes, body: bytes) -> bytes:
    """The plaintext. NotDecryptable if the body was not made by this data key for this place."""
    try:
        return AESGCM(data_key).decrypt(_NONCE, body, _place(key, context))
    except (InvalidTag, ValueError):
        raise NotDecryptable("the ciphertext does not belong here or was tampered with") from None


def binding(key: str, context: bytes, body: bytes) -> bytes:
    """What the wrapped data key is bound to. It tells nothing of the plaintext, so a service may log it."""
    return sha256(_framed(_place(key, context), body)).digest()


def _place(key: str, context: bytes) -> bytes:
    return _framed(_FORM.encode(), key.encode(), context)


def _framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)
