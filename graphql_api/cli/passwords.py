"""The serving role's password, given so that the database's log never has it."""

import hashlib
import hmac
import secrets
from base64 import b64encode
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from fabric.database.embedded import SERVING_ROLE
from graphql_api.cli.database import connected

_ITERATIONS = 4096  # PostgreSQL's own


def generated() -> str:
    return secrets.token_urlsafe(24)


async def exists(admin_url: str) -> bool:
    """Whether the role was there before, perhaps with a password that others use."""
    async with connected(admin_url) as connection:
        return bool(await connection.fetchval("select exists (select from pg_roles where rolname = $1)", SERVING_ROLE))


async def give(admin_url: str, password: str) -> None:
    hashed = verifier(password, secrets.token_bytes(16))
    async with connected(admin_url) as connection:
        await connection.execute(f"alter role {SERVING_ROLE} password '{hashed}'")


def verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL keeps of a password for SCRAM-SHA-256 (RFC 5803). ValueError unless it is printable ASCII."""
    if not password.isascii() or not password.isprintable():
        raise ValueError("a password must be of printable ASCII characters")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def serving_url(admin_url: str, password: str) -> str:
    """The same database as the serving role."""
    parts = urlsplit(admin_url)
    place = parts.netloc.rpartition("@")[2]
    query = urlencode([(k, v) for k, v in parse_qsl(parts.query) if k not in ("user", "password")], quote_via=quote)
    # Put together by hand: urlunsplit takes away the slashes of a URL without a host.
    return f"postgresql://{SERVING_ROLE}:{quote(password, safe='')}@{place}{parts.path}" + (
        f"?{query}" if query else ""
    )


def password_in(url: str) -> str:
    """The password that a URL has for the serving role, empty if it has none or is another role's."""
    parts = urlsplit(url)
    return unquote(parts.password or "") if parts.username == SERVING_ROLE else ""
