"""How text is split, and what is kept of it when some of it changes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fabric.texts.passages import TOKENS, Splitter, count_tokens, storable
from fabric.texts.sections import Section

SENTENCES = [f"Pump number {n} needs oil of the grade {n * 7} each week." for n in range(200)]


def split(*sections: Section) -> list[str]:
    return [p.text for p in Splitter().passages(list(sections))]


def test_passages_end_where_sentences_end_and_repeat_a_little() -> None:
    pieces = split(Section(" ".join(SENTENCES)))
    assert len(pieces) > 5
    assert all(piece.endswith(".") and piece.startswith("Pump") for piece in pieces)
    assert all(count_tokens(piece) <= TOKENS for piece in pieces)
    for one, next in pairwise(pieces):
        assert next.split(". ")[0] in one  # the overlap
    assert set(SENTENCES) == {f"{s.rstrip('.')}." for piece in pieces for s in piece.split(". ")}


def test_a_change_in_one_section_keeps_the_marks_of_the_others() -> None:
    sections = [Section(" ".join(SENTENCES[n : n + 40]), f"Part {n}") for n in range(0, 200, 40)]
    changed = [*sections[:2], Section("Something new. " + sections[2].text, "Part 80"), *sections[3:]]
    before, after = ({p.mark: p.text for p in Splitter().passages(each)} for each in (sections, changed))
    same = before.keys() & after.keys()
    untouched = [p for n, s in enumerate(sections) if n != 2 for p in split(s)]
    assert len(same) >= len(untouched)
    assert all(before[mark] == after[mark] for mark in same)


def test_the_same_text_twice_is_two_passages() -> None:
    marks = [p.mark for p in Splitter().passages([Section("Again."), Section("Again."), Section("Again.", "Other")])]
    assert len(set(marks)) == 3


@given(st.lists(st.text(alphabet=st.characters(), max_size=3000), max_size=3))
def test_all_that_is_written_is_in_a_passage(texts: list[str]) -> None:
    passages = list(Splitter().passages([Section(text) for text in texts]))
    assert [p.number for p in passages] == list(range(1, len(passages) + 1))
    assert len({p.mark for p in passages}) == len(passages)
    together = "".join("".join(p.text.split()) for p in passages)
    assert {c for text in texts for c in "".join(storable(text).split())} <= set(together)
    for passage in passages:
        passage.text.encode()  # no half of a surrogate pair
        assert "\0" not in passage.text
