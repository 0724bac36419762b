"""Small STIX bundles, and what they become."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from fabric.stix import StixBundle
from fabric.transfer.records import Problem
from fabric.types.document_reading import read_document


def id_of(stix_type: str, number: int) -> str:
    return f"{stix_type}--{UUID(int=number)}"


def item(stix_type: str, number: int = 1, **properties: Any) -> dict[str, Any]:
    return {"type": stix_type, "id": id_of(stix_type, number), **properties}


def relationship(relation: str, source: str, target: str, number: int = 1, **properties: Any) -> dict[str, Any]:
    ends = {"relationship_type": relation, "source_ref": source, "target_ref": target}
    return item("relationship", number, **ends, **properties)


def open_bundle(directory: Path, *objects: object, **options: Any) -> StixBundle:
    path = directory / "bundle.json"
    path.write_text(json.dumps({"type": "bundle", "id": id_of("bundle", 1), "objects": objects}))
    return StixBundle(path, **options)


def types_of(bundle: StixBundle) -> dict[str, dict[str, Any]]:
    """The definitions by type name, each of which the fabric can read."""
    definitions = [record.body["define"] for record in bundle.definitions()]
    for definition in definitions:
        read_document(definition)
    return {definition["typeName"]: definition for definition in definitions}


def bodies(records: Any) -> list[dict[str, Any]]:
    records = list(records)
    assert not [record for record in records if isinstance(record, Problem)]
    return [record.body for record in records]
