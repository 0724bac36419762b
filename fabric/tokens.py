"""Bearer tokens: JSON Web Tokens verified into `Claims`, and issued for development.

A key decides by its own type which algorithm it verifies; a token's header only chooses among keys, by `kid`. So no
token can have a public key taken for a shared secret, or bring the key or the algorithm it is verified with.
"""

import asyncio
import hashlib
import logging
import math
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fabric.errors import Unauthenticated
from fabric.labels import Label
from fabric.subject import Claims

SYMMETRIC = "HS256"
ASYMMETRIC = ("RS256", "ES256", "EdDSA")
MAX_HEADER = 8192
"""The longest Authorization header, in characters."""

MISSING = "authentication is required: send the header Authorization: Bearer <token>"
MALFORMED = "the Authorization header must be Bearer <JSON Web Token>, at most 8 kB"
EXPIRED = "the token has expired"
NOT_ACCEPTED = "the token is not accepted: its signature, issuer, audience, times or claims are not as they must be"
UNVERIFIABLE = "tokens cannot be verified at the moment: the issuer's keys are out of reach"

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Canonical base64url: the unused bits of the last character are zero, so that no two texts are one token.
_SEGMENT = r"(?:[A-Za-z0-9_-]{4})++(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?"
_TOKEN = re.compile(rf"{_SEGMENT}\.{_SEGMENT}\.{_SEGMENT}")
_SECRET_BYTES = 32  # as long as the digest (RFC 7518, 3.2)
_RSA_BITS = 2048
_MAX_NAME = 255
_MAX_ROLES = 256
_END_OF_TIME = 253402300800  # the year 10000: what lies beyond does not fit a datetime

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


class _Verified(NamedTuple):
    claims: Claims
    kid: str | None
    key: Key


class Authenticator:
    """Turns an Authorization header into verified claims.

    A verified token is remembered by its SHA-256, for as long as its key serves and it has not expired; at most
    `cache_size` of them, the least recently used forgotten first. ValueError for an empty issuer or audience.
    """

    def __init__(
        self, keys: Keys, *, issuer: str, audience: str, leeway_seconds: float = 0, cache_size: int = 10_000
    ) -> None:
        if not issuer or not audience:
            raise ValueError(
                "an issuer and an audience are required: without them a token made for any other service would do"
            )
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway_seconds
        self._cache_size = cache_size
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> Claims:
        """The claims of a raw Authorization header. Unauthenticated in every other case."""
        token = _bearer(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._verified.get(digest)
        if verified is None or await self._keys.find(verified.kid) is not verified.key:
            verified = await self._verify(token)
        if verified.claims.expires_at + self._leeway <= time.time():
            raise Unauthenticated(EXPIRED)
        self._remember(digest, verified)
        return verified.claims

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > self._cache_size:
            self._verified.popitem(last=False)

    async def _verify(self, token: str) -> _Verified:
        if not _TOKEN.fullmatch(token):
            raise Unauthenticated(MALFORMED)
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = await self._keys.find(kid)
            if key is not None:
                return _Verified(_claims(self._decode(token, key)), kid, key)
            reason = "unknown kid"
        except jwt.ExpiredSignatureError:
            raise Unauthenticated(EXPIRED) from None
        except _BadClaim as error:
            reason = f"claim {error}"
        except jwt.PyJWTError as error:
            reason = type(error).__name__
        log.debug("token not accepted: %s", reason)
        raise Unauthenticated(NOT_ACCEPTED)

    def _decode(self, token: str, key: Key) -> Mapping[str, object]:
        return jwt.decode(
            token,
            key.material,
            algorithms=[key.algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway,
        )


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
        return FixedKey(_secret_key(secret))
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


def issue_token(
    secret: bytes,
    *,
    organization: str,
    subject: str,
    roles: Iterable[str],
    clearance: Label,
    lifetime: timedelta,
    issuer: str,
    audience: str,
) -> str:
    """An HS256 token of the development secret. ValueError for what no `Authenticator` would accept."""
    now = int(time.time())
    payload = {
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
        "jti": uuid4().hex,
        "org": organization,
        "sub": subject,
        "roles": sorted(set(roles)),
        "clearance": str(clearance),
    }
    if lifetime < timedelta(seconds=1) or not issuer or not audience:
        raise ValueError("a token needs a lifetime of a second or more, an issuer and an audience")
    _claims(payload)
    _secret_key(secret)
    token = jwt.encode(payload, secret, SYMMETRIC)
    if len("Bearer ") + len(token) > MAX_HEADER:
        raise ValueError("the token would be longer than 8 kB")
    return token


class _BadClaim(ValueError):
    """Carries the claim's name only, never its value."""


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated(MISSING)
    if len(authorization) > MAX_HEADER or not authorization.isascii():
        raise Unauthenticated(MALFORMED)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated(MALFORMED)
    return token.strip(" ")


def _claims(payload: Mapping[str, object]) -> Claims:
    roles, clearance = payload.get("roles"), payload.get("clearance")
    if not isinstance(roles, list) or len(roles) > _MAX_ROLES:
        raise _BadClaim("roles")
    if not isinstance(clearance, str):
        raise _BadClaim("clearance")
    try:
        label = Label.parse(clearance)
    except ValueError:
        raise _BadClaim("clearance") from None
    for claim in ("iat", "nbf"):
        if claim in payload:
            _time(payload[claim], claim)
    return Claims(
        organization=_name(payload.get("org"), "org"),
        subject=_name(payload.get("sub"), "sub"),
        roles=frozenset(_name(role, "roles") for role in roles),
        clearance=label,
        expires_at=_time(payload.get("exp"), "exp"),
        token_id=_name(payload["jti"], "jti") if "jti" in payload else None,
    )


def _name(value: object, claim: str) -> str:
    """Printable, so that it can go into a database, a header or a log line as it is."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME or not value.isprintable():
        raise _BadClaim(claim)
    return value


def _time(value: object, claim: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        raise _BadClaim(claim)
    return float(value)


def _secret_key(secret: bytes | None) -> Key:
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
