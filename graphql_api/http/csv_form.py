"""CSV as RFC 4180 has it: UTF-8, a header, CRLF.

One column for each value of the selection, named by its path (`plant.name`). What is not one value, such as a list or
another connection, is JSON in its cell. Null is an empty cell, empty text is `""`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from graphql_api.compiler import plan as p

Path = tuple[str, ...]

_SPECIAL = re.compile(r'[",\r\n]')
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


class Number(str):
    """A number as the database wrote it, with all its digits."""

    __slots__ = ()


class Csv:
    """Writes the items of one listing.

    With `spreadsheet`, for people who open the file rather than programs that read it: a byte order mark tells what the
    encoding is, and text that a spreadsheet would run as a formula has an apostrophe before it.
    """

    media_type = "text/csv; charset=utf-8; header=present"
    extension = "csv"

    def __init__(self, listing: p.Nodes | p.Edges, *, spreadsheet: bool = False) -> None:
        self._columns = columns(listing)
        self._spreadsheet = spreadsheet

    def head(self) -> bytes:
        mark = "\ufeff" if self._spreadsheet else ""
        return (mark + _row(".".join(path) for path in self._columns)).encode()

    def chunk(self, lines: Sequence[bytes]) -> bytes:
        items = (json.loads(line, parse_int=Number, parse_float=Number) for line in lines)
        return "".join(_row(self._cell(_at(item, path)) for path in self._columns) for item in items).encode()

    def _cell(self, value: Any) -> str | None:
        text = _text(value)
        if self._spreadsheet and text and _FORMULA.match(text) and not _NUMBER.fullmatch(text):
            return "'" + text
        return text


def columns(listing: p.Nodes | p.Edges) -> list[Path]:
    """The paths of the values that each item has, or may have."""
    if isinstance(listing, p.Nodes):
        return list(_of_row(listing.row))
    found: list[Path] = []
    for key, member in listing.members:
        found += [(key, *path) for path in _of_row(member)] if isinstance(member, p.Row) else [(key,)]
    return found


def _of_row(row: p.Row) -> Iterator[Path]:
    """Of objects that give different values, all of them, each once."""
    outputs: dict[str, list[p.Output]] = {}
    for _, members in row.variants:
        for key, output in members:
            outputs.setdefault(key, []).append(output)
    for key, several in outputs.items():
        # One of them means all: by nothing else could validation let fields share a key.
        ones = [output for output in several if isinstance(output, p.One)]
        if ones:
            merged = p.Row(tuple(variant for one in ones for variant in one.row.variants))
            yield from ((key, *path) for path in _of_row(merged))
        elif encrypted := [output for output in several if isinstance(output, p.Encrypted)]:
            yield from ((key, member) for member in dict.fromkeys(m for e in encrypted for m, _ in e.members))
        else:
            yield (key,)


def _at(value: Any, path: Path) -> Any:
    """None also where there is no such object, or none that has the value."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case _:
            return orjson.dumps(value, default=_as_written, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()


def _as_written(number: Number) -> orjson.Fragment:
    return orjson.Fragment(str(number))


def _row(cells: Iterator[str | None]) -> str:
    # A line with nothing on it would be no row to many readers.
    return (",".join(map(_quoted, cells)) or '""') + "\r\n"


def _quoted(cell: str | None) -> str:
    if cell is None:
        return ""
    return cell if cell and not _SPECIAL.search(cell) else '"' + cell.replace('"', '""') + '"'
