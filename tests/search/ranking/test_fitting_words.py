"""Whatever is written, and however far indexing has come: by words each reader finds what it sees now, and no other.

What has another text than its words were made of is found by none of them, and does not count for how rare they are.
"""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library import Library
from seeker import S, Seeker, U

from fabric.errors import FabricError
from fabric.labels import winner
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

WORDS = ("pump", "gate", "weir")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["say", "say", "move", "drop", "again", "index"]),
        st.sampled_from([U, S]), st.integers(0, 2), st.sampled_from(WORDS),
    ),
    min_size=4, max_size=12,
)  # fmt: skip

Stored = dict[tuple[UUID, int], str | None]
"""The title of each version, None of a tombstone."""


async def stored(library: Library) -> Stored:
    rows = await library.rows("select object_id, label, tombstone, data->>'title' as title from fabric.objects")
    return {(row["object_id"], row["label"]): None if row["tombstone"] else row["title"] for row in rows}


async def take(library: Library, ids: list[UUID], step: tuple[str, str, int, str]) -> None:
    """One step; that it is not possible as things are is as good."""
    act, at, n, word = step
    try:
        match act:
            case "say":
                await library.update(ids[n], at=at, title=word)
            case "move":
                await library.update(ids[n], at=at, place=word)
            case "drop":
                await library.delete(ids[n], at=at)
            case "again":
                await library.change(Change("create", "Paper", {"title": word}, ids[n]), at=at)
            case _:
                await library.indexer.put_words(library.id)
    except FabricError:
        pass


def seen(library: Library, versions: Stored, fitting: set[Any], at: str, word: str) -> set[UUID]:
    clearance = library.subject(at).session.label
    found = set()
    for id in {id for id, _ in versions}:
        label = winner((label for each, label in versions if each == id), clearance)
        if label is not None and (id, label) in fitting and versions[id, label] == word:
            found.add(id)
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_each_reader_finds_by_words_what_it_sees_now(library: Library, steps: list[Any]) -> None:
    seeker = Seeker(library)
    ids = [await library.paper(word) for word in WORDS]
    await library.indexer.put_words(library.id)
    before = {key: title for key, title in (await stored(library)).items() if key[0] in ids}
    fitting = {*before}
    for step in steps:
        await take(library, ids, step)
        now = {key: title for key, title in (await stored(library)).items() if key[0] in ids}
        same = {key for key in now if key in before and now[key] == before[key]}
        fitting, before = {*now} if step[0] == "index" else fitting & same, now
        for at in (U, S):
            for word in WORDS:
                assert set(await seeker.ids(word, at=at)) & {*ids} == seen(library, now, fitting, at, word)


async def test_words_of_what_was_there_before_make_no_word_less_rare(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabric.search.ranking.corpus.STALE_SECONDS", -1.0)
    ids = [await library.paper(title) for title in ("pump", "pump", "pump", "weir")]
    await library.index()
    seeker = Seeker(library)

    async def scores() -> list[tuple[UUID, float]]:
        return [(hit.id, hit.parts["text"].score) for hit in (await seeker.found("pump")).hits]

    await library.update(ids[3], place="elsewhere")
    before = await scores()
    await library.update(ids[0], title="gate")
    outdated = await scores()
    await library.index()
    assert outdated == await scores()
    assert {id for id, _ in outdated} == {*ids[1:3]}
    assert outdated[0][1] > before[0][1]


async def test_words_stay_of_the_version_that_they_were_made_of(library: Library) -> None:
    """A change of what is not searched costs its writer no word that is written anew."""
    id = await library.paper("a pump at the weir")
    await library.index()
    words = "select term, positions, stamp, ctid::text from fabric.search_terms order by term"
    before = await library.rows(words)
    await library.update(id, place="elsewhere")
    assert await library.rows(words) == before
    assert await Seeker(library).ids("pump") == [id]
    await library.update(id, title="a gate")
    assert await Seeker(library).ids("pump") == []
    await library.index()
    assert {row["stamp"] for row in await library.rows(words)} != {row["stamp"] for row in before}
    assert await Seeker(library).ids("gate") == [id]
