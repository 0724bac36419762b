"""Where pages begin and end: their sizes and cursors, from arguments to parameters that are bound with each request."""

from collections.abc import Callable, Sequence
from typing import Any

from fabric.errors import BadInput
from graphql_api.compiler import plan as p
from graphql_api.cursors import BadCursor, CursorKey, cursor_key, shape
from graphql_api.documents.arguments import Leaf, Tree

Path = tuple[str | int, ...]


class PageLimits:
    """Sizes of pages: what one gets that does not say, and the most one may ask for."""

    def __init__(self, default: int, most: int) -> None:
        self.default, self.most = default, most


class Bounds:
    """Those of one plan's pages. `add` makes parameters; `listed` is what a list's cursors belong to."""

    def __init__(self, limits: PageLimits, add: Callable[[p.Binder], p.Parameter]) -> None:
        self._limits = limits
        self._add = add
        self.seals: list[p.Binder] = []
        """Of all cursors so far, see `Plan`."""

    def size(self, trees: dict[str, Tree], path: Path) -> tuple[p.Parameter, bool]:
        """How many rows a page has at most, and whether they are taken from the end."""
        if trees.get("first") is not None and trees.get("last") is not None:
            raise BadInput("first and last cannot be combined", path)
        name = "first" if trees.get("last") is None else "last"
        return self.limit(trees.get(name), path, name), name == "last"

    def limit(self, tree: Tree, path: Path, name: str) -> p.Parameter:
        """How many rows, by the argument `name`. BadInput, when it is bound, for a size that cannot be."""
        limits = self._limits
        if tree is None:
            return self._add(lambda _: limits.default)
        assert isinstance(tree, Leaf)

        def bind(request: p.Request) -> int:
            size: int = tree.get(request.variables)
            if not 0 <= size <= limits.most:
                raise BadInput(f"a page has 0 to {limits.most:,} items", (*path, name))
            return size

        return self._add(bind)

    def pads(self, listed: Sequence[str]) -> tuple[p.Parameter, p.Parameter]:
        """What the list's cursors are sealed with, see `fabric.cursor`."""
        def key(request: p.Request) -> CursorKey:
            return cursor_key(request.organization, request.subject.label, listed)

        return self._add(lambda r: key(r).pads[0]), self._add(lambda r: key(r).pads[1])

    def keyset(self, tree: Tree, size: int, listed: Sequence[str], path: Path) -> p.Keyset | None:
        """The row with the keys that a cursor holds, `size` of them. BadInput for what is no cursor of the list."""
        if tree is None:
            return None
        assert isinstance(tree, Leaf)
        nulls = shape(tree.now)
        if nulls is None or len(nulls) != size:
            raise BadInput("not a cursor of this list", path)

        def keys(request: p.Request) -> list[Any]:
            try:
                key = cursor_key(request.organization, request.subject.label, listed)
                return key.open(tree.get(request.variables))
            except BadCursor:
                raise BadInput("not a cursor of this list", path) from None

        def value(i: int) -> p.Binder:
            return lambda request: keys(request)[i]

        self.seals.append(keys)
        return p.Keyset(tuple(None if null else self._add(value(i)) for i, null in enumerate(nulls)))

    def place(self, tree: Tree, listed: Sequence[str], path: Path) -> p.Parameter | None:
        """What a cursor of one key holds, which is never missing."""
        keyset = self.keyset(tree, 1, listed, path)
        if keyset is None:
            return None
        if keyset.values[0] is None:
            raise BadInput("not a cursor of this list", path)
        return keyset.values[0]
