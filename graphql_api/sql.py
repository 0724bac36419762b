"""From a plan to one SQL statement whose single value is the finished JSON.

All values are parameters; what stands in the text are names of definitions and keys of the response, which are GraphQL
names.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from fabric.access import json_of, literal
from fabric.db import READ
from graphql_api import plan as p
from graphql_api.aggregate_sql import AggregateWriter
from graphql_api.history_sql import HistoryWriter
from graphql_api.json_text import JsonText, Value, json_list, json_object, json_string
from graphql_api.keysets import Directed, Range, all_ranges, beyond, conjunction, is_row_comparison, order_by, ranges

FIRST_PARAMETER = 3
"""`$1` and `$2` are the session's, see `READ`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """For `Database.read`: text whose value is the data object of the plan's roots, as UTF-8 bytes.

    `parameters` are the indices of the plan's binders whose values it takes, in order, from `$3` on.
    """

    text: str
    parameters: tuple[int, ...]


def statement(plan: p.Plan) -> Statement:
    writer = _Writer()
    data = json_object([(key, writer.root(root)) for key, root in plan.roots])
    return Statement(READ.format(f"select convert_to({data.sql()}, 'UTF8')"), tuple(writer.used))


def matching(rows: str, given: p.Parameter, condition: p.Condition) -> Statement:
    """A JSON array of the `n` of those rows `o` that fulfil the condition; `{}` in `rows` is the parameter's place."""
    writer = _Writer()
    where = conjunction([f"{rows.format(writer.say(given))} where true", writer._condition(condition, "o")])
    return Statement(READ.format(f"select coalesce(jsonb_agg(o.n), '[]') from {where}"), tuple(writer.used))


def items_statement(plan: p.Plan, most: p.Parameter) -> Statement:
    """For `Transaction.open`: each row is one item of the plan's one page, as a line of UTF-8 bytes; `most` in all."""
    ((_, page),) = plan.roots
    assert isinstance(page, p.Page)
    writer = _Writer()
    made = writer.items(replace(page, limit=most))
    return Statement(READ.format(f"select convert_to(i.j1 || E'\\n', 'UTF8') from ({made}) i"), tuple(writer.used))


