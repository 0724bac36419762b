"""Type definitions as people write them (see docs/type-definitions.md), read into typed form with every fault named.

A document is one definition: `typeName` with `fields`, `links` and the rest. Here only what the document itself shows
is checked; what depends on other definitions is `fabric.types.agreement`'s, what on stored objects
`fabric.types.evolution`'s.
"""

from collections.abc import Mapping
from typing import Any

from fabric.encryption.protection import KEYS as PROTECTION_KEYS
from fabric.encryption.protection import Protection, read_protection
from fabric.errors import BadInput
from fabric.inference.rules import MAX_PREMISES, Axioms
from fabric.labels import Label
from fabric.names import GRAPHQL_NAME
from fabric.types.annotations import read_about, read_annotations
from fabric.types.constraints import KEYS as CONSTRAINT_KEYS
from fabric.types.constraints import read_constraints
from fabric.types.definitions import (
    MAX_CHAINS,
    MAX_FIELDS,
    MAX_INDEXES,
    MAX_PARENTS,
    RESERVED_FIELDS,
    Document,
    Field,
    LinkField,
)
from fabric.types.document_values import (
    check_keys,
    read_choice,
    read_flag,
    read_iri,
    read_name,
    read_names,
    read_text,
)
from fabric.types.faults import Faults
from fabric.types.kinds import Kind
from fabric.types.languages import EXPECTED, canonical_tag
from fabric.types.link_counts import KEYS as COUNT_KEYS
from fabric.types.link_counts import read_counts

_TYPE_KEYS = frozenset(
    "typeName domain description label extends plural fields links naturalKey indexes embedding uiSchema iri"
    " annotations about".split()
)
_FIELD_KEYS = PROTECTION_KEYS | CONSTRAINT_KEYS | frozenset(
    "type list required values indexed searchable description label iri datatype language annotations encrypted"
    " replaces".split()
)  # fmt: skip
_LINK_KEYS = COUNT_KEYS | frozenset(
    "relation target direction cardinality properties description label iri annotations"
    " symmetric transitive inverse subPropertyOf inferredFrom".split()
)


def read_document(value: object) -> Document:
    """The document in typed form. BadInput or Several, with paths from the document's root, for anything else."""
    faults = Faults()
    if not isinstance(value, Mapping):
        raise BadInput("a type definition is an object")
    check_keys(value, _TYPE_KEYS, faults)
    name = value.get("typeName")
    if not isinstance(name, str) or not GRAPHQL_NAME.match(name) or not name[0].isupper() or "__" in name:
        faults.add(
            "a type's name is a capital letter, then letters, digits or single underscores (63 at most)", "typeName"
        )
    labels: dict[str, Label] = {}
    _read_label(value, "", labels, faults)
    fields = _members(value, "fields", faults, lambda n, v, p: _read_field(n, v, p, labels, faults))
    links = _members(value, "links", faults, lambda n, v, p: _read_link(n, v, p, labels, faults))
    _check_renamed(fields, links, faults)
    for both in fields.keys() & links.keys():
        faults.add("a field and a link cannot have one name", "links", both)
    document = Document(
        name=str(name),
        domain=read_choice(value, "domain", ("object", "event"), "object", faults),
        description=read_text(value, "description", faults),
        extends=_read_parents(value, faults),
        plural=read_name(value, "plural", faults),
        natural_key=read_names(value, "naturalKey", faults),
        indexes=_read_indexes(value, faults),
        embedding=_read_embedding(value, faults),
        ui_schema=_read_ui_schema(value, faults),
        iri=read_iri(value, faults),
        annotations=read_annotations(value, faults.add),
        about=read_about(value, faults.add),
        fields=fields,
        links=links,
        labels=labels,
    )
    _check_natural_key(document, faults)
    _check_protected(document, faults)
    faults.raise_any()
    return document


def _read_field(
    name: str, value: object, path: tuple[str, ...], labels: dict[str, Label], faults: Faults
) -> Field | None:
    if not isinstance(value, Mapping):
        faults.add('a field is an object such as {"type": "string"}', *path)
        return None
    check_keys(value, _FIELD_KEYS, faults, *path)
    _read_label(value, name, labels, faults, *path)
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in Kind._value2member_map_:
        faults.add(f"a field's type is one of {', '.join(Kind)}", *path, "type")
        return None
    many = read_flag(value, "list", faults, path)
    result = Field(
        name=name,
        kind=Kind(kind),
        many=many,
        required=read_flag(value, "required", faults, path),
        values=_read_values(value, Kind(kind), faults, path),
        indexed=read_flag(value, "indexed", faults, path),
        searchable=read_flag(value, "searchable", faults, path),
        description=read_text(value, "description", faults, *path),
        key=name,
        protection=_read_protection(value, Kind(kind), many, faults, path),
        constraints=read_constraints(value, Kind(kind), many, faults.under(*path).add),
        iri=read_iri(value, faults, *path),
        datatype=read_iri(value, faults, *path, key="datatype"),
        language=_read_language(value, Kind(kind), faults, path),
        annotations=read_annotations(value, faults.under(*path).add),
        replaces=read_name(value, "replaces", faults, *path),
    )
    if result.indexed and (many or kind == Kind.JSON):
        faults.add("a list or json field cannot be indexed", *path, "indexed")
    if result.searchable and kind not in (Kind.STRING, Kind.TEXT, Kind.URI, Kind.ENUM):
        faults.add("only text can be searchable", *path, "searchable")
    return result


