"""HashiCorp Vault and OpenBao beyond the contract: faults, signing in, rights, and that the double is no kinder."""

import asyncio
import os
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from backends import SECONDS, prepared_mount
from contract import CANARY, PLACE, good, new_name, opened, seal
from transit import MOUNT, Transit, TransitKey, rights_of, serving_transit, strings

from vault import hashicorp_session
from vault.hashicorp import HashiCorpVault
from vault.hashicorp_policies import Duty, policy, rights
from vault.hashicorp_session import AppRole, Credential, Kubernetes, Server, Token
from vault.protocol import Denied, KeyKind, NoSuchKey, Placed, Plain, Throttled, Unavailable, VaultError

pytestmark = pytest.mark.anyio


@pytest.fixture
def transit() -> Iterator[Transit]:
    with serving_transit() as transit:
        yield transit


@asynccontextmanager
async def signed_in(
    transit: Transit, credential: Credential | None = None, seconds: float = SECONDS, **more: Any
) -> AsyncIterator[HashiCorpVault]:
    """A vault whose credential may do anything, unless another is given."""
    server = Server(transit.address, transit.namespace, timeout=seconds)
    vault = HashiCorpVault(server, credential or Token(transit.grant), **more)
    try:
        yield vault
    finally:
        await vault.close()


async def new_key(vault: HashiCorpVault, kind: KeyKind = KeyKind.ENCRYPTION) -> str:
    name = new_name()
    await vault.create_key(name, kind)
    return name


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# Requests


