"""Searches at a session: words, meaning, both; what is hidden has no part in any of it."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from databases import MakeSubject, run_sql
from library import Library, Provider
from seeker import S, Seeker, U, question

from fabric.database.db import Database
from fabric.embedding.provider import Model, Vectors, unit_vectors
from fabric.errors import BadInput, EmbeddingsUnavailable, NotFound
from fabric.labels import Label
from fabric.search.asking.query import Query, read_query
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode
from fabric.search.finding import searching
from fabric.search.finding.contexts import context
from fabric.search.finding.likeness import like_each
from fabric.search.finding.searching import Asked, Search
from fabric.search.ranking import nearest
from fabric.search.ranking.statements import anything
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio


@pytest.fixture
def seeker(library: Library) -> Seeker:
    return Seeker(library)


# Words


async def test_queries_are_read_as_people_write_them(database: Database) -> None:
    async def read(text: str) -> Query:
        return await read_query(database, question(text), "english")

    assert await read("the Pumps leaked") == Query(("pump", "leak"))
    assert await read('"water of the pumps" -old val*') == Query(
        ("water", "pump"), ("val",), ((("water", 0), ("pump", 3)),), ("old",)
    )  # fmt: skip
    assert (await read("'; drop table -- \\ \" * -")).phrases == ()
    for nothing in ("", "  ", "the of", '""', "*", "a*", "-", "\0", "-only"):
        assert (await read(nothing)).is_empty, nothing
    for much in ("x" * 2_001, " ".join(f"w{n}" for n in range(65))):
        with pytest.raises(BadInput):
            await read(much)


async def test_rare_words_and_short_texts_count_more(library: Library, seeker: Seeker) -> None:
    common = [await library.paper(f"pump {n}", body="filler " * n) for n in range(5)]
    rare = await library.paper("turbine and pump")
    await library.index()
    assert (await seeker.ids("pump turbine"))[0] == rare
    assert await seeker.ids("pump -turbine") == common
    assert set(await seeker.ids("pump")) == {*common, rare}
    assert await seeker.ids("turbines") == [rare]
    assert await seeker.ids("valve") == []


async def test_phrases_prefixes_and_exclusions(library: Library, seeker: Seeker) -> None:
    right = await library.paper("the water pump leaks", body="pump water")
    wrong = await library.paper("pump of water")
    other = await library.paper("waterfall")
    await library.index()
    assert await seeker.ids('"water pump"') == [right]
    assert await seeker.ids('"pump water"') == [right]
    assert await seeker.ids('"pump of water"') == [wrong]
    assert set(await seeker.ids("wat*")) == {right, wrong, other}
    assert await seeker.ids("waterf*") == [other]
    assert await seeker.ids("water -leaking") == [wrong]
    assert await seeker.ids('"water pump" "pump of water"') == []


async def test_only_what_is_asked_for_is_found_and_the_filter_applies_before_the_cut(
    library: Library, seeker: Seeker, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = await library.paper("pump pump", type_name="Memo")
    papers = [await library.paper("pump", place=f"p{n}") for n in range(9)]
    await library.index()
    monkeypatch.setattr(searching, "DEPTH", 2)
    assert await seeker.ids("pump", types=["Memo"]) == [memo]

    def where(first: int) -> tuple[str, tuple[Any, ...]]:
        return f"o.data->>'place' = ${first}::text", ("p7",)

    for mode in Mode:
        assert await seeker.ids("pump", mode, where=where) == [papers[7]], mode


async def test_highlights_are_pieces_of_the_version_that_is_seen(library: Library, seeker: Seeker) -> None:
    id = await library.paper("Leaking <b>pumps</b>", body="Nothing here", tags=["a pump"])
    await library.update(id, at=S, title="No such thing", source="the pump's maker")
    await library.index()
    assert await seeker.highlights("pump", id) == [
        ("title", "Leaking  [pumps]"), ("tags", "[pump]")
    ]  # fmt: skip
    assert await seeker.highlights("pump", id, at=S) == [("tags", "[pump]"), ("source", "[pump]'s maker")]
    assert await seeker.highlights("valve", id) == []


# Labels


async def test_each_reader_searches_the_version_it_sees(library: Library, seeker: Seeker) -> None:
    id = await library.paper("weir")
    await library.update(id, at=S, title="gate")
    hidden = await library.paper("weir gate", at=S)
    await library.index()
    assert await seeker.ids("weir") == [id]
    assert await seeker.ids("gate") == []
    assert await seeker.ids("weir", at=S) == [hidden]
    assert set(await seeker.ids("gate", at=S)) == {id, hidden}
    assert await seeker.ids("weir", Mode.VECTOR) == [id]
    await library.delete(id, at=S)  # a tombstone
    for mode in Mode:
        assert id not in await seeker.ids("gate weir", mode, at=S), mode
        assert id in await seeker.ids("weir", mode)


async def test_fields_that_a_reader_does_not_know_are_not_searched(library: Library, seeker: Seeker) -> None:
    id = await library.paper("weir", at=S, source="informer")
    await library.index()
    assert await seeker.ids("informer", at=S) == [id]
    for mode in Mode:
        assert await seeker.ids("informer", mode) == []


async def outcome(seeker: Seeker, at: str = U) -> list[Any]:
    """All that a reader is told, by names instead of ids, which differ between databases."""
    told: list[Any] = []
    rows = await seeker.library.rows("select object_id, data->>'title' as title from fabric.objects where label = 0")
    titles = {row["object_id"]: row["title"] for row in rows}
    for text in ("water pump", '"water pump"', "pum* -valve", "leak", "spring river"):
        for mode in Mode:
            found = await seeker.found(text, mode, at)
            told.append([(titles[hit.id], hit.score, dict(hit.parts)) for hit in found.hits[:10]])
            for hit in found.hits[:3]:
                told.append(await seeker.highlights(text, hit.id, at))
    for id, title in sorted(titles.items(), key=lambda each: str(each[1]))[:3]:
        reader = await seeker.reader(at)
        near = await seeker.search.similar(reader, id, reader.types, anything, 10)
        told.append((title, [(titles[hit.id], hit.score) for hit in near]))
    each = await like_each(seeker.search, await seeker.reader(at), list(titles), 10)
    told.append({titles[id]: [(titles[hit.id], hit.score) for hit in near] for id, near in each.items()})
    for text in ("water pump", "spring river"):
        reader = await seeker.reader(at)
        made = await context(seeker.search, reader, Asked(question(text), reader.types), 300, None)
        told.append((made.text, made.tokens, [(titles[s.id], s.start, s.end, s.label) for s in made.sources]))
    return told


WORDS = "water pump valve leak river spring gate stone bridge weir pumping station reservoir level".split()


async def test_twenty_thousand_hidden_nearer_neighbours_change_nothing(
    library: Library, seeker: Seeker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do covering versions: those who do not see them are told the same, to the last digit."""
    monkeypatch.setattr("fabric.search.ranking.corpus.STALE_SECONDS", -1.0)
    random.seed(5)
    ids = [await library.paper(f"{' '.join(random.choices(WORDS, k=6))} {n}") for n in range(60)]
    await library.index()
    before = await outcome(seeker)
    secret = library.organization.lattice.encode(Label.parse(S))
    for id in ids[:10]:
        await library.update(id, at=S, title="water pump leak")
    await library.rows(
        """insert into fabric.objects (organization_id, object_id, label, type_name, data, revision)
           select $1, gen_random_uuid(), $2, 'Paper', jsonb_build_object('title', 'water pump leak spring river'), 1
           from generate_series(1, 20000)""",
        library.id, secret,
    )  # fmt: skip
    await library.indexer.put_words(library.id)
    [vector] = await library.provider.embed(["water pump leak spring river"])
    await library.rows(
        """insert into fabric.embeddings
               (organization_id, entity_table, entity_id, label, model, content_hash, embedding)
           select $1, 'objects', entity_id, label, 'test#256', content_hash, $3::text::halfvec
           from fabric.search_texts t where label = $2""",
        library.id, secret, "[" + ",".join(map(str, vector.tolist())) + "]",
    )  # fmt: skip
    await run_sql(library.admin_url, "analyze")
    for each in (seeker, Seeker.with_memory(library)):
        assert await outcome(each) == before
        assert len(await each.ids("water pump", Mode.VECTOR)) == 60
        assert len(await each.ids("water pump", Mode.VECTOR, at=S)) == searching.DEPTH


