"""A vault made of a key service: envelopes, batches with faults item by item, threads, a time limit for every call."""

import asyncio
import math
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Generic, TypeVar

from vault.envelope import Envelope, binding, from_base64, seal, to_base64, unseal
from vault.key_service import Disabled, KeyService, L, Refused, Versions, Wrapped
from vault.names import require_name
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

BATCH_ITEMS = 150

_SIGNATURE = re.compile(r"([a-z0-9]+):([0-9a-f]{1,64}):([A-Za-z0-9+/]+={0,2})")


class ServiceVault(Generic[L]):
    """`concurrency` requests run at once. A call is Unavailable that takes longer than `seconds` for every
    `batch_items` of its items begun.

    A library that never returns keeps its thread: when all have gone that way, every call is Unavailable.
    """

    def __init__(
        self, service: KeyService[L], *, seconds: float, concurrency: int, batch_items: int = BATCH_ITEMS
    ) -> None:
        self._service = service
        self._seconds, self._batch_items = seconds, batch_items
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix=service.name)
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create_key(self, key: str, kind: KeyKind) -> None:
        require_name(key)

        def create() -> KeyKind:
            with suppress(NoSuchKey):
                return self._service.versions(key).kind
            self._service.create(key, kind)
            return kind

        async with self._in_time(), self._changing[key]:
            existing = await self._run(create)
        if existing is not kind:
            raise VaultError(f"the key {key} exists, for {existing}")

    async def encrypt(self, key: str, items: Sequence[Plain]) -> Each[Sealed]:
        async with self._in_time(len(items)):
            latest = await self._latest(key, KeyKind.ENCRYPTION)

            def encrypt(item: Plain) -> Sealed:
                if not item.context:
                    raise VaultError("nothing is encrypted without a context")
                data_key, body = seal(key, item)
                wrapped = self._service.wrap(latest, data_key, binding(key, item.context, body))
                return self._sealed(wrapped, body)

            return _raised_if_common(await self._each([partial(encrypt, item) for item in items]))

    async def decrypt(self, key: str, items: Sequence[Placed]) -> Each[bytes]:
        def decrypt(envelope: Envelope, item: Placed) -> bytes:
            bound_to = binding(key, item.context, envelope.body)
            data_key = self._service.unwrap(key, envelope.reference, envelope.wrapped, bound_to)
            return unseal(key, item.context, data_key, envelope.body)

        async with self._in_time(len(items)):
            return await self._each_envelope(key, items, decrypt)

    async def rewrap(self, key: str, items: Sequence[Placed]) -> Each[Sealed]:
        async with self._in_time(len(items)):
            latest = await self._latest(key, KeyKind.ENCRYPTION)

            def rewrap(envelope: Envelope, item: Placed) -> Sealed:
                bound_to = binding(key, item.context, envelope.body)
                wrapped = self._service.rewrap(key, latest, envelope.reference, envelope.wrapped, bound_to)
                return self._sealed(wrapped, envelope.body)

            return await self._each_envelope(key, items, rewrap)

    async def mac(self, key: str, messages: Sequence[bytes]) -> Each[bytes]:
        async with self._in_time(len(messages)):
            latest = await self._latest(key, KeyKind.MAC)
            calls = [partial(self._service.mac, latest, message) for message in messages]
            return _raised_if_common(await self._each(calls))

    async def sign(self, key: str, messages: Sequence[bytes]) -> Each[str]:
        async with self._in_time(len(messages)):
            latest = await self._latest(key, KeyKind.SIGNING)

            def sign(message: bytes) -> str:
                reference, signature = self._service.sign(latest, message)
                return f"{self._service.name}:{reference}:{to_base64(signature)}"

            return _raised_if_common(await self._each([partial(sign, message) for message in messages]))

    async def verify(self, key: str, message: bytes, signature: str) -> bool:
        require_name(key)
        match = _SIGNATURE.fullmatch(signature)
        async with self._in_time():
            if not match or match[1] != self._service.name:
                await self._versions(key)
                return False
            try:
                raw = from_base64(match[3])
                return await self._run(partial(self._service.verify, key, match[2], message, raw))
            except NotDecryptable:
                return False
            except Disabled:
                why = _why_disabled(await self._versions(key), signature)
        if isinstance(why, NotDecryptable):
            return False
        raise why

    async def rotate(self, key: str) -> int:
        async with self._in_time(), self._changing[key]:
            kind = (await self._versions(key)).kind
            if kind is KeyKind.MAC:
                raise VaultError(f"the key {key} computes keyed digests, so it keeps its one version")
            return await self._run(partial(self._service.rotate, key, kind))

    async def key_state(self, key: str) -> KeyState:
        async with self._in_time():
            versions = await self._versions(key)
        # Two of one number are made by two processes that rotate in the same instant.
        created = {version.number: version.created for version in reversed(versions.each)}
        return KeyState(key, versions.kind, dict(sorted(created.items())), versions.minimum)

    async def set_minimum_version(self, key: str, version: int) -> None:
        """A version that somebody has disabled by hand stays so, unless it was below the minimum until now."""
        async with self._in_time(), self._changing[key]:
            versions = await self._versions(key)
            if version not in {existing.number for existing in versions.each}:
                raise VaultError(f"the key {key} has no version {version}")
            for existing in versions.each:
                if existing.number < version and existing.enabled:
                    await self._run(partial(self._service.enable, key, existing, False))
                elif version <= existing.number < versions.minimum and not existing.enabled:
                    await self._run(partial(self._service.enable, key, existing, True))

    async def health(self) -> Health:
        try:
            async with self._in_time():
                return await self._run(self._service.check)
        except VaultError as error:
            return Health(self._service.name, reachable=isinstance(error, Denied), problems=(str(error),))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._service.close)

    async def _versions(self, key: str) -> Versions:
        require_name(key)
        return await self._run(partial(self._service.versions, key))

    async def _latest(self, key: str, kind: KeyKind) -> L:
        require_name(key)
        return await self._run(partial(self._service.latest, key, kind))

    def _sealed(self, wrapped: Wrapped, body: bytes) -> Sealed:
        envelope = Envelope(self._service.name, wrapped.reference, wrapped.data, body)
        return Sealed(str(envelope), wrapped.number)

    async def _each_envelope(self, key: str, items: Sequence[Placed], work: Callable[[Envelope, Placed], T]) -> Each[T]:
        """What cannot be an envelope is not sent; a version below the minimum is told from one disabled by hand."""
        require_name(key)
        envelopes = [_attempt(partial(Envelope.parse, self._service.name, item.ciphertext)) for item in items]
        calls = {
            place: partial(work, envelope, items[place])
            for place, envelope in enumerate(envelopes)
            if isinstance(envelope, Envelope)
        }
        done = dict(zip(calls, await self._each(list(calls.values())), strict=True))
        versions = None
        if not done or any(isinstance(outcome, Disabled) for outcome in done.values()):
            versions = await self._versions(key)
        for place, outcome in done.items():
            if isinstance(outcome, Disabled) and versions:
                done[place] = _why_disabled(versions, items[place].ciphertext)
        _raised_if_common(list(done.values()))
        return [
            envelope if isinstance(envelope, VaultError) else done[place] for place, envelope in enumerate(envelopes)
        ]

    async def _each(self, calls: Sequence[Callable[[], T]]) -> Each[T]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._threads, _attempt, call) for call in calls))

    async def _run(self, call: Callable[[], T]) -> T:
        outcome = (await self._each([call]))[0]
        if isinstance(outcome, VaultError):
            raise outcome
        return outcome

    @asynccontextmanager
    async def _in_time(self, items: int = 1) -> AsyncIterator[None]:
        seconds = self._seconds * max(1, math.ceil(items / self._batch_items))
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise Unavailable(f"the vault has not answered within {seconds:g} seconds") from None


def _attempt(call: Callable[[], T]) -> T | VaultError:
    """The fault without what led to it: the libraries' own errors name addresses and accounts."""
    try:
        return call()
    except VaultError as error:
        error.__cause__ = error.__context__ = None
        error.__suppress_context__ = True
        return error


def _raised_if_common(outcomes: Each[T]) -> Each[T]:
    """Raises where no item got through, and it was not the items."""
    faults = [outcome for outcome in outcomes if isinstance(outcome, Unavailable | NoSuchKey | Refused)]
    if faults and len(faults) == len(outcomes):
        raise faults[0]
    return outcomes


def _why_disabled(versions: Versions, text: str) -> VaultError:
    number = versions.number(text.split(":")[1])
    if number is not None and number >= versions.minimum:
        return Denied(f"version {number} of the key is disabled")
    return NotDecryptable("the version that made this is below the minimum")
