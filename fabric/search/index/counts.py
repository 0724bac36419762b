"""What indexing has done in this process, for operators."""

import time
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class IndexCounts:
    words: int = 0
    """Texts whose words were stored."""
    vectors: int = 0
    """Texts whose vectors were stored."""
    failures: int = 0
    """Times that no vectors could be had."""
    refused: int = 0
    """Texts that the provider would not take."""
    behind: dict[UUID, float] = field(default_factory=dict)
    """Organizations with something to do that this process knows of, and since when, by `time.monotonic`."""

    def lag(self) -> float:
        """Seconds since the oldest of what waits has been waiting."""
        began = [*self.behind.values()]
        return max(0.0, time.monotonic() - min(began)) if began else 0.0
