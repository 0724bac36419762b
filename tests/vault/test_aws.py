"""AWS KMS as a vault when KMS is away, refuses, or somebody has been at its keys."""

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import pytest
from contract import CANARY, ELSEWHERE, PLACE, good, opened, seal
from strict_kms import REGION, StrictKms, backend, key_of, kms_client, strict_kms

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

Kms = tuple[StrictKms, str]
V = ServiceVault[Any]


@pytest.fixture
def server() -> Iterator[Kms]:
    with strict_kms() as server:
        yield server


@pytest.fixture
def kms(server: Kms) -> StrictKms:
    return server[0]


@pytest.fixture
async def vault(server: Kms, anyio_backend: str) -> AsyncIterator[V]:
    vault = kms_client(server[1], seconds=30)
    await vault.create_key("fields", KeyKind.ENCRYPTION)
    await vault.create_key("signatures", KeyKind.SIGNING)
    yield vault
    await vault.close()


def tells_nothing(error: BaseException) -> None:
    told = f"{error} {error!r}"
    for secret in ("canary", "arn:", "123456789012", "127.0.0.1", "http"):
        assert secret not in told
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


async def test_a_kms_that_is_down_is_unavailable_and_comes_back(server: Kms, vault: V) -> None:
    sealed = await seal(vault, "fields")
    nowhere = kms_client("http://127.0.0.1:9", seconds=5)
    for attempt in (
        nowhere.encrypt("fields", [Plain(CANARY, PLACE)] * 3),
        nowhere.decrypt("fields", [Placed(sealed.ciphertext, PLACE)]),
        nowhere.key_state("fields"),
    ):
        with pytest.raises(Unavailable) as raised:
            await attempt
        assert not isinstance(raised.value, Denied)
        tells_nothing(raised.value)
    assert not (await nowhere.health()).reachable
    await nowhere.close()


async def test_a_throttled_call_is_throttled(kms: StrictKms, vault: V) -> None:
    sealed = await seal(vault, "fields")
    kms.refuse["*"] = ("ThrottlingException", 400)
    with pytest.raises(Throttled) as raised:
        await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])
    tells_nothing(raised.value)
    kms.refuse.clear()
    assert await opened(vault, "fields", sealed.ciphertext) == CANARY


async def test_one_who_may_only_encrypt_is_denied_the_rest(kms: StrictKms, vault: V) -> None:
    kms.refuse["Decrypt"] = ("AccessDeniedException", 400)
    sealed = await seal(vault, "fields")
    with pytest.raises(Denied) as raised:
        await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])
    tells_nothing(raised.value)


async def test_one_who_rotates_needs_no_right_to_decrypt(kms: StrictKms, vault: V) -> None:
    sealed = await seal(vault, "fields")
    kms.refuse.update({"Decrypt": ("AccessDeniedException", 400), "Encrypt": ("AccessDeniedException", 400)})
    assert await vault.rotate("fields") == 2
    [anew] = good(await vault.rewrap("fields", [Placed(sealed.ciphertext, PLACE)]))
    assert anew.key_version == 2
    kms.refuse.clear()
    assert await opened(vault, "fields", anew.ciphertext) == CANARY


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_credentials_that_do_not_hold_are_denied(kms: StrictKms, vault: V, code: str) -> None:
    kms.refuse["*"] = (code, 403)
    with pytest.raises(Denied) as raised:
        await seal(vault, "fields")
    tells_nothing(raised.value)
    health = await vault.health()
    assert health.reachable
    assert health.problems


