"""Rotation: every value under a new version of its key, whoever writes meanwhile, and whoever is killed."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject, run_sql
from safe import Safe

from fabric.database.db import Database, StaleKeys
from fabric.encryption import ciphertexts
from fabric.encryption.ciphertexts import Ciphertext
from fabric.encryption.key_rotations import KeyRotations, Rotation, State
from fabric.encryption.places import Place
from fabric.encryption.rotator import Pace, Rotator
from fabric.encryption.vault_keys import encryption_key
from fabric.errors import BadInput, Conflict, Forbidden, NotFound
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session
from fabric.labels import Label
from fabric.types.types import Types
from vault.protocol import KeyKind, NotDecryptable, Placed, Plain, Unavailable
from vault.software import SoftwareVault

pytestmark = pytest.mark.anyio

LOW, SECRET, ASIDE = "UNCLASSIFIED", "SECRET/ALPHA", "SECRET/BRAVO"
FAST = Pace(1e6)
PROGRAM = Path(__file__).with_name("rotating_process.py")

T = TypeVar("T")


class World:
    """An organization's encrypted values, kept as the write path keeps them, and what they must decrypt to."""

    def __init__(self, database: Database, organization: Organization, vault: SoftwareVault) -> None:
        self.database, self.organization, self.vault = database, organization, vault
        self.id = organization.organization_id
        self.key = encryption_key(self.id, "pii")
        self.values: dict[Place, bytes] = {}

    def code(self, label: str) -> int:
        return self.organization.lattice.encode(Label.parse(label))

    async def write(self, label: str, id: UUID | None = None, value: bytes | None = None, held: float = 0) -> Place:
        """Encrypts before the transaction, which is `held` open; again where the key has passed meanwhile."""
        place = Place(self.id, "objects", id or uuid4(), self.code(label), "serial")
        value = value or uuid4().bytes
        while True:
            (sealed,) = await self.vault.encrypt(self.key, [Plain(value, place.context)])
            assert not isinstance(sealed, Exception)
            try:
                await self.store(Ciphertext(place, self.key, sealed.key_version, sealed.ciphertext), held)
                break
            except StaleKeys:
                continue
        self.values[place] = value
        return place

    async def store(self, row: Ciphertext, held: float = 0) -> None:
        async with self.database.transaction(Session(self.id, row.place.label)) as transaction:
            await ciphertexts.store(transaction, "objects", [row])
            await asyncio.sleep(held)

    async def check(self) -> dict[int, int]:
        """Holds that everything decrypts to what was written last; how many are under which version."""
        versions: dict[int, int] = {}
        async with self.database.rotating(self.id) as transaction:
            rows = await transaction.fetch(
                "select entity_id, label, field_name, key_version, ciphertext from fabric.encrypted_fields"
            )
        assert len(rows) == len(self.values)
        for row in rows:
            place = Place(self.id, "objects", row["entity_id"], row["label"], row["field_name"])
            (plain,) = await self.vault.decrypt(self.key, [Placed(row["ciphertext"], place.context)])
            assert plain == self.values[place]
            versions[row["key_version"]] = versions.get(row["key_version"], 0) + 1
        return versions


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[SoftwareVault]:
    vault = SoftwareVault(tmp_path / "keyring", b"m" * 32)
    yield vault
    await vault.close()


@pytest.fixture
async def world(database: Database, organization: Organization, vault: SoftwareVault) -> World:
    world = World(database, organization, vault)
    await vault.create_key(world.key, KeyKind.ENCRYPTION)
    return world


@pytest.fixture
def rotations(database: Database, types: Types, vault: SoftwareVault) -> KeyRotations:
    return KeyRotations(database, types, vault, lambda: None)


@asynccontextmanager
async def rotating(world: World, pace: Pace = FAST) -> AsyncIterator[Rotator]:
    rotator = Rotator(world.database, world.vault, pace, look=0.05)
    async with rotator.running():
        yield rotator


async def until(holds: Callable[[], Awaitable[T]]) -> T:
    """Waits for something that is true."""
    async with asyncio.timeout(60):
        while True:
            if found := await holds():
                return found
            await asyncio.sleep(0.01)


async def ended(rotations: KeyRotations, subject: MakeSubject, id: UUID, label: str = LOW) -> Rotation:
    async def look() -> Rotation | None:
        (now,) = await rotations.seen(subject(label), 1, id)
        return None if now.state in (State.RUNNING, State.PAUSED) else now

    found = await until(look)
    assert found is not None
    return found


