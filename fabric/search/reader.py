from dataclasses import dataclass

from fabric.identity.subject import Session
from fabric.types.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches: at which session, by which definitions."""

    session: Session
    catalogue: Catalogue

    @property
    def types(self) -> list[str]:
        return [name for name, t in self.catalogue.types.items() if t.domain == "object"]
