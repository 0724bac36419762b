"""What inferred links follow from, each in one step, as one session sees it.

It is found when it is asked for, by the session's own rules among the links and objects that row security leaves it. So
nothing is kept of derivations, and none tells of what is hidden.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.events import version_json
from fabric.events.history import Version
from fabric.inference.all_links import ALL_LINKS
from fabric.inference.rules import Premise, Rule

_INFERRED = """
select link_id, relation, source_id, target_id, valid_from, valid_to from fabric.inferred_links
where organization_id = $1 and link_id = any($2)"""

_GIVEN = """unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::timestamptz[])
    as x(link_id, source_id, target_id, valid_from, valid_to)"""

_SEEN = """exists (select from fabric.objects o where o.organization_id = $1 and o.object_id = {id}
    and not o.tombstone and o.type_name = any($2))"""


@dataclass(frozen=True, slots=True)
class Said:
    """A link that is a premise: one that was written, or one that is inferred itself."""

    link_id: UUID
    label: int
    version: Version


@dataclass(frozen=True, slots=True)
class Derivation:
    rule: Rule
    premises: tuple[Said, ...]


async def explain(
    transaction: Transaction, rules: Collection[Rule], types: Collection[str], links: Sequence[UUID], most: int
) -> Mapping[UUID, list[Derivation]]:
    """At most `most` derivations of each inferred link that is seen, those from written links alone first.

    `types` are those that objects at the ends of premises have.
    """
    organization_id = transaction.session.organization_id
    found: dict[UUID, list[Derivation]] = {}
    by_relation: dict[str, list[Any]] = {}
    for row in await transaction.fetch(_INFERRED, organization_id, list(links)):
        by_relation.setdefault(row["relation"], []).append(row)
        found[row["link_id"]] = []
    for rule in sorted(rules):
        concluded = by_relation.get(rule.conclusion)
        if not concluded:
            continue
        columns = ("link_id", "source_id", "target_id", "valid_from", "valid_to")
        given = [[row[column] for row in concluded] for column in columns]
        relations = [premise.relation for premise in rule.premises]
        statement = _statement(rule.premises)
        for row in await transaction.fetch(statement, organization_id, list(types), *given, most, *relations):
            found[row["explained"]].append(Derivation(rule, _premises(row, len(relations))))
    return {link: sorted(derivations, key=_inferred_premises)[:most] for link, derivations in found.items()}


def _inferred_premises(derivation: Derivation) -> int:
    return sum(said.version["revision"] == 0 for said in derivation.premises)


def _premises(row: Any, number: int) -> tuple[Said, ...]:
    return tuple(Said(row[f"id{n}"], row[f"label{n}"], row[f"version{n}"]) for n in range(1, number + 1))


def _statement(premises: Sequence[Premise]) -> str:
    """Of each link the premises that lead from its source to its target while it is valid, all of whose ends are seen.

    A link is no premise of itself, as it could be beside a link of an object with itself.
    """
    names = [f"p{n}" for n in range(1, len(premises) + 1)]
    shown = ", ".join(
        f"{p}.link_id as id{n}, {p}.label as label{n}, {version_json.LINK.format(v=p)} as version{n}"
        for n, p in enumerate(names, start=1)
    )
    conditions = [_SEEN.format(id="x.source_id"), _SEEN.format(id="x.target_id")]
    near = "x.source_id"
    for n, (p, premise) in enumerate(zip(names, premises, strict=True), start=1):
        start, end = ("target_id", "source_id") if premise.reversed else ("source_id", "target_id")
        conditions.append(f"{p}.organization_id = $1 and {p}.relation = ${8 + n} and not {p}.tombstone")
        conditions.append(f"{p}.{start} = {near} and {p}.link_id <> x.link_id")
        near = f"{p}.{end}"
        conditions.append(f"{near} = x.target_id" if p == names[-1] else _SEEN.format(id=near))
    starts, ends = (", ".join(f"{p}.{column}" for p in ("x", *names)) for column in ("valid_from", "valid_to"))
    conditions.append(f"coalesce(greatest({starts}) < least({ends}), true)")
    sources = ", ".join(f"{ALL_LINKS} {p}" for p in names)
    inferred = " + ".join(f"({p}.revision = 0)::int" for p in names)
    order = ", ".join([inferred, *(f"{p}.link_id" for p in names)])
    return f"""select x.link_id as explained, d.* from {_GIVEN} cross join lateral (
        select {shown} from {sources} where {" and ".join(conditions)} order by {order} limit $8) d"""
