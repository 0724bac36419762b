"""The statements that rank links by their ends, in the form of those in `statements`.

A link, and the objects at both of its ends, are the versions that win for the session: row security leaves no others.
"""

from fabric.events import version_json
from fabric.inference.all_links import ALL_LINKS, INFERRED
from fabric.search.index.composites import MADE_OF
from fabric.search.index.store import LINKS
from fabric.search.ranking.statements import COSINE, OF_MODEL, of_model, text_of

WRITTEN = "fabric.links"

_ASKED = """
l.organization_id = s.org and not l.tombstone
and ({relations}::text[] is null or l.relation = any({relations}::text[]))
and exists (select from unnest({sources}::uuid[], {targets}::uuid[]) as e(source, target)
            where coalesce(e.source, l.source_id) = l.source_id and coalesce(e.target, l.target_id) = l.target_id)
and (l.valid_from is null or {at}::timestamptz is null or l.valid_from <= {at}::timestamptz)
and (l.valid_to is null or {at}::timestamptz is null or l.valid_to > {at}::timestamptz)"""

_BEST = "coalesce(jsonb_agg(jsonb_build_array(r.link_id, r.score) order by r.score desc, r.link_id), '[]')"


def _seen(o: str) -> str:
    return f"{o}.organization_id = s.org and not {o}.tombstone and {o}.type_name = any({{seen}}::text[])"


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _links(inferred: bool) -> str:
    return _literal(ALL_LINKS) if inferred else WRITTEN


def by_scores(*, inferred: bool) -> str:
    """[link id, score] of the best links by the scores that are given for objects: the sum of both ends'."""
    links = _links(inferred)
    return f"""
with scored as materialized (
    select g.id, g.score from unnest({{ids}}::uuid[], {{scores}}::float8[]) as g(id, score)
), found as materialized (
    select l.link_id, l.source_id, l.target_id from {links} l
    where l.source_id = any({{ids}}::uuid[]) and {_ASKED}
    union
    select l.link_id, l.source_id, l.target_id from {links} l
    where l.target_id = any({{ids}}::uuid[]) and {_ASKED}
)
select {_BEST} from (
    select f.link_id, floor(0.5 + 1e6 * (coalesce(g.score, 0) + coalesce(h.score, 0))) / 1e6 as score
    from found f
    join fabric.objects a on a.object_id = f.source_id and {_seen('a')}
    join fabric.objects b on b.object_id = f.target_id and {_seen('b')}
    left join scored g on g.id = f.source_id
    left join scored h on h.id = f.target_id
    order by score desc, f.link_id limit {{most}}::int) r"""


_SCORED = f"""
select x.entity_id, x.label, x.content_hash, {COSINE} as score from fabric.embeddings x where {of_model(LINKS)}"""

_NAMED = f"""
select x.entity_id, x.label, x.content_hash, {COSINE} as score
from unnest({{ids}}::uuid[], {{labels}}::bigint[]) as g(id, label)
join fabric.embeddings x on {of_model(LINKS)} and x.entity_id = g.id and x.label = g.label"""


_MADE_OF = MADE_OF.format(link="l", source="ta", target="tb")


def _of_composites(scored: str) -> str:
    return f"""
with scored as materialized ({scored})
select {_BEST} from (
    select l.link_id, c.score
    from scored c
    join {WRITTEN} l on l.link_id = c.entity_id
    join fabric.objects a on a.object_id = l.source_id and {_seen('a')}
    join fabric.objects b on b.object_id = l.target_id and {_seen('b')}
    {text_of("a", "ta")}
    {text_of("b", "tb")}
    join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
        = (s.org, '{LINKS}', c.entity_id, c.label) and t.content_hash = c.content_hash and t.composition = {_MADE_OF}
        and not coalesce(t.keys, {{gone_properties}}::text[]) && {{gone_properties}}::text[]
    where c.label = (l.label | a.label | b.label) and {_ASKED}
    order by c.score desc, l.link_id limit {{most}}::int) r"""


BY_COMPOSITES = _of_composites(_SCORED)
"""[link id, cosine] of the best of all links that were written, by what each says with both its ends.

The text counts that is made of the three versions which the session sees, as they are now: it stands at the join of
their labels.
"""

BY_NAMED_COMPOSITES = _of_composites(_NAMED)
"""As `BY_COMPOSITES`, of the texts that are named."""

OF_INFERRED = f"""
with near as materialized (
    select x.entity_id, x.label, x.content_hash, {COSINE} as score from fabric.embeddings x where {OF_MODEL}
), ends as materialized (
    select o.object_id, n.score from fabric.objects o
    left {text_of("o")}
    left join near n on n.entity_id = o.object_id and n.label = o.label and n.content_hash = t.content_hash
    where {_seen('o')}
)
select {_BEST} from (
    select l.link_id, floor(0.5 + 1e6 * (coalesce(a.score, 0) + coalesce(b.score, 0)) / 2) / 1e6 as score
    from {_literal(INFERRED)} l
    join ends a on a.object_id = l.source_id
    join ends b on b.object_id = l.target_id
    where (a.score is not null or b.score is not null) and {_ASKED}
    order by score desc, l.link_id limit {{most}}::int) r"""
"""[link id, score] of the best of the inferred links: the mean cosine of both ends.

An end without a vector counts as 0; a link between two such is not among them.
"""

ENDS = f"""
select coalesce(jsonb_object_agg(l.link_id, jsonb_build_array(l.source_id, l.target_id)), '{{{{}}}}')
from {WRITTEN} l where l.organization_id = s.org and l.link_id = any({{ids}}::uuid[]) and not l.tombstone"""
"""By id, of those of the links that the session sees: [source, target]."""

READ = f"""
select coalesce(jsonb_object_agg(l.link_id, jsonb_build_array(l.label, {_literal(version_json.LINK.format(v="l"))})),
                '{{{{}}}}')
from {_links(True)} l
join fabric.objects a on a.object_id = l.source_id and {_seen('a')}
join fabric.objects b on b.object_id = l.target_id and {_seen('b')}
where l.organization_id = s.org and l.link_id = any({{ids}}::uuid[]) and not l.tombstone"""
"""By id, of those of the links that the session sees with both ends: [label, version]."""
