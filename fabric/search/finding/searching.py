"""A search as one reader has it: by words, by meaning or by both, with what the link graph adds.

Each ranking is made at the reader's session, of what it sees and asks for; only then are they made into one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from fabric.configuration.configurations import Configurations
from fabric.database.db import Database
from fabric.embedding.provider import Vectors
from fabric.errors import EmbeddingsUnavailable, NotFound
from fabric.identity.subject import Session
from fabric.search.asking.query import Query, read_query
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.index.composition import composition, readable_properties
from fabric.search.index.store import from_text
from fabric.search.ranking.corpus import Corpora, Corpus
from fabric.search.ranking.fusion import Fused, Ranking, fuse
from fabric.search.ranking.highlights import Highlight, highlights
from fabric.search.ranking.nearest import Nearest, Wish
from fabric.search.ranking.statements import (
    CORPUS,
    EVENT_CORPUS,
    LINK_CORPUS,
    OWN_VECTORS,
    PASSING,
    TEXT,
    VERSIONS,
    Scored,
    Where,
    anything,
    bound,
    read_scored,
)
from fabric.search.ranking.vector_memory import VectorMemory
from fabric.types.types import Types

DEPTH = 1_000
"""Of each ranking, so many are looked at: no search has more than that by one of them."""

LEXICAL = 0.05
"""What part of their weight vectors have that know spellings and not meanings."""

_LAST = "\U0010ffff"
"""Comes after all that a word can go on with."""

@dataclass(frozen=True, slots=True)
class Expansion:
    """What links add to a search, as the reader sees them.

    `neighbours` of the best hits in the link graph; the objects that are `joined` by links which say what is asked for.
    """

    neighbours: Callable[[Sequence[tuple[UUID, float]]], Awaitable[Scored]]
    joined: Callable[[], Awaitable[Scored]]


@dataclass(frozen=True, slots=True)
class Asked:
    """`types` are the names that objects are stored under, of those that are asked for."""

    question: Question
    types: Sequence[str]
    where: Where = anything
    expansion: Expansion | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vector of a text, by the key of its model, of which the reader sees `number` vectors.

    `weight` is what a ranking by it counts.
    """

    model: str
    vector: Vectors
    number: int
    weight: float


