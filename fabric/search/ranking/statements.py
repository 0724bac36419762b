"""The statements of search: each sees what its session sees, and picks among the winning versions alone.

Rows of words and vectors are joined with `objects`, where row security leaves the versions that win for the session. So
what is counted, ranked and cut off is what the session sees, and nothing else has any part in it. Scores are rounded:
the order in which a plan adds floats must not show.

A statement has `{name}` where a parameter stands, and `{where}` where a condition on `o`, a version, does.
"""

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, TypeAlias
from uuid import UUID

from fabric.database.db import READ
from fabric.search.index.store import EVENTS, LINKS, OBJECTS, STAMP

Where: TypeAlias = Callable[[int], tuple[str, tuple[Any, ...]]]
"""From the number of the first parameter that it may use: a condition on `o`, and its arguments."""

BM25_K1, BM25_B = 1.2, 0.75

_OF_OBJECT = "(x.organization_id, x.entity_table, x.entity_id, x.label) = (s.org, 'objects', o.object_id, o.label)"

_TEXT_OF = """join fabric.search_texts {t}
    on ({t}.organization_id, {t}.entity_table, {t}.entity_id, {t}.label)
     = (s.org, 'objects', {o}.object_id, {o}.label) and {t}.revision = {stamp} and {nothing_gone}"""

_NONE_THERE = "(cardinality({{gone}}::text[]) = 0 or not {o}.data ?| {{gone}}::text[])"

# A text may say of no keys: then it was made by a former version of the server.
_NOTHING_GONE = "(" + _NONE_THERE + " or not coalesce({t}.keys, {{gone}}::text[]) && {{gone}}::text[])"


def text_of(o: str, t: str = "t") -> str:
    """Joins the text of a version, if it is made of what stands there now, and of no field that is gone.

    Until a changed version has its new text it is not found: the old one may say what was taken out of sight.
    """
    return _TEXT_OF.format(o=o, t=t, stamp=STAMP.format(o), nothing_gone=_NOTHING_GONE.format(o=o, t=t))


def vector_of(o: str, x: str, t: str = "t") -> str:
    """As `text_of`, if the vector is of that text."""
    return f"{text_of(o, t)} and {t}.content_hash = {x}.content_hash"


_SEEN = "not o.tombstone and o.type_name = any({seen}::text[])"
_ASKED = "o.type_name = any({types}::text[]) and {where}"


def by_words(table: str, seen: str, passes: str) -> str:
    """[id, BM25 score] of the best, of what has any of the words and all of the phrases.

    `seen` joins `f`, the texts that have some of the words, with what of them the session sees; `passes` says what is
    asked for. Each is done with before the next: while texts are being added, a plan that was made when there were few
    would go through all of them again and again.
    """
    return f"""
with asked as (
    select t.n, t.term, t.upto from unnest({{words}}::text[], {{uptos}}::text[]) with ordinality as t(term, upto, n)
), found as materialized (
    select t.n, w.entity_id, w.label, cardinality(w.positions) as frequency, w.length, w.stamp
    from asked t join fabric.search_terms w
        on w.organization_id = s.org and w.entity_table = '{table}' and w.term = t.term collate "C"
    where t.upto is null
    union all
    select t.n, w.entity_id, w.label, sum(cardinality(w.positions)), max(w.length), w.stamp
    from asked t join fabric.search_terms w
        on w.organization_id = s.org and w.entity_table = '{table}'
       and w.term >= t.term collate "C" and w.term < t.upto collate "C"
    where t.upto is not null group by t.n, w.entity_id, w.label, w.stamp
), seen as materialized (
    select f.n, f.entity_id, f.label, f.frequency, f.length, ({passes}) is true as passes from found f join {seen}
), weights as (
    select n, ln(1 + (greatest({{number}}::float8, count(*)) - count(*) + 0.5) / (count(*) + 0.5)) as weight
    from seen group by n
), phrases as (
    select p.phrase, w.entity_id, w.label, at.place - p.place as start
    from unnest({{phrase}}::int[], {{phrase_word}}::text[], {{phrase_place}}::int[]) as p(phrase, term, place)
    join fabric.search_terms w
        on w.organization_id = s.org and w.entity_table = '{table}' and w.term = p.term collate "C"
    cross join lateral unnest(w.positions) as at(place)
    group by p.phrase, w.entity_id, w.label, start
    having count(*) = ({{phrase_sizes}}::int[])[p.phrase]
), whole as (
    select entity_id, label from phrases group by entity_id, label
    having count(distinct phrase) = cardinality({{phrase_sizes}}::int[])
)
select coalesce(jsonb_agg(jsonb_build_array(r.entity_id, r.score) order by r.score desc, r.entity_id), '[]') from (
    select m.entity_id, floor(0.5 + 1e6 * sum(
        w.weight * m.frequency * {BM25_K1 + 1} / (m.frequency + {BM25_K1} * ({1 - BM25_B}
        + {BM25_B} * m.length / greatest({{length}}::float8, 1))))) / 1e6 as score
    from seen m join weights w using (n)
    where m.passes
      and (cardinality({{phrase_sizes}}::int[]) = 0 or (m.entity_id, m.label) in (select * from whole))
      and not exists (
          select from fabric.search_terms x
          where (x.organization_id, x.entity_table, x.entity_id, x.label)
              = (s.org, '{table}', m.entity_id, m.label) and x.term = any({{excluded}}::text[]))
    group by m.entity_id order by score desc, m.entity_id limit {{most}}::int) r"""


