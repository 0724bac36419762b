"""What is searched of a version, and that none is missed: by the background worker, after a kill, after changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from library import PAPER, TYPES, Library, Provider
from seeker import Seeker
from waiting import until

from fabric.configuration.options import LANGUAGE
from fabric.database.db import Database
from fabric.errors import EmbeddingsUnavailable
from fabric.identity.organizations import Directory, establish
from fabric.identity.subject import Subject
from fabric.search.index import indexing, object_texts, worker
from fabric.search.index.sources import Changed
from fabric.search.index.worker import Worker
from fabric.types.types import Types
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

U, S = "UNCLASSIFIED", "SECRET"
SEARCHED = ("search_texts", "search_terms", "embeddings")


async def vectors(library: Library, model: str = "test#256") -> int:
    [[number]] = await library.rows("select count(*) from fabric.embeddings where model = $1", model)
    return int(number)


@asynccontextmanager
async def working(database: Database, library: Library) -> AsyncIterator[Worker]:
    made = Worker(database, library.indexer)
    async with made.running():
        yield made


# What enters


async def test_the_text_is_of_the_fields_that_the_definition_names(library: Library) -> None:
    id = await library.paper("Weirs", body="of stone", tags=["river", "dam"], place="nowhere", extra={"a": "json"})
    await library.index()
    assert library.provider.texts == ["Weirs\nof stone\nriver, dam"]
    assert await library.words() == {(id, U): ["dam", "river", "stone", "weir"]}


async def test_a_descendant_has_the_text_of_its_ancestor_and_types_without_any_have_none(library: Library) -> None:
    memo = await library.paper("Weirs", type_name="Memo", number=7)

    await library.change(Change("create", "Box", {"name": "Pandora"}))
    await library.index()
    assert await library.words() == {(memo, U): ["weir"]}
    assert await library.indexer.missing(library.id) == (0, 0)


async def test_fields_above_a_version_never_enter_and_each_version_has_a_text_of_its_own(library: Library) -> None:
    id = await library.paper("Weirs")
    await library.update(id, at=S, title="Gates", source="an informer")
    await library.index()
    assert await library.words() == {(id, U): ["weir"], (id, S): ["gate", "inform"]}
    # Even where such a value lies in a lower version.
    await library.rows('update fabric.objects set data = data || \'{"source@3000000000000000": "x", "source": "y"}\'')
    await library.rows("update fabric.objects set revision = revision + 1")
    await library.index()
    assert (await library.words())[id, U] == ["weir"]


async def test_what_is_encrypted_does_not_enter(library: Library) -> None:
    id = await library.paper("Weirs", body="secret", tags=["a", "river"])
    await library.rows(
        """update fabric.objects set revision = 2,
           data = data || '{"body": {"_encrypted": true}, "tags": [{"_encrypted": true}, "river"]}'"""
    )
    await library.index()
    assert library.provider.texts == ["Weirs\nriver"]
    assert await library.words() == {(id, U): ["river", "weir"]}


# What is embedded, and when


async def test_unchanged_text_is_not_embedded_twice(library: Library) -> None:
    id = await library.paper("Weirs")
    await library.index()
    await library.update(id, place="elsewhere")
    await library.index()
    assert library.provider.texts == ["Weirs"]
    assert await library.indexer.missing(library.id) == (0, 0)
    await library.update(id, title="Dams")
    await library.index()
    assert library.provider.texts == ["Weirs", "Dams"]
    assert await vectors(library) == 1


async def test_what_is_deleted_leaves_nothing_behind(library: Library) -> None:
    first, second = await library.paper("Weirs"), await library.paper("Gates")
    await library.update(second, at=S, source="an informer")
    await library.index()
    await library.delete(first)
    await library.delete(second, at=S)  # which leaves a tombstone
    await library.index()
    assert await library.words() == {(second, U): ["gate"]}
    assert [row["term"] for row in await library.rows("select term from fabric.search_terms")] == ["gate"]
    assert await vectors(library) == 1


@pytest.mark.parametrize("storing", ["put_texts", "put_vectors"])
async def test_what_is_deleted_while_it_is_being_stored_leaves_nothing_behind(
    library: Library, monkeypatch: pytest.MonkeyPatch, storing: str
) -> None:
    """The deletion cannot see what another transaction is about to commit."""
    id, kept = await library.paper("Weirs", at=S), await library.paper("Gates", at=S)
    module, deleted = object_texts if storing == "put_texts" else indexing.store, False
    plain = getattr(module, storing)

    async def deleting(*args: Any, **given: Any) -> Any:
        nonlocal deleted
        result = await plain(*args, **given)
        if not deleted:
            deleted = True
            await library.delete(id, at=S)
        return result

    monkeypatch.setattr(module, storing, deleting)
    await library.index()
    assert deleted
    left = [await library.rows(f"select from fabric.{t} where entity_id = $1", id) for t in SEARCHED]
    assert any(left), "nothing was left by the race, so this proves nothing"
    await library.indexer.put_words(library.id, Changed(objects=[id]))
    for table in SEARCHED:
        found = await library.rows(f"select distinct entity_id from fabric.{table}")
        assert [row["entity_id"] for row in found] == [kept]


async def test_a_version_that_changes_while_it_is_embedded_gets_the_vector_of_its_new_text(library: Library) -> None:
    id = await library.paper("Weirs")
    await library.indexer.put_words(library.id)
    embed = library.provider.embed

    async def slowly(texts: Any, **given: Any) -> Any:
        made = await embed(texts, **given)
        if texts == ["Weirs"]:
            await library.update(id, title="Dams")
            await library.indexer.put_words(library.id)
        return made

    library.provider.embed = slowly  # type: ignore[method-assign]
    await library.indexer.put_vectors(library.id)
    assert await library.indexer.missing(library.id) == (0, 1)
    await library.index()
    assert await library.indexer.missing(library.id) == (0, 0)
    assert library.provider.texts == ["Weirs", "Dams"]


async def test_who_begins_asks_for_the_definitions_anew(database: Database, library: Library) -> None:
    stale = Types(database)  # whom nobody tells of changes
    await stale.catalogue(library.subject(U).session)
    id = await library.paper("Weirs", place="Delta")
    fields = PAPER["fields"] | {"place": {"type": "string", "searchable": True}}
    await library.types.define(library.subject(), library.organization.lattice, [{**PAPER, "fields": fields}])

    async def words() -> bool:
        return await library.words() == {(id, U): ["delta", "weir"]}

    async with Worker(database, replace(library.indexer, types=stale)).running():
        await until(words)


async def test_a_pass_that_is_killed_misses_none_and_repeats_at_most_a_batch(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "VECTORS_AT_ONCE", 5)
    monkeypatch.setattr(indexing, "PAGE", 13)
    monkeypatch.setattr(object_texts, "AT_ONCE", 7)
    for n in range(40):
        await library.paper(f"paper {n}", at=S if n % 3 else U)
    rounds = 0
    while await library.indexer.missing(library.id) != (0, 0):
        rounds += 1
        task = asyncio.create_task(library.index())
        await asyncio.sleep(0.03 * rounds)
        task.cancel()
        await asyncio.wait([task])
    assert rounds > 1
    assert await vectors(library) == 40
    assert len(library.provider.texts) <= 40 + 5 * rounds
    assert set(library.provider.texts) == {f"paper {n}" for n in range(40)}


async def test_a_text_that_is_refused_holds_up_no_other(library: Library) -> None:
    for n in range(9):
        await library.paper("POISON" if n == 4 else f"paper {n}")
    await library.index()
    assert await vectors(library) == 8
    assert library.indexer.counts.refused == 1


async def test_another_model_is_embedded_beside_the_old_one(library: Library) -> None:
    await library.paper("Weirs")
    await library.index()
    other = library.indexer_with(Provider(name="other"))
    assert await other.missing(library.id) == (0, 1)
    await library.index(other)
    assert (await vectors(library), await vectors(library, "other#256")) == (1, 1)
    await other.forget_other_models(library.id)
    assert (await vectors(library), await vectors(library, "other#256")) == (0, 1)


async def test_no_vector_outlives_the_text_that_it_is_of(library: Library) -> None:
    """However long the next one takes: it would rank by what has been taken out of sight."""
    weirs = await library.paper("Weirs", body="an informer says so")
    await library.paper("Gates")
    await library.index()
    assert await vectors(library) == 2
    await library.update(weirs, body=None)
    await library.indexer.put_words(library.id, Changed(objects=[weirs]))
    assert await vectors(library) == 1
    changed = {**PAPER, "fields": PAPER["fields"] | {"place": {"type": "string", "searchable": True}}}
    await library.types.define(library.subject(), library.organization.lattice, [changed])
    await library.indexer.put_words(library.id)  # which makes the same text
    assert await vectors(library) == 1
    await library.index()
    assert library.provider.texts[2:] == ["Weirs"]
    assert await vectors(library) == 2


async def test_a_changed_definition_or_language_makes_words_anew(library: Library) -> None:
    id = await library.paper("Weirs", place="rivers")
    await library.index()
    changed = {**PAPER, "fields": PAPER["fields"] | {"place": {"type": "string", "searchable": True}}}
    await library.types.define(library.subject(), library.organization.lattice, [changed])
    await library.index()
    assert await library.words() == {(id, U): ["river", "weir"]}
    await library.index(library.indexer_with(library.provider, "simple"))
    assert await library.words() == {(id, U): ["rivers", "weirs"]}
    assert library.provider.texts == ["Weirs", "Weirs\nrivers"]


# The worker


async def complete(library: Library) -> bool:
    return await library.indexer.missing(library.id) == (0, 0)


async def test_the_worker_finds_what_was_there_and_what_comes(database: Database, library: Library) -> None:
    before = await library.paper("Weirs")
    async with working(database, library):
        await until(lambda: complete(library))
        after = await library.paper("Gates", at=S)
        await until(lambda: complete(library))
        await library.update(before, title="Dams")
        await until(lambda: complete(library))
    assert await library.words() == {(before, U): ["dam"], (after, S): ["gate"]}
    assert sorted(library.provider.texts) == ["Dams", "Gates", "Weirs"]
    assert library.indexer.counts.vectors == 3


async def test_the_worker_notices_a_changed_definition(database: Database, library: Library) -> None:
    id = await library.paper("Weirs", place="rivers")
    changed = {**PAPER, "fields": PAPER["fields"] | {"place": {"type": "string", "searchable": True}}}
    async with working(database, library):
        await until(lambda: complete(library))
        await library.types.define(library.subject(), library.organization.lattice, [changed])

        async def made() -> bool:
            return (await library.words())[id, U] == ["river", "weir"]

        await until(made)


async def another(admin_url: str, database: Database, library: Library) -> Library:
    """Of another organization, indexed by the same process."""
    await establish(admin_url, "small")
    small = await Directory(database).find("small")
    assert small is not None

    def subject(at: str = U) -> Subject:
        return replace(library.subject(at), organization_id=small.organization_id)

    await library.types.define(subject(), small.lattice, TYPES)
    return Library(admin_url, database, library.types, small, subject)


async def test_an_organization_with_much_to_embed_does_not_hold_up_another(
    admin_url: str, database: Database, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "PAGE", 3)
    other = await another(admin_url, database, library)
    for n in range(20):
        await library.paper(f"large {n}")
    await other.paper("small")
    async with working(database, library):
        await until(lambda: complete(library))
        await until(lambda: complete(other))
    assert "small" in library.provider.texts[:7]
    assert len(library.provider.texts) == 21


async def test_an_organization_with_many_texts_does_not_hold_up_another(
    admin_url: str, database: Database, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is new has its turn while all is looked at."""
    monkeypatch.setattr(object_texts, "AT_ONCE", 3)
    monkeypatch.setattr(worker, "TURN", 3)
    other = await another(admin_url, database, library)
    for n in range(40):
        await library.paper(f"large {n}")
    small = await other.paper("small")
    made: list[int] = []
    new: list[UUID] = []
    plain = object_texts.put_texts

    async def counting(transaction: Any, **given: Any) -> int:
        number = await plain(transaction, **given)
        made.extend([transaction.session.organization_id == other.id] * number)
        if len(made) > 5 and not new:
            new.append(await library.paper("new"))
        return number

    monkeypatch.setattr(object_texts, "put_texts", counting)
    async with working(database, library):
        await until(lambda: len(made) > 20)
        words = await library.words()
        await until(lambda: complete(library))
        await until(lambda: complete(other))
    assert made.index(True) < 10
    assert (small, U) in words
    assert len(await library.words()) == 42
    assert sorted(made) == [False] * 41 + [True]


