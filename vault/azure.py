"""Azure Key Vault as a vault. A key here is a key there, and so are its versions.

Key Vault's versions have no numbers: they are numbered by when they were made, in whole seconds, then by their ids, so
making one waits until its second is over. A version below the minimum is disabled, and Key Vault unwraps nothing with
it. Key Vault goes on verifying with it and hands out its public key, so that is refused here.

Key Vault outside of Managed HSM has neither symmetric keys nor digests with a key. So a data key is wrapped by RSA-OAEP
together with its binding, here, with the public key; unwrapping asks Key Vault. A keyed digest is the SHA-256 of a
PKCS #1 v1.5 signature, of which there is only one for a message, and only Key Vault can make it.
"""

import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from hmac import compare_digest
from typing import Any, NoReturn

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient, KeyCurveName, KeyOperation, KeyVaultKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from vault.envelope import BINDING_BYTES, DATA_KEY_BYTES
from vault.key_service import Disabled, KeyService, Refused, Version, Versions, Wrapped
from vault.protocol import Denied, Health, KeyKind, NoSuchKey, NotDecryptable, Throttled, Unavailable, VaultError
from vault.service_vault import BATCH_ITEMS, ServiceVault

_KIND_TAG = "semantic-fabric"
_RSA_BITS = 3072
_OPERATIONS = {
    KeyKind.ENCRYPTION: [KeyOperation.wrap_key, KeyOperation.unwrap_key],
    KeyKind.MAC: [KeyOperation.sign],
    KeyKind.SIGNING: [KeyOperation.sign, KeyOperation.verify],
}
_VERSION_ID = re.compile(r"[0-9a-f]{32}")
_NO_MORE_THAN_A_SECOND = 1.1
"""How long to wait until the second in which a version was made is certainly over."""


@dataclass(frozen=True, slots=True)
class _Latest:
    key: str
    version: Version
    public: KeyVaultKey


def azure_vault(
    *,
    url: str,
    hardware: bool = False,
    ca_file: str | None = None,
    prefix: str = "semantic-fabric-",
    seconds: float,
    concurrency: int,
    batch_items: int = BATCH_ITEMS,
) -> ServiceVault[_Latest]:
    """`hardware` makes new keys inside an HSM, which the Premium tier has.

    Credentials are found as all Azure tools find them, from the environment to the managed identity.
    """
    client = KeyClient(
        url,
        DefaultAzureCredential(process_timeout=max(1, int(seconds))),
        connection_timeout=min(seconds, 3.0),
        read_timeout=seconds,
        connection_verify=ca_file or True,
        **SENDING,
    )
    keys = AzureKeys(client, prefix, hardware)
    return ServiceVault(keys, seconds=seconds, concurrency=concurrency, batch_items=batch_items)


SENDING: dict[str, Any] = {
    "retry_total": 1,
    "retry_status": 0,
    "retry_backoff_factor": 0.1,
    "permit_redirects": False,
}
"""Connections are tried twice; what Key Vault has answered stands, its wish to be asked later among that."""


