"""Which part of a list is asked for, and the part as a connection, where neither is compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric.errors import BadInput
from graphql_api.context import Info


@dataclass(frozen=True, slots=True)
class PageAsked:
    """`limit` items from the beginning, or from the end when `backward`, between two cursors."""

    limit: int
    backward: bool
    after: str | None
    before: str | None

    @classmethod
    def of(cls, info: Info, given: Mapping[str, Any]) -> "PageAsked":
        """Of a field's arguments. BadInput for a size that cannot be, TooComplex for too much in one request."""
        settings = info.context.services.settings
        first, last = given.get("first"), given.get("last")
        if first is not None and last is not None:
            raise BadInput("first and last cannot be combined")
        size = first if last is None else last
        limit: int = settings.default_page_size if size is None else size
        if not 0 <= limit <= settings.max_page_size:
            name = "first" if last is None else "last"
            raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", (name,))
        info.context.spend(info.path.as_list(), limit)
        return cls(limit, last is not None, given.get("after"), given.get("before"))

    def connection(self, edges: Sequence[Mapping[str, Any]], has_previous: bool, has_next: bool) -> dict[str, Any]:
        """By field name. Each edge has `cursor` and `node`."""
        return {
            "nodes": [edge["node"] for edge in edges],
            "edges": list(edges),
            "pageInfo": {
                "hasNextPage": has_next,
                "hasPreviousPage": has_previous,
                "startCursor": edges[0]["cursor"] if edges else None,
                "endCursor": edges[-1]["cursor"] if edges else None,
            },
        }


def names_in(names: Sequence[str] | None) -> list[str] | None:
    """Names that are sought, without those that the database could not hold: nothing has them."""
    return None if names is None else [name for name in names if "\0" not in name]
