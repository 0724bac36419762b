"""Links that objects imply: by their `*_ref` and `*_refs` properties, and by the phases of their kill chains."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fabric.stix.judgement import is_id, is_name

KILL_CHAIN_PHASES = "kill_chain_phases"
KILL_CHAIN_RELATION = "kill-chain-phase"

_SHORTNAME = "x_mitre_shortname"
_DOMAINS = "x_mitre_domains"

Domains = frozenset[str]


class Reference(NamedTuple):
    relation: str
    property: str
    target: str


def references(value: Mapping[str, Any]) -> Iterator[Reference]:
    """What an object's own properties refer to, each target of a property once. Markings are labels, not links."""
    for name, member in value.items():
        if name.endswith("_ref"):
            relation, targets = name[:-4], [member]
        elif name.endswith("_refs") and isinstance(member, list) and name != "object_marking_refs":
            relation, targets = name[:-5], member
        else:
            continue
        if relation:
            # STIX 2.0 also refers to parts of the same object, by keys such as "0".
            found = dict.fromkeys(target for target in targets if is_id(target))
            yield from (Reference(relation.replace("_", "-"), name, target) for target in found)


def phases(value: Mapping[str, Any]) -> list[str]:
    """The names of the kill chain phases an object belongs to, each once."""
    listed = value.get(KILL_CHAIN_PHASES)
    found = [phase.get("phase_name") for phase in listed if isinstance(phase, dict)] if isinstance(listed, list) else []
    return list(dict.fromkeys(name for name in found if is_name(name)))


def domains(value: Mapping[str, Any]) -> Domains:
    listed = value.get(_DOMAINS)
    return frozenset(name for name in listed if is_name(name)) if isinstance(listed, list) else frozenset()


class Tactics:
    """The objects that stand for phases of a kill chain, by their short names."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, Domains]] = {}
        self._by_name: dict[str, dict[str, Domains]] = {}

    def add(self, value: Mapping[str, Any]) -> None:
        """Take note of an object, or of its newer version."""
        stix_id, name = value["id"], value.get(_SHORTNAME)
        known = self._names.pop(stix_id, None)
        if known is not None:
            del self._by_name[known[0]][stix_id]
        if is_name(name):
            self._names[stix_id] = name, domains(value)
            self._by_name.setdefault(name, {})[stix_id] = domains(value)

    def of(self, phase: str, within: Domains) -> list[str]:
        """Ids of the tactics of that short name; of several, those of the object's own domains, if any are."""
        named = self._by_name.get(phase, {})
        near = [stix_id for stix_id, domain in named.items() if domain & within]
        return near if len(named) > 1 and near else list(named)
