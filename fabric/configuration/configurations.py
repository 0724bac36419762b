"""The configurations of organizations: what each chose of the options, and defaults for the rest.

A configuration holds for a whole organization, at every label. So it is written at the lowest label alone: otherwise
what is done above would show below. The rows that count are those of that label, which every session sees.

A process knows configurations from memory, and forgets one when PostgreSQL tells that it has changed.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from uuid import UUID

from fabric.configuration.options import LANGUAGE, OPTIONS, Option
from fabric.database.db import READ, Database, Transaction, retried
from fabric.errors import BadInput, FabricError, raise_any
from fabric.events import journal
from fabric.identity.subject import Session, Subject
from fabric.settings import Settings

T = TypeVar("T")

PERMISSION = "config:write"
CHANNEL = "fabric_configurations"
TABLE = "configurations"
LOWEST = 0
"""The label that every label dominates."""

_LOAD = READ.format(
    f"""select coalesce(jsonb_object_agg(name, value), '{{}}') from fabric.{TABLE}
        where organization_id = s.org and label = {LOWEST}"""
)

# One after the other, or an event would not have what was before.
_LOCK = "select pg_advisory_xact_lock(hashtextextended('fabric.configurations' || $1::uuid::text, 0))"
_CHOSEN = f"select name, value from fabric.{TABLE} where label = {LOWEST}"
_CHOOSE = f"""
insert into fabric.{TABLE} as c (organization_id, label, name, value, revision) values ($1, $2, $3, $4, 1)
on conflict (organization_id, name, label) do update
set value = excluded.value, revision = c.revision + 1, updated_at = now()"""
_GIVE_BACK = f"delete from fabric.{TABLE} where organization_id = $1 and label = $2 and name = $3"
_NOTIFY = f"select pg_notify('{CHANNEL}', $1::uuid::text)"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What holds. `chosen` are values by the names of their options; whatever else lies there counts as not chosen."""

    chosen: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Of options whose default the settings say."""

    def __getitem__(self, option: Option[T]) -> T:
        if option.name in self.chosen:
            try:
                return option.read(self.chosen[option.name])
            except BadInput:  # another version of the server may have allowed it
                pass
        return self.default(option)

    def default(self, option: Option[T]) -> T:
        default: T = self.defaults.get(option.name, option.default)
        return default


class Configurations:
    """Of all organizations that ask here; at most `capacity` of them, the first read forgotten first."""

    def __init__(
        self, database: Database, defaults: Mapping[str, Any] | None = None, capacity: int = 1000
    ) -> None:  # fmt: skip
        """`defaults` win over those of the options, by their names."""
        self._database = database
        self._defaults = defaults or {}
        self._capacity = capacity
        self._known: dict[UUID, asyncio.Task[Configuration]] = {}

    @classmethod
    def by(cls, settings: Settings, database: Database) -> Self:
        """With the defaults that the settings say."""
        return cls(database, {LANGUAGE.name: settings.search_language})

    async def of(self, organization_id: UUID) -> Configuration:
        known = self._known.get(organization_id)
        if known is None or (known.done() and (known.cancelled() or known.exception() is not None)):
            known = asyncio.create_task(self._read(organization_id))
            self._known.pop(organization_id, None)
            if len(self._known) >= self._capacity:
                self._known.pop(next(iter(self._known)))
            self._known[organization_id] = known
        # Shielded: a request that goes away must not fail those who wait for the same answer.
        return await asyncio.shield(known)

    def forget(self, organization_id: UUID | None = None) -> None:
        """One has changed, or (after a gap in the notices) perhaps any; so may what is just being read."""
        if organization_id is None:
            self._known.clear()
        else:
            self._known.pop(organization_id, None)

    async def change(
        self, subject: Subject, values: Mapping[str, object], *, request_id: str | None = None
    ) -> list[str]:  # fmt: skip
        """Chooses values by the names of options, None for the default again; the names of those that changed.

        All of them or none. Forbidden without `config:write`; BadInput or Several for a session above the lowest label,
        unknown names and values that cannot be.
        """
        subject.require(PERMISSION)
        if subject.label != LOWEST:
            raise BadInput("the configuration holds at every label, so change it in a session at the lowest one")
        read = _read_all(values)

        async def attempt() -> list[str]:
            async with self._database.transaction(subject.session) as transaction:
                return await _change(transaction, subject, read, request_id)

        changed = await retried(attempt)
        self.forget(subject.organization_id)
        return changed

    async def _read(self, organization_id: UUID) -> Configuration:
        chosen = await self._database.read(Session(organization_id, LOWEST), _LOAD)
        return Configuration(chosen, self._defaults)


def _read_all(values: Mapping[str, object]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    faults: list[FabricError] = []
    for name, value in values.items():
        option = OPTIONS.get(name)
        if option is None:
            faults.append(BadInput(f"no such option; there are {', '.join(OPTIONS)}", (name,)))
            continue
        try:
            read[name] = None if value is None else option.read(value)
        except BadInput as fault:
            faults.append(fault.under(name))
    raise_any(faults)
    return read


async def _change(
    transaction: Transaction, subject: Subject, values: Mapping[str, Any], request_id: str | None
) -> list[str]:
    organization_id = subject.organization_id
    await transaction.fetch(_LOCK, organization_id)
    before = {row["name"]: row["value"] for row in await transaction.fetch(_CHOSEN)}
    changed = {name: value for name, value in values.items() if before.get(name) != value}
    for name, value in changed.items():
        if value is None:
            await transaction.fetch(_GIVE_BACK, organization_id, LOWEST, name)
        else:
            await transaction.fetch(_CHOOSE, organization_id, LOWEST, name, value)
    if changed:
        entries = [
            journal.Entry("config.changed", TABLE, None, name, {"value": {"before": before.get(name), "after": value}})
            for name, value in changed.items()
        ]
        await journal.append(transaction, subject.subject, entries, request_id=request_id)
        await transaction.fetch(_NOTIFY, organization_id)
    return sorted(changed)
