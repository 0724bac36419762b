"""The backends that the contract is run over. One that is not there is skipped by name, with the reason."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import soft_hsm
from contract import Bench
from key_vault_double import key_vault, key_vault_client
from strict_kms import kms_client, strict_kms

from vault.pkcs11 import pkcs11_vault
from vault.protocol import Vault
from vault.software import SoftwareVault

SECONDS = 60.0
"""Longest that a call may take: a loaded machine is no fault of what is tested."""

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


@asynccontextmanager
async def pkcs11(folder: Path) -> AsyncIterator[Bench]:
    module, token = soft_hsm.library(), soft_hsm.shared_token()
    async with benched(lambda: pkcs11_vault(library=module, token=token, pin=soft_hsm.PIN, seconds=SECONDS)) as bench:
        yield bench


@asynccontextmanager
async def aws(folder: Path) -> AsyncIterator[Bench]:
    with strict_kms() as (_, url):
        async with benched(lambda: kms_client(url, seconds=SECONDS)) as bench:
            yield bench


@asynccontextmanager
async def azure(folder: Path) -> AsyncIterator[Bench]:
    with key_vault(folder) as double:
        async with benched(lambda: key_vault_client(double, seconds=SECONDS)) as bench:
            yield bench


BACKENDS: dict[str, OpenBench] = {"software": software, "pkcs11": pkcs11, "aws": aws, "azure": azure}
