"""A double of Azure Key Vault's REST API, over https, for tests. It has never been held against the real service.

Written from Microsoft's public documentation of the API (create, get, versions, update, unwrapkey, sign), its list of
error codes and its SDK's own requests: whole seconds in times, version ids that are random, the challenge before the
first request, a page of 25 versions. A disabled version unwraps and signs nothing, yet its public key is handed out,
as users report of the real one. Its seconds are shorter, so that tests need not wait.
"""

import json
import secrets
import ssl
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs

import trustme
from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from werkzeug.serving import WSGIRequestHandler, make_server

from vault.azure import SENDING, AzureKeys
from vault.service_vault import ServiceVault

Environ = dict[str, Any]
Start = Callable[..., Any]

SECOND = 0.02
"""How long a second of the double takes, where a test does not say otherwise."""
PAGE = 25
TOKEN = "token-canary"


@cache
def _ready_made() -> list[rsa.RSAPrivateKey]:
    """RSA keys are slow to make: each key and version takes the next of these, so that no two neighbours share."""
    return [rsa.generate_private_key(65537, 3072) for _ in range(4)]


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def of_number(number: int) -> str:
    return encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))


class Refused(Exception):
    def __init__(self, status: int, code: str, inner: str = "", retry_after: str = "", location: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.inner = status, code, inner
        self.headers = [
            (name, value) for name, value in (("Retry-After", retry_after), ("Location", location)) if value
        ]


@dataclass
class StoredVersion:
    id: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    operations: list[str]
    tags: dict[str, str]
    created: int
    enabled: bool = True

    def jwk(self) -> dict[str, Any]:
        if isinstance(self.private, rsa.RSAPrivateKey):
            numbers = self.private.public_key().public_numbers()
            return {"kty": "RSA", "n": of_number(numbers.n), "e": of_number(numbers.e)}
        point = self.private.public_key().public_numbers()
        x, y = (encoded(value.to_bytes(32, "big")) for value in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


@dataclass
class KeyVaultDouble:
    """A WSGI application. `asked` counts requests that carry a token, by what they ask for."""

    authority: Path
    """PEM file of what certifies it."""
    host: str = ""
    keys: dict[str, dict[str, StoredVersion]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    refuse: dict[str, Refused] = field(default_factory=dict)
    """By operation; `*` is every other one."""
    second: float = SECOND
    latency: float = 0.0
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        self._lock = Lock()
        self._epoch, self._started = int(time.time()), time.monotonic()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {TOKEN}":
            challenge = 'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            start("401 Unauthorized", [("WWW-Authenticate", challenge), ("Content-Type", "application/json")])
            return [b'{"error":{"code":"Unauthorized","message":"no token"}}']
        with self._lock:
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        try:
            time.sleep(self.latency)
            answer = self._answer(environ, json.loads(body or b"{}"))
            start("200 OK", [("Content-Type", "application/json; charset=utf-8")])
            return [json.dumps(answer).encode()]
        except Refused as refused:
            headers = [("Content-Type", "application/json; charset=utf-8"), *refused.headers]
            # As talkative as Key Vault itself.
            message = f"appid=canary;iss=https://sts.example at {self.host}"
            start(f"{refused.status} Refused", headers)
            inner = {"innererror": {"code": refused.inner}} if refused.inner else {}
            return [json.dumps({"error": {"code": refused.code, "message": message, **inner}}).encode()]
        finally:
            with self._lock:
                self.running -= 1

    def _answer(self, environ: Environ, body: dict[str, Any]) -> dict[str, Any]:
        assert "api-version" in parse_qs(environ["QUERY_STRING"])
        _, collection, name, *rest = environ["PATH_INFO"].split("/")
        assert collection == "keys"
        operation = rest[-1] if environ["REQUEST_METHOD"] == "POST" or rest == ["versions"] else "get"
        operation = "update" if environ["REQUEST_METHOD"] == "PATCH" else operation
        with self._lock:
            self.asked[operation] += 1
        refusal = self.refuse.get(operation) or self.refuse.get("*")
        if refusal:
            raise refusal
        if operation == "create":
            return self._create(name, body)
        if operation == "versions":
            return self._versions(name, int(parse_qs(environ["QUERY_STRING"]).get("skip", ["0"])[0]))
        version = self.keys.get(name, {}).get(rest[0])
        if not version:
            raise Refused(404, "KeyNotFound")
        if operation == "get":
            return self._bundle(name, version)
        if operation == "update":
            version.enabled = body["attributes"]["enabled"]
            return self._bundle(name, version)
        value = self._operate(version, operation, body["alg"], decoded(body["value"]))
        return {"kid": self._kid(name, version), "value": encoded(value)}

    def _create(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            versions = self.keys.setdefault(name, {})
            private: Any
            if body["kty"] == "EC":
                private = ec.generate_private_key(ec.SECP256R1())
            else:
                assert body["key_size"] == 3072
                private = _ready_made().pop(0)
                _ready_made().append(private)
            created = self._epoch + int((time.monotonic() - self._started) / self.second)
            version = StoredVersion(secrets.token_hex(16), private, body["key_ops"], body.get("tags") or {}, created)
            versions[version.id] = version
        return self._bundle(name, version)

    def _versions(self, name: str, skip: int) -> dict[str, Any]:
        """In no order that means anything."""
        every = sorted(self.keys.get(name, {}).values(), key=lambda version: version.id)
        page = [
            {"kid": self._kid(name, version), "attributes": self._attributes(version), "tags": version.tags}
            for version in every[skip : skip + PAGE]
        ]
        more = f"{self.host}/keys/{name}/versions?api-version=7.6&skip={skip + PAGE}"
        return {"value": page, "nextLink": more if len(every) > skip + PAGE else None}

    def _operate(self, version: StoredVersion, operation: str, algorithm: str, value: bytes) -> bytes:
        if not version.enabled:
            raise Refused(403, "Forbidden", "KeyDisabled")
        if {"unwrapkey": "unwrapKey"}.get(operation, operation) not in version.operations:
            raise Refused(403, "Forbidden", "KeyOperationForbidden")
        private = version.private
        if isinstance(private, ec.EllipticCurvePrivateKey):
            assert (operation, algorithm) == ("sign", "ES256")
            pair = decode_dss_signature(private.sign(value, ec.ECDSA(Prehashed(hashes.SHA256()))))
            return b"".join(number.to_bytes(32, "big") for number in pair)
        if operation == "sign":
            assert algorithm == "RS256"
            return private.sign(value, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        assert (operation, algorithm) == ("unwrapkey", "RSA-OAEP-256")
        try:
            return private.decrypt(value, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
        except ValueError:
            raise Refused(400, "BadParameter") from None

    def _bundle(self, name: str, version: StoredVersion) -> dict[str, Any]:
        key = {"kid": self._kid(name, version), "key_ops": version.operations, **version.jwk()}
        return {"key": key, "attributes": self._attributes(version), "tags": version.tags}

    def _attributes(self, version: StoredVersion) -> dict[str, Any]:
        return {"enabled": version.enabled, "created": version.created, "updated": version.created}

    def _kid(self, name: str, version: StoredVersion) -> str:
        return f"{self.host}/keys/{name}/{version.id}"


class FixedCredential:
    """What an identity provider would hand out."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(TOKEN, int(time.time()) + 3600)


class Silent(WSGIRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True  # connections are kept, as the service keeps them

    def log(self, *_: Any) -> None:
        pass


@contextmanager
def key_vault(folder: Path) -> Iterator[KeyVaultDouble]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    double = KeyVaultDouble(authority=folder / "ca.pem")
    authority.cert_pem.write_to_path(str(double.authority))
    server = make_server("127.0.0.1", 0, double, threaded=True, request_handler=Silent, ssl_context=context)
    double.host = f"https://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def key_vault_client(double: KeyVaultDouble, *, seconds: float, concurrency: int = 8) -> ServiceVault[Any]:
    """A vault over the double. Its challenge names Azure's own domain, which the address here is not in."""
    client = KeyClient(
        double.host,
        FixedCredential(),
        connection_verify=str(double.authority),
        verify_challenge_resource=False,
        read_timeout=seconds,
        **SENDING,
    )
    keys = AzureKeys(client, "semantic-fabric-", hardware=False, second=1.1 * double.second)
    return ServiceVault(keys, seconds=seconds, concurrency=concurrency)
