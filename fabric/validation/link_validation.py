"""What links break of their definitions, as one label sees them: by properties, types at their ends, and their number.

A link of which an end is hidden is not there, as for every reader; nor is a property of which the definition is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from fabric.database.db import Transaction
from fabric.types.catalogue import Catalogue
from fabric.validation.violations import Report, violations

NAMES = ("relation", "property", "constraint")
Row: TypeAlias = Mapping[str, Any]

COUNT = "select count(*) from fabric.links where organization_id = $1 and relation = any($2) and not tombstone"

_NEXT = """
    with page as (
        select link_id, relation, source_id, target_id, properties from fabric.links
        where organization_id = $1 and relation = any($2) and not tombstone and ($3::uuid is null or link_id > $3)
        order by link_id limit $4)
    select l.link_id, l.relation, l.properties, s.type_name as source, t.type_name as target
    from page l
    left join fabric.objects s on s.organization_id = $1 and s.object_id = l.source_id and not s.tombstone
    left join fabric.objects t on t.organization_id = $1 and t.object_id = l.target_id and not t.tombstone
    order by l.link_id"""

# At each label an object has one: a higher link covers a lower one, it does not contradict it.
_BEYOND = """
    select l.link_id from fabric.links l
    where l.organization_id = $1 and l.link_id = any($2) and exists (
        select from fabric.links o
        join fabric.objects s on s.organization_id = $1 and s.object_id = o.source_id and not s.tombstone
        join fabric.objects t on t.organization_id = $1 and t.object_id = o.target_id and not t.tombstone
        where o.organization_id = $1 and o.relation = l.relation and o.{side} = l.{side} and o.label = l.label
          and o.link_id < l.link_id and not o.tombstone
          and s.type_name = any($3) and t.type_name = any($4))"""


def report_of(state: Mapping[str, Any] | None) -> Report:
    return Report(state, "links", NAMES)


async def batch(
    transaction: Transaction, catalogue: Catalogue, organization_id: UUID, family: Collection[str],
    after: str | None, most: int, report: Report,
) -> str | None:  # fmt: skip
    """Adds the next links that have an end of the `family`. The id of the last one, or None where there are no more."""
    rows = await transaction.fetch(_NEXT, organization_id, list(catalogue.relations), after, most)
    known = catalogue.types.keys()
    whole = [row for row in rows if {row["source"], row["target"]} <= known]
    seen = [row for row in whole if not {row["source"], row["target"]}.isdisjoint(family)]
    beyond = await _beyond(transaction, catalogue, organization_id, seen)
    for row in seen:
        report.add(str(row["link_id"]), row["relation"], _broken(catalogue, row, beyond))
    return str(rows[-1]["link_id"]) if len(rows) == most else None


def _broken(catalogue: Catalogue, row: Row, beyond: Collection[UUID]) -> Iterator[tuple[str | None, str]]:
    relation = catalogue.relations[row["relation"]]
    yield from violations(relation.properties, row["properties"])
    if not catalogue.may_join(relation, row["source"], row["target"]):
        yield None, "target"
    if row["link_id"] in beyond:
        yield None, "cardinality"


async def _beyond(
    transaction: Transaction, catalogue: Catalogue, organization_id: UUID, rows: Sequence[Row]
) -> set[UUID]:
    """Those of the links beside which an object has another of a kind that it has one of."""
    found: set[UUID] = set()
    for name in sorted({row["relation"] for row in rows}):
        relation = catalogue.relations[name]
        for side, pairs in (("source_id", relation.one_target), ("target_id", relation.one_source)):
            for source, target in sorted(pairs):
                here = list(_between(catalogue, rows, name, source, target))
                families = list(catalogue.types[source].family), list(catalogue.types[target].family)
                statement = _BEYOND.format(side=side)
                told = await transaction.fetch(statement, organization_id, here, *families) if here else ()
                found |= {row["link_id"] for row in told}
    return found


def _between(catalogue: Catalogue, rows: Iterable[Row], name: str, source: str, target: str) -> Iterator[UUID]:
    for row in rows:
        if row["relation"] == name and catalogue.is_a(row["source"], source) and catalogue.is_a(row["target"], target):
            yield row["link_id"]
