"""Opens the vault that the settings name. Nothing is asked of it yet, and no key is made."""

from importlib import import_module
from pathlib import Path

from fabric.secrets import SecretError, local_secret, read_secret
from fabric.settings import Settings, SettingsError, variable
from vault.protocol import Vault
from vault.software import SoftwareVault

KEYRING = "keyring"
MASTER_KEY = "vault-master-key"
"""What the files that are made here are called, in the data folder."""


def open_vault(settings: Settings) -> Vault | None:
    """None where there is to be none. SettingsError names the extra to install if what the vault takes is missing.

    SecretError if a file cannot be used. Whoever opens it closes it. Other vaults than the software one are opened by
    `opened` of the module `fabric.vaults.NAME`, which is imported only then: what they take may not be installed.
    """
    if settings.vault == "none":
        return None
    if settings.vault == "software":
        return _software(settings)
    try:
        opener = import_module(f"fabric.vaults.{settings.vault}")
    except ImportError as error:
        raise SettingsError(
            f"{variable('vault')} is {settings.vault}, and {error.name} is not installed: "
            f"pip install 'semantic-fabric[{settings.vault}]'"
        ) from None
    vault: Vault = opener.opened(settings)
    return vault


def keyring_file(settings: Settings) -> Path:
    """Of the software vault's keys; the first key makes it."""
    return settings.vault_keyring_file or settings.data_dir.expanduser() / KEYRING


def _software(settings: Settings) -> Vault:
    keyring = keyring_file(settings)
    if settings.vault_master_key_file is not None:
        return SoftwareVault(keyring, read_secret(settings.vault_master_key_file))
    master_key = settings.data_dir.expanduser() / MASTER_KEY
    if keyring.exists() and not master_key.exists():
        raise SecretError(f"the keyring {keyring} is there and its master key is not: restore {master_key}")
    return SoftwareVault(keyring, local_secret(settings.data_dir, MASTER_KEY))
