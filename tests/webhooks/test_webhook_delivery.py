"""From a change to the receiver: what is sent, signed how, in which order, and what becomes of what is not taken."""

import random
import time
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hooks import ASSETS, Hook, created, make, rate, until
from http_server import Tenant
from receiver import Received, Receiver, Reply, receiving
from standardwebhooks import WebhookVerificationError

OBJECT = """{ node(id: "%s") { __typename ... on Asset { id label revision createdAt updatedAt name note status rating
    count total price active day installedAt span uid site extra tags totals } } }"""


def test_a_receiver_hears_first_that_it_is_ready(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    [ready] = receiver.told(ready=True)
    message = hook.verified(ready)
    assert message["type"] == "webhook.ready"
    assert message["data"]["kind"] == "READY"
    assert until(hook, waiting=0)["lastDeliveredAt"]


def test_an_object_is_told_as_a_query_would_read_it(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    asset = {
        "name": "pump", "note": "loud", "status": "OK", "rating": 1.5, "count": 3, "total": "9007199254740993",
        "price": "12.50", "active": True, "day": "2026-01-31", "installedAt": "2026-01-31T10:00:00+02:00",
        "span": "P1DT2H", "uid": "0b5e7c1e-3c3f-4d0e-9b5a-7d5a4c3b2a19", "site": "https://pump.example/",
        "extra": {"a": [1, None]}, "tags": ["x", "y"], "totals": ["1", "9007199254740993"],
    }  # fmt: skip
    query = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } } }"
    id = assets.data(query, {"i": asset})["createAsset"]["asset"]["id"]
    [received] = receiver.wait_for(1)
    message = hook.verified(received)
    assert message == received.message
    data = message["data"]
    assert (message["type"], data["kind"], data["topic"], data["objectId"]) == (
        "object.created", "APPEARED", "object.created", id,
    )  # fmt: skip
    assert message["timestamp"] == data["occurredAt"]
    datetime.fromisoformat(message["timestamp"])
    assert data["node"] == assets.data(OBJECT % id)["node"]
    assert received.headers["content-type"] == "application/json"
    assert "." not in received.id


def test_what_follows_is_told_as_it_was(assets: Tenant, receiver: Receiver) -> None:
    created(assets, receiver.url, ASSETS)
    [id] = make(assets, "pump")
    for rating in (1.0, 2.0):
        rate(assets, id, rating)
    assets.data("mutation ($i: ID!) { deleteAsset(id: $i) { deletedId } }", {"i": id})
    told = [received.data for received in receiver.wait_for(4)]
    assert [data["kind"] for data in told] == ["APPEARED", "CHANGED", "CHANGED", "WITHDRAWN"]
    assert [data["node"] and data["node"]["rating"] for data in told] == [None, 1.0, 2.0, None]
    assert [data["node"] is None for data in told] == [False, False, False, True]


def test_a_filter_takes_what_the_subscription_takes(assets: Tenant, receiver: Receiver) -> None:
    created(assets, receiver.url, {"changes": {"type": "Asset", "where": {"rating": {"gt": 5}}}})
    [id] = make(assets, "pump")
    for rating in (3.0, 7.0, 8.0, 4.0):
        rate(assets, id, rating)
    told = [received.data["kind"] for received in receiver.wait_for(3)]
    assert told == ["APPEARED", "CHANGED", "WITHDRAWN"]


