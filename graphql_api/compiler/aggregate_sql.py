"""The SQL of an aggregate: all objects in one pass, their groups in another, and both as one JSON object."""

from collections.abc import Callable
from dataclasses import dataclass

from graphql_api.compiler import plan as p
from graphql_api.compiler.json_text import JsonText, Value, json_list, json_object
from graphql_api.compiler.keysets import conjunction


@dataclass(frozen=True, slots=True)
class AggregateWriter:
    """Takes from the statement around what it says parameters, names aliases, and reads and filters objects with."""

    aggregate: p.Aggregate
    say: Callable[[p.Parameter], str]
    alias: Callable[[str], str]
    objects: Callable[[str], str]
    condition: Callable[[p.Condition, str], str]

    def json(self) -> JsonText:
        total, groups = self.alias("t"), self.alias("g")
        lists: list[str] = []
        members = [(key, self._member(output, total, groups, lists)) for key, output in self.aggregate.outputs]
        more = any(isinstance(output, p.MoreGroups) for _, output in self.aggregate.outputs)
        sources = []
        if self.aggregate.columns:
            sources.append(f"({self._grouped((), self.aggregate.columns)}) {total}")
        if lists or more:
            sources.append(f"({self._listed(lists, groups, more=more)}) {groups}")
        made = json_object(members)
        return made.selected(" cross join ".join(sources)) if sources else made

    def _member(
        self, output: "p.Figure | p.Constant | p.Figures | p.Groups | p.MoreGroups", total: str, groups: str,
        lists: list[str],
    ) -> JsonText:  # fmt: skip
        match output:
            case p.Groups():
                lists.append(self._figures(output.figures, groups).sql())
                return json_list(f"{groups}.j{len(lists)}")
            case p.MoreGroups():
                return JsonText(Value(f"{groups}.more"))
            case _:
                return self._output(output, total)

    def _figures(self, figures: p.Figures, row: str) -> JsonText:
        return json_object((key, self._output(output, row)) for key, output in figures)

    def _output(self, output: "p.Figure | p.Constant | p.Figures", row: str) -> JsonText:
        match output:
            case p.Constant():
                return JsonText(output.json)
            case p.Figure():
                said = self.say(output.parameter) if output.parameter else ""
                text = output.json.format(v=f"{row}.{output.column}", p=said)
                return JsonText(Value(f"coalesce({text}, 'null')"))
            case _:
                return self._figures(output, row)

    def _grouped(self, keys: tuple[tuple[str, str], ...], columns: tuple[tuple[str, str], ...]) -> str:
        o = self.alias("o")
        made = ", ".join(f"{sql.format(o=o)} as {name}" for name, sql in (*keys, *columns))
        grouped = ", ".join(str(i) for i, _ in enumerate(keys, start=1))
        # Without keys all objects are one group, even where there is none; an aggregate says so by itself.
        by = f" group by {grouped or '()'}" if keys or not columns else ""
        return f"select {made} from {self.objects(o)}{by}"

    def _listed(self, lists: list[str], groups: str, *, more: bool) -> str:
        """One row: j1… (items of JSON lists of groups) and, where asked for, whether there are `more` groups."""
        grouping = self.aggregate.grouping
        limit = f"{self.say(grouping.limit)}::bigint"
        having = conjunction([self.condition(grouping.having, groups)])
        order = "".join(f"{', ' if i else ' order by '}{groups}.{name}" for i, (name, _) in enumerate(grouping.keys))
        rows = (
            f"select {groups}.* from ({self._grouped(grouping.keys, grouping.columns)}) {groups}"
            f" where {having}{order} limit {limit}{' + 1' if more else ''}"
        )
        r = self.alias("r")
        within = f" filter (where {r}.n <= {limit})" if more else ""
        made = [f"string_agg({r}.j{i}, ','){within} as j{i}" for i in _numbers(lists)]
        each = [f"{json} as j{i}" for i, json in zip(_numbers(lists), lists, strict=True)]
        if more:
            made.append(f"(count(*) > {limit})::text as more")
            each.append("row_number() over () as n")
        return f"select {', '.join(made)} from (select {', '.join(each)} from ({rows}) {groups}) {r}"


def _numbers(lists: list[str]) -> range:
    return range(1, len(lists) + 1)
