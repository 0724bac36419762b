"""AWS KMS as a vault: one KMS key for every version of a key, found by aliases.

`alias/PREFIX/KEY/3` is the third version, for ever, and `alias/PREFIX/KEY` the latest. An alias can be made once only,
so of two processes that rotate at once each gets a number of its own. KMS's own rotation is not used: it does not tell
which material a ciphertext needs, so nothing could be counted or retired.

A data key is encrypted with its binding as the encryption context. `ReEncrypt` checks that, and moves it to the latest
version inside KMS: who rotates needs no right to decrypt.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from hashlib import sha256, sha512
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

from vault.key_service import Disabled, KeyService, Refused, Version, Versions, Wrapped
from vault.protocol import Denied, Health, KeyKind, NoSuchKey, NotDecryptable, Throttled, Unavailable, VaultError
from vault.service_vault import BATCH_ITEMS, ServiceVault

_KINDS = {
    KeyKind.ENCRYPTION: ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"),
    KeyKind.MAC: ("GENERATE_VERIFY_MAC", "HMAC_256"),
    KeyKind.SIGNING: ("SIGN_VERIFY", "ECC_NIST_P256"),
}
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError)
_THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
_DENIED = {
    "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException",
    "ExpiredToken", "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "OptInRequired",
}  # fmt: skip
_DISABLED = {"DisabledException", "KMSInvalidStateException"}
_NOT_DECRYPTABLE = {"InvalidCiphertextException", "IncorrectKeyException"}


class _Taken(VaultError):
    """The alias exists."""


def aws_vault(
    *,
    region: str,
    endpoint: str = "",
    ca_file: str | None = None,
    prefix: str = "semantic-fabric",
    seconds: float,
    concurrency: int,
    batch_items: int = BATCH_ITEMS,
) -> ServiceVault[str]:
    """Credentials are found as all AWS tools find them. `endpoint` is the https address of an own one, as of a VPC.

    ValueError where the region or the endpoint cannot be one.
    """
    config = Config(
        connect_timeout=min(seconds, 3.0),
        read_timeout=seconds,
        max_pool_connections=concurrency,
        retries={"mode": "standard", "total_max_attempts": 2},
        ignore_configured_endpoint_urls=True,
    )
    try:
        client = boto3.Session().client(
            "kms", region_name=region, endpoint_url=endpoint or None, verify=ca_file, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise ValueError(f"there is no AWS KMS of these settings ({type(error).__name__})") from None
    return ServiceVault(AwsKms(client, prefix), seconds=seconds, concurrency=concurrency, batch_items=batch_items)


class AwsKms(KeyService[str]):
    """The latest version is the alias that leads to it, so that a request suffices."""

    name = "aws"

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._numbers: dict[str, int] = {}
        """Version numbers by ARN; they never change."""

    def latest(self, key: str, kind: KeyKind) -> str:
        return self._alias(key)

    def wrap(self, latest: str, data_key: bytes, bound_to: bytes) -> Wrapped:
        with _faults(latest):
            done = self._client.encrypt(KeyId=latest, Plaintext=data_key, EncryptionContext=_context(bound_to))
        return self._wrapped(latest, done)

    def unwrap(self, key: str, reference: str, wrapped: bytes, bound_to: bytes) -> bytes:
        alias = self._alias_of(key, reference)
        try:
            with _faults(alias):
                done = self._client.decrypt(KeyId=alias, CiphertextBlob=wrapped, EncryptionContext=_context(bound_to))
        except NoSuchKey:
            self._refuse_version(key)
        plaintext: bytes = done["Plaintext"]
        return plaintext

    def rewrap(self, key: str, latest: str, reference: str, wrapped: bytes, bound_to: bytes) -> Wrapped:
        alias = self._alias_of(key, reference)
        try:
            with _faults(alias):
                done = self._client.re_encrypt(
                    SourceKeyId=alias,
                    DestinationKeyId=latest,
                    CiphertextBlob=wrapped,
                    SourceEncryptionContext=_context(bound_to),
                    DestinationEncryptionContext=_context(bound_to),
                )
        except NoSuchKey:
            self._refuse_version(key)
        return self._wrapped(latest, done)

    def mac(self, latest: str, message: bytes) -> bytes:
        """Of the message's SHA-512: KMS takes 4 kB at most, and need not see what is looked for."""
        with _faults(latest):
            done = self._client.generate_mac(
                KeyId=latest, Message=sha512(message).digest(), MacAlgorithm="HMAC_SHA_256"
            )
        digest: bytes = done["Mac"]
        return digest

    def sign(self, latest: str, message: bytes) -> tuple[str, bytes]:
        with _faults(latest):
            done = self._client.sign(KeyId=latest, **_signed(message))
        return str(self._number(latest, done["KeyId"])), done["Signature"]

    def verify(self, key: str, reference: str, message: bytes, signature: bytes) -> bool:
        alias = self._alias_of(key, reference)
        try:
            with _faults(alias):
                done = self._client.verify(KeyId=alias, Signature=signature, **_signed(message))
        except NoSuchKey:
            self._refuse_version(key)
        return bool(done["SignatureValid"])

    def versions(self, key: str) -> Versions:
        latest = self._describe(self._alias(key))
        found = []
        for number in range(1, self._number(self._alias(key), latest["Arn"]) + 1):
            # A version that AWS has deleted meanwhile is none any more.
            with suppress(NoSuchKey):
                state = self._describe(self._alias(key, number))
                enabled = state["KeyState"] == "Enabled"
                found.append(Version(number, str(number), state["CreationDate"].astimezone(UTC), enabled))
        kind = next((kind for kind, (usage, _) in _KINDS.items() if usage == latest["KeyUsage"]), None)
        if not kind or not found:
            raise NoSuchKey(f"the alias of the key {key} leads to no key of ours")
        return Versions(kind, found)

    def create(self, key: str, kind: KeyKind) -> None:
        """Of several processes that create it at once, the first wins."""
        self._claim(key, kind, 1)
        with suppress(_Taken):
            self._lead(key, 1, "create_alias")

    def rotate(self, key: str, kind: KeyKind) -> int:
        number = claimed = 1 + self._number(self._alias(key), self._describe(self._alias(key))["Arn"])
        while not self._claim(key, kind, claimed):
            number = claimed = claimed + 1
        # Whoever claimed a later number meanwhile may have led the alias there before us: never lead it back.
        while True:
            self._lead(key, number, "update_alias")
            try:
                self._describe(self._alias(key, number + 1))
            except NoSuchKey:
                return claimed
            number += 1

    def enable(self, key: str, version: Version, enabled: bool) -> None:
        alias = self._alias(key, version.number)
        identity = self._describe(alias)["KeyId"]
        with _faults(alias):
            (self._client.enable_key if enabled else self._client.disable_key)(KeyId=identity)

    def check(self) -> Health:
        """Whether it answers: the alias that is asked for need not exist."""
        with suppress(NoSuchKey):
            self._describe(self._alias("health"))
        return Health(self.name, reachable=True)

    def close(self) -> None:
        self._client.close()

    def _claim(self, key: str, kind: KeyKind, number: int) -> bool:
        """Makes the version of this number. False if it exists."""
        alias = self._alias(key, number)
        with suppress(NoSuchKey):
            self._describe(alias)
            return False
        usage, spec = _KINDS[kind]
        with _faults(alias):
            made = self._client.create_key(KeyUsage=usage, KeySpec=spec, Description=f"{self._prefix}: {key} {number}")
            spare = made["KeyMetadata"]["KeyId"]
        try:
            with _faults(alias):
                self._client.create_alias(AliasName=alias, TargetKeyId=spare)
        except _Taken:
            # Who may delete no keys leaves the spare one: its description tells what it was for.
            with suppress(VaultError), _faults(alias):
                self._client.schedule_key_deletion(KeyId=spare, PendingWindowInDays=7)
            return False
        return True

    def _lead(self, key: str, number: int, how: str) -> None:
        alias = self._alias(key)
        arn = self._describe(self._alias(key, number))["Arn"]
        with _faults(alias):
            getattr(self._client, how)(AliasName=alias, TargetKeyId=arn)

    def _describe(self, alias: str) -> dict[str, Any]:
        with _faults(alias):
            state: dict[str, Any] = self._client.describe_key(KeyId=alias)["KeyMetadata"]
        return state

    def _number(self, alias: str, arn: str) -> int:
        """Of the version that a KMS key is; asked for once."""
        if arn not in self._numbers:
            with _faults(alias):
                aliases = self._client.list_aliases(KeyId=arn)["Aliases"]
            numbers = [entry["AliasName"].removeprefix(f"{alias}/") for entry in aliases]
            found = [int(number) for number in numbers if number.isdecimal()]
            if not found:
                raise VaultError("the latest version's own alias is missing")
            self._numbers[arn] = min(found)
        return self._numbers[arn]

    def _wrapped(self, latest: str, done: dict[str, Any]) -> Wrapped:
        number = self._number(latest, done["KeyId"])
        return Wrapped(number, str(number), done["CiphertextBlob"])

    def _alias(self, key: str, number: int | None = None) -> str:
        return f"alias/{self._prefix}/{key}" + (f"/{number}" if number else "")

    def _alias_of(self, key: str, reference: str) -> str:
        if not reference.isdecimal() or reference.startswith("0"):
            raise NotDecryptable("this is no ciphertext of this vault")
        return self._alias(key, int(reference))

    def _refuse_version(self, key: str) -> NoReturn:
        self._describe(self._alias(key))
        raise NotDecryptable("no such version of the key exists")


