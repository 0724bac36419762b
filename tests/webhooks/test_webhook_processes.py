"""Several processes, and processes that end in the middle: each webhook is delivered by one, and nothing is lost."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from databases import run_sql
from hooks import ASSETS, SETTINGS, Hook, MakePlace, created, make, rate, until
from http_server import TYPES, Server, Tenant, serving
from receiver import Received, Receiver, Reply

from fabric.webhooks import courier as webhook_courier
from fabric.webhooks import worker as webhook_worker

ROOT = Path(__file__).parent.parent.parent

CLAIMS = """
select a.pid, count(*) from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and a.application_name = 'semantic-fabric-webhooks'
  and a.datname = current_database() group by a.pid"""


@pytest.fixture
def place(new_place: MakePlace) -> Iterator[tuple[str, str]]:
    with new_place() as urls:
        yield urls


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_worker, "LOOK", 0.3)


def tenant_of(server: Server) -> Tenant:
    tenant = server.organization()
    tenant.define(*TYPES)
    return tenant


def claims(server: Server) -> list[int]:
    """How many webhooks each process has."""
    return sorted(row["count"] for row in server.sql(CLAIMS))


def eventually(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_order(receiver: Receiver, ids: list[str], last: int) -> None:
    """Each object's messages were first taken in the order of what happened, and none is missing."""
    ratings: dict[str, list[Any]] = {id: [] for id in ids}
    seen = set()
    for received in receiver.told():
        if received.id not in seen:
            seen.add(received.id)
            ratings[received.data["objectId"]].append(received.data["node"]["rating"])
    assert ratings == {id: [None, *range(1, last + 1)] for id in ids}


