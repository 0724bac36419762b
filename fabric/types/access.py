"""How each kind of field is reached in SQL: as JSON for the answer, as a value for filters and orderings.

The functions of schema `fabric` are leakproof aliases of the database's own: under row security only those can be index
conditions (see migrations/versions/0001_ground.py). `{o}` is the row's alias.
"""

from dataclasses import dataclass

from fabric.types.definitions import Field
from fabric.types.kinds import Kind

TEXT_KINDS = frozenset({Kind.STRING, Kind.TEXT, Kind.URI})
_BARE_KINDS = frozenset({Kind.INTEGER, Kind.FLOAT, Kind.BOOLEAN})
"""Kinds whose JSON is their text; the others' is a string of it."""


@dataclass(frozen=True, slots=True)
class Access:
    """A value in SQL. `cast` makes a parameter comparable with it; `key` is how a cursor holds it, as jsonb's input."""

    sql: str
    cast: str
    key: str
    collate: str = ""

    @property
    def bare(self) -> str:
        """The value in a statement on one table, where columns need no alias."""
        return self.sql.format(o="objects").replace("objects.", "")

    def of(self, alias: str) -> str:
        return self.sql.format(o=alias)

    def cursor_key(self, alias: str) -> str:
        return self.key.format(self.of(alias))

    def parameter(self, name: str) -> str:
        return self.cast.format(name)


ID = Access("{o}.object_id", "{}::text::uuid", "{}::text")
REVISION = Access("{o}.revision", "{}::bigint", "{}")
LABEL = Access("{o}.label", "{}::bigint", "{}")
CREATED = Access("{o}.created_at", "{}::text::timestamptz", "fabric.time_text({})")
UPDATED = Access("{o}.updated_at", "{}::text::timestamptz", "fabric.time_text({})")
LINK_SOURCE = Access("{l}.source_id", "{}::text::uuid", "{}::text")
LINK_TARGET = Access("{l}.target_id", "{}::text::uuid", "{}::text")
LINK_ID = Access("{l}.link_id", "{}::text::uuid", "{}::text")


def literal(text: str) -> str:
    """An SQL string literal. Only for names of definitions; values are always parameters."""
    return "'" + text.replace("'", "''") + "'"


def value_of(field: Field) -> Access:
    """A single-valued field as a value."""
    name = literal(field.key).replace("{", "{{").replace("}", "}}")
    text = f"fabric.text({{o}}.data, {name})"
    member = f"fabric.field({{o}}.data, {name})"
    match field.kind:
        case Kind.INTEGER | Kind.BIGINT:
            return Access(f"fabric.int8({member})", "{}::bigint", "{}")
        case Kind.FLOAT:
            return Access(f"fabric.float8({member})", "{}::double precision", "{}")
        case Kind.BOOLEAN:
            return Access(f"fabric.bool({member})", "{}::boolean", "{}")
        case Kind.DECIMAL:
            return Access(f"{text}::numeric", "{}::text::numeric", "{}::text")
        case Kind.DURATION:
            return Access(f"fabric.duration({text})", "fabric.duration({}::text)", "({})::text")
        case Kind.JSON:
            return Access(member, "{}::jsonb", "{}")
        case _:
            return Access(f'({text} collate "C")', "{}::text", "{}")


def json_of(field: Field, alias: str) -> str:
    """A value whose text form is the field's JSON, `null` included."""
    key = literal(field.key)
    if field.many and field.kind is Kind.BIGINT:
        items = f"(select string_agg('\"' || x || '\"', ',') from jsonb_array_elements_text({alias}.data->{key}) x)"
        return f"coalesce(case when {alias}.data ? {key} then '[' || coalesce({items}, '') || ']' end, 'null')"
    if field.many or field.kind is Kind.JSON:
        return f"coalesce({alias}.data->{key}, 'null')"
    if field.kind in _BARE_KINDS:
        return f"coalesce({alias}.data->>{key}, 'null')"
    # Half of what `->` costs, which makes a jsonb value of each.
    return f"coalesce(fabric.quoted({alias}.data->>{key}), 'null')"


def has(field: Field, alias: str) -> str:
    return f"({alias}.data ? {literal(field.key)})"
