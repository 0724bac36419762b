"""Type definitions back in the form in which people write them (see fabric/types/document_reading.py)."""

from collections.abc import Callable
from typing import Any

from fabric.labels import Label
from fabric.names import plural
from fabric.types.catalogue import ObjectType, field_json, link_json, parents_json
from fabric.types.definitions import Field, LinkField
from fabric.types.narrowing import narrowed_fields, narrowed_links


def as_document(object_type: ObjectType, decode: Callable[[int], Label]) -> dict[str, Any]:
    """The type as a document that `Types.define` takes, labels included; `decode` makes them from codes."""

    def labelled(member: Field | LinkField, document: dict[str, Any]) -> dict[str, Any]:
        return document if member.label == object_type.label else document | {"label": str(decode(member.label))}

    members = [*object_type.own_fields.values(), *narrowed_fields(object_type)]
    fields = {f.name: labelled(f, field_document(f)) for f in members}
    ends = [*object_type.own_links.values(), *narrowed_links(object_type)]
    links = {k.name: labelled(k, link_document(k)) for k in ends}
    document = {
        "typeName": object_type.name,
        "domain": object_type.domain if object_type.domain != "object" else None,
        "description": object_type.description,
        "label": str(decode(object_type.label)),
        "extends": parents_json(object_type.parents),
        "plural": object_type.plural if object_type.plural != plural(object_type.name) else None,
        "naturalKey": list(object_type.natural_key) if object_type.key_type == object_type.name else None,
        "indexes": [list(names) for names in object_type.indexes],
        "embedding": {"fields": list(object_type.embedding)} if object_type.embedding else None,
        "uiSchema": object_type.ui_schema,
        "iri": object_type.iri,
        "annotations": object_type.annotations,
        "about": object_type.about,
        "fields": fields,
        "links": links,
    }
    return {k: v for k, v in document.items() if v}


def field_document(member: Field) -> dict[str, Any]:
    """A field, or a link's property, under its name in a document; without its label."""
    return {k: v for k, v in field_json(member).items() if k not in ("name", "key", "nonNull", "retiredValues")}


def link_document(member: LinkField) -> dict[str, Any]:
    """A link, likewise."""
    stored = {k: v for k, v in link_json(member).items() if k != "name"}
    if "properties" in stored:
        stored["properties"] = {p.name: field_document(p) for p in member.properties.values()}
    return stored
