"""Of what an object has at most so many links to, no writer adds one beyond those that it sees.

Who sees more, from above, may then see too many: what one label writes does not depend on what is above it. Too few are
never refused, for an object is there before its links (see docs/decisions/0025-links-are-counted.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from fabric.database.db import Transaction
from fabric.errors import Conflict, FabricError
from fabric.types.catalogue import Catalogue
from fabric.writing.versions import Version


@dataclass(frozen=True, slots=True)
class _Limit:
    relation: str
    outgoing: bool
    target: str
    most: int


_Added = dict[UUID, dict[UUID, list[UUID]]]
"""The new links of each object, by what they lead to."""


async def check(
    transaction: Transaction, catalogue: Catalogue, end_types: Mapping[UUID, str], added: Iterable[Version],
    paths: Mapping[UUID, tuple[str | int, ...]],
) -> list[FabricError]:  # fmt: skip
    """Conflicts, led by `paths`, for those of the new links, stored by now, that lead to one object too many."""
    limited = _limited(catalogue, end_types, added)
    turns = [(limit.relation, end) for limit, ends in limited.items() for end in ends]
    if turns:
        label = f"{transaction.session.organization_id} {transaction.session.label}"
        await transaction.fetch(_TAKE_TURNS, [f"{label} {name}" for name, _ in turns], [end for _, end in turns])
    errors: list[FabricError] = []
    for limit, ends in limited.items():
        new = [id for others in ends.values() for ids in others.values() for id in ids]
        side, other = ("source_id", "target_id") if limit.outgoing else ("target_id", "source_id")
        statement, family = _HELD.format(side=side, other=other), list(catalogue.types[limit.target].family)
        wanted = list({other for others in ends.values() for other in others})
        rows = await transaction.fetch(statement, limit.relation, list(ends), family, new, wanted)
        held = {row["id"]: (row["number"], row["known"]) for row in rows}
        message = f"an object has at most {limit.most:,} links {limit.relation} of this kind; unlink another first"
        errors += [
            Conflict(message, paths[id])
            for end, others in ends.items()
            for id in _beyond(limit.most, others, *held.get(end, (0, ())))
        ]
    return errors


def _limited(catalogue: Catalogue, end_types: Mapping[UUID, str], added: Iterable[Version]) -> dict[_Limit, _Added]:
    limited: dict[_Limit, _Added] = {}
    limits: dict[tuple[str, str, str], list[_Limit]] = {}
    for link in added:
        source, target = link.content["source_id"], link.content["target_id"]
        kind = link.content["relation"], end_types.get(source, ""), end_types.get(target, "")
        if kind not in limits:
            limits[kind] = [*_limits(catalogue, *kind)]
        for limit in limits[kind]:
            end, other = (source, target) if limit.outgoing else (target, source)
            limited.setdefault(limit, {}).setdefault(end, {}).setdefault(other, []).append(link.id)
    return limited


def _limits(catalogue: Catalogue, relation: str, source: str, target: str) -> Iterator[_Limit]:
    """Those that the types of the two ends say of links between them."""
    for outgoing, name, other in ((True, source, target), (False, target, source)):
        for link in catalogue.types[name].links.values() if name in catalogue.types else ():
            same = (link.relation, link.outgoing) == (relation, outgoing) and catalogue.is_a(other, link.target)
            if same and link.counts.most is not None:
                yield _Limit(relation, outgoing, link.target, link.counts.most)


def _beyond(most: int, others: Mapping[UUID, list[UUID]], held: int, known: Iterable[UUID]) -> Iterator[UUID]:
    """The new links of one object for which there is no room beside the `held`, by what they lead to."""
    room, there = most - held, set(known)
    for other, ids in others.items():
        if other not in there:
            room -= 1
            if room < 0:
                yield from ids


# Those who link one object wait for each other: each must see the other's link. Nobody waits for another label.
_TAKE_TURNS = """
    select pg_advisory_xact_lock(k) from (
        select distinct hashtextextended(name || id::text, 0) k
        from unnest($1::text[], $2::uuid[]) as turns(name, id) order by k) locks"""

_HELD = """
    select l.{side} as id, count(distinct l.{other}) as number,
           coalesce(array_agg(distinct l.{other}) filter (where l.{other} = any($5)), array[]::uuid[]) as known
    from fabric.links l
    join fabric.objects o on o.organization_id = l.organization_id and o.object_id = l.{other}
    where l.relation = $1 and l.{side} = any($2) and not l.tombstone
      and o.type_name = any($3) and not o.tombstone and l.link_id <> all($4)
    group by l.{side}"""
