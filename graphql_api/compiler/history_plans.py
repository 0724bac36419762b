"""From a selection of an object's `history` to its plan.

A cursor there must tell nothing of transaction ids and positions, which count what everybody does. So it holds a
one-way seal of the event's place, by which PostgreSQL finds the event again among those of the object. Numbers counted
from the object's first event would tell as little, but would lead elsewhere once old events are dropped.
"""

from collections.abc import Callable, Sequence
from typing import Any

from graphql import SelectionSetNode

from graphql_api.compiler import plan as p
from graphql_api.cursors import CursorKey
from graphql_api.documents.selection import Selected

LISTED = ["@history"]
"""What the cursors belong to; no type has such a name."""

PLACE_BYTES = 12


class HistoryPlanner:
    """`add` makes parameters; `collect` and `compartments` are the planner's."""

    def __init__(
        self, add: Callable[[p.Binder], p.Parameter], collect: Callable[[Sequence[SelectionSetNode]], list[Selected]],
        compartments: Callable[[], p.Parameter],
    ) -> None:  # fmt: skip
        self._add = add
        self._collect = collect
        self._compartments = compartments

    def outputs(self, field: Selected) -> Any:
        """What the connection gives, by response key."""
        return tuple((f.key, self._output(f)) for f in self._collect(field.sets))

    def place_pads(self) -> p.Parameter:
        """Both pads of the key that seals places."""
        return self._pads("history")

    def _pads(self, purpose: str) -> p.Parameter:
        return self._add(lambda r: list(CursorKey(r.organization.key(purpose)).pads))

    def _output(self, field: Selected) -> Any:
        match field.name:
            case "nodes":
                return self._event(field)
            case "edges":
                return p.Edges(tuple((f.key, self._edge(f)) for f in self._collect(field.sets)))
            case "pageInfo":
                return p.PageInfo(tuple((f.key, f.name) for f in self._collect(field.sets)))
            case _:
                return p.Constant('"EventConnection"')

    def _edge(self, field: Selected) -> Any:
        match field.name:
            case "cursor":
                return p.Cursor()
            case "node":
                return self._event(field)
            case _:
                return p.Constant('"EventEdge"')

    def _event(self, field: Selected) -> p.Outputs:
        return tuple((f.key, self._member(f.name)) for f in self._collect(field.sets))

    def _member(self, name: str) -> p.Output:
        match name:
            case "__typename":
                return p.Constant('"Event"')
            case "topic" | "actor":
                return p.Column(f"to_json({{o}}.{name})")
            case "entityType":
                return p.Column("to_json({o}.entity_type)")
            case "entityId" | "from" | "to":
                column = {"entityId": "entity_id", "from": "source_id", "to": "target_id"}[name]
                return p.Column(f"coalesce('\"' || {{o}}.{column} || '\"', 'null')")
            case "label":
                return p.Column("fabric.label_text({o}.label, {p}::text[])", self._compartments(), quoted=True)
            case "occurredAt":
                return p.Column("fabric.time_text({o}.occurred_at)", quoted=True)
            case "transactionId":
                return p.Column(TRANSACTION, self._pads("transaction"), quoted=True)
            case _:
                return p.Column("{o}.data")


def sealed(*numbers: str) -> str:
    """SQL of a one-way seal of numbers, as `graphql_api.positions` makes it: HMAC by the pads `{p}`, in base64."""
    content = " || ".join(f"int8send({number})" for number in numbers)
    inner = f"sha256(({{p}}::bytea[])[1] || {content})"
    return f"encode(substr(sha256(({{p}}::bytea[])[2] || {inner}), 1, {PLACE_BYTES}), 'base64')"


_TRANSACTION_ID = "{o}.transaction_id::text::bigint"
TRANSACTION = f"translate({sealed(_TRANSACTION_ID)}, '+/', '-_')"
"""The transaction's token, as `positions.transaction_token` makes it."""

PLACE = sealed(_TRANSACTION_ID, "{o}.position")
"""What a cursor holds of an event `{o}`."""
