"""What is kept for search, of versions of objects, of links and of events: written at each label by itself.

Words are rows of `search_terms`, an inverted index in a table: text equality is leakproof, so that its key serves under
row security. With each stands the stamp of the version that it was made of; `search_texts` says whether it still fits
what has been written since. A vector is of the text with its `content_hash`.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
import orjson

from fabric.database.db import Database, Transaction, retried
from fabric.embedding.provider import Vectors
from fabric.identity.subject import Session

OBJECTS, LINKS, EVENTS = "objects", "links", "events"

# An event is known by its position; here that is a UUID like any other id, of the same number.
ID_OF_POSITION = "lpad(to_hex({}), 32, '0')::uuid"
POSITION_OF_ID = "('x' || right({}::text, 12))::bit(48)::bigint"
"""For SQL, to be formatted with a column."""

# By a float, since a numeric takes as long again as all the rest. Equal to `stamp` in migration 0022.
STAMP = "hashint8extended((date_part('epoch', {0}.updated_at) * 1000000)::bigint, {0}.revision)"
"""Of a row of `objects`, for SQL: another one each time that it is written.

Its revision alone is not: what was deleted begins with 1 when it comes again.
"""

T = TypeVar("T")


class Key(NamedTuple):
    """Of a text: of what, and at which label. Texts are gone through in this order."""

    id: UUID
    label: int


FIRST = Key(UUID(int=0), -1)
"""Before all of them."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is to be stored. `content_hash` is of the whole text, None where there is none; `words` are found by.

    `revision` and `composition` say what it is made of: as long as they are the same, so is the text. The revision is
    a stamp of all versions that have a part in it.
    """

    id: UUID
    revision: int
    composition: bytes
    content_hash: bytes | None
    words: str
    head: str | None = None
    keys: Sequence[str] | None = None
    """Of an object's data, all that it can be made of; of a link those that it is made of; None of other texts."""


# What has changed or gone meanwhile is left to who comes for that change.
_STANDS = {
    OBJECTS: f"o.object_id = g.id and o.label = $7 and {STAMP.format('o')} = g.revision",
    LINKS: "o.link_id = g.id",
    EVENTS: f"o.position = {POSITION_OF_ID.format('g.id')} and o.label = $7",
}

# `= any` beside the joins: by it rows are found by their keys even where PostgreSQL takes a table for small, as it does
# just after many rows have come.
_GIVEN = """
with given as (
    select g.* from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[])
        as g(id, revision, composition, content_hash, words)
    where exists (select from fabric.{table} o where o.organization_id = $6 and {stands})
), same as (
    update fabric.search_texts t set revision = g.revision, composition = g.composition, updated_at = now()
    from given g
    where (t.organization_id, t.entity_table, t.entity_id, t.label) = ($6, '{table}', g.id, $7)
      and t.entity_id = any($1) and t.content_hash is not distinct from g.content_hash and t.composition = g.composition
    returning t.entity_id
)
select g.id, t.entity_id is not null as known from given g left join fabric.search_texts t
    on (t.organization_id, t.entity_table, t.entity_id, t.label) = ($6, '{table}', g.id, $7)
   and t.entity_id = any($1)
where not exists (select from same s where s.entity_id = g.id)"""

_FORGET_WORDS = """
with gone as materialized (
    select t.entity_id, unnest(t.terms) collate "C" as term from fabric.search_texts t
    where (t.organization_id, t.entity_table, t.label) = ($1, $2, $3) and t.entity_id = any($4))
delete from fabric.search_terms s using gone g
where (s.organization_id, s.entity_table, s.term, s.entity_id, s.label) = ($1, $2, g.term, g.entity_id, $3)"""

_FORGET_VECTORS = """
delete from fabric.embeddings where (organization_id, entity_table, label) = ($1, $2, $3) and entity_id = any($4)"""

_FORGET_OTHER_VECTORS = """
delete from fabric.embeddings e using unnest($4::uuid[], $5::bytea[]) as g(id, content_hash)
where (e.organization_id, e.entity_table, e.label) = ($1, $2, $3) and e.entity_id = any($4)
  and e.entity_id = g.id and e.content_hash is distinct from g.content_hash"""

_FORGET_TEXTS = """
delete from fabric.search_texts where (organization_id, entity_table, label) = ($1, $2, $3) and entity_id = any($4)"""

