"""Of cardinality one an object has one link at each label: a higher one covers a lower, it does not contradict it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias
from uuid import UUID

from fabric.database.db import Transaction
from fabric.errors import Conflict, FabricError
from fabric.types.catalogue import Catalogue
from fabric.writing.versions import Version

Single: TypeAlias = dict[tuple[str, str, str, str], dict[UUID, list[UUID]]]
"""By relation, side, and types of source and target: the links at each end that may have one."""


async def check(
    transaction: Transaction, catalogue: Catalogue, single: Single, paths: Mapping[UUID, tuple[str | int, ...]]
) -> list[FabricError]:
    """Conflicts, led by `paths`, for the links beyond the first; for all stored now where one was there before.

    With the `turns` taken.
    """
    errors: list[FabricError] = []
    for (name, side, source, target), by_end in single.items():
        families = list(catalogue.types[source].family), list(catalogue.types[target].family)
        label = transaction.session.label
        for end, count in await transaction.fetch(_SEVERAL.format(side=side), name, list(by_end), label, *families):
            extra = by_end[end][0 if count > len(by_end[end]) else 1 :]
            message = f"an object has one link {name} of this kind; unlink the other first"
            errors += [Conflict(message, paths[id]) for id in extra]
    return errors


def turns(single: Single) -> Iterator[tuple[str, UUID]]:
    return ((name, end) for (name, *_), by_end in single.items() for end in by_end)


def single_among(catalogue: Catalogue, end_types: Mapping[UUID, str], stored: Iterable[Version]) -> Single:
    """The links of which there may be one only."""
    found: Single = {}
    for link in stored:
        relation = catalogue.relations.get(link.content["relation"])
        if link.tombstone or relation is None:
            continue
        ends = end_types.get(link.content["source_id"], ""), end_types.get(link.content["target_id"], "")
        for side, pairs in (("source_id", relation.one_target), ("target_id", relation.one_source)):
            for source, target in pairs:
                if catalogue.is_a(ends[0], source) and catalogue.is_a(ends[1], target):
                    by_end = found.setdefault((relation.name, side, source, target), {})
                    by_end.setdefault(link.content[side], []).append(link.id)
    return found


_SEVERAL = """
    select l.{side} as id, count(*) from fabric.links l
    join fabric.objects s on s.organization_id = l.organization_id and s.object_id = l.source_id
    join fabric.objects t on t.organization_id = l.organization_id and t.object_id = l.target_id
    where l.relation = $1 and l.{side} = any($2) and l.label = $3 and not l.tombstone
      and s.type_name = any($4) and not s.tombstone and t.type_name = any($5) and not t.tombstone
    group by l.{side} having count(*) > 1"""
