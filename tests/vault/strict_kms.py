"""AWS KMS for tests: moto behind a real HTTP server, made as strict as KMS is where moto is kinder.

moto 5 encrypts, decrypts and signs with disabled keys, ignores `SourceKeyId`, reports a ciphertext of another key as
access denied and a wrong signature as an answer. KMS does none of that. What the server shall suffer from (throttling,
denial, slowness) is set by a test.
"""

import io
import json
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from moto.kms.models import Key, KmsBackend, kms_backends
from moto.server import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from vault.aws import aws_vault
from vault.service_vault import ServiceVault

Environ = dict[str, Any]
Start = Callable[..., Any]

ACCOUNT, REGION = "123456789012", "eu-north-1"
USAGES = {
    "Encrypt": "ENCRYPT_DECRYPT",
    "Decrypt": "ENCRYPT_DECRYPT",
    "ReEncrypt": "ENCRYPT_DECRYPT",
    "GenerateMac": "GENERATE_VERIFY_MAC",
    "Sign": "SIGN_VERIFY",
    "Verify": "SIGN_VERIFY",
}
"""What a key must be for, by operation."""


_moto = create_backend_app("kms")


class StrictKms:
    """A WSGI application. `asked` counts requests by operation."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.asked: Counter[str] = Counter()
        self.refuse: dict[str, tuple[str, int]] = {}
        """Error code and HTTP status by operation; `*` is every other one."""
        self.bodies: list[bytes] = []
        """Of all requests."""
        self.latency = 0.0
        self.running = self.most_running = 0

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[2]
        with self._lock:
            self.asked[operation] += 1
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        try:
            time.sleep(self.latency)
            return self._answer(operation, environ, start)
        finally:
            with self._lock:
                self.running -= 1

    def _answer(self, operation: str, environ: Environ, start: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.bodies.append(body)
        refusal = self.refuse.get(operation) or self.refuse.get("*") or _stricter(operation, json.loads(body))
        if refusal:
            return _refused(*refusal, start)
        pieces, status, headers = run_wsgi_app(_moto, {**environ, "wsgi.input": io.BytesIO(body)})
        answer = b"".join(pieces)
        if operation == "Verify" and json.loads(answer).get("SignatureValid") is False:
            return _refused("KMSInvalidSignatureException", 400, start)
        start(status, list(headers))
        return [answer]


def backend() -> KmsBackend:
    return kms_backends[ACCOUNT][REGION]


def key_of(alias: str) -> Key:
    return backend().keys[backend().any_id_to_key_id(alias)]


def _stricter(operation: str, request: dict[str, Any]) -> tuple[str, int] | None:
    """What KMS refuses and moto does not."""
    wanted = USAGES.get(operation)
    names = [request[name] for name in ("KeyId", "SourceKeyId", "DestinationKeyId") if name in request]
    if not wanted or not all(backend().get_key_id_from_alias(name) for name in names):
        return ("NotFoundException", 400) if wanted else None
    keys = [key_of(name) for name in names]
    if any(key.key_state == "PendingDeletion" for key in keys):
        return "KMSInvalidStateException", 400
    if not all(key.enabled for key in keys):
        return "DisabledException", 400
    if any(key.key_usage != wanted for key in keys):
        return "InvalidKeyUsageException", 400
    if operation in ("Decrypt", "ReEncrypt"):
        made_by = b64decode(request["CiphertextBlob"])[:36].decode(errors="replace")
        if made_by not in backend().keys:
            return "InvalidCiphertextException", 400
        if made_by != keys[0].id:
            return "IncorrectKeyException", 400
    return None


def _refused(code: str, status: int, start: Start) -> Iterable[bytes]:
    """The message is as talkative as AWS's own."""
    text = f"User: arn:aws:iam::{ACCOUNT}:user/canary may not, at kms.canary.example"
    start(f"{status} Refused", [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)])
    return [json.dumps({"__type": code, "message": text}).encode()]


class Silent(WSGIRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True  # connections are kept, as the service keeps them

    def log(self, *_: Any) -> None:
        pass


@contextmanager
def strict_kms() -> Iterator[tuple[StrictKms, str]]:
    """The application and its address. No key of an earlier one is left."""
    kms_backends.reset()
    kms = StrictKms()
    server = make_server("127.0.0.1", 0, kms, threaded=True, request_handler=Silent)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield kms, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kms_client(url: str, *, seconds: float, concurrency: int = 8) -> ServiceVault[str]:
    """A vault over the server, with credentials of its own."""
    return aws_vault(region=REGION, endpoint=url, seconds=seconds, concurrency=concurrency)