_ADD = """
with given as (
    select g.*, w.terms, w.length
    from unnest($4::uuid[], $5::bigint[], $6::bytea[], $7::bytea[], $8::text[], $9::text[], $11::text[])
        as g(id, revision, composition, content_hash, words, head, keys)
    cross join lateral (
        select coalesce(array_agg(lexeme order by lexeme), '{}') as terms,
               coalesce(sum(cardinality(positions)), 0)::bigint as length
        from unnest(to_tsvector($10::text::regconfig, g.words))) w
), texts as (
    insert into fabric.search_texts as t
        (organization_id, entity_table, entity_id, label, revision, composition, content_hash, length, terms, head,
         keys)
    select $1, $2, id, $3, revision, composition, content_hash, length, terms, head, string_to_array(keys, chr(10))
    from given
    on conflict (organization_id, entity_table, entity_id, label) do update
    set (revision, composition, content_hash, length, terms, head, keys, updated_at)
      = (excluded.revision, excluded.composition, excluded.content_hash, excluded.length, excluded.terms, excluded.head,
         excluded.keys, now())
)
insert into fabric.search_terms (organization_id, entity_table, term, entity_id, label, length, positions, stamp)
select $1, $2, v.lexeme, g.id, $3, g.length, v.positions, g.revision
from given g cross join lateral unnest(to_tsvector($10::text::regconfig, g.words)) v
on conflict (organization_id, entity_table, term, entity_id, label) do update
set length = excluded.length, positions = excluded.positions, stamp = excluded.stamp"""

_ADD_VECTORS = """
insert into fabric.embeddings (organization_id, entity_table, entity_id, label, model, content_hash, embedding)
select $1, $2, g.id, $3, $4, g.content_hash, g.embedding::halfvec
from unnest($5::uuid[], $6::bytea[], $7::text[]) as g(id, content_hash, embedding)
join fabric.search_texts t
    on (t.organization_id, t.entity_table, t.entity_id, t.label) = ($1, $2, g.id, $3)
   and t.content_hash = g.content_hash and t.entity_id = any($5)
on conflict (organization_id, entity_table, entity_id, label, model) do update
set (content_hash, embedding, transaction_id, updated_at)
  = (excluded.content_hash, excluded.embedding, excluded.transaction_id, now())"""

_WITHOUT_VECTOR = """
from fabric.search_texts t
left join fabric.embeddings e on (e.organization_id, e.entity_table, e.entity_id, e.label)
    = (t.organization_id, t.entity_table, t.entity_id, t.label) and e.model = $1
where t.content_hash is not null and e.content_hash is distinct from t.content_hash"""

_NEXT_WITHOUT_VECTOR = f"""
select t.entity_id, t.label, t.content_hash {_WITHOUT_VECTOR} and t.entity_table = $2
  and (t.entity_id, t.label) > ($3, $4) and ($6::uuid[] is null or t.entity_id = any($6))
order by t.entity_id, t.label limit $5"""

_WITHOUT_ANY_VECTOR = """
select count(*) from fabric.search_texts t
where t.content_hash is not null and not exists (select from fabric.embeddings e
    where (e.organization_id, e.entity_table, e.entity_id, e.label, e.content_hash)
        = (t.organization_id, t.entity_table, t.entity_id, t.label, t.content_hash))"""

_FORGET_MODELS = "delete from fabric.embeddings where organization_id = $1 and label = $2 and model <> $3"


# Who indexes beside another, as `semantic-fabric embed` does beside a server, would not see the words that the other
# is about to store, and leave them.
_IN_TURN = """
select pg_advisory_xact_lock(
    hashtextextended(concat_ws(' ', 'fabric.search_texts', $1::uuid, $2::text, $3::bigint), 0))"""


async def storing(
    database: Database, organization_id: UUID, label: int, work: Callable[[Transaction], Awaitable[T]]
) -> T:
    """Work at a label, in a transaction of its own.

    It is done again where it came into the way of writers: they change what they wish in whatever order.
    """

    async def attempt() -> T:
        async with database.transaction(Session(organization_id, label)) as transaction:
            return await work(transaction)

    return await retried(attempt)


