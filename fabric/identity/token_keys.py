"""The keys that tokens are verified with: a shared secret, a public key from a file, or an issuer's key set.

A key decides by its own type which algorithm it verifies, so no token can have a public key taken for a shared secret.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fabric.errors import Unauthenticated

SYMMETRIC = "HS256"
ASYMMETRIC = ("RS256", "ES256", "EdDSA")
UNVERIFIABLE = "tokens cannot be verified at the moment: the issuer's keys are out of reach"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SECRET_BYTES = 32  # as long as the digest (RFC 7518, 3.2)
_RSA_BITS = 2048

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A key and the one algorithm it verifies. Compared by identity: a key set fetched anew keeps unchanged keys."""

    algorithm: str
    material: bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class Keys(Protocol):
    """Where the keys that verify tokens come from."""

    async def find(self, kid: str | None) -> Key | None:
        """The key that serves for this key id now, if any. Unauthenticated when there are no keys at all."""


class FixedKey:
    """One key, whatever key id a token names."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def find(self, kid: str | None) -> Key | None:
        return self._key


@dataclass(slots=True, eq=False)
class RemoteKeys:
    """The keys of a JWKS URL. Times are in seconds.

    Keys serve for `lifetime` after they were fetched; once `refresh_after` has passed they are fetched anew in the
    background, and a withdrawn key stops serving. An unknown key id fetches too, and waits at most `timeout`. Whatever
    asks, and however it ends, there is one fetch at a time and none sooner than `cooldown` after the last began.
    """

    url: str
    algorithms: Sequence[str] = ASYMMETRIC
    timeout: float = 5
    cooldown: float = 10
    refresh_after: float = 300
    lifetime: float = 3600
    _client: jwt.PyJWKClient = field(init=False)
    _keys: dict[str, tuple[object, Key]] = field(default_factory=dict, init=False)
    _fetched_at: float = field(default=-math.inf, init=False)
    _began_at: float = field(default=-math.inf, init=False)
    _refresh: asyncio.Task[None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("the JWKS URL must be https (http on loopback only): whoever alters it signs any token")
        self._client = jwt.PyJWKClient(self.url, cache_jwk_set=False, timeout=self.timeout)

    async def find(self, kid: str | None) -> Key | None:
        now = time.monotonic()
        key = self._serving(kid, now)
        if key is None or now - self._fetched_at >= self.refresh_after:
            refresh = self._begin_refresh(now)
            if key is None and refresh is not None:
                await asyncio.wait((refresh,))
                now = time.monotonic()
                key = self._serving(kid, now)
        if key is None and (not self._keys or now - self._fetched_at >= self.lifetime):
            raise Unauthenticated(UNVERIFIABLE)
        return key

    def _serving(self, kid: str | None, now: float) -> Key | None:
        if kid is None or kid not in self._keys or now - self._fetched_at >= self.lifetime:
            return None
        return self._keys[kid][1]

    def _begin_refresh(self, now: float) -> asyncio.Task[None] | None:
        """The fetch under way, begun now unless it is too soon."""
        if self._refresh is not None and not self._refresh.done():
            return self._refresh
        if now - self._began_at < self.cooldown:
            return None
        self._began_at = now
        self._refresh = asyncio.create_task(self._fetch())
        return self._refresh

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                document = await asyncio.to_thread(self._client.fetch_data)
            self._keys = self._parse(document.get("keys"))
            self._fetched_at = time.monotonic()
        except (jwt.PyJWKClientError, OSError, ValueError, RecursionError) as error:
            log.warning("the JWKS cannot be fetched: %s", type(error).__name__)

    def _parse(self, entries: object) -> dict[str, tuple[object, Key]]:
        """Keys by key id, each with the entry it was made from; what cannot verify our tokens is left out."""
        if not isinstance(entries, list):
            raise ValueError("not a JWKS")
        keys: dict[str, tuple[object, Key]] = {}
        for entry in entries:
            kid = entry.get("kid") if isinstance(entry, dict) else None
            if not isinstance(kid, str) or kid in keys:
                continue
            if kid in self._keys and self._keys[kid][0] == entry:
                keys[kid] = self._keys[kid]
            elif (key := _key_of_jwk(entry)) is not None and key.algorithm in self.algorithms:
                keys[kid] = entry, key
        return keys


def verification_keys(
    algorithms: Sequence[str], *, secret: bytes | None = None, public_key: bytes | None = None, jwks_url: str = ""
) -> Keys:
    """The keys that these settings mean; `public_key` is PEM. ValueError says why settings do not go together."""
    unknown = set(algorithms) - {SYMMETRIC, *ASYMMETRIC}
    if unknown or not algorithms:
        raise ValueError(f"the algorithms of tokens are some of {SYMMETRIC}, {', '.join(ASYMMETRIC)}")
    asymmetric = [name for name in algorithms if name != SYMMETRIC]
    if SYMMETRIC in algorithms:
        if asymmetric or public_key is not None or jwks_url:
            raise ValueError(
                "HS256 cannot be configured together with public keys: "
                "a public key taken for the shared secret would let anyone sign tokens"
            )
        return FixedKey(secret_key(secret))
    if secret is not None:
        raise ValueError(f"a secret verifies HS256 only, not {', '.join(asymmetric)}")
    if (public_key is None) == (not jwks_url):
        raise ValueError(f"{', '.join(asymmetric)} need a public key file or a JWKS URL, one of them")
    if public_key is None:
        return RemoteKeys(jwks_url, asymmetric)
    key = _key_of_pem(public_key)
    if key.algorithm not in asymmetric:
        raise ValueError(f"the public key verifies {key.algorithm}, which is not among the algorithms of tokens")
    return FixedKey(key)


def secret_key(secret: bytes | None) -> Key:
    if secret is None or len(secret) < _SECRET_BYTES:
        raise ValueError(f"HS256 needs a secret of at least {_SECRET_BYTES} bytes")
    try:
        return Key(SYMMETRIC, jwt.get_algorithm_by_name(SYMMETRIC).prepare_key(secret))
    except jwt.InvalidKeyError:
        raise ValueError("the HS256 secret is a public key or certificate, which is no secret") from None


def _key_of_pem(pem: bytes) -> Key:
    try:
        key = _public_key(load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if key is None:
        raise ValueError("the key file must hold a PEM public key: RSA of 2048 bits or more, EC P-256 or Ed25519")
    return key


def _key_of_jwk(jwk: dict[str, object]) -> Key | None:
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        key = _public_key(jwt.PyJWK(jwk).key)
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    return key if key is None or jwk.get("alg", key.algorithm) == key.algorithm else None


def _public_key(key: object) -> Key | None:
    """The key with its algorithm; None for private keys, shared secrets and weak or unusual keys."""
    match key:
        case RSAPublicKey(key_size=bits) if bits >= _RSA_BITS:
            return Key("RS256", key)
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return Key("ES256", key)
        case Ed25519PublicKey():
            return Key("EdDSA", key)
    return None
