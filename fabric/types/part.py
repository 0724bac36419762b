"""A part of a catalogue: some types, for who needs no more of a large one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fabric.errors import NotFound
from fabric.names import link_aggregate
from fabric.types.catalogue import Catalogue, ObjectType, Steps
from fabric.types.definitions import LinkField


def part_of(catalogue: Catalogue, names: Iterable[str]) -> Catalogue:
    """The types of these names, all that descend from them, what these descend from, and the links among them.

    What a document may ask of the part it may ask of the whole, with the same answer. NotFound for a name that no type
    of objects has.
    """
    kept = _kept(catalogue.types, names)
    types = {n: _within(t, kept) for n, t in catalogue.types.items() if n in kept}
    digests = {n: digest for n, digest in catalogue.steps.digests.items() if n in kept}
    named = {name: type_name for name, type_name in catalogue.names.items() if type_name in kept}
    return Catalogue(types, revision=catalogue.revision, names=named, steps=Steps(digests=digests))


def _kept(types: Mapping[str, ObjectType], names: Iterable[str]) -> set[str]:
    wanted, whole, kept = list(names), set[str](), set[str]()
    while wanted:
        name = wanted.pop()
        if name in whole:
            continue
        if name not in types or types[name].domain != "object":
            raise NotFound(f"there is no type {name}")
        # With all that descends from it: otherwise it would be no interface where it is one.
        for each in types[name].family:
            whole.add(each)
            kept |= {each, *types[each].ancestors}
        wanted += {n for each in kept for n in _without_aggregate(types, types[each])} - whole
    return kept


def _without_aggregate(types: Mapping[str, ObjectType], t: ObjectType) -> Iterable[str]:
    """Those that have a member of their own by the name of an aggregate that a link would have beside it."""
    for name in t.own_links:
        beside = link_aggregate(name)
        yield from (n for n in t.family if beside in types[n].own_fields or beside in types[n].own_links)


def _within(t: ObjectType, kept: set[str]) -> ObjectType:
    def among(links: Mapping[str, LinkField]) -> dict[str, LinkField]:
        return {name: link for name, link in links.items() if link.target in kept}

    return replace(
        t,
        family=tuple(name for name in t.family if name in kept),
        own_links=among(t.own_links),
        links=among(t.links),
        narrowed_links={name: said for name, said in t.narrowed_links.items() if name in among(t.links)},
    )
