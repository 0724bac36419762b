"""Links found by what stands at their ends: by words, by meaning or by both, as one reader has it.

Nothing is kept of links for that. A link is ranked by the texts and vectors of the objects that it joins, and these are
the versions that win for the reader: so what is said of a link is what the reader sees at once, whoever changes what.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.events.history import Version
from fabric.events.link_pages import Sought
from fabric.search.corpus import Corpus
from fabric.search.fusion import Ranking, fuse
from fabric.search.link_statements import READ, by_scores, by_vectors
from fabric.search.query import Query, read_query
from fabric.search.reader import Reader
from fabric.search.searching import DEPTH, WEIGHTS, Asked, Found, Mode, Search
from fabric.search.statements import bound, read_scored
from fabric.search.store import as_text


@dataclass(frozen=True, slots=True)
class LinkSearch:
    """`search` finds the ends."""

    search: Search

    async def find(self, reader: Reader, text: str, mode: Mode, sought: Sought) -> Found:
        """Links by id. EmbeddingsUnavailable by vectors alone, where there are none."""
        query = await read_query(self.search.database, text, self.search.language)
        if not text.strip():
            return Found([], query)
        corpus = await self.search.corpora.of(reader.session, reader.catalogue.fingerprint, reader.types)
        by_words, (by_meaning, warning) = await asyncio.gather(
            self._by_words(reader, text, mode, sought, query, corpus),
            self._by_meaning(reader, text, mode, sought, corpus),
        )
        return Found(fuse([ranking for ranking in (by_words, by_meaning) if ranking is not None]), query, warning)

    async def read(self, reader: Reader, ids: Sequence[UUID]) -> dict[UUID, tuple[int, Version]]:
        """The label and the version of each of the links that the reader sees with both ends."""
        found: Mapping[str, Any] = await self.search.database.read(
            reader.session, *bound(READ, {"ids": list(ids), "seen": reader.types})
        )
        return {UUID(id): (label, version) for id, (label, version) in found.items()}

    async def _by_words(
        self, reader: Reader, text: str, mode: Mode, sought: Sought, query: Query, corpus: Corpus
    ) -> Ranking | None:
        """By the sum of what the ends score, of the best objects."""
        ends = await self.search.by_words(reader, Asked(text, reader.types, mode), query, corpus)
        if ends is None:
            return None
        scores = {"ids": [id for id, _ in ends.scored], "scores": [score for _, score in ends.scored]}
        return await self._ranked("text", WEIGHTS["text"], reader, by_scores(inferred=sought.inferred), sought, scores)

    async def _by_meaning(
        self, reader: Reader, text: str, mode: Mode, sought: Sought, corpus: Corpus
    ) -> tuple[Ranking | None, str]:
        """By the mean of the ends' cosines, over all links; with a warning where there are no vectors."""
        meant, warning = await self.search.meaning(reader, mode, text, corpus)
        if meant is None:
            return None, warning
        values = {"model": meant.model, "vector": as_text(meant.vector)}
        statement = by_vectors(inferred=sought.inferred)
        return await self._ranked("vector", meant.weight, reader, statement, sought, values), ""

    async def _ranked(
        self, name: str, weight: float, reader: Reader, statement: str, sought: Sought, values: Mapping[str, Any]
    ) -> Ranking:
        asked = {
            "seen": reader.types, "most": DEPTH, "at": sought.valid_at,
            "relations": None if sought.relations is None else list(sought.relations),
            "sources": [source for source, _ in sought.ends], "targets": [target for _, target in sought.ends],
        }  # fmt: skip
        rows = await self.search.database.read(reader.session, *bound(statement, {**asked, **values}))
        return Ranking(name, weight, read_scored(rows))
