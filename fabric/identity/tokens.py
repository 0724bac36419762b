"""Bearer tokens: JSON Web Tokens verified into `Claims`, and issued for development.

A key decides by its own type which algorithm it verifies; a token's header only chooses among keys, by `kid`. So no
token can have a public key taken for a shared secret, or bring the key or the algorithm it is verified with.
"""

import hashlib
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

import jwt

from fabric.errors import Unauthenticated
from fabric.identity.subject import Claims
from fabric.identity.token_keys import SYMMETRIC, Key, Keys, secret_key
from fabric.labels import Label

MAX_HEADER = 8192
"""The longest Authorization header, in characters."""

MISSING = "authentication is required: send the header Authorization: Bearer <token>"
MALFORMED = "the Authorization header must be Bearer <JSON Web Token>, at most 8 kB"
EXPIRED = "the token has expired"
NOT_ACCEPTED = "the token is not accepted: its signature, issuer, audience, times or claims are not as they must be"

# Canonical base64url: the unused bits of the last character are zero, so that no two texts are one token.
_SEGMENT = r"(?:[A-Za-z0-9_-]{4})++(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?"
_TOKEN = re.compile(rf"{_SEGMENT}\.{_SEGMENT}\.{_SEGMENT}")
_MAX_NAME = 255
_MAX_ROLES = 256
_END_OF_TIME = 253402300800  # the year 10000: what lies beyond does not fit a datetime

log = logging.getLogger(__name__)


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
        self.require_current(verified.claims.expires_at)
        self._remember(digest, verified)
        return verified.claims

    def require_current(self, expires_at: float) -> None:
        """Unauthenticated once a token of this expiry has expired."""
        if self.expires_in(expires_at) <= 0:
            raise Unauthenticated(EXPIRED)

    def expires_in(self, expires_at: float) -> float:
        """Seconds until a token of this expiry is refused."""
        return expires_at + self._leeway - time.time()

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
    secret_key(secret)
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
    if "nbf" in payload:
        _time(payload["nbf"], "nbf")
    return Claims(
        organization=_name(payload.get("org"), "org"),
        subject=_name(payload.get("sub"), "sub"),
        roles=frozenset(_name(role, "roles") for role in roles),
        clearance=label,
        expires_at=_time(payload.get("exp"), "exp"),
        token_id=_name(payload["jti"], "jti") if "jti" in payload else None,
        issued_at=_time(payload["iat"], "iat") if "iat" in payload else None,
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
