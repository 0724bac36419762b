"""Where the faults of a request stand in its input: in its variables, in the arguments of a mutation."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import GraphQLError, GraphQLSchema, Undefined, VariableDefinitionNode, is_input_type, type_from_ast
from graphql.utilities import validate_input_value

from fabric.errors import BadInput, Conflict, FabricError, NotFound, Several, TooComplex

MOST_TOLD = 10


class _Enough(Exception):
    """As many faults are found as are told."""


def variable_faults(
    schema: GraphQLSchema, definitions: Iterable[VariableDefinitionNode], given: Mapping[str, Any]
) -> FabricError:
    """What is wrong with variables that graphql-core could not coerce: it says where in words only."""
    faults: list[FabricError] = []
    for definition in definitions:
        name, type_ = definition.variable.name.value, type_from_ast(schema, definition.type)
        if not is_input_type(type_) or (name not in given and definition.default_value):
            continue

        def note(error: GraphQLError, path: list[str | int], name: str = name) -> None:
            faults.append(BadInput(error.message, (name, *path)))
            # Of each fault graphql-core words the whole value, so that all of them would take very long.
            if len(faults) == MOST_TOLD:
                raise _Enough

        try:
            validate_input_value(given.get(name, Undefined), type_, note, hide_suggestions=True)
        except _Enough:
            break
        except RecursionError:
            faults.clear()
            break
    # None at all: what a later step would make of the values is nested beyond what it bears.
    return Several(faults) if faults else TooComplex("the variables are nested too deeply")


def beside_input(error: FabricError) -> FabricError:
    """The error where the caller can mend it: an object's id and expected revision stand beside its data, not in it."""
    if isinstance(error, Several):
        return Several([beside_input(e) for e in error.errors])
    match error.path:
        case () | ("input",) if isinstance(error, NotFound):
            return NotFound(error.message, ("id",))
        case ("inputs", int(i), "set") if isinstance(error, NotFound):
            return NotFound(error.message, ("inputs", i, "id"))
        case (*_, "input" | "set", "expectedRevision") if isinstance(error, Conflict):
            return Conflict(error.message, (*error.path[:-2], "expectedRevision"))
        case _:
            return error
