"""Unlocks that another person approves: who may, at which label, of which value, and how often."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest
from databases import run_sql
from safe import LIMIT, OFFICER, Safe

from fabric.errors import Conflict, FabricError, Forbidden, NotFound, RateLimited, VaultUnavailable
from fabric.identity.subject import Subject
from fabric.unlocking.attempts import Attempt
from fabric.unlocking.requests import Request, State
from fabric.unlocking.unlocking import Unlocked
from vault.protocol import Placed, Unavailable

pytestmark = pytest.mark.anyio

LOW, SECRET, ASIDE = "UNCLASSIFIED", "SECRET/ALPHA", "SECRET/BRAVO"


async def ask(
    safe: Safe, id: UUID, field: str = "twofold", who: Subject | None = None, request_id: str | None = None
) -> Request:
    who = who or safe.officer()
    attempt = Attempt.of(who.subject, "two of us looked", request_id)
    return await safe.requests.request(who, safe.organization, id, field, attempt)


async def approve(safe: Safe, id: UUID, who: Subject | None = None, request_id: str | None = None) -> Request:
    return await safe.requests.approve(who or safe.officer(name="bob"), safe.organization, id, request_id)


async def collect(safe: Safe, id: UUID, who: Subject | None = None, request_id: str | None = None) -> Unlocked:
    return await safe.requests.collect(who or safe.officer(), safe.organization, id, request_id)


async def refusal(act: Coroutine[Any, Any, Any]) -> tuple[type[FabricError], str]:
    with pytest.raises(FabricError) as caught:
        await act
    return type(caught.value), caught.value.message


NOTHING = (NotFound, "there is no encrypted value here that you may unlock")


async def test_one_asks_another_approves_and_the_first_collects_once(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset, request_id="a")
    assert (request.state, request.needed, request.requested_by, request.reason) == (
        State.PENDING, 1, "olga", "two of us looked",
    )  # fmt: skip
    assert await refusal(collect(safe, request.unlock_id)) == (Conflict, "this is not approved yet")
    approved = await approve(safe, request.unlock_id, request_id="b")
    assert approved.state is State.APPROVED
    assert [each.by for each in approved.approvals] == ["bob"]
    unlocked = await collect(safe, request.unlock_id, request_id="c")
    assert (unlocked.value, unlocked.object_id, unlocked.field) == ("by two", asset, "twofold")
    assert await refusal(collect(safe, request.unlock_id)) == (Conflict, "this was collected already")
    assert await refusal(approve(safe, request.unlock_id, safe.officer(name="eve"))) == (
        Conflict, "this was collected already",
    )  # fmt: skip
    assert await safe.log("action", "outcome", "actor", "reason", "detail->>'field'") == [
        ("field.unlock.requested", "done", "olga", "two of us looked", "twofold"),
        ("field.unlock", "denied", "olga", "two of us looked", "twofold"),
        ("field.unlock.approved", "done", "bob", "two of us looked", "twofold"),
        ("field.unlock", "granted", "olga", "two of us looked", "twofold"),
        ("field.unlock", "denied", "olga", "two of us looked", "twofold"),
        ("field.unlock.approved", "denied", "eve", "two of us looked", "twofold"),
    ]


async def test_a_field_that_needs_a_second_person_is_not_unlocked_by_one(safe: Safe, asset: UUID) -> None:
    told = (Conflict, "a second person has to approve this: use requestUnlock")
    assert await refusal(safe.unlock(asset, "twofold")) == told
    assert await refusal(safe.unlock(asset, "serial", "twofold")) == told
    assert {row[1] for row in await safe.log()} == {"denied"}


async def test_nobody_approves_what_they_asked_for(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset, who=safe.officer(SECRET).lowered(0))
    assert await refusal(approve(safe, request.unlock_id, safe.officer())) == (
        Conflict, "another person has to approve this",
    )  # fmt: skip


async def test_each_approval_is_another_persons(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset)
    await run_sql(safe.admin_url, "update fabric.unlock_requests set needed = 2")
    assert (await approve(safe, request.unlock_id)).state is State.PENDING
    assert await refusal(approve(safe, request.unlock_id)) == (Conflict, "you have approved this already")
    assert await refusal(collect(safe, request.unlock_id)) == (Conflict, "this is not approved yet")
    assert (await approve(safe, request.unlock_id, safe.officer(name="eve"))).state is State.APPROVED
    assert (await collect(safe, request.unlock_id)).value == "by two"


async def test_who_could_not_unlock_it_cannot_approve_it_or_know_of_it(safe: Safe, asset: UUID) -> None:
    secret = await safe.make(SECRET, "hidden", twofold="deep")
    low, high = await ask(safe, asset), await ask(safe, secret, who=safe.officer(SECRET))
    ruled = await ask(safe, asset, "ruled", safe.officer(roles=(*OFFICER, "auditor")))
    for id, who in (
        (low.unlock_id, safe.officer(name="bob", roles=("writer",))),
        (high.unlock_id, safe.officer(name="bob")),
        (high.unlock_id, safe.officer(ASIDE, name="bob")),
        (ruled.unlock_id, safe.officer(name="bob")),
        (uuid4(), safe.officer(name="bob")),
    ):
        assert await refusal(approve(safe, id, who)) == NOTHING
        assert await refusal(collect(safe, id, who)) == NOTHING
    seen = await safe.requests.seen(safe.officer(name="bob"), 10)
    assert {each.unlock_id for each in seen} == {low.unlock_id, ruled.unlock_id}
    with pytest.raises(Forbidden):
        await safe.requests.seen(safe.officer(roles=("reader",)), 10)


async def test_who_is_higher_lowers_the_session_label_to_approve(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset)
    bob = safe.officer(SECRET, name="bob")
    told = (Conflict, "lower the session label to that of the request, UNCLASSIFIED")
    assert await refusal(approve(safe, request.unlock_id, bob)) == told
    assert await refusal(collect(safe, request.unlock_id, safe.officer(SECRET))) == told
    assert (await approve(safe, request.unlock_id, bob.lowered(0))).state is State.APPROVED
    assert (await collect(safe, request.unlock_id, safe.officer(SECRET).lowered(0))).value == "by two"


async def test_only_who_asked_collects(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset)
    await approve(safe, request.unlock_id)
    for name in ("bob", "eve"):
        assert await refusal(collect(safe, request.unlock_id, safe.officer(name=name))) == (
            Conflict, "only who asked for this can collect it",
        )  # fmt: skip


async def test_an_approval_is_for_the_value_that_was_there(safe: Safe, asset: UUID) -> None:
    changed = (Conflict, "the value was changed since this was asked for; ask again")
    pending, approved = await ask(safe, asset), await ask(safe, asset)
    await approve(safe, approved.unlock_id)
    await safe.keep(LOW, asset, twofold="another")
    assert await refusal(approve(safe, pending.unlock_id)) == changed
    assert await refusal(collect(safe, approved.unlock_id)) == changed
    again = await ask(safe, asset)
    await approve(safe, again.unlock_id)
    assert (await collect(safe, again.unlock_id)).value == "another"


async def test_it_outlives_a_new_version_of_the_key(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset)
    await approve(safe, request.unlock_id)
    async with safe.database.rotating(safe.organization.organization_id) as transaction:
        await transaction.fetch("update fabric.encrypted_fields set key_version = key_version")
    assert (await collect(safe, request.unlock_id)).value == "by two"


async def test_it_lasts_for_some_time_only(safe: Safe, asset: UUID) -> None:
    pending, approved = await ask(safe, asset), await ask(safe, asset)
    await approve(safe, approved.unlock_id)
    await run_sql(safe.admin_url, "update fabric.unlock_requests set expires_at = now()")
    told = (Conflict, "this has expired; ask again")
    assert await refusal(approve(safe, pending.unlock_id)) == told
    assert await refusal(collect(safe, approved.unlock_id)) == told
    assert await safe.requests.seen(safe.officer(), 10) == []
    seen = await safe.requests.seen(safe.officer(), 10, open_only=False)
    assert {each.state for each in seen} == {State.EXPIRED}


async def test_asking_counts_as_nothing_and_collecting_as_one(safe: Safe, asset: UUID) -> None:
    requests = [await ask(safe, asset) for _ in range(LIMIT.fields + 1)]
    for each in requests:
        await approve(safe, each.unlock_id)
    for each in requests[:-1]:
        await collect(safe, each.unlock_id)
    with pytest.raises(RateLimited):
        await collect(safe, requests[-1].unlock_id)
    (left,) = await safe.requests.seen(safe.officer(), 10)
    assert left.unlock_id == requests[-1].unlock_id  # to be collected later


@pytest.mark.parametrize("act", [ask, approve, collect])
async def test_request_ids_are_used_once_everywhere(
    safe: Safe, asset: UUID, act: Callable[..., Coroutine[Any, Any, Any]]
) -> None:
    request = await ask(safe, asset)
    for who in (safe.officer(), safe.officer(name="bob")):
        attempt = Attempt.of(who.subject, "x", "used")
        await safe.unlocking.unlock(who, safe.organization, asset, ["serial"], attempt)
    if act is collect:
        await approve(safe, request.unlock_id)
    target = asset if act is ask else request.unlock_id
    assert await refusal(act(safe, target, request_id="used")) == (Conflict, "this request id was used before")


async def test_collected_at_the_same_time_it_is_given_once(safe: Safe, asset: UUID) -> None:
    request = await ask(safe, asset)
    await approve(safe, request.unlock_id)
    results = await asyncio.gather(*(collect(safe, request.unlock_id) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(result, Unlocked) for result in results) == 1
    assert {type(r) for r in results if not isinstance(r, Unlocked)} == {Conflict}


async def test_where_the_vault_fails_it_can_be_collected_later(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await ask(safe, asset)
    await approve(safe, request.unlock_id)

    async def failing(key: str, items: list[Placed]) -> Any:
        raise Unavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(safe.vault, "decrypt", failing)
        with pytest.raises(VaultUnavailable):
            await collect(safe, request.unlock_id)
    assert (await collect(safe, request.unlock_id)).value == "by two"


async def test_what_cannot_be_unlocked_cannot_be_asked_for(safe: Safe, asset: UUID) -> None:
    hidden = await safe.make(SECRET, "hidden", twofold="x")
    for id, name, who in (
        (asset, "twofold", safe.officer(roles=("writer",))),
        (asset, "nothing", safe.officer()),
        (asset, "name", safe.officer()),
        (hidden, "twofold", safe.officer()),
        (uuid4(), "twofold", safe.officer()),
    ):
        assert await refusal(ask(safe, id, name, who)) == NOTHING
    assert await safe.requests.seen(safe.officer(SECRET), 10, open_only=False) == []
