"""Whatever happens above a reader, each of its searches gives the same hits, in the same order, with the same scores.

Hidden changes follow each other in one organization, and are told to the index or not yet; what a reader found before
all of them it must find after each.
"""

from typing import Any
from uuid import UUID

import pytest
from citations import ALARM, CITES, cite, report, tell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library import Library
from seeker import Seeker, question

from fabric.errors import FabricError
from fabric.events.event_pages import Sought as SoughtEvents
from fabric.events.link_pages import Sought
from fabric.search.asking.question import Mode
from fabric.search.finding.contexts import context
from fabric.search.finding.event_searching import EventSearch
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.finding.searching import Asked, Expansion, Scored
from fabric.search.ranking.statements import anything
from fabric.writing.links import LinkChange, Links

pytestmark = pytest.mark.anyio

U, C = "UNCLASSIFIED", "CONFIDENTIAL"
HIDDEN = ("SECRET", "SECRET/ALPHA", "CONFIDENTIAL/BRAVO", "UNCLASSIFIED/ALPHA")
"""Labels that neither reader dominates."""

TEXT = "pump leak"


async def none(_: Any) -> Scored:
    return []


async def answers(library: Library, papers: list[UUID]) -> list[object]:
    """All that the readers can find, by the database alone and with vectors in memory."""
    told: list[object] = []
    for seeker in (Seeker(library), Seeker.with_memory(library)):
        links, events = LinkSearch(seeker.search), EventSearch(seeker.search)
        for reader in [await seeker.reader(at) for at in (U, C)]:
            for mode in Mode:
                asked = question(TEXT, mode)

                async def joined(reader: Any = reader, asked: Any = asked, links: LinkSearch = links) -> Scored:
                    return await links.joined(reader, asked, None)

                given = Asked(asked, reader.types, expansion=Expansion(none, joined))
                told += [
                    await seeker.search.search(reader, given),
                    await links.find(reader, asked, Sought(reader.types)),
                    await events.find(reader, asked, SoughtEvents()),
                    await context(seeker.search, reader, given, 500, None),
                ]
            for paper in papers:
                try:
                    told.append(await seeker.search.similar(reader, paper, reader.types, anything, 3))
                except FabricError as error:
                    told.append(error.code)
        await seeker.memory.close()
    return told


async def hide(library: Library, ends: tuple[list[UUID], list[UUID]], step: tuple[str, str, int, int, str]) -> None:
    """One change at a label that no reader sees; that it is not possible there is as good."""
    act, at, n, m, text = step
    reports, papers = ends
    source, target = reports[n % len(reports)], papers[m % len(papers)]
    try:
        match act:
            case "paper":
                papers.append(await library.paper(text, at=at))
            case "update":
                await library.update(target, at=at, title=text)
            case "delete":
                await library.delete(target, at=at)
            case "link":
                await cite(library, source, target, at=at, why=text)
            case "unlink":
                change = LinkChange("unlink", "isCitedFor", source, target)
                await Links(library.types).write(library.subject(at), library.organization, [change])
            case _:
                await tell(library, text, at=at)
    except FabricError:
        pass


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["paper", "update", "update", "delete", "link", "link", "unlink", "event"]),
        st.sampled_from(HIDDEN), st.integers(0, 9), st.integers(0, 9),
        st.sampled_from(["pump", "leak leak", "a pump that leaks", "stone"]),
    ),
    min_size=4, max_size=8,
)  # fmt: skip


@pytest.fixture
async def ground(library: Library) -> tuple[Library, tuple[list[UUID], list[UUID]]]:
    await library.types.define(library.subject(), library.organization.lattice, [CITES, ALARM])
    titles = ["the pump leaks", "a leak", "a pump of stone", "a weir"]
    papers = [await library.paper(title, at=C if n == 2 else U) for n, title in enumerate(titles)]
    reports = [await report(library, title) for title in ("pumps", "on stone")]
    await library.update(papers[1], at=C, title="a leak in the pump")
    for n, at in ((0, U), (1, U), (2, C), (3, U)):
        await cite(library, reports[n % 2], papers[n], at=at, why="leak" * (n == 3))
    for at, what in ((U, "the pump leaks"), (C, "a leak"), (U, "smoke")):
        await tell(library, what, at=at)
    await library.index()
    return library, (reports, papers)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, indexed=st.booleans())
async def test_what_is_hidden_changes_no_search(
    ground: tuple[Library, tuple[list[UUID], list[UUID]]], steps: list[Any], indexed: bool
) -> None:
    library, (reports, papers) = ground
    before = await answers(library, papers[:4])
    assert sum(bool(getattr(each, "hits", None)) for each in before) > 20
    for step in steps:
        await hide(library, (reports, papers), step)
    if indexed:
        await library.index()
    assert await answers(library, papers[:4]) == before
