"""Links found by their ends: as each reader sees them, at once, and by nothing that it does not see."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from citations import REPORT, report
from library import Library
from seeker import Seeker, question

from fabric.configuration.configurations import Configurations
from fabric.errors import EmbeddingsUnavailable
from fabric.events.link_pages import Sought
from fabric.search.asking.question import Mode
from fabric.search.finding import link_searching
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.finding.searching import Found
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

U, S = "UNCLASSIFIED", "SECRET"


@pytest.fixture
async def linked(library: Library) -> Library:
    await library.types.define(library.subject(), library.organization.lattice, [REPORT])
    return library


async def link(library: Library, source: UUID, target: UUID, relation: str = "cites", at: str = U) -> UUID:
    change = LinkChange("link", relation, source, target)
    written = await Links(library.types).write(library.subject(at), library.organization, [change])
    assert written
    [row] = await library.rows(
        "select distinct link_id from fabric.links where source_id = $1 and target_id = $2 and relation = $3",
        source, target, relation,
    )  # fmt: skip
    return UUID(str(row["link_id"]))


async def found(library: Library, text: str, mode: Mode = Mode.TEXT, at: str = U, **sought: Any) -> Found:
    seeker = Seeker(library)
    reader = await seeker.reader(at)
    return await LinkSearch(seeker.search).find(reader, question(text, mode), Sought(reader.types, **sought))


async def ids(library: Library, text: str, mode: Mode = Mode.TEXT, at: str = U, **sought: Any) -> list[UUID]:
    return [hit.id for hit in (await found(library, text, mode, at, **sought)).hits]


async def read(library: Library, ids: Sequence[UUID], at: str = U) -> set[UUID]:
    seeker = Seeker(library)
    return set(await LinkSearch(seeker.search).read(await seeker.reader(at), ids))


async def test_links_are_ranked_by_the_weights_that_were_chosen(linked: Library) -> None:
    await link(linked, await report(linked, "pump"), await linked.paper("valve"))
    await linked.index()
    await Configurations(linked.database).change(linked.subject(), {"search.weights.text": 4, "search.damping": 1})
    [hit] = (await found(linked, "pump", Mode.HYBRID)).hits
    assert hit.score == round(4 / 2 + 1 / 2, 6)


async def test_a_link_ranks_by_both_of_its_ends(linked: Library) -> None:
    pump, choir = await report(linked, "the water pump leaks"), await report(linked, "a choir sings")
    valve, song = await linked.paper("a pump with a valve"), await linked.paper("a song")
    both, one, none = [await link(linked, *ends) for ends in ((pump, valve), (pump, song), (choir, song))]
    await linked.index()
    assert await ids(linked, "pumps") == [both, one]
    assert await ids(linked, "sings") == [none]
    by_meaning = await found(linked, "pump", Mode.VECTOR)
    assert by_meaning.hits[0].id == both
    assert {hit.id for hit in by_meaning.hits} == {both, one, none}
    assert by_meaning.hits[0].parts["vector"].score > by_meaning.hits[1].parts["vector"].score
    first = (await found(linked, "pump", Mode.HYBRID)).hits[0]
    assert (first.id, set(first.parts)) == (both, {"text", "vector"})
    assert await ids(linked, "  ", Mode.HYBRID) == []


async def test_an_end_without_text_counts_nothing_and_hides_no_link(linked: Library) -> None:
    box = (await linked.change(Change("create", "Box", {"name": "pump"})))[0]
    paper = await linked.paper("a pump")
    await linked.types.define(
        linked.subject(), linked.organization.lattice,
        [{**REPORT, "links": REPORT["links"] | {"holds": {"relation": "holds", "target": "Box"}}}],
    )  # fmt: skip
    pump = await report(linked, "a pump")
    whole, half = await link(linked, pump, paper), await link(linked, pump, box, "holds")
    await linked.index()
    for mode in Mode:
        assert await ids(linked, "pump", mode) == [whole, half]


async def test_it_finds_of_what_is_sought_only(linked: Library) -> None:
    pump, paper, other = await report(linked, "pump"), await linked.paper("pump"), await linked.paper("pump")
    cited = await link(linked, pump, paper)
    mentioned = await link(linked, pump, other, "mentions")
    await linked.index()
    for mode in Mode:
        assert set(await ids(linked, "pump", mode)) == {cited, mentioned}
        assert await ids(linked, "pump", mode, relations=["mentions"]) == [mentioned]
        assert await ids(linked, "pump", mode, relations=[]) == []
        assert await ids(linked, "pump", mode, ends=((None, paper),)) == [cited]
        assert await ids(linked, "pump", mode, ends=((pump, other), (paper, None))) == [mentioned]
        assert set(await ids(linked, "pump", mode, inferred=True)) == {cited, mentioned}


async def test_many_hidden_links_and_ends_change_nothing_for_who_does_not_see_them(
    linked: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_searching, "DEPTH", 3)
    reports = [await report(linked, f"water {n}") for n in range(3)]
    papers = [await linked.paper("a pump far away"), await linked.paper("a choir"), await linked.paper("some pump")]
    for source, target in zip(reports, papers, strict=True):
        await link(linked, source, target)
    await linked.index()
    asked = [("pump", mode) for mode in Mode]
    before = [(await found(linked, *each)).hits for each in asked]
    assert [len(hits) for hits in before] == [3, 2, 3]
    hidden = []
    for n in range(8):
        nearer = await linked.paper("pump", at=S)
        hidden.append(await link(linked, reports[n % 3], nearer, at=S))
        if n < 3:
            hidden.append(await link(linked, reports[n], papers[n], "mentions", at=S))
    await linked.index()
    assert [(await found(linked, *each)).hits for each in asked] == before
    assert set(await ids(linked, "pump", Mode.VECTOR, at=S)) <= set(hidden)
    assert await read(linked, hidden) == set()
    assert hidden[0] in await read(linked, hidden, at=S)


async def test_an_end_that_a_reader_loses_takes_the_hit_away_at_once(linked: Library) -> None:
    pump, paper = await report(linked, "a choir"), await linked.paper("the pump")
    made = await link(linked, pump, paper)
    await linked.index()
    assert await ids(linked, "pump", Mode.HYBRID) == [made]
    await linked.rows("update fabric.objects set label = 4 where object_id = $1", paper)
    for mode in Mode:
        assert await ids(linked, "pump", mode) == []
    assert await read(linked, [made]) == set()


async def test_a_covered_end_is_found_by_what_covers_it(linked: Library) -> None:
    pump, paper = await report(linked, "a choir"), await linked.paper("public name")
    made = await link(linked, pump, paper)
    await linked.update(paper, at=S, title="real thing")
    await linked.index()
    assert await ids(linked, "public") == [made]
    assert await ids(linked, "real") == []
    assert await ids(linked, "public", at=S) == []
    assert await ids(linked, "real", at=S) == [made]


async def test_what_ends_say_anew_is_found_and_a_deleted_link_is_not(linked: Library) -> None:
    pump, paper = await report(linked, "a choir"), await linked.paper("the pump")
    made = await link(linked, pump, paper)
    await linked.index()
    await linked.update(paper, title="a valve")
    await linked.index()
    assert await ids(linked, "pump") == []
    assert await ids(linked, "valve") == [made]
    change = LinkChange("unlink", "cites", pump, paper)
    await Links(linked.types).write(linked.subject(), linked.organization, [change])
    for mode in Mode:
        assert await ids(linked, "valve", mode) == []


async def test_without_vectors_words_do_with_a_warning(linked: Library) -> None:
    made = await link(linked, await report(linked, "a pump"), await linked.paper("a choir"))
    await linked.index()
    linked.provider.down = True
    without = await found(linked, "pump", Mode.HYBRID)
    assert [hit.id for hit in without.hits] == [made]
    assert without.warning
    with pytest.raises(EmbeddingsUnavailable):
        await found(linked, "pump", Mode.VECTOR)
