"""How far roles' permissions on links reach: which relations they are for, and how much of the graph a walk looks at.

Like all permissions they speak of what may be done. What may be seen is decided by labels.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

WALKING = "link:read"
PERMISSIONS = frozenset({WALKING, "link:create", "link:update", "link:delete"})


@dataclass(frozen=True, slots=True)
class LinkRights:
    """`relations` has the permissions that are for these relations only; all others are for whatever relation.

    `max_depth` and `max_links` bound walks beside the settings; None leaves it at these.
    """

    relations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    max_depth: int | None = None
    max_links: int | None = None

    def refused(self, permissions: Iterable[str], relation: str) -> str | None:
        """The first of the permissions that is not for the relation."""
        return next((p for p in permissions if relation not in self.relations.get(p, (relation,))), None)

    def walked(self, relations: Collection[str] | None) -> Collection[str] | None:
        """Those of the relations, None for all, that walks follow."""
        allowed = self.relations.get(WALKING)
        return relations if allowed is None else allowed if relations is None else allowed & set(relations)

    def depth(self, most: int) -> int:
        """How deep walks may go where the settings allow so much."""
        return most if self.max_depth is None else min(most, self.max_depth)

    def looks(self, most: int) -> int:
        """How many links the walks of a request may look at where the settings allow so many."""
        return most if self.max_links is None else min(most, self.max_links)


UNLIMITED = LinkRights()


def together(rights: Collection[tuple[frozenset[str], LinkRights]]) -> LinkRights:
    """What several come to, each with the permissions that it belongs to: all that any of them allows."""
    relations = {}
    for permission in PERMISSIONS:
        held = [each for permissions, each in rights if permission in permissions]
        if held and all(permission in each.relations for each in held):
            relations[permission] = frozenset[str]().union(*(each.relations[permission] for each in held))
    walking = [each for permissions, each in rights if WALKING in permissions]
    return LinkRights(relations, _highest(r.max_depth for r in walking), _highest(r.max_links for r in walking))


def _highest(limits: Iterable[int | None]) -> int | None:
    given = list(limits)
    bounded = [limit for limit in given if limit is not None]
    return max(bounded) if bounded and len(bounded) == len(given) else None