def _read_protection(
    value: Mapping[str, Any], kind: Kind, many: bool, faults: Faults, path: tuple[str, ...]
) -> Protection | None:
    if read_flag(value, "encrypted", faults, path):
        return read_protection(value, kind, many, faults.under(*path).add)
    for key in sorted(PROTECTION_KEYS & value.keys()):
        faults.add("only an encrypted field has this", *path, key)
    return None


def _read_language(value: Mapping[str, Any], kind: Kind, faults: Faults, path: tuple[str, ...]) -> str | None:
    given = value.get("language")
    if given is None:
        return None
    if kind not in (Kind.STRING, Kind.TEXT):
        faults.add("only fields of the types string and text are in a language", *path, "language")
    elif value.get("datatype") is not None:
        faults.add("a text in a language has no other datatype", *path, "datatype")
    elif (tag := canonical_tag(given)) is not None:
        return tag
    else:
        faults.add(EXPECTED, *path, "language")
    return None


def _read_values(value: Mapping[str, Any], kind: Kind, faults: Faults, path: tuple[str, ...]) -> tuple[str, ...]:
    if kind is not Kind.ENUM:  # they are a constraint
        return ()
    values = read_names(value, "values", faults, *path)
    if not values:
        faults.add("an enum needs at least one value", *path, "values")
    for reserved in {"true", "false", "null"} & set(values):
        faults.add(f"{reserved} cannot be an enum value in GraphQL", *path, "values")
    return values


def _read_link(
    name: str, value: object, path: tuple[str, ...], labels: dict[str, Label], faults: Faults
) -> LinkField | None:
    if not isinstance(value, Mapping):
        faults.add('a link is an object such as {"relation": "has_part", "target": "Part"}', *path)
        return None
    check_keys(value, _LINK_KEYS, faults, *path)
    _read_label(value, name, labels, faults, *path)
    relation, target = value.get("relation"), value.get("target")
    if not isinstance(relation, str) or not 1 <= len(relation) <= 200 or not relation.isprintable():
        faults.add("a link needs a relation: its name, 1 to 200 printable characters", *path, "relation")
    if not isinstance(target, str):
        faults.add("a link needs a target: the type at its other end", *path, "target")
    properties = _members(value, "properties", faults, lambda n, v, p: _read_property(n, v, p, faults), *path)
    if not isinstance(relation, str) or not isinstance(target, str):
        return None
    many = read_choice(value, "cardinality", ("many", "one"), "many", faults, *path) == "many"
    return LinkField(
        name=name,
        relation=relation,
        target=target,
        outgoing=read_choice(value, "direction", ("out", "in"), "out", faults, *path) == "out",
        many=many,
        counts=read_counts(value, many, faults.under(*path).add),
        properties=properties,
        description=read_text(value, "description", faults, *path),
        iri=read_iri(value, faults, *path),
        annotations=read_annotations(value, faults.under(*path).add),
        axioms=_read_axioms(value, faults, path),
    )


def _read_axioms(value: Mapping[str, Any], faults: Faults, path: tuple[str, ...]) -> Axioms:
    inverse, chains = value.get("inverse"), value.get("inferredFrom") or []
    if inverse is not None and not _is_relation(inverse):
        faults.add("the inverse is the name of a relation", *path, "inverse")
        inverse = None
    if not isinstance(chains, list) or len(chains) > MAX_CHAINS:
        faults.add(f"inferredFrom is a list of at most {MAX_CHAINS} lists of relations", *path, "inferredFrom")
        chains = []
    for i, chain in enumerate(chains):
        if not isinstance(chain, list) or not 1 <= len(chain) <= MAX_PREMISES or not all(map(_is_relation, chain)):
            faults.add(f"what a link follows from are 1 to {MAX_PREMISES} relations", *path, "inferredFrom", i)
    broader = value.get("subPropertyOf") or []
    if not isinstance(broader, list) or len(broader) > MAX_CHAINS or not all(map(_is_relation, broader)):
        faults.add(f"subPropertyOf is a list of at most {MAX_CHAINS} relations", *path, "subPropertyOf")
        broader = []
    return Axioms(
        symmetric=read_flag(value, "symmetric", faults, path),
        transitive=read_flag(value, "transitive", faults, path),
        inverse=inverse,
        sub_property_of=tuple(broader),
        chains=tuple(tuple(chain) for chain in chains if isinstance(chain, list) and all(map(_is_relation, chain))),
    )


