"""What PostgreSQL makes of a query: its plan as the server has it, for whatever values, and as it ran."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from compiler.ground import Ground
from fabric.database.db import Transaction
from fabric.identity.organizations import Organization


@dataclass(frozen=True)
class Step:
    kind: str
    index: str | None
    table: str | None
    rows: float
    """Read by the step in all its runs, those that a filter took away included."""


@dataclass(frozen=True)
class Ran:
    """`steps` outermost first; `pages` of tables and indexes were touched, each as often as it was."""

    steps: list[Step]
    pages: int

    def reads(self, table: str) -> list[Step]:
        return [s for s in self.steps if s.table == table]


def explain(
    ground: Ground, organization: Organization, text: str, variables: dict[str, Any] | None = None,
    label: str = "UNCLASSIFIED",
) -> Ran:  # fmt: skip
    """The query's one statement, run for a reader at this label."""
    return ground.run(_explain(ground, organization, text, variables, label))


async def _explain(
    ground: Ground, organization: Organization, text: str, variables: dict[str, Any] | None, label: str
) -> Ran:
    subject = ground.subject(organization, label, ("reader",))
    [(sql, args)] = await ground.statements(organization, subject, text, variables)
    session = subject.session
    async with ground.database.transaction(session) as transaction:
        return await explained(transaction, sql, str(session.organization_id), str(session.label), *args)


async def explained(transaction: Transaction, sql: str, *args: Any) -> Ran:
    """The statement, run with these values."""
    # A prepared statement is planned once for all values, as those of the server are; a plain EXPLAIN is for these.
    await transaction.fetch(f"prepare asked as {sql}")
    asked = f"execute asked({', '.join(await _literals(transaction, args))})" if args else "execute asked"
    found = await transaction.fetchval(f"explain (analyze, buffers, format json) {asked}")
    await transaction.fetch("deallocate asked")
    [plan] = orjson.loads(found) if isinstance(found, str) else found
    return Ran(list(_steps(plan["Plan"])), plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def _literals(transaction: Transaction, values: tuple[Any, ...]) -> list[str]:
    types = await transaction.fetchval(
        "select parameter_types::text[] from pg_prepared_statements where name = 'asked'"
    )
    return [
        await transaction.fetchval(f"select quote_nullable($1::{type_}::text)", value)
        for type_, value in zip(types, values, strict=True)
    ]


def _steps(plan: dict[str, Any]) -> Iterator[Step]:
    read = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    yield Step(plan["Node Type"], plan.get("Index Name"), plan.get("Relation Name"), read)
    for inner in plan.get("Plans", ()):
        yield from _steps(inner)
