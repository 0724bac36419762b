"""Keys of encrypted fields in the schema, and their rotations."""

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.encryption.key_rotations import Key, Rotation, State
from fabric.errors import BadInput
from graphql_api.context import Context, Info
from graphql_api.fields.told_events import moment
from graphql_api.schema.common_types import SCALARS, listed, required

_TIME = SCALARS["DateTime"]
_COUNT = SCALARS["BigInt"]

KEY_VERSION = GraphQLObjectType(
    "EncryptionKeyVersion",
    {
        "version": GraphQLField(required(GraphQLInt)),
        "createdAt": GraphQLField(required(_TIME)),
        "rows": GraphQLField(required(_COUNT), description="Values under it, of those that you could see."),
    },
)

KEY = GraphQLObjectType(
    "EncryptionKey",
    {
        "purpose": GraphQLField(required(GraphQLString)),
        "latestVersion": GraphQLField(required(GraphQLInt), description="What is written is encrypted with it."),
        "minimumVersion": GraphQLField(required(GraphQLInt), description="Those before it decrypt nothing any more."),
        "versions": GraphQLField(listed(KEY_VERSION)),
    },
    description="The key that encrypts the fields of one purpose.",
)

ROTATION_STATE = GraphQLEnumType(
    "KeyRotationState",
    {str(state): str(state) for state in State},
    description="FAILED: some values cannot be decrypted. Those stay as they are, and so do the versions of the key.",
)

ROTATION = GraphQLObjectType(
    "KeyRotation",
    {
        "rotationId": GraphQLField(required(GraphQLID)),
        "purpose": GraphQLField(required(GraphQLString)),
        "label": GraphQLField(required(SCALARS["Label"]), description="The session label of who began it."),
        "state": GraphQLField(required(ROTATION_STATE)),
        "targetVersion": GraphQLField(GraphQLInt, description="Null until the vault has made it."),
        "rows": GraphQLField(required(_COUNT), description="Values of this purpose, of those that you could see."),
        "rowsLeft": GraphQLField(required(_COUNT), description="Of these, how many are not under the new version yet."),
        "failure": GraphQLField(GraphQLString),
        "startedBy": GraphQLField(required(GraphQLString), description="`schedule` for those begun by policy."),
        "startedAt": GraphQLField(required(_TIME)),
        "finishedAt": GraphQLField(_TIME),
    },
    description="A new version of a key, and all values put under it.",
)

_PAYLOAD = GraphQLObjectType("KeyRotationPayload", {"keyRotation": GraphQLField(required(ROTATION))})


async def _keys(_: Any, info: Info) -> Any:
    found = await info.context.services.key_rotations.keys(info.context.subject)
    return [_told_key(key) for key in found]


async def _rotations(_: Any, info: Info, first: int | None = None) -> Any:
    context = info.context
    settings = context.services.settings
    limit = settings.default_page_size if first is None else first
    if not 0 <= limit <= settings.max_page_size:
        raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", ("first",))
    found = await context.services.key_rotations.seen(context.subject, limit)
    return [_told(context, each) for each in found]


async def _rotation(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    rotation_id = context.read_id(given["rotationId"], "rotationId")
    found = await context.services.key_rotations.seen(context.subject, 1, rotation_id)
    return _told(context, found[0]) if found else None


async def _rotate(_: Any, info: Info, purpose: str) -> Any:
    context = info.context
    rotation_id = await context.services.key_rotations.start(context.subject, purpose, request_id=context.request_id)
    return await _payload(context, rotation_id)


async def _pause(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    rotation_id = context.read_id(given["rotationId"], "rotationId")
    await context.services.key_rotations.pause(
        context.subject, context.organization.lattice, rotation_id, request_id=context.request_id
    )
    return await _payload(context, rotation_id)


async def _resume(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    rotation_id = context.read_id(given["rotationId"], "rotationId")
    await context.services.key_rotations.resume(
        context.subject, context.organization.lattice, rotation_id, request_id=context.request_id
    )
    return await _payload(context, rotation_id)


async def _payload(context: Context, rotation_id: Any) -> Any:
    (found,) = await context.services.key_rotations.seen(context.subject, 1, rotation_id)
    return {"keyRotation": _told(context, found)}


def _told_key(key: Key) -> dict[str, Any]:
    return {
        "purpose": key.purpose,
        "latestVersion": key.state.latest_version,
        "minimumVersion": key.state.minimum_version,
        "versions": [
            {"version": version, "createdAt": moment(made), "rows": str(key.rows.get(version, 0))}
            for version, made in sorted(key.state.versions.items())
        ],
    }


def _told(context: Context, rotation: Rotation) -> dict[str, Any]:
    return {
        "rotationId": str(rotation.rotation_id),
        "purpose": rotation.purpose,
        "label": str(context.organization.lattice.decode(rotation.label)),
        "state": str(rotation.state),
        "targetVersion": rotation.target_version,
        "rows": str(rotation.rows),
        "rowsLeft": str(rotation.rows_left),
        "failure": rotation.failure,
        "startedBy": rotation.started_by,
        "startedAt": moment(rotation.started_at),
        "finishedAt": moment(rotation.finished_at) if rotation.finished_at else None,
    }


_ID = {"rotationId": GraphQLArgument(required(GraphQLID))}

KEY_QUERIES: GraphQLFieldMap = {
    "keys": GraphQLField(listed(KEY), resolve=_keys, description="Keys of the purposes that you see."),
    "keyRotations": GraphQLField(
        listed(ROTATION), {"first": GraphQLArgument(GraphQLInt)}, _rotations, description="The newest first.",
    ),
    "keyRotation": GraphQLField(ROTATION, _ID, _rotation),
}  # fmt: skip

KEY_MUTATIONS: GraphQLFieldMap = {
    "rotateKeys": GraphQLField(
        required(_PAYLOAD), {"purpose": GraphQLArgument(required(GraphQLString))}, _rotate,
        description="Makes a new version of a purpose's key, and puts all values under it, behind the scenes.",
    ),
    "pauseKeyRotation": GraphQLField(required(_PAYLOAD), _ID, _pause),
    "resumeKeyRotation": GraphQLField(required(_PAYLOAD), _ID, _resume),
}  # fmt: skip
