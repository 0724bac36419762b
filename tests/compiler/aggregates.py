"""Aggregates the slow, obvious way, for the interpreter: over lists of rows, in exact fractions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from graphql import FieldNode

from compiler.values import TEXT_OPERATORS, Row, comparable, equal, holds, listed, microseconds, moment
from fabric.labels import Lattice
from fabric.types.catalogue import ObjectType
from fabric.types.kinds import Kind, canonical

_TYPES = {
    Kind.STRING: "String", Kind.TEXT: "String", Kind.INTEGER: "Int", Kind.BIGINT: "BigInt", Kind.FLOAT: "Float",
    Kind.DECIMAL: "Decimal", Kind.BOOLEAN: "Boolean", Kind.DATE: "Date", Kind.DATETIME: "DateTime",
    Kind.DURATION: "Duration", Kind.UUID: "UUID", Kind.URI: "URI", Kind.ENUM: "Enum",
}  # fmt: skip

Members = Callable[[Sequence[FieldNode], Callable[[list[FieldNode]], Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Of one type. `members` answers a selection, one response key after another."""

    type: ObjectType
    lattice: Lattice
    members: Members
    page_size: int

    def answer(self, rows: list[Row], nodes: list[FieldNode], arguments: Mapping[str, Any]) -> dict[str, Any]:
        keys = [next(iter(each.items())) for each in listed(arguments.get("groupBy") or [])]
        groups = [g for g in self._groups(rows, keys) if self._passes(g[1], arguments.get("having"))]
        first = self.page_size if arguments.get("first") is None else arguments["first"]

        def member(nodes: list[FieldNode]) -> Any:
            match nodes[0].name.value:
                case "groups":
                    return [self.members(nodes, lambda n, g=g: self._group_member(*g, n)) for g in groups[:first]]
                case "hasMoreGroups":
                    return len(groups) > first
                case "__typename":
                    return self.type.name + "Aggregate"
            return self._figures(rows, nodes)

        return self.members(nodes, member)

    def _groups(self, rows: list[Row], keys: list[tuple[str, str]]) -> list[tuple[dict[str, Any], list[Row]]]:
        """Each with its key by name; without keys one of all rows, even of none."""
        if not keys:
            return [({}, rows)]
        found: dict[tuple[Any, ...], tuple[dict[str, Any], list[Row]]] = {}
        for row in rows:
            values = {name: self._key(row, name, grouping) for name, grouping in keys}
            order = tuple(self._rank(name, value, row) for name, value in values.items())
            found.setdefault(order, (values, []))[1].append(row)
        return [found[order] for order in sorted(found)]

    def _key(self, row: Row, name: str, grouping: str) -> Any:
        if name == "label":
            return str(self.lattice.decode(row["label"]))
        value = self._value(row, name)
        if value is None or grouping == "VALUE":
            return self._output(self._kind(name), value)
        if self._kind(name) is Kind.DATE:
            return start(datetime.fromisoformat(value), grouping).date().isoformat()
        return moment(start(datetime.fromisoformat(value), grouping))

    def _rank(self, name: str, value: Any, row: Row) -> tuple[Any, ...]:
        if value is None:
            return (1,)
        if name == "label":
            return (0, row["label"])
        return (0, comparable(self._kind(name), int(value) if self._kind(name) is Kind.BIGINT else value))

    def _group_member(self, key: Mapping[str, Any], rows: list[Row], nodes: list[FieldNode]) -> Any:
        match nodes[0].name.value:
            case "key":
                named = {"__typename": self.type.name + "AggregateKey"}
                return self.members(nodes, lambda n: {**key, **named}.get(n[0].name.value))
            case "__typename":
                return self.type.name + "AggregateGroup"
        return self._figures(rows, nodes)

    # Figures

    def _figures(self, rows: list[Row], nodes: list[FieldNode]) -> Any:
        if nodes[0].name.value == "count":
            return len(rows)

        def member(nodes: list[FieldNode]) -> Any:
            name = nodes[0].name.value
            if name == "__typename":
                return f"{self.type.name}AggregateFields"
            return self.members(nodes, lambda n: self._value_figure(rows, name, n[0].name.value))

        return self.members(nodes, member)

    def _value_figure(self, rows: list[Row], name: str, function: str) -> Any:
        if function == "__typename":
            return _TYPES[self._kind(name)] + "Aggregate"
        return self._output(*self._figure(rows, function, name))

    def _figure(self, rows: list[Row], function: str, name: str) -> tuple[Kind, Any]:
        """Its kind and canonical value."""
        kind = self._kind(name)
        values = [v for row in rows if (v := self._value(row, name)) is not None]
        match function:
            case "count":
                return Kind.INTEGER, len(values)
            case "countDistinct":
                return Kind.INTEGER, len({comparable(kind, v) for v in values})
            case "min" | "max":
                chosen = {"min": min, "max": max}[function]
                return kind, chosen(values, key=lambda v: comparable(kind, v)) if values else None
        total = sum((_exact(kind, v) for v in values), Fraction(0))
        if function == "avg":
            made = kind if kind in (Kind.DECIMAL, Kind.DURATION) else Kind.FLOAT
            return made, _value(made, total / len(values)) if values else None
        made = {Kind.INTEGER: Kind.BIGINT, Kind.BIGINT: Kind.DECIMAL}.get(kind, kind)
        return made, _value(made, total) if values else None

    def _kind(self, name: str) -> Kind:
        return Kind.DATETIME if name in ("createdAt", "updatedAt") else self.type.fields[name].kind

    def _value(self, row: Row, name: str) -> Any:
        if name in ("createdAt", "updatedAt"):
            return moment(row["created_at" if name == "createdAt" else "updated_at"])
        return row["data"].get(self.type.fields[name].key)

    @staticmethod
    def _output(kind: Kind, value: Any) -> Any:
        return str(value) if kind is Kind.BIGINT and value is not None else value

    # Groups that are kept

    def _passes(self, rows: list[Row], having: Mapping[str, Any] | None) -> bool:
        return all(self._passes_member(rows, name, sub) for name, sub in (having or {}).items() if sub is not None)

    def _passes_member(self, rows: list[Row], name: str, sub: Any) -> bool:
        match name:
            case "and":
                return all(self._passes(rows, each) for each in listed(sub))
            case "or":
                return any(self._passes(rows, each) for each in listed(sub))
            case "not":
                return not self._passes(rows, sub)
            case "count":
                return all(_compares(Kind.INTEGER, len(rows), op, given) for op, given in sub.items())
        return all(
            _compares(*self._figure(rows, function, field), op, given)
            for field, functions in sub.items()
            for function, operators in (functions or {}).items()
            for op, given in (operators or {}).items()
        )