class _Writer:
    """Writes the parts of one statement; numbers its aliases, and its parameters by first use."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.used: list[int] = []

    def say(self, parameter: p.Parameter) -> str:
        if parameter.index not in self.used:
            self.used.append(parameter.index)
        return f"${self.used.index(parameter.index) + FIRST_PARAMETER}"

    def root(self, root: p.Root) -> JsonText:
        match root:
            case p.Constant():
                return JsonText(root.json)
            case p.Page():
                return self._page(root, None, None)
            case p.Aggregate():
                return self._aggregate(root, lambda o: self._objects(root.types, root.condition, o))
            case p.ById():
                return _or_null(self._by_id(root.types, self.say(root.id) + "::uuid", root.row))
            case p.ByIds():
                each = _or_null(self._by_id(root.types, "i.id", root.row))
                ids = f"unnest({self.say(root.ids)}::uuid[]) with ordinality as i(id, n)"
                return json_list(f"string_agg({each.sql()}, ',' order by i.n)").selected(ids)

    def _aggregate(self, aggregate: p.Aggregate, objects: Callable[[str], str]) -> JsonText:
        return AggregateWriter(aggregate, self.say, self._alias, objects, self._condition).json()

    def _alias(self, letter: str) -> str:
        return f"{letter}{next(self._numbers)}"

    def _by_id(self, types: tuple[str, ...], id: str, row: p.Row) -> str:
        o = self._alias("o")
        return (
            f"(select {self._row(row, o).sql()} from fabric.objects {o} where {o}.organization_id = s.org"
            f" and {o}.object_id = {id} and {self._is(o, types, looked_up=True)})"
        )

    def _is(self, o: str, types: tuple[str, ...], *, looked_up: bool = False) -> str:
        """`looked_up`: by its id, for which the primary key is the better index: it compares no names of types."""
        named = _one_of(o, types)
        return f"not {o}.tombstone and {f'({named}) is true' if looked_up else named}"

    def _objects(self, types: tuple[str, ...], condition: p.Condition, o: str) -> str:
        """FROM and WHERE of all objects of the types that fulfil the condition."""
        rows = f"fabric.objects {o} where {o}.organization_id = s.org and {self._is(o, types)}"
        return conjunction([rows, self._condition(condition, o)])

    # Rows

    def _row(self, row: p.Row, o: str, link: str | None = None) -> JsonText:
        if not row.variants:  # nothing that the reader could see has a type
            return JsonText(Value("null::text"))
        if len(row.variants) == 1:
            return self._outputs(row.variants[0][1], o, link)
        made = ((types, self._outputs(outputs, o, link)) for types, outputs in row.variants)
        cases = (f"when {_one_of(o, types)} then {outputs.sql()}" for types, outputs in made)
        return JsonText(Value(f"case {' '.join(cases)} end"))

    def _outputs(self, outputs: p.Outputs, o: str, link: str | None) -> JsonText:
        return json_object((key, self._output(output, o, link)) for key, output in outputs)

    def _output(self, output: p.Output, o: str, link: str | None) -> JsonText:
        match output:
            case p.Constant():
                return JsonText(output.json)
            case p.Data():
                return JsonText(Value(json_of(output.field, o)))
            case p.Column():
                said = self.say(output.parameter) if output.parameter else ""
                sql = output.template.format(o=o, l=link, p=said)
                return json_string(sql) if output.quoted else JsonText(Value(sql))
            case p.TypeName():
                plain = f"{o}.type_name"
                if output.abstract:
                    plain = f"{plain} || case when {_one_of(o, output.abstract)} then 'Object' else '' end"
                return json_string(plain)
            case p.One():
                return _or_null(self._one(output, o))
            case p.Many():
                return self._page(output.page, output.hop, o)
            case p.Summary():
                return self._aggregate(output.aggregate, lambda t: self._over(output, o, t))
            case p.History():
                return HistoryWriter(output, self.say, self._alias, self._of_event).json(o)

    def _of_event(self, outputs: p.Outputs, event: str) -> JsonText:
        return self._outputs(outputs, event, None)

    def _one(self, one: p.One, o: str) -> str:
        """Of several links the one with the highest label, which may cover a lower one."""
        return self._of_one(one.hop, o, lambda t, link: self._row(one.row, t, link).sql())

    def _of_one(self, hop: p.Hop, o: str, value: Callable[[str, str], str]) -> str:
        t, link = self._alias("o"), self._alias("l")
        order = f"{link}.label >> 60 desc, bit_count({link}.label::bit(64)) desc, {link}.label desc, {link}.link_id"
        return f"(select {value(t, link)} from {self._hop(hop, o, t, link)} order by {order} limit 1)"

    def _over(self, summary: p.Summary, o: str, t: str) -> str:
        """FROM and WHERE of the objects that are aggregated."""
        return self._hop(summary.hop, o, t, self._alias("l"), summary.aggregate.condition)

    def _key(self, key: p.Key, o: str, link: str | None) -> str:
        """The value that a row is sorted by."""
        if not key.hops:
            return key.access.sql.format(o=o, l=link)
        below = replace(key, hops=key.hops[1:])
        return self._of_one(key.hops[0], o, lambda t, _: self._key(below, t, None))

    def _hop(self, hop: p.Hop, o: str, t: str, link: str, condition: p.Condition = p.EVERYTHING) -> str:
        """FROM and WHERE of the objects over a hop that fulfil the condition."""
        # A condition may have an index of its own, by which to begin at the other end.
        is_one = self._is(t, hop.types, looked_up=condition == p.EVERYTHING)
        near, far = ("source_id", "target_id") if hop.outgoing else ("target_id", "source_id")
        rows = (
            f"fabric.links {link} join fabric.objects {t}"
            f" on {t}.organization_id = {link}.organization_id and {t}.object_id = {link}.{far}"
            f" where {link}.organization_id = s.org and {link}.{near} = {o}.object_id"
            f" and {link}.relation = {literal(hop.relation)} and not {link}.tombstone and {is_one}"
        )
        return conjunction([rows, self._condition(condition, t)])

    # Pages

    def items(self, page: p.Page) -> str:
        """Rows of one column for each of the page's outputs, in its order."""
        return self._page_writer(page, None, None).items()

    def _page(self, page: p.Page, hop: p.Hop | None, parent: str | None) -> JsonText:
        return self._page_writer(page, hop, parent).json()

    def _page_writer(self, page: p.Page, hop: p.Hop | None, parent: str | None) -> "_PageWriter":
        t, link = self._alias("o"), self._alias("l") if hop else None

        def source() -> str:
            if hop is not None:
                assert parent is not None
                assert link is not None
                return self._hop(hop, parent, t, link, page.condition)
            return self._objects(page.types, page.condition, t)

        return _PageWriter(self, page, source, t, link)

    # Conditions

    def _condition(self, condition: p.Condition, o: str) -> str:
        match condition:
            case p.Compare():
                return condition.template.format(
                    x=condition.access.of(o), p=condition.cast.format(self.say(condition.parameter))
                )
            case p.Holds():
                name = self.say(condition.parameter) if condition.parameter else ""
                return condition.template.format(o=o, p=name)
            case p.All():
                return conjunction(self._condition(c, o) for c in condition.conditions)
            case p.AnyOf():
                return f"({' or '.join(self._condition(c, o) for c in condition.conditions) or 'false'})"
            case p.Not():
                return f"(({self._condition(condition.condition, o)}) is not true)"
            case p.Linked():
                t, link = self._alias("o"), self._alias("l")
                return f"exists (select from {self._hop(condition.hop, o, t, link, condition.condition)})"


