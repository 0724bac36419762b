"""JSON in SQL, as text.

Text is put together with `concat` and `string_agg`, which costs little more than fetching plain columns: `format` costs
a tenth more, `json_build_object` and `json_agg` twice as much.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fabric.types.access import literal

CONCAT_ARGUMENTS = 100
"""What PostgreSQL's functions take at most."""


@dataclass(frozen=True, slots=True)
class Value:
    """SQL of a value of any type, whose text form is meant; NULL gives nothing."""

    sql: str


class JsonText:
    """The text of some JSON: constant text and values, one after the other.

    Parts are joined before there is any SQL of them, so that PostgreSQL copies a text once, not at every level.
    """

    def __init__(self, *parts: "str | Value | JsonText") -> None:
        self._pieces: list[str | Value] = []
        for part in parts:
            for piece in part._pieces if isinstance(part, JsonText) else [part]:
                if isinstance(piece, str) and self._pieces and isinstance(self._pieces[-1], str):
                    self._pieces[-1] += piece
                else:
                    self._pieces.append(piece)

    def sql(self) -> str:
        """One expression. Of a single value it is that value's, of its type."""
        arguments = [literal(p) if isinstance(p, str) else p.sql for p in self._pieces]
        if len(arguments) == 1:
            return arguments[0]
        chunks = (arguments[i : i + CONCAT_ARGUMENTS] for i in range(0, len(arguments), CONCAT_ARGUMENTS))
        return " || ".join(f"concat({', '.join(chunk)})" for chunk in chunks)

    def selected(self, source: str) -> "JsonText":
        """The same, its values taken from the one row of a source, in a select of their own."""
        values = [i for i, piece in enumerate(self._pieces) if isinstance(piece, Value)]
        before, end = values[0], values[-1] + 1
        inner = JsonText(*self._pieces[before:end])
        selected = Value(f"(select {inner.sql()} from {source})")
        return JsonText(*self._pieces[:before], selected, *self._pieces[end:])


def json_object(members: Iterable[tuple[str, JsonText]]) -> JsonText:
    """A JSON object of keys, which are GraphQL names, and values."""
    return JsonText("{", *_separated(members), "}")


def _separated(members: Iterable[tuple[str, JsonText]]) -> Iterator[str | JsonText]:
    for i, (key, value) in enumerate(members):
        yield f'{"," if i else ""}"{key}":'
        yield value


def json_list(items: str) -> JsonText:
    """A JSON list of the items' texts that an aggregate like `string_agg` joins."""
    return JsonText("[", Value(items), "]")


def json_string(sql: str) -> JsonText:
    """A JSON string of a text that is there and needs no escapes."""
    return JsonText('"', Value(sql), '"')


def json_or_null(text: str) -> JsonText:
    """A text of JSON, or `null` where there is none."""
    return JsonText(Value(f"coalesce({text}, 'null')"))
