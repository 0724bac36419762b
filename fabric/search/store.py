"""What is kept of versions for search: asked for as the follower, written at each version's own label.

Words are rows of `search_terms`, an inverted index in a table: text equality is leakproof, so that its key serves under
row security. Of which revision they are stands in `search_texts`. A vector is of the text with its `content_hash`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from fabric.database.db import Transaction
from fabric.embedding.provider import Vectors

OBJECTS = "objects"


@dataclass(frozen=True, slots=True)
class Stored:
    """A version whose words or vector are missing or outdated."""

    object_id: UUID
    label: int
    type_name: str
    revision: int
    tombstone: bool
    data: Mapping[str, Any]
    content_hash: bytes | None = None
    """Of its text, where that is known already."""


@dataclass(frozen=True, slots=True)
class Place:
    """Versions are gone through by id, then by label."""

    object_id: UUID
    label: int


FIRST = Place(UUID(int=0), -1)
"""Before all of them."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be stored of one version: `content_hash` is None where there is no text."""

    object_id: UUID
    revision: int
    composition: bytes
    content_hash: bytes | None
    text: str


_STORED = "o.object_id, o.label, o.type_name, o.revision, o.tombstone, o.data"
_BEYOND = "(o.object_id, o.label) > ($1, $2) and ($4::uuid[] is null or o.object_id = any($4))"

_TYPES = "select distinct label, type_name from fabric.objects o where $1::uuid[] is null or o.object_id = any($1)"

_WITHOUT_WORDS = f"""
select {_STORED}, null::bytea as content_hash from fabric.objects o
join unnest($5::text[], $6::bigint[], $7::bytea[]) as c(type_name, label, composition) using (type_name, label)
left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (o.organization_id, '{OBJECTS}', o.object_id, o.label)
where {_BEYOND} and (t.revision is distinct from o.revision or t.composition is distinct from c.composition)
order by o.object_id, o.label limit $3"""

_WITHOUT_VECTOR = f"""
from fabric.objects o
join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (o.organization_id, '{OBJECTS}', o.object_id, o.label)
left join fabric.embeddings e on (e.organization_id, e.entity_table, e.entity_id, e.label)
    = (t.organization_id, t.entity_table, t.entity_id, t.label) and e.model = {{model}}
where t.content_hash is not null and e.content_hash is distinct from t.content_hash"""

_NEXT_WITHOUT_VECTOR = f"""
select {_STORED}, t.content_hash {_WITHOUT_VECTOR.format(model="$5")} and {_BEYOND}
order by o.object_id, o.label limit $3"""

_COUNT_WITHOUT_VECTOR = f"select count(*) {_WITHOUT_VECTOR.format(model='$1')}"

_COUNT_WITHOUT_WORDS = f"""
select count(*) from fabric.objects o
left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (o.organization_id, '{OBJECTS}', o.object_id, o.label)
where t.revision is distinct from o.revision"""

# A version that was changed meanwhile is left to who comes for that change. `= any` beside the joins: by it rows are
# found by their keys even where PostgreSQL takes a table for small, as it does just after many rows have come.
_GIVEN = f"""
with given as (
    select g.* from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[])
        as g(id, revision, composition, content_hash, text)
    join fabric.objects o on o.organization_id = $6 and o.object_id = g.id and o.label = $7 and o.revision = g.revision
    where o.object_id = any($1)
), same as (
    update fabric.search_texts t set revision = g.revision, composition = g.composition, updated_at = now()
    from given g
    where (t.organization_id, t.entity_table, t.entity_id, t.label) = ($6, '{OBJECTS}', g.id, $7)
      and t.entity_id = any($1) and t.content_hash is not distinct from g.content_hash and t.composition = g.composition
    returning t.entity_id
)
select g.id, t.entity_id is not null as known from given g left join fabric.search_texts t
    on (t.organization_id, t.entity_table, t.entity_id, t.label) = ($6, '{OBJECTS}', g.id, $7)
   and t.entity_id = any($1)
where not exists (select from same s where s.entity_id = g.id)"""

_FORGET_WORDS = f"""
with gone as materialized (
    select t.entity_id, unnest(t.terms) collate "C" as term from fabric.search_texts t
    where (t.organization_id, t.entity_table, t.label) = ($1, '{OBJECTS}', $2) and t.entity_id = any($3))
delete from fabric.search_terms s using gone g
where (s.organization_id, s.entity_table, s.term, s.entity_id, s.label) = ($1, '{OBJECTS}', g.term, g.entity_id, $2)"""

_FORGET_VECTORS = f"""
delete from fabric.embeddings
where (organization_id, entity_table, label) = ($1, '{OBJECTS}', $2) and entity_id = any($3)"""

_ADD = f"""
with given as (
    select g.*, w.terms, w.length
    from unnest($3::uuid[], $4::bigint[], $5::bytea[], $6::bytea[], $7::text[])
        as g(id, revision, composition, content_hash, text)
    cross join lateral (
        select coalesce(array_agg(lexeme order by lexeme), '{{}}') as terms,
               coalesce(sum(cardinality(positions)), 0)::bigint as length
        from unnest(to_tsvector($8::text::regconfig, g.text))) w
), texts as (
    insert into fabric.search_texts as t
        (organization_id, entity_table, entity_id, label, revision, composition, content_hash, length, terms)
    select $1, '{OBJECTS}', id, $2, revision, composition, content_hash, length, terms from given
    on conflict (organization_id, entity_table, entity_id, label) do update
    set (revision, composition, content_hash, length, terms, updated_at)
        = (excluded.revision, excluded.composition, excluded.content_hash, excluded.length, excluded.terms, now())
)
insert into fabric.search_terms (organization_id, entity_table, term, entity_id, label, length, positions)
select $1, '{OBJECTS}', v.lexeme, g.id, $2, g.length, v.positions
from given g cross join lateral unnest(to_tsvector($8::text::regconfig, g.text)) v
on conflict (organization_id, entity_table, term, entity_id, label) do update
set length = excluded.length, positions = excluded.positions"""