def test_two_processes_share_the_webhooks_and_tell_everything_once(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    folder = tmp_path_factory.mktemp("hooks")
    with serving(*place, folder, changed=SETTINGS) as one:
        tenant = tenant_of(one)
        hooks = [created(tenant, f"{receiver.url}/{n}", ASSETS) for n in range(4)]
        receiver.wait_ready(4)
        assert claims(one) == [4]
        with serving(*place, folder, changed=SETTINGS) as other:
            eventually(lambda: claims(one) == [2, 2])
            ids = make(tenant, *"abc")
            for rating in range(1, 4):
                for id in ids:
                    rate(Tenant(other, tenant.name), id, rating)
            receiver.wait_for(48)
            for hook in hooks:
                until(hook, waiting=0)
            assert set(Counter((r.path, r.id) for r in receiver.told()).values()) == {1}
            for n in range(4):
                path = f"/hook/{n}"
                mine = Receiver(receiver.url, 0, taken=[r for r in receiver.taken if r.path == path])
                in_order(mine, ids, 3)
        eventually(lambda: claims(one) == [4])
        make(tenant, "late")
        receiver.wait_for(52)


def test_who_loses_its_claims_takes_them_up_again(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    with serving(*place, tmp_path_factory.mktemp("hooks"), changed=SETTINGS) as server:
        tenant = tenant_of(server)
        created(tenant, receiver.url, ASSETS)
        receiver.wait_ready()
        for name in "ab":
            server.sql(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name = 'semantic-fabric-webhooks' and datname = current_database()"""
            )
            make(tenant, name)
        receiver.wait_for(2)
        server.sql(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()"""
        )
        eventually(lambda: server.client.get("/readyz").status_code == 200)
        eventually(lambda: tenant.ask("{ webhooks { name } }").status == 200)
        make(tenant, "c")
        names = {received.data["node"]["name"] for received in receiver.wait_for(3)}
        assert names == {"a", "b", "c"}


def test_a_process_that_does_not_deliver_still_manages(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    with serving(*place, tmp_path_factory.mktemp("hooks"), changed=SETTINGS | {"webhooks": False}) as server:
        hook = created(tenant_of(server), receiver.url, ASSETS)
        time.sleep(0.5)
        assert hook.state()["waiting"] == 1
        assert receiver.requests == []
        assert claims(server) == []


def test_a_receiver_that_is_away_fills_no_memory(
    place: tuple[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only so many messages wait; the rest stays in the events until there is room."""
    monkeypatch.setattr(webhook_courier, "MOST_WAITING", 20)
    monkeypatch.setattr(webhook_courier, "_PAGE", 10)
    with serving(*place, tmp_path_factory.mktemp("hooks"), changed=SETTINGS) as server:
        tenant = tenant_of(server)
        hook = created(tenant, receiver.url, ASSETS)
        receiver.wait_ready()
        receiver.behaviour = lambda _: Reply(500)
        ids = make(tenant, *(f"asset {n}" for n in range(20)))
        for rating in (1, 2):
            for id in ids:
                rate(tenant, id, rating)
        eventually(lambda: hook.state()["waiting"] >= 20)
        time.sleep(0.5)
        assert hook.state()["waiting"] < 20 + 10
        receiver.behaviour = lambda _: Reply(200)
        receiver.wait_for(60)
        in_order(receiver, ids, 2)
        until(hook, waiting=0)


def test_once_a_receiver_takes_messages_again_nothing_waits_for_its_pause(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    slow = SETTINGS | {"webhook_retry_seconds": 600.0}
    with serving(*place, tmp_path_factory.mktemp("hooks"), changed=slow) as server:
        tenant = tenant_of(server)
        hook = created(tenant, receiver.url, ASSETS)
        receiver.wait_ready()
        receiver.behaviour = lambda _: Reply(500)
        ids = make(tenant, *"abc")
        receiver.wait(lambda: len(receiver.requests) == 4, "three failures")
        until(hook, lastFailure="HTTP_500")
        for id in ids:
            rate(tenant, id, 1)
        receiver.behaviour = lambda _: Reply(200)
        make(tenant, "d")
        receiver.wait_for(7)
        in_order(Receiver("", 0, taken=[r for r in receiver.taken if r.data.get("objectId") in ids]), ids, 1)


# Processes of their own, that can be killed


@contextmanager
def process(urls: tuple[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that delivers; killed as the block ends, if nobody has ended it before."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FABRIC_")} | {
        "FABRIC_DATA_DIR": str(folder),
        "FABRIC_DATABASE_URL": urls[0],
        "FABRIC_PORT": "0",
        "FABRIC_LOG_FORMAT": "json",
        "FABRIC_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "FABRIC_WEBHOOK_RETRY_SECONDS": "0.05",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "graphql_api.cli", "serve"], env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            assert started.stderr
            said = []
            for line in started.stderr:
                said.append(line)
                if '"serving"' in line:
                    break
            assert '"serving"' in said[-1], said
            yield started
        finally:
            started.kill()


def test_nothing_is_lost_when_processes_are_killed(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, receiver: Receiver
) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path_factory.mktemp("hooks")
    with serving(*place, folder, changed=SETTINGS | {"webhooks": False}) as server:
        tenant = tenant_of(server)
        hook = created(tenant, receiver.url, ASSETS)

        tries: Counter[str] = Counter()

        def moody(received: Received) -> Reply:
            time.sleep(0.02)
            tries[received.id] += 1
            return Reply(500 if int(received.id[-1], 16) < 3 and tries[received.id] < 2 else 200)

        receiver.behaviour = moody
        ids = make(tenant, *(f"asset {n}" for n in range(10)))
        for round in range(2):
            with process(place, tmp_path) as delivering:
                for rating in range(4 * round + 1, 4 * round + 5):
                    for id in ids:
                        rate(tenant, id, rating)
                receiver.wait_for(40 * round + 15)
                delivering.send_signal(signal.SIGKILL)
                delivering.wait(10)
        with process(place, tmp_path) as delivering:
            receiver.wait(lambda: len({r.id for r in receiver.told()}) == 90, "all")
            until(hook, waiting=0)
            delivering.send_signal(signal.SIGTERM)
            assert delivering.wait(20) == 0
        in_order(receiver, ids, 8)
        # At most those on their way, and as many that had arrived and were not written down yet.
        doubled = len(receiver.told()) - 90
        assert doubled <= 2 * (2 * webhook_courier.AT_ONCE)


def test_what_is_on_its_way_when_a_process_ends_is_not_sent_twice(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    def slow(_: Received) -> Reply:
        time.sleep(0.5)
        return Reply(200)

    folder = tmp_path_factory.mktemp("hooks")
    with serving(*place, folder, changed=SETTINGS) as server:
        tenant = tenant_of(server)
        hook = created(tenant, receiver.url, ASSETS)
        receiver.wait_ready()
        receiver.behaviour = slow
        make(tenant, "pump")
        receiver.wait(lambda: len(receiver.requests) == 2, "its beginning")
    with serving(*place, folder, changed=SETTINGS) as server:
        hook = Hook(Tenant(server, tenant.name), hook.id, hook.secret, {})
        until(hook, waiting=0)
        assert len(receiver.requests) == 2


def test_who_was_superseded_writes_nothing(
    place: tuple[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    """A process that was cut off and comes back: its messages are still on their way, the webhook is another's."""
    with serving(*place, tmp_path_factory.mktemp("hooks"), changed=SETTINGS) as server:
        tenant = tenant_of(server)
        hook = created(tenant, receiver.url, ASSETS)
        receiver.wait_ready()
        until(hook, waiting=0)

        def taken_over(_: Received) -> Reply:
            asyncio.run(run_sql(server.admin_url, "update fabric.webhooks set epoch = epoch + 1"))
            return Reply(200)

        receiver.behaviour = taken_over
        make(tenant, "pump")
        receiver.wait_for(1)
        receiver.behaviour = lambda _: Reply(200)
        until(hook, waiting=0)  # by who has it next
        assert [r.id for r in receiver.told()] == [receiver.told()[0].id] * 2


def test_other_databases_of_the_server_have_claims_of_their_own(
    place: tuple[str, str], server: Server, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> None:
    with serving(*place, tmp_path_factory.mktemp("hooks"), changed=SETTINGS) as other:
        for each in (server, other):
            created(tenant_of(each), receiver.url, ASSETS)
        receiver.wait_ready(2)