_STAMP = STAMP.format("o")

# The text is asked of a version that was written since without its text becoming another one, or that has what is gone:
# as a value, which is looked up for each, where `exists` may read all texts at once.
FITTING = f""" and (f.stamp = {_STAMP} and {_NONE_THERE.format(o="o")} or {_STAMP} = (
        select t.revision from fabric.search_texts t
        where (t.organization_id, t.entity_table, t.entity_id, t.label) = (s.org, 'objects', o.object_id, o.label)
          and {_NOTHING_GONE.format(o="o", t="t")}))"""
"""Of words, that they are of a text that `text_of` would join, too."""

TEXT = by_words(
    OBJECTS,
    "fabric.objects o on o.organization_id = s.org and o.object_id = f.entity_id and o.label = f.label"
    f" where {_SEEN}{FITTING}",
    _ASKED,
)

# The vector in a subquery, which is read once: a plan for any value would read its text for each row.
COSINE = "floor(0.5 - 1e6 * (x.embedding <#> (select {vector}::text::halfvec))) / 1e6"


def of_model(table: str) -> str:
    return f"x.organization_id = s.org and x.entity_table = '{table}' and x.model = {{model}}::text"


OF_MODEL = of_model(OBJECTS)
_BEST = "coalesce(jsonb_agg(jsonb_build_array(r.object_id, r.score) order by r.score desc, r.object_id), '[]')"

# The versions that win come second here: of rows that the session's label dominates, covered ones too, the nearest are
# taken first, so that few objects are looked up. It says whether there were more.
NEAREST = f"""
with near as materialized (
    select x.entity_id, x.label, x.content_hash, {COSINE} as score from fabric.embeddings x where {OF_MODEL}
    order by score desc, x.entity_id, x.label limit {{pool}}::int
)
select jsonb_build_object('hits', {_BEST}, 'more', (select count(*) = {{pool}}::int from near)) from (
    select o.object_id, n.score from near n
    join fabric.objects o on o.organization_id = s.org and o.object_id = n.entity_id and o.label = n.label
    {vector_of("o", "n")}
    where {_SEEN} and o.object_id is distinct from {{without}}::uuid
    order by n.score desc, o.object_id limit {{most}}::int) r"""
"""`hits`: [id, cosine] of the nearest of all types. They are all if they are as many as asked for, or there are no
more."""

NEAREST_OF_ASKED = f"""
with asked as materialized (
    select o.object_id, o.label, t.content_hash from fabric.objects o {text_of("o")}
    where o.organization_id = s.org and {_SEEN} and {_ASKED} and o.object_id is distinct from {{without}}::uuid
), scored as materialized (
    select x.entity_id, x.label, x.content_hash, {COSINE} as score from fabric.embeddings x where {OF_MODEL}
)
select {_BEST} from (
    select a.object_id, x.score from scored x join asked a
        on a.object_id = x.entity_id and a.label = x.label and a.content_hash = x.content_hash
    order by x.score desc, a.object_id limit {{most}}::int) r"""
"""[id, cosine] of the nearest."""

