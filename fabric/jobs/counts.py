"""What a process has done of jobs, for its metrics."""

from collections import Counter


class JobCounts:
    def __init__(self) -> None:
        self.running = 0
        """Jobs that this process works on."""
        self.ended: Counter[str] = Counter()
        """By what came of them: OK, CANCELLED or the code of the error."""
