"""Documents: parsed, checked against the limits and validated once for each schema and text, then kept."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    parse,
    specified_rules,
    validate,
)
from graphql.language import FragmentSpreadNode
from graphql.type import get_named_type
from graphql.utilities import get_operation_ast, type_from_ast
from graphql.validation import ASTValidationRule

from fabric.errors import BadInput, TooComplex
from fabric.settings import Settings
from graphql_api.caches import Cache, CacheCounts
from graphql_api.documents.plain_variables import PlainVariables

PLANS_PER_OPERATION = 64
USUAL_LENGTH = 1_000
"""Characters of a document; a longer one takes the room of several."""

MAX_NESTING = 100
"""Levels of everything that nests, fragments included: what the recursion of all later steps can bear."""

TOGETHER = 5
"""What all operations and fragments of a document may amount to, in documents of the most tokens each."""

MAX_ALIAS = 200
"""Characters of an alias: each row of an answer repeats it."""

MOST_ERRORS = 5
"""That one document is told; graphql-core words each with the whole value that it is about."""

MAX_REPEATED = 50_000
"""Pairs of fields of one name in one place, each of which validation compares."""

# How graphql-core words that a document goes beyond its own limits: it has no classes for these errors.
_ABORTED = "Parsing aborted."
_BEYOND = frozenset({"Validation aborted.", "Maximum introspection depth exceeded"})


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    tokens: int
    depth: int
    aliases: int
    directives: int
    introspection: bool

    @classmethod
    def of(cls, settings: Settings) -> "DocumentLimits":
        return cls(
            settings.max_tokens,
            settings.max_depth,
            settings.max_aliases,
            settings.max_directives,
            settings.introspection,
        )


class NumbersInRangeRule(ASTValidationRule):
    """What no 64-bit float holds would be infinite, and infinity is no JSON."""

    def enter_float_value(self, node: FloatValueNode, *_: Any) -> None:
        self._check(node)

    def enter_int_value(self, node: IntValueNode, *_: Any) -> None:
        self._check(node)

    def _check(self, node: FloatValueNode | IntValueNode) -> None:
        if not math.isfinite(float(node.value)):
            self.report_error(GraphQLError("a number beyond the range of a 64-bit float", node))


# An answer comes whole. Advice on how to have it in parts would mislead: no schema here has these directives.
_IN_PARTS = (
    "DeferStreamDirectiveLabel",
    "DeferStreamDirectiveOnRootField",
    "DeferStreamDirectiveOnValidOperationsRule",
    "StreamDirectiveOnListField",
)
_RULES = (*(rule for rule in specified_rules if rule.__name__ not in _IN_PARTS), NumbersInRangeRule)
_SUGGESTION = re.compile(r",? did you mean ", re.IGNORECASE)


class Invalid(Exception):
    """The document is not one of this schema."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


def message_of(error: GraphQLError) -> str:
    # One of graphql-core's rules suggests even when told not to, and so does its lexer.
    return _SUGGESTION.split(error.message, maxsplit=1)[0]


@dataclass(slots=True)
class Operation:
    """One operation of a document, with what decides how it is planned, and its plans by the variables' shape."""

    node: OperationDefinitionNode
    document: DocumentNode
    fragments: Mapping[str, FragmentDefinitionNode]
    deciding: frozenset[str]
    """Variables whose values decide the plan: those of `@skip`, `@include`, orderings and groupings."""
    cursors: frozenset[str]
    plain: PlainVariables
    plans: Cache[Any, Any]

    @property
    def is_query(self) -> bool:
        return self.node.operation is OperationType.QUERY

    @property
    def is_subscription(self) -> bool:
        return self.node.operation is OperationType.SUBSCRIPTION