NEAREST_AMONG = f"""
with wanted as materialized (
    select q.n, q.vector::halfvec as embedding, q.without
    from unnest({{vectors}}::text[], {{withouts}}::uuid[]) with ordinality as q(vector, without, n)
), near as materialized (
    select w.n, w.without, x.entity_id, x.label, x.content_hash,
           floor(0.5 - 1e6 * (x.embedding <#> w.embedding)) / 1e6 as score
    from unnest({{queries}}::bigint[], {{ids}}::uuid[], {{labels}}::bigint[]) as g(n, id, label)
    join wanted w on w.n = g.n
    join fabric.embeddings x on x.organization_id = s.org and x.entity_table = 'objects' and x.entity_id = g.id
        and x.label = g.label and x.model = {{model}}::text
), ranked as (
    select n.n, o.object_id, n.score, row_number() over (partition by n.n order by n.score desc, o.object_id) as rank
    from near n join fabric.objects o on o.organization_id = s.org and o.object_id = n.entity_id and o.label = n.label
    {vector_of("o", "n")}
    where {_SEEN} and {_ASKED} and o.object_id is distinct from n.without
), best as (
    select r.n, {_BEST} as hits from ranked r where r.rank <= {{most}}::int group by r.n
)
select coalesce(jsonb_agg(coalesce(b.hits, '[]') order by w.n), '[]') from wanted w left join best b using (n)"""
"""For each of some vectors [id, cosine] of the nearest among the versions that are named for it."""

NEAREST_OF_EACH = f"""
with wanted as materialized (
    select o.object_id, x.embedding from unnest({{ids}}::uuid[]) as i(id)
    join fabric.objects o on o.organization_id = s.org and o.object_id = i.id
    join fabric.embeddings x on {_OF_OBJECT} and x.model = {{model}}::text
    {vector_of("o", "x")}
    where {_SEEN}
)
select coalesce(jsonb_object_agg(w.object_id, h.found), '{{{{}}}}') from wanted w cross join lateral (
    with near as materialized (
        select x.entity_id, x.label, x.content_hash, floor(0.5 - 1e6 * (x.embedding <#> w.embedding)) / 1e6 as score
        from fabric.embeddings x where {OF_MODEL}
        order by score desc, x.entity_id, x.label limit {{pool}}::int
    )
    select jsonb_build_object('hits', {_BEST}, 'more', (select count(*) = {{pool}}::int from near)) as found from (
        select o.object_id, n.score from near n
        join fabric.objects o on o.organization_id = s.org and o.object_id = n.entity_id and o.label = n.label
        {vector_of("o", "n")}
        where {_SEEN} and o.object_id <> w.object_id
        order by n.score desc, o.object_id limit {{most}}::int) r) h"""
"""By id of each object that has a vector, as `NEAREST` gives it of one."""

CORPUS = f"""
with seen as materialized (
    select o.object_id, o.label, o.type_name from fabric.objects o where o.organization_id = s.org and {_SEEN}
), texts as materialized (
    select o.type_name, o.label, x.keys, count(*) as number, sum(x.length) as length
    from fabric.search_texts x join seen o on o.object_id = x.entity_id and o.label = x.label
    where x.organization_id = s.org and x.entity_table = 'objects' and x.content_hash is not null
    group by o.type_name, o.label, x.keys
)
select jsonb_build_object('number', t.number, 'length', t.length, 'made_of', t.made_of, 'models', (
    select coalesce(jsonb_object_agg(m.model, m.number), '{{{{}}}}') from (
        select x.model, count(*) as number
        from fabric.embeddings x join seen o on o.object_id = x.entity_id and o.label = x.label
        where x.organization_id = s.org and x.entity_table = 'objects' group by x.model) m))
from (select coalesce(sum(number), 0) as number, coalesce(sum(length) / sum(number), 0)::float8 as length,
             coalesce(jsonb_agg(jsonb_build_array(type_name, label, coalesce(keys, '{{{{}}}}'))), '[]') as made_of
      from texts) t"""
"""Of all that the session sees: the number of texts, their mean length, of which keys of which types at which labels
they are made, and the number of vectors by model."""

