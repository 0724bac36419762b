# ruff: noqa: ASYNC240 (small files, and nothing else runs)
"""The vault as the settings name it: opened, checked by the doctor, and given keys by the command."""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from contract import PLACE, opened, seal
from text_blocks import blocks
from transit import MOUNT, Transit, rights_of, serving_transit
from typer.testing import CliRunner

from fabric.doctor import Finding, Verdict
from fabric.encryption.vault_keys import encryption_key, index_key
from fabric.identity.organizations import establish
from fabric.secrets import SecretError
from fabric.settings import Settings, SettingsError
from fabric.vaults.check import check_vault, judged
from fabric.vaults.vaults import KEYRING, MASTER_KEY, open_vault
from graphql_api.cli import app
from vault.hashicorp_policies import Duty, policy
from vault.protocol import Health, KeyKind

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "vaults.md"


@pytest.fixture
def transit() -> Iterator[Transit]:
    with serving_transit() as transit:
        yield transit


def private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


def findings(settings: Settings) -> list[Finding]:
    async def collected() -> list[Finding]:
        return [finding async for finding in check_vault(settings)]

    return asyncio.run(collected())


# Settings


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"vault": "safe"}, "FABRIC_VAULT"),
        ({}, "FABRIC_VAULT_ADDRESS"),
        ({"vault_address": "http://vault.example:8200"}, "FABRIC_VAULT_ADDRESS"),
        ({"vault_address": "ftp://127.0.0.1", "vault_plain_http": True}, "FABRIC_VAULT_ADDRESS"),
        ({"vault_address": "https://vault.example"}, "FABRIC_VAULT_CREDENTIAL_FILE"),
        (
            {"vault_address": "https://vault.example", "vault_auth": "approle", "vault_credential_file": Path("/x")},
            "FABRIC_VAULT_ROLE",
        ),
        ({"vault_address": "https://vault.example", "vault_auth": "kubernetes"}, "FABRIC_VAULT_ROLE"),
        ({"vault_batch_items": 1001}, "FABRIC_VAULT_BATCH_ITEMS"),
    ],
)
def test_settings_that_open_no_vault_name_what_is_missing(settings: dict[str, Any], variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} "):
        Settings(**{"vault": "hashicorp"} | settings)


def test_http_is_for_this_machine_unless_it_is_allowed() -> None:
    for more in (
        {"vault_address": "http://127.0.0.1:8200"},
        {"vault_address": "http://v:8200", "vault_plain_http": True},
    ):
        Settings(vault="hashicorp", vault_credential_file=Path("/run/secrets/token"), **more)


# Opening


def test_none_is_none(tmp_path: Path) -> None:
    assert open_vault(Settings(data_dir=tmp_path, vault="none")) is None
    [finding] = findings(Settings(data_dir=tmp_path, vault="none"))
    assert finding.verdict is Verdict.CARE


