"""Type definitions back in the form in which people write them (see fabric/definitions.py)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fabric.catalogue import ObjectType, field_json, link_json, parents_json
from fabric.definitions import Field, LinkField
from fabric.labels import Label
from fabric.names import plural


def as_document(object_type: ObjectType, decode: Callable[[int], Label]) -> dict[str, Any]:
    """The type as a document that `Types.define` takes, labels included; `decode` makes them from codes."""
    fields = {f.name: _document_field(f, object_type, decode) for f in object_type.own_fields.values()}
    links = {k.name: _document_link(k, object_type, decode) for k in object_type.own_links.values()}
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
        "fields": fields,
        "links": links,
    }
    return {k: v for k, v in document.items() if v}


def _document_field(member: Field, object_type: ObjectType, decode: Callable[[int], Label]) -> dict[str, Any]:
    hidden = ("name", "key", "nonNull", "retiredValues")
    stored = {k: v for k, v in field_json(member).items() if k not in hidden}
    return stored if member.label == object_type.label else stored | {"label": str(decode(member.label))}


def _document_link(member: LinkField, object_type: ObjectType, decode: Callable[[int], Label]) -> dict[str, Any]:
    stored = {k: v for k, v in link_json(member).items() if k != "name"}
    if "properties" in stored:
        same = object_type.label
        stored["properties"] = {
            p.name: _document_field(replace(p, label=same), object_type, decode) for p in member.properties.values()
        }
    return stored if member.label == object_type.label else stored | {"label": str(decode(member.label))}
