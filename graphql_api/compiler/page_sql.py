"""The SQL of a page: its rows in order, what each gives, and where the page stands in the list."""

from collections.abc import Callable
from typing import Protocol

from graphql_api.compiler import plan as p
from graphql_api.compiler.json_text import JsonText, Value, json_list, json_object, json_or_null, json_string
from graphql_api.compiler.keysets import (
    Directed,
    Range,
    all_ranges,
    beyond,
    conjunction,
    is_row_comparison,
    order_by,
    ranges,
)

MAX_RANGES = 8
"""Of one page. More would make the statement longer than they save."""

_OBJECT_COLUMNS = ("object_id", "label", "type_name", "data", "revision", "created_at", "updated_at")
_LINK_COLUMNS = (
    "link_id relation source_id target_id label weight properties valid_from valid_to semantic_namespace"
    " semantic_predicate revision created_at updated_at".split()
)


class Writer(Protocol):
    """The statement around."""

    def say(self, parameter: p.Parameter) -> str: ...

    def alias(self, letter: str) -> str: ...

    def row(self, row: p.Row, o: str, link: str | None = None) -> JsonText: ...

    def outputs(self, outputs: p.Outputs, o: str, link: str | None) -> JsonText: ...

    def key(self, key: p.Key, o: str, link: str | None) -> str:
        """The value that a row is sorted by."""