async def without_vector(
    transaction: Transaction, table: str, model: str, after: Key, limit: int, ids: Sequence[UUID] | None
) -> dict[Key, bytes]:
    """The next texts whose vector of the model is missing, or of another text: their hashes. For a follower."""
    await transaction.plan_by_values()
    rows = await transaction.fetch(_NEXT_WITHOUT_VECTOR, model, table, *after, limit, ids)
    return {Key(row["entity_id"], row["label"]): row["content_hash"] for row in rows}


async def number_without_vector(transaction: Transaction, model: str) -> int:
    """How many texts wait for a vector of the model. For a follower."""
    number: int = await transaction.fetchval(f"select count(*) {_WITHOUT_VECTOR}", model)
    return number


async def number_without_any_vector(transaction: Transaction) -> int:
    """How many texts have none, of whatever model. For a follower."""
    number: int = await transaction.fetchval(_WITHOUT_ANY_VECTOR)
    return number


async def put_texts(transaction: Transaction, table: str, texts: Sequence[Text], language: str) -> int:
    """Stores what is found at the transaction's label, and by which words; how many have another text than before.

    What has changed meanwhile is left alone. A vector of another text goes at once, since it can be long until there
    is a new one: it would rank by what may have been taken out of a reader's sight.
    """
    if not texts:
        return 0
    organization_id, label = transaction.session.organization_id, transaction.session.label
    await transaction.plan_by_values()
    await transaction.fetch(_IN_TURN, organization_id, table, label)
    given = _GIVEN.format(table=table, stands=_STANDS[table])
    rows = await transaction.fetch(given, *_columns(texts), organization_id, label)
    known = {row["id"]: row["known"] for row in rows}
    new = [text for text in texts if text.id in known]
    if old := [text.id for text in new if known[text.id]]:
        await transaction.fetch(_FORGET_WORDS, organization_id, table, label, old)
        hashes = [text.content_hash for text in new if known[text.id]]
        await transaction.fetch(_FORGET_OTHER_VECTORS, organization_id, table, label, old, hashes)
    if new:
        heads = [text.head for text in new]
        keys = [None if text.keys is None else "\n".join(text.keys) for text in new]  # keys are of one line
        await transaction.fetch(_ADD, organization_id, table, label, *_columns(new), heads, language, keys)
    return len(new)


def _columns(texts: Sequence[Text]) -> tuple[list[Any], ...]:
    return (
        [t.id for t in texts], [t.revision for t in texts], [t.composition for t in texts],
        [t.content_hash for t in texts], [t.words for t in texts],
    )  # fmt: skip


async def forget_texts(transaction: Transaction, table: str, ids: Sequence[UUID]) -> None:
    """Takes away texts at the transaction's label, with their words and vectors."""
    if ids:
        await transaction.plan_by_values()
        session = transaction.session
        await transaction.fetch(_IN_TURN, session.organization_id, table, session.label)
        for statement in (_FORGET_TEXTS, _FORGET_VECTORS):
            await transaction.fetch(statement, session.organization_id, table, session.label, list(ids))


async def put_vectors(
    transaction: Transaction, table: str, model: str, texts: Sequence[tuple[UUID, bytes]], vectors: Vectors
) -> None:
    """Stores vectors of texts at the transaction's label, by their hashes, unless they are others by now."""
    session = transaction.session
    ids, hashes = [id for id, _ in texts], [content_hash for _, content_hash in texts]
    await transaction.plan_by_values()
    await transaction.fetch(
        _ADD_VECTORS, session.organization_id, table, session.label, model, ids, hashes, [as_text(v) for v in vectors]
    )


async def labels_with_vectors(transaction: Transaction) -> list[int]:
    return [row["label"] for row in await transaction.fetch("select distinct label from fabric.embeddings")]


async def forget_other_models(transaction: Transaction, model: str) -> None:
    """Takes away the vectors of all other models at the transaction's label."""
    await transaction.fetch(_FORGET_MODELS, transaction.session.organization_id, transaction.session.label, model)


def by_label(items: Iterable[tuple[int, T]]) -> list[tuple[int, list[T]]]:
    """What goes with each label, in the order of the labels."""
    ordered = sorted(items, key=lambda item: item[0])
    return [(label, [item for _, item in group]) for label, group in groupby(ordered, key=lambda item: item[0])]


def as_text(vector: Vectors) -> str:
    """As pgvector reads it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def from_text(text: str) -> Vectors:
    """One vector, from what pgvector writes."""
    return np.array(orjson.loads(text), np.float32)
