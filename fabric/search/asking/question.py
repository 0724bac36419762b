"""What somebody searches for. Nobody has it before it is on the record."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    HYBRID = "HYBRID"
    TEXT = "TEXT"
    VECTOR = "VECTOR"


@dataclass(frozen=True, slots=True)
class Question:
    """A text to search by, with the number of the audit record that says so: `record` makes both.

    Neither words nor a vector are made of less, so nothing can search by a text that is not on the record.
    """

    text: str
    mode: Mode
    audit_id: int
