"""From fragments to the catalogue of those who see them: merged to types, resolved with their ancestors.

A catalogue is built on an earlier one, of which it takes over all that does not depend on what differs. So a changed
definition costs what it changes, not what there is.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import orjson

from fabric.labels import rank
from fabric.names import generated_names, names_generated_twice, plural
from fabric.types.catalogue import Catalogue, Fragment, ObjectType, Steps, read_field, read_link, read_parents
from fabric.types.definitions import Field, LinkField
from fabric.types.kinds import Kind
from fabric.types.narrowing import narrowed, narrowed_link

EMPTY = Catalogue({})


def build(fragments: Iterable[Fragment], revision: int = 0, before: Catalogue = EMPTY) -> Catalogue:
    """The catalogue of the fragments a reader dominates; the caller has selected them. `before` may be any other."""
    kept = tuple(sorted(fragments, key=lambda f: (f.type_name, f.label)))
    was = before.steps
    groups = _grouped(kept)
    same = {name for name, group in groups.items() if was.groups.get(name) == group}
    digests = {name: was.digests[name] if name in same else _digest(group) for name, group in groups.items()}
    merged: dict[str, ObjectType] = {}
    for name, group in groups.items():
        made = was.merged.get(name) if name in same else _merge(name, group)
        if made is not None:
            merged[name] = made
    names, omitted = _claimed(merged, before)
    present = _without_clashes({name: merged[name] for name in sorted(merged.keys() - dict(omitted).keys())})
    resolved = _resolved(present, was)
    types = _with_families(resolved, before)
    return Catalogue(types, kept, tuple(omitted), revision, names, Steps(groups, digests, merged, present, resolved))


def _grouped(fragments: Iterable[Fragment]) -> dict[str, tuple[Fragment, ...]]:
    groups: dict[str, list[Fragment]] = {}
    for fragment in fragments:
        groups.setdefault(fragment.type_name, []).append(fragment)
    return {name: tuple(group) for name, group in groups.items()}


def _digest(group: Iterable[Fragment]) -> bytes:
    content = [(f.label, f.domain, f.schema, f.ui_schema) for f in group]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()


def _merge(name: str, group: Collection[Fragment]) -> ObjectType | None:
    """One type from its fragments: the higher-ranking fragment's word on a name is the one that holds."""
    bases = sorted((f for f in group if f.is_base), key=lambda f: rank(f.label))
    if not bases:
        return None
    fields: dict[str, Field] = {}
    links: dict[str, LinkField] = {}
    narrowed_fields: dict[str, tuple[Field, ...]] = {}
    narrowed_links: dict[str, tuple[LinkField, ...]] = {}
    for fragment in sorted(group, key=lambda f: rank(f.label)):
        for stored in fragment.schema.get("fields", ()):
            fields[stored["name"]] = read_field(stored, fragment.label)
        for stored in fragment.schema.get("links", ()):
            links[stored["name"]] = read_link(stored, fragment.label)
        for stored in fragment.schema.get("narrowedFields", ()):
            said = *narrowed_fields.get(stored["name"], ()), read_field(stored, fragment.label)
            narrowed_fields[stored["name"]] = said
        for stored in fragment.schema.get("narrowedLinks", ()):
            also = *narrowed_links.get(stored["name"], ()), read_link(stored, fragment.label)
            narrowed_links[stored["name"]] = also
    if sum(bool(f.schema.get("base")) for f in group) > 1:
        # Objects made under one base, even one that is retired, lack the other's fields, whatever it requires.
        fields = {n: replace(f, non_null=False) for n, f in fields.items()}
        narrowed_fields = {
            n: tuple(replace(f, non_null=False) for f in each) for n, each in narrowed_fields.items()
        }  # fmt: skip
    top = bases[-1].schema
    plural_name = top.get("plural") or plural(name)
    _drop_clashing(name, plural_name, fields, links)
    return ObjectType(
        name=name,
        label=bases[0].label,
        domain=bases[-1].domain,
        description=top.get("description"),
        plural=plural_name,
        parents=read_parents(top),
        natural_key=tuple(top.get("naturalKey", ())),
        key_type=name,
        indexes=tuple(tuple(names) for names in top.get("indexes", ())),
        embedding=tuple(top.get("embedding", ())),
        ui_schema=bases[-1].ui_schema,
        iri=top.get("iri"),
        annotations=top.get("annotations", {}),
        about=top.get("about", {}),
        own_fields=fields,
        own_links={n: link for n, link in links.items() if n not in fields},
        fields={},
        links={},
        narrowed_fields=narrowed_fields,
        narrowed_links=narrowed_links,
    )


