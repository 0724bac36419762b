"""What a change of one fragment comes to, in the words of definitions: told by events at the fragment's own label."""

from collections.abc import Iterable, Mapping
from typing import Any

from fabric.labels import dominates
from fabric.types.catalogue import Catalogue, Fragment, read_field, read_link
from fabric.types.type_documents import field_document, link_document

_WORDS = ("description", "extends", "plural", "annotations", "about")
_GROUPS = ("fields", "links")


def difference(old: Fragment | None, new: Fragment, catalogues: Iterable[Catalogue]) -> dict[str, Any]:
    """`before` and `after`, with what differs only, fields and links one by one; `new` may be a retired fragment.

    The catalogues are the definer's, who may see more than the fragment's label does: lists of names are told as far as
    that label sees all that they name.
    """
    types = (each.types[new.type_name] for each in catalogues if new.type_name in each.types)
    seen = {field.name for t in types for field in t.fields.values() if dominates(new.label, field.label)}
    before, after = ({} if each is None else _said(each, seen) for each in (old, new))
    told: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for side, said, other in (("before", before, after), ("after", after, before)):
        told[side] = {name: value for name, value in said.items() if name not in _GROUPS and value != other.get(name)}
        for group in _GROUPS:
            members, others = said.get(group, {}), other.get(group, {})
            changed = {name: value for name, value in members.items() if value != others.get(name)}
            if changed:
                told[side][group] = changed
    return told


def _said(fragment: Fragment, seen: set[str]) -> dict[str, Any]:
    """The fragment as part of a document; nothing of how values are stored."""
    schema = fragment.schema
    fields = [*schema.get("fields", ()), *schema.get("narrowedFields", ())]
    links = [*schema.get("links", ()), *schema.get("narrowedLinks", ())]
    said: Mapping[str, Any] = {
        **{word: schema.get(word) for word in _WORDS if not schema.get("retired")},
        "naturalKey": _known(schema.get("naturalKey", ()), seen),
        "indexes": [names for names in schema.get("indexes", ()) if seen.issuperset(names)],
        "embedding": _known(schema.get("embedding", ()), seen),
        "uiSchema": fragment.ui_schema,
        "fields": {f["name"]: field_document(read_field(f, fragment.label)) for f in fields},
        "links": {k["name"]: link_document(read_link(k, fragment.label)) for k in links},
    }
    return {name: value for name, value in said.items() if value}


def _known(names: Iterable[str], seen: set[str]) -> list[str]:
    return [name for name in names if name in seen]