async def begun(rotations: KeyRotations, subject: MakeSubject, id: UUID) -> bool:
    (now,) = await rotations.seen(subject(), 1, id)
    return now.rows_left < now.rows


async def test_everything_comes_under_the_new_version_at_every_label(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    for label in (LOW, SECRET, ASIDE):
        for _ in range(120):
            await world.write(label)
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        done = await ended(rotations, subject, id)
    assert (done.state, done.target_version, done.rows_left) == (State.DONE, 2, 0)
    assert await world.check() == {2: 360}
    state = await world.vault.key_state(world.key)
    assert (state.latest_version, state.minimum_version) == (2, 2)


async def test_readers_are_told_of_what_they_dominate(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    for label, number in ((LOW, 3), (SECRET, 5), (ASIDE, 7)):
        for _ in range(number):
            await world.write(label)
    id = await rotations.start(subject(), "pii")
    for label, number in ((LOW, 3), (SECRET, 8), (ASIDE, 10)):
        (seen,) = await rotations.seen(subject(label), 1, id)
        assert (seen.rows, seen.rows_left) == (number, number)
        (key,) = await rotations.keys(subject(label))
        assert (key.purpose, key.rows) == ("pii", {1: number})


async def test_a_purpose_that_is_seen_nowhere_is_not_found(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    await world.write(SECRET)
    for purpose in ("pii", "nothing"):
        with pytest.raises(NotFound, match="no encrypted field has this purpose"):
            await rotations.start(subject(), purpose)
    assert await rotations.keys(subject()) == []
    assert [key.purpose for key in await rotations.keys(subject(SECRET))] == ["pii"]


async def test_a_rotation_above_is_neither_seen_nor_in_the_way(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    await world.write(LOW)
    high = await rotations.start(subject(SECRET), "pii")
    assert await rotations.seen(subject(), 10) == []
    low = await rotations.start(subject(), "pii")
    with pytest.raises(Conflict, match="is being rotated"):
        await rotations.start(subject(), "pii")
    async with rotating(world):
        assert (await ended(rotations, subject, high, SECRET)).state is State.DONE
        assert (await ended(rotations, subject, low)).state is State.DONE
    assert await world.check() == {3: 1}


async def test_it_needs_the_permission(rotations: KeyRotations, subject: MakeSubject) -> None:
    for call in (rotations.start(subject(roles=("officer",)), "pii"), rotations.keys(subject(roles=("officer",)))):
        with pytest.raises(Forbidden, match="keys:rotate"):
            await call


async def test_it_pauses_and_goes_on(
    world: World, rotations: KeyRotations, organization: Organization, subject: MakeSubject
) -> None:
    for _ in range(300):
        await world.write(LOW)
    lattice = organization.lattice
    id = await rotations.start(subject(), "pii")
    async with rotating(world, Pace(1_000)) as rotator:
        await until(lambda: begun(rotations, subject, id))
        await rotations.pause(subject(), lattice, id, request_id="r")
        await asyncio.sleep(0.3)
        (paused,) = await rotations.seen(subject(), 1, id)
        assert paused.state is State.PAUSED
        assert 0 < paused.rows_left < 300
        await world.check()
        await asyncio.sleep(0.3)
        assert (await rotations.seen(subject(), 1, id))[0].rows_left == paused.rows_left
        with pytest.raises(Conflict, match="this is PAUSED"):
            await rotations.pause(subject(), lattice, id, request_id="r")
        with pytest.raises(BadInput, match="lower the session label to UNCLASSIFIED"):
            await rotations.resume(subject(SECRET), lattice, id, request_id="r")
        await rotations.resume(subject(), lattice, id, request_id="r")
        rotator.poke()
        assert (await ended(rotations, subject, id)).state is State.DONE
    assert await world.check() == {2: 300}


async def test_a_value_that_no_version_decrypts_keeps_the_old_versions(
    world: World, rotations: KeyRotations, subject: MakeSubject, admin_url: str
) -> None:
    place = await world.write(LOW)
    other = await world.write(SECRET)
    text = "select ciphertext from fabric.encrypted_fields where entity_id = $1"
    [[kept]] = await run_sql(admin_url, text, place.entity_id)
    await run_sql(
        admin_url, "update fabric.encrypted_fields set ciphertext = $2 where entity_id = $1", other.entity_id, kept
    )
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        failed = await ended(rotations, subject, id)
    assert failed.state is State.FAILED
    assert failed.failure == "there are values that no version of the key decrypts"
    assert (await world.vault.key_state(world.key)).minimum_version == 1
    assert await run_sql(admin_url, text, other.entity_id) == [(kept,)]


async def test_what_was_encrypted_before_the_floor_was_raised_cannot_be_stored_after_it(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    await world.write(LOW)
    place = Place(world.id, "objects", uuid4(), 0, "serial")
    (early,) = await world.vault.encrypt(world.key, [Plain(b"early", place.context)])
    assert not isinstance(early, Exception)
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        await ended(rotations, subject, id)
    with pytest.raises(StaleKeys):
        await world.store(Ciphertext(place, world.key, early.key_version, early.ciphertext))


async def test_the_floor_waits_for_who_is_storing(world: World, rotations: KeyRotations, subject: MakeSubject) -> None:
    await world.write(LOW)
    place = Place(world.id, "objects", uuid4(), world.code(SECRET), "serial")
    (early,) = await world.vault.encrypt(world.key, [Plain(b"early", place.context)])
    assert not isinstance(early, Exception)
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        async with world.database.transaction(Session(world.id, place.label)) as transaction:
            row = Ciphertext(place, world.key, early.key_version, early.ciphertext)
            await ciphertexts.store(transaction, "objects", [row])
            await asyncio.sleep(0.5)  # the rotator sees nothing left under the old version, and must not end
            (now,) = await rotations.seen(subject(), 1, id)
            assert (now.state, now.rows_left) == (State.RUNNING, 0)
            assert (await world.vault.key_state(world.key)).minimum_version == 1
        world.values[place] = b"early"
        assert (await ended(rotations, subject, id)).state is State.DONE
    assert await world.check() == {2: 2}


async def test_many_who_store_do_not_keep_it_from_ending(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    stop = asyncio.Event()

    async def keep_storing() -> None:
        """Another value in each of its transactions, which overlap with those of the others."""
        while not stop.is_set():
            await world.write(LOW, held=0.03)

    await world.write(LOW)
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(keep_storing())
        try:
            id = await rotations.start(subject(), "pii")
            async with rotating(world):
                assert (await ended(rotations, subject, id)).state is State.DONE
        finally:
            stop.set()
    assert set(await world.check()) == {2}


async def test_a_vault_that_fails_is_asked_again(
    world: World, rotations: KeyRotations, subject: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await world.write(LOW)
    rewrap, failures = world.vault.rewrap, iter([True, False])

    async def failing(key: str, items: list[Placed]) -> object:
        if next(failures, False):
            raise Unavailable("down")
        return await rewrap(key, items)

    monkeypatch.setattr(world.vault, "rewrap", failing)
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        assert (await ended(rotations, subject, id)).state is State.DONE
    assert await world.check() == {2: 5}


async def test_an_update_between_reading_and_putting_is_kept(
    world: World, rotations: KeyRotations, subject: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = await world.write(LOW)
    gone = await world.write(LOW)
    rewrap = world.vault.rewrap

    async def slow(key: str, items: list[Placed]) -> object:
        answers = await rewrap(key, items)
        await world.write(LOW, place.entity_id)
        async with world.database.transaction(Session(world.id, 0)) as transaction:
            await ciphertexts.remove_all(transaction, "objects", [gone.entity_id])
        world.values.pop(gone, None)
        return answers

    monkeypatch.setattr(world.vault, "rewrap", slow)
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        assert (await ended(rotations, subject, id)).state is State.DONE
    assert await world.check() == {2: 1}


async def test_old_keys_are_rotated_by_policy(world: World, rotations: KeyRotations, subject: MakeSubject) -> None:
    await world.write(SECRET)
    async with rotating(world, Pace(1e6, days=1e-9)):
        (found,) = await until(lambda: rotations.seen(subject(), 1))
        done = await ended(rotations, subject, found.rotation_id)
    assert (done.started_by, done.state, done.rows) == ("schedule", State.DONE, 0)
    assert await world.check() == {2: 1}
    async with rotating(world, Pace(1e6, days=1)):
        await asyncio.sleep(0.3)
    assert len(await rotations.seen(subject(), 10)) == 1


async def test_two_processes_share_the_work_and_one_does_it(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    for _ in range(250):
        await world.write(random.choice([LOW, SECRET]))
    id = await rotations.start(subject(), "pii")
    async with rotating(world), rotating(world), rotating(world):
        assert (await ended(rotations, subject, id)).state is State.DONE
    assert await world.check() == {2: 250}


async def test_its_course_is_told_as_events_at_its_label(
    world: World, rotations: KeyRotations, subject: MakeSubject, admin_url: str
) -> None:
    for label in (LOW, SECRET):
        await world.write(label)
    id = await rotations.start(subject(), "pii")
    async with rotating(world):
        await ended(rotations, subject, id)
    rows = await run_sql(
        admin_url,
        "select topic, label, data->'rows', data->'state' from fabric.events where entity_id = $1 order by position",
        id,
    )
    topics = [row[0] for row in rows if row[0] != "rotation.progressed"]
    assert topics == ["rotation.started", "rotation.done"]
    assert {(row[1], row[2]) for row in rows} == {(0, "1")}
    actions = await run_sql(admin_url, "select action from fabric.audit_log where entity_id = $1 order by audit_id", id)
    assert [row[0] for row in actions] == ["rotation.started", "rotation.done"]


@asynccontextmanager
async def busy(world: World, places: list[Place]) -> AsyncIterator[None]:
    """Somebody keeps writing these values anew, and somebody else keeps reading them, while the block runs."""
    stop = asyncio.Event()

    async def keep_writing() -> None:
        while not stop.is_set():
            place = random.choice(places)
            await world.write(str(world.organization.lattice.decode(place.label)), place.entity_id)

    async def keep_reading() -> None:
        while not stop.is_set():
            place = random.choice(places)
            for _ in range(2):  # what has been re-enveloped meanwhile is read again
                async with world.database.transaction(Session(world.id, place.label)) as transaction:
                    found = (await ciphertexts.read(transaction, "objects", [(place.entity_id, place.label)]))[place]
                (plain,) = await world.vault.decrypt(world.key, [Placed(found.text, place.context)])
                if not isinstance(plain, NotDecryptable):
                    break
            assert isinstance(plain, bytes)

    async with asyncio.TaskGroup() as group:
        group.create_task(keep_writing())
        group.create_task(keep_reading())
        try:
            yield
        finally:
            stop.set()


async def test_under_concurrent_writes_everything_stays_readable(
    world: World, rotations: KeyRotations, subject: MakeSubject
) -> None:
    places = [await world.write(random.choice([LOW, SECRET, ASIDE])) for _ in range(60)]
    async with busy(world, places), rotating(world, Pace(2_000)):
        for version in (2, 3, 4):
            done = await ended(rotations, subject, await rotations.start(subject(), "pii"))
            assert (done.state, done.target_version) == (State.DONE, version)
    assert await world.check() == {4: 60}


async def test_killed_at_random_it_loses_nothing(
    world: World, rotations: KeyRotations, subject: MakeSubject, server_url: str, tmp_path: Path
) -> None:
    places = [await world.write(random.choice([LOW, SECRET, ASIDE])) for _ in range(1_000)]
    id = await rotations.start(subject(), "pii")
    kills = 0
    async with busy(world, places[:100]):  # most values are the rotator's alone, and more than it comes to in two lives
        while (await rotations.seen(subject(), 1, id))[0].state is State.RUNNING:
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(PROGRAM), server_url, str(tmp_path / "keyring"), stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            await asyncio.sleep(random.uniform(0.05, 0.6))
            process.kill()
            await process.wait()
            kills += 1
            assert kills < 60
    assert kills > 2
    (version,) = await world.check()
    assert version == (await world.vault.key_state(world.key)).minimum_version >= 2


async def test_what_was_encrypted_too_early_is_encrypted_anew(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt, calls = safe.vault.encrypt, 0

    async def passing(key: str, items: list[Plain]) -> Any:
        nonlocal calls
        calls += 1
        sealed = await encrypt(key, items)
        if calls == 1:  # a whole rotation comes between
            version = await safe.vault.rotate(key)
            async with safe.database.transaction(Session(safe.organization.organization_id, 0)) as transaction:
                assert await transaction.fetchval("select fabric.raise_key_floor($1, $2)", key, version)
            await safe.vault.set_minimum_version(key, version)
        return sealed

    monkeypatch.setattr(safe.vault, "encrypt", passing)
    id = await safe.make(serial="SN-1")
    assert calls == 2
    assert [u.value for u in await safe.unlock(id, "serial")] == ["SN-1"]
