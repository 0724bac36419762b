"""What a plan may cost: the rows it can ask for at most, from its page sizes multiplied along the nesting."""

from collections.abc import Iterator

from graphql_api.compiler import plan as p

Terms = tuple[tuple[int, ...], ...]
"""A sum of products, each of the binders of the page sizes (or lists of ids) that are nested in each other."""


def terms(plan: p.Plan) -> Terms:
    return tuple(term for _, root in plan.roots for term in _of_root(root))


def cost(terms: Terms, plan: p.Plan, request: p.Request) -> int:
    """In rows: each page counts the rows it holds for every row of the page around it, one-to-one links as one."""
    sizes: dict[int, int] = {}
    total = 0
    for term in terms:
        product = 1
        for index in term:
            if index not in sizes:
                bound = plan.binders[index](request)
                sizes[index] = len(bound) if isinstance(bound, list) else bound
            product *= sizes[index]
        total += product
    return total


def _of_root(root: p.Root) -> Iterator[tuple[int, ...]]:
    match root:
        case p.Page():
            yield from _of_page(root, ())
        case p.Aggregate():
            yield from _of_aggregate(root, ())
        case p.ById():
            yield ()
            yield from _of_row(root.row, ())
        case p.ByIds():
            yield (root.ids.index,)
            yield from _of_row(root.row, (root.ids.index,))


def _of_aggregate(aggregate: p.Aggregate, around: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield around
    if any(isinstance(output, p.Groups) for _, output in aggregate.outputs):
        yield (*around, aggregate.grouping.limit.index)


def _of_page(page: p.Page, around: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    within = (*around, page.limit.index)
    yield within
    for _, output in page.outputs:
        if isinstance(output, p.Nodes):
            yield from _of_row(output.row, within)
        elif isinstance(output, p.Edges):
            for _, member in output.members:
                if isinstance(member, p.Row):
                    yield from _of_row(member, within)


def _of_row(row: p.Row, around: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    # Of an object's types only one applies; which one is not known, so all count.
    for _, outputs in row.variants:
        for _, output in outputs:
            yield from _of_output(output, around)


def _of_output(output: p.Output, around: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if isinstance(output, p.Many):
        yield from _of_page(output.page, around)
    elif isinstance(output, p.Summary):
        yield from _of_aggregate(output.aggregate, around)
    elif isinstance(output, p.History):
        yield (*around, output.limit.index)
    elif isinstance(output, p.One):
        yield around
        yield from _of_row(output.row, around)
