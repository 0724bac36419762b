"""A double of OpenBao's transit engine: real HTTP on this machine, and no kinder than the server itself.

What it answers was compared with OpenBao 2.6, and `test_hashicorp.py` runs the same questions against both. Like the
server it reads base64 and versions leniently, ignores `associated_data` when it rewraps, takes any key for digests,
refuses more than 1,000 JSON strings, makes keys when a token with `create` encrypts, and tells tokens nothing but 403.
"""

import base64
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault.hashicorp_policies import Duty, rights

MOUNT = "transit"
MAX_STRINGS = 1000
Json = dict[str, Any]
Rights = Mapping[str, frozenset[str]]
ROOT: Rights = {"*": frozenset({"create", "read", "update", "delete", "list"})}


class Refusal(Exception):
    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status, errors)
        self.status, self.errors = status, errors


class ItemError(Exception):
    """What stands in an item's place."""


@dataclass
class TransitKey:
    name: str
    type: str
    derived: bool
    versions: list[tuple[datetime, bytes]] = field(default_factory=list)
    minimum: int = 1

    def rotate(self) -> None:
        self.versions.append((datetime.now(UTC), secrets.token_bytes(32)))

    @property
    def latest(self) -> int:
        return len(self.versions)

    def secret(self, version: int) -> bytes:
        return self.versions[version - 1][1]

    def described(self) -> Json:
        """Versions below the minimum are archived, and not told."""
        told: Json = {}
        for number in range(self.minimum, self.latest + 1):
            made, secret = self.versions[number - 1]
            public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
            object_ = {"creation_time": f"{made:%Y-%m-%dT%H:%M:%S.%f}789Z", "public_key": encoded(public)}
            told[str(number)] = object_ if self.type == "ed25519" else int(made.timestamp())
        limits = {"min_decryption_version": self.minimum, "latest_version": self.latest}
        return {"name": self.name, "type": self.type, "derived": self.derived, "keys": told} | limits

    def cipher(self, version: int, context: bytes) -> AESGCM:
        if not self.derived:
            return AESGCM(self.secret(version))
        if not context:
            raise ItemError("missing 'context' for key derivation; the key was created using a derived key, …")
        return AESGCM(HKDF(SHA256(), 32, None, context).derive(self.secret(version)))

    def encrypt(self, plaintext: bytes, context: bytes) -> Json:
        if self.type != "aes256-gcm96":
            raise ItemError(f"message encryption not supported for key type {self.type}")
        nonce = secrets.token_bytes(12)
        body = nonce + self.cipher(self.latest, context).encrypt(nonce, plaintext, None)
        return {"ciphertext": f"vault:v{self.latest}:{encoded(body)}", "key_version": self.latest}

    def decrypt(self, ciphertext: str, context: bytes) -> bytes:
        if self.type != "aes256-gcm96":
            raise ItemError(f"message decryption not supported for key type {self.type}")
        version, body = self.parse(ciphertext, "ciphertext")
        if len(body) < 12:
            raise ItemError("invalid ciphertext length")
        try:
            return self.cipher(version, context).decrypt(body[:12], body[12:], None)
        except InvalidTag:
            raise ItemError("cipher: message authentication failed") from None

    def parse(self, text: str, what: str) -> tuple[int, bytes]:
        if not text.startswith("vault:v"):
            raise ItemError(f"invalid {what}: no prefix")
        number, colon, body = text.removeprefix("vault:v").partition(":")
        if not colon:
            raise ItemError(f"invalid {what}: wrong number of fields")
        try:
            version = int(number) or 1
        except ValueError:
            raise ItemError(f"invalid {what}: version number could not be decoded") from None
        if version > self.latest:
            raise ItemError(f"invalid {what}: version is too new")
        if version < self.minimum:
            raise ItemError("ciphertext or signature version is disallowed by policy (too old)")
        return version, decoded(body)


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        raise ItemError("illegal base64 data at input byte 0") from None


@dataclass
class Grant:
    """What a token may do, and until when."""

    rights: Rights
    ttl: int = 0
    expires_at: float | None = None
    renewals: int = 1_000

    @property
    def left(self) -> int:
        return 0 if self.expires_at is None else max(0, round(self.expires_at - time.monotonic()))


