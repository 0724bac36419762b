# ruff: noqa: ASYNC240 (small files, and nothing else runs)
"""The software vault beyond the contract: its file, and the processes that share it."""

import asyncio
import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from contract import CANARY, PLACE, good, opened, seal

from vault import keyring
from vault.keyring import Keyring
from vault.protocol import Denied, KeyKind, NoSuchKey, Placed, Plain, Unavailable
from vault.software import INLINE_ITEMS, SoftwareVault

OpenVault = Callable[..., SoftwareVault]

pytestmark = pytest.mark.anyio

MASTER_KEY = secrets.token_bytes(32)
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keyring"


@pytest.fixture
async def open_vault(path: Path, anyio_backend: str) -> AsyncIterator[OpenVault]:
    """Opens the file, as another process would; all are closed in the end."""
    async with AsyncExitStack() as stack:

        def opening(master_key: bytes = MASTER_KEY) -> SoftwareVault:
            vault = SoftwareVault(path, master_key)
            stack.push_async_callback(vault.close)
            return vault

        yield opening


@pytest.fixture
def vault(open_vault: OpenVault) -> SoftwareVault:
    return open_vault()


async def test_the_file_is_its_owners_alone_and_tells_nothing(vault: SoftwareVault, path: Path) -> None:
    assert not path.exists()
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert b"pii" not in path.read_bytes()
    assert sorted(file.name for file in path.parent.iterdir()) == ["keyring", "keyring.lock"]
    keys = Keyring(path, MASTER_KEY)
    secret = keys.key("sf-pii").versions[1].secret
    assert len(secret) == 32
    assert repr(secret)[2:-1] not in repr(keys.key("sf-pii"))
    keys.close()


async def test_keys_survive_a_restart(vault: SoftwareVault, open_vault: OpenVault) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    await vault.rotate("sf-pii")
    sealed, state = await seal(vault, "sf-pii"), await vault.key_state("sf-pii")
    await vault.close()
    again = open_vault()
    assert await again.key_state("sf-pii") == state
    assert await opened(again, "sf-pii", sealed.ciphertext) == CANARY


@pytest.mark.parametrize("master_key", [b"", b"x" * 31])
def test_a_short_master_key_is_refused(path: Path, master_key: bytes) -> None:
    with pytest.raises(ValueError, match="32"):
        SoftwareVault(path, master_key)


async def test_another_master_key_opens_nothing(vault: SoftwareVault, open_vault: OpenVault, path: Path) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    before = path.read_bytes()
    other = open_vault(secrets.token_bytes(32))
    with pytest.raises(Denied):
        await other.key_state("sf-pii")
    with pytest.raises(Denied):
        await other.create_key("sf-other", KeyKind.ENCRYPTION)
    assert (await other.health()).problems
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", [0, 20, 30, 50, -20, -1])
async def test_a_file_that_was_tampered_with_is_refused(vault: SoftwareVault, path: Path, place: int) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(Denied):
        await vault.key_state("sf-pii")


@pytest.mark.parametrize("length", [0, 10, 26, 38, 60])
async def test_a_file_that_was_cut_is_refused(
    vault: SoftwareVault, open_vault: OpenVault, path: Path, length: int
) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    os.truncate(path, length)
    with pytest.raises(Denied):
        await open_vault().key_state("sf-pii")


async def test_a_file_that_others_can_read_is_refused(vault: SoftwareVault, open_vault: OpenVault, path: Path) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    path.chmod(0o640)
    with pytest.raises(Denied, match="chmod 600"):
        await open_vault().key_state("sf-pii")


async def test_a_file_that_is_gone_is_not_replaced_by_an_empty_one(vault: SoftwareVault, path: Path) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(Unavailable):
        await seal(vault, "sf-pii")
    with pytest.raises(Unavailable):
        await vault.create_key("sf-other", KeyKind.ENCRYPTION)
    assert not (await vault.health()).reachable
    path.write_bytes(kept)
    path.chmod(0o600)
    assert (await seal(vault, "sf-pii")).key_version == 1


