"""What can go wrong, as one small tree. Each class is one code of the public contract (see docs/errors.md).

A message is written for the caller: it never holds a key, a table, a constraint, an SQLSTATE or another reader's data.
What a label hides is always `NotFound`; `Forbidden` speaks of permissions only.
"""

from collections.abc import Sequence
from typing import ClassVar


class FabricError(Exception):
    """`message` is for the caller; `path` leads to the input at fault, outermost first."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, path: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = tuple(path)

    def under(self, *prefix: str | int) -> "FabricError":
        """The same error, its path led on from `prefix`."""
        return type(self)(self.message, (*prefix, *self.path))


class Unauthenticated(FabricError):
    code = "UNAUTHENTICATED"


class Forbidden(FabricError):
    code = "FORBIDDEN"


class NotFound(FabricError):
    code = "NOT_FOUND"


class BadInput(FabricError):
    code = "BAD_USER_INPUT"


class DocumentNotFound(FabricError):
    """No document of this id is registered, or none that the session sees."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class DocumentNotRegistered(FabricError):
    """A text that is not registered, where only those run that are."""

    code = "DOCUMENT_NOT_REGISTERED"


class NoLongerKept(BadInput):
    """A place in the events before which they have been pruned."""

    def __init__(self, message: str = "events after this place are no longer kept", path: Sequence[str | int] = ()):
        super().__init__(message, path)


class Conflict(FabricError):
    code = "CONFLICT"


class RateLimited(FabricError):
    """`retry_after` is in seconds, None where it cannot be told."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, path: Sequence[str | int] = (), retry_after: float | None = None) -> None:
        super().__init__(message, path)
        self.retry_after = retry_after

    def under(self, *prefix: str | int) -> "RateLimited":
        return RateLimited(self.message, (*prefix, *self.path), self.retry_after)


class TooComplex(FabricError):
    code = "QUERY_TOO_COMPLEX"


class VaultUnavailable(FabricError):
    code = "VAULT_UNAVAILABLE"


class EmbeddingsUnavailable(FabricError):
    code = "EMBEDDINGS_UNAVAILABLE"


class TimedOut(FabricError):
    code = "TIMEOUT"


class Internal(FabricError):
    """Masked: the caller gets a correlation id, the log the cause."""

    code = "INTERNAL"


MOST_FAULTS = 1_000
"""Of one input, that its sender is told at once."""


class Several(FabricError):
    """More than one fault in one input; each has its own path. Those beyond `MOST_FAULTS` are dropped."""

    code = "BAD_USER_INPUT"

    def __init__(self, errors: Sequence[FabricError]) -> None:
        self.errors = tuple(errors[:MOST_FAULTS])
        super().__init__("; ".join(error.message for error in self.errors))

    def under(self, *prefix: str | int) -> "Several":
        return Several([error.under(*prefix) for error in self.errors])


def raise_any(errors: Sequence[FabricError]) -> None:
    """Raises the one error, or Several for more; nothing for none."""
    if errors:
        raise errors[0] if len(errors) == 1 else Several(errors)