@dataclass
class Transit:
    """The state of the double. Tests turn the faults on: `sealed`, `failures` (statuses of the next answers), …"""

    address: str = ""
    namespace: str = ""
    sealed: bool = False
    latency: float = 0.0
    failures: list[int] = field(default_factory=list)
    retry_after: str = ""
    elsewhere: str = ""
    """Address that redirects lead to."""
    retires: int = 1_000
    """How often a token can be renewed."""
    keys: dict[str, TransitKey] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    secret_ids: dict[tuple[str, str], tuple[Rights, int]] = field(default_factory=dict)
    """Of AppRole (role id, secret id) and Kubernetes (role, token): the rights, and the seconds that tokens live."""
    requests: list[tuple[str, str, str, Any]] = field(default_factory=list)
    """Method, path, token and body of each request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(self, duty: Duty | None = None, ttl: int = 0) -> str:
        """A new token for a duty, or one that may do anything."""
        return self.issue(ROOT if duty is None else rights_of(duty), ttl)

    def issue(self, rights: Rights, ttl: int) -> str:
        token = f"s.{secrets.token_hex(12)}"
        self.grants[token] = Grant(rights, ttl, time.monotonic() + ttl if ttl else None, self.retires)
        return token

    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.requests]

    # Answers

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Json) -> Json:
        if self.failures and not path.startswith("sys/health"):
            raise Refusal(self.failures.pop(0), "request path: rate limit quota exceeded, or internal error")
        if path.startswith("sys/health"):
            return {"initialized": True, "sealed": self.sealed, "standby": False}
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if headers.get("X-Vault-Namespace", "") != self.namespace:
            raise Refusal(404, f'no handler for route "{path}". route entry not found.')
        if path.startswith("auth/") and path.endswith("/login"):
            return self.login(body)
        grant = self.grants.get(headers.get("X-Vault-Token", ""))
        if grant is None or (grant.expires_at is not None and grant.expires_at <= time.monotonic()):
            raise Refusal(403, "permission denied")
        if path == "auth/token/lookup-self":
            return {"data": {"ttl": grant.left, "renewable": grant.ttl > 0, "creation_ttl": grant.ttl}}
        if path == "auth/token/renew-self":
            return self.renew(grant)
        if path == "sys/capabilities-self":
            return {"data": {path: sorted(allowed(grant.rights, path)) or ["deny"] for path in body["paths"]}}
        if not path.startswith(f"{MOUNT}/"):
            raise Refusal(404, f'no handler for route "{path}". route entry not found.')
        return self.transit(method, path, grant, body)

    def login(self, body: Json) -> Json:
        who = (body.get("role_id") or body.get("role") or "", body.get("secret_id") or body.get("jwt") or "")
        if who not in self.secret_ids:
            raise Refusal(400, "invalid role or secret ID")
        granted, ttl = self.secret_ids[who]
        return {"auth": {"client_token": self.issue(granted, ttl), "lease_duration": ttl, "renewable": ttl > 0}}

    def renew(self, grant: Grant) -> Json:
        if not grant.ttl:
            raise Refusal(400, "lease is not renewable")
        if grant.renewals > 0:
            grant.expires_at = time.monotonic() + grant.ttl
        grant.renewals -= 1
        return {"auth": {"lease_duration": grant.left, "renewable": True}}

    def transit(self, method: str, path: str, grant: Grant, body: Json) -> Json:
        use, _, rest = path.removeprefix(f"{MOUNT}/").partition("/")
        name, _, action = rest.partition("/")
        missing = use == "encrypt" and name not in self.keys
        capability = "read" if method == "GET" else "create" if missing else "update"
        if capability not in allowed(grant.rights, path):
            raise Refusal(403, "1 error occurred:\n\t* permission denied\n\n")
        if use == "keys" and not action and method == "POST":
            self.make(name, body.get("type", "aes256-gcm96"), bool(body.get("derived")))
        if missing:
            self.make(name, "aes256-gcm96", bool(body["batch_input"][0].get("context")))
        if name not in self.keys:
            raise Refusal(404) if method == "GET" else Refusal(400, MISSING.get(use) or "encryption key not found")
        key = self.keys[name]
        if use == "keys":
            if action == "rotate":
                key.rotate()
            elif action == "config":
                configure(key, body)
            return {"data": key.described()}
        if use == "verify":
            return verify(key, body)
        return USES[use](key, body)

    def make(self, name: str, type_: str, derived: bool) -> None:
        if name not in self.keys:
            self.keys[name] = TransitKey(name, type_, derived)
            self.keys[name].rotate()


MISSING = {"sign": "signing key not found", "verify": "signature verification key not found", "keys": "key not found"}


def rights_of(duty: Duty) -> Rights:
    """As the shipped policies are: `+` for a name, `*` at an end for anything."""
    return {p.replace("keys/sf-*", "keys/+"): c for p, c in rights(duty, MOUNT, "sf-*").items()}


def allowed(granted: Rights, path: str) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for pattern, capabilities in granted.items():
        ours, theirs = pattern.split("/"), path.split("/")
        same = len(ours) == len(theirs) and all(a in ("+", b) for a, b in zip(ours, theirs, strict=True))
        if same or (pattern.endswith("*") and path.startswith(pattern[:-1])):
            found |= capabilities
    return found


def configure(key: TransitKey, body: Json) -> None:
    version = body["min_decryption_version"]
    if version < 0:
        raise Refusal(400, "min decryption version cannot be negative")
    if version > key.latest:
        raise Refusal(400, f"cannot set min decryption version of {version}, latest key version is {key.latest}")
    key.minimum = version or 1


def batch(body: Json, do: Callable[[Json], Json], failed_status: int) -> Json:
    items = body.get("batch_input") or []
    if not items:
        raise Refusal(400, "missing batch input to process")
    if len({bool(item.get("context")) for item in items}) > 1:
        raise Refusal(400, "context should be set either in all the request blocks or in none")
    results, status = [], 200
    for item in items:
        try:
            result = do(item)
        except ItemError as error:
            result, status = {"error": str(error)}, failed_status
        results.append(result | {"reference": item.get("reference", "")})
    return {"data": {"batch_results": results}, "status": status}


def encrypt(key: TransitKey, body: Json) -> Json:
    return batch(body, lambda item: key.encrypt(decoded(item["plaintext"]), decoded(item.get("context", ""))), 400)


def decrypt(key: TransitKey, body: Json) -> Json:
    def opened(item: Json) -> Json:
        return {"plaintext": encoded(key.decrypt(item["ciphertext"], decoded(item.get("context", ""))))}

    return batch(body, opened, 400)


def rewrap(key: TransitKey, body: Json) -> Json:
    def rewrapped(item: Json) -> Json:
        context = decoded(item.get("context", ""))
        return key.encrypt(key.decrypt(item["ciphertext"], context), context)

    return batch(body, rewrapped, 200)


def mac(key: TransitKey, body: Json) -> Json:
    version = body.get("key_version") or key.latest
    if version > key.latest:
        raise Refusal(400, f"key version does not exist; latest key version is {key.latest}")
    secret = digest(key.secret(version), b"hmac", "sha256")
    made = lambda item: digest(secret, decoded(item["input"]), "sha256")  # noqa: E731
    return batch(body, lambda item: {"hmac": f"vault:v{version}:{encoded(made(item))}"}, 200)


def sign(key: TransitKey, body: Json) -> Json:
    if key.type != "ed25519":
        raise Refusal(400, f"key type {key.type} does not support signing")
    private = Ed25519PrivateKey.from_private_bytes(key.secret(key.latest))

    def signed(item: Json) -> Json:
        made = f"vault:v{key.latest}:{encoded(private.sign(decoded(item['input'])))}"
        return {"signature": made, "key_version": key.latest}

    return batch(body, signed, 200)


def verify(key: TransitKey, body: Json) -> Json:
    if key.type != "ed25519":
        raise Refusal(400, f"key type {key.type} does not support verification")
    try:
        version, signature = key.parse(body["signature"], "signature")
    except ItemError as error:
        raise Refusal(400, str(error)) from None
    try:
        public = Ed25519PrivateKey.from_private_bytes(key.secret(version)).public_key()
        public.verify(signature, decoded(body["input"]))
    except (InvalidSignature, ValueError):
        return {"data": {"valid": False}}
    return {"data": {"valid": True}}


USES: dict[str, Callable[[TransitKey, Json], Json]] = {
    "encrypt": encrypt, "decrypt": decrypt, "rewrap": rewrap, "hmac": mac, "sign": sign,
}  # fmt: skip


def strings(value: Any) -> int:
    """JSON strings, names of members included."""
    match value:
        case dict():
            return len(value) + sum(map(strings, value.values()))
        case list():
            return sum(map(strings, value))
        case str():
            return 1
        case _:
            return 0


@contextmanager
def serving_transit(tls: ssl.SSLContext | None = None) -> Iterator[Transit]:
    """A double on a free port of this machine, over https if there is a context for it."""
    transit = Transit()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for head and body

        def do_GET(self) -> None:
            self.respond({})

        def do_POST(self) -> None:
            self.respond(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

        def respond(self, body: Any) -> None:
            path = self.path.removeprefix("/v1/").partition("?")[0]
            transit.requests.append((self.command, path, self.headers.get("X-Vault-Token", ""), body))
            time.sleep(transit.latency)
            try:
                if strings(body) > MAX_STRINGS:
                    raise Refusal(400, "refused JSON input due to high complexity: exceeded maximum number of strings")
                with transit.lock:
                    answer = transit.answer(self.command, path, self.headers, body or {})
                status = answer.pop("status", 200)
            except Refusal as refusal:
                status, answer = refusal.status, {"errors": list(refusal.errors)}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429 and transit.retry_after:
                self.send_header("Retry-After", transit.retry_after)
            if 300 <= status < 400:
                self.send_header("Location", f"{transit.elsewhere}{self.path}")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """The test says what went wrong."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that did not wait."""

    server = Server(("127.0.0.1", 0), Handler)
    transit.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield transit
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