def _drop_clashing(name: str, plural_name: str, fields: dict[str, Field], links: dict[str, LinkField]) -> None:
    """Takes away members whose generated names a member of a higher-ranking label has already (see `_claimed`)."""
    members = [f for f in fields.values() if f.kind is Kind.ENUM] + [k for k in links.values() if k.name not in fields]
    if not names_generated_twice(name, plural_name, *_split(members)):
        return
    kept: list[Field | LinkField] = []
    for member in sorted(members, key=lambda m: (rank(m.label), m.name), reverse=True):
        if names_generated_twice(name, plural_name, *_split([*kept, member])):
            (fields if isinstance(member, Field) else links).pop(member.name)
        else:
            kept.append(member)


def _split(members: Iterable[Field | LinkField]) -> tuple[list[str], list[str]]:
    enums = [m.name for m in members if isinstance(m, Field)]
    return enums, [m.name for m in members if isinstance(m, LinkField)]


Names = Mapping[str, str]
Omitted = list[tuple[str, str]]


def _claimed(merged: Mapping[str, ObjectType], before: Catalogue) -> tuple[Names, Omitted]:
    """Which type has which names, and the types whose names another has already: the higher-ranking label keeps them.

    Within what one definer can see a clash is refused when it would arise; here are only those between labels.
    """
    if not before.omitted:
        was = before.steps.merged
        gone = [t for name, t in was.items() if merged.get(name) is not t]
        new = [t for name, t in merged.items() if was.get(name) is not t]
        if not gone and not new:
            return before.names, []
        names = dict(before.names)
        for object_type in gone:
            for name in _names(object_type):
                del names[name]
        if all(_claim(object_type, names) is None for object_type in new):
            return names, []
    names, omitted = {}, []
    for object_type in sorted(merged.values(), key=lambda t: (rank(t.label), t.name), reverse=True):
        other = _claim(object_type, names)
        if other is not None:
            omitted.append((object_type.name, other))
    return names, omitted


def _claim(object_type: ObjectType, names: dict[str, str]) -> str | None:
    """Gives the type its names, unless another type, which is told, has one of them."""
    own = _names(object_type)
    other = next((names[n] for n in own if n in names), None)
    if other is None:
        names.update(dict.fromkeys(own, object_type.name))
    return other


def _names(object_type: ObjectType) -> set[str]:
    enums = [f.name for f in object_type.own_fields.values() if f.kind is Kind.ENUM]
    return generated_names(object_type.name, object_type.plural, enums, object_type.own_links)


def _without_clashes(present: dict[str, ObjectType]) -> dict[str, ObjectType]:
    """Of members by which parents of one type would clash in it, that of the higher-ranking label stays.

    Where one definer sees both this is refused; here are only those between labels (see `_claimed`).
    """
    for name in [name for name, t in present.items() if len(t.parents) > 1]:
        owners: dict[str, str] = {}
        for each in reversed((name, *_ancestors(name, present))):
            for member in sorted(present[each].own_fields.keys() | present[each].own_links.keys()):
                other = owners.setdefault(member, each)
                if other != each and other not in _ancestors(each, present):
                    loser = min(other, each, key=lambda n: (rank(_member(present[n], member).label), n))
                    present[loser] = _without(present[loser], member)
                    owners[member] = each if loser == other else other
        places: dict[str, str] = {}
        for each in reversed((name, *_ancestors(name, present))):
            for field in sorted(present[each].own_fields.values(), key=lambda f: f.name):
                if places.setdefault(field.key, field.name) != field.name:  # one has the name that the other had once
                    present[each] = _without(present[each], field.name)
    return present


def _member(object_type: ObjectType, name: str) -> Field | LinkField:
    return object_type.own_fields.get(name) or object_type.own_links[name]


