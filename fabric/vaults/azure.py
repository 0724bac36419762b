"""Azure Key Vault, as the settings say."""

from typing import Any

from fabric.settings import Settings
from vault.azure import azure_vault
from vault.service_vault import ServiceVault


def opened(settings: Settings) -> ServiceVault[Any]:
    return azure_vault(
        url=settings.vault_address,
        hardware=settings.vault_azure_hsm,
        ca_file=str(settings.vault_ca_file) if settings.vault_ca_file else None,
        seconds=settings.vault_timeout_seconds,
        batch_items=settings.vault_batch_items,
        concurrency=settings.vault_concurrency,
    )
