"""What is given up: kept with its reason, shown in pages, sent again in order, or taken away."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hooks import ASSETS, SETTINGS, Hook, MakePlace, created, make, rate, until
from http_server import TYPES, Server, Tenant, serving
from receiver import Received, Receiver, Reply

from fabric.webhooks import courier as webhook_courier

LETTERS = """query ($id: ID!, $first: Int, $after: String) { webhook(webhookId: $id) {
    deadLetters(first: $first, after: $after) {
        totalCount pageInfo { more: hasNextPage endCursor hasPreviousPage } edges { cursor node { deliveryId } }
        nodes { deliveryId messageId type payload attempts failure occurredAt firstAttemptAt givenUpAt } } } }"""


@pytest.fixture(scope="module")
def impatient(new_place: MakePlace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives up soon."""
    soon = SETTINGS | {"webhook_give_up_hours": 0.15 / 3600}
    with new_place() as urls, serving(*urls, tmp_path_factory.mktemp("hooks"), changed=soon) as server:
        yield server


@pytest.fixture
def assets(impatient: Server) -> Tenant:
    tenant = impatient.organization()
    tenant.define(*TYPES)
    return tenant


def letters(hook: Hook, first: int | None = None, after: str | None = None) -> Any:
    given = {"id": hook.id, "first": first, "after": after}
    return hook.tenant.data(LETTERS, given, **hook.who)["webhook"]["deadLetters"]


def act(hook: Hook, mutation: str, ids: list[str] | None) -> int:
    query = f"""mutation ($id: ID!, $ids: [ID!]) {{
        {mutation}(webhookId: $id, deliveryIds: $ids) {{ number webhook {{ waiting }} }} }}"""
    number: int = hook.tenant.data(query, {"id": hook.id, "ids": ids}, **hook.who)[mutation]["number"]
    return number


def dead(hook: Hook, number: int) -> None:
    """Waits for so many dead letters, while other messages are taken: else the receiver would count as failing."""
    for _ in range(200):
        if (state := hook.state())["deadLetters"]["totalCount"] >= number:
            return
        assert state["state"] == "ACTIVE", state
        lively(hook.tenant)
        time.sleep(0.03)
    raise AssertionError(state)


def lively(tenant: Tenant) -> None:
    make(tenant, f"lively {time.monotonic_ns()}")


def buried(hook: Hook, *names: str) -> None:
    """Objects of these names, which the receiver does not take."""
    for number, name in enumerate(names, start=1):
        make(hook.tenant, name)
        lively(hook.tenant)
        dead(hook, number)


def refusing(*names: str) -> Any:
    def refuse(received: Received) -> Reply:
        return Reply(422 if (received.data.get("node") or {}).get("name") in names else 200)

    return refuse