def _without(object_type: ObjectType, member: str) -> ObjectType:
    return replace(
        object_type,
        own_fields={n: f for n, f in object_type.own_fields.items() if n != member},
        own_links={n: k for n, k in object_type.own_links.items() if n != member},
    )


def _resolved(present: Mapping[str, ObjectType], was: Steps) -> dict[str, ObjectType]:
    """The types with what their ancestors give them, anew where they or what they refer to has changed."""
    changed = {name for name, t in present.items() if was.present.get(name) is not t}
    moved = {name for name, _ in _domains(present).items() ^ _domains(was.resolved).items()}
    found: dict[str, ObjectType] = {}
    for name in present:
        ancestors = _ancestors(name, present)
        lineage = (name, *ancestors)
        old = was.resolved.get(name)
        if old is not None and (old.ancestors != ancestors or not changed.isdisjoint(lineage)):
            old = None
        if old is not None and any(k.target in moved for n in lineage for k in present[n].own_links.values()):
            old = None
        found[name] = old or _resolve(name, ancestors, present)
    return found


def _domains(types: Mapping[str, ObjectType]) -> dict[str, str]:
    return {name: t.domain for name, t in types.items()}


def _ancestors(name: str, present: Mapping[str, ObjectType]) -> tuple[str, ...]:
    """As far as they are there, each before those that it descends from itself."""
    ended: list[str] = []
    begun = {name}
    path = [(name, reversed(present[name].parents))]
    while path:
        each, parents = path[-1]
        parent = next(parents, None)
        if parent is None:
            path.pop()
            ended.append(each)
        elif parent in present and parent not in begun:
            begun.add(parent)
            path.append((parent, reversed(present[parent].parents)))
    return tuple(reversed(ended[:-1]))


def _resolve(name: str, ancestors: tuple[str, ...], present: Mapping[str, ObjectType]) -> ObjectType:
    """The type with what its visible ancestors give it, and without links to types that are not there."""
    own = present[name]
    fields: dict[str, Field] = {}
    links: dict[str, LinkField] = {}
    for each in [*reversed(ancestors), name]:
        # The ancestor's word holds, be it a field or a link: what descends from it implements its interface.
        known = fields.keys() | links.keys()
        fields.update({n: f for n, f in present[each].own_fields.items() if n not in known})
        links.update({n: k for n, k in _leading(present[each], present).items() if n not in known})
        for n, said in present[each].narrowed_fields.items():
            if n in fields and n not in present[each].own_fields:
                fields[n] = narrowed(fields[n], said)
        for n, also in present[each].narrowed_links.items():
            if n in links and n not in present[each].own_links:
                links[n] = narrowed_link(links[n], also)
    key_type = next((a for a in reversed([name, *ancestors]) if present[a].natural_key), name)
    return replace(
        own,
        parents=tuple(p for p in own.parents if p in ancestors),
        natural_key=tuple(k for k in present[key_type].natural_key if k in fields),
        key_type=key_type,
        indexes=tuple(names for names in own.indexes if fields.keys() >= set(names)),
        embedding=tuple(n for n in own.embedding if n in fields and fields[n].protection is None),
        own_links=_leading(own, present),
        fields=fields,
        links=links,
        ancestors=ancestors,
    )


def _leading(object_type: ObjectType, present: Mapping[str, ObjectType]) -> dict[str, LinkField]:
    """The type's own links that lead to a type of objects that is there."""
    links = object_type.own_links.items()
    return {n: k for n, k in links if k.target in present and present[k.target].domain == "object"}


def _with_families(resolved: Mapping[str, ObjectType], before: Catalogue) -> dict[str, ObjectType]:
    descendants: dict[str, list[str]] = {}
    for name, object_type in resolved.items():
        for ancestor in object_type.ancestors:
            descendants.setdefault(ancestor, []).append(name)
    types: dict[str, ObjectType] = {}
    for name, object_type in resolved.items():
        family = (name, *descendants.get(name, ()))
        old = before.types.get(name) if before.steps.resolved.get(name) is object_type else None
        types[name] = old if old is not None and old.family == family else replace(object_type, family=family)
    return types
