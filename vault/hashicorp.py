"""HashiCorp Vault and OpenBao: their transit engine, over HTTP.

Keys are made with `derived=true`, so that the context decides the key that encrypts. Associated data would not do:
`transit/rewrap` ignores it. Before a key is used for the first time its kind is read: one without derivation, made by
hand, would encrypt too, whatever the context.
"""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from vault.hashicorp_policies import PREFIX, Duty, rights
from vault.hashicorp_session import Answer, Credential, Server, Session
from vault.names import require_name
from vault.printable import parsed
from vault.protocol import (
    Denied,
    Each,
    Health,
    KeyKind,
    KeyState,
    NoSuchKey,
    NotDecryptable,
    Placed,
    Plain,
    Sealed,
    Unavailable,
    VaultError,
)

T = TypeVar("T")
Item = TypeVar("Item")
Result = Mapping[str, Any]

BATCH_ITEMS = 150
"""OpenBao takes 1,000 JSON strings a request by default, names of members included: six an item."""

BATCH_BYTES = 1_000_000
"""Plaintext or ciphertext in one request, unless a single item is longer."""

_PREFIX = "vault"
_PROBE = f"{PREFIX}doctor"
_KINDS: Mapping[KeyKind, Mapping[str, Any]] = {
    KeyKind.ENCRYPTION: {"type": "aes256-gcm96", "derived": True},
    KeyKind.MAC: {"type": "aes256-gcm96", "derived": False},
    KeyKind.SIGNING: {"type": "ed25519", "derived": False},
}
"""Every key has one for digests beside it. Of those of type `hmac` the engine does not tell when they were made."""

_MISSING_KEY = re.compile(r"key not found|no existing key named")


