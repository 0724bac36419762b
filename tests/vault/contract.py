"""What every vault is held to (`vault/protocol.py`). A backend joins in `backends.py`; `test_contract.py` runs this."""

import asyncio
import secrets
import string
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.protocol import (
    Each,
    KeyKind,
    NoSuchKey,
    NotDecryptable,
    Placed,
    Plain,
    Sealed,
    Vault,
    VaultError,
)

T = TypeVar("T")

PLACE = b"organization 1, objects, entity 1, SECRET, phone"
ELSEWHERE = b"organization 1, objects, entity 2, SECRET, phone"
BASE64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
CANARY = b"canary-5f0e9c1a7b"

PLAINTEXTS = {
    "empty": b"",
    "one byte": b"\0",
    "unicode": "Ünïcödé \N{SNOWMAN} \N{PILE OF POO}".encode(),
    "all bytes": bytes(range(256)),
    "looks like base64": b"YWJj",
    "64 kB": secrets.token_bytes(65_536),
}


def new_name() -> str:
    return f"sf-test-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Bench:
    """One vault under test. Its store may hold keys of other tests, so each test makes its own."""

    vault: Vault
    another: Callable[[], Awaitable[Vault]]
    """A second client of the same store, as another server process has; the bench closes it."""
    largest: int = 65_536
    """Bytes of the longest plaintext that the backend is meant for."""

    async def key(self, kind: KeyKind = KeyKind.ENCRYPTION) -> str:
        name = new_name()
        await self.vault.create_key(name, kind)
        return name


def good(outcomes: Each[T]) -> list[T]:
    """The outcomes of a batch in which nothing failed."""
    found = []
    for outcome in outcomes:
        assert not isinstance(outcome, VaultError), outcome
        found.append(outcome)
    return found


async def seal(vault: Vault, key: str, plaintext: bytes = CANARY, context: bytes = PLACE) -> Sealed:
    [sealed] = good(await vault.encrypt(key, [Plain(plaintext, context)]))
    return sealed


async def opened(vault: Vault, key: str, ciphertext: str, context: bytes = PLACE) -> bytes | VaultError:
    [outcome] = await vault.decrypt(key, [Placed(ciphertext, context)])
    return outcome


