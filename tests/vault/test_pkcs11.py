"""A PKCS#11 token as a vault when the token goes away, refuses the PIN, hangs, or others work on it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pkcs11
import pytest
import soft_hsm
from contract import CANARY, ELSEWHERE, PLACE, good, opened, seal
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass

from vault.pkcs11 import Pkcs11Token, pkcs11_vault
from vault.protocol import Denied, KeyKind, NotDecryptable, Placed, Plain, Unavailable
from vault.service_vault import ServiceVault

pytestmark = pytest.mark.anyio

V = ServiceVault[Any]


def opening(token: str, pin: str = soft_hsm.PIN, seconds: float = 60) -> V:
    return pkcs11_vault(library=soft_hsm.library(), token=token, pin=pin, seconds=seconds)


@pytest.fixture
def token() -> str:
    return soft_hsm.new_token()


@pytest.fixture
async def vault(token: str, anyio_backend: str) -> AsyncIterator[V]:
    vault = opening(token)
    await vault.create_key("fields", KeyKind.ENCRYPTION)
    yield vault
    await vault.close()


def objects(token: str, wanted: dict[Attribute, Any]) -> list[Any]:
    """As another program sees them that is logged in; not beside a call of a vault."""
    session = pkcs11.lib(soft_hsm.library()).get_token(token_label=token).open(rw=True)
    return list(session.get_objects(wanted))


async def test_no_key_can_be_read(vault: V, token: str) -> None:
    await vault.create_key("digests", KeyKind.MAC)
    await vault.create_key("signatures", KeyKind.SIGNING)
    secrets = objects(token, {Attribute.CLASS: ObjectClass.SECRET_KEY})
    secrets += objects(token, {Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    assert len(secrets) == 3
    for key in secrets:
        assert key[Attribute.SENSITIVE]
        assert not key[Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.PKCS11Error):
            key[Attribute.VALUE]


async def test_the_minimum_version_holds_in_the_token_and_can_be_lowered(vault: V, token: str) -> None:
    first = await seal(vault, "fields")
    await vault.rotate("fields")
    await vault.set_minimum_version("fields", 2)
    keys = objects(token, {Attribute.LABEL: "semantic-fabric/fields"})
    assert sorted((key.id[3], key[Attribute.DECRYPT]) for key in keys) == [(1, False), (2, True)]
    await vault.set_minimum_version("fields", 1)
    assert await opened(vault, "fields", first.ciphertext) == CANARY


async def test_a_latest_version_disabled_by_hand_encrypts_nothing(vault: V, token: str) -> None:
    sealed = await seal(vault, "fields")
    [key] = objects(token, {Attribute.LABEL: "semantic-fabric/fields"})
    key[Attribute.ENCRYPT] = key[Attribute.DECRYPT] = False
    with pytest.raises(Denied):
        await seal(vault, "fields")
    with pytest.raises(Denied):
        await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])


async def test_two_objects_of_one_number_both_decrypt(vault: V, token: str) -> None:
    """As two processes leave them that rotate in the same instant."""
    await vault.rotate("fields")
    ours = await seal(vault, "fields")
    session = pkcs11.lib(soft_hsm.library()).get_token(token_label=token).open(rw=True)
    session.generate_key(
        KeyType.AES,
        256,
        id=bytes.fromhex(ours.ciphertext.split(":")[1])[:12] + b"\xff" * 8,
        label="semantic-fabric/fields",
        store=True,
        capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
    )
    theirs = await seal(vault, "fields")
    assert theirs.ciphertext.split(":")[1] != ours.ciphertext.split(":")[1]
    assert (ours.key_version, theirs.key_version) == (2, 2)
    assert list((await vault.key_state("fields")).versions) == [1, 2]
    assert await vault.rotate("fields") == 3
    assert await opened(vault, "fields", ours.ciphertext) == CANARY
    assert await opened(vault, "fields", theirs.ciphertext) == CANARY
    await vault.set_minimum_version("fields", 3)
    assert isinstance(await opened(vault, "fields", ours.ciphertext), NotDecryptable)
    assert isinstance(await opened(vault, "fields", theirs.ciphertext), NotDecryptable)


async def test_a_token_that_goes_away_is_unavailable_and_is_found_again(vault: V, token: str) -> None:
    sealed = await seal(vault, "fields")
    folder = soft_hsm.tokens_folder()
    away = folder.with_name("away")
    folder.rename(away)
    folder.mkdir()
    try:
        with pytest.raises(Unavailable) as raised:
            await vault.decrypt("fields", [Placed(sealed.ciphertext, PLACE)])
        assert soft_hsm.PIN not in str(raised.value)
        assert not isinstance(raised.value, Denied)
        health = await vault.health()
        assert not health.reachable
        assert health.problems
    finally:
        folder.rmdir()
        away.rename(folder)
    assert await opened(vault, "fields", sealed.ciphertext) == CANARY
    assert (await vault.health()).reachable


async def test_a_library_that_forgot_all_sessions_is_asked_anew(vault: V) -> None:
    sealed = await seal(vault, "fields")
    pkcs11.lib(soft_hsm.library()).reinitialize()
    assert await opened(vault, "fields", sealed.ciphertext) == CANARY


async def test_a_vault_that_is_closed_leaves_others_logged_in(vault: V, token: str) -> None:
    sealed = await seal(vault, "fields")
    other = opening(token)
    assert await opened(other, "fields", sealed.ciphertext) == CANARY
    await vault.close()
    assert await opened(other, "fields", sealed.ciphertext) == CANARY
    await other.close()


async def test_a_pin_that_is_refused_is_not_tried_again(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens lock themselves after some wrong PINs."""
    vault = opening(token, pin="wrong-pin-canary")
    with pytest.raises(Denied) as first:
        await vault.create_key("fields", KeyKind.ENCRYPTION)
    with pytest.raises(Denied) as second:
        await vault.encrypt("fields", [Plain(CANARY, PLACE)])
    assert "canary" not in f"{first.value}{second.value}"
    assert str(second.value) != str(first.value)
    health = await vault.health()
    assert health.reachable
    assert "PIN" in health.problems[0]
    await vault.close()


