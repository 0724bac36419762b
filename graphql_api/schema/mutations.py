"""The generated mutations: from arguments to `fabric.objects`, and back to what the caller selected of the result."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.errors import BadInput, FabricError, raise_any
from fabric.ids import read_id
from fabric.names import camel, pascal
from fabric.types.catalogue import ObjectType
from fabric.writing.objects import Change, Written
from graphql_api.context import Context, Info
from graphql_api.faults import beside_input
from graphql_api.positions import position_token
from graphql_api.schema.generated_types import GeneratedObject
from graphql_api.schema.inputs import Inputs
from graphql_api.schema.link_inputs import nested_links

MAX_BULK = 1_000

_POSITION = GraphQLField(
    GraphQLString, description="Where the change stands among all changes; null where nothing differed."
)


def mutation_fields(object_type: ObjectType, inputs: Inputs, shape: Any) -> GraphQLFieldMap:
    """create, update, upsert and delete of one type, each for one object and for many in one transaction."""
    name, many = object_type.name, pascal(object_type.plural)
    payload, bulk, gone, all_gone = _payloads(object_type, shape)
    required = GraphQLNonNull
    expected = {"expectedRevision": GraphQLArgument(GraphQLInt, out_name="expected_revision")}
    one_id = {"id": GraphQLArgument(required(GraphQLID))}

    def listed(type_: Any) -> dict[str, GraphQLArgument]:
        return {"inputs": GraphQLArgument(required(GraphQLList(required(type_))))}

    async def create(_: Any, info: Info, input: dict[str, Any]) -> Any:
        return await _one(info, _given("create", name, input, "input"))

    async def create_many(_: Any, info: Info, inputs: list[dict[str, Any]]) -> Any:
        return await _many(info, _all_given("create", name, inputs))

    async def upsert(_: Any, info: Info, input: dict[str, Any]) -> Any:
        return await _one(info, _given("upsert", name, input, "input"))

    async def upsert_many(_: Any, info: Info, inputs: list[dict[str, Any]]) -> Any:
        return await _many(info, _all_given("upsert", name, inputs))

    async def update(_: Any, info: Info, id: str, input: dict[str, Any], expected_revision: int | None = None) -> Any:
        return await _one(info, _update(name, read_id(id), input, expected_revision, "input"))

    async def update_many(_: Any, info: Info, inputs: list[dict[str, Any]]) -> Any:
        return await _many(info, [_bulk_update(name, x, i) for i, x in enumerate(inputs)])

    async def delete(_: Any, info: Info, id: str, expected_revision: int | None = None) -> Any:
        object_id = read_id(id)
        _, position = await _written(info.context, [Change("delete", name, {}, object_id, expected_revision)])
        return {"deletedId": str(object_id), "position": position}

    async def delete_many(_: Any, info: Info, ids: list[str]) -> Any:
        object_ids = list(map(read_id, ids))
        changes = [Change("delete", name, {}, x, path=("ids", i)) for i, x in enumerate(object_ids)]
        _, position = await _written(info.context, changes)
        return {"deletedIds": list(map(str, object_ids)), "position": position}

    made = {
        f"create{name}": _mutation(payload, {"input": GraphQLArgument(required(inputs.create(object_type)))}, create),
        f"create{many}": _mutation(bulk, listed(inputs.create(object_type)), create_many),
        f"update{name}": _mutation(
            payload, one_id | {"input": GraphQLArgument(required(inputs.update(object_type)))} | expected, update
        ),
        f"update{many}": _mutation(bulk, listed(inputs.bulk_update(object_type)), update_many),
        f"upsert{name}": _mutation(payload, {"input": GraphQLArgument(required(inputs.upsert(object_type)))}, upsert),
        f"upsert{many}": _mutation(bulk, listed(inputs.upsert(object_type)), upsert_many),
        f"delete{name}": _mutation(gone, one_id | expected, delete),
        f"delete{many}": _mutation(
            all_gone, {"ids": GraphQLArgument(required(GraphQLList(required(GraphQLID))))}, delete_many
        ),
    }
    # Of a type without fields and links, or none that this reader sees, there is nothing to update.
    if not object_type.fields and not object_type.links:
        return {n: field for n, field in made.items() if not n.startswith("update")}
    return made


def _mutation(payload: GraphQLObjectType, args: dict[str, GraphQLArgument], resolve: Any) -> GraphQLField:
    return GraphQLField(GraphQLNonNull(payload), args, resolve=resolve)


def _payloads(object_type: ObjectType, shape: Any) -> tuple[GraphQLObjectType, ...]:
    name, single, plural = object_type.name, camel(object_type.name), camel(object_type.plural)
    ids = GraphQLNonNull(GraphQLList(GraphQLNonNull(GraphQLID)))
    listed = GraphQLNonNull(GraphQLList(GraphQLNonNull(shape)))
    changed = GraphQLField(GraphQLNonNull(GraphQLBoolean), description="Whether anything differs from before.")
    return (
        GeneratedObject(
            f"{name}Payload",
            {single: GraphQLField(shape, resolve=_read_one), "changed": changed, "position": _POSITION},
        ),
        GeneratedObject(
            f"{name}BulkPayload", {plural: GraphQLField(listed, resolve=_read_many), "position": _POSITION}
        ),
        GeneratedObject(
            f"{name}DeletePayload", {"deletedId": GraphQLField(GraphQLNonNull(GraphQLID)), "position": _POSITION}
        ),
        GeneratedObject(f"{name}BulkDeletePayload", {"deletedIds": GraphQLField(ids), "position": _POSITION}),
    )


def _all_given(action: Literal["create", "upsert"], name: str, inputs: list[dict[str, Any]]) -> list[Change]:
    changes: list[Change] = []
    errors: list[FabricError] = []
    for i, input in enumerate(inputs):
        try:
            changes.append(_given(action, name, input, "inputs", i))
        except BadInput as error:
            errors.append(error)
    raise_any(errors)
    return changes


def _given(action: Literal["create", "upsert"], name: str, input: dict[str, Any], *path: str | int) -> Change:
    object_id = _new_id(input["id"], *path, "id") if input.get("id") is not None else None
    nested = nested_links(input, "link" if action == "create" else "upsert", *path)
    return Change(action, name, _data(input), object_id, path=path, links=nested)


def _update(name: str, object_id: UUID, input: dict[str, Any], expected: int | None, *path: str | int) -> Change:
    return Change("update", name, _data(input), object_id, expected, path, nested_links(input, "link", *path))


def _data(input: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in input.items() if k not in ("id", "link", "unlink")}


def _new_id(value: str, *path: str | int) -> UUID:
    """An id that an object is to have."""
    try:
        return UUID(value)
    except ValueError:
        raise BadInput("an id is a UUID", path) from None


def _bulk_update(name: str, input: dict[str, Any], index: int) -> Change:
    return _update(name, read_id(input["id"]), input["set"], input.get("expectedRevision"), "inputs", index, "set")


async def _written(context: Context, changes: Sequence[Change]) -> tuple[list[Written], str | None]:
    if sum(1 + len(change.links) for change in changes) > MAX_BULK:
        raise BadInput(f"one mutation takes {MAX_BULK:,} objects and links at most", changes[0].path[:1])
    try:
        written, position = await context.services.objects.write(
            context.subject, context.organization, changes, request_id=context.request_id
        )
    except FabricError as error:
        raise beside_input(error) from None
    return written, position_token(context.organization, position) if position else None


async def _one(info: Info, change: Change) -> dict[str, Any]:
    info.context.reader.check_objects(info.context, info, 1)
    written, position = await _written(info.context, [change])
    return {"ids": [written[0].object_id], "changed": written[0].changed, "position": position}


async def _many(info: Info, changes: list[Change]) -> dict[str, Any]:
    info.context.reader.check_objects(info.context, info, len(changes))
    written, position = await _written(info.context, changes)
    return {"ids": [w.object_id for w in written], "position": position}


async def _read_one(payload: dict[str, Any], info: Info) -> Any:
    return (await _read_many(payload, info))[0]


async def _read_many(payload: dict[str, Any], info: Info) -> list[Any]:
    """What is selected of the written objects, by the compiler, as the writer now sees them."""
    context: Context = info.context
    rows: list[Any] = await context.reader.read_objects(context, info, payload["ids"])
    return rows
