"""The backends that the contract is run over. One that is not there is skipped by name, with the reason."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from contract import Bench
from hvac import Client
from transit import MOUNT, serving_transit

from vault.hashicorp import HashiCorpVault
from vault.hashicorp_policies import Duty, policy
from vault.hashicorp_session import Server, Token
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
async def real_hashicorp(folder: Path) -> AsyncIterator[Bench]:
    """The server of VAULT_ADDR, with a mount of the test's own and one token for each duty, by the policies shipped."""
    address, token = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_TOKEN")
    if not address or not token:
        pytest.skip("a HashiCorp Vault or OpenBao is tested where VAULT_ADDR and VAULT_TOKEN are set")
    with prepared_mount(address, token) as (mount, tokens):
        async with benched(lambda: hashicorp_vault(address, tokens, mount)) as bench:
            yield bench


@asynccontextmanager
async def hashicorp(folder: Path) -> AsyncIterator[Bench]:
    """The double of one."""
    with serving_transit() as transit:
        tokens = {duty: transit.grant(duty) for duty in Duty}
        async with benched(lambda: hashicorp_vault(transit.address, tokens, MOUNT)) as bench:
            yield bench


def hashicorp_vault(address: str, tokens: Mapping[Duty, str], mount: str) -> Vault:
    """A token for each duty."""
    credentials = {duty: Token(partial(str, token)) for duty, token in tokens.items()}
    return HashiCorpVault(
        Server(address, timeout=SECONDS),
        credentials[Duty.WRITE],
        unlocker=credentials[Duty.UNLOCK],
        rotator=credentials[Duty.ROTATE],
        mount=mount,
    )


@contextmanager
def prepared_mount(address: str, token: str) -> Iterator[tuple[str, dict[Duty, str]]]:
    """A transit engine and tokens for it, all gone afterwards."""
    admin = Client(address, token)
    mount = f"test-{secrets.token_hex(8)}"
    admin.sys.enable_secrets_engine("transit", mount)
    try:
        for duty in Duty:
            admin.sys.create_or_update_policy(f"{mount}-{duty}", policy(duty, mount))
        made = {duty: admin.auth.token.create(policies=[f"{mount}-{duty}"], ttl="10m") for duty in Duty}
        yield mount, {duty: answer["auth"]["client_token"] for duty, answer in made.items()}
    finally:
        admin.sys.disable_secrets_engine(mount)
        for duty in Duty:
            admin.sys.delete_policy(f"{mount}-{duty}")


BACKENDS: dict[str, OpenBench] = {
    "software": software,
    "hashicorp": hashicorp,
    "real HashiCorp Vault or OpenBao": real_hashicorp,
}
