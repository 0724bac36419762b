"""The part of the schema that is the same for everybody, written with Strawberry. The generated part joins it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from fabric.document_register import document_id
from fabric.errors import BadInput, FabricError, NotFound, Several, raise_any
from fabric.events.appending import OwnEvent, append
from fabric.types.catalogue import Catalogue
from fabric.types.changes_planned import Plan
from fabric.types.type_documents import as_document
from fabric.writing.links import LinkChange
from fabric.writing.regrading import regrade
from graphql_api.context import Context
from graphql_api.documents.persisted import faults
from graphql_api.faults import beside_input
from graphql_api.positions import position_token
from graphql_api.schema.scalars import SCALAR_MAP, DateTime, Json, Label

Asked = Info[Context, None]


@strawberry.type(description="Who is asking, and what the server makes of it.")
class Viewer:
    subject: str
    organization: str
    roles: list[str]
    permissions: list[str]
    clearance: Label = strawberry.field(description="The highest label you may ever use.")
    session_label: Label = strawberry.field(description="The label this request runs at.")


@strawberry.type(description="A type definition, as far as you can see it.")
class TypeDefinition:
    type_name: str
    label: Label
    domain: str
    description: str | None
    extends: str | None = strawberry.field(description="Its parent; of several the first.")
    parents: list[str]
    natural_key: list[str]
    field_schema: Json = strawberry.field(description="The definition as a document that `defineType` takes.")
    ui_schema: Json | None = strawberry.field(description="What form builders keep about the type.")


@strawberry.type
class DefineTypePayload:
    changed: list[str] = strawberry.field(description="The types that differ from before.")
    type_definitions: list[TypeDefinition]


@strawberry.type(description="What one change of a definition comes to.")
class PlannedChange:
    type_name: str
    field: str | None = strawberry.field(description="Null for a whole type.")
    change: str = strawberry.field(
        description="ADDED, RENAMED, WIDENED, NARROWED, REPLACED (by one of another kind), REQUIRED or REMOVED."
    )
    was: str | None = strawberry.field(description="The name before, of a field that is renamed.")
    objects: int = strawberry.field(
        description="Those you see that hold a value of the field, lack one that becomes required, or do not have as "
        "many links as is asked now."
    )


@strawberry.type
class TypePlan:
    changes: list[PlannedChange]
    obstacles: list[str] = strawberry.field(description="Why it would be refused, as far as you see.")


@strawberry.type
class RetireTypePayload:
    type_name: str


@strawberry.type
class RegisterDocumentsPayload:
    document_ids: list[str] = strawberry.field(description="In the order of the texts.")
    changed: bool = strawberry.field(description="Whether any of them was not registered at this label before.")


@strawberry.input(description="A link between two objects. `key` tells parallel links of one relation apart.")
class LinkInput:
    relation: str
    from_: strawberry.ID = strawberry.field(name="from")
    to: strawberry.ID
    key: str | None = None
    weight: float | None = strawberry.UNSET
    properties: Json | None = strawberry.UNSET
    valid_from: DateTime | None = strawberry.UNSET
    valid_to: DateTime | None = strawberry.UNSET
    semantic_namespace: str | None = strawberry.UNSET
    semantic_predicate: str | None = strawberry.UNSET


@strawberry.input(description="What changes of a link; properties are merged, null clears.")
class UpdateLinkInput:
    weight: float | None = strawberry.UNSET
    properties: Json | None = strawberry.UNSET
    valid_from: DateTime | None = strawberry.UNSET
    valid_to: DateTime | None = strawberry.UNSET
    semantic_namespace: str | None = strawberry.UNSET
    semantic_predicate: str | None = strawberry.UNSET


@strawberry.type
class LinkPayload:
    link_id: strawberry.ID
    changed: bool
    position: str | None


@strawberry.type
class RegradePayload:
    object_id: strawberry.ID
    label: Label
    position: str | None


@strawberry.input(description="An event of your own: `link.triggered` of a link, or a topic of yours.")
class AppendEventInput:
    topic: str
    type: str | None = strawberry.field(default=None, description="A type of the domain `event`, which data is of.")
    data: Json | None = None
    object_id: strawberry.ID | None = None
    link_id: strawberry.ID | None = None


@strawberry.type
class AppendEventPayload:
    topic: str
    position: str


@strawberry.type
class Query:
    @strawberry.field
    async def viewer(self, info: Asked) -> Viewer:
        subject, lattice = info.context.subject, info.context.organization.lattice
        return Viewer(
            subject=subject.subject,
            organization=subject.organization,
            roles=sorted(subject.roles),
            permissions=sorted(subject.permissions),
            clearance=Label(str(lattice.decode(subject.clearance))),
            session_label=Label(str(lattice.decode(subject.label))),
        )

    @strawberry.field(description="The types you can see, by name; for form builders and generators.")
    async def type_definitions(self, info: Asked, names: list[str] | None = None) -> list[TypeDefinition]:
        catalogue = await _catalogue(info.context)
        wanted = catalogue.types.keys() & set(names) if names is not None else catalogue.types.keys()
        return _described(info, catalogue, wanted)

    @strawberry.field
    async def type_definition(self, info: Asked, type_name: str) -> TypeDefinition | None:
        catalogue = await _catalogue(info.context)
        return next(iter(_described(info, catalogue, {type_name} & catalogue.types.keys())), None)


    @strawberry.field(description="What `defineTypes` would come to, without doing any of it.")
    async def plan_types(self, info: Asked, definitions: list[Json]) -> TypePlan:
        context = info.context
        _limit(definitions)
        context.spend(info.path.as_list(), DEFINITION_ROWS * len(definitions))
        try:
            plan = await context.services.types.plan(context.subject, context.organization.lattice, definitions)
        except FabricError as error:
            raise _led(error, single=False) from None
        return _told_plan(plan)


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Makes or changes one type.")
    async def define_type(self, info: Asked, definition: Json) -> DefineTypePayload:
        return await _define(info, [definition], single=True)

    @strawberry.mutation(description="Makes or changes several types that may refer to each other, all or none.")
    async def define_types(self, info: Asked, definitions: list[Json]) -> DefineTypePayload:
        return await _define(info, definitions, single=False)

    @strawberry.mutation(description="Takes a type away that no object is left of.")
    async def retire_type(self, info: Asked, type_name: str) -> RetireTypePayload:
        await info.context.services.types.retire(info.context.subject, type_name)
        return RetireTypePayload(type_name=type_name)

    @strawberry.mutation(description="Registers documents, all or none, so that they can be asked for by their ids.")
    async def register_documents(self, info: Asked, texts: list[str]) -> RegisterDocumentsPayload:
        context = info.context
        context.subject.require("document:register")
        found = await context.reader.checking(lambda check: faults(texts, check))
        raise_any([fault.under("texts") for fault in found])
        new = await context.services.documents.register(context.subject, texts, request_id=context.request_id)
        return RegisterDocumentsPayload(document_ids=[document_id(text) for text in texts], changed=bool(new))

    @strawberry.mutation
    async def link(self, info: Asked, input: LinkInput) -> LinkPayload:
        return await _link(
            info.context,
            LinkChange(
                "link",
                relation=input.relation,
                source_id=info.context.read_id(input.from_, "input", "from"),
                target_id=info.context.read_id(input.to, "input", "to"),
                key=input.key,
                values=_link_values(input),
                path=("input",),
            ),
        )

    @strawberry.mutation
    async def update_link(
        self, info: Asked, id: strawberry.ID, input: UpdateLinkInput, expected_revision: int | None = None
    ) -> LinkPayload:
        return await _link(
            info.context,
            LinkChange(
                "update",
                link_id=info.context.read_id(id, "id"),
                values=_link_values(input),
                expected_revision=expected_revision,
                path=("input",),
            ),
        )

    @strawberry.mutation
    async def unlink(self, info: Asked, id: strawberry.ID, expected_revision: int | None = None) -> LinkPayload:
        change = LinkChange("unlink", link_id=info.context.read_id(id, "id"), expected_revision=expected_revision)
        return await _link(info.context, change)

    @strawberry.mutation
    async def append_event(self, info: Asked, input: AppendEventInput) -> AppendEventPayload:
        context = info.context
        if not isinstance(input.data, Mapping | None):
            raise BadInput("data is an object, by field name", ("input", "data"))
        event = OwnEvent(
            input.topic,
            input.type,
            input.data or {},
            context.read_id(input.object_id, "input", "objectId") if input.object_id is not None else None,
            context.read_id(input.link_id, "input", "linkId") if input.link_id is not None else None,
        )
        try:
            position = await append(
                context.services.types, context.subject, context.organization, event, request_id=context.request_id
            )
        except (BadInput, NotFound, Several) as error:
            raise error.under("input") from None
        return AppendEventPayload(topic=event.topic, position=position_token(context.organization, position))

    @strawberry.mutation(
        description="Moves the version at your session label to another label your clearance dominates."
    )
    async def regrade_object(self, info: Asked, id: strawberry.ID, label: Label, reason: str) -> RegradePayload:
        context = info.context
        object_id = context.read_id(id, "id")
        position = await regrade(
            context.services.types,
            context.subject,
            context.organization,
            object_id,
            label,
            reason,
            request_id=context.request_id,
        )
        token = position_token(context.organization, position)
        return RegradePayload(object_id=strawberry.ID(str(object_id)), label=label, position=token)


async def _catalogue(context: Context) -> Catalogue:
    context.subject.require("type:read")
    return await context.services.types.catalogue(context.subject.session)


MAX_DEFINITIONS = 1_000
"""That are read at once."""


async def _define(info: Asked, definitions: list[Any], *, single: bool) -> DefineTypePayload:
    _limit(definitions)
    subject, types = info.context.subject, info.context.services.types
    try:
        changed = await types.define(subject, info.context.organization.lattice, definitions)
    except FabricError as error:
        raise _led(error, single=single) from None
    catalogue = await types.catalogue(subject.session)
    names = {d["typeName"] for d in definitions} & catalogue.types.keys()
    return DefineTypePayload(changed=changed, type_definitions=_described(info, catalogue, names))


def _limit(definitions: list[Any]) -> None:
    if len(definitions) > MAX_DEFINITIONS:
        raise BadInput(f"at most {MAX_DEFINITIONS:,} definitions at once", ("definitions",))


def _told_plan(plan: Plan) -> TypePlan:
    changes = [
        PlannedChange(type_name=p.type_name, field=p.field, change=str(p.change), was=p.was, objects=p.objects)
        for p in plan.changes
    ]
    return TypePlan(changes=changes, obstacles=list(plan.obstacles))


def _led(error: FabricError, *, single: bool) -> FabricError:
    """The error with its path led on from the argument; a single definition has no index in a list."""
    if isinstance(error, Several):
        return Several([_led(e, single=single) for e in error.errors])
    path = error.path[1:] if single and error.path and isinstance(error.path[0], int) else error.path
    return type(error)(error.message, ("definition" if single else "definitions", *path))


DEFINITION_ROWS = 10
"""What each member of a definition counts as among the rows of a request."""


def _described(info: Asked, catalogue: Catalogue, names: Collection[str]) -> list[TypeDefinition]:
    types = [catalogue.types[name] for name in sorted(names)]
    info.context.spend(info.path.as_list(), DEFINITION_ROWS * sum(1 + len(t.fields) + len(t.links) for t in types))
    decode = info.context.organization.lattice.decode
    return [
        TypeDefinition(
            type_name=t.name,
            label=Label(str(decode(t.label))),
            domain=t.domain,
            description=t.description,
            extends=next(iter(t.parents), None),
            parents=list(t.parents),
            natural_key=list(t.natural_key),
            field_schema=Json(as_document(t, decode)),
            ui_schema=Json(t.ui_schema) if t.ui_schema is not None else None,
        )
        for t in types
    ]


def _link_values(given: LinkInput | UpdateLinkInput) -> dict[str, Any]:
    values = {
        "weight": given.weight,
        "properties": given.properties,
        "valid_from": _moment(given.valid_from),
        "valid_to": _moment(given.valid_to),
        "semantic_namespace": given.semantic_namespace,
        "semantic_predicate": given.semantic_predicate,
    }
    return {name: value for name, value in values.items() if value is not strawberry.UNSET}


def _moment(text: DateTime | None) -> Any:
    """The canonical text as the database takes it; null and what is not given stay as they are."""
    return datetime.fromisoformat(text) if isinstance(text, str) else text


async def _link(context: Context, change: LinkChange) -> LinkPayload:
    try:
        written, position = await context.services.links.write(
            context.subject, context.organization, [change], request_id=context.request_id
        )
    except FabricError as error:
        raise beside_input(error) from None
    token = position_token(context.organization, position) if position else None
    return LinkPayload(link_id=strawberry.ID(str(written[0].link_id)), changed=written[0].changed, position=token)


FIXED = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    config=StrawberryConfig(disable_field_suggestions=True, scalar_map=SCALAR_MAP),
)
"""The fixed part as a schema of its own: the generated part takes its types and scalars from here."""
