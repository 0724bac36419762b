"""Which objects have more or fewer links than their types ask, as one label sees them.

What is counted is what a link field leads to there. Neither inferred links nor when a link is valid change it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from fabric.database.db import Transaction
from fabric.types.catalogue import Catalogue
from fabric.types.definitions import LinkField
from fabric.types.link_counts import NO_COUNTS, LinkCounts

Row: TypeAlias = Mapping[str, Any]
Miscounted: TypeAlias = dict[UUID, list[tuple[str | None, str]]]
"""By object: (link, constraint)."""
_Asked: TypeAlias = tuple[str, str, bool, str, LinkCounts]
"""Name, relation, whether it leads out, target, counts."""

# Of an object no more are looked at than are needed to tell. Types are not looked for by their index: a server that has
# no statistics yet would read all of it for each link.
_NUMBERS = """
    select ends.id, (
        select count(*) from (
            select distinct l.{other} from fabric.links l
            join fabric.objects o on o.organization_id = $1 and o.object_id = l.{other}
            where l.organization_id = $1 and l.relation = $2 and l.{side} = ends.id and not l.tombstone
              and not o.tombstone and array_position($4::text[], o.type_name) is not null
            limit $5::bigint) as linked) as number
    from unnest($3::uuid[]) as ends(id)"""


async def miscounted(
    transaction: Transaction, catalogue: Catalogue, organization_id: UUID, rows: Iterable[Row]
) -> Miscounted:
    """Of the rows, each with an object's `object_id` and `type_name`."""
    found: Miscounted = {}
    for (name, relation, outgoing, target, counts), ids in _asked(catalogue, rows).items():
        side, other = ("source_id", "target_id") if outgoing else ("target_id", "source_id")
        statement, family = _NUMBERS.format(side=side, other=other), list(catalogue.types[target].family)
        needed = max(counts.least, 0 if counts.most is None else counts.most + 1)
        for id, number in await transaction.fetch(statement, organization_id, relation, ids, family, needed):
            if constraint := counts.broken_by(number):
                found.setdefault(id, []).append((name, constraint))
    return found


def _asked(catalogue: Catalogue, rows: Iterable[Row]) -> dict[_Asked, list[UUID]]:
    """The objects by what is asked of them, so that those of all types are looked at together."""
    of_type: dict[str, list[LinkField]] = {}
    asked: dict[_Asked, list[UUID]] = {}
    for row in rows:
        name = row["type_name"]
        if name not in of_type:
            of_type[name] = [link for link in catalogue.types[name].links.values() if link.counts != NO_COUNTS]
        for link in of_type[name]:
            key = link.name, link.relation, link.outgoing, link.target, link.counts
            asked.setdefault(key, []).append(row["object_id"])
    return asked
