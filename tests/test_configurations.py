"""What organizations choose: which values there can be, who may choose, what it leaves behind, who hears of it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from databases import MakeSubject, run_sql
from hypothesis import given
from hypothesis import strategies as st

from fabric.configuration.configurations import CHANNEL, Configurations
from fabric.configuration.options import DAMPING, OPTIONS, WEIGHTS, Choice, Number, Option
from fabric.database.db import Database
from fabric.errors import BadInput, Forbidden, Several
from fabric.identity.organizations import Organization, establish

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent
GRAPH = WEIGHTS["graph"]


@pytest.fixture
def configurations(database: Database) -> Configurations:
    return Configurations(database)


async def chosen(configurations: Configurations, organization: Organization) -> dict[str, Any]:
    return dict((await configurations.of(organization.organization_id)).chosen)


def test_every_option_is_documented_as_it_is() -> None:
    text = (ROOT / "docs" / "search.md").read_text("utf-8").split("## What your organization chooses\n")[1]
    rows = re.findall(r"(?m)^\| `(search\.[\w.]+)` \| (.*) \| `(.*)` \| (.*) \|$", text)
    assert {name: tuple(told) for name, *told in rows} == {
        option.name: (allowed(option), str(option.default).removesuffix(".0"), option.meaning)
        for option in OPTIONS.values()
    }


def allowed(option: Option[Any]) -> str:
    match option:
        case Number():
            return f"{option.least:g} to {option.most:g}"
        case Choice():
            return " ".join(f"`{choice}`" for choice in option.choices)
    raise AssertionError(option)


def test_every_default_is_allowed() -> None:
    for option in OPTIONS.values():
        assert option.read(option.default) == option.default


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.text(), st.none(), st.lists(st.integers())))
def test_a_number_is_within_its_bounds_and_nothing_else_is_one(value: Any) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10:
        assert GRAPH.read(value) == value
    else:
        with pytest.raises(BadInput, match="is a number from 0 to 10"):
            GRAPH.read(value)


async def test_what_is_chosen_holds_until_it_is_given_back(
    configurations: Configurations, organization: Organization, subject: MakeSubject
) -> None:
    id = organization.organization_id
    assert (await configurations.of(id))[GRAPH] == 0.5
    assert await configurations.change(subject(), {GRAPH.name: 2, DAMPING.name: 20}) == [DAMPING.name, GRAPH.name]
    found = await configurations.of(id)
    assert (found[GRAPH], found[DAMPING], found.default(GRAPH)) == (2.0, 20.0, 0.5)
    assert await configurations.change(subject(), {GRAPH.name: 2.0}) == []
    assert await configurations.change(subject(), {GRAPH.name: None, WEIGHTS["text"].name: None}) == [GRAPH.name]
    assert await chosen(configurations, organization) == {DAMPING.name: 20.0}


async def test_all_values_are_taken_or_none_and_all_faults_are_told(
    configurations: Configurations, organization: Organization, subject: MakeSubject
) -> None:
    with pytest.raises(Several) as refused:
        await configurations.change(subject(), {GRAPH.name: 1, DAMPING.name: 0, "search.wights": 1})
    faults = {error.path: error.message for error in refused.value.errors}
    assert faults.keys() == {(DAMPING.name,), ("search.wights",)}
    assert "from 1 to 1000" in faults[DAMPING.name,]
    assert GRAPH.name in faults["search.wights",]
    assert await chosen(configurations, organization) == {}


async def test_only_who_may_change_it_does_and_only_at_the_lowest_label(
    configurations: Configurations, organization: Organization, subject: MakeSubject
) -> None:
    with pytest.raises(Forbidden, match="config:write"):
        await configurations.change(subject(roles=("designer",)), {GRAPH.name: 1})
    for label in ("CONFIDENTIAL", "UNCLASSIFIED/ALPHA"):
        with pytest.raises(BadInput, match="lowest"):
            await configurations.change(subject(label), {GRAPH.name: 1})
    assert await chosen(configurations, organization) == {}


async def test_what_lies_at_a_higher_label_or_cannot_be_counts_for_nothing(
    configurations: Configurations, organization: Organization, admin_url: str
) -> None:
    insert = "insert into fabric.configurations values ($1, $2, $3, $4::text::jsonb, 1)"
    for name, label, value in ((GRAPH.name, 1 << 60, "9"), (DAMPING.name, 0, '"much"'), ("unheard.of", 0, "1")):
        await run_sql(admin_url, insert, organization.organization_id, name, label, value)
    found = await configurations.of(organization.organization_id)
    assert (found[GRAPH], found[DAMPING]) == (0.5, 60.0)


async def test_organizations_do_not_choose_for_each_other(
    configurations: Configurations, organization: Organization, subject: MakeSubject, admin_url: str
) -> None:
    await establish(admin_url, "globex")
    [[other]] = await run_sql(admin_url, "select organization_id from fabric.organizations where name = 'globex'")
    await configurations.change(subject(), {GRAPH.name: 5})
    assert (await configurations.of(other))[GRAPH] == 0.5
    assert (await configurations.of(organization.organization_id))[GRAPH] == 5.0


async def test_a_change_leaves_an_event_and_an_audit_record(
    configurations: Configurations, organization: Organization, subject: MakeSubject, admin_url: str
) -> None:
    for value in (1, 1, 3):
        await configurations.change(subject(name="bea"), {GRAPH.name: value}, request_id="r-1")
    events = await run_sql(admin_url, "select * from fabric.events order by position")
    assert [(e["topic"], e["entity_type"], e["label"], e["actor"]) for e in events] == [
        ("config.changed", GRAPH.name, 0, "bea")
    ] * 2
    assert '"before": 1.0' in events[1]["data"]
    assert '"after": 3.0' in events[1]["data"]
    records = await run_sql(admin_url, "select * from fabric.audit_log")
    assert [(r["action"], r["actor"], r["request_id"]) for r in records] == [("config.changed", "bea", "r-1")] * 2
    assert GRAPH.name in records[0]["detail"]


async def test_who_changes_it_at_the_same_time_comes_one_after_the_other(
    configurations: Configurations, organization: Organization, subject: MakeSubject, admin_url: str
) -> None:
    await asyncio.gather(*(configurations.change(subject(), {GRAPH.name: n}) for n in range(1, 9)))
    steps = await run_sql(
        admin_url, "select data->'value'->>'before', data->'value'->>'after' from fabric.events order by position"
    )
    assert [before for before, _ in steps] == [None, *(after for _, after in steps[:-1])]


async def test_another_process_hears_of_a_change(
    configurations: Configurations, database: Database, organization: Organization, subject: MakeSubject
) -> None:
    elsewhere = Configurations(database)
    heard = asyncio.Event()

    def forget(organization_id: Any) -> None:
        configurations.forget(organization_id)
        if organization_id is not None:
            heard.set()

    async with database.listening(CHANNEL, forget):
        assert await chosen(configurations, organization) == {}
        await asyncio.sleep(0.1)  # it listens
        await elsewhere.change(subject(), {GRAPH.name: 5})
        async with asyncio.timeout(10):
            await heard.wait()
        assert await chosen(configurations, organization) == {GRAPH.name: 5.0}
