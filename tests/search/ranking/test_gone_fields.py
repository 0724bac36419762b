"""What a definition takes away finds nothing where it still stands: in versions that its definer does not see.

Their readers do not see the field any more, from that moment on; their texts are made anew later.
"""

from typing import Any
from uuid import UUID

import pytest
from citations import CITES, REPORT, cite, report
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library import PAPER, Library
from seeker import S, Seeker, U, question

from fabric.errors import FabricError
from fabric.events.link_pages import Sought
from fabric.identity.subject import Session
from fabric.search.asking.question import Mode
from fabric.search.finding.likeness import like_each
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.ranking.statements import anything
from fabric.writing.links import LinkChange, Links

pytestmark = pytest.mark.anyio

WORDS = ("pump", "gate", "weir")


async def define(library: Library, *fields: str, at: str = U) -> None:
    """Papers with a title, and of the others with these."""
    kept = {name: field for name, field in PAPER["fields"].items() if name in ("title", *fields)}
    embedding = {"fields": [name for name in ("title", "body") if name in kept]}
    document = {**PAPER, "fields": kept, "embedding": embedding}
    await library.types.define(library.subject(at), library.organization.lattice, [document])


@pytest.mark.parametrize("again", [False, True])
async def test_a_field_that_is_gone_finds_nothing_above(library: Library, again: bool) -> None:
    """Nor where it comes again at once: then it is another field, without the values of the former."""
    await library.types.define(library.subject(), library.organization.lattice, [CITES])
    source, target = await report(library, "the pump"), await library.paper("a valve")
    other = await library.paper("a gate", at=S)
    link = await cite(library, source, target)
    await library.update(target, at=S, body="an informer says so")
    await library.index()
    seekers = Seeker(library), Seeker.with_memory(library)
    assert await seekers[0].ids("informer", at=S) == [target]
    await define(library, "tags", "place", "extra")
    if again:
        await define(library, "body", "tags", "place", "extra")
    for seeker in seekers:
        reader = await seeker.reader(S)
        for mode in Mode:
            for types in (reader.types, ["Paper"]):
                assert target not in await seeker.ids("informer", mode, at=S, types=types)
            by_links = await LinkSearch(seeker.search).find(reader, question("informer", mode), Sought(reader.types))
            assert by_links.hits == []
        assert await seeker.search.similar(reader, target, reader.types, anything, 9) == []
        assert set(await like_each(seeker.search, reader, [target, other], 9)) == {other}
        assert await seeker.ids("valve", at=S) == []
        assert await seeker.ids("valve") == [target]
    await library.index()
    for seeker in seekers:
        assert await seeker.ids("valve", at=S) == [target]
        assert await seeker.ids("informer", at=S) == []
        by_links = await LinkSearch(seeker.search).find(reader, question("valve", Mode.VECTOR), Sought(reader.types))
        assert [hit.id for hit in by_links.hits] == [link]
        await seeker.memory.close()


async def test_a_property_that_is_gone_finds_no_link_above(library: Library) -> None:
    """Another relation may have one of the same name still."""
    lattice = library.organization.lattice
    await library.types.define(library.subject(), lattice, [CITES])
    other = {"cites": {"relation": "quotes, and more", "target": "Paper", "properties": {"why": {"type": "string"}}}}
    await library.types.define(library.subject(), lattice, [{**REPORT, "typeName": "Letter", "links": other}])
    source, target = await report(library, "the pump"), await library.paper("a valve")
    link = await cite(library, source, target)
    change = LinkChange("update", link_id=link, values={"properties": {"why": "an informer says so"}})
    await Links(library.types).write(library.subject(S), library.organization, [change])
    await library.index()

    async def by_meaning(at: str) -> list[UUID]:
        found = []
        for seeker in (Seeker(library), Seeker.with_memory(library)):
            reader = await seeker.reader(at)
            asked = question("informer", Mode.VECTOR)
            hits = (await LinkSearch(seeker.search).find(reader, asked, Sought(reader.types))).hits
            found += [hit.id for hit in hits]
            await seeker.memory.close()
        return found

    assert await by_meaning(S) == [link] * 2
    less = {"cites": {**CITES["links"]["cites"], "properties": {"year": {"type": "integer"}}}}
    await library.types.define(library.subject(), lattice, [{**CITES, "links": less}])
    assert await by_meaning(S) == []
    await library.index()
    assert library.provider.texts[-1] == "the pump is cited for a valve"
    assert await by_meaning(S) == await by_meaning(U) == [link] * 2


async def test_a_field_that_is_searched_no_more_finds_until_texts_are_made_anew(library: Library) -> None:
    """Who sees the object reads it still; to find none of a type meanwhile would be worse."""
    id = await library.paper("a valve", tags=["brass"])
    await library.index()
    fields = {**PAPER["fields"], "tags": {"type": "string", "list": True}}
    await library.types.define(library.subject(), library.organization.lattice, [{**PAPER, "fields": fields}])
    assert await Seeker(library).ids("brass") == [id]
    await library.index()
    assert await Seeker(library).ids("brass") == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["define", "define", "write", "write", "index"]), st.sampled_from([S, S, U]),
        st.integers(0, 1), st.sampled_from([(), ("body",), ("tags",), ("body", "tags")]),
        st.sampled_from((*WORDS, None)),
    ),
    min_size=4, max_size=10,
)  # fmt: skip


async def read(library: Library, id: UUID, at: str) -> str:
    """All that a reader sees of an object, in words."""
    rows: list[Any] = await Seeker(library).search._versions(await Seeker(library).reader(at), [id])
    [(_, label, type_name, data)] = rows
    seen = (await library.types.catalogue(Session(library.id, label))).types[type_name].fields.values()
    return " ".join(str(data[field.key]) for field in seen if field.key in data)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_no_search_ranks_by_words_that_its_reader_does_not_see(library: Library, steps: list[Any]) -> None:
    seeker = Seeker(library)
    await define(library, "body", "tags")
    ids = [await library.paper("one"), await library.paper("two", at=S, body="gate", tags=["weir"])]
    await library.update(ids[0], at=S, body="weir")
    await library.indexer.put_words(library.id)
    for act, at, n, fields, word in steps:
        try:
            match act:
                case "define":
                    await define(library, *fields, at=U)
                case "write":
                    values = {"body": word, "tags": None if word is None else [word]}
                    await library.update(ids[n], at=at, **{name: values[name] for name in fields})
                case _:
                    await library.indexer.put_words(library.id)
        except FabricError:  # values stand in the way, or the field is not there
            pass
        for reader in (U, S):
            for each in WORDS:
                for id in set(await seeker.ids(each, at=reader)) & {*ids}:
                    assert each in await read(library, id, reader)
