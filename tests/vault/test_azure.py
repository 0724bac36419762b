"""Azure Key Vault as a vault when Key Vault is away, refuses, or somebody has been at its keys. See the double."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import CANARY, PLACE, good, opened, seal
from key_vault_double import KeyVaultDouble, Refused, key_vault, key_vault_client

from vault.protocol import (
    Denied,
    KeyKind,
    NotDecryptable,
    Placed,
    Plain,
    Throttled,
    Unavailable,
    VaultError,
)
from vault.service_vault import ServiceVault

pytestmark = pytest.mark.anyio

V = ServiceVault[Any]

DENIED = Refused(403, "Forbidden", "ForbiddenByRbac")


@pytest.fixture
def double(tmp_path: Path) -> Iterator[KeyVaultDouble]:
    with key_vault(tmp_path) as double:
        yield double


@pytest.fixture
async def vault(double: KeyVaultDouble, anyio_backend: str) -> AsyncIterator[V]:
    vault = key_vault_client(double, seconds=60)
    await vault.create_key("fields", KeyKind.ENCRYPTION)
    yield vault
    await vault.close()


def disable(double: KeyVaultDouble, key: str) -> None:
    """The latest version of a key, by hand."""
    versions = double.keys[f"semantic-fabric-{key}"].values()
    max(versions, key=lambda version: version.created).enabled = False


def tells_nothing(error: BaseException) -> None:
    told = f"{error} {error!r}"
    for secret in ("canary", "appid", "127.0.0.1", "https", "login.example"):
        assert secret not in told
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


async def test_a_key_vault_that_is_down_is_unavailable(tmp_path: Path) -> None:
    with key_vault(tmp_path) as double:
        vault = key_vault_client(double, seconds=30)
        await vault.create_key("fields", KeyKind.ENCRYPTION)
        sealed = await seal(vault, "fields")
    for attempt in (
        vault.encrypt("fields", [Plain(CANARY, PLACE)]),
        vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)] * 3),
    ):
        with pytest.raises(Unavailable) as raised:
            await attempt
        assert not isinstance(raised.value, Denied)
        tells_nothing(raised.value)
    assert not (await vault.health()).reachable
    await vault.close()


async def test_a_throttled_call_says_when_to_come_again(double: KeyVaultDouble, vault: V) -> None:
    sealed = await seal(vault, "fields")
    double.refuse["unwrapkey"] = Refused(429, "Throttled", retry_after="7")
    with pytest.raises(Throttled) as raised:
        await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])
    assert raised.value.retry_after == 7.0
    assert double.asked["unwrapkey"] == 1
    tells_nothing(raised.value)


async def test_one_who_may_not_unwrap_can_still_encrypt(double: KeyVaultDouble, vault: V) -> None:
    double.refuse["unwrapkey"] = DENIED
    sealed = await seal(vault, "fields")
    with pytest.raises(Denied) as raised:
        await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])
    assert "ForbiddenByRbac" in str(raised.value)
    tells_nothing(raised.value)


async def test_one_who_may_do_nothing_is_denied(double: KeyVaultDouble, vault: V) -> None:
    double.refuse["*"] = DENIED
    with pytest.raises(Denied) as raised:
        await seal(vault, "fields")
    tells_nothing(raised.value)
    health = await vault.health()
    assert health.reachable
    assert health.problems


async def test_a_fault_of_key_vault_is_unavailable(double: KeyVaultDouble, vault: V) -> None:
    double.refuse["*"] = Refused(503, "ServiceUnavailable")
    with pytest.raises(Unavailable) as raised:
        await seal(vault, "fields")
    assert not isinstance(raised.value, Denied)
    tells_nothing(raised.value)


async def test_a_redirect_is_not_followed(double: KeyVaultDouble, vault: V) -> None:
    """The token would go along."""
    elsewhere = f"{double.host}/keys/canary/versions?api-version=7.6"
    double.asked.clear()
    double.refuse["versions"] = Refused(307, "Moved", location=elsewhere)
    with pytest.raises(Unavailable) as raised:
        await seal(vault, "fields")
    tells_nothing(raised.value)
    assert double.asked == {"versions": 1}


async def test_a_name_that_waits_for_purging_is_not_taken(double: KeyVaultDouble, vault: V) -> None:
    double.refuse["create"] = Refused(409, "Conflict", "ObjectIsDeletedButRecoverable")
    with pytest.raises(VaultError) as raised:
        await vault.create_key("another", KeyKind.MAC)
    tells_nothing(raised.value)


async def test_a_latest_version_disabled_by_hand_encrypts_nothing(double: KeyVaultDouble, vault: V) -> None:
    """Key Vault itself would not mind: the public key is there."""
    sealed = await seal(vault, "fields")
    disable(double, "fields")
    with pytest.raises(Denied):
        await seal(vault, "fields")
    with pytest.raises(Denied):
        await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])


async def test_a_signature_of_a_version_disabled_by_hand_is_not_called_wrong(double: KeyVaultDouble, vault: V) -> None:
    await vault.create_key("signatures", KeyKind.SIGNING)
    await vault.rotate("signatures")
    [signature] = good(await vault.sign("signatures", [b"message"]))
    disable(double, "signatures")
    with pytest.raises(Denied):
        await vault.verify("signatures", b"message", signature)


async def test_the_minimum_version_can_be_lowered(vault: V) -> None:
    first = await seal(vault, "fields")
    await vault.rotate("fields")
    await vault.set_minimum_version("fields", 2)
    await vault.set_minimum_version("fields", 1)
    assert await opened(vault, "fields", first.ciphertext) == CANARY


async def test_a_version_that_azure_has_made_by_its_own_policy_counts(double: KeyVaultDouble, vault: V) -> None:
    first = await seal(vault, "fields")
    await vault.rotate("fields")
    disguised = max(double.keys["semantic-fabric-fields"].values(), key=lambda version: version.created)
    disguised.tags = {}
    assert (await seal(vault, "fields")).key_version == 2
    assert await opened(vault, "fields", first.ciphertext) == CANARY


async def test_a_key_of_somebody_else_is_left_alone(double: KeyVaultDouble, vault: V) -> None:
    for version in double.keys["semantic-fabric-fields"].values():
        version.tags = {}
    with pytest.raises(VaultError):
        await seal(vault, "fields")
    with pytest.raises(VaultError):
        await vault.create_key("fields", KeyKind.ENCRYPTION)
    assert len(double.keys["semantic-fabric-fields"]) == 1


async def test_versions_beyond_a_page_keep_their_numbers(double: KeyVaultDouble, vault: V) -> None:
    first = await seal(vault, "fields")
    numbers = [await vault.rotate("fields") for _ in range(26)]
    assert numbers == list(range(2, 28))
    assert (await seal(vault, "fields")).key_version == 27
    assert await opened(vault, "fields", first.ciphertext) == CANARY


async def test_a_batch_is_encrypted_with_one_request_and_an_item_is_unwrapped_with_one(
    double: KeyVaultDouble, vault: V
) -> None:
    await seal(vault, "fields")
    double.asked.clear()
    sealed = good(await vault.encrypt("fields", [Plain(CANARY, PLACE)] * 20))
    assert double.asked == {"versions": 1}
    double.asked.clear()
    await vault.decrypt("fields", [Placed(each.ciphertext, PLACE) for each in sealed])
    assert double.asked == {"unwrapkey": 20}
    double.asked.clear()
    await vault.rewrap("fields", [Placed(each.ciphertext, PLACE) for each in sealed])
    assert double.asked == {"versions": 1, "unwrapkey": 20}


async def test_a_wrapped_data_key_serves_no_other_ciphertext(vault: V) -> None:
    one, two = good(await vault.encrypt("fields", [Plain(b"one", PLACE), Plain(b"two", PLACE)]))
    first, second = one.ciphertext.split(":"), two.ciphertext.split(":")
    mixed = ":".join([*first[:3], second[3]])
    assert isinstance(await opened(vault, "fields", mixed), NotDecryptable)
    [outcome] = await vault.rewrap("fields", [Placed(mixed, PLACE)])
    assert isinstance(outcome, NotDecryptable)


async def test_a_key_vault_that_is_too_slow_is_unavailable_in_time(double: KeyVaultDouble) -> None:
    slow = key_vault_client(double, seconds=0.4)
    double.latency = 1.0
    began = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        await slow.mac("digests", [CANARY] * 50)
    assert time.monotonic() - began < 50 * double.latency / 8
    tells_nothing(raised.value)
    await slow.close()


async def test_no_more_requests_run_at_once_than_set(double: KeyVaultDouble, vault: V) -> None:
    few = key_vault_client(double, seconds=60, concurrency=3)
    sealed = good(await few.encrypt("fields", [Plain(CANARY, PLACE)] * 10))
    double.latency = 0.02
    double.most_running = 0
    await asyncio.gather(*(few.decrypt("fields", [Placed(s.ciphertext, PLACE) for s in sealed]) for _ in range(2)))
    assert 1 < double.most_running <= 3
    await few.close()


async def test_versions_that_processes_make_at_once_are_numbered_alike_by_all(double: KeyVaultDouble, vault: V) -> None:
    other = key_vault_client(double, seconds=60)
    numbers = await asyncio.gather(vault.rotate("fields"), other.rotate("fields"), other.rotate("fields"))
    assert sorted(numbers) == [2, 3, 4]
    assert await vault.key_state("fields") == await other.key_state("fields")
    await other.close()


async def test_versions_made_one_after_the_other_are_numbered_in_that_order(double: KeyVaultDouble) -> None:
    """Key Vault's times are whole seconds, its ids random."""
    double.second = 0.5
    vault = key_vault_client(double, seconds=60)
    await vault.create_key("fields", KeyKind.ENCRYPTION)
    for number in (2, 3, 4):
        assert await vault.rotate("fields") == number
        assert (await seal(vault, "fields")).key_version == number
    await vault.close()
