"""The SQL of an object's history: a page of the events about it that the session dominates, in commit order."""

from collections.abc import Callable
from dataclasses import dataclass

from graphql_api.compiler import plan as p
from graphql_api.compiler.history_plans import PLACE
from graphql_api.compiler.json_text import JsonText, Value, json_list, json_object, json_string


@dataclass(frozen=True, slots=True)
class HistoryWriter:
    """Takes from the statement around what it says parameters, names aliases, and writes outputs with."""

    history: p.History
    say: Callable[[p.Parameter], str]
    alias: Callable[[str], str]
    outputs: Callable[[p.Outputs, str], JsonText]

    def json(self, o: str) -> JsonText:
        """The connection's JSON, of the object with this alias."""
        rows, event = self.alias("p"), self.alias("e")
        columns: list[str] = []
        members = [(key, self._member(output, o, rows, event, columns)) for key, output in self.history.outputs]
        infos = {name for _, out in self.history.outputs if isinstance(out, p.PageInfo) for _, name in out.members}
        ends = infos & {"startCursor", "endCursor"}
        more = "hasPreviousPage" if self.history.backward else "hasNextPage"
        if not columns and not ends and more not in infos:
            return json_object(members)
        taken = [f"{json} as j{i}" for i, json in enumerate(columns, start=1)]
        taken += ["row_number() over () as n", "count(*) over () as m"]
        taken += [f"{self._key(event)}::text as c"] if ends else []
        source = f"(select {', '.join(taken)} from ({self._taken(o)}) {event}) {rows}"
        return json_object(members).selected(source)

    def _member(
        self, output: "p.Outputs | p.Edges | p.PageInfo | p.Constant", o: str, rows: str, event: str, columns: list[str]
    ) -> JsonText:
        match output:
            case p.Constant():
                return JsonText(output.json)
            case p.PageInfo():
                return json_object((key, self._info(name, o, rows)) for key, name in output.members)
            case p.Edges():
                columns.append(json_object((key, self._edge(member, event)) for key, member in output.members).sql())
            case _:
                columns.append(self.outputs(output, event).sql())
        order = f" order by {rows}.n desc" if self.history.backward else ""
        within = f"filter (where {rows}.n <= {self._limit()})"
        return json_list(f"string_agg({rows}.j{len(columns)}, ','{order}) {within}")

    def _edge(self, member: "p.Row | p.Outputs | p.Constant | p.Cursor", event: str) -> JsonText:
        match member:
            case p.Constant():
                return JsonText(member.json)
            case p.Cursor():
                return json_string(self._sealed(self._key(event)))
            case _:
                assert isinstance(member, tuple)
                return self.outputs(member, event)

    def _limit(self) -> str:
        return f"{self.say(self.history.limit)}::bigint"

    def _info(self, name: str, o: str, rows: str) -> JsonText:
        history = self.history
        match name:
            case "__typename":
                return JsonText('"PageInfo"')
            case "hasNextPage" if history.backward:
                return self._any(o, self._before(o, history.before, ">=") if history.before else None)
            case "hasPreviousPage" if not history.backward:
                return self._any(o, self._after(o, history.after, "<=") if history.after else None)
            case "hasNextPage" | "hasPreviousPage":
                return JsonText(Value(f"(count({rows}.n) > {self._limit()})::text"))
            case _:
                first = f"1 and {rows}.n <= {self._limit()}"
                last = f"least({rows}.m, {self._limit()})"
                nth = first if (name == "startCursor") != history.backward else last
                key = f"(max({rows}.c) filter (where {rows}.n = {nth}))::jsonb"
                return JsonText(Value(f"coalesce('\"' || {self._sealed(key)} || '\"', 'null')"))

    def _any(self, o: str, beyond: str | None) -> JsonText:
        """Whether there are events on a cursor's other side."""
        if beyond is None:
            return JsonText("false")
        return JsonText(Value(f"(exists (select from {self._source('e', o)} and {beyond}))::text"))

    def _source(self, e: str, o: str) -> str:
        return f"fabric.events {e} where {e}.organization_id = s.org and {e}.entity_id = {o}.object_id"

    def _taken(self, o: str) -> str:
        """The page's events in reading order, and one more."""
        history = self.history
        bounds = [self._source("e", o)]
        if history.after:
            bounds.append(self._after(o, history.after, ">"))
        if history.before:
            bounds.append(self._before(o, history.before, "<"))
        direction = " desc" if history.backward else ""
        order = f"e.transaction_id{direction}, e.position{direction}"
        return f"select e.* from {' and '.join(bounds)} order by {order} limit {self._limit()} + 1"

    def _after(self, o: str, place: p.Parameter, operator: str) -> str:
        """Compared with the cursor's event; once that is dropped, with what came before everything that is left."""
        found = f"{self._found(o, place)} union all select '0'::xid8, 0"
        return f"(e.transaction_id, e.position) {operator} (select x.* from ({found}) x order by 1 desc limit 1)"

    def _before(self, o: str, place: p.Parameter, operator: str) -> str:
        return f"(e.transaction_id, e.position) {operator} ({self._found(o, place)})"

    def _found(self, o: str, place: p.Parameter) -> str:
        is_it = f"{self._place('x')} = {self.say(place)}::text"
        return f"select x.transaction_id, x.position from {self._source('x', o)} and {is_it}"

    def _place(self, event: str) -> str:
        return PLACE.format(o=event, p=self.say(self.history.place_pads))

    def _key(self, event: str) -> str:
        return f"jsonb_build_array({self._place(event)})"

    def _sealed(self, key: str) -> str:
        inner, outer = map(self.say, self.history.cursor_pads)
        return f"fabric.cursor({inner}::bytea, {outer}::bytea, {key})"