class HashiCorpVault:
    """Keys of a transit engine. Each duty may have credentials of its own; without, it has the writer's."""

    def __init__(
        self,
        server: Server,
        writer: Credential,
        *,
        unlocker: Credential | None = None,
        rotator: Credential | None = None,
        mount: str = "transit",
        batch_items: int = BATCH_ITEMS,
    ) -> None:
        self._pool = ThreadPoolExecutor(server.connections, thread_name_prefix="vault")
        self._lanes = asyncio.Semaphore(server.connections)
        sessions = {c: Session(server, c, self._pool) for c in (writer, unlocker, rotator) if c is not None}
        self._sessions = {
            Duty.WRITE: sessions[writer],
            Duty.UNLOCK: sessions[unlocker or writer],
            Duty.ROTATE: sessions[rotator or writer],
        }
        self._mount, self._batch_items = mount.strip("/"), batch_items
        self._kinds: dict[str, KeyKind] = {}

    def __repr__(self) -> str:
        return "HashiCorpVault(…)"

    async def create_key(self, key: str, kind: KeyKind) -> None:
        require_name(key)
        _accepted(await self._ask(Duty.ROTATE, f"keys/{key}", _KINDS[kind]), key)
        await self._require(Duty.ROTATE, key, kind)

    async def encrypt(self, key: str, items: Sequence[Plain]) -> Each[Sealed]:
        await self._require(Duty.WRITE, key, KeyKind.ENCRYPTION)

        def request(item: Plain) -> dict[str, str] | VaultError:
            if not item.context:
                return VaultError("an item to be encrypted has no context")
            return {"plaintext": _text(item.plaintext), "context": _text(item.context)}

        return await self._batch(Duty.WRITE, f"encrypt/{key}", items, request, _sealed)

    async def decrypt(self, key: str, items: Sequence[Placed]) -> Each[bytes]:
        await self._require(Duty.UNLOCK, key, KeyKind.ENCRYPTION)
        return await self._batch(Duty.UNLOCK, f"decrypt/{key}", items, _placed, _opened)

    async def rewrap(self, key: str, items: Sequence[Placed]) -> Each[Sealed]:
        await self._require(Duty.ROTATE, key, KeyKind.ENCRYPTION)
        return await self._batch(Duty.ROTATE, f"rewrap/{key}", items, _placed, _sealed)

    async def mac(self, key: str, messages: Sequence[bytes]) -> Each[bytes]:
        """Pinned to the first version: without, a key that was rotated by hand would compute other digests."""
        await self._require(Duty.WRITE, key, KeyKind.MAC)
        return await self._batch(Duty.WRITE, f"hmac/{key}", messages, _input, _digest, key_version=1)

    async def sign(self, key: str, messages: Sequence[bytes]) -> Each[str]:
        await self._require(Duty.WRITE, key, KeyKind.SIGNING)
        return await self._batch(Duty.WRITE, f"sign/{key}", messages, _input, _signature)

    async def verify(self, key: str, message: bytes, signature: str) -> bool:
        await self._require(Duty.WRITE, key, KeyKind.SIGNING)
        if parsed(_PREFIX, signature) is None:
            return False
        answer = await self._ask(Duty.WRITE, f"verify/{key}", _input(message) | {"signature": signature})
        _require_key(answer, key)
        return answer.data.get("valid") is True

    async def rotate(self, key: str) -> int:
        require_name(key)
        if await self._kind(Duty.ROTATE, key) is KeyKind.MAC:
            raise VaultError(f"the key {key} is for digests and has one version for ever")
        answer = _accepted(await self._ask(Duty.ROTATE, f"keys/{key}/rotate", {}, again=False), key)
        if isinstance(latest := answer.data.get("latest_version"), int):
            return latest
        return (await self.key_state(key)).latest_version

    async def key_state(self, key: str) -> KeyState:
        require_name(key)
        return await self._state(Duty.ROTATE, key)

    async def set_minimum_version(self, key: str, version: int) -> None:
        require_name(key)
        if version < 1:
            raise VaultError(f"the key {key} has no version {version}")
        body = {"min_decryption_version": version}
        answer = await self._ask(Duty.ROTATE, f"keys/{key}/config", body)
        _require_key(answer, key)
        if answer.status == 400:
            raise VaultError(f"the key {key} has no version {version}, or not any more")

    async def health(self) -> Health:
        try:
            query = "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
            state = (await self._sessions[Duty.WRITE].ask_anybody(f"sys/health?{query}")).body
        except VaultError as error:
            return Health("hashicorp", reachable=False, problems=(f"{error}.",))
        if state.get("sealed") is not False:
            problem = "The vault is sealed: unseal it." if state.get("initialized") else "The vault is not initialized."
            return Health("hashicorp", reachable=True, sealed=True, problems=(problem,))
        lifetimes, problems = [], []
        for session in dict.fromkeys(self._sessions.values()):
            duties = [duty for duty, its in self._sessions.items() if its is session]
            try:
                lifetimes.append(await session.seconds_left())
                problems += await self._faults(session, duties)
            except VaultError as error:
                problems.append(f"As {_listed(duties)}: {error}.")
        ends = [seconds for seconds in lifetimes if seconds is not None]
        return Health("hashicorp", True, False, min(ends) if ends else None, tuple(problems))

    async def close(self) -> None:
        for session in dict.fromkeys(self._sessions.values()):
            await session.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # Asking

    async def _ask(self, duty: Duty, path: str, body: Mapping[str, Any], *, again: bool = True) -> Answer:
        return await self._sessions[duty].ask("post", f"{self._mount}/{path}", body, again=again)

    async def _batch(
        self,
        duty: Duty,
        path: str,
        items: Sequence[Item],
        request: Callable[[Item], dict[str, str] | VaultError],
        outcome: Callable[[Result], T],
        **options: Any,
    ) -> Each[T]:
        """The outcomes of all items, in requests of at most `batch_items`. What is refused here is not sent."""
        outcomes: dict[int, T | VaultError] = {}
        asked: list[tuple[int, dict[str, str]]] = []
        for place, item in enumerate(items):
            made = request(item)
            if isinstance(made, VaultError):
                outcomes[place] = made
            else:
                asked.append((place, made | {"reference": str(place)}))

        async def send(part: list[tuple[int, dict[str, str]]]) -> None:
            async with self._lanes:
                answer = await self._ask(duty, path, {"batch_input": [made for _, made in part], **options})
            _require_key(answer, path.partition("/")[2])
            results = answer.data.get("batch_results")
            if not isinstance(results, list) or [r.get("reference") for r in results] != [str(n) for n, _ in part]:
                raise VaultError("the vault refused a batch as a whole, or answered it with something else")
            for (place, _), result in zip(part, results, strict=True):
                outcomes[place] = _or_error(outcome, result)

        await _all_or_first_fault(send(part) for part in self._parts(asked))
        return [outcomes[place] for place in range(len(items))]

    def _parts(self, asked: Sequence[tuple[int, dict[str, str]]]) -> Iterable[list[tuple[int, dict[str, str]]]]:
        part: list[tuple[int, dict[str, str]]] = []
        size = 0
        for one in asked:
            length = sum(map(len, one[1].values()))
            if part and (len(part) == self._batch_items or size + length > BATCH_BYTES):
                yield part
                part, size = [], 0
            part.append(one)
            size += length
        if part:
            yield part

    # Keys

    async def _require(self, duty: Duty, key: str, kind: KeyKind) -> None:
        require_name(key)
        if (found := await self._kind(duty, key)) is not kind:
            raise VaultError(f"the key {key} is of another kind: {found}")

    async def _kind(self, duty: Duty, key: str) -> KeyKind:
        """A key's kind never changes, so it is read once."""
        if key not in self._kinds:
            self._kinds[key] = (await self._state(duty, key)).kind
        return self._kinds[key]

    async def _state(self, duty: Duty, key: str) -> KeyState:
        answer = await self._sessions[duty].ask("get", f"{self._mount}/keys/{key}")
        if answer.status == 404 and not answer.errors:
            raise NoSuchKey(f"there is no key {key} in the vault")
        if answer.status != 200:
            raise Denied("the vault has no transit engine at this mount: somebody has to enable it")
        data = answer.data
        made = {"type": data.get("type"), "derived": bool(data.get("derived"))}
        kind = next((kind for kind, wanted in _KINDS.items() if wanted == made), None)
        if kind is None:
            raise VaultError(f"the key {key} is of a type that no key has here")
        versions = {int(number): _time(made) for number, made in data["keys"].items()}
        return KeyState(key, kind, dict(sorted(versions.items())), max(1, data.get("min_decryption_version", 1)))

    # Rights

    async def _faults(self, session: Session, duties: Sequence[Duty]) -> list[str]:
        """What the credential may not do but has to, and what it may do but should not."""
        needs = {duty: rights(duty, self._mount, _PROBE) for duty in Duty}
        paths = sorted({path for needed in needs.values() for path in needed})
        answer = await session.ask("post", "sys/capabilities-self", {"paths": paths})
        allowed = {path: frozenset(answer.data.get(path) or ()) for path in paths}
        problems = []
        for duty, needed in needs.items():
            for path, capabilities in needed.items():
                enough = "root" in allowed[path] or capabilities <= allowed[path]
                shared = any(capabilities <= needs[its].get(path, frozenset()) for its in duties)
                shown = path.replace(_PROBE, f"{PREFIX}*")
                if duty in duties and not enough:
                    problems.append(f"As {duty} it may not use {shown}: give it the policy of this duty.")
                elif duty not in duties and not shared and enough:
                    problems.append(f"As {_listed(duties)} it may use {shown}, which only the {duty} should.")
        return problems


