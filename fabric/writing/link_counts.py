"""Of what an object has at most so many links to, no writer adds one beyond those that it sees.

Who sees more, from above, may then see too many: what one label writes does not depend on what is above it. Too few are
never refused, for an object is there before its links (see docs/decisions/0025-links-are-counted.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias
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
Limited: TypeAlias = dict[_Limit, _Added]


async def check(
    transaction: Transaction, catalogue: Catalogue, limited: Limited, paths: Mapping[UUID, tuple[str | int, ...]]
) -> list[FabricError]:
    """Conflicts, led by `paths`, for those of the new links, stored by now, that lead to one object too many.

    With the `turns` taken.
    """
    errors: list[FabricError] = []
    for limit, ends in limited.items():
        held, linked = await _there(transaction, catalogue, limit, ends)
        message = f"an object has at most {limit.most:,} links {limit.relation} of this kind; unlink another first"
        errors += [
            Conflict(message, paths[id])
            for end, others in ends.items()
            for id in _beyond(limit.most - held[end], {o: ids for o, ids in others.items() if (end, o) not in linked})
        ]
    return errors


def turns(limited: Limited) -> Iterator[tuple[str, UUID]]:
    return ((limit.relation, end) for limit, ends in limited.items() for end in ends)


def limited_among(catalogue: Catalogue, end_types: Mapping[UUID, str], added: Iterable[Version]) -> Limited:
    """The new links of which there may be so many only, by their objects."""
    limited: Limited = {}
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


async def _there(
    transaction: Transaction, catalogue: Catalogue, limit: _Limit, ends: _Added
) -> tuple[dict[UUID, int], set[tuple[UUID, UUID]]]:
    """How many objects each of the ends is linked to without the new links, and which of theirs are among these."""
    side, other = ("source_id", "target_id") if limit.outgoing else ("target_id", "source_id")
    new = [id for others in ends.values() for ids in others.values() for id in ids]
    held = await transaction.fetch(
        _HELD.format(side=side, other=other),
        limit.relation, list(ends), list(catalogue.types[limit.target].family), new, limit.most,
    )  # fmt: skip
    pairs = [(end, other) for end, others in ends.items() for other in others]
    linked = await transaction.fetch(
        _LINKED.format(side=side, other=other), limit.relation, *map(list, zip(*pairs, strict=True)), new
    )
    return {row["id"]: row["number"] for row in held}, {(row["id"], row["other"]) for row in linked}


def _beyond(room: int, others: Mapping[UUID, list[UUID]]) -> Iterator[UUID]:
    """Of the new links of one object those for which there is no room, by what they lead to."""
    for ids in [*others.values()][max(room, 0) :]:
        yield from ids


# Of an object that has far more already no more are looked at than there may be. Types and relations are not looked for
# by their indexes: a server that has no statistics yet would read all of one for each link.
_HELD = """
    select ends.id, (
        select count(*) from (
            select distinct l.{other} from fabric.links l
            join fabric.objects o on o.organization_id = l.organization_id and o.object_id = l.{other}
            where l.relation = $1 and l.{side} = ends.id and not l.tombstone and l.link_id <> all($4)
              and not o.tombstone and array_position($3::text[], o.type_name) is not null
            limit $5::bigint) as linked) as number
    from unnest($2::uuid[]) as ends(id)"""

_LINKED = """
    select pairs.id, pairs.other from unnest($2::uuid[], $3::uuid[]) as pairs(id, other)
    where (
        select true from fabric.links l
        where l.{side} = pairs.id and l.{other} = pairs.other and l.relation || '' = $1 and not l.tombstone
          and l.link_id <> all($4) limit 1)"""