@pytest.mark.anyio
async def test_the_software_vault_is_there_without_any_setting(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    for plaintext in (b"first start", b"second start"):
        vault = open_vault(settings)
        assert vault is not None
        await vault.create_key("sf-key", KeyKind.ENCRYPTION)
        sealed = await seal(vault, "sf-key", plaintext)
        assert await opened(vault, "sf-key", sealed.ciphertext) == plaintext
        await vault.close()
    assert {path.name for path in tmp_path.iterdir()} == {KEYRING, f"{KEYRING}.lock", MASTER_KEY}
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


@pytest.mark.anyio
async def test_a_keyring_whose_master_key_is_lost_gets_no_new_one(tmp_path: Path) -> None:
    vault = open_vault(Settings(data_dir=tmp_path))
    assert vault is not None
    await vault.create_key("sf-key", KeyKind.ENCRYPTION)
    await vault.close()
    (tmp_path / MASTER_KEY).rename(tmp_path / "elsewhere")
    with pytest.raises(SecretError, match=MASTER_KEY):
        open_vault(Settings(data_dir=tmp_path))
    assert not (tmp_path / MASTER_KEY).exists()
    assert open_vault(Settings(data_dir=tmp_path, vault_master_key_file=tmp_path / "elsewhere"))


def test_what_is_not_installed_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("fabric.vaults.hashicorp", "vault.hashicorp", "vault.hashicorp_session"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "hvac", None)
    monkeypatch.setitem(sys.modules, "hvac.adapters", None)
    settings = Settings(vault="hashicorp", vault_address="https://v.example", vault_credential_file=tmp_path / "token")
    with pytest.raises(SettingsError, match=re.escape("pip install 'semantic-fabric[hashicorp]'")):
        open_vault(settings)


@pytest.mark.anyio
@pytest.mark.parametrize("auth", ["token", "approle", "kubernetes"])
async def test_each_duty_signs_in_as_the_settings_say(transit: Transit, tmp_path: Path, auth: str) -> None:
    duties = {"": Duty.WRITE, "unlock_": Duty.UNLOCK, "rotate_": Duty.ROTATE}
    settings: dict[str, Any] = {"vault": "hashicorp", "vault_address": transit.address, "vault_auth": auth}
    for name, duty in duties.items():
        text = transit.grant(duty) if auth == "token" else f"secret of the {duty}"
        transit.secret_ids[f"role-{duty}", text] = (rights_of(duty), 3600)
        settings[f"vault_{name}role"] = f"role-{duty}"
        settings[f"vault_{name}credential_file"] = private(tmp_path / duty, f"{text}\n")
    vault = open_vault(Settings(**settings))
    assert vault is not None
    await vault.create_key("sf-key", KeyKind.ENCRYPTION)
    sealed = await seal(vault, "sf-key", b"value")
    assert await opened(vault, "sf-key", sealed.ciphertext) == b"value"
    assert (await vault.health()).problems == ()
    await vault.close()


@pytest.mark.anyio
async def test_one_credential_serves_for_all_duties_that_have_none_of_their_own(
    transit: Transit, tmp_path: Path
) -> None:
    token = private(tmp_path / "token", transit.grant())
    vault = open_vault(Settings(vault="hashicorp", vault_address=transit.address, vault_credential_file=token))
    assert vault is not None
    await vault.create_key("sf-key", KeyKind.ENCRYPTION)
    sealed = await seal(vault, "sf-key")
    assert isinstance(await opened(vault, "sf-key", sealed.ciphertext, PLACE), bytes)
    assert (await vault.health()).problems == ()
    await vault.close()


# The doctor


def test_looking_makes_nothing(tmp_path: Path) -> None:
    [finding] = findings(Settings(data_dir=tmp_path))
    assert finding.verdict is Verdict.CARE
    assert "vault init" in finding.mend
    assert not list(tmp_path.iterdir())


def test_a_vault_that_cannot_be_used_has_to_be_mended(transit: Transit, tmp_path: Path) -> None:
    token = private(tmp_path / "token", transit.grant())
    settings = Settings(vault="hashicorp", vault_address=transit.address, vault_credential_file=token)
    assert [finding.verdict for finding in findings(settings)] == [Verdict.GOOD]
    transit.sealed = True
    [sealed] = findings(settings)
    assert (sealed.verdict, "sealed" in sealed.found) == (Verdict.BAD, True)
    transit.sealed = False
    token.write_text(transit.grant(Duty.UNLOCK))
    weak = findings(settings)
    assert {finding.verdict for finding in weak} == {Verdict.BAD}
    assert "transit/encrypt/sf-*" in " ".join(finding.found for finding in weak)
    token.chmod(0o644)
    [readable] = findings(settings)
    assert (readable.verdict, "can read it" in readable.found) == (Verdict.BAD, True)


@pytest.mark.parametrize(("seconds", "verdict"), [(None, Verdict.GOOD), (61.0, Verdict.GOOD), (59.0, Verdict.CARE)])
def test_a_token_that_ends_soon_is_told(seconds: float | None, verdict: Verdict) -> None:
    [finding] = judged(Health("hashicorp", reachable=True, token_seconds_left=seconds))
    assert finding.verdict is verdict


def test_a_vault_that_cannot_be_reached_is_bad_though_it_says_no_more() -> None:
    [finding] = judged(Health("hashicorp", reachable=False))
    assert (finding.verdict, "cannot be reached" in finding.found) == (Verdict.BAD, True)


# The command


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["vault", *arguments], env=environment)
    return result.exit_code, result.stdout + result.stderr


def test_an_organizations_keys_are_made_once(server_url: str, admin_url: str, transit: Transit, tmp_path: Path) -> None:
    asyncio.run(establish(admin_url, "acme"))
    environment = {
        "FABRIC_DATABASE_URL": server_url,
        "FABRIC_VAULT": "hashicorp",
        "FABRIC_VAULT_ADDRESS": transit.address,
        "FABRIC_VAULT_CREDENTIAL_FILE": str(private(tmp_path / "writer", transit.grant(Duty.WRITE))),
        "FABRIC_VAULT_ROTATE_CREDENTIAL_FILE": str(private(tmp_path / "rotator", transit.grant(Duty.ROTATE))),
    }
    arguments = ("init", "--organization", "acme", "--purpose", "pii", "--purpose", "default")
    outcomes = [run(*arguments, **environment) for _ in range(2)]
    assert [code for code, _ in outcomes] == [0, 0], outcomes
    assert outcomes[0] == outcomes[1]
    types = sorted((name.split("-", 2)[2], key.type, key.derived) for name, key in transit.keys.items())
    aes = "aes256-gcm96"
    assert types == [("field-default", aes, True), ("field-pii", aes, True), ("index", aes, False)]
    transit.sealed = True
    code, said = run(*arguments, **environment)
    assert (code, "sealed" in said) == (2, True)
    assert run("init", "--organization", "acme", "--purpose", "a--b", **environment)[0] == 2
    assert run("init", "--organization", "nobody", **environment)[0] == 2
    code, said = run("init", "--organization", "acme", FABRIC_DATABASE_URL=server_url, FABRIC_VAULT="none")
    assert (code, "FABRIC_VAULT is none" in said) == (2, True)


@pytest.mark.parametrize("duty", list(Duty))
def test_the_policies_are_printed_and_documented(duty: Duty) -> None:
    code, said = run("policies", duty)
    assert (code, said) == (0, policy(duty, MOUNT))
    assert run("policies", duty, FABRIC_VAULT_MOUNT="fabric-keys")[1] == said.replace('"transit/', '"fabric-keys/')
    documented = [block.text for block in blocks(DOCUMENT) if block.language == "hcl"]
    assert said.strip() in [text.strip() for text in documented]


def test_names_of_keys_fit_what_vaults_take_and_policies_allow() -> None:
    organization_id = uuid4()
    for name in (encryption_key(organization_id, "x" * 30), index_key(organization_id)):
        assert re.fullmatch(r"sf-[a-z0-9-]{1,97}", name)