async def test_a_batch_is_sent_in_requests_that_the_server_takes(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        sealed = good(await vault.encrypt(key, [Plain(b"x", PLACE)] * 400))
        good(await vault.decrypt(key, [Placed(s.ciphertext, PLACE) for s in sealed]))
    sizes: dict[str, list[int]] = {"encrypt": [], "decrypt": []}
    for _, path, _, body in transit.requests:
        if (use := path.split("/")[1]) in sizes:
            sizes[use].append(len(body["batch_input"]))
            assert strings(body) <= 1000
    assert {use: sorted(items) for use, items in sizes.items()} == {use: [100, 150, 150] for use in sizes}


async def test_long_values_are_sent_in_several_requests(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        values = [secrets.token_bytes(300_000) for _ in range(5)]
        sealed = good(await vault.encrypt(key, [Plain(value, PLACE) for value in values]))
        assert good(await vault.decrypt(key, [Placed(s.ciphertext, PLACE) for s in sealed])) == values
    bodies = [body for _, path, _, body in transit.requests if "/encrypt/" in path]
    assert [len(body["batch_input"]) for body in bodies].count(2) == 2


async def test_a_key_in_use_costs_one_request(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        await seal(vault, key)
        before = len(transit.requests)
        good(await vault.encrypt(key, [Plain(b"one", PLACE), Plain(b"two", PLACE)]))
        assert len(transit.requests) == before + 1


async def test_the_event_loop_goes_on_while_the_vault_takes_its_time(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        transit.latency = 0.5
        waiting = asyncio.create_task(seal(vault, key))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5


async def test_digests_stay_the_same_though_somebody_rotates_their_key_by_hand(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault, KeyKind.MAC)
        before = await vault.mac(key, [b"x"])
        transit.keys[key].rotate()
        assert await vault.mac(key, [b"x"]) == before


async def test_a_key_made_by_hand_that_would_not_bind_to_places_is_not_used(transit: Transit) -> None:
    transit.keys["sf-by-hand"] = TransitKey("sf-by-hand", "aes256-gcm96", derived=False)
    transit.keys["sf-by-hand"].rotate()
    async with signed_in(transit) as vault:
        with pytest.raises(VaultError):
            await vault.encrypt("sf-by-hand", [Plain(CANARY, PLACE)])
    assert not [path for path in transit.paths() if "/encrypt/" in path]


async def test_a_missing_key_is_not_made_though_the_token_could(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        with pytest.raises(NoSuchKey):
            await vault.encrypt("sf-missing", [Plain(CANARY, PLACE)])
    assert not transit.keys


async def test_a_key_that_was_deleted_meanwhile_is_missing(transit: Transit) -> None:
    async with signed_in(transit, Token(partial(transit.grant, Duty.UNLOCK)), rotator=Token(transit.grant)) as vault:
        key = await new_key(vault)
        sealed = transit.keys.pop(key).encrypt(CANARY, PLACE)
        with pytest.raises(NoSuchKey):
            await vault.decrypt(key, [Placed(sealed["ciphertext"], PLACE)])


async def test_a_mount_that_is_not_there_is_told(transit: Transit) -> None:
    async with signed_in(transit, mount="elsewhere") as vault:
        with pytest.raises(Denied, match="mount"):
            await vault.key_state("sf-key")


# Faults


async def test_a_sealed_vault_is_unavailable_until_it_is_unsealed(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        sealed = await seal(vault, key)
        transit.sealed = True
        before = len(transit.requests)
        with pytest.raises(Unavailable, match="sealed"):
            await opened(vault, key, sealed.ciphertext)
        assert len(transit.requests) == before + 1, "a sealed vault is not asked again"
        transit.sealed = False
        assert await opened(vault, key, sealed.ciphertext) == CANARY


@pytest.mark.parametrize("status", [429, 500, 502, 503, 412])
async def test_what_passes_is_tried_again(transit: Transit, status: int) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        transit.failures = [status, status]
        assert (await seal(vault, key)).key_version == 1


async def test_what_does_not_pass_is_given_up(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        transit.failures = [500] * 50
        with pytest.raises(Unavailable):
            await seal(vault, key)
        assert len(transit.failures) == 47


async def test_a_rotation_that_may_have_happened_is_not_repeated(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        transit.failures = [500]
        with pytest.raises(Unavailable):
            await vault.rotate(key)
        assert transit.keys[key].latest == 1
        transit.failures = [429]
        assert await vault.rotate(key) == 2


async def test_a_quota_says_when_to_come_back(transit: Transit) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        transit.failures, transit.retry_after = [429] * 50, "3600"
        with pytest.raises(Throttled) as throttled:
            await seal(vault, key)
        assert throttled.value.retry_after == 3600
        assert len(transit.failures) == 49, "it does not wait longer than the call may take"


async def test_a_vault_that_is_too_slow_is_unavailable(transit: Transit) -> None:
    async with signed_in(transit, seconds=0.3) as vault:
        await vault.health()
        transit.latency = 3
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await vault.key_state("sf-key")
        assert time.monotonic() - began < 3


async def test_a_vault_that_is_not_there_is_unavailable_and_its_address_untold() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    vault = HashiCorpVault(Server(f"http://127.0.0.1:{port}", timeout=SECONDS), Token(lambda: "canary-token"))
    with pytest.raises(Unavailable) as told:
        await vault.key_state("sf-key")
    health = await vault.health()
    assert not health.reachable
    for text in (str(told.value), repr(told.value), repr(vault), *health.problems):
        assert str(port) not in text
        assert "canary" not in text
    await vault.close()


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed_with_the_token(transit: Transit, status: int) -> None:
    with serving_transit() as other:
        transit.elsewhere = other.address
        async with signed_in(transit) as vault:
            key = await new_key(vault)
            transit.failures = [status]
            with pytest.raises(Unavailable, match="active"):
                await seal(vault, key)
        assert not other.requests


async def test_what_is_no_vault_is_unavailable(transit: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transit, "answer", lambda *_: ["no", "object"])
    async with signed_in(transit) as vault:
        with pytest.raises(Unavailable):
            await vault.key_state("sf-key")


async def test_a_batch_that_is_answered_in_another_order_is_refused(
    transit: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(transit) as vault:
        key = await new_key(vault)
        answer = transit.answer

        def reversed_answer(*request: Any) -> Any:
            told = answer(*request)
            told["data"]["batch_results"].reverse()
            return told

        monkeypatch.setattr(transit, "answer", reversed_answer)
        with pytest.raises(VaultError):
            await vault.encrypt(key, [Plain(b"one", PLACE), Plain(b"two", PLACE)])


async def test_only_a_certificate_of_the_named_authority_is_trusted(tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(tls)
    with serving_transit(tls) as transit:
        for name, authority in {"ours": ours, "theirs": theirs}.items():
            authority.cert_pem.write_to_path(tmp_path / name)
        for ca_file in (str(tmp_path / "theirs"), None):
            vault = HashiCorpVault(Server(transit.address, ca_file=ca_file, timeout=SECONDS), Token(transit.grant))
            with pytest.raises(Unavailable, match="certificate"):
                await vault.create_key("sf-key", KeyKind.MAC)
            await vault.close()
        assert not transit.requests
        server = Server(transit.address, ca_file=str(tmp_path / "ours"), timeout=SECONDS)
        vault = HashiCorpVault(server, Token(transit.grant))
        await vault.create_key("sf-key", KeyKind.MAC)
        await vault.close()


async def test_what_the_environment_says_of_proxies_and_tokens_is_not_heard(
    transit: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "VAULT_ADDR"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", "canary")
    async with signed_in(transit) as vault:
        await new_key(vault)
    assert "canary" not in {token for _, _, token, _ in transit.requests}


# Signing in


@pytest.fixture
def relogin_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashicorp_session, "RELOGIN_SECONDS", 0.0)


def app_role(transit: Transit, ttl: int = 3600) -> AppRole:
    transit.secret_ids["role", "secret-id"] = (rights_of(Duty.ROTATE), ttl)
    return AppRole("role", lambda: "secret-id")


@pytest.mark.parametrize("ttl", [0, 3600])
async def test_an_approle_signs_in_once_for_all_who_wait(transit: Transit, ttl: int) -> None:
    async with signed_in(transit, app_role(transit, ttl)) as vault:
        await asyncio.gather(*(vault.create_key(f"sf-{i}", KeyKind.MAC) for i in range(10)))
    assert transit.paths().count("auth/approle/login") == 1


async def test_a_service_account_of_kubernetes_signs_in(transit: Transit) -> None:
    transit.secret_ids["fabric", "a.b.c"] = (rights_of(Duty.ROTATE), 3600)
    async with signed_in(transit, Kubernetes("fabric", lambda: "a.b.c", mount="cluster-1")) as vault:
        await new_key(vault)
    assert transit.paths()[0] == "auth/cluster-1/login"


async def test_a_namespace_goes_with_every_request(transit: Transit) -> None:
    transit.namespace = "tenants/acme"
    async with signed_in(transit, app_role(transit)) as vault:
        await new_key(vault)
        transit.namespace = "tenants/other"
        with pytest.raises(Denied):
            await vault.key_state("sf-key")


@pytest.mark.usefixtures("relogin_at_once")
async def test_an_approle_whose_token_has_expired_signs_in_again(transit: Transit) -> None:
    async with signed_in(transit, app_role(transit)) as vault:
        key = await new_key(vault)
        transit.grants.clear()
        states = await asyncio.gather(*(vault.key_state(key) for _ in range(30)))
        assert {state.latest_version for state in states} == {1}
    assert transit.paths().count("auth/approle/login") == 2


@pytest.mark.usefixtures("relogin_at_once")
async def test_a_token_that_was_replaced_in_its_file_is_read_again(transit: Transit) -> None:
    file = [transit.grant()]
    async with signed_in(transit, Token(lambda: file[-1])) as vault:
        key = await new_key(vault)
        transit.grants.clear()
        with pytest.raises(Denied):
            await vault.key_state(key)
        file.append(transit.grant())
        assert (await vault.key_state(key)).name == key


async def test_wrong_credentials_are_denied(transit: Transit) -> None:
    for credential in (AppRole("role", lambda: "canary"), Kubernetes("r", lambda: "canary"), Token(lambda: "canary")):
        async with signed_in(transit, credential) as vault:
            with pytest.raises(Denied) as denied:
                await vault.key_state("sf-key")
            assert "canary" not in str(denied.value) + repr(denied.value) + repr(credential)


async def test_a_credential_that_cannot_be_read_is_denied(transit: Transit) -> None:
    def unreadable() -> str:
        raise PermissionError("/run/secrets/canary")

    async with signed_in(transit, Token(unreadable)) as vault:
        with pytest.raises(Denied) as denied:
            await vault.key_state("sf-key")
        assert "canary" not in str(denied.value)


@pytest.mark.usefixtures("relogin_at_once")
async def test_what_a_token_may_not_do_makes_no_storm_of_logins(
    transit: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashicorp_session, "RELOGIN_SECONDS", 3600.0)
    async with signed_in(transit, app_role(transit)) as vault:
        key = await new_key(vault)
        for _ in range(5):
            with pytest.raises(Denied):
                await vault.encrypt(key, [Plain(b"x", PLACE)])
    assert transit.paths().count("auth/approle/login") == 1


async def test_a_token_is_renewed_before_it_expires(transit: Transit) -> None:
    async with signed_in(transit, app_role(transit, ttl=1)) as vault:
        key = await new_key(vault)
        await until(lambda: transit.paths().count("auth/token/renew-self") >= 3)
        assert (await vault.key_state(key)).name == key
    assert transit.paths().count("auth/approle/login") == 1


async def test_a_token_at_the_end_of_its_longest_life_is_replaced(transit: Transit) -> None:
    transit.retires = 0
    async with signed_in(transit, app_role(transit, ttl=1)) as vault:
        await new_key(vault)
        await until(lambda: transit.paths().count("auth/approle/login") >= 3)


# Duties


async def test_each_duty_has_its_own_credential(transit: Transit) -> None:
    tokens = {duty: transit.grant(duty) for duty in Duty}
    credentials = {duty: Token(partial(str, token)) for duty, token in tokens.items()}
    more = {"unlocker": credentials[Duty.UNLOCK], "rotator": credentials[Duty.ROTATE]}
    async with signed_in(transit, credentials[Duty.WRITE], **more) as vault:
        key, mac, signing = [await new_key(vault, kind) for kind in KeyKind]
        sealed = await seal(vault, key)
        await vault.rotate(key)
        [anew] = good(await vault.rewrap(key, [Placed(sealed.ciphertext, PLACE)]))
        assert await opened(vault, key, anew.ciphertext) == CANARY
        good(await vault.mac(mac, [b"x"]))
        [signature] = good(await vault.sign(signing, [b"x"]))
        assert await vault.verify(signing, b"x", signature)
        await vault.set_minimum_version(key, 2)
        assert (await vault.health()).problems == ()
    users = {path.split("/")[1]: token for _, path, token, _ in transit.requests if path.startswith(f"{MOUNT}/")}
    users.pop("keys")
    assert users.pop("decrypt") == tokens[Duty.UNLOCK]
    assert users.pop("rewrap") == tokens[Duty.ROTATE]
    assert set(users) == {"encrypt", "hmac", "sign", "verify"}
    assert set(users.values()) == {tokens[Duty.WRITE]}


async def test_health_tells_what_a_credential_may_not_do_and_what_it_should_not(transit: Transit) -> None:
    mixed = Token(partial(transit.issue, {**rights_of(Duty.WRITE), **rights_of(Duty.UNLOCK)}, 0))
    unlocker = Token(partial(transit.issue, rights(Duty.UNLOCK, MOUNT, "sf-other*"), 0))
    async with signed_in(transit, mixed, unlocker=unlocker, rotator=Token(lambda: "gone")) as vault:
        health = await vault.health()
    said = " ".join(health.problems)
    assert "As unlocker it may not use transit/decrypt/sf-*" in said
    assert "As writer it may use transit/decrypt/sf-*, which only the unlocker should" in said
    assert "As rotator: the vault refused" in said


async def test_health_tells_of_a_sealed_vault_and_of_tokens_that_end(transit: Transit) -> None:
    async with signed_in(transit, Token(partial(transit.grant, None, 1000)), rotator=Token(transit.grant)) as vault:
        health = await vault.health()
        assert health.token_seconds_left is not None
        assert 900 < health.token_seconds_left <= 1000
        transit.sealed = True
        health = await vault.health()
        assert (health.reachable, health.sealed) == (True, True)
        assert health.problems == ("The vault is sealed: unseal it.",)


def test_a_rotator_can_neither_decrypt_nor_make_a_key_exportable() -> None:
    text = policy(Duty.ROTATE, MOUNT)
    assert "decrypt/" not in text
    assert "exportable" not in text
    assert text.count("allowed_parameters") == 2
    assert '"create"' not in "".join(policy(duty, MOUNT) for duty in Duty)


# The double beside the server


@pytest.fixture(params=["double", "real HashiCorp Vault or OpenBao"])
def asked(request: pytest.FixtureRequest, transit: Transit) -> Iterator[Callable[..., requests.Response]]:
    """Asks one or the other as a token that may do anything."""

    def ask(address: str, token: str, mount: str, path: str, body: Any = None) -> requests.Response:
        url, headers = f"{address}/v1/{mount}/{path}", {"X-Vault-Token": token}
        return requests.request("get" if body is None else "post", url, headers=headers, json=body, timeout=SECONDS)

    if request.param == "double":
        yield partial(ask, transit.address, transit.grant(), MOUNT)
        return
    address, token = os.environ.get("VAULT_ADDR"), os.environ.get("VAULT_TOKEN")
    if not address or not token:
        pytest.skip("a HashiCorp Vault or OpenBao is tested where VAULT_ADDR and VAULT_TOKEN are set")
    with prepared_mount(address, token) as (mount, _):
        yield partial(ask, address, token, mount)


def results(response: requests.Response) -> list[Any]:
    found: list[Any] = response.json()["data"]["batch_results"]
    return found


def test_the_double_is_no_kinder_than_the_server(asked: Callable[..., requests.Response]) -> None:
    item = {"plaintext": "YQ==", "context": "YQ==", "reference": "0"}
    for kind, made in {
        "sf-enc": {"type": "aes256-gcm96", "derived": True},
        "sf-sign": {"type": "ed25519"},
    }.items():
        assert asked(f"keys/{kind}", made).status_code == 200
        assert asked(f"keys/{kind}", made).status_code == 200
    sealed = results(asked("encrypt/sf-enc", {"batch_input": [item]}))[0]["ciphertext"]
    placed = {"ciphertext": sealed, "context": "YQ=="}

    # Lenient readers: other spellings of a ciphertext decrypt too.
    for spelling in (sealed.replace(":v1:", ":v0:"), sealed.replace(":v1:", ":v01:"), sealed[:20] + "\n" + sealed[20:]):
        answer = asked("decrypt/sf-enc", {"batch_input": [{"ciphertext": spelling, "context": "YQ=="}]})
        assert results(answer)[0]["plaintext"] == "YQ=="

    # Faults item by item, with the status 400, or 200 when they are rewrapped.
    faulty = {"batch_input": [placed, placed | {"ciphertext": "x"}, placed | {"context": "Yg=="}]}
    assert asked("decrypt/sf-enc", faulty).status_code == 400
    assert [bool(result.get("error")) for result in results(asked("decrypt/sf-enc", faulty))] == [False, True, True]
    assert asked("rewrap/sf-enc", faulty).status_code == 200
    assert [bool(result.get("error")) for result in results(asked("rewrap/sf-enc", faulty))] == [False, True, True]

    # Associated data is ignored when a ciphertext is rewrapped.
    rewrapped = asked("rewrap/sf-enc", {"batch_input": [placed | {"associated_data": "Yg=="}]})
    assert results(rewrapped)[0]["ciphertext"].startswith("vault:v1:")

    # What is refused as a whole.
    assert asked("encrypt/sf-enc", {"batch_input": []}).status_code == 400
    mixed = asked("encrypt/sf-enc", {"batch_input": [item, {"plaintext": "YQ=="}]})
    assert (mixed.status_code, "data" in mixed.json()) == (400, False)
    too_much = asked("encrypt/sf-enc", {"batch_input": [item] * 170})
    assert (too_much.status_code, "data" in too_much.json()) == (400, False)
    for path in ("sign/sf-enc", "hmac/sf-none", "decrypt/sf-none", "rewrap/sf-none", "sign/sf-none"):
        body = {"batch_input": [{"input": "YQ==", "ciphertext": sealed, "context": "YQ=="}]}
        assert asked(path, body).status_code == 400, path
    for path in ("keys/sf-none/rotate", "keys/sf-none/config", "verify/sf-none"):
        body = {"input": "YQ==", "signature": "x", "min_decryption_version": 1}
        assert asked(path, body).status_code == 400, path
    assert asked("keys/sf-enc/config", {"min_decryption_version": 2}).status_code == 400
    missing = asked("keys/sf-none")
    assert (missing.status_code, missing.json()["errors"]) == (404, [])

    # A key of another kind computes digests, a version that is not there none; a token with `create` makes keys.
    digests = [results(asked(f"hmac/{key}", {"batch_input": [{"input": "YQ=="}]})) for key in ("sf-enc", "sf-sign")]
    assert digests[0] != digests[1]
    assert asked("hmac/sf-enc", {"batch_input": [{"input": "YQ=="}], "key_version": 2}).status_code == 400
    assert results(asked("encrypt/sf-sign", {"batch_input": [item]}))[0]["error"]
    assert asked("encrypt/sf-upserted", {"batch_input": [item]}).status_code == 200
    assert asked("keys/sf-upserted").json()["data"]["derived"] is True

    # Versions that are too old, archived ones left out.
    assert asked("keys/sf-enc/rotate", {}).json()["data"]["latest_version"] == 2
    described = asked("keys/sf-enc/config", {"min_decryption_version": 2}).json()["data"]
    assert (list(described["keys"]), described["min_decryption_version"]) == (["2"], 2)
    assert "too old" in results(asked("decrypt/sf-enc", {"batch_input": [placed]}))[0]["error"]
    assert asked("verify/sf-sign", {"input": "YQ==", "signature": "x"}).status_code == 400
    assert asked("verify/sf-sign", {"input": "YQ==", "signature": "vault:v1:AAAA"}).json()["data"] == {"valid": False}
