"""The sealer: soon, in commit order, one at a time, whatever stops it; and the checkpoints that it keeps."""

import asyncio
import json
import random
from collections.abc import Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from databases import run_sql, settled
from sealed import HIGH, LOW, MIDDLE, Ground
from structlog.testing import capture_logs

from fabric.database.db import Database
from fabric.errors import FabricError
from fabric.events.journal import Entry, append
from fabric.identity.organizations import establish
from fabric.identity.subject import Session
from fabric.seals import checkpoints, sealing
from fabric.seals.checkpoints import Checkpoint, CheckpointError, ForgedSeal
from fabric.seals.faults import Kind
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.seals.sealing import Pass, Sealer
from fabric.seals.seals import AUDIT_LOG, EVENTS, LOGS, Chain, Head

pytestmark = pytest.mark.anyio

UNSEALED = "select fabric.unsealed()"
AUDITED = """insert into fabric.audit_log (organization_id, label, actor, action, outcome)
             values ($1, 0, 'ann', 'x', 'denied')"""


@pytest.fixture
def sealer(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sealer:
    monkeypatch.setattr(sealing, "INTERVAL", 0.05)
    return Sealer(ground.database, ground.key, ground.trusted, tmp_path)


async def unsealed(ground: Ground) -> set[UUID]:
    return {row[0] for row in await run_sql(ground.admin_url, UNSEALED)}


async def until_sealed(ground: Ground) -> None:
    """Until nothing is left in any organization."""
    for _ in range(1500):
        if not await unsealed(ground):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not sealed in time")


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not in time")


async def writing(database: Database, organization_id: UUID, rng: random.Random, times: int) -> None:
    """Transactions that last a while, at any label; one in five comes to nothing."""
    for _ in range(times):
        session = Session(organization_id, rng.choice([LOW, LOW, MIDDLE, HIGH, HIGH | 5]))
        with suppress(ZeroDivisionError):
            async with database.transaction(session) as transaction:
                for _ in range(rng.randint(1, 2)):
                    entries = [Entry("x", "things", uuid4(), "X", {"n": n}) for n in range(rng.randint(1, 3))]
                    await append(transaction, "ann", entries)
                    await asyncio.sleep(rng.random() * 0.02)
                if rng.random() < 0.2:
                    raise ZeroDivisionError


async def test_nothing_is_wrong_while_fifty_write(
    ground: Ground, sealer: Sealer, server_url: str, tmp_path: Path
) -> None:
    async def verifying() -> int:
        times = 0
        while not done.is_set():
            for of in LOGS:
                kept = checkpoints.kept(tmp_path, ground.id, ground.trusted)
                assert (await ground.verify(of, checkpoint=kept)).faults == []
                assert (await ground.verify(of, LOW, kept)).faults == []
            times += 1
        return times

    done = asyncio.Event()
    async with await Database.connect(server_url, size=50) as database, sealer.running():
        verified = asyncio.create_task(verifying())
        await asyncio.gather(*(writing(database, ground.id, random.Random(n), 8) for n in range(50)))
        await until_sealed(ground)
        await writing(database, ground.id, random.Random(50), 8)  # what all wrote may have been sealed at once
        await until_sealed(ground)
        done.set()
        assert await verified > 1
    (rows,) = await run_sql(ground.admin_url, "select count(*) from fabric.events")
    report = await ground.verify(checkpoint=checkpoints.kept(tmp_path, ground.id, ground.trusted))
    assert (report.faults, sum(c.sealed for c in report.chains.values())) == ([], rows[0])
    assert max(c.seals for c in report.chains.values()) > 1


async def test_sealers_that_are_stopped_anywhere_lose_and_double_nothing(ground: Ground, server_url: str) -> None:
    rng = random.Random(1)

    async def sealing_badly() -> None:
        while not done.is_set():
            with suppress(TimeoutError, FabricError):
                async with asyncio.timeout(rng.random() * 0.02):
                    await ground.seal()

    async def killing() -> None:
        while not done.is_set():
            await asyncio.sleep(rng.random() * 0.1)
            await run_sql(
                ground.admin_url,
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                " and pid <> pg_backend_pid() and application_name = 'semantic-fabric' and query ~ 'fabric.seals'",
            )

    done = asyncio.Event()
    async with await Database.connect(server_url, size=12) as database:
        others = [asyncio.create_task(work()) for work in (sealing_badly, sealing_badly, sealing_badly, killing)]
        await asyncio.gather(
            *(writing(database, ground.id, random.Random(n), 20) for n in range(12)), return_exceptions=True
        )
        done.set()
        await asyncio.gather(*others)
    while (await ground.seal()).more:
        pass
    for of in LOGS:
        report = await ground.verify(of)
        assert report.faults == []
        assert sum(c.unsealed for c in report.chains.values()) == 0


async def test_of_many_that_seal_at_once_one_does(ground: Ground) -> None:
    for _ in range(5):
        await ground.write(LOW, 3)
        await asyncio.gather(*(ground.seal() for _ in range(6)))
    report = await ground.verify()
    assert (report.faults, report.chains[LOW].sealed, report.chains[LOW].seals) == ([], 15, 5)


async def test_two_that_pass_the_lock_make_no_two_seals(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_LOCK", "select $1::text <> ''")
    await ground.write(LOW, 300)
    done = await asyncio.gather(*(ground.seal() for _ in range(4)))
    assert sorted(bool(d.heads) for d in done).count(True) >= 1
    report = await ground.verify()
    assert (report.faults, report.chains[LOW].sealed) == ([], 300)


async def test_who_read_before_another_sealed_does_not_seal_the_same_after_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the chain is looked at after the rows, and by then another may have been faster."""
    monkeypatch.setattr(sealing, "_LOCK", "select $1::text <> ''")
    await ground.write(LOW, 3)
    original = sealing._head
    overtaken: list[Pass] = []

    async def late(*asked: Any) -> Head | None:
        if not overtaken:
            overtaken.append(Pass({}, False))
            overtaken[0] = await ground.seal()
        return await original(*asked)

    monkeypatch.setattr(sealing, "_head", late)
    assert await ground.seal() == Pass({}, True)
    assert overtaken[0].heads
    report = await ground.verify()
    assert (report.faults, report.chains[LOW].sealed) == ([], 3)


async def test_what_commits_late_is_waited_for_and_stands_where_it_began(ground: Ground) -> None:
    async with ground.database.transaction(Session(ground.id, LOW)) as early:
        await append(early, "ann", [Entry("early", "x", None, "X", {})])
        await ground.write()
        assert await ground.seal() == sealing.Pass({}, True)
        assert (await ground.verify()).chains[LOW].unsealed == 1
    assert (await ground.seal()).more is False
    assert (await ground.verify()).chains[LOW].sealed == 2
    assert await ground.kinds() == []


async def test_a_pass_takes_only_so_many_rows(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MOST", 10)
    for label in (LOW, HIGH, LOW):
        await ground.write(label, 5)
    assert [(await ground.seal()).more for _ in range(2)] == [True, False]
    assert await ground.kinds() == []
    assert (await ground.verify()).chains[LOW].seals == 2


async def test_what_is_written_is_sealed_without_asking(ground: Ground, sealer: Sealer) -> None:
    async with sealer.running():
        for label in (LOW, HIGH):
            await ground.write(label)
            await until_sealed(ground)
    assert {label: c.sealed for label, c in (await ground.verify()).chains.items()} == {LOW: 1, HIGH: 1}


async def test_an_audit_record_alone_wakes_too(ground: Ground, sealer: Sealer) -> None:
    async with sealer.running():
        await until_sealed(ground)
        await asyncio.sleep(0.2)
        await ground.attack(AUDITED, ground.id)
        await until_sealed(ground)
    assert (await ground.verify(AUDIT_LOG)).chains[LOW].sealed == 1


async def test_what_was_left_is_sealed_at_the_start_and_what_comes_last_at_the_end(
    ground: Ground, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await establish(ground.admin_url, "other")
    await ground.write()
    (row,) = await run_sql(ground.admin_url, "select organization_id from fabric.organizations where name = 'other'")
    await run_sql(ground.admin_url, AUDITED, row[0])
    assert await unsealed(ground) == {ground.id, row[0]}
    async with sealer.running():
        await until_sealed(ground)
        monkeypatch.setattr(sealing, "INTERVAL", 1000.0)
        await asyncio.sleep(0.1)
        await ground.write()
        await settled(ground.admin_url)
        assert await unsealed(ground) == {ground.id}
    assert await unsealed(ground) == set()


async def test_organizations_that_nothing_happens_in_are_not_asked_for(
    ground: Ground, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        await establish(ground.admin_url, f"quiet {n}")
    passes: list[UUID] = []
    original = sealing.seal

    async def counted(database: Database, organization_id: UUID, *rest: Any) -> sealing.Pass:
        passes.append(organization_id)
        return await original(database, organization_id, *rest)

    monkeypatch.setattr(sealing, "seal", counted)
    async with sealer.running():
        await ground.write()
        await until_sealed(ground)
        assert set(passes) == {ground.id}
        number = len(passes)
        await asyncio.sleep(0.3)
        assert len(passes) <= number + 1  # that one may still have been due


async def test_sealing_goes_on_after_the_database_was_away(
    ground: Ground, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_AFTER_FAILURE", 0.05)
    async with sealer.running():
        await ground.write()
        await until_sealed(ground)
        await ground.attack(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        for _ in range(5):
            with suppress(FabricError):
                await ground.write()
        await until_sealed(ground)
    assert await ground.kinds() == []


def of(ground: Ground, told: Iterable[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    """What the log says of this organization: servers of other tests may live in the same process."""
    return [each for each in told if each.get("organization") == ground.id]


async def test_a_chain_whose_end_is_forged_is_not_gone_on_with(ground: Ground, sealer: Sealer) -> None:
    await ground.write()
    await ground.seal()
    await ground.attack("update fabric.seals set position = position + 100 where log = 'events'")
    await ground.write()
    with pytest.raises(ForgedSeal):
        await ground.seal()
    with capture_logs() as told:
        async with sealer.running():
            await asyncio.sleep(0.3)
    assert [(each["event"], each["organization"]) for each in of(ground, told)] == [("seals.alarm", ground.id)]
    with pytest.raises(ForgedSeal):
        await ground.checkpoint()


# Checkpoints


async def heads(ground: Ground, tmp_path: Path) -> dict[Chain, Head]:
    kept = checkpoints.kept(tmp_path, ground.id, ground.trusted)
    return dict(kept.heads) if kept else {}


async def test_the_newest_heads_are_kept(ground: Ground, sealer: Sealer, tmp_path: Path) -> None:
    async with sealer.running():
        for label in (LOW, HIGH, LOW):
            await ground.write(label)
            await until_sealed(ground)
            await asyncio.sleep(0.2)
        assert await heads(ground, tmp_path) == (await ground.checkpoint()).heads
    file = checkpoints.file_of(tmp_path, ground.id)
    assert [path.name for path in file.parent.iterdir()] == [f"{ground.id}.json"]
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_cut_is_told_of_and_its_evidence_is_kept(ground: Ground, sealer: Sealer, tmp_path: Path) -> None:
    async with sealer.running():
        await ground.write(LOW, 2)
        await ground.write(HIGH)
        await until_sealed(ground)
        await ground.write(LOW, 2)
        await until_sealed(ground)
    evidence = await heads(ground, tmp_path)
    await ground.attack("delete from fabric.seals where log = 'events' and label = 0 and sequence = 2")
    await ground.attack("delete from fabric.events where position > 3")
    with capture_logs() as told:
        async with sealer.running():
            await ground.write()
            await until_sealed(ground)
            await ground.write()
            await until_sealed(ground)
        assert sealer.alarmed == {ground.id}
    assert [each["event"] for each in of(ground, told) if each["log_level"] == "error"] == ["seals.alarm"]
    assert await heads(ground, tmp_path) == evidence
    assert await ground.kinds() == []
    kept = checkpoints.kept(tmp_path, ground.id, ground.trusted)
    assert await ground.kinds(checkpoint=kept) == [Kind.REPLACED]


async def test_a_checkpoint_that_is_not_trusted_is_told_of_and_left_alone(
    ground: Ground, sealer: Sealer, tmp_path: Path
) -> None:
    forger = SealingKey(Ed25519PrivateKey.generate())
    forged = Checkpoint(ground.id, (await ground.checkpoint()).made_at, {})
    checkpoints.keep(tmp_path, forged, forger)
    before = checkpoints.file_of(tmp_path, ground.id).read_bytes()
    with capture_logs() as told:
        async with sealer.running():
            await ground.write()
            await until_sealed(ground)
    assert [each["event"] for each in of(ground, told)] == ["seals.alarm"]
    assert checkpoints.file_of(tmp_path, ground.id).read_bytes() == before


async def test_a_folder_that_takes_no_checkpoint_is_told_of_and_sealing_goes_on(
    ground: Ground, sealer: Sealer, tmp_path: Path
) -> None:
    (tmp_path / checkpoints.FOLDER).write_text("in the way")
    with capture_logs() as told:
        async with sealer.running():
            for _ in range(2):
                await ground.write()
                await until_sealed(ground)
                await until(lambda: sealer.alarmed == {ground.id})
            (tmp_path / checkpoints.FOLDER).unlink()
            await ground.write()
            await until_sealed(ground)
            await until(lambda: not sealer.alarmed)
    assert [each["event"] for each in of(ground, told)] == ["seals.alarm"]
    assert sealer.alarmed == set()
    assert await heads(ground, tmp_path) == (await ground.checkpoint()).heads


async def test_a_pass_that_finds_nothing_does_not_make_good_a_checkpoint_that_could_not_be_kept(
    ground: Ground, sealer: Sealer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    with capture_logs() as told:
        async with sealer.running():
            with monkeypatch.context() as patched:
                patched.setattr(checkpoints, "keep", full)
                await ground.write()
                await until(lambda: sealer.alarmed == {ground.id})
                for _ in range(3):
                    sealer._notice(ground.id)
                    await asyncio.sleep(0.15)
                assert sealer.alarmed == {ground.id}
            sealer._notice(ground.id)
            await until(lambda: not sealer.alarmed)
    assert [each["event"] for each in of(ground, told)] == ["seals.alarm"]
    assert await heads(ground, tmp_path) == (await ground.checkpoint()).heads


async def test_a_checkpoint_is_what_was_signed(ground: Ground) -> None:
    await ground.write(HIGH)
    await ground.seal()
    checkpoint = await ground.checkpoint()
    text = checkpoint.signed(ground.key)
    assert Checkpoint.read(text, ground.trusted) == checkpoint
    assert set(checkpoint.heads) == {Chain(of.name, HIGH) for of in LOGS}
    for part, other in (("organization", str(uuid4())), ("madeAt", "2020-01-01T00:00:00+00:00"), ("chains", [])):
        document = json.loads(text)
        document["checkpoint"][part] = other
        with pytest.raises(CheckpointError, match="not of what it says"):
            Checkpoint.read(json.dumps(document), ground.trusted)
    with pytest.raises(CheckpointError, match="signed by another key"):
        Checkpoint.read(text, TrustedKeys([Ed25519PrivateKey.generate().public_key()]))
    for nonsense in (
        "",
        "[]",
        "{}",
        "x",
        '{"checkpoint": {}, "key": 1}',
        '{"checkpoint": 1, "key": "a", "signature": 2}',
    ):
        with pytest.raises(CheckpointError):
            Checkpoint.read(nonsense, ground.trusted)


async def test_a_checkpoint_of_another_organization_is_none(ground: Ground, tmp_path: Path) -> None:
    other = replace(await ground.checkpoint(), organization_id=uuid4())
    checkpoints.keep(tmp_path, other, ground.key)
    path = checkpoints.file_of(tmp_path, other.organization_id)
    path.rename(path.with_name(f"{ground.id}.json"))
    with pytest.raises(CheckpointError, match="another organization"):
        checkpoints.kept(tmp_path, ground.id, ground.trusted)
    assert checkpoints.kept(tmp_path, uuid4(), ground.trusted) is None


# What row security lets through


@pytest.fixture
async def labelled(ground: Ground) -> Ground:
    for label in (LOW, MIDDLE, HIGH):
        await ground.write(label)
    await ground.seal()
    return ground


async def test_a_session_sees_the_seals_of_the_labels_it_dominates(labelled: Ground) -> None:
    for label, seen in ((LOW, [LOW]), (MIDDLE, [LOW, MIDDLE]), (HIGH, [LOW, MIDDLE, HIGH])):
        async with labelled.database.transaction(Session(labelled.id, label)) as transaction:
            rows = await transaction.fetch("select label from fabric.seals where log = 'events' order by label")
            assert [row[0] for row in rows] == seen
    assert await labelled.database.ask("select 1 from fabric.seals") == []
    async with labelled.database.transaction(Session(uuid4(), HIGH)) as transaction:
        assert await transaction.fetch("select 1 from fabric.seals") == []


@pytest.mark.parametrize(
    "statement",
    [
        "update fabric.seals set sequence = 9",
        "delete from fabric.seals",
        "delete from fabric.events",
        "update fabric.prunings set kept = 0",
        "delete from fabric.prunings",
        "insert into fabric.prunings select organization_id, log, label, 1, 1, transaction_id, position, 0, digest,"
        " sealed_at, key_id, signature from fabric.seals",
        "insert into fabric.seals select organization_id, log, label + 1, sequence, transaction_id, position, covered,"
        " marks, previous, digest, sealed_at, key_id, signature from fabric.seals",
        "create or replace function fabric.lift() returns bigint language sql as 'select 1::bigint'",
    ],
)
async def test_the_serving_role_can_add_seals_at_its_label_and_nothing_else(labelled: Ground, statement: str) -> None:
    with pytest.raises(FabricError):
        async with labelled.database.transaction(Session(labelled.id, LOW)) as transaction:
            await transaction.fetch(statement)


async def test_the_follower_writes_no_seals(labelled: Ground) -> None:
    with pytest.raises(FabricError):
        async with labelled.database.following(labelled.id) as transaction:
            await transaction.fetch(
                "insert into fabric.seals select organization_id, log, label, 5, transaction_id, position, covered,"
                " marks, previous, digest, sealed_at, key_id, signature from fabric.seals limit 1"
            )


async def test_who_has_unsealed_rows_is_told_by_id_alone(labelled: Ground) -> None:
    assert await labelled.database.ask(UNSEALED) == []
    await labelled.write(HIGH)
    assert [tuple(row) for row in await labelled.database.ask(UNSEALED)] == [(labelled.id,)]
    assert await labelled.kinds(EVENTS) == []
