"""Dates, moments and durations of the demo, in the forms of import records and of its texts."""

from datetime import UTC, date, datetime, timedelta
from random import Random

TODAY = date(2026, 1, 15)
"""The day on which the demo was recorded: nothing it tells of is later, save plans."""

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""By name, since `strftime` would follow the locale of the process."""


def day(random: Random, first: int, last: int) -> date:
    """Some day of the years from `first` to `last`, not after `TODAY`."""
    start = date(first, 1, 1)
    end = min(date(last, 12, 31), TODAY)
    return start + timedelta(days=random.randint(0, (end - start).days))


def moment(random: Random, on: date) -> datetime:
    return datetime(on.year, on.month, on.day, random.randint(0, 23), random.randint(0, 59), tzinfo=UTC)


def stamp(at: datetime) -> str:
    """RFC 3339, UTC: `2025-03-09T04:30:00Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def midnight(on: date) -> str:
    return f"{on.isoformat()}T00:00:00Z"


def lasting(minutes: int) -> str:
    """ISO 8601, no months or years: `P1DT2H30M`."""
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    date_part = f"{days}D" if days else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    return f"P{date_part}T{clock}" if clock else f"P{date_part or 'T0S'}"


def spoken(on: date) -> str:
    """As texts say it: `9 March 2025`."""
    return f"{on.day} {MONTHS[on.month - 1]} {on.year}"


def timing(random: Random, on: date | None = None) -> dict[str, str]:
    """Facts for texts: `day clock month year next_year`. `on` is what happened; the others lie around it."""
    on = on or day(random, 2023, 2025)
    before = on - timedelta(days=random.randint(20, 300))
    return {
        "day": spoken(on),
        "clock": f"{random.randint(0, 23):02}:{random.randint(0, 59):02}",
        "month": f"{MONTHS[before.month - 1]} {before.year}",
        "year": str(random.randint(on.year - 25, on.year - 2)),
        "next_year": str(random.randint(TODAY.year + 1, TODAY.year + 4)),
    }
