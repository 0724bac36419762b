"""The typed plan between a selection and its SQL: what is read, under which conditions, in which order and form.

Values that come with a request are `Parameter`s. A plan holds no value of any request: all of one shape share it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.types.access import Access
from fabric.types.definitions import Field


@dataclass(frozen=True, slots=True)
class Request:
    """What parameters are bound from."""

    subject: Subject
    organization: Organization
    variables: Mapping[str, Any]


Binder: TypeAlias = Callable[[Request], Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of the statement: the binder's index. It gets its number where the statement first says it."""

    index: int


# Conditions on one row. Each leaf is false where the value is missing; `Not` turns that into true.


@dataclass(frozen=True, slots=True)
class Compare:
    """`{x}` is the value, `{p}` the parameter already cast."""

    access: Access
    template: str
    parameter: Parameter
    cast: str


@dataclass(frozen=True, slots=True)
class Holds:
    """A condition on the row itself: `{o}` is its alias, `{p}` the parameter, where there is one."""

    template: str
    parameter: Parameter | None = None


@dataclass(frozen=True, slots=True)
class All:
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Linked:
    """At least one object over the hop fulfils the condition."""

    hop: "Hop"
    condition: "Condition"


EVERYTHING = All(())
"""The condition that every row fulfils."""

Condition: TypeAlias = "Compare | Holds | All | AnyOf | Not | Linked"


@dataclass(frozen=True, slots=True)
class Hop:
    """From an object over a relation's links to the objects at their other end."""

    relation: str
    outgoing: bool
    types: tuple[str, ...]
    inferred: bool = False
    """Whether some of the links may be inferred."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an ordering: a value of the row, or of the object over `hops`. `nullable` values can be missing."""

    access: Access
    descending: bool
    nulls_first: bool
    nullable: bool
    hops: tuple["Hop", ...] = ()


@dataclass(frozen=True, slots=True)
class Keyset:
    """Where a page starts or ends: beyond the row with these values (None: the value is missing there)."""

    values: tuple[Parameter | None, ...]


# What a row gives.


@dataclass(frozen=True, slots=True)
class Constant:
    json: str


@dataclass(frozen=True, slots=True)
class Data:
    field: Field


@dataclass(frozen=True, slots=True)
class Encrypted:
    """What can be seen of an encrypted field; null where it has no value. `members` are (response key, name)."""

    field: Field
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """`{o}` is the row's alias, `{l}` its link's, `{p}` the parameter. The result's text form is JSON; if `quoted`, a
    JSON string but for its quotes, one that is never null and needs no escapes."""

    template: str
    parameter: Parameter | None = None
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class TypeName:
    """The GraphQL name of the row's type; those in `abstract` have `Object` appended."""

    abstract: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class One:
    hop: Hop
    row: "Row"


@dataclass(frozen=True, slots=True)
class Many:
    hop: Hop
    page: "Page"


@dataclass(frozen=True, slots=True)
class Summary:
    """An aggregate over the objects that a hop leads to, each as often as links lead to it."""

    hop: Hop
    aggregate: "Aggregate"


@dataclass(frozen=True, slots=True)
class History:
    """A page of the events about an object: of outputs, `{o}` is an event. `after` and `before` are places in cursors.

    `place_pads` are both pads of the key that seals places, `cursor_pads` those of the cursors around them.
    """

    limit: Parameter
    backward: bool
    after: Parameter | None
    before: Parameter | None
    place_pads: Parameter
    cursor_pads: tuple[Parameter, Parameter]
    outputs: tuple[tuple[str, "Outputs | Edges | PageInfo | Constant"], ...]


Output: TypeAlias = "Constant | Data | Encrypted | Column | TypeName | One | Many | Summary | History"
Outputs: TypeAlias = tuple[tuple[str, Output], ...]
"""By response key, in the order of the selection."""


@dataclass(frozen=True, slots=True)
class Row:
    """What objects of several types give: the types that give the same, together."""

    variants: tuple[tuple[tuple[str, ...], Outputs], ...]


@dataclass(frozen=True, slots=True)
class Nodes:
    row: Row


@dataclass(frozen=True, slots=True)
class Edges:
    """`members`: what each edge gives, by response key: a node's row, a link's outputs, a constant, or the cursor."""

    members: tuple[tuple[str, "Row | Outputs | Constant | Cursor"], ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    pass


@dataclass(frozen=True, slots=True)
class PageInfo:
    members: tuple[tuple[str, str], ...]
    """(response key, field of PageInfo)"""


@dataclass(frozen=True, slots=True)
class Total:
    pass


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a connection. `limit` rows in the ordering, from its end when `backward`.

    `ranged`: an index holds the rows in ranges by the first key.
    """

    types: tuple[str, ...]
    condition: Condition
    keys: tuple[Key, ...]
    limit: Parameter
    backward: bool
    after: Keyset | None
    before: Keyset | None
    cursor_pads: tuple[Parameter, Parameter] | None
    ranged: bool
    outputs: tuple[tuple[str, "Nodes | Edges | PageInfo | Total | Constant"], ...]


@dataclass(frozen=True, slots=True)
class ById:
    types: tuple[str, ...]
    id: Parameter
    row: Row


@dataclass(frozen=True, slots=True)
class ByIds:
    types: tuple[str, ...]
    ids: Parameter
    row: Row


# Aggregates. `{o}` is an object's alias.


@dataclass(frozen=True, slots=True)
class Figure:
    """One value that was aggregated, or grouped by: `json` makes text of JSON of the column (`{v}`, `{p}` as above)."""

    column: str
    json: str
    parameter: Parameter | None = None


Figures: TypeAlias = "tuple[tuple[str, Figure | Constant | Figures], ...]"
"""By response key, nested as they are selected."""


@dataclass(frozen=True, slots=True)
class Groups:
    figures: Figures


@dataclass(frozen=True, slots=True)
class MoreGroups:
    pass


@dataclass(frozen=True, slots=True)
class Grouping:
    """`keys` and `columns` by their names; `having` is a condition on a row of both. At most `limit` groups."""

    keys: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    having: Condition
    limit: Parameter


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Aggregates over objects of the types (`columns`, by their names), and over groups of them."""

    types: tuple[str, ...]
    condition: Condition
    columns: tuple[tuple[str, str], ...]
    grouping: Grouping
    outputs: tuple[tuple[str, "Figure | Constant | Figures | Groups | MoreGroups"], ...]


Root: TypeAlias = "ById | ByIds | Page | Aggregate | Constant"


@dataclass(frozen=True, slots=True)
class Plan:
    """The compiled fields of one operation, and how its parameters are bound.

    `seals` raise for a cursor that was made up, also where the statement takes nothing of it.
    """

    roots: tuple[tuple[str, Root], ...]
    binders: tuple[Binder, ...]
    seals: tuple[Binder, ...] = ()