# Meaning


class Fixed(Provider):
    """Vectors of two dimensions that the text says, such as 0.6,0.8."""

    async def model(self) -> Model:
        return Model(self.name, 2)

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        return unit_vectors([[float(x) for x in text.split(",")] for text in texts], len(texts), 2)


async def test_the_nearest_come_first_and_as_many_as_there_are(library: Library, seeker: Seeker) -> None:
    library.indexer = library.indexer_with(Fixed())
    angles = np.linspace(0, 3, 30)
    ids = [await library.paper(f"{np.cos(a)},{np.sin(a)}", at=S if n % 2 else U) for n, a in enumerate(angles)]
    await library.index()
    seeker = Seeker(library, Fixed())
    assert await seeker.ids("1,0", Mode.VECTOR) == ids[::2]
    assert await seeker.ids("1,0", Mode.VECTOR, at=S) == ids
    reader = await seeker.reader(U)
    near = await seeker.search.similar(reader, ids[0], reader.types, anything, 3)
    assert [hit.id for hit in near] == ids[2:8:2]
    with pytest.raises(NotFound):
        await seeker.search.similar(reader, ids[1], reader.types, anything, 3)


async def test_both_together_agree_on_what_is_best_and_tell_why(library: Library, seeker: Seeker) -> None:
    both = await library.paper("water pump")
    await library.paper("a quiet river")
    await library.index()
    best = (await seeker.found("water pump", Mode.HYBRID)).hits[0]
    assert best.id == both
    assert (best.parts["text"].rank, best.parts["vector"].rank) == (1, 1)
    assert best.score == round(2 / 61, 6)


