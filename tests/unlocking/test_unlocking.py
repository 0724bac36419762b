"""Unlocking: who gets a value, in which order it is decided, and what is on the record by then."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import run_sql
from safe import ASSET, LIMIT, OFFICER, Safe

from fabric.database.db import Transaction
from fabric.errors import BadInput, Conflict, FabricError, Internal, NotFound, RateLimited, VaultUnavailable
from fabric.unlocking.attempts import Attempt
from fabric.writing.objects import Change
from vault.protocol import Placed, Throttled, Unavailable

pytestmark = pytest.mark.anyio

LOW, SECRET, ASIDE = "UNCLASSIFIED", "SECRET/ALPHA", "SECRET/BRAVO"


async def test_an_officer_gets_one_value_until_it_expires(safe: Safe, asset: UUID) -> None:
    (unlocked,) = await safe.unlock(asset, "serial", request_id="one")
    assert (unlocked.object_id, unlocked.field, unlocked.value, unlocked.label) == (asset, "serial", "SN-1142", 0)
    assert timedelta(seconds=25) < unlocked.expires_at - datetime.now(UTC) <= timedelta(seconds=30)
    assert "SN-1142" not in repr(unlocked)
    columns = ("action", "outcome", "actor", "label", "entity_id", "reason", "request_id", "detail")
    (row,) = await safe.log(*columns)
    assert row[:7] == ("field.unlock", "granted", "olga", 0, asset, "an audit of pumps", "one")
    assert row[7] == '{"type": "Asset", "field": "serial", "version": "UNCLASSIFIED", "keyVersion": 1}'


async def test_several_fields_of_one_object_are_each_counted_and_recorded(safe: Safe, asset: UUID) -> None:
    values = {u.field: u.value for u in await safe.unlock(asset, "serial", "codes")}
    assert values == {"serial": "SN-1142", "codes": ["1", str(2**60)]}
    assert await safe.log() == [("field.unlock", "granted", name, None) for name in ("serial", "codes")]
    assert await counted(safe) == 2


async def counted(safe: Safe, actor: str = "olga") -> int:
    [[fields]] = await run_sql(
        safe.admin_url, "select coalesce(sum(fields), 0)::int from fabric.unlock_attempts where actor = $1", actor
    )
    return int(fields)


async def denied(safe: Safe, id: UUID, *fields: str, **who: Any) -> FabricError:
    with pytest.raises(FabricError) as caught:
        await safe.unlock(id, *fields, **who)
    return caught.value


async def every_denial(safe: Safe, asset: UUID) -> list[tuple[Any, ...]]:
    """(cause, object, field, who) of each way in which there is nothing for somebody."""
    hidden = await safe.make(SECRET, "hidden", serial="x")
    aside = await safe.make(ASIDE, "aside", serial="x")
    empty = await safe.make(name="empty")
    above = await safe.make(name="above")
    await run_sql(  # a ciphertext without its version
        safe.admin_url,
        """insert into fabric.encrypted_fields (organization_id, entity_table, entity_id, label, field_name, key_name,
                                                key_version, ciphertext)
           select organization_id, entity_table, $2, $3, field_name, key_name, key_version, ciphertext
           from fabric.encrypted_fields where entity_id = $1 and field_name = 'serial#e'""",
        asset, above, safe.subject(SECRET).label,
    )  # fmt: skip
    gone = await safe.make(name="gone", serial="x")
    await safe.write(LOW, Change("delete", "Asset", {}, gone))
    return [
        ("permission", asset, "serial", safe.officer(roles=("writer",))),
        ("permission", asset, "ruled", safe.officer()),
        ("permission", uuid4(), "serial", safe.officer(roles=("reader",))),
        ("object", uuid4(), "serial", safe.officer()),
        ("object", hidden, "serial", safe.officer()),
        ("object", aside, "serial", safe.officer(SECRET)),
        ("object", gone, "serial", safe.officer()),
        ("field", asset, "nothing", safe.officer()),
        ("field", asset, "name", safe.officer()),
        ("field", asset, "deep", safe.officer()),
        ("value", empty, "serial", safe.officer()),
        ("value", above, "serial", safe.officer()),
    ]


async def test_whatever_is_not_there_for_somebody_looks_alike(safe: Safe, asset: UUID) -> None:
    answers = set()
    causes = []
    for cause, id, name, who in await every_denial(safe, asset):
        error = await denied(safe, id, name, who=who)
        answers.add((type(error), error.message, error.path))
        causes.append(cause)
    assert answers == {(NotFound, "there is no encrypted value here that you may unlock", ())}
    assert [row[3] for row in await safe.log()] == causes
    assert {row[1] for row in await safe.log()} == {"denied"}
    assert await counted(safe) == 0


async def test_denials_take_the_same_statements_as_what_is_granted(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    for name in ("fetch", "fetchrow", "fetchval"):
        original = getattr(Transaction, name)

        async def noting(self: Transaction, sql: str, *args: Any, original: Any = original) -> Any:
            said.append(sql)
            return await original(self, sql, *args)

        monkeypatch.setattr(Transaction, name, noting)
    cases = await every_denial(safe, asset)
    said.clear()
    await safe.unlock(asset, "serial")
    granted = said.copy()
    assert len(granted) == 5
    for cause, id, name, who in cases:
        said.clear()
        await denied(safe, id, name, who=who)
        assert said == granted, cause


async def test_the_value_is_that_of_the_version_that_the_session_sees(safe: Safe) -> None:
    id = await safe.make(serial="low")
    await safe.keep(SECRET, id, name="cover", serial="high", deep="deeper")
    assert [u.value for u in await safe.unlock(id, "serial")] == ["low"]
    assert [u.value for u in await safe.unlock(id, "serial", who=safe.officer(ASIDE))] == ["low"]
    high = await safe.unlock(id, "serial", "deep", who=safe.officer(SECRET))
    code = safe.officer(SECRET).label
    assert [(u.value, u.label) for u in high] == [("high", code), ("deeper", code)]
    lowered = safe.officer(SECRET).lowered(0)
    assert [u.value for u in await safe.unlock(id, "serial", who=lowered)] == ["low"]


async def test_one_field_that_is_not_there_refuses_all(safe: Safe, asset: UUID) -> None:
    error = await denied(safe, asset, "serial", "nothing")
    assert isinstance(error, NotFound)
    assert await safe.log() == [
        ("field.unlock", "denied", "serial", "another field"),
        ("field.unlock", "denied", "nothing", "field"),
    ]


@pytest.mark.parametrize(
    "fields", [(), ("serial", "serial"), ("a\0b",), ("x" * 64,), tuple(f"f{i}" for i in range(101))]
)
async def test_what_cannot_be_names_is_refused_before_anything_is_asked(
    safe: Safe, asset: UUID, fields: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput):
        await safe.unlock(asset, *fields)
    assert await safe.log() == []


@pytest.mark.parametrize(
    ("reason", "id"),
    [("", None), ("  ", None), ("x" * 1001, None), ("a\0", None), ("x", ""), ("x", "a\nb"), ("x", "i" * 201)],
)
async def test_reasons_and_ids_are_checked(reason: str, id: str | None) -> None:
    with pytest.raises(BadInput):
        Attempt.of("olga", reason, id)


# Limits


async def test_the_limit_counts_fields_and_tells_when_to_come_back(safe: Safe, asset: UUID) -> None:
    for _ in range(2):
        await safe.unlock(asset, "serial", "codes")
    with pytest.raises(RateLimited) as caught:
        await safe.unlock(asset, "serial", "codes")
    assert caught.value.retry_after is not None
    assert LIMIT.seconds - 60 < caught.value.retry_after <= LIMIT.seconds
    await safe.unlock(asset, "serial")  # one is left
    assert (await denied(safe, asset, "serial")).code == "RATE_LIMITED"
    assert await counted(safe) == LIMIT.fields
    assert [row[1] for row in await safe.log()] == ["granted"] * 4 + ["denied"] * 2 + ["granted", "denied"]


async def test_the_limit_is_a_persons_whatever_the_session_label_and_the_process(safe: Safe) -> None:
    low, high = await safe.make(serial="a"), await safe.make(SECRET, "high", serial="b")
    for _ in range(LIMIT.fields - 1):
        await safe.unlock(high, "serial", who=safe.officer(SECRET))
    await safe.unlock(low, "serial", who=safe.officer(SECRET).lowered(0))
    for who in (safe.officer(), safe.officer(SECRET), safe.officer(ASIDE)):
        assert (await denied(safe, low, "serial", who=who)).code == "RATE_LIMITED"
    await safe.unlock(low, "serial", who=safe.officer(name="other"))


async def test_attempts_at_the_same_time_do_not_slip_through(safe: Safe, asset: UUID) -> None:
    results = await asyncio.gather(*(safe.unlock(asset, "serial") for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, list) for result in results) == LIMIT.fields
    assert {type(r) for r in results if not isinstance(r, list)} == {RateLimited}


async def test_room_comes_back_as_the_window_moves_on(safe: Safe, asset: UUID) -> None:
    for _ in range(LIMIT.fields):
        await safe.unlock(asset, "serial")
    await run_sql(
        safe.admin_url,
        "update fabric.unlock_attempts set attempted_at = attempted_at - interval '3590 seconds'"
        " where request_id = (select min(request_id) from fabric.unlock_attempts)",
    )
    with pytest.raises(RateLimited) as caught:
        await safe.unlock(asset, "serial")
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 10
    await run_sql(
        safe.admin_url, "update fabric.unlock_attempts set attempted_at = attempted_at - interval '3591 seconds'"
    )
    await safe.unlock(asset, "serial")


# Replays


async def test_a_request_id_is_used_once(safe: Safe, asset: UUID) -> None:
    await safe.unlock(asset, "serial", request_id="once")
    for who, fields in ((safe.officer(), ("serial",)), (safe.officer(SECRET), ("codes",))):
        with pytest.raises(Conflict, match="this request id was used before"):
            await safe.unlock(asset, *fields, who=who, request_id="once")
    assert [row[1:] for row in await safe.log()] == [
        ("granted", "serial", None),
        ("denied", "serial", "this request id was used before"),
        ("denied", "codes", "this request id was used before"),
    ]
    assert await counted(safe) == 1
    await safe.unlock(asset, "serial", who=safe.officer(name="other"), request_id="once")


async def test_one_of_many_with_the_same_id_gets_the_value(safe: Safe, asset: UUID) -> None:
    results = await asyncio.gather(
        *(safe.unlock(asset, "serial", request_id="same") for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, list) for result in results) == 1
    assert {type(r) for r in results if not isinstance(r, list)} == {Conflict}


async def test_a_denied_attempt_uses_its_id_too(safe: Safe, asset: UUID) -> None:
    await denied(safe, asset, "nothing", request_id="used")
    for name in ("serial", "nothing"):
        assert isinstance(await denied(safe, asset, name, request_id="used"), Conflict)
    assert [row[3] for row in await safe.log()] == ["field", *["this request id was used before"] * 2]


# The vault


async def test_no_plaintext_where_the_audit_record_cannot_be_written(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def decrypt(key: str, items: list[Placed]) -> Any:
        asked.append(key)
        raise AssertionError

    monkeypatch.setattr(safe.vault, "decrypt", decrypt)
    await run_sql(
        safe.admin_url,
        """create function fabric.no_audit() returns trigger language plpgsql as
           $$ begin raise exception 'the disk is full'; end $$""",
    )
    await run_sql(
        safe.admin_url,
        "create trigger no_audit before insert on fabric.audit_log for each row execute function fabric.no_audit()",
    )
    with pytest.raises(Internal) as caught:
        await safe.unlock(asset, "serial", request_id="r")
    assert isinstance(caught.value.__cause__, asyncpg.RaiseError)
    assert asked == []
    assert await counted(safe) == 0
    await run_sql(safe.admin_url, "drop trigger no_audit on fabric.audit_log")
    monkeypatch.undo()


async def test_the_record_is_committed_before_the_vault_is_asked(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    decrypt, seen = safe.vault.decrypt, []

    async def looking(key: str, items: list[Placed]) -> Any:
        seen.append(await safe.log("outcome", "detail->>'field'"))
        return await decrypt(key, items)

    monkeypatch.setattr(safe.vault, "decrypt", looking)
    await safe.unlock(asset, "serial", "ruled", who=safe.officer(roles=(*OFFICER, "auditor")))
    assert seen == [[("granted", "serial"), ("granted", "ruled")]]  # and one call for both


@pytest.mark.parametrize("failure", [Unavailable("down"), Throttled("busy", 7.0)])
async def test_a_vault_that_fails_gives_nothing_and_is_on_the_record(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def failing(key: str, items: list[Placed]) -> Any:
        raise failure

    monkeypatch.setattr(safe.vault, "decrypt", failing)
    with pytest.raises(VaultUnavailable, match="the vault does not answer; try again"):
        await safe.unlock(asset, "serial")
    assert await safe.log() == [
        ("field.unlock", "granted", "serial", None),
        ("field.unlock", "failed", "serial", "vault"),
    ]


async def test_a_slow_vault_is_not_waited_for(safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(key: str, items: list[Placed]) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(safe.vault, "decrypt", slow)
    async with asyncio.timeout(10):
        with pytest.raises(VaultUnavailable):
            await safe.unlock(asset, "serial")
    assert [row[1] for row in await safe.log()] == ["granted", "failed"]


@pytest.mark.parametrize("part", ["entity_id", "field_name", "label"])
async def test_a_ciphertext_in_another_place_is_not_opened(safe: Safe, asset: UUID, part: str) -> None:
    other = await safe.make(name="other", serial="theirs", ruled="other")
    source = {"entity_id": (other, "serial#e"), "field_name": (asset, "ruled#e"), "label": (asset, "serial#e")}[part]
    if part == "label":
        await safe.keep(SECRET, asset, serial="higher")
    await run_sql(
        safe.admin_url,
        """update fabric.encrypted_fields t set ciphertext = s.ciphertext from fabric.encrypted_fields s
           where t.entity_id = $1 and t.field_name = 'serial#e' and t.label = 0
             and s.entity_id = $2 and s.field_name = $3 and (s.label > 0) = $4""",
        asset, *source, part == "label",
    )  # fmt: skip
    with pytest.raises(Internal):
        await safe.unlock(asset, "serial")
    assert await safe.log() == [
        ("field.unlock", "granted", "serial", None),
        ("field.unlock", "failed", "serial", "unreadable"),
    ]


async def test_what_is_re_enveloped_meanwhile_is_read_again(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    decrypt, calls = safe.vault.decrypt, 0

    async def rotating_before(key: str, items: list[Placed]) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            version = await safe.vault.rotate(key)
            (fresh,) = await safe.vault.rewrap(key, items)
            await run_sql(
                safe.admin_url,
                "update fabric.encrypted_fields set ciphertext = $2, key_version = $3 where ciphertext = $1",
                items[0].ciphertext, fresh.ciphertext, version,
            )  # fmt: skip
            await safe.vault.set_minimum_version(key, version)
        return await decrypt(key, items)

    monkeypatch.setattr(safe.vault, "decrypt", rotating_before)
    assert [u.value for u in await safe.unlock(asset, "serial")] == ["SN-1142"]
    assert calls == 2


async def test_another_value_than_the_one_that_was_granted_is_not_given(
    safe: Safe, asset: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    decrypt = safe.vault.decrypt

    async def changing_before(key: str, items: list[Placed]) -> Any:
        monkeypatch.setattr(safe.vault, "decrypt", decrypt)
        version = await safe.vault.rotate(key)
        await safe.keep(LOW, asset, serial="another")
        await safe.vault.set_minimum_version(key, version)
        return await decrypt(key, items)

    monkeypatch.setattr(safe.vault, "decrypt", changing_before)
    with pytest.raises(Conflict, match="the value was changed at this very moment; try again"):
        await safe.unlock(asset, "serial")
    assert [row[1:] for row in await safe.log()] == [("granted", "serial", None), ("failed", "serial", "changed")]
    assert [u.value for u in await safe.unlock(asset, "serial")] == ["another"]


async def test_a_renamed_field_unlocks_what_was_encrypted_before(safe: Safe) -> None:
    id = await safe.make(serial="SN-1")
    fields = {name: field for name, field in ASSET["fields"].items() if name not in ("serial", "deep")}
    fields["number"] = ASSET["fields"]["serial"] | {"replaces": "serial"}
    await safe.types.define(safe.subject(), safe.organization.lattice, [ASSET | {"fields": fields}])
    assert [u.value for u in await safe.unlock(id, "number")] == ["SN-1"]
