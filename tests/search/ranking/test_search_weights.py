"""What an organization has chosen decides what each ranking counts."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from library import Library
from seeker import Seeker

from fabric.search.asking.question import Mode
from fabric.search.finding.searching import Expansion
from fabric.search.ranking.fusion import Ranking, fuse
from fabric.search.ranking.statements import Scored

pytestmark = pytest.mark.anyio

IDS = st.lists(st.uuids(), unique=True, max_size=5)


@pytest.fixture
def seeker(library: Library) -> Seeker:
    return Seeker(library)


async def choose(seeker: Seeker, **weights: float) -> None:
    values = {f"search.weights.{name}": weight for name, weight in weights.items()}
    await seeker.configurations.change(seeker.library.subject(), values)


@given(IDS, IDS, st.floats(0, 10), st.floats(1, 1000))
def test_what_counts_nothing_is_not_there_unless_it_is_all_there_is(
    one: list[UUID], other: list[UUID], weight: float, damping: float
) -> None:  # fmt: skip
    first = Ranking("one", weight, [(id, 1.0) for id in one])
    silent = Ranking("other", 0.0, [(id, 1.0) for id in other])
    both, alone = fuse([first, silent], damping), fuse([first], damping)
    if weight:
        assert both == alone
    assert [hit.id for hit in alone] == sorted(one, key=lambda id: (-round(_score(one, id, weight, damping), 6), id))


def _score(ids: list[UUID], id: UUID, weight: float, damping: float) -> float:
    return (weight or 1.0) / (damping + ids.index(id) + 1)


async def test_scores_are_by_the_weights_that_were_chosen(library: Library, seeker: Seeker) -> None:
    await library.paper("water pump")
    await library.index()
    await choose(seeker, text=2, vector=3)
    [hit] = (await seeker.found("water pump", Mode.HYBRID)).hits
    assert hit.score == round(5 / 61, 6)
    await seeker.configurations.change(library.subject(), {"search.damping": 9})
    [hit] = (await seeker.found("water pump", Mode.HYBRID)).hits
    assert hit.score == round(5 / 10, 6)


async def test_where_meaning_counts_nothing_no_vector_is_asked_for(library: Library, seeker: Seeker) -> None:
    id = await library.paper("water pump")
    await library.index()
    library.provider.down = True
    await choose(seeker, vector=0)
    found = await seeker.found("pump", Mode.HYBRID)
    assert (found.warning, [(hit.id, set(hit.parts)) for hit in found.hits]) == ("", [(id, {"text"})])
    await choose(seeker, text=0)
    assert [hit.id for hit in (await seeker.found("pump", Mode.HYBRID)).hits] == [id]
    library.provider.down = False
    assert await seeker.ids("pump", Mode.VECTOR) == [id]


async def test_where_words_count_nothing_meaning_decides(library: Library, seeker: Seeker) -> None:
    id = await library.paper("water pump")
    await library.index()
    await choose(seeker, text=0)
    assert [set(hit.parts) for hit in (await seeker.found("pump", Mode.HYBRID)).hits] == [{"vector"}]
    assert await seeker.ids("pump", Mode.TEXT) == [id]


async def test_what_links_add_counts_as_it_was_chosen_and_is_not_looked_for_where_it_counts_nothing(
    library: Library, seeker: Seeker
) -> None:
    pump, neighbour, joined = [await library.paper(title) for title in ("pump", "river", "dam")]
    await library.index()
    asked = []

    async def near(best: Sequence[tuple[UUID, float]]) -> Scored:
        asked.append("graph")
        return [(neighbour, 1.0)]

    async def at_links() -> Scored:
        asked.append("links")
        return [(joined, 1.0)]

    expansion = Expansion(near, at_links)
    await choose(seeker, graph=3, links=2)
    assert await seeker.ids("pump", expansion=expansion) == [neighbour, joined, pump]
    await choose(seeker, graph=0)
    assert await seeker.ids("pump", expansion=expansion) == [joined, pump]
    await choose(seeker, links=0)
    assert await seeker.ids("pump", expansion=expansion) == [pump]
    assert asked == ["links", "graph", "links"]
