"""What inference reads of an organization, as the follower; and inferred links, each row written at its own label."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from fabric import ids
from fabric.database.db import Transaction
from fabric.graph import Change, LinkVersion, ObjectVersion
from fabric.graph.base import ALWAYS
from fabric.graph.versions import end_of, start_of
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session
from fabric.inference.closure import Fact
from fabric.inference.rules import Rule
from fabric.inference.scopes import Part, Scope, Scopes, scope, union
from fabric.labels import Lattice, dominates
from fabric.types.types import Types

MOST_CLEARANCES = 256
"""Kinds of readers whose definitions are looked at: beyond, only those at the labels themselves."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STORED = """
select relation, source_id, target_id, label, shown_label, valid_from, valid_to, over1, over2, over_rest
from fabric.inferred_links"""

_REMOVE = "delete from fabric.inferred_links where organization_id = $1 and label = $2 and link_id = any($3)"

_ADD = """
insert into fabric.inferred_links (organization_id, label, link_id, number, shown_label, relation, source_id, target_id,
                                   valid_from, valid_to, over1, over2, over_rest)
select $1, $2, t.link_id, t.number, t.shown_label, t.relation, t.source_id, t.target_id, t.valid_from, t.valid_to,
       t.over1, t.over2, (select array_agg(x::bigint) from jsonb_array_elements_text(t.rest) x)
from unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::uuid[], $8::uuid[], $9::timestamptz[],
            $10::timestamptz[], $11::bigint[], $12::bigint[], $13::jsonb[])
    as t(link_id, number, shown_label, relation, source_id, target_id, valid_from, valid_to, over1, over2, rest)"""

_TELL = """
insert into fabric.inferred_changes (organization_id, label, transaction_id) values ($1, $2, fabric.this_transaction())
on conflict (organization_id, label) do update set transaction_id = excluded.transaction_id"""


async def read_rules(transaction: Transaction, types: Types) -> dict[Rule, Scopes]:
    """The rules that readers' definitions come to, and for whom each is."""
    organization_id = transaction.session.organization_id
    labels = {row[0] for row in await transaction.fetch("select distinct label from fabric.type_definitions")}
    clearances = _joins(labels)
    held = {c: (await types.catalogue(Session(organization_id, c))).rules for c in clearances}
    found: dict[Rule, Scopes] = {}
    for clearance, rules in held.items():
        for rule in rules:
            over = [c for c in clearances if c != clearance and dominates(c, clearance) and rule not in held[c]]
            found[rule] = union(found.get(rule, ()), scope(clearance, over))
    return found


def _joins(labels: set[int]) -> set[int]:
    found = set(labels)
    for label in labels:
        found |= {label | other for other in found}
        if len(found) > MOST_CLEARANCES:
            return labels
    return found


async def read_changes(transaction: Transaction, relations: Iterable[str]) -> AsyncIterator[Change]:
    """All objects, and all links of the relations, at every label."""
    async for row in transaction.cursor("select object_id, label, tombstone from fabric.objects"):
        yield ObjectVersion(row[0], row[1], "", row[2])
    links = """select link_id, label, relation, source_id, target_id, null::float8, valid_from, valid_to, tombstone
        from fabric.links where relation = any($1)"""
    async for row in transaction.cursor(links, list(relations)):
        yield LinkVersion(*row)


async def read_stored(transaction: Transaction) -> dict[Fact, tuple[Part, ...]]:
    found: dict[Fact, list[Part]] = {}
    async for row in transaction.cursor(_STORED):
        over = [o for o in (row["over1"], row["over2"], *(row["over_rest"] or ())) if o is not None]
        span = start_of(row["valid_from"]), end_of(row["valid_to"])
        fact = Fact(row["relation"], row["source_id"].int, row["target_id"].int)
        found.setdefault(fact, []).append(Part(Scope(row["label"], tuple(over), *span), row["shown_label"]))
    return {fact: tuple(sorted(each)) for fact, each in found.items()}


async def replace(
    transaction: Transaction, was: Mapping[Fact, tuple[Part, ...]], now: Mapping[Fact, tuple[Part, ...]]
) -> None:
    """Stores what `now` has of the facts in place of what `was` there, and for whom it changed: all or nothing."""
    organization_id = transaction.session.organization_id
    secret: bytes = await transaction.fetchval("select secret from fabric.organizations")
    organization = Organization(organization_id, "", secret, Lattice())
    gone = _by_label(organization, was)
    new = _by_label(organization, now)
    told = changed_for(was, now)
    for label in sorted(gone.keys() | new.keys() | told):
        await transaction.act_at(label)
        if label in told:
            await transaction.fetch(_TELL, organization_id, label)
        if label in gone:
            await transaction.fetch(_REMOVE, organization_id, label, list({row[0] for row in gone[label]}))
        if label in new:
            await transaction.fetch(_ADD, organization_id, label, *map(list, zip(*new[label], strict=True)))


def changed_for(was: Mapping[Fact, tuple[Part, ...]], now: Mapping[Fact, tuple[Part, ...]]) -> set[int]:
    """The lowest labels that see something else than before.

    What is hidden above, or shown there again, is a change there alone, and none at the label that it has itself.
    """
    found: set[int] = set()
    for fact in was.keys() | now.keys():
        before, after = _over(was.get(fact, ())), _over(now.get(fact, ()))
        found |= {label for label, *_ in before.keys() ^ after.keys()}
        for shown in before.keys() & after.keys():
            found |= {shown[0] | above for above in before[shown] ^ after[shown]}
    return found


def _over(parts: Iterable[Part]) -> Mapping[tuple[int, int, int, int], set[int]]:
    """The labels at which it is not shown any more, by what is shown: its label, the label it tells, and its time."""
    found: dict[tuple[int, int, int, int], set[int]] = {}
    for where, label in parts:
        found.setdefault((where.label, label, where.start, where.end), set()).update(where.over)
    return found


def _by_label(organization: Organization, parts: Mapping[Fact, tuple[Part, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    rows: list[tuple[int, tuple[Any, ...]]] = []
    for fact, each in parts.items():
        source, target = UUID(int=fact.source), UUID(int=fact.target)
        for number, (where, shown) in enumerate(each):
            id = ids.inferred_link_id(organization, fact.relation, source, target, (where.start, where.end))
            over = [*where.over[:2], None, None][:2]
            span = _moment(where.start), _moment(where.end)
            rest = list(map(str, where.over[2:]))
            rows.append((where.label, (id, number, shown, fact.relation, source, target, *span, *over, rest or None)))
    rows.sort(key=lambda row: row[0])
    return {label: [row for _, row in group] for label, group in groupby(rows, key=lambda row: row[0])}


def _moment(microseconds: int) -> datetime | None:
    return None if microseconds in ALWAYS else _EPOCH + timedelta(microseconds=microseconds)
