"""Webhooks in the schema: their types, and the fields of Query and Mutation that list and manage them.

The filter of a webhook takes what the fields of Subscription take, so its inputs are made of their arguments.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLArgumentMap,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
)

from fabric.webhooks.webhooks import State, Stop
from graphql_api.fields import webhooks
from graphql_api.fields.shaping import by_response_key

STATE = GraphQLEnumType(
    "WebhookState",
    {str(state): str(state) for state in State},
    description="ACTIVE is delivered. PAUSED was stopped by somebody, STOPPED by the server; it goes on where it was.",
)

STOP = GraphQLEnumType(
    "WebhookStop",
    {str(stop): str(stop) for stop in Stop},
    description="GONE: the receiver answered 410. FAILING: it took nothing for as long as messages are tried. "
    "DEAD_LETTERS: too many were given up. FORBIDDEN: the owner's roles do not allow it any more. "
    "FILTER: what it names is not there any more. REVOKED: the token is that its owner had when saying so. "
    "PRUNED: events that it had not got to are no longer kept.",
)


def _required(type_: Any) -> Any:
    return GraphQLNonNull(type_)


def _listed(type_: Any) -> Any:
    return _required(GraphQLList(_required(type_)))


def _text(description: str | None = None) -> GraphQLField:
    return GraphQLField(_required(GraphQLString), description=description)


class WebhookTypes:
    """Made once: nothing of it depends on type definitions. `subscriptions` are the fields of Subscription."""

    def __init__(
        self, scalars: Mapping[str, GraphQLScalarType], page_info: GraphQLObjectType, subscriptions: GraphQLFieldMap
    ) -> None:
        self._label, self._json, self._time = scalars["Label"], scalars["JSON"], scalars["DateTime"]
        self._page_info = page_info
        self._filter = GraphQLInputObjectType(
            "WebhookFilterInput",
            {name: GraphQLInputField(_filter(name, field.args)) for name, field in subscriptions.items()},
            description="One of these: what the subscription of this name tells by the same arguments.",
        )
        self._letter = GraphQLObjectType("WebhookDelivery", self._letter_fields, description="A message to a receiver.")
        self._webhook = GraphQLObjectType(
            "Webhook", self._webhook_fields, description="An address that is sent what a subscription tells."
        )

    def queries(self) -> GraphQLFieldMap:
        return {
            "webhooks": GraphQLField(
                _listed(self._webhook), resolve=webhooks.listed, description="Those you see, the oldest first."
            ),
            "webhook": GraphQLField(self._webhook, _id(), resolve=webhooks.one),
        }

    def mutations(self) -> GraphQLFieldMap:
        payload = GraphQLObjectType("WebhookPayload", {"webhook": GraphQLField(_required(self._webhook))})
        secret = _text("What the receiver verifies messages with. It is shown this once.")
        with_secret = GraphQLObjectType("WebhookSecretPayload", payload.fields | {"secret": secret})
        gone = GraphQLObjectType("DeleteWebhookPayload", {"deletedId": GraphQLField(_required(GraphQLID))})
        number = GraphQLField(_required(GraphQLInt), description="How many letters this was about.")
        letters = GraphQLObjectType("WebhookDeliveriesPayload", payload.fields | {"number": number})
        given = GraphQLArgument(_required(self._create_input()))
        changes = GraphQLArgument(_required(self._update_input()))
        revision = GraphQLArgument(
            GraphQLInt, description="Refuses if the webhook is at another by now.", out_name="expected_revision"
        )
        overlap = GraphQLArgument(
            _required(GraphQLInt), default_value=24,
            description="How long messages are signed with the secret before as well.", out_name="overlap_hours",
        )  # fmt: skip
        some = GraphQLList(_required(GraphQLID))
        ids = {"deliveryIds": GraphQLArgument(some, description="All, if left out.", out_name="delivery_ids")}

        def field(type_: Any, args: GraphQLArgumentMap, resolve: Any, description: str) -> GraphQLField:
            return GraphQLField(_required(type_), args, resolve=resolve, description=description)

        return {
            "createWebhook": field(
                with_secret, {"input": given}, webhooks.create,
                "Has an address sent what happens from now on, first that it is ready.",
            ),
            "updateWebhook": field(
                payload, _id() | {"input": changes, "expectedRevision": revision}, webhooks.update,
                "Changes it. You own it from then on: it is told what your roles allow.",
            ),
            "pauseWebhook": field(payload, _id(), webhooks.pause, "Sends nothing until it is resumed."),
            "resumeWebhook": field(
                payload, _id(), webhooks.resume,
                "Goes on where it was, and tries at once what waits. You own it from then on.",
            ),
            "rotateWebhookSecret": field(
                with_secret, _id() | {"overlapHours": overlap}, webhooks.rotate, "Makes a new secret."
            ),
            "deleteWebhook": field(gone, _id(), webhooks.delete, "Takes it away, with all that waits for it."),
            "replayDeliveries": field(
                letters, _id() | ids, webhooks.replay, "Tries dead letters again, in their order."
            ),
            "discardDeliveries": field(letters, _id() | ids, webhooks.discard, "Takes dead letters away."),
        }  # fmt: skip

    def _create_input(self) -> GraphQLInputObjectType:
        url = GraphQLInputField(_required(GraphQLString), description="An https address. It gets POST requests.")
        return GraphQLInputObjectType(
            "CreateWebhookInput",
            {
                "name": GraphQLInputField(_required(GraphQLString)),
                "url": url,
                "filter": GraphQLInputField(_required(self._filter)),
            },
        )

    def _update_input(self) -> GraphQLInputObjectType:
        return GraphQLInputObjectType(
            "UpdateWebhookInput",
            {
                "name": GraphQLInputField(GraphQLString),
                "url": GraphQLInputField(GraphQLString),
                "filter": GraphQLInputField(self._filter),
            },
            description="What is left out stays.",
        )

    def _webhook_fields(self) -> GraphQLFieldMap:
        pages = {"first": GraphQLArgument(GraphQLInt), "after": GraphQLArgument(GraphQLString)}
        return {
            "webhookId": GraphQLField(_required(GraphQLID)),
            "name": _text(),
            "url": _text(),
            "filter": GraphQLField(_required(self._json), description="As it was given, defaults included."),
            "label": GraphQLField(_required(self._label), description="It is told what a session at this label is."),
            "owner": _text("Who last said what it tells, and where to, or that it is to go on."),
            "roles": GraphQLField(_listed(GraphQLString), description="The owner's; what they allow is told."),
            "state": GraphQLField(_required(STATE)),
            "stoppedFor": GraphQLField(STOP),
            "lastDeliveredAt": GraphQLField(self._time),
            "failingSince": GraphQLField(self._time, description="Null once the receiver took something again."),
            "lastFailure": GraphQLField(GraphQLString, description="A status such as `HTTP_503`, or what went wrong."),
            "waiting": GraphQLField(_required(GraphQLInt), description="Messages that are not delivered yet."),
            "lagSeconds": GraphQLField(_required(GraphQLFloat), description="Age of the oldest of those."),
            "deadLetters": GraphQLField(
                _required(self._letters()), pages, resolve=webhooks.dead_letters,
                description="Messages that were given up, in order.",
            ),
            "oldSecretUntil": GraphQLField(self._time, description="Until when the secret before signs as well."),
            "revision": GraphQLField(_required(GraphQLInt)),
            "createdAt": GraphQLField(_required(self._time)),
            "updatedAt": GraphQLField(_required(self._time)),
        }  # fmt: skip

    def _letters(self) -> GraphQLObjectType:
        edge = GraphQLObjectType(
            "WebhookDeliveryEdge", {"cursor": _text(), "node": GraphQLField(_required(self._letter))}
        )
        page_info = GraphQLField(
            _required(self._page_info), resolve=lambda page, info: by_response_key(page["pageInfo"], info)
        )
        return GraphQLObjectType(
            "WebhookDeliveryConnection",
            {
                "nodes": GraphQLField(_listed(self._letter)),
                "edges": GraphQLField(_listed(edge)),
                "pageInfo": page_info,
                "totalCount": GraphQLField(_required(GraphQLInt)),
            },
        )

    def _letter_fields(self) -> GraphQLFieldMap:
        return {
            "deliveryId": GraphQLField(_required(GraphQLID)),
            "messageId": _text("The header `webhook-id` of each attempt."),
            "type": _text("What happened, such as `link.created`."),
            "payload": GraphQLField(_required(self._json)),
            "attempts": GraphQLField(_required(GraphQLInt)),
            "failure": _text("Of the last attempt: a status such as `HTTP_503`, or what went wrong."),
            "occurredAt": GraphQLField(_required(self._time)),
            "firstAttemptAt": GraphQLField(_required(self._time)),
            "givenUpAt": GraphQLField(_required(self._time)),
        }


def _id() -> GraphQLArgumentMap:
    return {"webhookId": GraphQLArgument(_required(GraphQLID), out_name="webhook")}


def _filter(name: str, arguments: GraphQLArgumentMap) -> GraphQLInputObjectType:
    """The arguments of a field of Subscription, but for where to begin."""
    members = {
        argument: GraphQLInputField(given.type, default_value=given.default_value, description=given.description)
        for argument, given in arguments.items()
        if argument != "after"
    }
    return GraphQLInputObjectType(f"{name[:1].upper()}{name[1:]}FilterInput", members)
