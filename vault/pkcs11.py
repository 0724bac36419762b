"""A PKCS#11 token (an HSM, a smart card, SoftHSM) as a vault.

The versions of a key are objects of one label; `CKA_ID` has the version's number, when it was made and eight random
bytes. Two processes that rotate in the same instant make two objects of one number: both decrypt, for a ciphertext
names its object whole. A version below the minimum has lost `CKA_DECRYPT` (or `CKA_VERIFY`): the token refuses it.

A data key is encrypted by AES-GCM inside the token, with its binding as additional data.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from threading import Lock
from typing import Any, Self, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, TokenFlag
from pkcs11.mechanisms import GCMParams
from pkcs11.util.ec import encode_named_curve_parameters

from vault.key_service import Disabled, KeyService, Refused, Version, Versions, Wrapped
from vault.protocol import Denied, Health, KeyKind, NoSuchKey, NotDecryptable, Unavailable
from vault.service_vault import BATCH_ITEMS, ServiceVault

T = TypeVar("T")

_NONCE_BYTES, _TAG_BYTES = 12, 16
_FORMS = {
    KeyKind.ENCRYPTION: (ObjectClass.SECRET_KEY, KeyType.AES, Attribute.DECRYPT),
    KeyKind.MAC: (ObjectClass.SECRET_KEY, KeyType.GENERIC_SECRET, Attribute.SIGN),
    KeyKind.SIGNING: (ObjectClass.PUBLIC_KEY, KeyType.EC, Attribute.VERIFY),
}
"""The object that a version is known by, and the attribute that it has while it is enabled."""
_NEEDED = {
    Mechanism.AES_KEY_GEN, Mechanism.AES_GCM, Mechanism.GENERIC_SECRET_KEY_GEN, Mechanism.SHA256_HMAC,
    Mechanism.EC_KEY_PAIR_GEN, Mechanism.ECDSA,
}  # fmt: skip
_PIN_REFUSED = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked, pkcs11.PinExpired)
_VAGUE = (pkcs11.GeneralError, pkcs11.FunctionFailed, pkcs11.DataInvalid, pkcs11.ArgumentsBad)
"""What tokens say of a wrong tag, SoftHSM among them, and of other things."""

_library = Lock()
"""One call at a time in this process: python-pkcs11 initializes a library as that of a single thread."""
_initializations = count(1)
_initialization = 0
"""A library that was initialized anew has forgotten its sessions, also those of other vaults."""


def pkcs11_vault(
    *,
    library: str,
    token: str,
    pin: str,
    prefix: str = "semantic-fabric",
    seconds: float,
    batch_items: int = BATCH_ITEMS,
) -> "ServiceVault[_Id]":
    """`library` is the path of the token's own module, `token` the token's label. Nothing is opened yet."""
    service = Pkcs11Token(library, token, pin, prefix)
    return ServiceVault(service, seconds=seconds, concurrency=1, batch_items=batch_items)


@dataclass(frozen=True, slots=True)
class _Id:
    """A version of a key. `CKA_ID` is 20 bytes: number, milliseconds since 1970, random; so they sort."""

    key: str
    raw: bytes

    @classmethod
    def new(cls, key: str, number: int) -> Self:
        made = int(datetime.now(UTC).timestamp() * 1000)
        return cls(key, number.to_bytes(4, "big") + made.to_bytes(8, "big") + os.urandom(8))

    @property
    def number(self) -> int:
        return int.from_bytes(self.raw[:4], "big")

    @property
    def made(self) -> datetime:
        return datetime.fromtimestamp(int.from_bytes(self.raw[4:12], "big") / 1000, UTC)

    @property
    def well_formed(self) -> bool:
        return len(self.raw) == 20


class Pkcs11Token(KeyService[_Id]):
    """One session, opened when it is needed, and anew when the token has lost it."""

    name = "pkcs11"

    def __init__(self, library: str, token: str, pin: str, prefix: str) -> None:
        self._library = library
        self._token = token
        self._pin = pin
        self._prefix = prefix
        self._session: Any = None
        self._initialization = 0
        self._login: Any = None
        self._pin_refused = False
        self._handles: dict[tuple[_Id, ObjectClass], Any] = {}
        """Of the session's objects."""

    def latest(self, key: str, kind: KeyKind) -> _Id:
        """Of digest keys the first: one that another process made in the same instant has never been used."""
        versions = self.versions(key)
        if versions.kind is not kind:
            raise Refused(f"the key {key} is for {versions.kind}, not for {kind}")
        version = versions.each[0 if kind is KeyKind.MAC else -1]
        return _Id(key, bytes.fromhex(version.reference))

    def wrap(self, latest: _Id, data_key: bytes, bound_to: bytes) -> Wrapped:
        return self._use(lambda: self._wrapped(latest, data_key, bound_to))

    def unwrap(self, key: str, reference: str, wrapped: bytes, bound_to: bytes) -> bytes:
        return self._use(lambda: self._unwrapped(key, reference, wrapped, bound_to))

    def rewrap(self, key: str, latest: _Id, reference: str, wrapped: bytes, bound_to: bytes) -> Wrapped:
        """The data key passes through this process, the plaintext does not."""
        return self._use(lambda: self._wrapped(latest, self._unwrapped(key, reference, wrapped, bound_to), bound_to))

    def mac(self, latest: _Id, message: bytes) -> bytes:
        def mac() -> bytes:
            key = self._object(latest, KeyKind.MAC)
            return bytes(_permitted(key, Attribute.SIGN, lambda: key.sign(message, mechanism=Mechanism.SHA256_HMAC)))

        return self._use(mac)

    def sign(self, latest: _Id, message: bytes) -> tuple[str, bytes]:
        digest = sha256(message).digest()

        def sign() -> bytes:
            key = self._object(latest, KeyKind.SIGNING, ObjectClass.PRIVATE_KEY)
            return bytes(_permitted(key, Attribute.SIGN, lambda: key.sign(digest, mechanism=Mechanism.ECDSA)))

        return latest.raw.hex(), self._use(sign)

    def verify(self, key: str, reference: str, message: bytes, signature: bytes) -> bool:
        digest = sha256(message).digest()

        def verify() -> bool:
            public = self._referred(key, reference, KeyKind.SIGNING)
            check = lambda: public.verify(digest, signature, mechanism=Mechanism.ECDSA)  # noqa: E731
            return bool(_permitted(public, Attribute.VERIFY, check))

        return self._use(verify)

    def versions(self, key: str) -> Versions:
        return self._use(lambda: self._versions(key))

    def create(self, key: str, kind: KeyKind) -> None:
        def create() -> None:
            # Another vault of this process may have made it meanwhile.
            with suppress(NoSuchKey):
                self._versions(key)
                return
            self._generate(_Id.new(key, 1), kind)

        self._use(create)

    def rotate(self, key: str, kind: KeyKind) -> int:
        def rotate() -> int:
            made = _Id.new(key, self._versions(key).each[-1].number + 1)
            self._generate(made, kind)
            return made.number

        return self._use(rotate)

    def enable(self, key: str, version: Version, enabled: bool) -> None:
        identity = _Id(key, bytes.fromhex(version.reference))

        def enable() -> None:
            kind = self._versions(key).kind
            self._object(identity, kind)[_FORMS[kind][2]] = enabled
            if kind is KeyKind.ENCRYPTION:
                self._object(identity, kind)[Attribute.ENCRYPT] = enabled
            if kind is KeyKind.SIGNING:
                self._object(identity, kind, ObjectClass.PRIVATE_KEY)[Attribute.SIGN] = enabled

        self._use(enable)

    def check(self) -> Health:
        def check() -> tuple[str, ...]:
            token = self._session.token
            missing = sorted(mechanism.name for mechanism in _NEEDED - set(token.slot.get_mechanisms()))
            problems = [f"The token has no {name}: use one that has." for name in missing]
            if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
                problems.append("One more wrong PIN locks the token: find out who tries.")
            return tuple(problems)

        return Health(self.name, reachable=True, problems=self._use(check))

    def close(self) -> None:
        """The login belongs to the whole process, so it stays for other vaults."""
        with _library:
            self._drop()

    def _wrapped(self, latest: _Id, data_key: bytes, bound_to: bytes) -> Wrapped:
        key = self._object(latest, KeyKind.ENCRYPTION)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = _permitted(key, Attribute.ENCRYPT, lambda: key.encrypt(data_key, **_gcm(nonce, bound_to)))
        return Wrapped(latest.number, latest.raw.hex(), nonce + sealed)

    def _unwrapped(self, key: str, reference: str, wrapped: bytes, bound_to: bytes) -> bytes:
        handle = self._referred(key, reference, KeyKind.ENCRYPTION)
        nonce, sealed = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        if len(sealed) <= _TAG_BYTES:
            raise NotDecryptable("the ciphertext is too short")
        try:
            return bytes(_permitted(handle, Attribute.DECRYPT, lambda: handle.decrypt(sealed, **_gcm(nonce, bound_to))))
        except (pkcs11.EncryptedDataInvalid, pkcs11.EncryptedDataLenRange):
            raise NotDecryptable("the ciphertext does not belong here or was tampered with") from None
        except _VAGUE:
            # A token that still encrypts with this key is not broken, so it was the ciphertext.
            handle.encrypt(bytes(_TAG_BYTES), **_gcm(os.urandom(_NONCE_BYTES), bound_to))
            raise NotDecryptable("the ciphertext does not belong here or was tampered with") from None

    def _versions(self, key: str) -> Versions:
        for kind, (kind_class, key_type, enabled) in _FORMS.items():
            found = self._search(key, kind_class, {Attribute.KEY_TYPE: key_type})
            ids = sorted(((_Id(key, handle.id), handle) for handle in found), key=lambda pair: pair[0].raw)
            each = [
                Version(identity.number, identity.raw.hex(), identity.made, bool(handle[enabled]))
                for identity, handle in ids
                if identity.well_formed
            ]
            if each:
                return Versions(kind, each)
        raise NoSuchKey("no such key exists")

    def _generate(self, identity: _Id, kind: KeyKind) -> None:
        named = {"label": self._label(identity.key), "id": identity.raw, "store": True}
        if kind is KeyKind.SIGNING:
            curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
            parameters = self._session.create_domain_parameters(KeyType.EC, curve, local=True)
            parameters.generate_keypair(capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY, **named)
            return
        may = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
        if kind is KeyKind.MAC:
            may = MechanismFlag.SIGN | MechanismFlag.VERIFY
        template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        self._session.generate_key(_FORMS[kind][1], 256, capabilities=may, template=template, **named)

    def _referred(self, key: str, reference: str, kind: KeyKind) -> Any:
        """The object that a ciphertext or a signature names."""
        try:
            identity = _Id(key, bytes.fromhex(reference))
            return self._object(identity, kind)
        except ValueError:
            raise NotDecryptable("this is no ciphertext of this vault") from None
        except NoSuchKey:
            self._versions(key)
            raise NotDecryptable("no such version of the key exists") from None

    def _object(self, identity: _Id, kind: KeyKind, object_class: ObjectClass | None = None) -> Any:
        known = (identity, object_class or _FORMS[kind][0])
        if known not in self._handles:
            exactly = {Attribute.KEY_TYPE: _FORMS[kind][1], Attribute.ID: identity.raw}
            found = self._search(identity.key, known[1], exactly)
            if not found:
                raise NoSuchKey("no such version of the key exists")
            self._handles[known] = found[0]
        return self._handles[known]

    def _search(self, key: str, object_class: ObjectClass, more: dict[Attribute, Any]) -> list[Any]:
        wanted = {Attribute.CLASS: object_class, Attribute.LABEL: self._label(key), **more}
        return list(self._session.get_objects(wanted))

    def _label(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    def _use(self, work: Callable[[], T]) -> T:
        """Works in the session, and if the token has lost that, once more in a new one."""
        with _library:
            try:
                self._open()
                return work()
            except pkcs11.PKCS11Error:
                self._drop()
            try:
                self._start_anew()
                self._open()
                return work()
            except pkcs11.PKCS11Error as error:
                self._drop()
                raise Unavailable(f"the PKCS#11 token does not work ({type(error).__name__})") from None

    def _open(self) -> None:
        if self._session and self._initialization == _initialization:
            return
        if self._pin_refused:
            raise Denied("the token has refused the PIN: set the right one and start again, for tokens lock themselves")
        self._handles.clear()
        token = pkcs11.lib(self._library).get_token(token_label=self._token)
        try:
            # Who is logged in, is so in all sessions of this process; a session that logs in logs all out at its end.
            with suppress(pkcs11.UserAlreadyLoggedIn):
                self._login = token.open(user_pin=self._pin)
        except _PIN_REFUSED:
            self._pin_refused = True
            raise Denied("the token refuses the PIN; it is not tried again, for tokens lock themselves") from None
        self._session = token.open(rw=True)
        self._initialization = _initialization

    def _drop(self) -> None:
        session, self._session = self._session, None
        self._handles.clear()
        if session and self._initialization == _initialization:
            with suppress(pkcs11.PKCS11Error):
                session.close()

    def _start_anew(self) -> None:
        """Libraries look for their tokens when they are initialized."""
        global _initialization
        _initialization = next(_initializations)
        pkcs11.lib(self._library).reinitialize()


def _gcm(nonce: bytes, bound_to: bytes) -> dict[str, Any]:
    return {
        "mechanism": Mechanism.AES_GCM,
        "mechanism_param": GCMParams(nonce, bound_to, _TAG_BYTES * 8),
    }


def _permitted(key: Any, attribute: Attribute, work: Callable[[], T]) -> T:
    """Disabled if it failed because the key has lost the attribute."""
    try:
        return work()
    except pkcs11.PKCS11Error:
        if not key[attribute]:
            raise Disabled("this version of the key is disabled") from None
        raise
