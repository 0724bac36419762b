"""Pages of a log in commit order, forwards or backwards: what the lists of events and of audit records have in common.

Only what no transaction that still runs can precede is listed, so the place after a page misses nothing that is yet to
come. The newest may therefore come a moment later.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from fabric.database.db import Transaction
from fabric.events.events import OLDEST
from fabric.events.journal import Position


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of the list: `limit` rows between two places, from the end when `backward`."""

    limit: int
    backward: bool = False
    after: Position | None = None
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the order of the list, and whether there are more on either side."""

    rows: list[Any]
    has_previous: bool
    has_next: bool


class LogQuery:
    """Rows `t` of a log that a transaction's session sees, and the conditions on them; None is no condition."""

    def __init__(self, table: str, number: str) -> None:
        """`number` is the column that orders the rows of one transaction."""
        self._table, self._number = table, number
        self._arguments: list[Any] = []
        self._conditions = [f"t.transaction_id < {OLDEST}"]
        self._bounded_in_time = False

    def equal(self, column: str, value: Any) -> None:
        if value is not None:
            self._conditions.append(f"t.{column} = {self._say(value)}")

    def among(self, column: str, values: Sequence[str] | None) -> None:
        if values is not None:
            self._conditions.append(f"t.{column} = any({self._say(list(values))}::text[])")

    def like(self, column: str, names: Sequence[str] | None) -> None:
        """Whole names, or beginnings where they end in ``*``."""
        if names is not None:
            whole = self._say([name for name in names if not name.endswith("*")])
            beginnings = self._say([name[:-1] for name in names if name.endswith("*")])
            self._conditions.append(
                f"(t.{column} = any({whole}::text[])"
                f" or exists (select from unnest({beginnings}::text[]) b where starts_with(t.{column}, b)))"
            )

    def within(self, since: datetime | None, until: datetime | None) -> None:
        """`since` is included, `until` is not."""
        for operator, moment in ((">=", since), ("<", until)):
            if moment is not None:
                self._conditions.append(f"t.occurred_at {operator} {self._say(moment)}")
                self._bounded_in_time = True

    def after(self, place: Position) -> None:
        self._beyond(place, ">")

    async def page(
        self, transaction: Transaction, columns: str, part: Slice, *, newest_first: bool = False
    ) -> Rows:  # fmt: skip
        """That part of the rows, by these columns of `t`."""
        if self._bounded_in_time:  # only with the values in hand can the planner tell what the index by time is worth
            await transaction.plan_by_values()
        down = newest_first is not part.backward
        start, end = (part.before, part.after) if part.backward else (part.after, part.before)
        between = self._copy()
        if start is not None:
            between._beyond(start, "<" if down else ">")
        if end is not None:
            between._beyond(end, ">" if down else "<")
        direction = " desc" if down else ""
        order = f"t.transaction_id{direction}, t.{self._number}{direction}"
        rows = await between._fetch(transaction, columns, f"order by {order} limit {between._say(part.limit + 1)}")
        behind = start is not None and await self._any_behind(transaction, start, ">=" if down else "<=")
        more, listed = len(rows) > part.limit, rows[: part.limit]
        return Rows(listed[::-1], more, behind) if part.backward else Rows(listed, behind, more)

    async def _any_behind(self, transaction: Transaction, start: Position, operator: str) -> bool:
        """Whether there are rows on the other side of where the page starts, one at that very place included."""
        behind = self._copy()
        behind._beyond(start, operator)
        return bool(await behind._fetch(transaction, "", "limit 1"))

    async def _fetch(self, transaction: Transaction, columns: str, rest: str) -> list[Any]:
        conditions = " and ".join(self._conditions)
        return await transaction.fetch(
            f"select {columns} from fabric.{self._table} t where {conditions} {rest}", *self._arguments
        )

    def _say(self, value: Any) -> str:
        self._arguments.append(value)
        return f"${len(self._arguments)}"

    def _beyond(self, place: Position, operator: str) -> None:
        transaction_id, number = self._say(place.transaction_id), self._say(place.position)
        self._conditions.append(
            f"(t.transaction_id, t.{self._number}) {operator} ({transaction_id}::bigint::text::xid8, {number}::bigint)"
        )

    def _copy(self) -> Self:
        """Another with these conditions, to which more can be added."""
        other = copy(self)
        other._arguments, other._conditions = [*self._arguments], [*self._conditions]
        return other
