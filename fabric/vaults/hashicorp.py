"""HashiCorp Vault or OpenBao, as the settings say."""

from functools import partial
from pathlib import Path

from fabric.secrets import read_private
from fabric.settings import Settings
from vault.hashicorp import HashiCorpVault
from vault.hashicorp_session import AppRole, Credential, Kubernetes, Server, Token

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where Kubernetes mounts the token of a container's service account."""


def opened(settings: Settings) -> HashiCorpVault:
    """Its files are read when it signs in, each time anew."""
    server = Server(
        settings.vault_address,
        settings.vault_namespace,
        str(settings.vault_ca_file) if settings.vault_ca_file else None,
        settings.vault_timeout_seconds,
    )
    return HashiCorpVault(
        server,
        _credential(settings, "", None),
        unlocker=_of_its_own(settings, settings.vault_unlock_role, settings.vault_unlock_credential_file),
        rotator=_of_its_own(settings, settings.vault_rotate_role, settings.vault_rotate_credential_file),
        mount=settings.vault_mount,
        batch_items=settings.vault_batch_items,
    )


def _of_its_own(settings: Settings, role: str, file: Path | None) -> Credential | None:
    return _credential(settings, role, file) if role or file else None


def _credential(settings: Settings, role: str, file: Path | None) -> Credential:
    """The writer's where nothing else is said."""
    role, file = role or settings.vault_role, file or settings.vault_credential_file
    mount = settings.vault_auth_mount or settings.vault_auth
    if settings.vault_auth == "kubernetes":
        return Kubernetes(role, partial(_text, file or SERVICE_ACCOUNT), mount)
    assert file is not None
    if settings.vault_auth == "approle":
        return AppRole(role, partial(_private_text, file), mount)
    return Token(partial(_private_text, file))


def _text(file: Path) -> str:
    """Kubernetes decides who can read the file."""
    return file.read_text("ascii").strip()


def _private_text(file: Path) -> str:
    return read_private(file).decode("ascii").strip()
