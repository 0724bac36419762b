"""From a plan to one SQL statement whose single value is the finished JSON.

All values are parameters; what stands in the text are names of definitions and keys of the response, which are GraphQL
names.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from fabric.database.db import READ
from fabric.inference.all_links import ALL_LINKS
from fabric.types.access import json_of, literal
from graphql_api.compiler import plan as p
from graphql_api.compiler.aggregate_sql import AggregateWriter
from graphql_api.compiler.encrypted_sql import encrypted
from graphql_api.compiler.history_sql import HistoryWriter
from graphql_api.compiler.json_text import JsonText, Value, json_list, json_object, json_or_null, json_string
from graphql_api.compiler.keysets import conjunction
from graphql_api.compiler.page_sql import PageWriter

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


def matching_rows(rows: str, given: p.Parameter, condition: p.Condition) -> Statement:
    """A JSON array of the `n` of those rows `o` that fulfil the condition; `{}` in `rows` is the parameter's place."""
    writer = _Writer()
    where = conjunction([f"{rows.format(writer.say(given))} where true", writer._condition(condition, "o")])
    return Statement(READ.format(f"select coalesce(jsonb_agg(o.n), '[]') from {where}"), tuple(writer.used))


def condition_text(condition: p.Condition, row: str, first: int) -> tuple[str, tuple[int, ...]]:
    """The condition on a row of that alias, its parameters numbered from `first` on, and the binders' indices."""
    writer = _Writer(first)
    text = writer._condition(condition, row)
    return text or "true", tuple(writer.used)


def items_statement(plan: p.Plan, most: p.Parameter) -> Statement:
    """For `Transaction.open`: each row is one item of the plan's one page, as a line of UTF-8 bytes; `most` in all."""
    ((_, page),) = plan.roots
    assert isinstance(page, p.Page)
    writer = _Writer()
    made = writer.items(replace(page, limit=most))
    return Statement(READ.format(f"select convert_to(i.j1 || E'\\n', 'UTF8') from ({made}) i"), tuple(writer.used))


class _Writer:
    """Writes the parts of one statement; numbers its aliases, and its parameters by first use."""

    def __init__(self, first: int = FIRST_PARAMETER) -> None:
        self._first = first
        self._numbers = count(1)
        self.used: list[int] = []

    def say(self, parameter: p.Parameter) -> str:
        if parameter.index not in self.used:
            self.used.append(parameter.index)
        return f"${self.used.index(parameter.index) + self._first}"

    def root(self, root: p.Root) -> JsonText:
        match root:
            case p.Constant():
                return JsonText(root.json)
            case p.Page():
                return self._page(root, None, None)
            case p.Aggregate():
                return self._aggregate(root, lambda o: self._objects(root.types, root.condition, o))
            case p.ById():
                return json_or_null(self._by_id(root.types, self.say(root.id) + "::uuid", root.row))
            case p.ByIds():
                each = json_or_null(self._by_id(root.types, "i.id", root.row))
                ids = f"unnest({self.say(root.ids)}::uuid[]) with ordinality as i(id, n)"
                return json_list(f"string_agg({each.sql()}, ',' order by i.n)").selected(ids)

    def _aggregate(self, aggregate: p.Aggregate, objects: Callable[[str], str]) -> JsonText:
        return AggregateWriter(aggregate, self.say, self.alias, objects, self._condition).json()

    def alias(self, letter: str) -> str:
        return f"{letter}{next(self._numbers)}"

    def _by_id(self, types: tuple[str, ...], id: str, row: p.Row) -> str:
        o = self.alias("o")
        return (
            f"(select {self.row(row, o).sql()} from fabric.objects {o} where {o}.organization_id = s.org"
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

    def row(self, row: p.Row, o: str, link: str | None = None) -> JsonText:
        if not row.variants:  # nothing that the reader could see has a type
            return JsonText(Value("null::text"))
        if len(row.variants) == 1:
            return self.outputs(row.variants[0][1], o, link)
        made = ((types, self.outputs(outputs, o, link)) for types, outputs in row.variants)
        cases = (f"when {_one_of(o, types)} then {outputs.sql()}" for types, outputs in made)
        return JsonText(Value(f"case {' '.join(cases)} end"))

    def outputs(self, outputs: p.Outputs, o: str, link: str | None) -> JsonText:
        return json_object((key, self._output(output, o, link)) for key, output in outputs)

    def _output(self, output: p.Output, o: str, link: str | None) -> JsonText:
        match output:
            case p.Constant():
                return JsonText(output.json)
            case p.Data():
                return JsonText(Value(json_of(output.field, o)))
            case p.Encrypted():
                return encrypted(output, o)
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
                return json_or_null(self._one(output, o))
            case p.Many():
                return self._page(output.page, output.hop, o)
            case p.Summary():
                return self._aggregate(output.aggregate, lambda t: self._over(output, o, t))
            case p.History():
                return HistoryWriter(output, self.say, self.alias, self._of_event).json(o)

    def _of_event(self, outputs: p.Outputs, event: str) -> JsonText:
        return self.outputs(outputs, event, None)

    def _one(self, one: p.One, o: str) -> str:
        """Of several links the one with the highest label, which may cover a lower one."""
        return self._of_one(one.hop, o, lambda t, link: self.row(one.row, t, link).sql())

    def _of_one(self, hop: p.Hop, o: str, value: Callable[[str, str], str]) -> str:
        t, link = self.alias("o"), self.alias("l")
        order = f"{link}.label >> 60 desc, bit_count({link}.label::bit(64)) desc, {link}.label desc, {link}.link_id"
        return f"(select {value(t, link)} from {self._hop(hop, o, t, link)} order by {order} limit 1)"

    def _over(self, summary: p.Summary, o: str, t: str) -> str:
        """FROM and WHERE of the objects that are aggregated."""
        return self._hop(summary.hop, o, t, self.alias("l"), summary.aggregate.condition)

    def key(self, key: p.Key, o: str, link: str | None) -> str:
        """The value that a row is sorted by."""
        if not key.hops:
            return key.access.sql.format(o=o, l=link)
        below = replace(key, hops=key.hops[1:])
        return self._of_one(key.hops[0], o, lambda t, _: self.key(below, t, None))

    def _hop(self, hop: p.Hop, o: str, t: str, link: str, condition: p.Condition = p.EVERYTHING) -> str:
        """FROM and WHERE of the objects over a hop that fulfil the condition."""
        # A condition may have an index of its own, by which to begin at the other end.
        is_one = self._is(t, hop.types, looked_up=condition == p.EVERYTHING)
        near, far = ("source_id", "target_id") if hop.outgoing else ("target_id", "source_id")
        rows = (
            f"{ALL_LINKS if hop.inferred else 'fabric.links'} {link} join fabric.objects {t}"
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

    def _page_writer(self, page: p.Page, hop: p.Hop | None, parent: str | None) -> PageWriter:
        t, link = self.alias("o"), self.alias("l") if hop else None

        def source() -> str:
            if hop is not None:
                assert parent is not None
                assert link is not None
                return self._hop(hop, parent, t, link, page.condition)
            return self._objects(page.types, page.condition, t)

        return PageWriter(self, page, source, t, link)

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
                t, link = self.alias("o"), self.alias("l")
                return f"exists (select from {self._hop(condition.hop, o, t, link, condition.condition)})"


def _one_of(o: str, types: tuple[str, ...]) -> str:
    if len(types) == 1:
        return f"{o}.type_name = {literal(types[0])}"
    return f"{o}.type_name in ({', '.join(map(literal, types))})" if types else "false"