async def test_a_failure_in_the_midst_of_texts_misses_none(
    database: Database, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_texts, "AT_ONCE", 2)
    monkeypatch.setattr(worker, "TURN", 2)
    plain, calls = object_texts.put_texts, 0

    async def failing(*args: Any, **given: Any) -> int:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise OSError("gone")
        return await plain(*args, **given)

    monkeypatch.setattr(object_texts, "put_texts", failing)
    papers = [await library.paper(f"paper {n}") for n in range(12)]
    async with working(database, library):
        await until(lambda: complete(library))
        for n, id in enumerate(papers):
            await library.update(id, title=f"changed {n}")
        await until(lambda: complete(library))
    assert calls > 6
    assert all("chang" in terms for terms in (await library.words()).values())


async def test_the_worker_makes_words_anew_in_the_language_that_is_chosen(
    database: Database, library: Library
) -> None:
    low, high = await library.paper("Häuser"), await library.paper("Wälder", at=S)
    seeker = Seeker(library)
    async with working(database, library):
        await until(lambda: complete(library))
        assert await seeker.ids("Häusern") == []
        # By another process, as far as the worker knows.
        await seeker.configurations.change(library.subject(), {LANGUAGE.name: "german"})
        assert await seeker.ids("Häusern") in ([], [low])  # words may still be the old ones

        async def made() -> bool:
            return await library.words() == {(low, U): ["haus"], (high, S): ["wald"]}

        await until(made)
    assert await seeker.ids("Häusern") == [low]
    assert await seeker.highlights("Häusern", low, language="german") == [("title", "[Häuser]")]
    assert sorted(library.provider.texts) == ["Häuser", "Wälder"]


async def test_two_workers_embed_nothing_twice(database: Database, library: Library) -> None:
    other = Library(library.admin_url, database, library.types, library.organization, library.subject)
    async with working(database, library), working(database, other):
        for n in range(30):
            await library.paper(f"paper {n}")
        await until(lambda: complete(library))
    assert sorted(library.provider.texts + other.provider.texts) == sorted(f"paper {n}" for n in range(30))


async def test_words_do_not_wait_for_vectors_and_these_come_once_they_can_be_had(
    database: Database, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "AFTER_FAILURE", (0.2, 0.4))
    library.provider.down = True
    id = await library.paper("Weirs")
    async with working(database, library):
        await until(lambda: library.indexer.counts.failures >= 2)
        assert await library.words() == {(id, U): ["weir"]}
        assert library.indexer.counts.lag() > 0
        await library.paper("Gates")
        library.provider.down = False
        await until(lambda: complete(library))
        await until(lambda: not library.indexer.counts.behind)
    assert sorted(library.provider.texts) == ["Gates", "Weirs"]


async def test_a_provider_that_is_down_is_told(library: Library) -> None:
    library.provider.down = True
    await library.paper("Weirs")
    with pytest.raises(EmbeddingsUnavailable):
        await library.index()
