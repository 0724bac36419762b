"""`verify` and `prune`, as an operator calls them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from command_line import Run
from databases import run_sql, settled
from sealed import HIGH, LOW

from fabric.database.db import Database
from fabric.events.journal import Entry, append
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.subject import Session
from fabric.seals import checkpoints
from fabric.seals.seal_keys import FILE, sealing_key, trusted_keys
from fabric.seals.sealing import Sealer, seal


@pytest.fixture
def run(run: Run, admin_url: str) -> Run:
    asyncio.run(establish(admin_url, "acme", ("ALPHA",)))
    return run


def written(url: str, data_dir: Path, *labels: int, sealing: bool = True) -> Organization:
    """A transaction of two events at each label, sealed by a server's sealer, which keeps a checkpoint."""

    async def work() -> Organization:
        key = sealing_key(data_dir, None)
        async with await Database.connect(url) as database:
            organization = await Directory(database).find("acme")
            assert organization is not None
            for label in labels:
                async with database.transaction(Session(organization.organization_id, label)) as transaction:
                    await append(transaction, "ann", [Entry("x.y", "x", uuid4(), "X", {}) for _ in range(2)])
            if sealing:
                await settled(url)
                async with Sealer(database, key, trusted_keys(key, None), data_dir).running():
                    pass
            return organization

    return asyncio.run(work())


def logs(command: str = "events", *more: str) -> list[str]:
    return ["verify", command, "--organization", "acme", *more]


def test_what_is_as_it_was_written_is_said_to_be(run: Run, server_url: str, tmp_path: Path) -> None:
    written(server_url, tmp_path, LOW, HIGH)
    written(server_url, tmp_path, LOW, sealing=False)
    for command, rows in (("events", "events"), ("audit", "records")):
        said = run(*logs(command))
        assert (said.code, said.err) == (0, "")
        low, high, last = said.out.splitlines()
        assert low.startswith(f"UNCLASSIFIED: 2 {rows} under 1 seal; the last of ")
        assert "; 2 not sealed yet, the first of " in low
        assert high.startswith(f"TOP_SECRET: 2 {rows} under 1 seal; the last of ")
        assert last == "✓ as it was written"
        assert len(run(*logs(command, "--clearance", "SECRET/ALPHA")).out.splitlines()) == 2


def test_faults_are_lines_and_the_code_is_1(run: Run, server_url: str, admin_url: str, tmp_path: Path) -> None:
    written(server_url, tmp_path, LOW, HIGH)
    asyncio.run(run_sql(admin_url, "update fabric.events set actor = 'eve' where label > 0"))
    said = run(*logs())
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith("✗ TOP_SECRET: changed: under seal 1 of 20")
    assert said.out.splitlines()[-1] == "✗ 1 fault"
    assert run(*logs("events", "--clearance", "SECRET")).code == 0
    assert run(*logs("audit")).code == 0


def test_the_checkpoint_that_servers_keep_is_used_and_one_that_is_given_too(
    run: Run, server_url: str, admin_url: str, tmp_path: Path
) -> None:
    organization = written(server_url, tmp_path, LOW)
    written(server_url, tmp_path, LOW)
    printed = run("verify", "checkpoint", "--organization", "acme")
    assert printed.code == 0
    kept = checkpoints.file_of(tmp_path, organization.organization_id)
    assert json.loads(printed.out)["checkpoint"]["chains"] == json.loads(kept.read_text())["checkpoint"]["chains"]
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(printed.out)
    for table, number in (("events", "position"), ("seals", "sequence")):
        asyncio.run(run_sql(admin_url, f"delete from fabric.{table} where {number} > {2 if table == 'events' else 1}"))
    assert "✗ UNCLASSIFIED: cut: the chain ends with seal 1; a checkpoint tells of seal 2" in run(*logs()).out
    kept.unlink()
    assert run(*logs()).code == 0
    assert run(*logs("events", "--checkpoint", str(elsewhere))).code == 1
    assert run(*logs("events", "--checkpoint", str(elsewhere), "--clearance", "SECRET")).code == 1


def test_a_checkpoint_tells_nothing_above_the_clearance(run: Run, server_url: str, tmp_path: Path) -> None:
    written(server_url, tmp_path, LOW, HIGH)
    low = json.loads(run("verify", "checkpoint", "--organization", "acme", "--clearance", "SECRET").out)
    assert {chain["label"] for chain in low["checkpoint"]["chains"]} == {"0"}


