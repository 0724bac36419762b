"""What an inferred link follows from, asked of many links of a list and found together."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from fabric.errors import BadInput
from fabric.inference.explanation import Derivation, explain
from fabric.types.catalogue import Catalogue
from graphql_api.context import Context, Info
from graphql_api.fields.batches import load
from graphql_api.fields.shaping import by_response_key
from graphql_api.fields.told_links import told_link

MOST = 100
"""Derivations of one link."""

EACH = 10
"""Rows that a derivation counts as, with what is looked through to find it."""


async def explanation(source: Mapping[str, Any], info: Info, first: int) -> Any:
    """`source` has the link's id where the compiler, or `told_link`, has found that it is inferred."""
    if not 0 <= first <= MOST:
        raise BadInput(f"a link is explained by 0 to {MOST} derivations", ("first",))
    link = source[str(info.path.key)]

    async def read(info: Info, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        context = info.context
        context.spend_more(info.path.as_list(), len(ids) * (first + 1) * EACH)
        catalogue = await context.services.types.catalogue(context.subject.session)
        types = [name for name, t in catalogue.types.items() if t.domain == "object"]
        async with context.reading() as transaction:
            found = await explain(transaction, catalogue.rules, types, ids, first)
        return {id: by_response_key([_told(context, catalogue, d) for d in each], info) for id, each in found.items()}

    return None if link is None else next(iter(await load(info, [UUID(link)], read)), [])


def _told(context: Context, catalogue: Catalogue, derivation: Derivation) -> dict[str, Any]:
    return {
        "form": str(derivation.rule.form),
        "relations": [str(premise) for premise in derivation.rule.premises],
        "premises": [
            told_link(context.organization, catalogue, said.link_id, said.label, said.version)
            for said in derivation.premises
        ],
    }
