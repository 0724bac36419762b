"""Inferred links over PostgreSQL: at every label exactly what follows from the links that it sees."""

from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from typing import Any
from uuid import UUID

import pytest
from databases import MakeSubject
from places import LABELS, REACHED, WHOLE, World

from fabric.database.db import Database
from fabric.errors import BadInput, Conflict, NotFound, Several
from fabric.identity.organizations import Organization
from fabric.inference.all_links import ALL_LINKS
from fabric.inference.closure import Fact
from fabric.inference.explanation import Said, explain
from fabric.inference.rules import Rule
from fabric.inference.stopped_rules import Stop, stopped_rules
from fabric.inference.worker import Worker
from fabric.types.types import Types
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(database: Database, types: Types, organization: Organization, subject: MakeSubject) -> World:
    return await World(database, types, organization, subject, seed=7).begin()


async def test_after_random_changes_each_label_has_the_closure_of_what_it_sees(world: World) -> None:
    worker = Worker(world.database, world.types, 10_000)
    async with worker.running():
        for turn in range(6):
            if turn == 3:
                await world.define("SECRET/ALPHA", reached=REACHED)
            for _ in range(12):
                await world.step()
            await world.until_right()
    assert any([await world.inferred(label) for label in LABELS])


async def test_who_takes_over_makes_good_what_was_missed(world: World) -> None:
    a, b, c, d, _ = world.ids
    await world.link(a, b)
    await world.link(b, c)
    await world.infer()
    await world.check()
    await world.link(b, c, action="unlink")
    await world.link(c, d, label="SECRET/ALPHA")
    async with Worker(world.database, world.types, 10_000).running():
        await world.until_right()


async def test_who_takes_over_asks_for_the_definitions_anew(world: World) -> None:
    stale = Types(world.database)  # whom nobody tells of changes
    for label in LABELS:
        await stale.catalogue(world.subject(label).session)
    await world.define("SECRET/ALPHA", reached=REACHED)
    a, b, c, *_ = world.ids
    await world.link(a, b)
    await world.link(b, c, "near")
    async with Worker(world.database, stale, 10_000).running():
        await world.until_right()
    assert Fact("near", a.int, c.int) in await world.inferred("SECRET/ALPHA")


async def test_a_premise_that_a_higher_version_hides_is_none_for_who_sees_that(world: World) -> None:
    a, b, c, *_ = world.ids
    await world.link(a, b)
    await world.link(b, c)
    await world.objects.write(
        world.subject("SECRET/ALPHA"), world.organization, [Change("delete", "Place", object_id=b)]
    )
    await world.infer()
    whole = Fact("has_part", a.int, c.int)
    assert whole in await world.inferred("CONFIDENTIAL")
    assert whole not in await world.inferred("SECRET/ALPHA")
    assert whole in await world.inferred("SECRET/BRAVO")


async def test_what_changes_above_a_label_is_no_change_there(world: World) -> None:
    """Who reads asks whether something has changed: even that must not tell of what is above."""
    a, b, c, d, _ = world.ids
    await world.link(a, b)
    await world.link(b, c)
    await world.link(b, d, label="SECRET/BRAVO")
    await world.infer()
    before = {label: await changes(world, label) for label in LABELS}
    subject = world.subject("SECRET/ALPHA")
    await world.objects.write(subject, world.organization, [Change("delete", "Place", object_id=b)])
    await world.link(a, d, label="SECRET/ALPHA")
    await world.infer()
    now = {label: await changes(world, label) for label in LABELS}
    assert {label for label in LABELS if now[label] != before[label]} == {"SECRET/ALPHA", "SECRET/ALPHA,BRAVO"}


async def changes(world: World, label: str) -> set[tuple[int, int]]:
    async with world.database.transaction(world.subject(label).session) as transaction:
        rows = await transaction.fetch("select label, transaction_id from fabric.inferred_changes")
    return {(row[0], row[1]) for row in rows}


async def test_an_inferred_link_has_the_join_of_its_premises_labels_and_the_time_that_they_share(world: World) -> None:
    a, b, c, *_ = world.ids
    await world.link(a, b, label="CONFIDENTIAL", valid_from=None)
    await world.link(b, c, label="SECRET/ALPHA")
    await world.infer()
    async with world.database.transaction(world.subject(WHOLE).session) as transaction:
        rows = await transaction.fetch(
            f"select label, revision from {ALL_LINKS} l where source_id = $1 and target_id = $2 and relation = $3",
            a, c, "has_part",
        )  # fmt: skip
    assert [tuple(row) for row in rows] == [(world.subject("SECRET/ALPHA").label, 0)]


async def test_a_rule_that_goes_too_far_concludes_nothing_from_the_label_on_that_would_see_it(world: World) -> None:
    a, b, c, d, e = world.ids
    await world.link(a, b, "near")
    for source, target in ((a, b), (b, c), (c, d), (d, e)):
        await world.link(source, target, label="CONFIDENTIAL")
    await world.infer(most=5)
    assert await world.inferred("UNCLASSIFIED") == [Fact("near", b.int, a.int)]
    assert len(await world.inferred("CONFIDENTIAL")) <= 5
    stopped = {label: await stops(world, label) for label in LABELS}
    assert stopped["UNCLASSIFIED"] == []
    code = world.subject("CONFIDENTIAL").label
    assert {(stop.label, str(stop.rule), stop.most) for stop in stopped["CONFIDENTIAL"]} >= {
        (code, "has_part, has_part → has_part", 5)
    }
    assert stopped["SECRET/ALPHA"] == stopped["CONFIDENTIAL"]
    await world.infer()
    assert await stops(world, "CONFIDENTIAL") == []


