from collections.abc import Sequence
from dataclasses import dataclass, field

from fabric.configuration.configurations import Configuration
from fabric.configuration.options import DAMPING, LANGUAGE, WEIGHTS
from fabric.identity.subject import Session
from fabric.types.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches: at which session, by which definitions, and as the organization has chosen.

    Texts that are made of a field that is `gone` do not rank; its key says which.
    """

    session: Session
    catalogue: Catalogue
    gone: Sequence[str]
    configuration: Configuration = field(default_factory=Configuration)

    @property
    def language(self) -> str:
        """Of the words that are searched, a text search configuration of PostgreSQL."""
        return self.configuration[LANGUAGE]

    @property
    def damping(self) -> float:
        return self.configuration[DAMPING]

    def weight(self, ranking: str) -> float:
        """What the ranking of this name counts among several."""
        return self.configuration[WEIGHTS[ranking]]

    @property
    def types(self) -> list[str]:
        return [name for name, t in self.catalogue.types.items() if t.domain == "object"]
