"""The type that everything descends from, if an ontology is imported."""

from collections.abc import Mapping
from typing import Any

from ontology.vocabulary import ITSELF, RDFS_NS, ROOT

RESOURCE: Mapping[str, Any] = {
    "description": "Whatever has an IRI.",
    "iri": ROOT,
    "fields": {
        "iri": {"type": "uri", "required": True, "iri": ITSELF},
        "labels": {"type": "text", "list": True, "searchable": True, "iri": RDFS_NS + "label"},
        "comments": {"type": "text", "list": True, "iri": RDFS_NS + "comment"},
        "seeAlso": {"type": "text", "list": True, "iri": RDFS_NS + "seeAlso"},
    },
    "naturalKey": ["iri"],
}
