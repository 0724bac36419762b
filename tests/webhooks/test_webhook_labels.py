"""What labels and roles do to webhooks: nothing above the label leaves, and nothing that the owner's roles forbid."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hooks import ASSETS, CREATE, SETTINGS, Hook, MakePlace, created, make, rate, until
from http_server import TYPES, Server, Tenant, serving
from receiver import Receiver, receiving

from fabric.identity.policy import DEFAULT_POLICY
from fabric.identity.revocations import revoke_subject, revoke_token

SECRET = "SECRET/ALPHA"
LIST = "{ webhooks { webhookId name label } }"

EVERYTHING: tuple[dict[str, Any], ...] = ({"linkEvents": {}}, {"events": {}}, ASSETS)

POLICY = DEFAULT_POLICY.read_text("utf-8") + """
[roles.departing]
permissions = ["webhook:manage", "object:read", "link:read"]
"""


def high_things(tenant: Tenant) -> str:
    """Makes what only SECRET/ALPHA sees, the other side of a cover story included; the id that both sides have."""
    [id] = make(tenant, "pump")
    rate(tenant, id, 66, label=SECRET)
    make(tenant, "high pump", label=SECRET)
    tenant.data('mutation { createSensor(input: {name: "high dial"}) { changed } }', label=SECRET)
    sensor = tenant.data('{ sensorByKey(name: "high dial") { id } }', label=SECRET)["sensorByKey"]["id"]
    link = {"relation": "has_sensor", "from": id, "to": sensor}
    tenant.data("mutation ($i: LinkInput!) { link(input: $i) { linkId } }", {"i": link}, label=SECRET)
    return id


@pytest.mark.parametrize("clearance", ["UNCLASSIFIED", SECRET], ids=["low maker", "high maker at a low session"])
def test_a_low_webhook_never_hears_of_high_things(assets: Tenant, receiver: Receiver, clearance: str) -> None:
    who = {"label": clearance, "session_label": "UNCLASSIFIED"}
    for filter in EVERYTHING:
        created(assets, receiver.url, filter, **who)
    receiver.wait_ready(3)
    id = high_things(assets)
    rate(assets, id, 1)
    # Two of `changes` and two of `events`: made, and changed at the low label.
    told = receiver.wait_for(4)
    time.sleep(0.5)
    assert len({r.id for r in receiver.told()}) == 4  # a busy machine may be sent one again
    for received in told:
        assert b"high" not in received.body
        assert b"SECRET" not in received.body
        assert b":66" not in received.body
    assert {r.data["node"]["rating"] for r in told if "node" in r.data} == {None, 1}


def test_a_high_webhook_hears_of_both_as_a_session_there_sees_them(assets: Tenant, receiver: Receiver) -> None:
    created(assets, receiver.url, ASSETS, label=SECRET)
    receiver.wait_ready()
    id = high_things(assets)
    rate(assets, id, 1)  # is covered by the high version, and so no news
    told = receiver.wait_for(3)
    time.sleep(0.3)
    assert len({r.id for r in receiver.told()}) == 3
    mine = [r.data for r in told if r.data["objectId"] == id]
    assert [data["kind"] for data in mine] == ["APPEARED", "CHANGED"]
    assert [data["node"]["label"] for data in mine] == ["UNCLASSIFIED", SECRET]


def test_what_goes_up_is_withdrawn_from_a_low_webhook(assets: Tenant, receiver: Receiver) -> None:
    created(assets, receiver.url, ASSETS)
    [id] = make(assets, "pump")
    query = 'mutation ($i: ID!) { regradeObject(id: $i, label: "SECRET/ALPHA", reason: "x") { label } }'
    assets.data(query, {"i": id}, label=SECRET, session_label="UNCLASSIFIED")
    told = receiver.wait_for(2)
    assert [(r.data["kind"], r.data["node"] is None) for r in told] == [("APPEARED", False), ("WITHDRAWN", True)]
    assert b"SECRET" not in told[1].body


def test_fields_above_its_label_are_not_told(assets: Tenant, receiver: Receiver) -> None:
    fields = {"name": {"type": "string", "required": True}, "code": {"type": "string", "label": SECRET}}
    vault = {"typeName": "Vault", "label": "UNCLASSIFIED", "fields": fields}
    assets.define(vault, label=SECRET)
    with receiving() as other:
        created(assets, receiver.url, {"changes": {"type": "Vault"}})
        created(assets, other.url, {"changes": {"type": "Vault"}}, label=SECRET)
        assets.data('mutation { createVault(input: {name: "v"}) { changed } }')
        assets.data('mutation { createVault(input: {name: "w", code: "4711"}) { changed } }', label=SECRET)
        low, high = receiver.wait_for(1), other.wait_for(2)
    assert "code" not in low[0].data["node"]
    assert {r.data["node"]["code"] for r in high} == {None, "4711"}  # of two objects, in either order


def test_a_type_that_goes_out_of_view_stops_what_was_about_it(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, {"changes": {"type": "Plant"}})
    receiver.wait_ready()
    assets.define({**TYPES[1], "links": {"sensors": TYPES[1]["links"]["sensors"]}})
    assets.data('mutation { retireType(typeName: "Plant") { typeName } }')
    make(assets, "pump")
    assert until(hook, state="STOPPED", stoppedFor="FILTER")


def test_webhooks_are_listed_by_label_and_changed_at_theirs(assets: Tenant, receiver: Receiver) -> None:
    low = created(assets, receiver.url, ASSETS)
    high = created(assets, receiver.url, ASSETS, label=SECRET)
    assert [w["webhookId"] for w in assets.data(LIST)["webhooks"]] == [low.id]
    assert [w["webhookId"] for w in assets.data(LIST, label=SECRET)["webhooks"]] == [low.id, high.id]
    query = "mutation ($id: ID!) { pauseWebhook(webhookId: $id) { webhook { state } } }"
    hidden = assets.ask(query, {"id": high.id})
    unknown = assets.ask(query, {"id": "0b5e7c1e-3c3f-4d0e-9b5a-7d5a4c3b2a19"})
    nonsense = assets.ask(query, {"id": "nonsense"})
    assert hidden.code == "NOT_FOUND"
    assert hidden.plain == unknown.plain == nonsense.plain
    assert assets.data('query ($id: ID!) { webhook(webhookId: $id) { url } }', {"id": high.id}) == {"webhook": None}
    for mutation in ("pauseWebhook", "resumeWebhook", "deleteWebhook", "rotateWebhookSecret", "replayDeliveries"):
        query = f"mutation ($id: ID!) {{ {mutation}(webhookId: $id) {{ __typename }} }}"
        assert assets.ask(query, {"id": low.id}, label=SECRET).code == "BAD_USER_INPUT"
        assert assets.ask(query, {"id": high.id}).code == "NOT_FOUND"
    assert low.state()["state"] == high.state()["state"] == "ACTIVE"


def test_webhooks_of_others_are_out_of_reach(assets: Tenant, server: Server, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    other = server.organization()
    other.define(*TYPES)
    assert other.data(LIST) == {"webhooks": []}
    assert other.ask("mutation ($id: ID!) { deleteWebhook(webhookId: $id) { deletedId } }", {"id": hook.id}).code == (
        "NOT_FOUND"
    )
    make(other, "theirs")
    make(assets, "ours")
    [received] = receiver.wait_for(1)
    assert received.data["node"]["name"] == "ours"


@pytest.mark.parametrize("filter", EVERYTHING, ids=["linkEvents", "events", "changes"])
def test_nobody_has_sent_what_they_may_not_read(server: Server, receiver: Receiver, filter: Any) -> None:
    tenant = server.organization()
    tenant.define(*TYPES)
    given = {"i": {"name": "x", "url": receiver.url, "filter": filter}}
    assert tenant.ask(CREATE, given, roles=("reader",)).code == "FORBIDDEN"
    assert tenant.ask(CREATE, given, roles=("integrator",)).code == "FORBIDDEN"
    assert tenant.ask(CREATE, given, roles=("integrator", "reader")).data
    assert tenant.ask(LIST, roles=("reader",)).code == "FORBIDDEN"


def test_who_changes_a_webhook_owns_it_and_must_be_able_to_read_it(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    query = "mutation ($id: ID!, $i: UpdateWebhookInput!) { updateWebhook(webhookId: $id, input: $i) { __typename } }"
    thief = {"roles": ("integrator",), "name": "bob"}
    with receiving() as elsewhere:
        given = {"id": hook.id, "i": {"url": elsewhere.url}}
        assert assets.ask(query, given, **thief).code == "FORBIDDEN"
        resume = "mutation ($id: ID!) { resumeWebhook(webhookId: $id) { __typename } }"
        assert assets.ask(resume, {"id": hook.id}, **thief).code == "FORBIDDEN"
        make(assets, "pump")
        receiver.wait_for(1)
        assert elsewhere.requests == []
        assert hook.update({"url": elsewhere.url}, roles=("integrator", "reader"), name="cid")["owner"] == "cid"
        assert hook.state("roles")["roles"] == ["integrator", "reader"]
        make(assets, "tank")
        elsewhere.wait_for(1)


@pytest.mark.parametrize("left", ['"webhook:manage", "link:read"', '"object:read", "link:read"'], ids=["read", "send"])
def test_a_permission_that_is_taken_away_stops_it_where_all_see(
    new_place: MakePlace, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, left: str
) -> None:
    folder = tmp_path_factory.mktemp("hooks")
    with new_place() as urls:
        with serving(*urls, folder, POLICY, SETTINGS) as server:
            tenant = server.organization()
            tenant.define(*TYPES)
            hook = created(tenant, receiver.url, ASSETS, roles=("departing",), name="bob")
            receiver.wait_ready()
            make(tenant, "before")
            receiver.wait_for(1)
        lesser = POLICY.replace('"webhook:manage", "object:read", "link:read"', left)
        assert lesser != POLICY
        with serving(*urls, folder, lesser, SETTINGS) as server:
            tenant = Tenant(server, tenant.name)
            query = "query ($id: ID!) { webhook(webhookId: $id) { state stoppedFor owner roles waiting } }"
            make(tenant, "after")
            for _ in range(200):
                state = tenant.data(query, {"id": hook.id})["webhook"]
                if state["state"] != "ACTIVE":
                    break
                time.sleep(0.05)
            assert state | {"waiting": 0} == {
                "state": "STOPPED", "stoppedFor": "FORBIDDEN", "owner": "bob", "roles": ["departing"], "waiting": 0,
            }  # fmt: skip
            assert len(receiver.told()) == 1
            audit = "select actor, detail->>'reason' from fabric.audit_log where action = 'webhook.stopped'"
            assert [tuple(row) for row in server.sql(audit)] == [("webhooks", "FORBIDDEN")]
            # Somebody who may read it takes it over; nothing of what happened meanwhile is lost.
            tenant.data("mutation ($id: ID!) { resumeWebhook(webhookId: $id) { __typename } }", {"id": hook.id})
            assert receiver.wait_for(2)[1].data["node"]["name"] == "after"


@pytest.mark.parametrize("kind", ["token", "subject"])
def test_a_webhook_does_not_outlive_the_revocation_of_its_owners_token(
    assets: Tenant, server: Server, receiver: Receiver, kind: str
) -> None:
    hook = created(assets, receiver.url, ASSETS, name="bob")
    other = created(assets, receiver.url, ASSETS, name="cid")
    receiver.wait_ready(2)
    if kind == "token":
        [row] = server.sql("select token_id from fabric.webhooks where webhook_id = $1::text::uuid", hook.id)
        asyncio.run(revoke_token(server.admin_url, assets.name, row["token_id"], "lost", actor="test"))
    else:
        now = datetime.now(UTC)
        asyncio.run(revoke_subject(server.admin_url, assets.name, "bob", now, "has left", actor="test"))
    mine = Hook(assets, hook.id, hook.secret, {"name": "ann"})
    until(mine, state="STOPPED", stoppedFor="REVOKED")
    assert assets.ask("{ webhooks { name } }", name="bob").code == "UNAUTHENTICATED"
    make(assets, "pump")
    [received] = receiver.wait_for(1)
    assert other.verified(received)
    # Whoever may read it can take it over.
    mine.do("resumeWebhook")
    assert mine.verified(receiver.wait_for(2)[1])
    assert mine.state("owner")["owner"] == "ann"
