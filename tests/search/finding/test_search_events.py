"""Applications' own events, found by what they say: where their types ask for it, and by who sees them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from citations import ALARM, tell
from library import Library
from sealed import Ground
from seeker import S, Seeker, U, question
from waiting import until

from fabric.errors import EmbeddingsUnavailable
from fabric.events.appending import OwnEvent, append
from fabric.events.event_pages import Sought
from fabric.seals.retention import Policy, prune
from fabric.search.asking.question import Mode
from fabric.search.finding.event_searching import EventSearch
from fabric.search.finding.searching import Found
from fabric.search.index import event_texts
from fabric.search.index.worker import Worker

pytestmark = pytest.mark.anyio

NOTE: dict[str, Any] = {"typeName": "Note", "domain": "event", "fields": {"text": {"type": "text", "searchable": True}}}


@pytest.fixture
async def alarmed(library: Library) -> Library:
    await library.types.define(library.subject(), library.organization.lattice, [ALARM, NOTE])
    return library


async def found(library: Library, text: str, mode: Mode = Mode.TEXT, at: str = U, **sought: Any) -> Found:
    seeker = Seeker(library)
    return await EventSearch(seeker.search).find(await seeker.reader(at), question(text, mode), Sought(**sought))


async def ids(library: Library, text: str, mode: Mode = Mode.TEXT, at: str = U, **sought: Any) -> list[UUID]:
    return [hit.id for hit in (await found(library, text, mode, at, **sought)).hits]


async def test_events_are_found_by_words_and_by_meaning_if_their_type_asks(alarmed: Library) -> None:
    leak = await tell(alarmed, "the pump leaks", where="river", code=7)
    smoke = await tell(alarmed, "smoke in the choir")
    note = OwnEvent("note.taken", "Note", {"text": "the pump"})
    await append(alarmed.types, alarmed.subject(), alarmed.organization, note)
    await alarmed.index()
    assert alarmed.provider.texts == ["the pump leaks\nriver", "smoke in the choir"]
    assert await ids(alarmed, "pumps") == [leak]
    assert await ids(alarmed, "rivers -smoke") == [leak]
    assert await ids(alarmed, '"the choir"') == [smoke]
    assert await ids(alarmed, "choir smokes", Mode.VECTOR) == [smoke, leak]
    both = (await found(alarmed, "pump leak", Mode.HYBRID)).hits[0]
    assert (both.id, set(both.parts)) == (leak, {"text", "vector"})
    assert await ids(alarmed, " ") == []
    assert await alarmed.indexer.missing(alarmed.id) == (0, 0)


async def test_what_is_above_changes_nothing_below(alarmed: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.search.ranking.corpus.STALE_SECONDS", -1.0)
    for n in range(4):
        await tell(alarmed, f"pump {n} {'leak ' * n}")
    await alarmed.index()
    before = [(await found(alarmed, "pump leak", mode)).hits for mode in Mode]
    hidden = [await tell(alarmed, "pump leak", at=S) for _ in range(5)]
    await alarmed.index()
    assert [(await found(alarmed, "pump leak", mode)).hits for mode in Mode] == before
    assert len(await ids(alarmed, "pump", Mode.VECTOR)) == 4
    assert set(hidden) < set(await ids(alarmed, "pump", Mode.VECTOR, at=S))
    search = EventSearch(Seeker(alarmed).search)
    assert await search.read(alarmed.subject(U).session, hidden) == {}
    assert set(await search.read(alarmed.subject(S).session, hidden)) == set(hidden)


async def test_only_what_is_sought_is_ranked(alarmed: Library) -> None:
    paper = await alarmed.paper("a pump")
    about = await tell(alarmed, "pump", object_id=paper)
    other = await tell(alarmed, "pump", topic="alarm_x.cleared")
    await alarmed.index()
    [[times]] = await alarmed.rows(
        "select array_agg(occurred_at order by position) from fabric.events where topic ~ '^a'"
    )
    for mode in Mode:
        assert await ids(alarmed, "pump", mode, topics=["alarm_x.*"]) == [other]
        assert await ids(alarmed, "pump", mode, topics=["alarm%", "alarm.raised"]) == [about]
        assert await ids(alarmed, "pump", mode, entity_id=paper) == [about]
        assert await ids(alarmed, "pump", mode, types=["Note"]) == []
        assert await ids(alarmed, "pump", mode, since=times[1]) == [other]
        assert await ids(alarmed, "pump", mode, until=times[1]) == [about]


async def test_a_type_that_asks_later_or_no_more_is_followed(alarmed: Library) -> None:
    lattice = alarmed.organization.lattice
    note = OwnEvent("note.taken", "Note", {"text": "a weir"})
    await append(alarmed.types, alarmed.subject(), alarmed.organization, note)
    alarm = await tell(alarmed, "a pump")
    async with Worker(alarmed.database, alarmed.indexer).running():

        async def found_now() -> tuple[int, list[UUID]]:
            return len(await ids(alarmed, "weir")), await ids(alarmed, "pump")

        async def is_now(*expected: object) -> bool:
            return await found_now() == expected

        await until(lambda: is_now(0, [alarm]))
        asking = {**NOTE, "embedding": {"fields": ["text"]}}
        silent = {name: value for name, value in ALARM.items() if name != "embedding"}
        await alarmed.types.define(alarmed.subject(), lattice, [asking, silent])
        await until(lambda: is_now(1, []))
        later = await tell(alarmed, "a pump")
        await alarmed.types.define(alarmed.subject(), lattice, [ALARM])
        await until(lambda: is_now(1, sorted([alarm, later])))


async def test_a_pruned_event_takes_its_text_along(alarmed: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_texts, "AT_ONCE", 2)
    told = [await tell(alarmed, f"pump {n}") for n in range(5)]
    await alarmed.index()
    await alarmed.rows("delete from fabric.events where position = $1", told[0].int)
    assert set(await ids(alarmed, "pump")) == set(told[1:])
    for table in ("search_texts", "embeddings"):
        [[number]] = await alarmed.rows(f"select count(*) from fabric.{table} where entity_table = 'events'")
        assert number == 4
    [[number]] = await alarmed.rows("select count(*) from fabric.search_terms where entity_id = $1", told[0])
    assert number == 0


async def test_what_retention_prunes_is_found_no_more(alarmed: Library, ground: Ground) -> None:
    low, high = await tell(alarmed, "a pump"), await tell(alarmed, "a pump", at=S)
    await alarmed.index()
    await ground.seal()
    kept = await tell(alarmed, "a pump of today")
    await alarmed.index()
    day = timedelta(days=1)
    policy, later = Policy(day, day), datetime.now(UTC) + 2 * day
    _, faults = await prune(alarmed.admin_url, policy, ground.key, ground.trusted, now=later)
    assert faults == []
    assert await alarmed.rows("select from fabric.events where position = any($1)", [low.int, high.int]) == []
    for table in ("search_texts", "search_terms", "embeddings"):
        rows = await alarmed.rows(f"select distinct entity_id from fabric.{table} where entity_table = 'events'")
        assert [row["entity_id"] for row in rows] == [kept]
    for mode in Mode:
        assert await ids(alarmed, "pump", mode, at=S) == [kept]


async def test_the_memory_finds_what_the_database_finds(alarmed: Library) -> None:
    for n in range(12):
        await tell(alarmed, f"pump {n} {'leak ' * (n % 4)}", at=S if n % 3 else U, topic=f"alarm.{n % 2}")
    await alarmed.index()
    for at in (U, S):
        answers = []
        for seeker in (Seeker(alarmed), Seeker.with_memory(alarmed)):
            reader, search = await seeker.reader(at), EventSearch(seeker.search)
            for sought in (Sought(), Sought(topics=["alarm.1"])):
                answers.append((await search.find(reader, question("leaks", Mode.VECTOR), sought)).hits)
        assert answers[:2] == answers[2:]
        assert len(answers[0]) == (12 if at == S else 4)


async def test_without_vectors_words_do_with_a_warning(alarmed: Library) -> None:
    leak = await tell(alarmed, "a pump")
    await alarmed.index()
    alarmed.provider.down = True
    without = await found(alarmed, "pump", Mode.HYBRID)
    assert [hit.id for hit in without.hits] == [leak]
    assert without.warning
    with pytest.raises(EmbeddingsUnavailable):
        await found(alarmed, "pump", Mode.VECTOR)