def test_links_and_events_are_told(assets: Tenant, receiver: Receiver) -> None:
    with receiving() as other:
        created(assets, receiver.url, {"linkEvents": {"relations": ["has_sensor"]}})
        created(assets, other.url, {"events": {"topics": ["link.*"]}})
        [asset] = make(assets, "pump")
        sensor = assets.data('mutation { createSensor(input: {name: "dial"}) { sensor { id } } }')
        link = {"relation": "has_sensor", "from": asset, "to": sensor["createSensor"]["sensor"]["id"],
                "weight": 2.5, "properties": {"note": "new"}}  # fmt: skip
        query = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
        id = assets.data(query, {"i": link})["link"]["linkId"]
        assets.data("mutation ($i: ID!) { unlink(id: $i) { linkId } }", {"i": id})
        told = [received.data for received in receiver.wait_for(2)]
        events = [received.data["event"] for received in other.wait_for(2)]
    assert [(data["topic"], data["kind"], data["link"]["id"]) for data in told] == [
        ("link.created", "APPEARED", id), ("link.deleted", "WITHDRAWN", id),
    ]  # fmt: skip
    assert told[0]["link"] | {"weight": 2.5, "properties": {"note": "new"}, "from": asset} == told[0]["link"]
    assert [(event["topic"], event["entityId"]) for event in events] == [("link.created", id), ("link.deleted", id)]


def test_one_link_can_be_followed_by_its_object(assets: Tenant, receiver: Receiver) -> None:
    one, other = make(assets, "pump", "tank")
    created(assets, receiver.url, {"linkEvents": {"objectId": one.upper(), "direction": "OUT"}})
    for i, asset in enumerate((other, one)):
        query = 'mutation ($n: String!) { createSensor(input: {name: $n}) { sensor { id } } }'
        sensor = assets.data(query, {"n": f"dial {i}"})["createSensor"]["sensor"]["id"]
        link = {"relation": "has_sensor", "from": asset, "to": sensor}
        assets.data("mutation ($i: LinkInput!) { link(input: $i) { linkId } }", {"i": link})
    [received] = receiver.wait_for(1)
    assert received.data["link"]["from"] == one


def test_a_signature_holds_for_one_message_and_one_webhook_only(assets: Tenant, receiver: Receiver) -> None:
    hook, other = created(assets, receiver.url, ASSETS), created(assets, receiver.url, ASSETS)
    receiver.wait_ready(2)
    make(assets, "pump")
    one, two = sorted(receiver.wait_for(2), key=lambda received: received.id)
    mine, theirs = (one, two) if _fits(hook, one) else (two, one)
    assert _fits(hook, mine)
    assert _fits(other, theirs)
    assert not _fits(hook, theirs)
    assert one.id != two.id
    forged = Received(mine.path, mine.headers, mine.body.replace(b"pump", b"dump"), 0)
    moved = Received(mine.path, {**mine.headers, "webhook-id": two.id + one.id}, mine.body, 0)
    assert not _fits(hook, forged)
    assert not _fits(hook, moved)


def _fits(hook: Hook, received: Received) -> bool:
    try:
        hook.verified(received)
    except WebhookVerificationError:
        return False
    return True