@pytest.mark.parametrize("wrong", ["library", "token"])
async def test_what_is_not_there_is_unavailable(wrong: str) -> None:
    given = {"library": soft_hsm.library(), "token": "no-such-token"}
    given[wrong] = "/nowhere/canary.so" if wrong == "library" else "no-such-canary"
    vault = pkcs11_vault(**given, pin=soft_hsm.PIN, seconds=60)
    with pytest.raises(Unavailable) as raised:
        await vault.encrypt("fields", [Plain(CANARY, PLACE)])
    assert "canary" not in str(raised.value)
    await vault.close()


async def test_a_token_that_hangs_is_unavailable_in_time_and_holds_nobody_up(
    vault: V, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = await seal(vault, "fields")
    released = threading.Event()
    impatient = opening(token, seconds=0.3)
    monkeypatch.setattr(Pkcs11Token, "_wrapped", lambda *_: released.wait(60))
    ticks = 0
    try:
        hanging = asyncio.create_task(impatient.encrypt("fields", [Plain(CANARY, PLACE)]))
        while not hanging.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert isinstance(hanging.exception(), Unavailable)
        assert ticks > 3
        assert not released.is_set()
        assert not (await impatient.health()).reachable
    finally:
        released.set()
    assert await opened(vault, "fields", sealed.ciphertext) == CANARY
    assert (await impatient.health()).reachable
    await impatient.close()


async def test_a_data_key_serves_no_other_ciphertext(vault: V) -> None:
    one, two = good(await vault.encrypt("fields", [Plain(b"one", PLACE), Plain(b"two", ELSEWHERE)]))
    first, second = one.ciphertext.split(":"), two.ciphertext.split(":")
    mixed = ":".join([*first[:3], second[3]])
    assert isinstance(await opened(vault, "fields", mixed), NotDecryptable)
    assert isinstance(await opened(vault, "fields", mixed, ELSEWHERE), NotDecryptable)
    [outcome] = await vault.rewrap("fields", [Placed(mixed, ELSEWHERE)])
    assert isinstance(outcome, NotDecryptable)
