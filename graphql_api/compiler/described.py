"""Plans for exports as RDF: of each object that a query lists, all that names and describes it, in a form of our own.

What a selection calls its values, and in which shape, means nothing there. What counts is which fields of which objects
are selected, and which links lead from one to another.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import orjson

from graphql_api.compiler import plan as p

_OBJECT = """jsonb_build_object('object_id', {o}.object_id, 'type_name', {o}.type_name, 'label', {o}.label,
'data', {o}.data)"""
_LINK = """jsonb_build_object('link_id', {l}.link_id, 'relation', {l}.relation, 'link_key', (
    select k.link_key from fabric.links k
    where k.organization_id = s.org and k.link_id = {l}.link_id and k.label = {l}.label),
'label', {l}.label, 'inferred', {l}.revision = 0, 'weight', {l}.weight, 'properties', {l}.properties,
'valid_from', {l}.valid_from, 'valid_to', {l}.valid_to, 'semantic_namespace', {l}.semantic_namespace,
'semantic_predicate', {l}.semantic_predicate)"""


def described(page: p.Page) -> p.Page | None:
    """The same objects, each a description; None where the page lists none.

    A description is a JSON object: `object`, a row of its table; `fields`, the names of those that are selected; for
    each selected link field a member whose name begins with `out` or `in`, by the direction of its links. That is the
    description of the object at the other end, or null, or an object whose `items` are several. They also have `link`,
    a row of its table.
    """
    rows = list(_rows(page))
    return replace(page, outputs=(("items", p.Nodes(_described(_merged(rows), linked=False))),)) if rows else None


def _rows(page: p.Page) -> Iterator[p.Row]:
    for _, output in page.outputs:
        if isinstance(output, p.Nodes):
            yield output.row
        elif isinstance(output, p.Edges):
            yield from (member for _, member in output.members if isinstance(member, p.Row))


def _merged(rows: Iterable[p.Row]) -> p.Row:
    """One row that gives what all of them do: they are of the same types."""
    first, *others = rows
    if not others:
        return first
    outputs: dict[str, p.Outputs] = {}
    for row in (first, *others):
        for types, given in row.variants:
            for name in types:
                outputs[name] = (*outputs.get(name, ()), *given)
    return p.Row(tuple(((name,), given) for name, given in outputs.items()))


def _described(row: p.Row, *, linked: bool) -> p.Row:
    return p.Row(tuple((types, _description(outputs, linked)) for types, outputs in row.variants))


def _description(outputs: p.Outputs, linked: bool) -> p.Outputs:
    selected = [output for _, output in outputs]
    fields = sorted({output.field.name for output in selected if isinstance(output, p.Data)})
    hops = [hop for output in selected for hop in _hops(output)]
    return (
        ("object", p.Column(_OBJECT)),
        *((("link", p.Column(_LINK)),) if linked else ()),
        ("fields", p.Constant(orjson.dumps(fields).decode())),
        *((f"{'out' if outgoing else 'in'}{number}", output) for number, (outgoing, output) in enumerate(hops)),
    )


def _hops(output: p.Output) -> Iterator[tuple[bool, p.Output]]:
    if isinstance(output, p.One):
        yield output.hop.outgoing, replace(output, row=_described(output.row, linked=True))
    elif isinstance(output, p.Many):
        listed = [o for _, o in output.page.outputs if isinstance(o, p.Nodes | p.Edges)]
        if listed:
            # Who selects links alone, and not where they lead, has their ends nevertheless.
            rows = list(_rows(output.page)) or [p.Row(((output.hop.types, ()),))]
            nodes = p.Nodes(_described(_merged(rows), linked=True))
            yield output.hop.outgoing, replace(output, page=replace(output.page, outputs=(("items", nodes),)))