def test_a_message_that_is_never_taken_is_given_up_and_the_rest_goes_on(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = lambda r: Reply(422 if (r.data.get("node") or {}).get("rating") == 1 else 200)
    bad, good = make(assets, "bad", "good")
    receiver.wait_for(2)
    rate(assets, bad, 1)
    rate(assets, bad, 2)
    for rating in range(12):
        rate(assets, good, 10 + rating)
        time.sleep(0.05)
    told = receiver.wait_for(15)
    assert [r.data["node"]["rating"] for r in told if r.data["objectId"] == bad] == [None, 2]
    state = until(hook, waiting=0, state="ACTIVE")
    assert state["deadLetters"]["totalCount"] == 1
    [letter] = letters(hook)["nodes"]
    [attempt, *_] = attempts = [r for r in receiver.requests if r.id == letter["messageId"]]
    assert letter["payload"] == attempt.message
    assert (letter["failure"], letter["type"], letter["attempts"]) == ("HTTP_422", "object.updated", len(attempts))
    assert letter["occurredAt"] <= letter["firstAttemptAt"] <= letter["givenUpAt"]


def test_dead_letters_are_shown_in_pages_and_sent_again_in_order(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    [id] = make(assets, "pump")
    receiver.wait_for(1)
    receiver.behaviour = refusing("pump")
    for rating in range(1, 4):
        rate(assets, id, rating)
        lively(assets)
        dead(hook, rating)
    page = letters(hook, 2)
    assert [letter["payload"]["data"]["node"]["rating"] for letter in page["nodes"]] == [1, 2]
    assert page["pageInfo"] == {"more": True, "endCursor": page["edges"][1]["cursor"], "hasPreviousPage": False}
    rest = letters(hook, 2, page["pageInfo"]["endCursor"])
    assert [letter["payload"]["data"]["node"]["rating"] for letter in rest["nodes"]] == [3]
    assert (rest["pageInfo"]["more"], rest["totalCount"]) == (False, 3)
    until(hook, waiting=0)
    receiver.behaviour = lambda _: Reply(200)
    before = len(receiver.told())
    # What came later waits for what is sent again.
    hook.do("pauseWebhook")
    rate(assets, id, 4)
    assert act(hook, "replayDeliveries", None) == 3
    hook.do("resumeWebhook")
    told = receiver.wait_for(before + 4)[before:]
    assert [received.data["node"]["rating"] for received in told] == [1, 2, 3, 4]
    assert [received.id for received in told[:3]] == [x["messageId"] for x in page["nodes"] + rest["nodes"]]
    assert until(hook, waiting=0)["deadLetters"]["totalCount"] == 0


def test_some_dead_letters_can_be_sent_again_or_taken_away(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = refusing("a", "b", "c")
    buried(hook, *"abc")
    ids = {letter["payload"]["data"]["node"]["name"]: letter["deliveryId"] for letter in letters(hook)["nodes"]}
    receiver.behaviour = lambda _: Reply(200)
    assert act(hook, "replayDeliveries", [ids["b"]]) == 1
    receiver.wait(lambda: any(r.data["node"]["name"] == "b" for r in receiver.told()), "b")
    assert act(hook, "discardDeliveries", [ids["b"], ids["a"]]) == 1
    assert [letter["deliveryId"] for letter in letters(hook)["nodes"]] == [ids["c"]]
    assert act(hook, "discardDeliveries", None) == 1
    assert letters(hook)["nodes"] == []


def test_a_receiver_that_takes_nothing_at_all_is_left_alone(assets: Tenant, receiver: Receiver) -> None:
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = lambda _: Reply(500)
    make(assets, *"abc")
    state = until(hook, state="STOPPED", stoppedFor="FAILING")
    assert state["deadLetters"]["totalCount"] >= 1
    make(assets, "d")
    receiver.behaviour = lambda _: Reply(200)
    asked = len(receiver.requests)
    time.sleep(0.5)
    assert len(receiver.requests) == asked
    number = act(hook, "replayDeliveries", None)
    hook.do("resumeWebhook")
    names = [received.data["node"]["name"] for received in receiver.wait_for(4)]
    assert sorted(names) == ["a", "b", "c", "d"]
    assert number == state["deadLetters"]["totalCount"]


def test_too_many_dead_letters_stop_a_webhook(
    assets: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_courier, "MOST_DEAD", 2)
    hook = created(assets, receiver.url, ASSETS)
    receiver.wait_ready()
    receiver.behaviour = refusing("a", "b", "c")
    buried(hook, *"ab")
    assert until(hook, state="STOPPED", stoppedFor="DEAD_LETTERS")["deadLetters"]["totalCount"] == 2


def test_cursors_of_other_webhooks_are_refused(assets: Tenant, receiver: Receiver) -> None:
    hook, other = created(assets, receiver.url, ASSETS), created(assets, receiver.url, ASSETS)
    receiver.wait_ready(2)
    receiver.behaviour = refusing("a")
    buried(hook, "a")
    cursor = letters(hook)["pageInfo"]["endCursor"]
    assert letters(hook, after=cursor)["nodes"] == []
    for each, after in ((other, cursor), (hook, "AAAA"), (hook, "")):
        answer = assets.ask(LETTERS, {"id": each.id, "after": after})
        assert answer.code == "BAD_USER_INPUT"
    many = " ".join(f"x{n}: deadLetters(first: 1000) {{ totalCount }}" for n in range(11))
    assert assets.ask(f"{{ webhooks {{ {many} }} }}").codes == {"QUERY_TOO_COMPLEX"}
    for first in (-1, 1001):
        assert assets.ask(LETTERS, {"id": hook.id, "first": first}).code == "BAD_USER_INPUT"
