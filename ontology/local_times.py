"""Times that tell no offset: what they are in the time zone that is meant."""

import re
from datetime import UTC, datetime, tzinfo

_LOCAL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?)?")


def in_zone(text: str, zone: tzinfo) -> str:
    """A time of XSD without an offset, or the beginning of a day, with that of the zone; any other text as it is.

    Of an hour that the zone has twice it is the first.
    """
    found = _LOCAL.fullmatch(text)
    if found is None:
        return text
    day, time, fraction = found.groups(default="")
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00:00'}").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"