_ADD_VECTORS = f"""
insert into fabric.embeddings (organization_id, entity_table, entity_id, label, model, content_hash, embedding)
select $1, '{OBJECTS}', g.id, $2, $3, g.content_hash, g.embedding::halfvec
from unnest($4::uuid[], $5::bytea[], $6::text[]) as g(id, content_hash, embedding)
join fabric.search_texts t
    on (t.organization_id, t.entity_table, t.entity_id, t.label) = ($1, '{OBJECTS}', g.id, $2)
   and t.content_hash = g.content_hash and t.entity_id = any($4)
on conflict (organization_id, entity_table, entity_id, label, model) do update
set (content_hash, embedding, transaction_id, updated_at)
  = (excluded.content_hash, excluded.embedding, excluded.transaction_id, now())"""

_FORGET_MODELS = "delete from fabric.embeddings where organization_id = $1 and label = $2 and model <> $3"


async def _plan_anew(transaction: Transaction) -> None:
    """Has statements planned for their values and the tables as they are now, to the transaction's end.

    A plan that serves some objects and all of them would read all; one that was made when a table was small is no good
    for a batch when it is large.
    """
    await transaction.fetch("set local plan_cache_mode = force_custom_plan")


async def types_in_use(transaction: Transaction, ids: Sequence[UUID] | None) -> list[tuple[int, str]]:
    """The (label, type) of all versions, or of those of some objects."""
    await _plan_anew(transaction)
    return [(row["label"], row["type_name"]) for row in await transaction.fetch(_TYPES, ids)]


async def without_words(
    transaction: Transaction, compositions: Mapping[tuple[int, str], bytes], after: Place, limit: int,
    ids: Sequence[UUID] | None,
) -> list[Stored]:  # fmt: skip
    """The next versions whose words are missing, or made of another revision or composition."""
    types, labels = [name for _, name in compositions], [label for label, _ in compositions]
    digests = [*compositions.values()]
    await _plan_anew(transaction)
    rows = await transaction.fetch(_WITHOUT_WORDS, after.object_id, after.label, limit, ids, types, labels, digests)
    return [Stored(*row) for row in rows]


async def without_vector(
    transaction: Transaction, model: str, after: Place, limit: int, ids: Sequence[UUID] | None
) -> list[Stored]:
    """The next versions whose vector of the model is missing, or of another text."""
    await _plan_anew(transaction)
    rows = await transaction.fetch(_NEXT_WITHOUT_VECTOR, after.object_id, after.label, limit, ids, model)
    return [Stored(*row) for row in rows]


async def number_missing(transaction: Transaction, model: str | None) -> tuple[int, int]:
    """How many versions wait for their words, and how many for a vector of the model that have their words."""
    words: int = await transaction.fetchval(_COUNT_WITHOUT_WORDS)
    vectors: int = await transaction.fetchval(_COUNT_WITHOUT_VECTOR, model) if model is not None else 0
    return words, vectors


async def put_words(transaction: Transaction, texts: Sequence[Text], language: str) -> int:
    """Stores what versions at the transaction's label are found by; how many of them had another text before.

    Versions that have been changed meanwhile are left alone.
    """
    organization_id, label = transaction.session.organization_id, transaction.session.label
    await _plan_anew(transaction)
    rows = await transaction.fetch(_GIVEN, *_columns(texts), organization_id, label)
    known = {row["id"]: row["known"] for row in rows}
    new = [text for text in texts if text.object_id in known]
    if old := [id for id, was in known.items() if was]:
        await transaction.fetch(_FORGET_WORDS, organization_id, label, old)
    if new:
        if gone := [text.object_id for text in new if text.content_hash is None]:
            await transaction.fetch(_FORGET_VECTORS, organization_id, label, gone)
        await transaction.fetch(_ADD, organization_id, label, *_columns(new), language)
    return len(new)


def _columns(texts: Sequence[Text]) -> tuple[list[Any], ...]:
    return (
        [t.object_id for t in texts], [t.revision for t in texts], [t.composition for t in texts],
        [t.content_hash for t in texts], [t.text for t in texts],
    )  # fmt: skip


async def put_vectors(
    transaction: Transaction, model: str, versions: Sequence[tuple[UUID, bytes]], vectors: Vectors
) -> None:
    """Stores vectors of versions at the transaction's label, unless they have another text by now."""
    session = transaction.session
    ids, hashes = [id for id, _ in versions], [content_hash for _, content_hash in versions]
    await _plan_anew(transaction)
    await transaction.fetch(
        _ADD_VECTORS, session.organization_id, session.label, model, ids, hashes, [as_text(v) for v in vectors]
    )


async def labels_with_vectors(transaction: Transaction) -> list[int]:
    return [row["label"] for row in await transaction.fetch("select distinct label from fabric.embeddings")]


async def forget_other_models(transaction: Transaction, model: str) -> None:
    """Takes away the vectors of all other models at the transaction's label."""
    await transaction.fetch(_FORGET_MODELS, transaction.session.organization_id, transaction.session.label, model)


def as_text(vector: Vectors) -> str:
    """As pgvector reads it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def from_text(text: str) -> Vectors:
    """One vector, from what pgvector writes."""
    return np.array(orjson.loads(text), np.float32)
