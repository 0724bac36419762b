"""Which classes can have a descendant in common, by the types that there are for them and for what is above them.

Types that each have a member of one name, or a natural key of their own, can have none: it would have two of them.
"""

from collections.abc import Iterable

from fabric.names import link_aggregate
from ontology.iris import Iris
from ontology.survey.resource import RESOURCE
from ontology.survey.terms import LEFT_OUT, Ontology
from ontology.vocabulary import ROOT


class Fitting:
    def __init__(self, ontology: Ontology, iris: Iris) -> None:
        self._ontology, self._given, self._catalogue = ontology, iris.given, iris.catalogue
        self._types: dict[str, frozenset[str]] = {}
        self._known: dict[frozenset[str], str | None] = {}

    def clash(self, classes: Iterable[str]) -> str | None:
        """Why nothing can descend from all of these; None if something can."""
        types = frozenset[str]().union(*map(self._types_above, classes))
        if types not in self._known:
            self._known[types] = self._clash(sorted(types))
        return self._known[types]

    def _types_above(self, iri: str) -> frozenset[str]:
        """The names of those that there are; ROOT for what will be that of everything."""
        if iri not in self._types:
            name, term = self._given.get(iri), self._ontology.classes.get(iri)
            if name is not None:
                self._types[iri] = frozenset((name, *self._catalogue.types[name].ancestors))
            elif term is None:
                self._types[iri] = frozenset((ROOT,))
            else:
                self._types[iri] = frozenset[str]().union(*map(self._types_above, term.parents or [ROOT]))
        return self._types[iri]

    def _clash(self, types: list[str]) -> str | None:
        declared: dict[str, str] = {}
        places: dict[str, str] = {}
        aggregates: set[str] = set()
        keyed: list[str] = []
        for name in types:
            if name == ROOT:
                members, is_keyed, shown = [*RESOURCE["fields"]], True, "Resource"
            else:
                known = self._catalogue.steps.merged[name]
                if known.domain != "object":
                    return f"{name} has events"
                members, is_keyed, shown = [*known.own_fields, *known.own_links], bool(known.natural_key), name
                aggregates |= {link_aggregate(link.name) for link in known.own_links.values() if link.many}
                for field in known.own_fields.values():
                    if places.setdefault(field.key, field.name) != field.name:
                        return f"{places[field.key]} and {field.name} were called the same once"
            keyed += [shown] * is_keyed
            for member in members:
                if declared.setdefault(member, shown) != shown:
                    return f"{declared[member]} and {shown} both have a member {member}"
        if len(keyed) > 1:
            return f"{' and '.join(keyed)} each have a natural key"
        taken = sorted(aggregates & declared.keys())
        return f"{taken[0]} is what counts over a link" if taken else None


def leave_out_clashing(ontology: Ontology, iris: Iris) -> None:
    """Takes away parents beside which a class cannot have those before them."""
    fitting = Fitting(ontology, iris)
    for iri in _parents_first(ontology):
        if iri in iris.given:  # a type keeps its parents
            continue
        kept: list[str] = []
        for parent in ontology.classes[iri].parents:
            why = fitting.clash([*kept, parent])
            if why is None:
                kept.append(parent)
            else:
                beside = f" besides {', '.join(kept)}" if kept else ""
                ontology.notice(iri, f"descends from {parent}{beside}; {LEFT_OUT}: {why}")
        ontology.classes[iri].parents = kept


def _parents_first(ontology: Ontology) -> list[str]:
    ordered: dict[str, None] = {}
    waiting = sorted(ontology.classes, reverse=True)
    while waiting:
        iri = waiting[-1]
        unknown = [p for p in ontology.classes[iri].parents if p not in ordered and p in ontology.classes]
        if unknown:
            waiting += unknown
        else:
            ordered.setdefault(waiting.pop())
    return list(ordered)