def _compares(kind: Kind, value: Any, op: str, given: Any) -> bool:
    if op in ("ne", "notIn"):
        return not _compares(kind, value, {"ne": "eq", "notIn": "in"}[op], given)
    if op == "isNull":
        return bool(given == (value is None))
    if op == "eq" and given is None:
        return value is None
    if value is None:
        return False
    if op == "in":
        return any(equal(kind, value, canonical(kind, v)) for v in listed(given))
    return holds(kind, op, value, given if op in TEXT_OPERATORS else canonical(kind, given))


def _exact(kind: Kind, value: Any) -> Fraction:
    if kind is Kind.DURATION:
        return Fraction(microseconds(value))
    return Fraction(Decimal(repr(value) if kind is Kind.FLOAT else value))


def _value(kind: Kind, exact: Fraction) -> Any:
    """The canonical value nearest to a number; None for what lies beyond the floats."""
    match kind:
        case Kind.FLOAT:
            try:
                return float(exact)
            except OverflowError:
                return None
        case Kind.DECIMAL:
            return _plain(_rounded(exact * 10**40), 40)
        case Kind.DURATION:
            return _duration(_rounded(exact))
    assert exact.denominator == 1
    return exact.numerator


def _rounded(exact: Fraction) -> int:
    """Halves away from zero."""
    whole = int(abs(exact) + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def _plain(number: int, digits: int) -> str:
    """`number` / 10**`digits` in plain notation."""
    whole, part = divmod(abs(number), 10**digits)
    text = f"{whole}.{part:0{digits}}".rstrip("0").rstrip(".")
    return "-" + text if number < 0 else text


def _duration(total: int) -> str:
    days, rest = divmod(abs(total), 86_400_000_000)
    hours, rest = divmod(rest, 3_600_000_000)
    minutes, rest = divmod(rest, 60_000_000)
    seconds = _plain(rest, 6)
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{seconds}S" * bool(rest)
    if not total:
        return "PT0S"
    return "-" * (total < 0) + "P" + f"{days}D" * bool(days) + f"T{clock}" * bool(clock)


def start(time: datetime, grouping: str) -> datetime:
    """The start of the year, quarter… that the time lies in."""
    day = time.replace(hour=0, minute=0, second=0, microsecond=0)
    match grouping:
        case "HOUR":
            return time.replace(minute=0, second=0, microsecond=0)
        case "WEEK":
            return day - timedelta(days=day.weekday())
        case "MONTH":
            return day.replace(day=1)
        case "QUARTER":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "YEAR":
            return day.replace(month=1, day=1)
    return day