LINK_CORPUS = f"""
select jsonb_build_object('number', 0, 'length', 0, 'made_of', (
    select coalesce(jsonb_agg(jsonb_build_array('', t.label, t.keys)), '[]') from (
        select x.label, array_agg(distinct k) as keys from fabric.search_texts x cross join unnest(x.keys) k
        where x.organization_id = s.org and x.entity_table = '{LINKS}' group by x.label) t),
    'models', coalesce(jsonb_object_agg(m.model, m.number), '{{{{}}}}'))
from (select x.model, count(*) as number from fabric.embeddings x
      where x.organization_id = s.org and x.entity_table = '{LINKS}' group by x.model) m"""
"""As `CORPUS`, of the vectors of links that the session dominates, with the keys of properties at each label."""

EVENT_CORPUS = f"""
select jsonb_build_object('number', t.number, 'length', coalesce(t.length, 0), 'models', (
    select coalesce(jsonb_object_agg(m.model, m.number), '{{{{}}}}') from (
        select x.model, count(*) as number from fabric.embeddings x
        where x.organization_id = s.org and x.entity_table = '{EVENTS}' group by x.model) m))
from (select count(*) as number, avg(x.length)::float8 as length from fabric.search_texts x
      where x.organization_id = s.org and x.entity_table = '{EVENTS}' and x.content_hash is not null) t"""
"""As `CORPUS`, of the texts of events that the session sees."""

OWN_VECTORS = f"""
select coalesce(jsonb_object_agg(o.object_id, x.embedding::text), '{{{{}}}}')
from fabric.objects o join fabric.embeddings x on {_OF_OBJECT} and x.model = {{model}}::text
{vector_of("o", "x")}
where o.organization_id = s.org and o.object_id = any({{ids}}::uuid[]) and {_SEEN}"""
"""The objects' vectors, of those that have one."""

PASSING = f"""
select coalesce(jsonb_agg(o.object_id), '[]') from fabric.objects o
where o.organization_id = s.org and o.object_id = any({{ids}}::uuid[]) and {_SEEN} and {_ASKED}"""
"""Those of the objects that are asked for."""

VERSIONS = f"""
select coalesce(jsonb_agg(jsonb_build_array(o.object_id, o.label, o.type_name, o.data)), '[]') from fabric.objects o
where o.organization_id = s.org and o.object_id = any({{ids}}::uuid[]) and {_SEEN}"""

LINKED = f"""
select coalesce(jsonb_agg(jsonb_build_array(i.id, n.relation, n.outgoing, n.other)
                          order by i.n, n.relation, n.outgoing desc, n.other, n.link_id), '[]')
from unnest({{ids}}::uuid[]) with ordinality as i(id, n) cross join lateral (
    select k.* from (
        select l.link_id, l.relation, true as outgoing, l.target_id as other from fabric.links l
        where l.organization_id = s.org and l.source_id = i.id and not l.tombstone
        union all
        select l.link_id, l.relation, false, l.source_id from fabric.links l
        where l.organization_id = s.org and l.target_id = i.id and l.source_id <> i.id and not l.tombstone) k
    join fabric.objects o on o.organization_id = s.org and o.object_id = k.other
    where {_SEEN} and ({{relations}}::text[] is null or k.relation = any({{relations}}::text[]))
    order by k.relation, k.outgoing desc, k.other, k.link_id limit {{most}}::int) n"""
"""[id, relation, whether it leads out, id of the other end] of the first links of each object."""


Scored: TypeAlias = list[tuple[UUID, float]]


def read_scored(rows: Any) -> Scored:
    """From [id, score] as statements give them."""
    return [(UUID(id), float(score)) for id, score in rows]


def anything(_: int) -> tuple[str, tuple[Any, ...]]:
    """The condition that every version fulfils."""
    return "true", ()


def bound(statement: str, values: Mapping[str, Any], where: Where = anything) -> tuple[str, tuple[Any, ...]]:
    """The statement for `Database.read`, and its arguments. KeyError for a name that has no value."""
    names = [name for name in dict.fromkeys(name for _, name, _, _ in Formatter().parse(statement)) if name]
    numbers = {name: f"${number}" for number, name in enumerate((n for n in names if n != "where"), 3)}
    condition, more = where(3 + len(numbers)) if "where" in names else ("", ())
    text = statement.format(**numbers, where=f"({condition})")
    return READ.format(text), (*(values[name] for name in numbers), *more)
