"""The backends that the contract is run over. One that is not there is skipped by name, with the reason."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from contract import Bench

from vault.protocol import Vault
from vault.software import SoftwareVault

OpenBench = Callable[[Path], AbstractAsyncContextManager[Bench]]
"""Opens a backend for one test, which has the folder to itself. It may call `pytest.skip`."""


@asynccontextmanager
async def benched(make: Callable[[], Vault]) -> AsyncIterator[Bench]:
    """A bench of clients that `make` makes of the same store, all closed in the end."""
    async with AsyncExitStack() as stack:

        async def another() -> Vault:
            vault = make()
            stack.push_async_callback(vault.close)
            return vault

        yield Bench(await another(), another)


@asynccontextmanager
async def software(folder: Path) -> AsyncIterator[Bench]:
    master_key = secrets.token_bytes(32)
    async with benched(lambda: SoftwareVault(folder / "keyring", master_key)) as bench:
        yield bench


BACKENDS: dict[str, OpenBench] = {"software": software}
