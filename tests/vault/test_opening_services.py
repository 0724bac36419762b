"""The key services as settings name them."""

import sys
from pathlib import Path
from typing import Any

import pytest
import soft_hsm
from contract import CANARY, opened, seal
from strict_kms import REGION, strict_kms

from fabric.secrets import SecretError
from fabric.settings import Settings, SettingsError
from fabric.vaults.vaults import open_vault
from vault.protocol import KeyKind

pytestmark = pytest.mark.anyio


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings.load({}, data_dir=tmp_path, **given)


def pin_file(tmp_path: Path, mode: int = 0o600) -> Path:
    file = tmp_path / "pin"
    file.write_text(soft_hsm.PIN + "\n")
    file.chmod(mode)
    return file


async def test_a_token_is_opened_from_settings(tmp_path: Path) -> None:
    vault = open_vault(
        settings(
            tmp_path,
            vault="pkcs11",
            vault_timeout_seconds=60.0,
            vault_pkcs11_library=Path(soft_hsm.library()),
            vault_pkcs11_token=soft_hsm.shared_token(),
            vault_pkcs11_pin_file=pin_file(tmp_path),
        )
    )
    assert vault
    await vault.create_key("sf-opening", KeyKind.ENCRYPTION)
    assert await opened(vault, "sf-opening", (await seal(vault, "sf-opening")).ciphertext) == CANARY
    await vault.close()


def test_a_pin_that_others_can_read_is_refused(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        vault="pkcs11",
        vault_pkcs11_library=Path("/usr/lib/token.so"),
        vault_pkcs11_token="token",
        vault_pkcs11_pin_file=pin_file(tmp_path, 0o644),
    )
    with pytest.raises(SecretError):
        open_vault(given)


async def test_aws_kms_is_opened_from_settings(tmp_path: Path) -> None:
    with strict_kms() as (kms, url):
        vault = open_vault(
            settings(tmp_path, vault="aws", vault_aws_region=REGION, vault_address=url, vault_timeout_seconds=60.0)
        )
        assert vault
        await vault.create_key("sf-opening", KeyKind.ENCRYPTION)
        assert await opened(vault, "sf-opening", (await seal(vault, "sf-opening")).ciphertext) == CANARY
        assert kms.asked["CreateKey"] == 1
        await vault.close()


def test_a_region_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FABRIC_VAULT_AWS_REGION"):
        open_vault(settings(tmp_path, vault="aws", vault_aws_region="no region"))


async def test_azure_key_vault_is_opened_from_settings_and_nothing_is_asked_yet(tmp_path: Path) -> None:
    vault = open_vault(settings(tmp_path, vault="azure", vault_address="https://canary.vault.azure.net"))
    assert vault
    await vault.close()


@pytest.mark.parametrize(
    ("name", "package", "given"),
    [
        ("aws", "boto3", {"vault_aws_region": REGION}),
        ("azure", "azure.identity", {"vault_address": "https://canary.vault.azure.net"}),
        (
            "pkcs11",
            "pkcs11",
            {"vault_pkcs11_library": Path("/l"), "vault_pkcs11_token": "t", "vault_pkcs11_pin_file": Path("/p")},
        ),
    ],
)
def test_what_is_not_installed_is_named_by_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str, given: dict[str, Any]
) -> None:
    for module in (f"fabric.vaults.{name}", f"vault.{name}"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf"pip install 'semantic-fabric\[{name}\]'"):
        open_vault(settings(tmp_path, vault=name, **given))


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("aws", "FABRIC_VAULT_AWS_REGION"),
        ("azure", "FABRIC_VAULT_ADDRESS"),
        ("pkcs11", "FABRIC_VAULT_PKCS11_LIBRARY"),
        ("hashicorp", "FABRIC_VAULT_ADDRESS"),
    ],
)
def test_what_a_vault_needs_must_be_set(tmp_path: Path, name: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"{missing} is needed where FABRIC_VAULT is {name}"):
        settings(tmp_path, vault=name)


@pytest.mark.parametrize("name", ["aws", "azure"])
def test_no_key_service_is_spoken_to_in_the_clear(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="FABRIC_VAULT_ADDRESS must be an https address"):
        settings(
            tmp_path,
            vault=name,
            vault_aws_region=REGION,
            vault_address="http://kms.example",
            vault_plain_http=True,
        )
