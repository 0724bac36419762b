"""Of which relations an export does not tell by its triples how many links there are."""

from collections.abc import Collection
from itertools import chain
from typing import NamedTuple

from fabric.database.db import Transaction
from fabric.types.link_counts import NO_COUNTS
from ontology.iris import Iris, may_name_property


class Uncounted(NamedTuple):
    """Relations by name."""

    short: frozenset[str] = frozenset()
    """Some of their links have no triple of the relation."""
    beyond: frozenset[str] = frozenset()
    """Some triples of the relation are no links that count."""


ALL_COUNTED = Uncounted()

_ENDS = """
    join fabric.objects s on s.organization_id = l.organization_id and s.object_id = l.source_id
    join fabric.objects t on t.organization_id = l.organization_id and t.object_id = l.target_id
    where l.relation = any($1) and not l.tombstone and not s.tombstone and not t.tombstone"""

# Bounded by the relations, however many predicates there are.
_OWN_PREDICATES = f"""
    select distinct relation, case when iri = any($2) then iri end as iri
    from (select l.relation, coalesce(l.semantic_namespace, '') || l.semantic_predicate as iri
          from fabric.links l {_ENDS} and l.semantic_predicate <> '') as named"""

_SEVERAL = f"""
    select distinct relation from (
        select l.relation from fabric.links l {_ENDS}
        group by l.relation, l.source_id having count(distinct l.target_id) > 1) as several"""


async def uncounted(
    transaction: Transaction, iris: Iris, only: Collection[str] | None, *, inferred: bool
) -> Uncounted:
    """Of an export of objects of the types `only`, or of all; `inferred` says that inferred links are among them.

    Links that name their own predicate are no triples of their relation, and may be ones of another. Of cardinality one
    there is one link at each label, so that who sees several labels may have several.
    """
    catalogue = iris.catalogue
    short = {n for n, r in catalogue.relations.items() if only is not None and not {*chain(*r.ends)} <= {*only}}
    beyond = set(catalogue.concluded if inferred else ())
    asked = [link for t in catalogue.types.values() for link in chain(t.own_links.values(), *t.narrowed_links.values())]
    if any(link.counts != NO_COUNTS or not link.many for link in asked):
        named = {iri: name for name, iri in iris.relations.items() if may_name_property(iri)}
        for relation, iri in await transaction.fetch(_OWN_PREDICATES, list(iris.relations), list(named)):
            if iri != iris.relations[relation]:
                short.add(relation)
                beyond |= {named[iri]} if iri is not None else set()
    if ones := {link.relation for link in asked if link.outgoing and not link.many}:
        beyond |= {row["relation"] for row in await transaction.fetch(_SEVERAL, list(ones))}
    return Uncounted(frozenset(short), frozenset(beyond))