async def test_a_file_that_was_restored_is_read_anew(vault: SoftwareVault, path: Path, tmp_path: Path) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    shutil.copy2(path, tmp_path / "backup")
    await vault.create_key("sf-later", KeyKind.ENCRYPTION)
    shutil.copyfile(tmp_path / "backup", path)
    assert (await vault.key_state("sf-pii")).latest_version == 1
    with pytest.raises(NoSuchKey):
        await vault.key_state("sf-later")


async def test_a_write_that_fails_leaves_the_old_keys(
    vault: SoftwareVault, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    sealed, before = await seal(vault, "sf-pii"), path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="No space"):
            await vault.rotate("sf-pii")
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["keyring", "keyring.lock"]
    assert await opened(vault, "sf-pii", sealed.ciphertext) == CANARY
    assert await vault.rotate("sf-pii") == 2


async def test_a_lock_that_is_not_let_go_is_given_up(
    vault: SoftwareVault, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    monkeypatch.setattr(keyring, "LOCK_SECONDS", 0.1)
    with path.with_name("keyring.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="lock"):
            await vault.rotate("sf-pii")
        assert (await seal(vault, "sf-pii")).key_version == 1, "who only reads needs no lock"
    assert await vault.rotate("sf-pii") == 2


ROTATE = """
import asyncio, sys
from pathlib import Path
from vault.protocol import KeyKind, Placed, Plain
from vault.software import SoftwareVault

async def main(path, master_key):
    vault = SoftwareVault(Path(path), bytes.fromhex(master_key))
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    for _ in range(20):
        version = await vault.rotate("sf-pii")
        [sealed] = await vault.encrypt("sf-pii", [Plain(b"value", b"place")])
        assert sealed.key_version >= version
        print(version, sealed.ciphertext)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_processes_that_rotate_at_once_lose_no_version(vault: SoftwareVault, path: Path) -> None:
    command = [sys.executable, "-c", ROTATE, str(path), MASTER_KEY.hex()]
    running = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        for _ in range(3)
    ]
    told = [(await process.communicate())[0].decode().split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    versions = sorted(int(version) for output in told for version in output[::2])
    assert versions == list(range(2, 62))
    for ciphertext in [text for output in told for text in output[1::2]]:
        assert await opened(vault, "sf-pii", ciphertext, b"place") == b"value"


async def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(vault: SoftwareVault, path: Path) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    for _ in range(5):
        command = [sys.executable, "-c", ROTATE, str(path), MASTER_KEY.hex()]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        )
        assert process.stdout is not None
        await process.stdout.readline()
        await asyncio.sleep(secrets.randbelow(10) / 1000)
        process.kill()
        await process.communicate()
        before = (await vault.key_state("sf-pii")).latest_version
        assert await vault.rotate("sf-pii") == before + 1
    assert sorted(file.name for file in path.parent.iterdir()) == ["keyring", "keyring.lock"]


async def test_a_large_batch_is_computed_beside_the_event_loop(
    vault: SoftwareVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vault.create_key("sf-pii", KeyKind.ENCRYPTION)
    threads = set()
    token_bytes = secrets.token_bytes

    def seen(length: int) -> bytes:
        threads.add(threading.current_thread() is threading.main_thread())
        return token_bytes(length)

    monkeypatch.setattr(secrets, "token_bytes", seen)
    good(await vault.encrypt("sf-pii", [Plain(b"x", PLACE)] * INLINE_ITEMS))
    assert threads == {True}
    threads.clear()
    sealed = good(await vault.encrypt("sf-pii", [Plain(b"x", PLACE)] * (INLINE_ITEMS + 1)))
    assert threads == {False}
    threads.clear()
    good(await vault.rewrap("sf-pii", [Placed(s.ciphertext, PLACE) for s in sealed]))
    assert threads == {False}
