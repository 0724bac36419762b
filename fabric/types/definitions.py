"""What one type definition says, in typed form: what is read of documents, and what fragments are stored of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric.encryption.protection import Protection
from fabric.inference.rules import NO_AXIOMS, Axioms
from fabric.labels import Label
from fabric.types.annotations import Annotations
from fabric.types.constraints import NO_CONSTRAINTS, Constraints
from fabric.types.document_values import MAX_NAMES
from fabric.types.kinds import Kind
from fabric.types.link_counts import NO_COUNTS, LinkCounts

RESERVED_FIELDS = frozenset("id label revision createdAt updatedAt history similar link unlink and or not".split())
"""What every generated type has of its own, or its inputs use."""

MAX_FIELDS = MAX_NAMES
MAX_INDEXES = 20
MAX_PARENTS = 20
MAX_CHAINS = 20


@dataclass(frozen=True, slots=True)
class Field:
    """One data field. `label` is a code; `key` is where its values lie in `objects.data`.

    The key is the field's name as long as nobody else ever stored another kind of value there (see
    docs/decisions/0002-definitions-are-labelled-fragments.md).
    """

    name: str
    kind: Kind
    many: bool = False
    required: bool = False
    values: tuple[str, ...] = ()
    retired_values: tuple[str, ...] = ()
    indexed: bool = False
    searchable: bool = False
    description: str | None = None
    label: int = 0
    key: str = ""
    non_null: bool = False
    protection: Protection | None = None
    """How its values are encrypted; None of a field whose values are stored as they are."""
    constraints: Constraints = NO_CONSTRAINTS
    """What written values are held against; those that are stored already may be otherwise."""
    iri: str | None = None
    """What RDF calls the property."""
    datatype: str | None = None
    """What RDF calls the type of its values, where that is not the kind's own."""
    language: str | None = None
    """The tag of the language that its texts are in, in small letters; of one IRI there is a field for each."""
    annotations: Annotations = field(default_factory=dict)
    replaces: str | None = None
    """The name that it had before; said of a change, and not kept."""


@dataclass(frozen=True, slots=True)
class LinkField:
    """One link field: objects of `target` at the other end of `relation`."""

    name: str
    relation: str
    target: str
    outgoing: bool = True
    many: bool = True
    counts: LinkCounts = NO_COUNTS
    """How many objects it leads to."""
    properties: Mapping[str, Field] = field(default_factory=dict)
    description: str | None = None
    label: int = 0
    iri: str | None = None
    annotations: Annotations = field(default_factory=dict)
    axioms: Axioms = NO_AXIOMS
    """What is said of the relation, whichever end the field is at."""


@dataclass(frozen=True, slots=True)
class Document:
    """One definition as submitted. `labels` holds what it says of labels, by field or link name ("" for the type)."""

    name: str
    domain: str = "object"
    description: str | None = None
    extends: tuple[str, ...] = ()
    plural: str | None = None
    natural_key: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    embedding: tuple[str, ...] = ()
    ui_schema: Mapping[str, Any] | None = None
    iri: str | None = None
    """What RDF calls the class."""
    annotations: Annotations = field(default_factory=dict)
    about: Mapping[str, Annotations] = field(default_factory=dict)
    """Annotations of others, by IRI: the ontology that the type comes from, and what else that one names."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    links: Mapping[str, LinkField] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)
