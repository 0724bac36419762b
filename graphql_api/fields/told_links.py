"""Links as values by field name: of versions that events keep, and of links that are read by their ids."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric.events import version_json
from fabric.events.history import Version
from fabric.identity.organizations import Organization
from fabric.inference.all_links import ALL_LINKS
from fabric.types.catalogue import Catalogue
from graphql_api.context import Context
from graphql_api.fields.told_events import moment

_READ = f"""
select link_id, label, {version_json.LINK.format(v="l")} as version from {ALL_LINKS} l
where organization_id = $1 and link_id = any($2) and not tombstone"""

_MOMENTS = {"createdAt": "created_at", "updatedAt": "updated_at", "validFrom": "valid_from", "validTo": "valid_to"}


def told_link(
    organization: Organization, catalogue: Catalogue, id: UUID, label: int, version: Version
) -> dict[str, Any]:
    """What the type `Link` shows, by field name; properties as far as the catalogue has them.

    Under `explain` is the id of a link that can be explained.
    """
    relation = catalogue.relations.get(version["relation"])
    fields = relation.properties.values() if relation else ()
    stored = version["properties"]
    return {
        "id": str(id),
        "relation": version["relation"],
        "from": version["source_id"],
        "to": version["target_id"],
        "label": str(organization.lattice.decode(label)),
        "revision": version["revision"],
        "inferred": version["revision"] == 0,
        "explain": str(id) if version["revision"] == 0 else None,
        "weight": version.get("weight"),
        "properties": {f.name: stored[f.key] for f in fields if f.key in stored},
        "semanticNamespace": version.get("semantic_namespace"),
        "semanticPredicate": version.get("semantic_predicate"),
        **{name: stored_moment(version.get(column)) for name, column in _MOMENTS.items()},
    }


async def read_links(context: Context, ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Those of the links that the session sees, by field name. Their ends are not looked at."""
    subject, services = context.subject, context.services
    catalogue = await services.types.catalogue(subject.session)
    async with services.database.transaction(subject.session) as transaction:
        rows = await transaction.fetch(_READ, subject.organization_id, list(ids))
    return {
        row["link_id"]: told_link(context.organization, catalogue, row["link_id"], row["label"], row["version"])
        for row in rows
    }


def stored_moment(text: str | None) -> str | None:
    return None if text is None else moment(datetime.fromisoformat(text))