def _is_relation(name: object) -> bool:
    return isinstance(name, str) and 1 <= len(name) <= 201 and name.isprintable()


def _read_property(name: str, value: object, path: tuple[str, ...], faults: Faults) -> Field | None:
    ignored: dict[str, Label] = {}
    result = _read_field(name, value, path, ignored, faults)
    if ignored:
        faults.add("a link's property has the link's label, none of its own", *path, "label")
    if result and (result.indexed or result.searchable):
        faults.add("a link's property cannot be indexed or searchable", *path)
    if result and result.replaces:
        faults.add("a link's property cannot be renamed", *path, "replaces")
    if result and result.protection:
        faults.add("a link's property cannot be encrypted; give it to an object at one of the link's ends", *path)
    return result


def _members(value: Mapping[str, Any], key: str, faults: Faults, read: Any, *path: str) -> dict[str, Any]:
    """The named members under `key`, each read by `read(name, value, path)`; those at fault are left out."""
    members = value.get(key) or {}
    if not isinstance(members, Mapping) or len(members) > MAX_FIELDS:
        faults.add(f"{key} is an object of at most {MAX_FIELDS} members, by name", *path, key)
        return {}
    result = {}
    for name, member in members.items():
        if not isinstance(name, str) or not GRAPHQL_NAME.match(name) or "__" in name:
            faults.add(
                "a name is a letter, then letters, digits or single underscores (63 at most)", *path, key, str(name)
            )
        elif name in RESERVED_FIELDS and not path:
            faults.add(f"{name} is a name every type has already", key, name)
        elif (made := read(name, member, (*path, key, name))) is not None:
            result[name] = made
    return result


def _check_renamed(fields: Mapping[str, Field], links: Mapping[str, LinkField], faults: Faults) -> None:
    replaced: set[str] = set()
    for name, member in fields.items():
        if member.replaces is None:
            continue
        if member.replaces in fields or member.replaces in links:
            faults.add("what is replaced is still in the definition", "fields", name, "replaces")
        elif member.replaces in replaced:
            faults.add("another field replaces this already", "fields", name, "replaces")
        replaced.add(member.replaces)


def _check_natural_key(document: Document, faults: Faults) -> None:
    for i, name in enumerate(document.natural_key):
        member = document.fields.get(name)
        if member is None:
            faults.add("a natural key is made of the type's own fields", "naturalKey", i)
        elif not member.required or member.many or member.kind in (Kind.JSON, Kind.FLOAT):
            faults.add("a field of the natural key is required, single, and neither json nor float", "naturalKey", i)
        elif member.protection:
            faults.add("a field of the natural key cannot be encrypted: ids are made of it", "naturalKey", i)


def _check_protected(document: Document, faults: Faults) -> None:
    for name, member in document.fields.items():
        if member.protection and document.domain == "event":
            faults.add("a field of an event cannot be encrypted", "fields", name, "encrypted")


def _read_parents(value: Mapping[str, Any], faults: Faults) -> tuple[str, ...]:
    """One parent's name, or the names of several in a list."""
    if not isinstance(value.get("extends"), list):
        name = read_name(value, "extends", faults)
        return () if name is None else (name,)
    names = read_names(value, "extends", faults)
    if len(names) > MAX_PARENTS:
        faults.add(f"a type has at most {MAX_PARENTS} parents", "extends")
    return names[:MAX_PARENTS]


def _read_indexes(value: Mapping[str, Any], faults: Faults) -> tuple[tuple[str, ...], ...]:
    indexes = value.get("indexes") or []
    if not isinstance(indexes, list) or len(indexes) > MAX_INDEXES:
        faults.add(f"indexes is a list of at most {MAX_INDEXES} lists of field names", "indexes")
        return ()
    return tuple(read_names({"indexes": names}, "indexes", faults) for names in indexes if names)


def _read_embedding(value: Mapping[str, Any], faults: Faults) -> tuple[str, ...]:
    embedding = value.get("embedding")
    if embedding is None:
        return ()
    if not isinstance(embedding, Mapping) or set(embedding) != {"fields"}:
        faults.add('embedding is an object: {"fields": ["name", …]}', "embedding")
        return ()
    return read_names(embedding, "fields", faults, "embedding")


def _read_ui_schema(value: Mapping[str, Any], faults: Faults) -> Mapping[str, Any] | None:
    ui_schema = value.get("uiSchema")
    if ui_schema is not None and not isinstance(ui_schema, Mapping):
        faults.add("uiSchema is an object", "uiSchema")
        return None
    return ui_schema


def _read_label(value: Mapping[str, Any], name: str, labels: dict[str, Label], faults: Faults, *path: str) -> None:
    if value.get("label") is None:
        return
    try:
        labels[name] = Label.of(value["label"])
    except ValueError as error:
        faults.add(str(error), *path, "label")
