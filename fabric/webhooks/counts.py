"""What is counted of webhooks, for metrics; none of it tells whose they are."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class WebhookCounts:
    """Since the process began, but for `working_on` and `lag`, which are as of now."""

    attempts: Counter[str] = field(default_factory=Counter)
    """By `Outcome.kind`."""
    stopped: Counter[str] = field(default_factory=Counter)
    """By `Stop`."""
    given_up: int = 0
    working_on: int = 0
    lag: Callable[[], float] = lambda: 0.0
    """By how many seconds the message is behind that is so most."""