@dataclass(frozen=True, slots=True)
class Found:
    """All hits in their order. `warning` says what the search had to do without."""

    hits: list[Fused]
    query: Query
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """Shared by all requests."""

    database: Database
    types: Types
    vectors: QueryVectors
    memory: VectorMemory
    configurations: Configurations
    corpora: Corpora = field(init=False)
    link_corpora: Corpora = field(init=False)
    event_corpora: Corpora = field(init=False)
    nearest: Nearest = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "corpora", Corpora(self.database, self.types, CORPUS))
        object.__setattr__(self, "link_corpora", Corpora(self.database, self.types, LINK_CORPUS, readable_properties))
        object.__setattr__(self, "event_corpora", Corpora(self.database, self.types, EVENT_CORPUS))
        object.__setattr__(self, "nearest", Nearest(self.database, self.memory))

    async def reader(self, session: Session) -> Reader:
        """Who searches at this session, as things are now."""
        catalogue = await self.types.catalogue(session)
        configuration = await self.configurations.of(session.organization_id)
        reader = Reader(session, catalogue, (), configuration)
        return replace(reader, gone=(await self.corpus(reader)).gone)

    async def corpus(self, reader: Reader) -> Corpus:
        return await self.corpora.of(reader.session, reader.catalogue.definitions, reader.types)

    async def search(self, reader: Reader, asked: Asked) -> Found:
        """EmbeddingsUnavailable by vectors alone, where there are none; with words they are done without."""
        query = await read_query(self.database, asked.question, reader.language)
        if not asked.question.text.strip():
            return Found([], query)
        corpus = await self.corpus(reader)
        by_words, (by_vectors, warning) = await asyncio.gather(
            self.by_words(reader, asked, query, corpus), self._by_vectors(reader, asked, corpus)
        )
        rankings = [ranking for ranking in (by_words, by_vectors) if ranking is not None]
        hits = fuse(rankings, reader.damping)
        if asked.expansion is not None:
            linked: dict[str, Scored] = {}
            if reader.weight("links"):
                linked["links"] = await asked.expansion.joined()
            if reader.weight("graph") and hits:
                linked["graph"] = await asked.expansion.neighbours([(hit.id, hit.score) for hit in hits])
            for name, scored in linked.items():
                rankings.append(Ranking(name, reader.weight(name), await self._passing(reader, asked, scored)))
            hits = fuse(rankings, reader.damping)
        return Found(hits, query, warning)

    async def similar(self, reader: Reader, of: UUID, types: Sequence[str], where: Where, first: int) -> list[Fused]:
        """The objects whose vectors are nearest to this one's. NotFound for one that the reader does not see.

        None where it has no vector, or not yet.
        """
        corpus = await self.corpus(reader)
        if not await self._versions(reader, [of]):
            raise NotFound("not found")
        model = (await self.vectors.model(corpus.models)).key
        own = await self.own_vectors(reader, model, [of])
        if not own:
            return []
        wish, number = Wish(types, where, first), corpus.models.get(model, 0)
        scored = await self.nearest.to(reader, model, own[of], wish, number, without=of)
        return fuse([Ranking("vector", 1.0, scored)], reader.damping)

    async def own_vectors(self, reader: Reader, model: str, ids: Sequence[UUID]) -> dict[UUID, Vectors]:
        """Of those of the objects that the reader sees and that have one."""
        values = {"ids": list(ids), "model": model, "seen": reader.types, "gone": reader.gone}
        rows = await self.database.read(reader.session, *bound(OWN_VECTORS, values))
        return {UUID(id): from_text(vector) for id, vector in rows.items()}

    async def highlights(self, reader: Reader, query: Query, ids: Sequence[UUID]) -> dict[UUID, list[Highlight]]:
        """Where the words stand in the objects, as the reader sees them."""
        versions = await self._versions(reader, ids)
        texts = []
        for _, label, type_name, data in versions:
            catalogue = await self.types.catalogue(Session(reader.session.organization_id, label))
            texts.append(list(composition(catalogue, type_name).parts(data)))
        found = await highlights(self.database, query, reader.language, texts)
        return {UUID(version[0]): each for version, each in zip(versions, found, strict=True)}

    async def by_words(self, reader: Reader, asked: Asked, query: Query, corpus: Corpus) -> Ranking | None:
        if asked.question.mode is Mode.VECTOR or query.is_empty:
            return None
        values = {"seen": reader.types, "gone": reader.gone, "types": list(asked.types), "most": DEPTH}
        rows = await self.database.read(
            reader.session, *bound(TEXT, word_values(query, corpus) | values, asked.where)
        )
        return Ranking("text", reader.weight("text"), read_scored(rows))

    async def meaning(self, reader: Reader, question: Question, corpus: Corpus) -> tuple[Meaning | None, str]:
        """What the text means, unless words alone are asked for or count; with a warning where that cannot be had.

        EmbeddingsUnavailable where vectors alone are asked for.
        """
        mode = question.mode
        if mode is Mode.TEXT or (mode is Mode.HYBRID and not reader.weight("vector")):
            return None, ""
        try:
            model = await self.vectors.model(corpus.models)
            vector = await self.vectors.vector(reader.session, model, question)
        except EmbeddingsUnavailable as error:
            if mode is Mode.VECTOR:
                raise
            return None, error.message
        weight = reader.weight("vector") * (LEXICAL if model.lexical else 1)
        return Meaning(model.key, vector, corpus.models.get(model.key, 0), weight), ""

    async def _by_vectors(self, reader: Reader, asked: Asked, corpus: Corpus) -> tuple[Ranking | None, str]:
        """With a warning where there are none."""
        meant, warning = await self.meaning(reader, asked.question, corpus)
        if meant is None:
            return None, warning
        wish = Wish(asked.types, asked.where, DEPTH)
        scored = await self.nearest.to(reader, meant.model, meant.vector, wish, meant.number)
        return Ranking("vector", meant.weight, scored), ""

    async def _passing(self, reader: Reader, asked: Asked, scored: Scored) -> Scored:
        values = {"ids": [id for id, _ in scored], "seen": reader.types, "types": list(asked.types)}
        rows = await self.database.read(reader.session, *bound(PASSING, values, asked.where))
        passing = {UUID(id) for id in rows}
        return [(id, score) for id, score in scored if id in passing]

    async def _versions(self, reader: Reader, ids: Sequence[UUID]) -> list[Any]:
        values = {"ids": list(ids), "seen": reader.types}
        rows: list[Any] = await self.database.read(reader.session, *bound(VERSIONS, values))
        return rows


def word_values(query: Query, corpus: Corpus) -> dict[str, Any]:
    """What the statements that go by words take of a query."""
    places = [(n, word, place) for n, phrase in enumerate(query.phrases, 1) for word, place in phrase]
    return {
        "words": [*query.words, *query.prefixes],
        "uptos": [None] * len(query.words) + [prefix + _LAST for prefix in query.prefixes],
        "number": float(corpus.number), "length": corpus.length, "excluded": list(query.excluded),
        "phrase": [n for n, _, _ in places], "phrase_word": [word for _, word, _ in places],
        "phrase_place": [place for _, _, place in places], "phrase_sizes": [len(phrase) for phrase in query.phrases],
    }  # fmt: skip
