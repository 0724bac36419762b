"""Schemas whose types and root fields are made when they are first asked for.

A request asks for few of them: so a schema of thousands of types is there at once, and costs what is used of it. What
walks over all of it (introspection, printing, graphql-core's own validation of schemas) makes all of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

from graphql import (
    GraphQLDirective,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
)
from graphql.type.schema import InterfaceImplementations

V = TypeVar("V")


class MadeWhenAsked(Mapping[str, V]):
    """Values by name. `make` makes one that is missing, and may make others with it; `make_all` all there are."""

    def __init__(
        self, known: Mapping[str, V], make: Callable[[str], Mapping[str, V]], make_all: Callable[[], Mapping[str, V]]
    ) -> None:
        self._made = dict(known)
        self._make = make
        self._make_all: Callable[[], Mapping[str, V]] | None = make_all

    def __getitem__(self, name: str) -> V:
        if name not in self._made and self._make_all is not None:
            self._add(self._make(name))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Mapping[str, V]:
        if self._make_all is not None:
            self._add(self._make_all())
            self._make_all = None
        return self._made

    def _add(self, made: Mapping[str, V]) -> None:
        for name, value in made.items():
            self._made.setdefault(name, value)


def root_type(name: str, fields: Mapping[str, GraphQLField]) -> GraphQLObjectType:
    """An object type with these fields as they are: graphql-core would make a dictionary of them."""
    root = GraphQLObjectType(name, {})
    root.fields = fields
    return root


class LazySchema(GraphQLSchema):
    """`types` are there from the beginning; `named` makes others, `implementing` gives what implements an interface."""

    def __init__(
        self, query: GraphQLObjectType, mutation: GraphQLObjectType, subscription: GraphQLObjectType,
        types: Collection[GraphQLNamedType], directives: Collection[GraphQLDirective],
        named: Callable[[str], Mapping[str, GraphQLNamedType]],
        all_types: Callable[[], Mapping[str, GraphQLNamedType]],
        implementing: Callable[[str], InterfaceImplementations],
    ) -> None:  # fmt: skip
        super().__init__(subscription=subscription, types=types, directives=directives, assume_valid=True)
        self.query_type, self.mutation_type = query, mutation
        known = self.type_map | {query.name: query, mutation.name: mutation}
        self.type_map = MadeWhenAsked(known, named, all_types)  # type: ignore[assignment]
        self._implementing = implementing

    def get_implementations(self, interface_type: GraphQLInterfaceType) -> InterfaceImplementations:
        return self._implementing(interface_type.name)