def test_a_new_secret_overlaps_with_the_one_before(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    rotated = hook.do("rotateWebhookSecret", "secret webhook { oldSecretUntil }")
    renewed = Hook(assets, hook.id, rotated["secret"], {})
    assert rotated["secret"] != hook.secret
    make(assets, "pump")
    [received] = receiver.wait_for(1)
    assert len(received.headers["webhook-signature"].split()) == 2
    assert _fits(hook, received)
    assert _fits(renewed, received)
    query = "mutation ($id: ID!) { rotateWebhookSecret(webhookId: $id, overlapHours: 0) { secret } }"
    last = Hook(assets, hook.id, assets.data(query, {"id": hook.id})["rotateWebhookSecret"]["secret"], {})
    make(assets, "tank")
    received = receiver.wait_for(2)[1]
    assert len(received.headers["webhook-signature"].split()) == 1
    assert [_fits(each, received) for each in (hook, renewed, last)] == [False, False, True]


def test_a_message_is_sent_again_with_the_same_id_until_it_is_taken(assets: Tenant, receiver: Receiver) -> None:
    tries: Counter[str] = Counter()

    def twice_fails(received: Received) -> Reply:
        tries[received.id] += 1
        return Reply(503 if tries[received.id] <= 2 else 200, body=b"well")

    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = twice_fails
    make(assets, "pump")
    [received] = receiver.wait_for(1)
    attempts = [r for r in receiver.requests if r.id == received.id]
    assert len(attempts) == 3
    assert {attempt.body for attempt in attempts} == {received.body}
    assert all(_fits(hook, attempt) for attempt in attempts)
    state = until(hook, waiting=0)
    assert (state["failingSince"], state["lastFailure"]) == (None, "HTTP_503")


def test_messages_of_one_object_come_one_after_the_other(assets: Tenant, receiver: Receiver) -> None:
    """Whatever fails, and however long it takes: none overtakes another of its object."""
    dice = random.Random(1)
    busy: Counter[str] = Counter()
    clashes = []

    def moody(received: Received) -> Reply:
        id = received.data["objectId"]
        busy[id] += 1
        if busy[id] > 1:
            clashes.append(id)
        time.sleep(dice.random() * 0.02)
        busy[id] -= 1
        return Reply(dice.choice([200, 200, 500]))

    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = moody
    ids = make(assets, *"abcde")
    for rating in range(1, 7):
        for id in ids:
            rate(assets, id, rating)
    receiver.wait_for(len(ids) * 7)
    assert not clashes
    ratings: dict[str, list[Any]] = {id: [] for id in ids}
    for received in receiver.told():
        ratings[received.data["objectId"]].append(received.data["node"]["rating"])
    assert ratings == {id: [None, 1, 2, 3, 4, 5, 6] for id in ids}
    assert receiver.most_at_once > 1
    until(hook, waiting=0)


def test_what_fails_holds_back_its_own_object_only(assets: Tenant, receiver: Receiver) -> None:
    counts = assets.server.metrics.webhooks
    delivered, failed = counts.attempts["DELIVERED"], counts.attempts["HTTP_5XX"]
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    bad, good = make(assets, "bad", "good")
    receiver.wait_for(2)
    receiver.behaviour = lambda received: Reply(500 if received.data["objectId"] == bad else 200)
    rate(assets, bad, 1)
    receiver.wait(lambda: sum(r.data.get("objectId") == bad for r in receiver.requests) > 2, "retries")
    rate(assets, bad, 2)
    for rating in range(1, 6):
        rate(assets, good, rating)
    receiver.wait_for(7)
    assert {received.data["objectId"] for received in receiver.told()[2:]} == {good}
    tried = {r.data["node"]["rating"] for r in receiver.requests if r.data.get("objectId") == bad}
    assert tried == {None, 1}
    until(hook, waiting=2)
    assert hook.state("lagSeconds")["lagSeconds"] > 0
    assert counts.lag() > 0
    assert counts.working_on >= 1
    receiver.behaviour = lambda _: Reply(200)
    assert [received.data["node"]["rating"] for received in receiver.wait_for(9)[7:]] == [1, 2]
    assert until(hook, waiting=0)
    assert counts.attempts["DELIVERED"] == delivered + 10
    assert counts.attempts["HTTP_5XX"] == failed + len(receiver.requests) - 10
    assert counts.lag() == 0


def test_a_receiver_that_was_away_gets_everything_in_order(assets: Tenant) -> None:
    with receiving() as receiver:
        hook = created(assets, receiver.url, ASSETS)
        receiver.wait_ready()
        port = receiver.port
    ids = make(assets, *"abcdefghij")
    for id in ids:
        rate(assets, id, 1)
    state = until(hook, lastFailure="CONNECTION")
    assert state["failingSince"]
    with receiving(port) as receiver:
        told = [received.data for received in receiver.wait_for(20)]
        for id in ids:
            assert [d["node"]["rating"] for d in told if d["objectId"] == id] == [None, 1]
        assert until(hook, waiting=0)["failingSince"] is None


def test_a_receiver_that_fails_is_sent_one_message_at_a_time(assets: Tenant, receiver: Receiver) -> None:
    def slow_refusal(_: Received) -> Reply:
        time.sleep(0.2)
        return Reply(500)

    created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = slow_refusal
    assets.data(
        "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }",
        {"i": [{"name": f"asset {n}"} for n in range(30)]},
    )
    receiver.wait(lambda: len(receiver.requests) > 8 and not receiver.at_once, "the first ones")

    def alone() -> bool:
        """Whether for a while few come, and one after the other."""
        receiver.most_at_once, before = 0, len(receiver.requests)
        time.sleep(1.5)
        return receiver.most_at_once == 1 and len(receiver.requests) - before <= 3

    # Some may have been on their way while it became known that others failed.
    assert any(alone() for _ in range(4))
    receiver.behaviour = lambda _: Reply(200)
    receiver.wait_for(30)


def test_a_receiver_that_asks_for_a_rest_gets_it(assets: Tenant, receiver: Receiver) -> None:
    created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = lambda _: Reply(429, {"retry-after": "1"})
    make(assets, "pump")
    receiver.wait(lambda: len(receiver.requests) == 2, "the refusal")
    refused = receiver.requests[1].began
    receiver.behaviour = lambda _: Reply(200)
    make(assets, "tank")
    told = receiver.wait_for(2)
    assert all(received.began - refused >= 0.95 for received in told)


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(500, body=b"x" * 10_000_000), "HTTP_500"),
        (Reply(301, {"location": "/elsewhere"}), "HTTP_301"),
        (Reply(404), "HTTP_404"),
        (Reply(429, {"retry-after": "nonsense"}), "HTTP_429"),
    ],
)
def test_other_answers_are_failures(assets: Tenant, receiver: Receiver, reply: Reply, failure: str) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = lambda _: reply
    make(assets, "pump")
    until(hook, lastFailure=failure)
    assert {received.path for received in receiver.requests} == {"/hook"}
    receiver.behaviour = lambda _: Reply(200, body=b"x" * 10_000_000)
    receiver.wait_for(1)
    until(hook, waiting=0)


