"""Of which relations an export does not tell by its triples how many links there are."""

from collections.abc import Collection
from itertools import chain
from typing import NamedTuple

from fabric.database.db import Transaction
from fabric.types.catalogue import Catalogue
from fabric.types.link_counts import NO_COUNTS
from ontology.iris import Iris, may_name_property


class Uncounted(NamedTuple):
    """Relations by name."""

    short: frozenset[str] = frozenset()
    """Some of their links have no triple of the relation."""
    beyond: frozenset[str] = frozenset()
    """Some triples of the relation are no links that count."""


ALL_COUNTED = Uncounted()

# Of links that the reader has. Bounded by the relations, however many predicates there are.
_OWN_PREDICATES = """
    select distinct relation, case when iri = any($2) then iri end as iri
    from (select l.relation, coalesce(l.semantic_namespace, '') || l.semantic_predicate as iri
          from fabric.links l
          join fabric.objects s on s.organization_id = l.organization_id and s.object_id = l.source_id
          join fabric.objects t on t.organization_id = l.organization_id and t.object_id = l.target_id
          where l.relation = any($1) and l.semantic_predicate <> ''
            and not l.tombstone and not s.tombstone and not t.tombstone) as named"""


async def uncounted(
    transaction: Transaction, iris: Iris, only: Collection[str] | None, *, inferred: bool
) -> Uncounted:
    """Of an export of objects of the types `only`, or of all; `inferred` says that inferred links are among them.

    Links that name their own predicate are no triples of their relation, and may be ones of another.
    """
    catalogue = iris.catalogue
    short = {n for n, r in catalogue.relations.items() if only is not None and not {*chain(*r.ends)} <= {*only}}
    beyond = set(catalogue.concluded if inferred else ())
    if _counts(catalogue):
        named = {iri: name for name, iri in iris.relations.items() if may_name_property(iri)}
        for relation, iri in await transaction.fetch(_OWN_PREDICATES, list(iris.relations), list(named)):
            if iri != iris.relations[relation]:
                short.add(relation)
                beyond |= {named[iri]} if iri is not None else set()
    return Uncounted(frozenset(short), frozenset(beyond))


def _counts(catalogue: Catalogue) -> bool:
    """Whether any link is asked to be there a certain number of times."""
    links = (k for t in catalogue.types.values() for k in (*t.own_links.values(), *chain(*t.narrowed_links.values())))
    return any(link.counts != NO_COUNTS or not link.many for link in links)
