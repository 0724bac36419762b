"""What a definition must agree on with the others that its definer can see: names, parents, keys, relations."""

from collections.abc import Mapping, Sequence

from fabric.labels import dominates
from fabric.names import RESERVED_NAMES, aggregated_link, generated_names, link_aggregate, names_generated_twice
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Document, Field
from fabric.types.faults import Faults
from fabric.types.kinds import Kind
from fabric.types.narrowing import check_narrowed


def check(before: Catalogue, after: Catalogue, documents: Sequence[Document], faults: Faults) -> None:
    """Adds what does not agree; paths lead on from a document's place."""
    led = {document.name: faults.under(i) for i, document in enumerate(documents)}
    for names in set(after.omitted) - set(before.omitted):
        for name, other in (names, names[::-1]):
            if name in led:
                led[name].add(f"its names clash with those of {other}", "typeName")
    for document in documents:
        if document.name in after.types:
            _check_document(document, after, led[document.name])
            check_narrowed(document, before, after, led[document.name])
    _check_relations(after, led, faults)


def _check_document(document: Document, after: Catalogue, faults: Faults) -> None:
    new = after.types[document.name]
    enums = [f.name for f in document.fields.values() if f.kind is Kind.ENUM and f.name not in new.narrowed_fields]
    generated = new.name, new.plural, enums, [name for name in document.links if name not in new.narrowed_links]
    for clash in sorted(RESERVED_NAMES & generated_names(*generated))[:1]:
        faults.add(f"{clash.split(':')[1]} is a name the schema has already", "typeName")
    for clash in sorted(names_generated_twice(*generated))[:1]:
        faults.add(f"{clash.split(':')[1]} would be in the schema twice", "typeName")
    for i, name in enumerate(document.natural_key):
        if name in new.narrowed_fields:
            faults.add("a natural key is made of the type's own fields", "naturalKey", i)
        elif name in new.own_fields and new.own_fields[name].label != new.label:
            faults.add("a field of the natural key has its type's label", "naturalKey", i)
    for parent in document.extends:
        _check_parent(document, parent, after, faults)
    _check_key(document, after, faults)
    _check_relatives(document, after, faults)
    _check_places(document, after, faults)
    _check_aggregates(document, after, faults)
    for link in document.links.values():
        target = after.types.get(link.target)
        if target is None or target.domain != "object":
            faults.add("no such type", "links", link.name, "target")
        elif any(not dominates(label, target.label) for label in _labels_of_link(new, link.name)):
            faults.add("a link's label dominates its target's", "links", link.name, "label")
        for relation in sorted(link.axioms.relations - after.relations.keys()):
            faults.add(f"no such relation: {relation}", "links", link.name)
    for i, name in enumerate(document.embedding):
        if name not in new.fields:
            faults.add("no such field", "embedding", "fields", i)
        elif new.fields[name].protection:
            faults.add("an encrypted field cannot be embedded", "embedding", "fields", i)
    for i, names in enumerate(document.indexes):
        if any(name in new.fields and new.fields[name].protection for name in names):
            faults.add("an encrypted field cannot be indexed", "indexes", i)


def _labels_of_link(object_type: ObjectType, name: str) -> list[int]:
    """Those at which the type itself says something of it."""
    said = object_type.narrowed_links.get(name) or [k for k in [object_type.links.get(name)] if k is not None]
    return [link.label for link in said]


def _check_parent(document: Document, name: str, after: Catalogue, faults: Faults) -> None:
    new, parent = after.types[document.name], after.types.get(name)
    if parent is None or parent.domain != new.domain:
        faults.add("no such type", "extends")
    elif document.name in parent.ancestors or document.name == name:
        faults.add("a type cannot descend from itself", "extends")
    elif not dominates(new.label, parent.label):
        faults.add("a type's label dominates its parent's", "label")


def _check_key(document: Document, after: Catalogue, faults: Faults) -> None:
    """What has a natural key, or descends from what has one, gets no other."""
    for name in after.types[document.name].family:
        lineage = (name, *after.types[name].ancestors)
        declared = [n for n in lineage if n != document.name and after.steps.merged[n].natural_key]
        if document.natural_key and declared:
            faults.add(f"the natural key is declared by {declared[-1]}", "naturalKey")
            return
        if name == document.name and len(declared) > 1:
            faults.add(f"{' and '.join(declared)} each have a natural key", "extends")


def _check_relatives(document: Document, after: Catalogue, faults: Faults) -> None:
    """No two types that an object's type is or descends from have a member of one name.

    What is at fault is the member, where the document has it, and the parents otherwise.
    """
    told: set[str] = set()
    for name in after.types[document.name].family:
        owners: dict[str, str] = {}
        for each in (name, *after.types[name].ancestors):
            for member in _members_of(after.steps.merged[each]):
                other = owners.setdefault(member, each)
                if other == each or member in told:
                    continue
                if document.name in (other, each):
                    relative = other if each == document.name else each
                    group = "fields" if member in document.fields else "links"
                    faults.add(f"{relative} has a member of this name already", group, member)
                    told.add(member)
                elif name == document.name:
                    faults.add(f"{other} and {each} both have a member {member}", "extends")
                    told.add(member)


def _check_places(document: Document, after: Catalogue, faults: Faults) -> None:
    """No two fields of an object lie in one place: one that was renamed lies where its old name says."""
    for name in after.types[document.name].family:
        places: dict[str, str] = {}
        for each in (name, *after.types[name].ancestors):
            for member in after.steps.merged[each].own_fields.values():
                other = places.setdefault(member.key, member.name)
                if other != member.name:
                    taken = next((n for n in (member.name, other) if n in document.fields), None)
                    path = ("extends",) if taken is None else ("fields", taken)
                    faults.add(f"{other} and {member.name} were called the same once; take another name", *path)
                    return


def _members_of(object_type: ObjectType) -> list[str]:
    return [*object_type.own_fields, *object_type.own_links]


def _check_aggregates(document: Document, after: Catalogue, faults: Faults) -> None:
    """No member of a type or its relatives has the name of the aggregate beside a link to many."""
    new = after.types[document.name]
    relatives = [after.types[name] for name in (*new.ancestors, *new.family)]
    named = {name for t in relatives for name in (*t.fields, *t.links)}
    many = {name for t in relatives for name, link in t.links.items() if link.many}
    for group, own in (("fields", document.fields), ("links", document.links)):
        for name in own:
            if (link := aggregated_link(name)) in many:
                faults.add(f"{name} is what counts and sums over the link {link}", group, name)
            elif group == "links" and name in many and link_aggregate(name) in named:
                faults.add(f"{link_aggregate(name)}, which would count and sum over it, is there already", group, name)


def _check_relations(after: Catalogue, led: Mapping[str, Faults], faults: Faults) -> None:
    """A relation's properties mean the same wherever they are declared."""
    seen: dict[tuple[str, str], Field] = {}
    for object_type in after.types.values():
        for link in object_type.own_links.values():
            for name, member in link.properties.items():
                other = seen.setdefault((link.relation, name), member)
                if _meaning(other) != _meaning(member):
                    message = f"{link.relation} has this property already, of another kind"
                    led.get(object_type.name, faults).add(message, "links", link.name, "properties", name)


def _meaning(member: Field) -> tuple[object, ...]:
    return member.kind, member.many, member.values, member.constraints
