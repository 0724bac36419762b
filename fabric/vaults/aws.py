"""AWS KMS, as the settings say."""

from typing import Any

from fabric.settings import Settings, SettingsError, variable
from vault.aws import aws_vault
from vault.service_vault import ServiceVault


def opened(settings: Settings) -> ServiceVault[Any]:
    """SettingsError where there is no AWS KMS of such a region or address."""
    try:
        return aws_vault(
            region=settings.vault_aws_region,
            endpoint=settings.vault_address,
            ca_file=str(settings.vault_ca_file) if settings.vault_ca_file else None,
            seconds=settings.vault_timeout_seconds,
            batch_items=settings.vault_batch_items,
            concurrency=settings.vault_concurrency,
        )
    except ValueError as error:
        raise SettingsError(f"{variable('vault_aws_region')} or {variable('vault_address')}: {error}") from None