def test_others_verify_with_the_public_key_alone(run: Run, server_url: str, tmp_path: Path) -> None:
    written(server_url, tmp_path, LOW)
    public = tmp_path / "public.pem"
    public.write_text(run("verify", "key").out)
    assert "BEGIN PUBLIC KEY" in public.read_text()
    elsewhere = tmp_path / "elsewhere"
    told = run(*logs("events", "--data-dir", str(elsewhere)))
    assert (told.code, "`semantic-fabric verify key`" in told.err) == (2, True)
    assert run(*logs("events", "--data-dir", str(elsewhere), "--public-keys", str(public))).code == 0
    other = sealing_key(tmp_path / "other", None)
    public.write_text(other.public_pem)
    checkpointless = run(*logs("events", "--data-dir", str(elsewhere), "--public-keys", str(public)))
    assert (checkpointless.code, "seal of another key" in checkpointless.out) == (1, True)


def test_a_key_can_be_exchanged_where_the_earlier_one_is_named(
    run: Run, server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(server_url, tmp_path, LOW)
    earlier = tmp_path / "earlier.pem"
    earlier.write_text(run("verify", "key").out)
    (tmp_path / FILE).unlink()
    new = sealing_key(tmp_path, None)
    assert run(*logs()).code == 2
    monkeypatch.setenv("FABRIC_SEAL_PUBLIC_KEYS_FILE", str(earlier))

    async def seal_on() -> None:
        async with await Database.connect(server_url) as database:
            found = await Directory(database).find("acme")
            assert found is not None
            async with database.transaction(Session(found.organization_id, LOW)) as transaction:
                await append(transaction, "ann", [Entry("x.y", "x", uuid4(), "X", {})])
            await settled(server_url)
            await seal(database, found.organization_id, new, trusted_keys(new, earlier), {})

    asyncio.run(seal_on())
    said = run(*logs())
    assert (said.code, "3 events under 2 seals" in said.out) == (0, True)


@pytest.mark.parametrize("content", ["", "{}", '{"checkpoint": {}, "key": "x", "signature": ""}'])
def test_what_is_no_checkpoint_is_refused(run: Run, server_url: str, tmp_path: Path, content: str) -> None:
    written(server_url, tmp_path, LOW)
    (tmp_path / "c.json").write_text(content)
    said = run(*logs("events", "--checkpoint", str(tmp_path / "c.json")))
    assert (said.code, said.out) == (2, "")
    assert f"{tmp_path / 'c.json'}: it is" in said.err
    assert run(*logs("events", "--checkpoint", str(tmp_path / "none.json"))).code == 2


def test_where_no_server_has_run_nothing_is_made(run: Run, tmp_path: Path) -> None:
    for command in (logs(), ["verify", "key"], ["verify", "checkpoint", "--organization", "acme"],
                    ["prune", "--events-kept-days", "1"]):  # fmt: skip
        assert run(*command).code == 2
    assert not (tmp_path / FILE).exists()


def test_an_organization_in_which_nothing_happened_has_no_fault(run: Run, server_url: str, tmp_path: Path) -> None:
    sealing_key(tmp_path, None)
    assert run(*logs()).out == "✓ nothing is there\n"
    assert "no organization 'x'" in run("verify", "events", "--organization", "x").err


# Pruning


def test_what_is_kept_for_ever_is_not_pruned(run: Run, server_url: str, tmp_path: Path) -> None:
    written(server_url, tmp_path, LOW)
    said = run("prune")
    assert (said.code, "set FABRIC_EVENTS_KEPT_DAYS or FABRIC_AUDIT_KEPT_DAYS" in said.err) == (2, True)


def test_what_is_older_than_the_settings_say_is_pruned(
    run: Run, server_url: str, admin_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(server_url, tmp_path, LOW)
    assert run("prune", "--events-kept-days", "1").out == "pruned: 0 of events\n"
    monkeypatch.setattr("fabric.seals.retention.datetime", Tomorrow)
    assert (
        run("prune", "--events-kept-days", "1", "--audit-kept-days", "3").out == "pruned: 2 of events, 0 of audit_log\n"
    )
    said = run(*logs())
    assert said.code == 0
    assert "2 events under 1 seal; the last of " in said.out
    assert "; 2 pruned of those up to " in said.out
    asyncio.run(run_sql(admin_url, "update fabric.audit_log set actor = 'eve'"))
    refused = run("prune", "--audit-kept-days", "1")
    assert (refused.code, "`semantic-fabric verify` tells more" in refused.out) == (1, True)


class Tomorrow(datetime):
    """The clock of who prunes, two days on."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + timedelta(days=2)
