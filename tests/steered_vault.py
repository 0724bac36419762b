"""A vault in front of another one, for tests: it counts round trips, fails and is slow when told to,
and lets look at what goes on while it is waited for."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from vault.protocol import Each, Health, KeyKind, KeyState, Placed, Plain, Sealed, Vault, VaultError
from vault.software import SoftwareVault

T = TypeVar("T")


@asynccontextmanager
async def software(folder: Path) -> AsyncIterator["SteeredVault"]:
    """In front of a keyring of its own."""
    inner = SoftwareVault(folder / "keyring", b"k" * 32)
    try:
        yield SteeredVault(inner)
    finally:
        await inner.close()


class SteeredVault:
    """`trips` counts rounds of calls that ran at the same time; `calls` the calls by name, `items` their items."""

    def __init__(self, inner: Vault) -> None:
        self._inner = inner
        self.failure: VaultError | None = None
        self.latency = timedelta()
        self.meanwhile: Callable[[], None] = lambda: None
        self.calls: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.trips = 0
        self._running = 0

    async def _call(self, name: str, items: int, work: Awaitable[T]) -> T:
        self.calls[name] += 1
        self.items[name] += items
        self.trips += not self._running
        self._running += 1
        try:
            await asyncio.sleep(self.latency.total_seconds())
            self.meanwhile()
            if self.failure is not None:
                raise self.failure
            return await work
        finally:
            self._running -= 1
            if asyncio.iscoroutine(work):
                work.close()

    async def create_key(self, key: str, kind: KeyKind) -> None:
        await self._call("create_key", 1, self._inner.create_key(key, kind))

    async def encrypt(self, key: str, items: Sequence[Plain]) -> Each[Sealed]:
        return await self._call("encrypt", len(items), self._inner.encrypt(key, items))

    async def decrypt(self, key: str, items: Sequence[Placed]) -> Each[bytes]:
        return await self._call("decrypt", len(items), self._inner.decrypt(key, items))

    async def rewrap(self, key: str, items: Sequence[Placed]) -> Each[Sealed]:
        return await self._call("rewrap", len(items), self._inner.rewrap(key, items))

    async def mac(self, key: str, messages: Sequence[bytes]) -> Each[bytes]:
        return await self._call("mac", len(messages), self._inner.mac(key, messages))

    async def sign(self, key: str, messages: Sequence[bytes]) -> Each[str]:
        return await self._call("sign", len(messages), self._inner.sign(key, messages))

    async def verify(self, key: str, message: bytes, signature: str) -> bool:
        return await self._call("verify", 1, self._inner.verify(key, message, signature))

    async def rotate(self, key: str) -> int:
        return await self._call("rotate", 1, self._inner.rotate(key))

    async def key_state(self, key: str) -> KeyState:
        return await self._call("key_state", 1, self._inner.key_state(key))

    async def set_minimum_version(self, key: str, version: int) -> None:
        await self._call("set_minimum_version", 1, self._inner.set_minimum_version(key, version))

    async def health(self) -> Health:
        return await self._inner.health()

    async def close(self) -> None:
        await self._inner.close()