async def test_without_vectors_words_do_with_a_warning(library: Library, seeker: Seeker) -> None:
    id = await library.paper("water pump")
    await library.index()
    library.provider.down = True
    found = await seeker.found("pump", Mode.HYBRID)
    assert [hit.id for hit in found.hits] == [id]
    assert found.warning
    with pytest.raises(EmbeddingsUnavailable):
        await seeker.found("pump", Mode.VECTOR)
    assert not (await seeker.found("pump", Mode.TEXT)).warning


async def test_the_old_model_serves_until_the_new_one_has_as_many(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabric.search.ranking.corpus.STALE_SECONDS", -1.0)
    old, new = Provider(name="old"), Provider(name="new")
    for n in range(3):
        await library.paper(f"pump {n}")
    await library.index(library.indexer_with(old))
    vectors = QueryVectors(new, lambda key: old if key == "old#256" else None)
    seeker = Seeker(library)
    seeker.search = Search(library.database, library.types, vectors, seeker.memory, seeker.configurations)
    old.texts.clear()
    assert len(await seeker.ids("pumps", Mode.VECTOR)) == 3
    assert (old.texts, new.texts) == (["pumps"], [])
    await library.index(library.indexer_with(new))
    assert len(await seeker.ids("pumps", Mode.VECTOR)) == 3
    assert new.texts[-1] == "pumps"


async def test_two_organizations_do_not_find_each_others(
    library: Library, seeker: Seeker, admin_url: str, database: Database, subject: MakeSubject
) -> None:
    await library.paper("pump")
    await library.change(Change("create", "Box", {"name": "pump"}))
    await library.index()
    await library.rows("update fabric.embeddings set organization_id = gen_random_uuid()")
    await library.rows("update fabric.search_terms set organization_id = gen_random_uuid()")
    for mode in Mode:
        assert await seeker.ids("pump", mode) == []


async def test_many_covered_versions_nearby_leave_no_gap(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest rows are all covered for who sees SECRET; what wins comes after them, as many as asked for."""
    monkeypatch.setattr(searching, "DEPTH", 3)
    library.indexer = library.indexer_with(Fixed())
    for n in range(20):
        id = await library.paper(f"1,{n / 1000}")
        await library.update(id, at=S, title=f"-1,{n}")
    right = [await library.paper(f"0.5,{n + 1}", at=S) for n in range(4)]
    await library.index()
    monkeypatch.setattr(nearest, "FURTHER", 2)
    for seeker in (Seeker(library, Fixed()), Seeker.with_memory(library, Fixed())):
        assert await seeker.ids("1,0", Mode.VECTOR, at=S) == right[:3]
        assert len(await seeker.ids("1,0", Mode.VECTOR)) == 3
        each = await like_each(seeker.search, await seeker.reader(S), right, 3)
        assert [hit.id for hit in each[right[0]]] == right[1:]
        assert len(each) == 4
