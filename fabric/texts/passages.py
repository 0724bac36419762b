"""Passages: pieces of a document's sections, small enough to be found and quoted one by one."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from semantic_text_splitter import TextSplitter

from fabric.texts.sections import Section

TOKENS = 200
"""Most tokens of a passage; the embedding models that are common read at least 256."""

OVERLAP = 30
"""Most tokens that a passage repeats of the one before, so that what stands at a border is found whole."""

_TOKEN = re.compile(r"\w{1,8}|[^\w\s]")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Passage:
    """`mark` names it within its document: the same text under the same heading keeps it, wherever it moves."""

    mark: str
    number: int
    """Its place in the document, from 1."""
    text: str
    heading: str
    page: int | None


def count_tokens(text: str) -> int:
    """About as many as the tokenizers of embedding models count in most languages: words, long ones by their parts."""
    return len(_TOKEN.findall(text))


def first_tokens(text: str, number: int) -> str:
    """The text up to and with that many tokens, as `count_tokens` counts them."""
    last = next(islice(_TOKEN.finditer(text), number - 1, None), None) if number > 0 else None
    return text if last is None and number > 0 else text[: last.end()] if last else ""


class Splitter:
    """Splits sections where meaning does: at paragraphs, then sentences, then words."""

    def __init__(self, tokens: int = TOKENS, overlap: int = OVERLAP, count: Callable[[str], int] = count_tokens):
        self._splitter = TextSplitter.from_callback(count, tokens, overlap)

    def pieces(self, text: str) -> list[str]:
        return list(self._splitter.chunks(text))

    def passages(self, sections: list[Section]) -> Iterator[Passage]:
        seen = Counter[str]()
        number = 0
        for section in sections:
            for piece in self._splitter.chunks(storable(section.text)):
                digest = sha256(f"{section.heading}\n{piece}".encode()).hexdigest()[:32]
                seen[digest] += 1
                number += 1
                mark = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
                yield Passage(mark, number, piece, storable(section.heading), section.page)


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot keep."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
