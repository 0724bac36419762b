"""Links found by what they say and by what stands at their ends: by words, by meaning or both, as one reader has it.

By words a link is ranked by the texts of the objects that it joins, by meaning by a text of its own with both of them.
All are of the versions that win for the reader.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.errors import EmbeddingsUnavailable
from fabric.events.history import Version
from fabric.events.link_pages import Sought
from fabric.search.asking.query import Query, read_query
from fabric.search.asking.question import Question
from fabric.search.asking.reader import Reader
from fabric.search.finding.link_statements import BY_COMPOSITES, BY_NAMED_COMPOSITES, ENDS, OF_INFERRED, READ, by_scores
from fabric.search.finding.searching import DEPTH, Asked, Found, Search
from fabric.search.index.store import LINKS, as_text
from fabric.search.ranking.corpus import Corpus
from fabric.search.ranking.fusion import Ranking, fuse
from fabric.search.ranking.held_vectors import Near
from fabric.search.ranking.statements import Scored, bound, read_scored

JOINING = 100
"""Links of whose ends a search is told."""


@dataclass(frozen=True, slots=True)
class LinkSearch:
    """`search` finds the ends."""

    search: Search

    async def find(self, reader: Reader, question: Question, sought: Sought) -> Found:
        """Links by id. EmbeddingsUnavailable by vectors alone, where there are none."""
        query = await read_query(self.search.database, question, reader.language)
        if not question.text.strip():
            return Found([], query)
        corpus = await self.search.corpus(reader)
        by_words, (by_meaning, warning) = await asyncio.gather(
            self._by_words(reader, question, sought, query, corpus),
            self._by_meaning(reader, question, sought, DEPTH),
        )
        rankings = [ranking for ranking in (by_words, by_meaning) if ranking is not None]
        return Found(fuse(rankings, reader.damping), query, warning)

    async def joined(self, reader: Reader, question: Question, relations: Collection[str] | None) -> Scored:
        """The objects at the ends of the links that are nearest in meaning, each by the best of its links.

        Of no links by words alone, or where there are no vectors.
        """
        if not question.text.strip():
            return []
        try:
            ranking, _ = await self._by_meaning(reader, question, Sought(reader.types, relations), JOINING)
        except EmbeddingsUnavailable:
            return []
        if ranking is None:
            return []
        ids = [id for id, _ in ranking.scored]
        ends = await self.search.database.read(reader.session, *bound(ENDS, {"ids": ids}))
        best: dict[UUID, float] = {}
        for id, score in ranking.scored:
            for end in map(UUID, ends.get(str(id), ())):
                best.setdefault(end, score)
        return sorted(best.items(), key=lambda each: (-each[1], each[0]))

    async def read(self, reader: Reader, ids: Sequence[UUID]) -> dict[UUID, tuple[int, Version]]:
        """The label and the version of each of the links that the reader sees with both ends."""
        found: Mapping[str, Any] = await self.search.database.read(
            reader.session, *bound(READ, {"ids": list(ids), "seen": reader.types})
        )
        return {UUID(id): (label, version) for id, (label, version) in found.items()}

    async def _by_words(
        self, reader: Reader, question: Question, sought: Sought, query: Query, corpus: Corpus
    ) -> Ranking | None:
        """By the sum of what the ends score, of the best objects."""
        ends = await self.search.by_words(reader, Asked(question, reader.types), query, corpus)
        if ends is None:
            return None
        scores = {"ids": [id for id, _ in ends.scored], "scores": [score for _, score in ends.scored], "most": DEPTH}
        scored = await self._scored(by_scores(inferred=sought.inferred), reader, sought, scores)
        return Ranking("text", reader.weight("text"), scored)

    async def _by_meaning(
        self, reader: Reader, question: Question, sought: Sought, most: int
    ) -> tuple[Ranking | None, str]:
        """By the cosines of what links say with their ends; with a warning where there are no vectors."""
        corpus = await self.search.link_corpora.of(reader.session, reader.catalogue.definitions, reader.types)
        meant, warning = await self.search.meaning(reader, question, corpus)
        if meant is None:
            return None, warning
        values = {
            "model": meant.model, "vector": as_text(meant.vector), "most": most, "gone_properties": corpus.gone
        }  # fmt: skip

        async def score(near: Near | None) -> Scored:
            if near is None:
                return await self._scored(BY_COMPOSITES, reader, sought, values)
            among = {"ids": near.ids, "labels": near.labels}
            return await self._scored(BY_NAMED_COMPOSITES, reader, sought, {**values, **among})

        scored = await self.search.nearest.of_table(
            reader.session, LINKS, meant.model, meant.vector, most, meant.number, score
        )
        if sought.inferred:
            scored += await self._scored(OF_INFERRED, reader, sought, values)
            scored = sorted(scored, key=lambda each: (-each[1], each[0]))[:most]
        return Ranking("vector", meant.weight, scored), ""

    async def _scored(self, statement: str, reader: Reader, sought: Sought, values: Mapping[str, Any]) -> Scored:
        asked = {
            "seen": reader.types, "gone": reader.gone, "at": sought.valid_at,
            "relations": None if sought.relations is None else list(sought.relations),
            "sources": [source for source, _ in sought.ends], "targets": [target for _, target in sought.ends],
        }  # fmt: skip
        return read_scored(await self.search.database.read(reader.session, *bound(statement, {**asked, **values})))
