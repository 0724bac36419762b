"""A webhook that was away for longer than events are kept: it is stopped and says so, rather than skip them."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hooks import ASSETS, SETTINGS, MakePlace, created, make, until
from http_server import TYPES, Server, eventually, serving
from receiver import Receiver

from fabric.seals.retention import Policy, prune
from fabric.seals.seal_keys import sealing_key, trusted_keys


@pytest.fixture
def server(new_place: MakePlace, tmp_path: Path) -> Iterator[Server]:
    """Of its own, for all that is old in it goes."""
    with new_place() as urls, serving(*urls, tmp_path, changed=SETTINGS) as server:
        yield server


def pruned(server: Server) -> None:
    eventually(lambda: not server.sql("select fabric.unsealed()"))
    key = sealing_key(server.settings.data_dir, None)
    policy, later = Policy.of_days(1, 0), datetime.now(UTC) + timedelta(days=2)
    asyncio.run(prune(server.admin_url, policy, key, trusted_keys(key, None), now=later))


def told(receiver: Receiver, number: int) -> list[str]:
    """The objects of so many messages."""
    return [received.data["objectId"] for received in receiver.wait_for(number)]


def test_it_is_stopped_and_goes_on_after_what_was_pruned(server: Server, receiver: Receiver) -> None:
    tenant = server.organization()
    tenant.define(*TYPES)
    hook = created(tenant, receiver.url, ASSETS)
    before = make(tenant, "told")
    assert told(receiver, 1) == before
    hook.do("pauseWebhook")
    make(tenant, "missed", "missed too")
    pruned(server)
    server.sql("update fabric.webhooks set state = 'ACTIVE', revision = revision + 1")
    server.sql("select pg_notify('fabric_webhooks', organization_id::text) from fabric.webhooks")
    until(hook, state="STOPPED", stoppedFor="PRUNED")
    afterwards = make(tenant, "told again")
    hook.do("resumeWebhook")
    assert told(receiver, 2) == before + afterwards
    assert hook.state()["state"] == "ACTIVE"


def test_resuming_goes_on_after_what_was_pruned_meanwhile_and_else_where_it_was(
    server: Server, receiver: Receiver
) -> None:
    tenant = server.organization()
    tenant.define(*TYPES)
    hook = created(tenant, receiver.url, ASSETS)
    receiver.wait_ready()
    hook.do("pauseWebhook")
    make(tenant, "missed")
    pruned(server)
    expected = make(tenant, "told")
    hook.do("resumeWebhook")
    assert told(receiver, 1) == expected
    hook.do("pauseWebhook")
    expected += make(tenant, "waited for")
    hook.do("resumeWebhook")
    assert told(receiver, 2) == expected
