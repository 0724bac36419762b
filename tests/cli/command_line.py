"""Commands as tests give them, and what comes of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

THING = {"typeName": "Thing", "fields": {"name": {"type": "string", "required": True}}, "naturalKey": ["name"]}
HIDDEN = {"typeName": "Hidden", "label": "SECRET", "fields": {"name": {"type": "string"}}}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line of a command that is not done."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.startswith("error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("error: ").strip()


Run = Callable[..., Outcome]


def token(*more: str, organization: str = "acme", clearance: str = "SECRET", role: str = "writer") -> list[str]:
    named = {"organization": organization, "subject": "ann", "clearance": clearance, "role": role}
    return ["token", *(word for name, value in named.items() for word in (f"--{name}", value)), *more]


def written(path: Path, value: Any) -> str:
    path.write_text(json.dumps(value))
    return str(path)


def seen(clearance: str, organization: str = "acme") -> list[str]:
    return ["--organization", organization, "--clearance", clearance]


def counts(summary: str) -> dict[str, list[str]]:
    """The numbers of a summary, by what they are of."""
    return {
        words[0]: words[1:] for line in summary.splitlines() if len(words := line.split()) > 1 and words[1].isdigit()
    }
