"""From an `orderBy` argument to the keys that a page is sorted by, and that its cursors hold."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fabric.errors import BadInput, TooComplex
from fabric.types.access import CREATED, ID, LINK_ID, LINK_SOURCE, LINK_TARGET, REVISION, UPDATED, Access, value_of
from fabric.types.catalogue import ObjectType
from fabric.types.definitions import LinkField
from graphql_api.compiler import plan as p
from graphql_api.documents.arguments import Leaf, Tree

DIRECTIONS = {
    "ASC": (False, False),
    "DESC": (True, True),
    "ASC_NULLS_FIRST": (False, True),
    "DESC_NULLS_LAST": (True, False),
}
"""(descending, nulls first)"""

_COLUMNS: Mapping[str, Access] = {"id": ID, "createdAt": CREATED, "updatedAt": UPDATED, "revision": REVISION}

MAX_KEYS = 16

MAX_HOPS = 5
"""Links that one key may follow."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Ordering:
    """`keys` end in the ids that make them unique. `names` tell this ordering from others in its cursors' seal.

    `ranged` says that an index holds the rows in ranges by the first key.
    """

    keys: tuple[p.Key, ...]
    names: list[str]
    ranged: bool


class Orderings:
    """Reads orderings; a key that follows links puts the permission it needs into `permissions`."""

    def __init__(self, types: Mapping[str, ObjectType], concluded: Collection[str], permissions: set[str]) -> None:
        """`concluded` are the relations of which links can be inferred."""
        self._types = types
        self._concluded = concluded
        self._permissions = permissions

    def read(self, tree: Tree, target: ObjectType, link: LinkField | None, path: Path) -> Ordering:
        """`link` is by which the rows are reached, if by one. BadInput with its path for what cannot be meant."""
        items = tree if isinstance(tree, list) else []
        if len(items) > MAX_KEYS:
            raise BadInput(f"an ordering has {MAX_KEYS} keys at most", path)
        keys: list[p.Key] = []
        names: list[str] = []
        for i, each in enumerate(items):
            key, said = self._key(each, target, (*path, i))
            keys.append(key)
            names += said
        last = keys[-1].descending if keys else False
        if link is None:
            ranged = bool(names) and names[0] in _indexed_first(target)
            return Ordering((*keys, p.Key(ID, last, last, nullable=False)), names, ranged)
        # The object's id as its link has it: in this order an index on links gives them.
        far = p.Key(LINK_TARGET if link.outgoing else LINK_SOURCE, last, last, nullable=False)
        return Ordering((*keys, far, p.Key(LINK_ID, last, last, nullable=False)), names, ranged=False)

    def _key(self, tree: Tree, target: ObjectType, path: Path) -> tuple[p.Key, list[str]]:
        hops: list[p.Hop] = []
        names: list[str] = []
        while True:
            assert isinstance(tree, dict)
            given = [(name, sub) for name, sub in tree.items() if sub is not None]
            if len(given) != 1:
                raise BadInput("each item names one field; list them in the order that counts", path)
            name, tree = given[0]
            if isinstance(tree, Leaf):
                break
            if len(hops) == MAX_HOPS:
                raise TooComplex(f"an ordering follows {MAX_HOPS} links at most", path)
            self._permissions.add("link:read")
            link = target.links[name]
            target = self._types[link.target]
            hops.append(p.Hop(link.relation, link.outgoing, target.family, link.relation in self._concluded))
            # No field has such a name, so no other ordering reads the same.
            names.append(f"{'>' if link.outgoing else '<'} {link.relation} {link.target}")
            path = (*path, name)
        descending, nulls_first = DIRECTIONS[tree.now]
        column = _COLUMNS.get(name)
        nullable = bool(hops) or (column is None and not target.fields[name].non_null)
        access = column or value_of(target.fields[name])
        # The storage key says more than the name: a field of another kind by the same name has another one.
        names += [name if column else target.fields[name].key, tree.now]
        return p.Key(access, descending, nulls_first, nullable=nullable, hops=tuple(hops)), names


def _indexed_first(target: ObjectType) -> set[str]:
    """Storage keys of the fields that an index of the type begins with."""
    listed = {names[0] for names in target.indexes if names}
    return {field.key for field in target.fields.values() if field.indexed or field.name in listed}