class AzureKeys(KeyService[_Latest]):
    """`second` is how long a second of Key Vault's clock takes, with a margin."""

    name = "azure"

    def __init__(self, client: KeyClient, prefix: str, hardware: bool, second: float = _NO_MORE_THAN_A_SECOND) -> None:
        self._client = client
        self._prefix = prefix
        self._hardware = hardware
        self._second = second
        self._public: dict[tuple[str, str], KeyVaultKey] = {}
        """Public keys by key and version; they never change."""

    def latest(self, key: str, kind: KeyKind) -> _Latest:
        """Of digest keys the first: one that another process made in the same instant has never been used."""
        versions = self.versions(key)
        if versions.kind is not kind:
            raise Refused(f"the key {key} is for {versions.kind}, not for {kind}")
        version = versions.each[0 if kind is KeyKind.MAC else -1]
        if not version.enabled:
            raise Disabled(f"the latest version of the key {key} is disabled")
        return _Latest(key, version, self._public_key(key, version.reference))

    def wrap(self, latest: _Latest, data_key: bytes, bound_to: bytes) -> Wrapped:
        numbers = rsa.RSAPublicNumbers(_number(latest.public.key.e), _number(latest.public.key.n))  # type: ignore[attr-defined]
        wrapped = numbers.public_key().encrypt(data_key + bound_to, _oaep())
        return Wrapped(latest.version.number, latest.version.reference, wrapped)

    def unwrap(self, key: str, reference: str, wrapped: bytes, bound_to: bytes) -> bytes:
        content = self._operate(key, reference, "unwrapkey", "RSA-OAEP-256", wrapped)
        data_key, binding = content[:DATA_KEY_BYTES], content[DATA_KEY_BYTES:]
        if len(content) != DATA_KEY_BYTES + BINDING_BYTES or not compare_digest(binding, bound_to):
            raise NotDecryptable("the ciphertext does not belong here or was tampered with")
        return data_key

    def rewrap(self, key: str, latest: _Latest, reference: str, wrapped: bytes, bound_to: bytes) -> Wrapped:
        """Key Vault cannot do it within: the data key passes through this process, the plaintext does not."""
        return self.wrap(latest, self.unwrap(key, reference, wrapped, bound_to), bound_to)

    def mac(self, latest: _Latest, message: bytes) -> bytes:
        digest = sha256(message).digest()
        return sha256(self._operate(latest.key, latest.version.reference, "sign", "RS256", digest)).digest()

    def sign(self, latest: _Latest, message: bytes) -> tuple[str, bytes]:
        reference = latest.version.reference
        return reference, self._operate(latest.key, reference, "sign", "ES256", sha256(message).digest())

    def verify(self, key: str, reference: str, message: bytes, signature: bytes) -> bool:
        versions = self.versions(key)
        version = next((each for each in versions.each if each.reference == reference), None)
        if versions.kind is not KeyKind.SIGNING or not version or len(signature) != 64:
            return False
        if not version.enabled:
            raise Disabled(f"version {version.number} of the key is disabled")
        point = self._public_key(key, reference).key
        public = ec.EllipticCurvePublicNumbers(_number(point.x), _number(point.y), ec.SECP256R1()).public_key()  # type: ignore[attr-defined]
        try:
            der = encode_dss_signature(_number(signature[:32]), _number(signature[32:]))
            public.verify(der, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def versions(self, key: str) -> Versions:
        with _faults():
            found = [state for state in self._client.list_properties_of_key_versions(self._name(key)) if state.version]
        # A version that Azure's own rotation has made may lack the tag.
        kinds = {state.tags[_KIND_TAG] for state in found if state.tags and _KIND_TAG in state.tags}
        if not found:
            raise NoSuchKey("no such key exists")
        if len(kinds) != 1 or not kinds <= set(KeyKind):
            raise VaultError(f"Key Vault has a key of the name of {key} that is not ours")
        found.sort(key=lambda state: (state.created_on, state.version))
        return Versions(
            KeyKind(kinds.pop()),
            [
                Version(number, str(state.version), state.created_on.astimezone(UTC), bool(state.enabled))  # type: ignore[union-attr]
                for number, state in enumerate(found, 1)
            ],
        )

    def create(self, key: str, kind: KeyKind) -> None:
        self._make(key, kind)

    def rotate(self, key: str, kind: KeyKind) -> int:
        reference = self._make(key, kind)
        number = self.versions(key).number(reference)
        if not number:
            raise Unavailable("Key Vault does not list the new version yet")
        return number

    def enable(self, key: str, version: Version, enabled: bool) -> None:
        with _faults():
            self._client.update_key_properties(self._name(key), version.reference, enabled=enabled)

    def check(self) -> Health:
        with _faults():
            list(self._client.list_properties_of_key_versions(self._name("health")))
        return Health(self.name, reachable=True)

    def close(self) -> None:
        self._client.close()

    def _make(self, key: str, kind: KeyKind) -> str:
        """Makes a version and returns its id, when nobody can make an earlier one any more."""
        options: dict[str, Any] = {
            "key_operations": _OPERATIONS[kind],
            "hardware_protected": self._hardware,
            "tags": {_KIND_TAG: kind.value},
        }
        with _faults():
            if kind is KeyKind.SIGNING:
                made = self._client.create_ec_key(self._name(key), curve=KeyCurveName.p_256, **options)
            else:
                made = self._client.create_rsa_key(self._name(key), size=_RSA_BITS, **options)
        time.sleep(self._second)
        return str(made.properties.version)

    def _public_key(self, key: str, reference: str) -> KeyVaultKey:
        if (key, reference) not in self._public:
            with _faults():
                self._public[key, reference] = self._client.get_key(self._name(key), reference)
        return self._public[key, reference]

    def _operate(self, key: str, reference: str, operation: str, algorithm: str, value: bytes) -> bytes:
        """One request. The library's own cryptography client would fetch the public key first, each time."""
        if not _VERSION_ID.fullmatch(reference):
            raise NotDecryptable("this is no ciphertext of this vault")
        path = f"/keys/{self._name(key)}/{reference}/{operation}"
        body = {"alg": algorithm, "value": urlsafe_b64encode(value).rstrip(b"=").decode()}
        with _faults():
            answer = self._client.send_request(HttpRequest("POST", path, json=body))
            if answer.status_code == 404:
                self._refuse_version(key)
            if answer.status_code == 400:
                raise NotDecryptable("the ciphertext does not belong here or was tampered with")
            answer.raise_for_status()
            text = str(answer.json()["value"])
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))

    def _refuse_version(self, key: str) -> NoReturn:
        self.versions(key)
        raise NotDecryptable("no such version of the key exists")

    def _name(self, key: str) -> str:
        return self._prefix + key


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@contextmanager
def _faults() -> Iterator[None]:
    """What went wrong, by status and code alone: Key Vault's messages name addresses and principals."""
    try:
        yield
    except ClientAuthenticationError:
        raise Denied("no credentials for Azure were found, or Key Vault refuses them") from None
    except ResourceNotFoundError:
        raise NoSuchKey("no such key exists") from None
    except HttpResponseError as error:
        raise _fault(error) from None
    except AzureError as error:
        raise Unavailable(f"Azure Key Vault could not be reached ({type(error).__name__})") from None


def _fault(error: HttpResponseError) -> VaultError:
    inner = _inner_code(error)
    if error.status_code == 403 and inner == "KeyDisabled":
        return Disabled("the version of the key is disabled")
    if error.status_code in (401, 403):
        return Denied(f"Azure Key Vault refuses the right to do this ({inner or error.status_code})")
    if error.status_code == 429:
        return Throttled("Azure Key Vault is over its request quota", _retry_after(error))
    if error.status_code in (400, 409):
        return VaultError(f"Azure Key Vault refuses the request ({error.status_code})")
    return Unavailable(f"Azure Key Vault failed ({error.status_code or type(error).__name__})")


def _inner_code(error: HttpResponseError) -> str:
    """Such as `KeyDisabled` or `ForbiddenByRbac`; the member is spelled in two ways."""
    try:
        fault = error.response.json()["error"]  # type: ignore[union-attr]
        code = (fault.get("innererror") or fault.get("innerError") or {}).get("code")
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]{1,60}", code) else ""


def _retry_after(error: HttpResponseError) -> float | None:
    try:
        return max(0.0, float(error.response.headers["Retry-After"]))  # type: ignore[union-attr]
    except (AttributeError, KeyError, ValueError):
        return None