class PageWriter:
    """One page: the inner query takes the rows, the outer makes them JSON, the outermost joins them."""

    def __init__(
        self, writer: Writer, page: p.Page, source: Callable[[], str], t: str, link: str | None
    ) -> None:  # fmt: skip
        # `source` is asked for only where it is put: a parameter that is said must stand in the statement.
        self._writer, self._page, self._source = writer, page, source
        self._t, self._link = t, link
        self._rows = writer.alias("p")
        self._infos = {name for _, o in page.outputs if isinstance(o, p.PageInfo) for _, name in o.members}
        more = "hasPreviousPage" if page.backward else "hasNextPage"
        self._extra = " + 1" if more in self._infos else ""
        # Numbering the rows costs as much as a short page of them, so it is done only for who asks.
        self._of_rows = self._infos & {more, "startCursor", "endCursor"}
        self._numbered = page.backward or bool(self._of_rows)

    def json(self) -> JsonText:
        page = self._page
        columns: list[str] = []  # JSON of one row, for each output that lists rows
        made = json_object([(key, self._member(output, columns)) for key, output in page.outputs])
        if not columns and not self._of_rows:
            return made
        return made.selected(f"({self._made(columns)}) {self._rows}")

    def items(self) -> str:
        columns: list[str] = []
        for _, output in self._page.outputs:
            self._member(output, columns)
        return self._made(columns)

    def _member(self, output: "p.Nodes | p.Edges | p.PageInfo | p.Total | p.Constant", columns: list[str]) -> JsonText:
        match output:
            case p.Constant():
                return JsonText(output.json)
            case p.Total():
                return JsonText(Value(f"(select count(*) from {self._source()})"))
            case p.PageInfo():
                return json_object((key, self._info(name)) for key, name in output.members)
            case p.Nodes():
                columns.append(self._writer.row(output.row, self._t, self._link).sql())
            case p.Edges():
                columns.append(json_object((key, self._edge(member)) for key, member in output.members).sql())
        listed = f"{self._rows}.j{len(columns)}"
        order = f" order by {self._rows}.n desc" if self._page.backward else ""
        within = f" filter (where {self._within()})" if self._numbered else ""
        return json_list(f"string_agg({listed}, ','{order}){within}")

    def _edge(self, member: "p.Row | p.Outputs | p.Constant | p.Cursor") -> JsonText:
        match member:
            case p.Constant():
                return JsonText(member.json)
            case p.Cursor():
                return json_string(self._sealed(self._cursor_keys()))
            case p.Row():
                return self._writer.row(member, self._t, self._link)
            case _:
                return self._writer.outputs(member, self._t, self._link)

    def _limit(self) -> str:
        return f"{self._writer.say(self._page.limit)}::bigint"

    def _within(self) -> str:
        return f"{self._rows}.n <= {self._limit()}"

    def _info(self, name: str) -> JsonText:
        page, rows = self._page, self._rows
        match name:
            case "__typename":
                return JsonText('"PageInfo"')
            case "hasNextPage" if page.backward:
                return self._exists(page.before, self._keys(reverse=False))
            case "hasPreviousPage" if not page.backward:
                return self._exists(page.after, self._keys(reverse=True))
            case "hasNextPage" | "hasPreviousPage":
                return JsonText(Value(f"(count({rows}.n) > {self._limit()})::text"))
            case _:
                first = f"1 and {self._within()}"
                last = f"least({rows}.m, {self._limit()})"
                nth = first if (name == "startCursor") != page.backward else last
                keys = f"(max({rows}.c) filter (where {rows}.n = {nth}))::jsonb"
                return json_or_null(f"'\"' || {self._sealed(keys)} || '\"'")

    def _exists(self, keyset: p.Keyset | None, keys: list[Directed]) -> JsonText:
        """Whether there are rows on the cursor's other side, the cursor's own row included."""
        if keyset is None:
            return JsonText("false")
        beyond = self._beyond(keys, keyset, inclusive=True)
        return JsonText(Value(f"(exists (select from {self._source()} and {beyond}))::text"))

    def _beyond(self, keys: list[Directed], keyset: p.Keyset, *, inclusive: bool = False) -> str:
        return beyond(keys, self._xs(keys), self._values(keys, keyset), inclusive=inclusive)

    def _xs(self, keys: list[Directed]) -> list[str]:
        return [self._writer.key(k.key, self._t, self._link) for k in keys]

    def _values(self, keys: list[Directed], keyset: p.Keyset) -> list[str | None]:
        return [
            k.key.access.parameter(self._writer.say(v)) if v else None for k, v in zip(keys, keyset.values, strict=True)
        ]

    def _keys(self, *, reverse: bool) -> list[Directed]:
        return [Directed(k, k.descending != reverse, k.nulls_first != reverse) for k in self._page.keys]

    def _sealed(self, keys: str) -> str:
        """The cursor of a row with these keys."""
        assert self._page.cursor_pads is not None
        inner, outer = map(self._writer.say, self._page.cursor_pads)
        return f"fabric.cursor({inner}::bytea, {outer}::bytea, {keys})"

    def _cursor_keys(self) -> str:
        keys = (k.access.key.format(self._writer.key(k, self._t, self._link)) for k in self._page.keys)
        return f"jsonb_build_array({', '.join(keys)})"

    def _made(self, columns: list[str]) -> str:
        """Rows `p`: j1… (JSON); where asked for, n (from 1, in reading direction), c (cursor's keys), m (number)."""
        t, link = self._t, self._link
        made = [f"{json} as j{i}" for i, json in enumerate(columns, start=1)]
        if self._numbered:
            made.append("row_number() over () as n")
        if {"startCursor", "endCursor"} & self._infos:
            # The number of rows, since an ordered aggregate for the last would reorder what the others take.
            made += [f"{self._cursor_keys()}::text as c", "count(*) over () as m"]
        inner = self._taken()
        lateral = ""
        if link:
            renamed = ", ".join(f"{t}.l_{c} as {c}" for c in _LINK_COLUMNS)
            lateral = f" cross join lateral (select {renamed}) {link}"
        return f"select {', '.join(made)} from ({inner}) {t}{lateral}"

    def _taken(self) -> str:
        """The page's rows in reading order.

        Where an index holds the rows in ranges, those beyond a cursor are taken range by range, each no further than
        the page can reach: as one condition they would all be read, back to the first.
        """
        page, t = self._page, self._t
        direction = self._keys(reverse=page.backward)
        start, end = (page.before, page.after) if page.backward else (page.after, page.before)

        def taken(part: Range) -> str:
            bounds = [self._source(), part.condition]
            if end:
                bounds.append(self._beyond(self._keys(reverse=not page.backward), end))
            return f"select {self._columns()} from {conjunction(bounds)} {ending(part.decided)}"

        def ending(decided: int) -> str:
            order = order_by(direction, self._xs(direction), decided=decided)
            return f"order by {order} limit {self._limit()}{self._extra}"

        parts = self._ranges(direction, start)
        if len(parts) == 1:
            return taken(parts[0])
        return f"select {t}.* from ({' union all '.join(f'({taken(part)})' for part in parts)}) {t} {ending(0)}"

    def _ranges(self, direction: list[Directed], start: p.Keyset | None) -> list[Range]:
        if start is None:
            return all_ranges(direction, self._xs(direction)) if self._page.ranged else [Range("true", 0)]
        values = self._values(direction, start)
        if self._page.ranged and not is_row_comparison(direction, values):
            found = ranges(direction, self._xs(direction), values)
            if 0 < len(found) <= MAX_RANGES:
                return found
        return [Range(self._beyond(direction, start), 0)]

    def _columns(self) -> str:
        links = [f"{self._link}.{c} as l_{c}" for c in _LINK_COLUMNS] if self._link else []
        return ", ".join([*(f"{self._t}.{c}" for c in _OBJECT_COLUMNS), *links])
