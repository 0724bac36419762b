"""Contexts for language models: bounded, with sources at their places, of what the reader sees and nothing else."""

from typing import Any

import pytest
from library import Library
from seeker import Seeker, question

from fabric.search.finding import contexts
from fabric.search.finding.contexts import Made, context
from fabric.search.finding.searching import Asked
from fabric.texts.passages import count_tokens, first_tokens
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

U, S = "UNCLASSIFIED", "SECRET"

REPORT: dict[str, Any] = {
    "typeName": "Report",
    "fields": {"title": {"type": "text", "searchable": True}},
    "links": {"cites": {"relation": "cites", "target": "Paper"}, "mentions": {"relation": "mentions", "target": "Box"}},
}


async def made(library: Library, text: str, tokens: int = 200, at: str = U, relations: Any = None) -> Made:
    seeker = Seeker(library)
    reader = await seeker.reader(at)
    found = await context(seeker.search, reader, Asked(question(text), reader.types), tokens, relations)
    assert found.tokens == count_tokens(found.text) <= tokens
    for source in found.sources:
        assert found.text[source.start : source.end].strip()
    again = await context(seeker.search, reader, Asked(question(text), reader.types), tokens, relations)
    assert (again.text, again.sources) == (found.text, found.sources)
    return found


async def link(library: Library, source: Any, target: Any, relation: str = "cites", at: str = U) -> None:
    change = LinkChange("link", relation, source, target)
    await Links(library.types).write(library.subject(at), library.organization, [change])


@pytest.fixture
async def reports(library: Library) -> Library:
    await library.types.define(library.subject(), library.organization.lattice, [REPORT])
    return library


async def report(library: Library, title: str) -> Any:
    return (await library.change(Change("create", "Report", {"title": title})))[0]


async def test_a_context_has_the_hits_in_their_order_with_what_they_are_linked_to(reports: Library) -> None:
    pump, paper = await report(reports, "the water pump leaks"), await reports.paper("a choir sings")
    await link(reports, pump, paper)
    await reports.index()
    found = await made(reports, "pump leaking", 60)
    assert found.text.startswith("[1] Report\nthe water pump leaks\n-> cites -> Paper: a choir sings\n\n[2] Paper\n")
    assert [(s.id, s.linked) for s in found.sources][:2] == [(pump, False), (paper, True)]
    first, second, *_ = found.sources
    assert found.text[first.start : first.end] == "[1] Report\nthe water pump leaks"
    assert found.text[second.start : second.end] == "-> cites -> Paper: a choir sings"
    assert "<- cites <- Report: the water pump leaks" in found.text
    assert "cites" not in (await made(reports, "pump", relations=())).text
    assert "cites" not in (await made(reports, "pump", relations=["mentions"])).text


async def test_it_is_never_longer_than_asked_for_and_the_best_passage_is_chosen(
    reports: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n\n".join([*(f"Paragraph {n} tells of nothing." for n in range(80)), "The pump leaks here.", "The end."])
    await reports.paper("long", body=text)
    for n in range(9):
        await reports.paper(f"pump {n}")
    await reports.index()
    for tokens in (1, 5, 12, 13, 50, 199, 1_000):
        await made(reports, "leaking pump", tokens)
    assert (await made(reports, "leaking pump", 1)).text == ""
    whole = (await made(reports, "leaking pump", 1_000)).text
    assert "The pump leaks here." in whole
    assert "Paragraph 0 " not in whole
    monkeypatch.setattr(contexts, "HITS", 2)
    assert len((await made(reports, "pump", 1_000)).sources) == 2


async def test_what_a_reader_does_not_see_is_not_in_it(reports: Library) -> None:
    pump, paper = await report(reports, "water pump"), await reports.paper("choir")
    hidden = await reports.paper("secret place", at=S)
    await link(reports, pump, paper, at=S)
    await link(reports, pump, hidden, at=S)
    await reports.update(paper, at=S, title="real name")
    await reports.index()
    low, high = await made(reports, "pump"), await made(reports, "pump", at=S)
    assert "choir" in low.text
    assert {"cites", "secret", "real"}.isdisjoint(low.text.split())
    assert "-> cites -> Paper: secret place" in high.text
    assert "-> cites -> Paper: real name" in high.text
    assert "choir" not in high.text


async def test_what_is_encrypted_never_enters(reports: Library) -> None:
    await report(reports, "water pump")
    await reports.rows(
        """update fabric.objects set revision = 2, data = data || '{"title": {"_encrypted": true}}'
           where type_name = 'Report'"""
    )
    other = await reports.paper("a pump")
    await reports.index()
    found = await made(reports, "pump")
    assert found.text == "[1] Paper\na pump"
    assert [source.id for source in found.sources] == [other]


async def test_words_do_where_no_vectors_can_be_had(reports: Library) -> None:
    await reports.paper("water pump")
    await reports.index()
    reports.provider.down = True
    found = await made(reports, "pump")
    assert "water pump" in found.text
    assert found.warning


def test_the_first_tokens_of_a_text_are_as_many_as_that() -> None:
    text = "Understanding, it seems: 12 pumps (leaking)!"
    for number in range(20):
        cut = first_tokens(text, number)
        assert count_tokens(cut) == min(number, count_tokens(text))
        assert text.startswith(cut)
