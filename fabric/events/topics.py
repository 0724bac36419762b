"""Whose topics are whose. The topic of a change is the action of its audit record too."""

OURS = frozenset(
    "object link type document job rotation config token subject webhook field search audit".split()
)  # fmt: skip
"""How topics and actions of the server's own begin. Nobody else can use them, or who follows events and reads the audit
log would believe what has not happened. A test holds this against all that writes either."""


def is_ours(topic: str) -> bool:
    return topic.partition(".")[0] in OURS
