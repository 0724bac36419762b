"""Names as GraphQL shows them, made from the names of types."""

import re
from collections import Counter
from collections.abc import Iterable

GRAPHQL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}\Z")
"""Names a definition may give: GraphQL's own form, not starting with an underscore, short enough for any tool."""


def camel(name: str) -> str:
    """`attack-pattern`, `attack_pattern`, `AttackPattern` → `attackPattern`."""
    pascal_name = pascal(name)
    return pascal_name[:1].lower() + pascal_name[1:]


def pascal(name: str) -> str:
    """`attack-pattern`, `x_mitre_platforms` → `AttackPattern`, `XMitrePlatforms`."""
    if name.isascii() and name.isalnum():
        return name[0].upper() + name[1:]
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part)


def plural(name: str) -> str:
    """The regular English plural: `Asset` → `Assets`, `Facility` → `Facilities`, `Switch` → `Switches`.

    Regular on purpose: a clever plural (`Aircraft`, `Malware`) would equal the singular and clash with its field.
    """
    if re.search(r"[^aeiouAEIOU][yY]\Z", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)\Z", name, re.IGNORECASE) else "s")


AGGREGATE = "Aggregate"


def link_aggregate(link: str) -> str:
    """The field that counts and sums over a link field: `sensors` → `sensorsAggregate`."""
    return link + AGGREGATE


def aggregated_link(field: str) -> str:
    """The link field that `link_aggregate` made this name of; the empty name for any other."""
    return field.removesuffix(AGGREGATE) if field.endswith(AGGREGATE) else ""


def generated_names(type_name: str, plural_name: str, enums: Iterable[str], links: Iterable[str]) -> set[str]:
    """Every name that one type brings into the schema: `type:` names, and fields of `query:` and `mutation:`."""
    return set(_generated(type_name, plural_name, enums, links))


def names_generated_twice(type_name: str, plural_name: str, enums: Iterable[str], links: Iterable[str]) -> set[str]:
    """The names by which one type would clash with itself."""
    return {name for name, times in Counter(_generated(type_name, plural_name, enums, links)).items() if times > 1}


def _generated(type_name: str, plural_name: str, enums: Iterable[str], links: Iterable[str]) -> list[str]:
    single, many = type_name, pascal(plural_name)
    types = [single, *(single + suffix for suffix in TYPE_SUFFIXES)]
    types += [single + pascal(name) + suffix for name in enums for suffix in ("", "Where", "ListWhere")]
    types += [single + pascal(link) + suffix for link in links for suffix in ("Connection", "Edge")]
    queries = [camel(single), camel(single) + "ByKey", camel(many), camel(many) + AGGREGATE]
    mutations = [verb + noun for verb in ("create", "update", "upsert", "delete") for noun in (single, many)]
    return [
        *(f"type:{name}" for name in types),
        *(f"query:{name}" for name in queries),
        *(f"mutation:{name}" for name in mutations),
    ]


TYPE_SUFFIXES = (
    "Object Where LinkWhere OrderBy Connection Edge CreateInput UpdateInput UpsertInput KeyInput BulkUpdateInput "
    "LinkInput UnlinkInput LinksInput UnlinksInput "
    "Payload BulkPayload DeletePayload BulkDeletePayload "
    "Aggregate AggregateFields AggregateGroup AggregateKey GroupBy Having HavingFields"
).split()

RESERVED_NAMES = frozenset(
    {f"type:{name}" for name in """
        Query Mutation Subscription Node FabricObject Label PageInfo OrderDirection Viewer Link LinkConnection LinkEdge
        Event EventConnection EventEdge TypeDefinition TypeDefinitionField EncryptedField Position Boolean Int Float
        String ID BigInt Decimal Date DateTime Duration UUID URI JSON DefineTypePayload RetireTypePayload
        LinkPayload UnlinkPayload RegradePayload LinkInput UpdateLinkInput TypeDefinitionInput SearchHit
        SearchHitConnection SearchHitEdge
        LinkSearchEnd LinkSearchHit LinkSearchHitConnection LinkSearchHitEdge EventSearchHit
        EventSearchHitConnection EventSearchHitEdge
        SearchMode SearchPart SearchExplanation SearchHighlight HighlightPiece
        SimilarObject SearchContext ContextSource InferenceForm LinkDerivation
        Grouping DateGrouping TimeGrouping NoticeKind LinkDirection EventNotice LinkEvent ObjectChange AppendEventInput
        GraphPath TraversedNode Traversal Subgraph RelatedNode ConnectedComponent
        AppendEventPayload RegisterDocumentsPayload Webhook WebhookState WebhookStop WebhookFilterInput
        LinkEventsFilterInput EventsFilterInput ChangesFilterInput CreateWebhookInput UpdateWebhookInput WebhookPayload
        WebhookSecretPayload WebhookDeliveriesPayload DeleteWebhookPayload WebhookDelivery WebhookDeliveryEdge
        WebhookDeliveryConnection EventWhere LinksWhere ObjectState AuditWhere AuditOrder AuditRecord
        AuditRecordConnection AuditRecordEdge UnlockedField UnlockRequest UnlockRequestState UnlockApproval
        UnlockRequestPayload EncryptionKey EncryptionKeyVersion KeyRotation KeyRotationState
        KeyRotationPayload Job JobState JobPayload ConfigOption SetConfigPayload StoppedRule
        PlannedChange TypePlan FieldMapperInput ConvertFieldInput SplitFieldInput DefaultFieldInput""".split()}
    | {f"type:{scalar}{suffix}" for suffix in ("Where", "ListWhere") for scalar in """
        ID String Int BigInt Float Decimal Boolean Date DateTime Duration UUID URI JSON Label""".split()}
    | {f"type:{values}{suffix}" for suffix in ("Aggregate", "Having") for values in """
        String Int BigInt Float Decimal Boolean Date DateTime Duration UUID URI Enum""".split()}
    | {f"type:{scalar}Match" for scalar in
       "String Int BigInt Decimal Date DateTime Duration UUID URI".split()}
    | {f"query:{name}" for name in """
        node nodes link links event events typeDefinition typeDefinitions viewer traverse shortestPath neighborhood
        related search similar searchLinks searchEvents context keys auditLog changed position linkDegree
        connectedComponent connectedComponents webhook webhooks objectAsOf unlockRequests
        keyRotation keyRotations job jobs planTypes stoppedRules config""".split()}
    | {f"mutation:{name}" for name in """
        link unlink updateLink defineType defineTypes retireType appendEvent unlockField unlockFields rotateKeys
        setConfig regradeObject registerDocuments createWebhook updateWebhook pauseWebhook resumeWebhook
        rotateWebhookSecret deleteWebhook replayDeliveries discardDeliveries requestUnlock approveUnlock
        collectUnlock pauseKeyRotation resumeKeyRotation cancelJob mapFields
        validateObjects""".split()}
)  # fmt: skip
"""What the fixed part of the schema has, or will have; a test holds it against the schema itself.

`changed` and `position` stand beside an object, or objects, under their query's name in a mutation's payload.
"""