async def _all_or_first_fault(work: Iterable[Awaitable[None]]) -> None:
    """Does all of it at once. The first fault ends the rest."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _listed(duties: Sequence[Duty]) -> str:
    return " and ".join(duties)


def _require_key(answer: Answer, key: str) -> None:
    if any(_MISSING_KEY.search(error) for error in answer.errors):
        raise NoSuchKey(f"there is no key {key} in the vault")
    if answer.status == 404:
        raise Denied("the vault has no transit engine at this mount: somebody has to enable it")


def _accepted(answer: Answer, key: str) -> Answer:
    _require_key(answer, key)
    if answer.status >= 300:
        raise VaultError(f"the vault refused what was asked of the key {key}")
    return answer


# Items


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _placed(item: Placed) -> dict[str, str] | VaultError:
    if not item.context or parsed(_PREFIX, item.ciphertext) is None:
        return _not_decryptable()
    return {"ciphertext": item.ciphertext, "context": _text(item.context)}


def _input(message: bytes) -> dict[str, str]:
    return {"input": _text(message)}


def _or_error(outcome: Callable[[Result], T], result: Result) -> T | VaultError:
    if result.get("error"):
        return _not_decryptable()
    try:
        return outcome(result)
    except (KeyError, TypeError, ValueError):
        raise Unavailable("the vault answered with something else than was asked") from None


def _sealed(result: Result) -> Sealed:
    ciphertext = result["ciphertext"]
    found = parsed(_PREFIX, ciphertext)
    if found is None:
        raise ValueError
    return Sealed(ciphertext, found[0])


def _opened(result: Result) -> bytes:
    return base64.b64decode(result.get("plaintext", ""), validate=True)


def _digest(result: Result) -> bytes:
    found = parsed(_PREFIX, result["hmac"])
    if found is None:
        raise ValueError
    return found[1]


def _signature(result: Result) -> str:
    return str(result["signature"])


def _time(made: Any) -> datetime:
    """Of a symmetric key's version a number of seconds is told, of another's an object."""
    if isinstance(made, dict):
        return datetime.fromisoformat(_MICROSECONDS.sub(r"\1", made["creation_time"]).replace("Z", "+00:00"))
    return datetime.fromtimestamp(made, UTC)


_MICROSECONDS = re.compile(r"(\.\d{6})\d+")


def _not_decryptable() -> NotDecryptable:
    return NotDecryptable("no ciphertext of this key in this context, a damaged one, or one of a version too old")