async def test_without_credentials_it_is_denied(server: Kms, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    vault = kms_client(server[1], seconds=30)
    with pytest.raises(Denied):
        await vault.encrypt("fields", [Plain(CANARY, PLACE)])
    await vault.close()


async def test_a_latest_version_disabled_by_hand_encrypts_nothing(vault: V) -> None:
    backend().disable_key(key_of("alias/semantic-fabric/fields").id)
    backend().disable_key(key_of("alias/semantic-fabric/signatures").id)
    with pytest.raises(Denied) as raised:
        await vault.encrypt("fields", [Plain(CANARY, PLACE)] * 2)
    tells_nothing(raised.value)
    with pytest.raises(Denied):
        await vault.sign("signatures", [b"message"])


async def test_a_version_disabled_by_hand_denies_its_own_ciphertexts_only(vault: V) -> None:
    first = await seal(vault, "fields")
    await vault.rotate("fields")
    second = await seal(vault, "fields")
    backend().disable_key(key_of("alias/semantic-fabric/fields/2").id)
    outcomes = await vault.decrypt("fields", [Placed(first.ciphertext, PLACE), Placed(second.ciphertext, PLACE)])
    assert outcomes[0] == CANARY
    assert isinstance(outcomes[1], Denied)
    await vault.set_minimum_version("fields", 1)
    assert not key_of("alias/semantic-fabric/fields/2").enabled


async def test_the_minimum_version_holds_in_kms_and_can_be_lowered(vault: V) -> None:
    first = await seal(vault, "fields")
    await vault.rotate("fields")
    await vault.set_minimum_version("fields", 2)
    assert not key_of("alias/semantic-fabric/fields/1").enabled
    await vault.set_minimum_version("fields", 1)
    assert await opened(vault, "fields", first.ciphertext) == CANARY


async def test_a_version_that_waits_for_deletion_decrypts_nothing_and_its_number_is_not_given_again(vault: V) -> None:
    first = await seal(vault, "fields")
    await vault.rotate("fields")
    backend().schedule_key_deletion(key_of("alias/semantic-fabric/fields/1").id, 7)
    assert isinstance(await opened(vault, "fields", first.ciphertext), NotDecryptable)
    assert await vault.rotate("fields") == 3


async def test_a_rotation_that_was_cut_short_hinders_nobody(kms: StrictKms, vault: V) -> None:
    kms.refuse["UpdateAlias"] = ("KMSInternalException", 500)
    with pytest.raises(Unavailable):
        await vault.rotate("fields")
    kms.refuse.clear()
    before = await seal(vault, "fields")
    assert before.key_version == 1
    assert await vault.rotate("fields") == 3
    assert (await seal(vault, "fields")).key_version == 3
    assert await opened(vault, "fields", before.ciphertext) == CANARY


async def test_the_latest_version_is_never_led_back(server: Kms, vault: V) -> None:
    """Another process has claimed a later number meanwhile, and has led the alias there already."""
    client = boto3.client("kms", region_name=REGION, endpoint_url=server[1])
    third = client.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/semantic-fabric/fields/3", TargetKeyId=third)
    assert await vault.rotate("fields") == 2
    assert (await seal(vault, "fields")).key_version == 3
    client.close()


async def test_a_kms_that_is_too_slow_is_unavailable_in_time_and_holds_nobody_up(server: Kms) -> None:
    kms, url = server
    vault = kms_client(url, seconds=0.4)
    kms.latency = 1.0
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        await vault.encrypt("fields", [Plain(CANARY, PLACE)] * 20)
    assert time.monotonic() - began < 20 * kms.latency / 8
    tells_nothing(raised.value)
    assert ticks > 3
    ticking.cancel()
    await vault.close()


async def test_no_more_requests_run_at_once_than_set(server: Kms, vault: V) -> None:
    kms, url = server
    few = kms_client(url, seconds=30, concurrency=3)
    kms.latency = 0.02
    kms.most_running = 0
    await asyncio.gather(*(few.encrypt("fields", [Plain(CANARY, PLACE)] * 10) for _ in range(3)))
    assert 1 < kms.most_running <= 3
    await few.close()


async def test_an_item_is_one_request(kms: StrictKms, vault: V) -> None:
    warm = await seal(vault, "fields")
    await vault.rotate("fields")
    await seal(vault, "fields")
    kms.asked.clear()
    sealed = good(await vault.encrypt("fields", [Plain(CANARY, PLACE)] * 5))
    assert kms.asked == {"Encrypt": 5}
    kms.asked.clear()
    await vault.decrypt("fields", [Placed(each.ciphertext, PLACE) for each in sealed])
    assert kms.asked == {"Decrypt": 5}
    kms.asked.clear()
    await vault.rewrap("fields", [Placed(warm.ciphertext, PLACE)] * 5)
    assert kms.asked == {"ReEncrypt": 5}


async def test_kms_sees_neither_plaintexts_nor_places(kms: StrictKms, vault: V) -> None:
    await vault.create_key("digests", KeyKind.MAC)
    sealed = await seal(vault, "fields")
    await vault.rewrap("fields", [Placed(sealed.ciphertext, PLACE)])
    await opened(vault, "fields", sealed.ciphertext)
    await vault.mac("digests", [CANARY])
    await vault.sign("signatures", [CANARY])
    seen = b" ".join(kms.bodies)
    seen += b" ".join(
        b64decode(json.loads(body)[part])
        for body in kms.bodies
        for part in ("Plaintext", "Message")
        if part.encode() in body
    )
    assert b"Encrypt" in seen
    for secret in (CANARY, CANARY.hex().encode(), PLACE, PLACE.hex().encode()):
        assert secret not in seen


async def test_items_that_meet_different_fates_are_told_apart(kms: StrictKms, vault: V) -> None:
    """A fault of the service for some is theirs; the others are answered."""
    sealed = await seal(vault, "fields")
    await vault.rotate("fields")
    other = await seal(vault, "fields")
    backend().disable_key(key_of("alias/semantic-fabric/fields/2").id)
    outcomes: list[bytes | VaultError] = await vault.decrypt(
        "fields",
        [
            Placed(sealed.ciphertext, PLACE),
            Placed(sealed.ciphertext, ELSEWHERE),
            Placed(other.ciphertext, PLACE),
            Placed(sealed.ciphertext.replace("aws:1:", "aws:77:"), PLACE),
        ],
    )
    assert outcomes[0] == CANARY
    assert [type(outcome) for outcome in outcomes[1:]] == [NotDecryptable, Denied, NotDecryptable]


async def test_a_signature_of_a_version_disabled_by_hand_is_not_called_wrong(vault: V) -> None:
    await vault.rotate("signatures")
    [signature] = good(await vault.sign("signatures", [b"message"]))
    backend().disable_key(key_of("alias/semantic-fabric/signatures/2").id)
    with pytest.raises(Denied):
        await vault.verify("signatures", b"message", signature)
