"""The inferred links of one organization: what there should be, kept current by what is told, and stored."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

import structlog

from fabric.database.db import Database
from fabric.graph import Change
from fabric.identity.subject import Session
from fabric.inference import store
from fabric.inference.closure import Closure, Fact, Runaway
from fabric.inference.premises import Premises
from fabric.inference.rules import Rule
from fabric.inference.scopes import Part, Scopes, parts, scope
from fabric.inference.stopped_rules import Stop, read_stops, replace_stops
from fabric.types.types import Types

AT_ONCE = 2_000
"""Rows that are stored in one transaction, or a few more."""

log = structlog.stdlib.get_logger(__name__)


class Inference:
    """Made by `load`; for one caller at a time."""

    def __init__(
        self, database: Database, organization_id: UUID, rules: Mapping[Rule, Scopes], premises: Premises,
        stored: Mapping[Fact, tuple[Part, ...]], stops: frozenset[Stop], most: int,
    ) -> None:  # fmt: skip
        self._database, self._organization_id = database, organization_id
        self._rules, self._premises, self._most = dict(rules), premises, most
        self._stored = dict(stored)
        self._stored_stops, self._stops = stops, set[Stop]()
        self._closure = Closure(self._rules, most)

    @classmethod
    async def load(cls, database: Database, types: Types, organization_id: UUID, most: int) -> "Inference":
        """What there is by now, and what was stored; `most` conclusions for any one clearance."""
        async with database.following(organization_id, snapshot=True) as transaction:
            rules = await store.read_rules(transaction, types)
            relations = {relation for rule in rules for relation in rule.relations}
            premises = Premises(relations)
            if rules:
                changes = [change async for change in store.read_changes(transaction, relations)]
                await asyncio.to_thread(premises.apply, changes)
            stored = await store.read_stored(transaction)
            stops = await read_stops(transaction)
        return cls(database, organization_id, rules, premises, stored, stops, most)

    async def begin(self) -> None:
        """Concludes all that follows, and stores it in place of what is stored."""
        await asyncio.to_thread(self._conclude_anew)
        await self._store({*self._stored, *self._closure.conclusions()})
        if self._stops != self._stored_stops:
            async with self._database.transaction(Session(self._organization_id, 0)) as transaction:
                await replace_stops(transaction, self._stored_stops, self._stops)
            self._stored_stops = frozenset(self._stops)

    async def apply(self, changes: Iterable[Change]) -> None:
        """Works in what has changed. After a failure only `load` helps."""
        touched = await asyncio.to_thread(self._premises.apply, changes)
        if not self._rules or not touched:
            return
        try:
            changed = await asyncio.to_thread(self._closure.change, touched)
        except Runaway as runaway:
            self._stop(runaway)
            await self.begin()
        else:
            await self._store(changed)

    def _conclude_anew(self) -> None:
        while True:
            self._closure = Closure(self._rules, self._most)
            try:
                self._closure.change(self._premises.all() if self._rules else {})
            except Runaway as runaway:
                self._stop(runaway)
            else:
                return

    def _stop(self, runaway: Runaway) -> None:
        """From the label upwards the rule concludes nothing any more, until definitions change or a process starts."""
        log.error(
            "inference.rule_stopped", organization=str(self._organization_id), rule=str(runaway.rule), most=self._most
        )
        scopes = self._rules[runaway.rule]
        joins = {(each, each.label | runaway.label) for each in scopes}
        self._stops |= {Stop(label, runaway.rule, self._most) for each, label in joins if each.holds(label)}
        left: list[Scopes] = [
            scope(each.label, (*each.over, runaway.label), each.start, each.end) for each in scopes
        ]
        self._rules[runaway.rule] = tuple(each for scopes in left for each in scopes)

    async def _store(self, facts: Iterable[Fact]) -> None:
        changed = await asyncio.to_thread(self._changed, facts)
        for batch in _batches(changed, self._stored):
            async with self._database.transaction(Session(self._organization_id, 0)) as transaction:
                was = {fact: self._stored[fact] for fact in batch if fact in self._stored}
                await store.replace(transaction, was, {fact: now for fact, now in batch.items() if now})
            for fact, now in batch.items():
                if now:
                    self._stored[fact] = now
                else:
                    self._stored.pop(fact, None)

    def _changed(self, facts: Iterable[Fact]) -> dict[Fact, tuple[Part, ...]]:
        """What is to be stored of these, as far as it is not what is stored."""
        now = {fact: tuple(sorted(parts(self._closure.derived(fact), self._closure.asserted(fact)))) for fact in facts}
        return {fact: each for fact, each in now.items() if each != self._stored.get(fact, ())}


def _batches(
    changed: Mapping[Fact, tuple[Part, ...]], stored: Mapping[Fact, tuple[Part, ...]]
) -> Iterator[dict[Fact, tuple[Part, ...]]]:
    batch, rows = dict[Fact, tuple[Part, ...]](), 0
    for fact, now in changed.items():
        batch[fact] = now
        rows += len(now) + len(stored.get(fact, ()))
        if rows >= AT_ONCE:
            yield batch
            batch, rows = {}, 0
    if batch:
        yield batch