class _PageWriter:
    """One page: the inner query takes the rows, the outer makes them JSON, the outermost joins them."""

    def __init__(
        self, writer: _Writer, page: p.Page, source: Callable[[], str], t: str, link: str | None
    ) -> None:  # fmt: skip
        # `source` is asked for only where it is put: a parameter that is said must stand in the statement.
        self._writer, self._page, self._source = writer, page, source
        self._t, self._link = t, link
        self._rows = writer._alias("p")
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
                columns.append(self._writer._row(output.row, self._t, self._link).sql())
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
                return self._writer._row(member, self._t, self._link)
            case _:
                return self._writer._outputs(member, self._t, self._link)

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
                return _or_null(f"'\"' || {self._sealed(keys)} || '\"'")

    def _exists(self, keyset: p.Keyset | None, keys: list[Directed]) -> JsonText:
        """Whether there are rows on the cursor's other side, the cursor's own row included."""
        if keyset is None:
            return JsonText("false")
        beyond = self._beyond(keys, keyset, inclusive=True)
        return JsonText(Value(f"(exists (select from {self._source()} and {beyond}))::text"))

    def _beyond(self, keys: list[Directed], keyset: p.Keyset, *, inclusive: bool = False) -> str:
        return beyond(keys, self._xs(keys), self._values(keys, keyset), inclusive=inclusive)

    def _xs(self, keys: list[Directed]) -> list[str]:
        return [self._writer._key(k.key, self._t, self._link) for k in keys]

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
        keys = (k.access.key.format(self._writer._key(k, self._t, self._link)) for k in self._page.keys)
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


MAX_RANGES = 8
"""Of one page. More would make the statement longer than they save."""

_OBJECT_COLUMNS = ("object_id", "label", "type_name", "data", "revision", "created_at", "updated_at")
_LINK_COLUMNS = (
    "link_id relation source_id target_id label weight properties valid_from valid_to semantic_namespace"
    " semantic_predicate revision created_at updated_at".split()
)


def _or_null(text: str) -> JsonText:
    return JsonText(Value(f"coalesce({text}, 'null')"))


def _one_of(o: str, types: tuple[str, ...]) -> str:
    if len(types) == 1:
        return f"{o}.type_name = {literal(types[0])}"
    return f"{o}.type_name in ({', '.join(map(literal, types))})" if types else "false"