def tampered(ciphertext: str) -> Iterable[str]:
    """The ciphertext with a character changed, left out or added in each region (header, nonce, body, tag), and other
    spellings of it that a lenient reader would take for the same."""
    body = len(ciphertext.rstrip("="))
    start = ciphertext.rindex(":") + 1 if ":" in ciphertext else 0
    places = {0, max(start - 1, 0), start, start + 1, start + 8, (start + body) // 2, body - 24, body - 8, body - 3}
    for place in sorted(p for p in places if 0 <= p < body):
        other = "A" if ciphertext[place] != "A" else "B"
        yield ciphertext[:place] + other + ciphertext[place + 1 :]
        yield ciphertext[:place] + ciphertext[place + 1 :]
        yield ciphertext[:place] + other + ciphertext[place:]
    yield ciphertext + "A"
    yield ciphertext + "\n"
    yield ciphertext[:-20] + "\n" + ciphertext[-20:]
    yield ciphertext.replace(":v1:", ":v0:")
    yield ciphertext.replace(":v1:", ":v01:")
    yield ciphertext.replace(":v1:", ":v+1:")
    if ciphertext.endswith("="):
        yield ciphertext.rstrip("=")
        yield ciphertext[: body - 1] + BASE64[BASE64.index(ciphertext[body - 1]) ^ 1] + ciphertext[body:]
    yield ciphertext[: len(ciphertext) // 2]
    yield ""


class VaultContract:
    """Subclassed where the tests are run. Every test takes the bench of one backend."""

    # Encrypting and decrypting

    @pytest.mark.parametrize("name", PLAINTEXTS)
    async def test_what_was_encrypted_is_decrypted(self, bench: Bench, name: str) -> None:
        plaintext = PLAINTEXTS[name][: bench.largest]
        key = await bench.key()
        sealed = await seal(bench.vault, key, plaintext)
        assert sealed.key_version == 1
        assert sealed.ciphertext.isascii()
        assert sealed.ciphertext.isprintable()
        assert await opened(bench.vault, key, sealed.ciphertext) == plaintext

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(plaintext=st.binary(max_size=300), context=st.binary(min_size=1, max_size=100))
    async def test_any_plaintext_in_any_context_comes_back(
        self, bench: Bench, shared_key: str, plaintext: bytes, context: bytes
    ) -> None:
        sealed = await seal(bench.vault, shared_key, plaintext, context)
        assert await opened(bench.vault, shared_key, sealed.ciphertext, context) == plaintext
        assert isinstance(await opened(bench.vault, shared_key, sealed.ciphertext, context + b"\0"), NotDecryptable)

    async def test_the_same_twice_gives_two_ciphertexts(self, bench: Bench) -> None:
        key = await bench.key()
        twice = good(await bench.vault.encrypt(key, [Plain(CANARY, PLACE)] * 2))
        assert twice[0].ciphertext != twice[1].ciphertext

    async def test_the_plaintext_is_not_in_the_ciphertext(self, bench: Bench) -> None:
        key = await bench.key()
        assert CANARY.decode() not in (await seal(bench.vault, key)).ciphertext

    async def test_a_batch_comes_back_in_its_order(self, bench: Bench) -> None:
        key = await bench.key()
        items = [Plain(b"number %d" % i, b"place %d" % i) for i in range(400)]
        sealed = good(await bench.vault.encrypt(key, items))
        placed = [Placed(s.ciphertext, item.context) for s, item in zip(sealed, items, strict=True)]
        assert good(await bench.vault.decrypt(key, placed)) == [item.plaintext for item in items]
        anew = good(await bench.vault.rewrap(key, placed))
        replaced = [Placed(s.ciphertext, item.context) for s, item in zip(anew, items, strict=True)]
        assert good(await bench.vault.decrypt(key, replaced)) == [item.plaintext for item in items]

    async def test_an_empty_batch_is_an_empty_answer(self, bench: Bench) -> None:
        key, mac, signing = [await bench.key(kind) for kind in KeyKind]
        assert await bench.vault.encrypt(key, []) == []
        assert await bench.vault.decrypt(key, []) == []
        assert await bench.vault.rewrap(key, []) == []
        assert await bench.vault.mac(mac, []) == []
        assert await bench.vault.sign(signing, []) == []

    async def test_an_item_that_fails_fails_alone(self, bench: Bench) -> None:
        key = await bench.key()
        one, two = good(await bench.vault.encrypt(key, [Plain(b"one", PLACE), Plain(b"two", ELSEWHERE)]))
        batch = [
            Placed(one.ciphertext, PLACE),
            Placed(two.ciphertext, PLACE),
            Placed("nonsense", PLACE),
            Placed(two.ciphertext, b""),
            Placed(two.ciphertext, ELSEWHERE),
        ]
        outcomes = await bench.vault.decrypt(key, batch)
        assert (outcomes[0], outcomes[4]) == (b"one", b"two")
        assert all(isinstance(outcome, NotDecryptable) for outcome in outcomes[1:4])
        rewrapped = await bench.vault.rewrap(key, batch)
        assert isinstance(rewrapped[0], Sealed)
        assert isinstance(rewrapped[4], Sealed)
        assert all(isinstance(outcome, NotDecryptable) for outcome in rewrapped[1:4])

    async def test_nothing_is_encrypted_without_a_context(self, bench: Bench) -> None:
        key = await bench.key()
        outcomes = await bench.vault.encrypt(key, [Plain(b"one", PLACE), Plain(b"two", b"")])
        assert isinstance(outcomes[0], Sealed)
        assert isinstance(outcomes[1], VaultError)
        assert isinstance((await bench.vault.encrypt(key, [Plain(b"two", b"")]))[0], VaultError)

    # What does not decrypt

    async def test_ciphertexts_of_two_places_cannot_be_swapped(self, bench: Bench) -> None:
        key = await bench.key()
        here, there = await seal(bench.vault, key), await seal(bench.vault, key, context=ELSEWHERE)
        assert isinstance(await opened(bench.vault, key, here.ciphertext, ELSEWHERE), NotDecryptable)
        assert isinstance(await opened(bench.vault, key, there.ciphertext, PLACE), NotDecryptable)

    @pytest.mark.parametrize("context", [PLACE + b"x", PLACE[:-1], PLACE + b"\0", PLACE.upper()])
    async def test_a_context_that_is_almost_right_is_wrong(self, bench: Bench, context: bytes) -> None:
        key = await bench.key()
        sealed = await seal(bench.vault, key)
        assert isinstance(await opened(bench.vault, key, sealed.ciphertext, context), NotDecryptable)

    async def test_a_ciphertext_that_was_tampered_with_does_not_decrypt(self, bench: Bench) -> None:
        key = await bench.key()
        sealed = await seal(bench.vault, key, CANARY * 4)
        altered = [text for text in dict.fromkeys(tampered(sealed.ciphertext)) if text != sealed.ciphertext]
        outcomes = await bench.vault.decrypt(key, [Placed(text, PLACE) for text in altered])
        decrypted = [text for text, outcome in zip(altered, outcomes, strict=True) if isinstance(outcome, bytes)]
        assert not decrypted
        assert all(isinstance(outcome, NotDecryptable) for outcome in outcomes)

    async def test_another_key_does_not_decrypt(self, bench: Bench) -> None:
        ours, theirs = await bench.key(), await bench.key()
        sealed = await seal(bench.vault, ours)
        assert isinstance(await opened(bench.vault, theirs, sealed.ciphertext), NotDecryptable)
        [rewrapped] = await bench.vault.rewrap(theirs, [Placed(sealed.ciphertext, PLACE)])
        assert isinstance(rewrapped, NotDecryptable)

    # Versions

    async def test_old_versions_decrypt_and_the_latest_encrypts(self, bench: Bench) -> None:
        key = await bench.key()
        first = await seal(bench.vault, key, b"first")
        assert await bench.vault.rotate(key) == 2
        second = await seal(bench.vault, key, b"second")
        assert (first.key_version, second.key_version) == (1, 2)
        assert await opened(bench.vault, key, first.ciphertext) == b"first"
        assert await opened(bench.vault, key, second.ciphertext) == b"second"

    async def test_the_state_of_a_key_tells_its_versions_and_when_they_were_made(self, bench: Bench) -> None:
        before = datetime.now(UTC) - timedelta(minutes=5)
        key = await bench.key()
        state = await bench.vault.key_state(key)
        assert (state.name, state.kind, state.latest_version, state.minimum_version) == (key, KeyKind.ENCRYPTION, 1, 1)
        await bench.vault.rotate(key)
        state = await bench.vault.key_state(key)
        assert list(state.versions) == [1, 2]
        assert before < state.versions[1] <= state.versions[2] < datetime.now(UTC) + timedelta(minutes=5)

    async def test_versions_below_the_minimum_decrypt_nothing(self, bench: Bench) -> None:
        key = await bench.key()
        first = await seal(bench.vault, key)
        await bench.vault.rotate(key)
        second = await seal(bench.vault, key)
        await bench.vault.set_minimum_version(key, 2)
        assert (await bench.vault.key_state(key)).minimum_version == 2
        assert isinstance(await opened(bench.vault, key, first.ciphertext), NotDecryptable)
        [rewrapped] = await bench.vault.rewrap(key, [Placed(first.ciphertext, PLACE)])
        assert isinstance(rewrapped, NotDecryptable)
        assert await opened(bench.vault, key, second.ciphertext) == CANARY

    @pytest.mark.parametrize("version", [0, -1, 2, 1000])
    async def test_the_minimum_version_must_exist(self, bench: Bench, version: int) -> None:
        key = await bench.key()
        with pytest.raises(VaultError):
            await bench.vault.set_minimum_version(key, version)
        assert (await bench.vault.key_state(key)).minimum_version == 1

    async def test_rewrapping_brings_a_ciphertext_to_the_latest_version_in_its_place(self, bench: Bench) -> None:
        key = await bench.key()
        first = await seal(bench.vault, key)
        await bench.vault.rotate(key)
        outcomes = await bench.vault.rewrap(key, [Placed(first.ciphertext, PLACE), Placed(first.ciphertext, ELSEWHERE)])
        assert isinstance(outcomes[1], NotDecryptable)
        [second] = good(outcomes[:1])
        assert second.key_version == 2
        await bench.vault.set_minimum_version(key, 2)
        assert await opened(bench.vault, key, second.ciphertext) == CANARY
        assert isinstance(await opened(bench.vault, key, second.ciphertext, ELSEWHERE), NotDecryptable)

    async def test_another_process_sees_new_keys_and_versions_at_once(self, bench: Bench) -> None:
        other = await bench.another()
        key = await bench.key()
        assert (await seal(other, key)).key_version == 1
        await bench.vault.rotate(key)
        sealed = await seal(other, key)
        assert sealed.key_version == 2
        assert await other.rotate(key) == 3
        assert (await seal(bench.vault, key)).key_version == 3
        assert await opened(bench.vault, key, sealed.ciphertext) == CANARY

    async def test_everything_decrypts_while_processes_rotate_and_encrypt(self, bench: Bench) -> None:
        key, other = await bench.key(), await bench.another()

        async def write(vault: Vault, writer: int) -> list[tuple[Plain, Sealed]]:
            written = []
            for i in range(10):
                items = [Plain(b"%d %d %d" % (writer, i, n), b"place %d %d %d" % (writer, i, n)) for n in range(3)]
                written += zip(items, good(await vault.encrypt(key, items)), strict=True)
            return written

        async def rotations(vault: Vault) -> list[int]:
            return [await vault.rotate(key) for _ in range(3)]

        first, second, ours, theirs = await asyncio.gather(
            write(bench.vault, 1), write(other, 2), rotations(bench.vault), rotations(other)
        )
        assert sorted(ours + theirs) == [2, 3, 4, 5, 6, 7]
        for item, sealed in first + second:
            assert await opened(bench.vault, key, sealed.ciphertext, item.context) == item.plaintext

    # Keys

    @pytest.mark.parametrize("kind", list(KeyKind))
    async def test_making_a_key_again_changes_nothing(self, bench: Bench, kind: KeyKind) -> None:
        key = await bench.key(kind)
        before = await bench.vault.key_state(key)
        await bench.vault.create_key(key, kind)
        assert await bench.vault.key_state(key) == before
        assert before.kind is kind

    async def test_processes_that_make_a_key_at_once_make_one(self, bench: Bench) -> None:
        key, other = new_name(), await bench.another()
        await asyncio.gather(*(vault.create_key(key, KeyKind.MAC) for vault in (bench.vault, other) * 3))
        assert await bench.vault.mac(key, [b"x"]) == await other.mac(key, [b"x"])

    async def test_a_key_is_of_one_kind(self, bench: Bench) -> None:
        key, mac, signing = [await bench.key(kind) for kind in KeyKind]
        for name, other in [(key, KeyKind.MAC), (mac, KeyKind.SIGNING), (signing, KeyKind.ENCRYPTION)]:
            with pytest.raises(VaultError):
                await bench.vault.create_key(name, other)
        for wrong in (
            bench.vault.encrypt(mac, [Plain(b"x", PLACE)]),
            bench.vault.encrypt(signing, [Plain(b"x", PLACE)]),
            bench.vault.mac(key, [b"x"]),
            bench.vault.mac(signing, [b"x"]),
            bench.vault.sign(key, [b"x"]),
            bench.vault.sign(mac, [b"x"]),
            bench.vault.rotate(mac),
        ):
            with pytest.raises(VaultError):
                await wrong
        assert (await bench.vault.key_state(mac)).latest_version == 1

    async def test_a_key_that_does_not_exist_is_not_made_by_use(self, bench: Bench) -> None:
        missing = new_name()
        vault = bench.vault
        for attempt in (
            vault.encrypt(missing, [Plain(b"x", PLACE)]),
            vault.decrypt(missing, [Placed((await seal(vault, await bench.key())).ciphertext, PLACE)]),
            vault.rewrap(missing, [Placed((await seal(vault, await bench.key())).ciphertext, PLACE)]),
            vault.mac(missing, [b"x"]),
            vault.sign(missing, [b"x"]),
            vault.verify(missing, b"x", (await vault.sign(await bench.key(KeyKind.SIGNING), [b"x"]))[0]),
            vault.rotate(missing),
            vault.set_minimum_version(missing, 1),
            vault.key_state(missing),
        ):
            with pytest.raises(NoSuchKey):
                await attempt
        with pytest.raises(NoSuchKey):
            await vault.key_state(missing)

    @pytest.mark.parametrize("name", ["", "-a", "A", "a/b", "../sys", "a b", "a?b", "a#b", "ä", "a" * 101, "a\n"])
    async def test_names_that_could_lead_elsewhere_are_refused(self, bench: Bench, name: str) -> None:
        for attempt in (
            bench.vault.create_key(name, KeyKind.ENCRYPTION),
            bench.vault.encrypt(name, [Plain(b"x", PLACE)]),
            bench.vault.decrypt(name, [Placed("x", PLACE)]),
            bench.vault.rewrap(name, [Placed("x", PLACE)]),
            bench.vault.mac(name, [b"x"]),
            bench.vault.sign(name, [b"x"]),
            bench.vault.verify(name, b"x", "x"),
            bench.vault.rotate(name),
            bench.vault.set_minimum_version(name, 1),
            bench.vault.key_state(name),
        ):
            with pytest.raises(VaultError):
                await attempt

    # Digests

    async def test_a_digest_is_always_the_same_for_its_key_and_message(self, bench: Bench) -> None:
        key, another, other = await bench.key(KeyKind.MAC), await bench.key(KeyKind.MAC), await bench.another()
        messages = [b"", b"\0", b"a", b"b", bytes(range(256)), b"x" * 4096]
        digests = good(await bench.vault.mac(key, messages))
        assert len(set(digests)) == len(messages)
        assert min(len(digest) for digest in digests) >= 32
        assert good(await other.mac(key, messages[::-1])) == digests[::-1]
        assert not set(good(await bench.vault.mac(another, messages))) & set(digests)

    async def test_digests_of_many_messages_keep_their_order(self, bench: Bench) -> None:
        key = await bench.key(KeyKind.MAC)
        messages = [b"message %d" % (i % 170) for i in range(340)]
        digests = good(await bench.vault.mac(key, messages))
        assert digests[:170] == digests[170:]
        assert len(set(digests)) == 170

    # Signatures

    async def test_a_signature_holds_for_its_message_and_key_only(self, bench: Bench) -> None:
        key, another = await bench.key(KeyKind.SIGNING), await bench.key(KeyKind.SIGNING)
        signatures = good(await bench.vault.sign(key, [b"", b"message", b"x" * 5000]))
        assert await bench.vault.verify(key, b"", signatures[0])
        assert await bench.vault.verify(key, b"message", signatures[1])
        assert await bench.vault.verify(key, b"x" * 5000, signatures[2])
        assert not await bench.vault.verify(key, b"Message", signatures[1])
        assert not await bench.vault.verify(another, b"message", signatures[1])

    async def test_what_is_no_signature_does_not_verify(self, bench: Bench) -> None:
        key = await bench.key(KeyKind.SIGNING)
        [signature] = good(await bench.vault.sign(key, [b"message"]))
        for wrong in dict.fromkeys(["nonsense", "ä", *tampered(signature)]):
            assert not await bench.vault.verify(key, b"message", wrong), wrong

    async def test_signatures_hold_over_versions_from_the_minimum_on(self, bench: Bench) -> None:
        key = await bench.key(KeyKind.SIGNING)
        [first] = good(await bench.vault.sign(key, [b"message"]))
        assert await bench.vault.rotate(key) == 2
        [second] = good(await bench.vault.sign(key, [b"message"]))
        assert await bench.vault.verify(key, b"message", first)
        assert await bench.vault.verify(key, b"message", second)
        await bench.vault.set_minimum_version(key, 2)
        assert not await bench.vault.verify(key, b"message", first)
        assert await bench.vault.verify(key, b"message", second)

    # The vault itself

    async def test_its_health_is_told(self, bench: Bench) -> None:
        health = await bench.vault.health()
        assert health.problems == ()
        assert (health.reachable, health.sealed) == (True, False)
        assert health.backend

    async def test_errors_and_representations_tell_no_secrets(self, bench: Bench) -> None:
        key = await bench.key()
        sealed = await seal(bench.vault, key)
        missing = new_name()
        errors: list[VaultError] = []
        for outcome in await bench.vault.decrypt(key, [Placed(sealed.ciphertext, ELSEWHERE), Placed("a", PLACE)]):
            assert isinstance(outcome, VaultError)
            errors.append(outcome)
        for attempt in (
            bench.vault.encrypt(missing, [Plain(CANARY, PLACE)]),
            bench.vault.decrypt(missing, [Placed(sealed.ciphertext, PLACE)]),
            bench.vault.encrypt("../sys", [Plain(CANARY, PLACE)]),
        ):
            with pytest.raises(VaultError) as raised:
                await attempt
            errors.append(raised.value)
        told = [repr(bench.vault), repr(Plain(CANARY, PLACE))]
        for error in errors:
            told += [str(error), repr(error), repr(error.__dict__)]
            assert error.__cause__ is None
            assert error.__suppress_context__ or error.__context__ is None
        body = sealed.ciphertext.rpartition(":")[2]
        for text in told:
            for secret in (CANARY.decode(), CANARY.hex(), body, "http://", "https://", "127.0.0.1"):
                assert secret not in text