def test_a_receiver_that_does_not_answer_in_time_has_not_taken_it(assets: Tenant, receiver: Receiver) -> None:
    def sleepy(_: Received) -> Reply:
        time.sleep(1.5)
        return Reply(200)

    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = sleepy
    make(assets, "pump")
    until(hook, lastFailure="TIMEOUT")
    receiver.behaviour = lambda _: Reply(200)
    receiver.wait_for(1)
    until(hook, waiting=0)


def test_a_receiver_that_is_gone_is_left_alone_until_somebody_resumes(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = lambda _: Reply(410)
    make(assets, "pump")
    state = until(hook, state="STOPPED", stoppedFor="GONE")
    assert state["waiting"] == 1
    asked = len(receiver.requests)
    make(assets, "tank")
    time.sleep(0.5)
    assert len(receiver.requests) == asked
    receiver.behaviour = lambda _: Reply(200)
    hook.do("resumeWebhook")
    assert [received.data["node"]["name"] for received in receiver.wait_for(2)] == ["pump", "tank"]
    assert until(hook, state="ACTIVE", waiting=0)["stoppedFor"] is None


def test_what_is_paused_goes_on_where_it_was(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    hook.do("pauseWebhook")
    make(assets, *"abc")
    time.sleep(0.5)
    assert receiver.told() == []
    assert hook.state()["state"] == "PAUSED"
    hook.do("resumeWebhook")
    assert sorted(received.data["node"]["name"] for received in receiver.wait_for(3)) == ["a", "b", "c"]


def test_another_address_gets_what_waits(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, "http://127.0.0.1:9/nobody", ASSETS)
    make(assets, "pump")
    until(hook, lastFailure="CONNECTION")
    hook.update({"url": receiver.url})
    receiver.wait_for(1)
    assert hook.verified(receiver.told()[0])


def test_what_is_deleted_sends_nothing_more(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    assert hook.do("deleteWebhook", "deletedId") == {"deletedId": hook.id}
    make(assets, "pump")
    time.sleep(0.5)
    assert receiver.told() == []
    assert hook.state() is None
    left = "select count(*) from fabric.webhook_deliveries where webhook_id = $1::text::uuid"
    assert assets.server.sql(left, hook.id)[0][0] == 0
