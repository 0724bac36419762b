"""Rules that were stopped because they concluded too much, each told at the labels from which on they are."""

from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fabric.database.db import Transaction
from fabric.identity.subject import Session
from fabric.inference.rules import Premise, Rule

MOST_READ = 100

_REMOVE = "delete from fabric.stopped_rules where organization_id = $1 and label = $2"
_ADD = """
insert into fabric.stopped_rules (organization_id, label, premises, conclusion, most) values ($1, $2, $3, $4, $5)"""
_STORED = "select label, premises, conclusion, most from fabric.stopped_rules"
_SEEN = """
select label, premises, conclusion, most, stopped_at from fabric.stopped_rules
where organization_id = $1 order by stopped_at desc, label, premises, conclusion limit $2"""


class Stop(NamedTuple):
    """From `label` on the rule concludes nothing; `most` is how many it may conclude."""

    label: int
    rule: Rule
    most: int


@dataclass(frozen=True, slots=True)
class Stopped:
    stop: Stop
    at: datetime


async def read_stops(transaction: Transaction) -> frozenset[Stop]:
    """At every label; the transaction is a follower's."""
    return frozenset(_stop(*row) for row in await transaction.fetch(_STORED))


async def replace_stops(transaction: Transaction, was: Set[Stop], now: Set[Stop]) -> None:
    """Stores what `now` is stopped in place of what `was`; labels at which that is the same are left alone."""
    before, after = _by_label(was), _by_label(now)
    for label in sorted(before.keys() | after.keys()):
        if before[label] == after[label]:
            continue
        await transaction.act_at(label)
        organization_id = transaction.session.organization_id
        await transaction.fetch(_REMOVE, organization_id, label)
        for _, rule, most in sorted(after[label]):
            await transaction.fetch(
                _ADD, organization_id, label, [str(each) for each in rule.premises], rule.conclusion, most
            )


async def stopped_rules(transaction: Transaction, session: Session) -> list[Stopped]:
    """Those that the session sees, the last one first; MOST_READ at most."""
    rows = await transaction.fetch(_SEEN, session.organization_id, MOST_READ)
    return [Stopped(_stop(*row[:4]), row[4]) for row in rows]


def _by_label(stops: Set[Stop]) -> defaultdict[int, set[Stop]]:
    found = defaultdict[int, set[Stop]](set)
    for stop in stops:
        found[stop.label].add(stop)
    return found


def _stop(label: int, premises: list[str], conclusion: str, most: int) -> Stop:
    return Stop(label, Rule(tuple(map(Premise.parse, premises)), conclusion), most)
