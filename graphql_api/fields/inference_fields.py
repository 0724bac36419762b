"""The field of Query that tells which rules of inference have been stopped."""

from typing import Any

from graphql import GraphQLField, GraphQLFieldMap, GraphQLInt, GraphQLObjectType, GraphQLString

from fabric.inference.stopped_rules import MOST_READ, stopped_rules
from graphql_api.context import Info
from graphql_api.fields.told_events import moment
from graphql_api.schema.common_types import FORM, SCALARS, listed, required

STOPPED_RULE = GraphQLObjectType(
    "StoppedRule",
    {
        "form": GraphQLField(required(FORM)),
        "relations": GraphQLField(
            listed(GraphQLString), description="Those of the premises; after `^` one that is read from its other end."
        ),
        "conclusion": GraphQLField(required(GraphQLString), description="The relation of what is concluded."),
        "label": GraphQLField(
            required(SCALARS["Label"]), description="There, and at the labels above, it concludes nothing any more."
        ),
        "limit": GraphQLField(required(GraphQLInt), description="How many links may be inferred for one label."),
        "stoppedAt": GraphQLField(required(SCALARS["DateTime"])),
    },
    description="A rule of inference that concluded too much.",
)


async def _stopped(_: Any, info: Info) -> Any:
    context = info.context
    context.subject.require("type:define")
    context.spend(info.path.as_list(), MOST_READ)
    async with context.reading() as transaction:
        found = await stopped_rules(transaction, context.subject.session)
    return [
        {
            "form": each.stop.rule.form.value,
            "relations": [str(premise) for premise in each.stop.rule.premises],
            "conclusion": each.stop.rule.conclusion,
            "label": str(context.organization.lattice.decode(each.stop.label)),
            "limit": each.stop.most,
            "stoppedAt": moment(each.at),
        }
        for each in found
    ]


INFERENCE_FIELDS: GraphQLFieldMap = {
    "stoppedRules": GraphQLField(
        listed(STOPPED_RULE), resolve=_stopped, description="The last one first, of those that you see.",
    ),
}  # fmt: skip