def _context(bound_to: bytes) -> dict[str, str]:
    return {"semantic-fabric": bound_to.hex()}


def _signed(message: bytes) -> dict[str, Any]:
    return {"Message": sha256(message).digest(), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}


@contextmanager
def _faults(alias: str) -> Iterator[None]:
    """What went wrong, by AWS's code alone: its messages name accounts, principals and addresses."""
    try:
        yield
    except ClientError as error:
        raise _fault(str(error.response.get("Error", {}).get("Code", "")), alias) from None
    except _NO_CREDENTIALS:
        raise Denied("no credentials for AWS were found, or they could not be renewed") from None
    except BotoCoreError as error:
        raise Unavailable(f"AWS KMS could not be reached ({type(error).__name__})") from None


def _fault(code: str, alias: str) -> VaultError:
    if code == "NotFoundException":
        return NoSuchKey("no such key exists")
    if code == "AlreadyExistsException":
        return _Taken("the alias exists")
    if code in _NOT_DECRYPTABLE:
        return NotDecryptable("the ciphertext does not belong here or was tampered with")
    if code in _DISABLED:
        return Disabled(f"{alias} leads to a KMS key that is disabled or pending deletion")
    if code in _THROTTLED:
        return Throttled("AWS KMS is over its request quota")
    if code in _DENIED:
        return Denied(f"AWS KMS refuses the credentials or the right to do this ({code})")
    if code in ("InvalidKeyUsageException", "ValidationException", "UnsupportedOperationException"):
        return Refused(f"AWS KMS refuses the request ({code})")
    if code == "KMSInvalidSignatureException":
        return NotDecryptable("the signature is another's")
    return Unavailable(f"AWS KMS failed ({code or 'without a code'})")
