"""Applications' own events found by what they say: by words, by meaning or by both, as one reader sees them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.events.event_pages import Sought
from fabric.events.events import COLUMNS, Event
from fabric.identity.subject import Session
from fabric.search.asking.query import Query, read_query
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.finding.searching import DEPTH, Found, Search, word_values
from fabric.search.index.composition import event_composition
from fabric.search.index.store import EVENTS, POSITION_OF_ID, as_text
from fabric.search.ranking.corpus import Corpus
from fabric.search.ranking.fusion import Ranking, fuse
from fabric.search.ranking.held_vectors import Near
from fabric.search.ranking.highlights import Highlight, highlights
from fabric.search.ranking.statements import COSINE, Scored, bound, by_words, of_model, read_scored


def _seen(text: str) -> str:
    return f"""fabric.events o on o.organization_id = s.org and o.entity_table = '{EVENTS}'
    and o.position = {POSITION_OF_ID.format(f"{text}.entity_id")} and o.label = {text}.label"""


_ASKED = """
({topics}::text[] is null or o.topic like any({topics}::text[]))
and ({types}::text[] is null or o.entity_type = any({types}::text[]))
and ({about}::uuid is null or o.entity_id = {about}::uuid)
and ({since}::timestamptz is null or o.occurred_at >= {since}::timestamptz)
and ({until}::timestamptz is null or o.occurred_at < {until}::timestamptz)"""

_TEXT = by_words(EVENTS, _seen("f"), _ASKED)


def _nearest(scored: str) -> str:
    return f"""
with scored as materialized ({scored})
select coalesce(jsonb_agg(jsonb_build_array(r.entity_id, r.score) order by r.score desc, r.entity_id), '[]') from (
    select c.entity_id, c.score from scored c join {_seen("c")} where {_ASKED}
    order by c.score desc, c.entity_id limit {{most}}::int) r"""


_NEAREST = _nearest(f"select x.entity_id, x.label, {COSINE} as score from fabric.embeddings x where {of_model(EVENTS)}")

_NEAREST_AMONG = _nearest(f"""
    select x.entity_id, x.label, {COSINE} as score from unnest({{ids}}::uuid[], {{labels}}::bigint[]) as g(id, label)
    join fabric.embeddings x on {of_model(EVENTS)} and x.entity_id = g.id and x.label = g.label""")

_READ = f"select {COLUMNS} from fabric.events where position = any($1::bigint[]) and entity_table = '{EVENTS}'"


@dataclass(frozen=True, slots=True)
class EventSearch:
    """The ids of hits are the events' positions."""

    search: Search

    async def find(self, reader: Reader, question: Question, sought: Sought) -> Found:
        """EmbeddingsUnavailable by vectors alone, where there are none; with words they are done without."""
        query = await read_query(self.search.database, question, reader.language)
        if not question.text.strip():
            return Found([], query)
        corpus = await self.search.event_corpora.of(reader.session, reader.catalogue.definitions, reader.types)
        words, (meaning, warning) = await asyncio.gather(
            self._by_words(reader, question.mode, sought, query, corpus),
            self._by_meaning(reader, question, sought, corpus),
        )
        rankings = [ranking for ranking in (words, meaning) if ranking is not None]
        return Found(fuse(rankings, reader.damping), query, warning)

    async def read(self, session: Session, ids: Sequence[UUID]) -> dict[UUID, Event]:
        """Those of the events that the session sees."""
        async with self.search.database.transaction(session) as transaction:
            rows = await transaction.fetch(_READ, [id.int for id in ids])
        events = [Event.of(row) for row in rows]
        return {UUID(int=event.position.position): event for event in events}

    async def highlights(self, reader: Reader, query: Query, event: Event) -> list[Highlight]:
        """Where the words stand in an event."""
        catalogue = await self.search.types.catalogue(Session(reader.session.organization_id, event.label))
        made = event_composition(catalogue, event.entity_type)
        parts = list(made.parts({field.key: event.data.get(field.name) for field in made.fields}))
        [found] = await highlights(self.search.database, query, reader.language, [parts])
        return found

    async def _by_words(
        self, reader: Reader, mode: Mode, sought: Sought, query: Query, corpus: Corpus
    ) -> Ranking | None:
        if mode is Mode.VECTOR or query.is_empty:
            return None
        values = word_values(query, corpus) | {"most": DEPTH}
        return Ranking("text", reader.weight("text"), await self._scored(_TEXT, reader, sought, values))

    async def _by_meaning(
        self, reader: Reader, question: Question, sought: Sought, corpus: Corpus
    ) -> tuple[Ranking | None, str]:
        """With a warning where there are no vectors."""
        meant, warning = await self.search.meaning(reader, question, corpus)
        if meant is None:
            return None, warning
        values = {"model": meant.model, "vector": as_text(meant.vector), "most": DEPTH}

        async def score(near: Near | None) -> Scored:
            if near is None:
                return await self._scored(_NEAREST, reader, sought, values)
            among = {"ids": near.ids, "labels": near.labels}
            return await self._scored(_NEAREST_AMONG, reader, sought, {**values, **among})

        scored = await self.search.nearest.of_table(
            reader.session, EVENTS, meant.model, meant.vector, DEPTH, meant.number, score
        )
        return Ranking("vector", meant.weight, scored), ""

    async def _scored(self, statement: str, reader: Reader, sought: Sought, values: Mapping[str, Any]) -> Scored:
        asked = {
            "topics": None if sought.topics is None else [_pattern(topic) for topic in sought.topics],
            "types": None if sought.types is None else list(sought.types),
            "about": sought.entity_id, "since": sought.since, "until": sought.until,
        }  # fmt: skip
        return read_scored(await self.search.database.read(reader.session, *bound(statement, {**asked, **values})))


def _pattern(topic: str) -> str:
    """Of a topic, or of how it begins where it ends in ``*``, for `like`."""
    exact = topic.removesuffix("*").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return exact + "%" * topic.endswith("*")
