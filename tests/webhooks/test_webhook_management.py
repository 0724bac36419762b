"""Making and changing webhooks: what is refused, with which path; what is on the record; what is shown."""

from typing import Any

import pytest
from hooks import ASSETS, CREATE, created, make, until
from http_server import Server, Tenant
from receiver import Receiver

UPDATE = """mutation ($id: ID!, $i: UpdateWebhookInput!, $n: Int) {
    updateWebhook(webhookId: $id, input: $i, expectedRevision: $n) { webhook { name url filter revision } } }"""


def given(**changed: Any) -> dict[str, Any]:
    return {"i": {"name": "hook", "url": "https://hooks.example/in", "filter": ASSETS} | changed}


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"url": "ftp://hooks.example/"}, ["input", "url"]),
        ({"url": "https://10.0.0.1/"}, ["input", "url"]),
        ({"url": ""}, ["input", "url"]),
        ({"name": " "}, ["input", "name"]),
        ({"name": "x" * 201}, ["input", "name"]),
        ({"name": "a\u0000b"}, ["input", "name"]),
        ({"filter": {}}, ["input", "filter"]),
        ({"filter": {"changes": None}}, ["input", "filter"]),
        ({"filter": {"linkEvents": {}, "events": {}}}, ["input", "filter"]),
        ({"filter": {"changes": {"type": "Nothing"}}}, ["input", "filter", "changes", "type"]),
        (
            {"filter": {"changes": {"type": "Asset", "where": {"rating": {"gt": "x"}, "count": {"eq": 1.5}}}}},
            ["input", "filter", "changes", "where", "rating", "gt"],
        ),
        ({"filter": {"linkEvents": {"direction": "UP"}}}, ["i", "filter", "linkEvents", "direction"]),
        ({"filter": {"everything": {}}}, ["i", "filter"]),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(assets: Tenant, changed: Any, path: list[str]) -> None:
    assets.ask(CREATE, given(**changed)).refused(path=path)
    assert assets.data("{ webhooks { name } }") == {"webhooks": []}


def test_a_link_event_of_an_object_is_of_one_that_can_be(assets: Tenant) -> None:
    filter = {"linkEvents": {"objectId": "nonsense"}}
    path = ["input", "filter", "linkEvents", "objectId"]
    assets.ask(CREATE, given(filter=filter)).refused("NOT_FOUND", path=path)


def test_a_webhook_is_shown_with_its_filter_and_never_with_its_secret(assets: Tenant, receiver: Receiver) -> None:
    filter = {"linkEvents": {"relations": ["has_sensor"]}}
    hook = created(assets, receiver.url, filter)
    shown = hook.state(
        """webhookId name url filter label owner roles state stoppedFor revision oldSecretUntil waiting lagSeconds
        createdAt updatedAt"""
    )
    assert shown["filter"] == {"linkEvents": {"relations": ["has_sensor"], "direction": "BOTH"}}
    assert (shown["label"], shown["owner"], shown["roles"]) == ("UNCLASSIFIED", "ann", ["admin"])
    assert (shown["name"], shown["url"], shown["revision"], shown["oldSecretUntil"]) == ("hook", receiver.url, 1, None)
    assert hook.secret.startswith("whsec_")
    secret = hook.secret.removeprefix("whsec_")
    rows = assets.server.sql("select w::text from fabric.webhooks w union all select d::text from fabric.audit_log d")
    assert rows
    assert not [row for row in rows if secret in row[0]]


def test_an_update_changes_what_it_names(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    changed = assets.data(UPDATE, {"id": hook.id, "i": {"name": "new"}, "n": 1})["updateWebhook"]["webhook"]
    assert changed == {"name": "new", "url": receiver.url, "filter": ASSETS, "revision": 2}
    answer = assets.ask(UPDATE, {"id": hook.id, "i": {"name": "newer"}, "n": 1})
    answer.refused("CONFLICT", path=["expectedRevision"])
    events = {"events": {"topics": ["object.created"]}}
    changed = assets.data(UPDATE, {"id": hook.id, "i": {"filter": events}})["updateWebhook"]["webhook"]
    assert (changed["filter"], changed["name"], changed["revision"]) == (events, "new", 3)
    make(assets, "pump")
    [received] = receiver.wait_for(1)
    assert hook.verified(received)["data"]["event"]["topic"] == "object.created"
    answer = assets.ask(UPDATE, {"id": hook.id, "i": {"filter": {"changes": {"type": "Nothing"}}}})
    answer.refused(path=["input", "filter", "changes", "type"])


@pytest.mark.parametrize("hours", [-1, 721])
def test_secrets_overlap_for_some_time_only(assets: Tenant, receiver: Receiver, hours: int) -> None:
    hook = created(assets, receiver.url, ASSETS)
    query = "mutation ($id: ID!, $h: Int!) { rotateWebhookSecret(webhookId: $id, overlapHours: $h) { secret } }"
    assets.ask(query, {"id": hook.id, "h": hours}).refused(path=["overlapHours"])


def test_what_managers_do_is_on_the_record(assets: Tenant, receiver: Receiver, server: Server) -> None:
    hook = created(assets, receiver.url, ASSETS, name="bob")
    receiver.wait_ready()
    until(hook, waiting=0)
    hook.update({"name": "other"})
    for mutation in ("pauseWebhook", "resumeWebhook", "rotateWebhookSecret", "replayDeliveries", "discardDeliveries"):
        hook.do(mutation, "webhook { name }")
    hook.do("deleteWebhook", "deletedId")
    rows = server.sql(
        """select action, actor, label, detail, request_id from fabric.audit_log
           where entity_id = $1::text::uuid order by audit_id""",
        hook.id,
    )
    assert [row["action"].removeprefix("webhook.") for row in rows] == [
        "created", "updated", "paused", "resumed", "rotated", "replayed", "discarded", "deleted",
    ]  # fmt: skip
    assert {(row["actor"], row["label"]) for row in rows} == {("bob", 0)}
    assert all(row["request_id"] for row in rows)
    assert rows[0]["detail"] == '{"host": "127.0.0.1", "subscription": "changes"}'
    told = server.sql("select count(*) from fabric.events where topic like 'webhook.%'")
    assert told[0][0] == 0


def test_a_label_has_so_many_webhooks_at_most(assets: Tenant, server: Server, receiver: Receiver) -> None:
    """Those of other labels do not count, so nobody learns of them."""
    server.sql(
        """insert into fabric.webhooks (organization_id, webhook_id, label, name, url, subscription, arguments, owner,
               roles, transaction_id, position, state)
           select organization_id, gen_random_uuid(), label, 'x', 'https://x.example', 'events', '{}', 'ann', '{}',
               0, 0, 'PAUSED'
           from fabric.organizations, generate_series(1, 99), (values (0), (3::bigint << 60)) l(label)
           where name = $1""",
        assets.name,
    )
    created(assets, receiver.url, ASSETS)
    assets.ask(CREATE, given()).refused("CONFLICT")
    assert len(assets.data("{ webhooks { name } }")["webhooks"]) == 100
    created(assets, receiver.url, ASSETS, label="SECRET")
    assets.ask(CREATE, given(), label="SECRET").refused("CONFLICT")
