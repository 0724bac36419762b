"""The fields of Query that read links by themselves: a list of them, and one by its id.

A link is there for who sees it and the objects at both of its ends.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLString,
)

from fabric.errors import BadInput
from fabric.events.link_pages import MAX_RELATIONS, Listed, Place, Slice, Sought, count_links, list_links
from fabric.ids import read_id
from fabric.types.catalogue import Catalogue
from graphql_api.context import Context, Info
from graphql_api.cursors import BadCursor, CursorKey, cursor_key
from graphql_api.fields.page_arguments import PageAsked, names_in
from graphql_api.fields.shaping import by_response_key, is_selected
from graphql_api.fields.told_links import told_link
from graphql_api.schema.common_types import LINK, LINKS, SCALARS, required, slicing
from graphql_api.schema.event_types import DIRECTION

LINKS_WHERE = GraphQLInputObjectType(
    "LinksWhere",
    {
        "relations": GraphQLInputField(GraphQLList(required(GraphQLString))),
        "from": GraphQLInputField(GraphQLID),
        "to": GraphQLInputField(GraphQLID),
        "objectId": GraphQLInputField(GraphQLID, description="At either end, as `direction` says."),
        "direction": GraphQLInputField(required(DIRECTION), default_value="BOTH"),
        "inferred": GraphQLInputField(
            required(GraphQLBoolean), default_value=True, description="Whether links that are inferred are among them."
        ),
        "validAt": GraphQLInputField(SCALARS["DateTime"], description="Links that are valid then."),
    },
)


async def _links(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    catalogue = await _catalogue(context)
    asked, where = PageAsked.of(info, given), given.get("where") or {}
    asked_for = sought(catalogue, where)
    key = _cursor_key(context, where)
    after, before = (
        None if cursor is None else _place(key, cursor, name)
        for name, cursor in (("after", asked.after), ("before", asked.before))
    )
    part = Slice(asked.limit, asked.backward, after, before)
    async with context.reading() as transaction:
        page = await list_links(transaction, asked_for, part)
        total = await count_links(transaction, asked_for) if is_selected(info, "totalCount") else None
    edges = [{"cursor": key.seal(link.place), "node": _told(context, catalogue, link)} for link in page.links]
    connection = asked.connection(edges, page.has_previous, page.has_next) | {"totalCount": total}
    return by_response_key(connection, info)


async def _link(_: Any, info: Info, id: str) -> Any:
    context = info.context
    catalogue = await _catalogue(context)
    async with context.reading() as transaction:
        one = Sought(_objects(catalogue), inferred=bool(catalogue.concluded), link_id=read_id(id))
        found = (await list_links(transaction, one, Slice(1))).links
    return by_response_key(_told(context, catalogue, found[0]), info) if found else None


async def _catalogue(context: Context) -> Catalogue:
    for permission in ("object:read", "link:read"):
        context.subject.require(permission)
    return await context.services.types.catalogue(context.subject.session)


def _told(context: Context, catalogue: Catalogue, link: Listed) -> dict[str, Any]:
    return told_link(context.organization, catalogue, link.link_id, link.label, link.version)


def _objects(catalogue: Catalogue) -> list[str]:
    return [name for name, t in catalogue.types.items() if t.domain == "object"]


def sought(catalogue: Catalogue, where: Mapping[str, Any]) -> Sought:
    """What a `LinksWhere` asks for. BadInput where it names the ends twice, or too many relations."""
    source, target, either = (
        None if where.get(name) is None else read_id(where[name]) for name in ("from", "to", "objectId")
    )
    ends: tuple[tuple[UUID | None, UUID | None], ...] = ((source, target),)
    if either is not None:
        if source is not None or target is not None:
            raise BadInput("name the ends by from and to, or one of them by objectId", ("where", "objectId"))
        ends = {"OUT": ((either, None),), "IN": ((None, either),), "BOTH": ((either, None), (None, either))}[
            where["direction"]
        ]
    relations, valid_at = names_in(where.get("relations")), where.get("validAt")
    if relations is not None and len(relations) > MAX_RELATIONS:
        raise BadInput(f"at most {MAX_RELATIONS} relations at once", ("where", "relations"))
    return Sought(
        _objects(catalogue), relations, ends, None if valid_at is None else datetime.fromisoformat(valid_at),
        inferred=_inferred(catalogue, where),
    )  # fmt: skip


def _inferred(catalogue: Catalogue, where: Mapping[str, Any]) -> bool:
    return bool(catalogue.concluded) and where.get("inferred", True)


def _cursor_key(context: Context, where: Mapping[str, Any]) -> CursorKey:
    """What the order depends on is in the seal: a cursor belongs to these ends and relations."""
    names = [str(where.get(name)) for name in ("from", "to", "objectId")]
    names.append(where["direction"] if where.get("objectId") is not None else "")
    relations = where.get("relations")
    listed = ["any"] if relations is None else sorted(set(relations))
    return cursor_key(context.organization, context.subject.label, ["@links", *names, *listed])


def _place(key: CursorKey, cursor: str, name: str) -> Place:
    try:
        strand, *keys = key.open(cursor)
    except BadCursor:
        raise BadInput("not a cursor of this list", (name,)) from None
    return (strand, *keys)


LINK_FIELDS: GraphQLFieldMap = {
    "links": GraphQLField(
        required(LINKS), {"where": GraphQLArgument(LINKS_WHERE), **slicing()}, _links,
        description="Links between objects that you see.",
    ),
    "link": GraphQLField(
        LINK, {"id": GraphQLArgument(required(GraphQLID))}, _link,
        description="Null where you do not see it or one of its ends.",
    ),
}  # fmt: skip
