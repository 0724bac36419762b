"""What roles may do: a TOML file of roles, each a set of permissions, resolved once at start.

A role can bound its own permissions on links (see `link_rights`); what it inherits is as it is there.

Permissions say what a subject may do, labels what it may see; neither stands in for the other.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Self

from fabric.identity import link_rights
from fabric.identity.link_rights import LinkRights

PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "object:read": "Read objects, their history and their place in the link graph; search; follow changes.",
        "object:create": "Create objects.",
        "object:update": "Revise objects.",
        "object:delete": "Delete objects.",
        "link:read": "Read links and their properties; follow link events.",
        "link:create": "Link objects.",
        "link:update": "Change the weight, properties or validity of links.",
        "link:delete": "Unlink objects.",
        "event:append": "Append events of one's own.",
        "webhook:manage": "Have webhooks sent what one may read; manage those of one's label.",
        "type:read": "Read type definitions.",
        "type:define": "Define and change types; see which rules of inference were stopped.",
        "type:retire": "Retire types.",
        "document:register": "Register GraphQL documents, to be asked for by their hash.",
        "label:regrade": "Change the label of an object, with a reason.",
        "field:match": "Find objects by the values of encrypted fields that have a blind index.",
        "field:decrypt": "Unlock an encrypted field, with a reason.",
        "audit:read": "Read the audit log.",
        "config:write": "Read and change the organization's configuration, at the lowest label.",
        "keys:rotate": "Rotate the keys of encrypted fields.",
    }
)
"""Every permission there is, with what it allows."""

DEFAULT_POLICY = Path(__file__).with_name("default_policy.toml")

_ROLE_KEYS = ("description", "permissions", "inherits", "relations", "max_graph_depth", "max_graph_links")
_MEMO_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Role:
    """One role as written: its own permissions, how far they reach, and the roles whose permissions it has too."""

    description: str
    permissions: frozenset[str]
    inherits: tuple[str, ...]
    links: LinkRights = link_rights.UNLIMITED


@dataclass(frozen=True, slots=True)
class _Grant:
    """What roles allow."""

    permissions: frozenset[str]
    links: LinkRights

    @classmethod
    def together(cls, grants: Iterable["_Grant"]) -> "_Grant":
        given = [(each.permissions, each.links) for each in grants]
        return cls(frozenset[str]().union(*(permissions for permissions, _ in given)), link_rights.together(given))


class Policy:
    """Roles and the permissions they come to. ValueError, naming the place, for roles that cannot be resolved."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self.roles: Mapping[str, Role] = MappingProxyType(dict(roles))
        self._granted: dict[str, _Grant] = {}
        for name in self.roles:
            self._resolve(name, ())
        self._union = lru_cache(_MEMO_SIZE)(self._compute_union)

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """The policy of the file, or the default policy. ValueError names file, place and the nearest known names."""
        path = path or DEFAULT_POLICY
        try:
            return cls(_parse(tomllib.loads(path.read_text("utf-8"))))
        except OSError as error:
            raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def permissions(self, roles: frozenset[str]) -> frozenset[str]:
        """What these roles allow together. A role that the policy does not know allows nothing."""
        return self._union(roles).permissions

    def link_rights(self, roles: frozenset[str]) -> LinkRights:
        """How far their permissions on links reach together."""
        return self._union(roles).links

    def _compute_union(self, roles: frozenset[str]) -> _Grant:
        return _Grant.together(self._granted[role] for role in roles if role in self._granted)

    def _resolve(self, name: str, heirs: tuple[str, ...]) -> _Grant:
        """What the role allows, what it inherits included; `heirs` are the roles that led here, outermost first."""
        if name in self._granted:
            return self._granted[name]
        if name in heirs:
            cycle = " → ".join((*heirs[heirs.index(name) :], name))
            raise ValueError(f"roles.{heirs[-1]}.inherits: a role cannot inherit from itself: {cycle}")
        role = self.roles[name]
        for i, parent in enumerate(role.inherits):
            _known(parent, self.roles, f"roles.{name}.inherits[{i}]", "role")
        inherited = [self._resolve(parent, (*heirs, name)) for parent in role.inherits]
        self._granted[name] = _Grant.together([_Grant(role.permissions, role.links), *inherited])
        return self._granted[name]


def _parse(document: Mapping[str, object]) -> dict[str, Role]:
    for key in document:
        _known(key, ("roles",), key, "table")
    roles = document.get("roles")
    if not isinstance(roles, dict) or not roles:
        raise ValueError("roles: a policy is made of tables such as [roles.reader]; there are none")
    return {name: _parse_role(f"roles.{name}", value) for name, value in roles.items()}


def _parse_role(place: str, value: object) -> Role:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: a role is a table with {', '.join(_ROLE_KEYS)}")
    for key in value:
        _known(key, _ROLE_KEYS, f"{place}.{key}", "key")
    description = value.get("description", "")
    if not isinstance(description, str):
        raise ValueError(f"{place}.description: must be a string")
    permissions = _strings(value.get("permissions", []), f"{place}.permissions")
    for i, permission in enumerate(permissions):
        _known(permission, PERMISSIONS, f"{place}.permissions[{i}]", "permission")
    inherits = _strings(value.get("inherits", []), f"{place}.inherits")
    return Role(description, frozenset(permissions), inherits, _parse_links(place, value, frozenset(permissions)))


def _parse_links(place: str, value: Mapping[str, object], permissions: frozenset[str]) -> LinkRights:
    """What bounds nothing is refused: permissions that are inherited are bounded where they come from."""
    relations = {}
    if "relations" in value:
        names = frozenset(_strings(value["relations"], f"{place}.relations"))
        relations = dict.fromkeys(permissions & link_rights.PERMISSIONS, names)
        if not relations:
            raise ValueError(f"{place}.relations: the role has no permission on links of its own that it could bound")
    depth, links = (_limit(value, name, place, permissions) for name in ("max_graph_depth", "max_graph_links"))
    return LinkRights(relations, depth, links)


def _limit(value: Mapping[str, object], name: str, place: str, permissions: frozenset[str]) -> int | None:
    limit = value.get(name)
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise ValueError(f"{place}.{name}: must be a whole number")
    if link_rights.WALKING not in permissions:
        raise ValueError(f"{place}.{name}: the role has no {link_rights.WALKING} of its own that it could bound")
    return limit


def _strings(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{place}: must be a list of strings")
    return tuple(value)


def _known(name: str, names: Iterable[str], place: str, kind: str) -> None:
    known = list(names)
    if name not in known:
        nearest = get_close_matches(name, known)
        hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"known are {', '.join(sorted(known))}"
        raise ValueError(f"{place}: unknown {kind} {name!r}; {hint}")
