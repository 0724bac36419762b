"""A PKCS#11 token, as the settings say."""

from typing import Any

from fabric.secrets import SecretError, read_private
from fabric.settings import Settings
from vault.pkcs11 import pkcs11_vault
from vault.service_vault import ServiceVault


def opened(settings: Settings) -> ServiceVault[Any]:
    """SecretError if the file of the PIN cannot be used."""
    library, pin_file = settings.vault_pkcs11_library, settings.vault_pkcs11_pin_file
    assert library is not None
    assert pin_file is not None
    try:
        pin = read_private(pin_file).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"{pin_file} does not hold a PIN") from None
    return pkcs11_vault(
        library=str(library),
        token=settings.vault_pkcs11_token,
        pin=pin,
        seconds=settings.vault_timeout_seconds,
        batch_items=settings.vault_batch_items,
    )
