"""Checks of the vault: whether it answers, is unsealed, and lets each duty do what it has to."""

import math
from collections.abc import AsyncIterator

from fabric.doctor import Finding, bad, care, good
from fabric.secrets import SecretError
from fabric.settings import Settings, SettingsError, variable
from fabric.vaults.vaults import keyring_file, open_vault
from vault.protocol import Health

TOKEN_SECONDS = 60.0
"""A token that is not renewed at this many seconds before its end will not be."""

HOW = "docs/vaults.md says how"


async def check_vault(settings: Settings) -> AsyncIterator[Finding]:
    """Asks the vault; changes nothing, and makes no file."""
    if settings.vault == "software" and not keyring_file(settings).exists():
        yield care("vault", "software, without a key yet", "`semantic-fabric vault init` makes an organization's")
        return
    try:
        vault = open_vault(settings)
    except (SecretError, SettingsError) as error:
        yield bad("vault", str(error))
        return
    if vault is None:
        yield care("vault", f"{variable('vault')} is none", "types with encrypted fields are refused")
        return
    try:
        for finding in judged(await vault.health()):
            yield finding
    finally:
        await vault.close()


def judged(health: Health) -> list[Finding]:
    """A finding for each problem, or one that all is well."""
    silent = () if health.reachable else ("it cannot be reached",)
    if problems := health.problems or silent:
        return [bad("vault", f"{health.backend}: {problem.rstrip('.')}", HOW) for problem in problems]
    seconds = math.inf if health.token_seconds_left is None else health.token_seconds_left
    if seconds < TOKEN_SECONDS:
        return [care("vault", f"{health.backend}; a token ends in {seconds:.0f} s", "have its file replaced in time")]
    if health.backend == "software":
        return [care("vault", "software: its keys are on this machine", "for production, keep them in another")]
    return [good("vault", f"{health.backend}, " + (f"tokens last {seconds:.0f} s" if seconds < math.inf else "open"))]