class Documents:
    """The documents of one schema."""

    def __init__(
        self, schema: GraphQLSchema, limits: DocumentLimits, capacity: int, counts: CacheCounts | None = None
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._counts = counts or CacheCounts()
        self._known: Cache[tuple[str, str | None], Operation] = Cache(capacity, self._counts.documents)

    def known(self, text: str, name: str | None) -> Operation | None:
        """The operation, if it has been prepared before."""
        return self._known.get((text, name))

    def operation(self, text: str, name: str | None) -> Operation:
        """Invalid, TooComplex or BadInput for what cannot run."""
        known = self.known(text, name)
        if known is None:
            known = self.prepare(text, name)
        return known

    def check(self, text: str, schema: GraphQLSchema | None = None) -> None:
        """Invalid, TooComplex or BadInput for what has no operation that could run. `schema` is an equal one."""
        document = self.valid(text, schema)
        if not any(isinstance(d, OperationDefinitionNode) for d in document.definitions):
            raise BadInput("the document has no operation")

    def prepare(self, text: str, name: str | None, document: DocumentNode | None = None) -> Operation:
        """As `operation`, for one that is not known; `document` is what `valid` has made of the text, if it has."""
        operation = self._prepared(document or self.valid(text), name)
        self._known.keep((text, name), operation, 1 + len(text) // USUAL_LENGTH)
        return operation

    def _prepared(self, document: DocumentNode, name: str | None) -> Operation:
        node = get_operation_ast(document, name)
        if node is None:
            raise BadInput("the document has no such operation" if name else "name the operation: there are several")
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        deciding, cursors = _uses(document, node, self._schema)
        plans: Cache[Any, Any] = Cache(PLANS_PER_OPERATION, self._counts.plans)
        plain = PlainVariables(self._schema, node.variable_definitions or ())
        return Operation(node, document, fragments, deciding, cursors, plain, plans)

    def valid(self, text: str, schema: GraphQLSchema | None = None) -> DocumentNode:
        """The document, which belongs to no schema. Invalid or TooComplex; `schema` is an equal one to judge it by."""
        try:
            document = parse(text, no_location=False, max_tokens=self._limits.tokens)
        except GraphQLError as error:
            if error.message.endswith(_ABORTED):
                message = f"the document has more than {self._limits.tokens:,} tokens, or nests too deeply"
                raise TooComplex(message) from None
            raise Invalid([error]) from None
        _check_limits(document, self._limits)
        rules = _RULES if self._limits.introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        errors = validate(
            schema or self._schema, document, rules, max_errors=MOST_ERRORS, hide_suggestions=True
        )
        if any(e.message in _BEYOND for e in errors):
            raise TooComplex("the document repeats too many fields, or introspects too deeply")
        if errors:
            raise Invalid(errors)
        return document


def _check_limits(document: DocumentNode, limits: DocumentLimits) -> None:
    """Counts what an operation amounts to with its fragments spread, each spread anew, before anything is validated."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    unused = dict(fragments)
    together = 0

    def add(counter: _Counter) -> None:
        # Validation looks at what all operations spread, whichever of them is to run.
        nonlocal together
        together += counter.selections
        if together > TOGETHER * limits.tokens:
            raise TooComplex("the document's operations spread their fragments into too many fields")

    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            counter = _Counter(fragments, limits, unused)
            counter.directives += len(definition.directives or ())
            counter.count(definition.selection_set, 1, (), {})
            add(counter)
    # An error, but validation looks at all of them before it says so.
    counter = _Counter(fragments, limits, unused)
    while unused:
        name, fragment = unused.popitem()
        counter.count(fragment.selection_set, 1, (name,), {})
    add(counter)


_Names: TypeAlias = "dict[str, tuple[list[None], _Names]]"
"""By response key: one item for each field that asks for it, and what is asked of them."""


class _Counter:
    def __init__(
        self, fragments: Mapping[str, FragmentDefinitionNode], limits: DocumentLimits,
        unused: dict[str, FragmentDefinitionNode],
    ) -> None:  # fmt: skip
        self._fragments = fragments
        self._limits = limits
        self._unused = unused
        self._nesting = 0
        self.aliases = 0
        self.directives = 0
        self.selections = 0
        self.repeated = 0

    def count(self, selections: SelectionSetNode, depth: int, spread: tuple[str, ...], names: _Names) -> None:
        """`spread` are the fragments around; `names` what else is asked in the same place of the response."""
        self._nesting += 1
        if depth > self._limits.depth or self._nesting > MAX_NESTING:
            raise TooComplex(f"the document is nested deeper than {self._limits.depth} levels")
        for node in selections.selections:
            self.selections += 1
            self.directives += len(node.directives or ())
            if isinstance(node, FieldNode) and node.alias is not None:
                self.aliases += 1
                if len(node.alias.value) > MAX_ALIAS:
                    raise TooComplex(f"an alias has more than {MAX_ALIAS} characters")
            self.check()
            if isinstance(node, FieldNode):
                others, below = names.setdefault((node.alias or node.name).value, ([], {}))
                self.repeated += len(others)
                others.append(None)
                if node.selection_set:
                    self.count(node.selection_set, depth + 1, spread, below)
            elif isinstance(node, InlineFragmentNode):
                self.count(node.selection_set, depth, spread, names)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
                self._unused.pop(node.name.value, None)
                if fragment is not None and node.name.value not in spread:
                    self.count(fragment.selection_set, depth, (*spread, node.name.value), names)
        self._nesting -= 1

    def check(self) -> None:
        if self.aliases > self._limits.aliases:
            raise TooComplex(f"the document has more than {self._limits.aliases} aliases")
        if self.directives > self._limits.directives:
            raise TooComplex(f"the document has more than {self._limits.directives} directives")
        if self.selections > self._limits.tokens:
            raise TooComplex("the document spreads its fragments into too many fields")
        if self.repeated > MAX_REPEATED:
            raise TooComplex("the document asks for the same fields too many times")


def _uses(
    document: DocumentNode, operation: OperationDefinitionNode, schema: GraphQLSchema
) -> tuple[frozenset[str], frozenset[str]]:
    """Which variables decide the plan by their value, and which are cursors."""
    deciding: set[str] = set()
    cursors: set[str] = set()
    for definition in operation.variable_definitions or ():
        named = get_named_type(type_from_ast(schema, definition.type))
        if named is not None and named.name.endswith(("OrderBy", "OrderDirection", "GroupBy", "Grouping")):
            deciding.add(definition.variable.name.value)
    pending: list[Node] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, FieldNode):
            for argument in node.arguments or ():
                if argument.name.value in ("after", "before") and isinstance(argument.value, VariableNode):
                    cursors.add(argument.value.name.value)
        for directive in getattr(node, "directives", None) or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    deciding.add(argument.value.name.value)
        if isinstance(node, DocumentNode):
            pending += node.definitions
        elif getattr(node, "selection_set", None) is not None:
            pending += node.selection_set.selections  # type: ignore[attr-defined]
    return frozenset(deciding), frozenset(cursors)