async def stops(world: World, label: str) -> list[Stop]:
    session = world.subject(label).session
    async with world.database.transaction(session) as transaction:
        return [each.stop for each in await stopped_rules(transaction, session)]


async def test_a_rule_that_is_stopped_is_told_at_no_label_that_does_not_see_the_rule(world: World) -> None:
    chain = {"relation": "spans", "target": "Place", "inferredFrom": [["near", "near"]], "label": "SECRET/ALPHA"}
    await world.define("SECRET/ALPHA", spanned=chain)
    hub, *others = world.ids
    for other in others:
        await world.link(hub, other, "near")
    await world.infer(most=19)
    told = {label: {str(stop.rule) for stop in await stops(world, label)} for label in LABELS}
    assert told == {label: {"near, near → spans"} if "ALPHA" in label else set() for label in LABELS}


async def test_an_inferred_link_is_not_changed_by_hand(world: World) -> None:
    a, b, *_ = world.ids
    await world.link(a, b, "near")
    await world.infer()
    with pytest.raises(Conflict, match="inferred"):
        await world.link(b, a, "near", action="unlink")
    with pytest.raises(Conflict, match="inferred"):
        await world.link(b, a, "near", action="update", weight=1.0)
    with pytest.raises(NotFound):
        await world.link(b, a, "has_part", action="unlink")
    await world.link(b, a, "near")


async def test_a_writer_is_not_told_of_an_inferred_link_that_it_does_not_see(world: World) -> None:
    a, b, *_ = world.ids
    await world.link(a, b, "near", label="SECRET/ALPHA")
    await world.infer()
    with pytest.raises(NotFound):
        await world.link(b, a, "near", action="unlink")
    with pytest.raises(Conflict):
        await world.link(b, a, "near", label="SECRET/ALPHA", action="unlink")
    [change] = [Change("delete", "Place", object_id=b)]
    await world.objects.write(world.subject(WHOLE), world.organization, [change])
    with pytest.raises(NotFound):
        await world.link(b, a, "near", label=WHOLE, action="unlink")


async def test_what_a_definition_says_of_relations_is_given_back_and_names_those_that_there_are(world: World) -> None:
    seen = await world.types.catalogue(world.subject().session)
    assert {str(rule) for rule in seen.rules} == {
        "has_part, has_part → has_part", "^has_part → part_of", "^part_of → has_part", "^near → near",
    }  # fmt: skip
    with pytest.raises((BadInput, Several)):
        await world.define(bad={"relation": "bad", "target": "Place", "inferredFrom": [["near", "unheard_of"]]})
    with pytest.raises((BadInput, Several)):
        await world.define(bad={"relation": "bad", "target": "Place", "inferredFrom": [["near", "near", "near"]]})


async def test_each_label_is_told_exactly_the_steps_that_lead_to_a_link_among_what_it_sees(world: World) -> None:
    for _ in range(60):
        await world.step()
    await world.define("SECRET/ALPHA", reached=REACHED)
    await world.infer()
    told = 0
    for label in LABELS:
        catalogue = await world.types.catalogue(world.subject(label).session)
        async with world.database.transaction(world.subject(label).session) as transaction:
            ids = [row[0] for row in await transaction.fetch("select link_id from fabric.inferred_links")]
            explained = await explain(transaction, catalogue.rules, ["Place"], ids, 1000)
            rows = await transaction.fetch("select link_id, relation, source_id, target_id from fabric.inferred_links")
        links = {row[0]: Fact(row[1], row[2].int, row[3].int) for row in rows}
        seen = set(await world.facts(label, f"(select * from {ALL_LINKS} a where not tombstone)"))
        for id, derivations in explained.items():
            steps = [(d.rule, *(_fact(said) for said in d.premises)) for d in derivations]
            expected = set(_steps(catalogue.rules, links[id], seen)) if links[id] in seen else set()
            assert len(steps) == len(set(steps))
            assert set(steps) == expected, label
            told += len(steps)
    assert told


def _fact(said: Said) -> Fact:
    ends = (UUID(said.version[f"{end}_id"]).int for end in ("source", "target"))
    return Fact(said.version["relation"], *ends)


def _steps(rules: Iterable[Rule], link: Fact, seen: set[Fact]) -> Iterator[tuple[Any, ...]]:
    """Each way in which the rules lead to the link from what is seen besides."""
    for rule in (rule for rule in rules if rule.conclusion == link.relation):
        read = [
            [(f, (f.target, f.source) if p.reversed else (f.source, f.target)) for f in seen - {link}
             if f.relation == p.relation]
            for p in rule.premises
        ]  # fmt: skip
        for chosen in product(*read):
            ends = [each for _, each in chosen]
            joined = all(a[1] == b[0] for a, b in pairwise(ends))
            if joined and (ends[0][0], ends[-1][1]) == (link.source, link.target):
                yield (rule, *(fact for fact, _ in chosen))
