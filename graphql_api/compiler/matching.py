"""Encrypted fields found by the equality of their values, without unlocking them: by their blind indexes.

A plan's argument is then what digests are to be made of; the vault makes all of a request's at once, before its
statement runs. What these digests give away is in docs/security-officers.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fabric.encryption.encryption import Encryption, index_message, required
from fabric.errors import BadInput, TooComplex
from fabric.identity.organizations import Organization
from fabric.types.access import literal
from fabric.types.definitions import Field
from fabric.types.kinds import KindError
from fabric.types.values import read_value
from graphql_api.compiler import plan as p
from graphql_api.documents.arguments import Leaf

PERMISSION = "field:match"

OPERATORS = ("eq", "in")

MOST = 100
"""Values of one request that may be asked for: each is a question to the vault."""

_ROW = (
    "exists (select from fabric.encrypted_fields e where e.organization_id = s.org and e.entity_table = 'objects'"
    " and e.field_name = {} and e.blind_index = any({{p}}::bytea[])"
    " and e.entity_id = {{o}}.object_id and e.label = {{o}}.label)"
)


@dataclass(frozen=True, slots=True)
class Undigested:
    """Messages whose digests the statement takes."""

    messages: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "Undigested(…)"


def condition(field: Field) -> str:
    """Of a row whose value of the field is one of those in the parameter."""
    return _ROW.format(literal(field.key))


def messages(field: Field, op: str, leaf: Leaf, path: tuple[str | int, ...]) -> p.Binder:
    """What `eq` or `in` is given, each read as the field reads values."""

    def bind(request: p.Request) -> Undigested:
        given = leaf.get(request.variables)
        values = [given] if op == "eq" else given or []
        try:
            return Undigested(tuple(index_message(field.key, read_value(field, v)) for v in values if v is not None))
        except KindError as error:
            raise BadInput(str(error), path) from None

    return bind


async def digested(
    encryption: Encryption | None, organization: Organization, arguments: Sequence[Any]
) -> tuple[Any, ...]:
    """The arguments as the statement takes them. VaultUnavailable; TooComplex for too many values."""
    asked = [m for argument in arguments if isinstance(argument, Undigested) for m in argument.messages]
    if not asked:
        return tuple([] if isinstance(argument, Undigested) else argument for argument in arguments)
    if len(asked) > MOST:
        raise TooComplex(f"a request may ask for {MOST} values of encrypted fields at most")
    made = iter(await required(encryption).digests(organization.organization_id, asked))
    return tuple(
        [next(made) for _ in argument.messages] if isinstance(argument, Undigested) else argument
        for argument in arguments
    )
