"""Who asks: what a token says (`Claims`), what the request may do (`Subject`), what the database needs (`Session`)."""

from dataclasses import dataclass, replace
from uuid import UUID

from fabric.errors import BadInput, Forbidden
from fabric.identity.link_rights import UNLIMITED, LinkRights
from fabric.labels import Label, Lattice, dominates

SESSION_LABEL_HEADER = "Fabric-Session-Label"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says, in names. `expires_at` and `issued_at` are in seconds since the epoch."""

    organization: str
    subject: str
    roles: frozenset[str]
    clearance: Label
    expires_at: float
    token_id: str | None
    issued_at: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """All that the database session needs; `label` is the session label's code."""

    organization_id: UUID
    label: int


@dataclass(frozen=True, slots=True)
class Subject:
    """One request's subject. `clearance` and `label` (the session label) are codes, and clearance dominates label."""

    organization_id: UUID
    organization: str
    subject: str
    roles: frozenset[str]
    permissions: frozenset[str]
    clearance: int
    label: int
    expires_at: float
    token_id: str | None = None
    issued_at: float | None = None
    links: LinkRights = UNLIMITED
    """How far the permissions on links reach."""

    @property
    def session(self) -> Session:
        return Session(self.organization_id, self.label)

    def require(self, permission: str) -> None:
        """Forbidden, naming the permission, unless the subject has it."""
        if permission not in self.permissions:
            raise Forbidden(f"this needs the permission {permission}")

    def lowered(self, label: int) -> "Subject":
        """The same subject at the session label of this code. BadInput unless the clearance dominates it."""
        if not dominates(self.clearance, label):
            raise _not_dominated()
        return replace(self, label=label)

    def lowered_to(self, text: str, lattice: Lattice) -> "Subject":
        """The same subject at the session label that a request asks for in `text`, such as ``SECRET/ALPHA``.

        BadInput when the text is no label, or none that the clearance dominates. A compartment that does not exist and
        one that the subject lacks give the same error: otherwise this would list the organization's compartments.
        """
        try:
            label = Label.parse(text)
        except ValueError as error:
            raise BadInput(str(error), (SESSION_LABEL_HEADER,)) from None
        try:
            value = lattice.encode(label)
        except LookupError:
            raise _not_dominated() from None
        return self.lowered(value)


def _not_dominated() -> BadInput:
    return BadInput("the session label must be one that your clearance dominates", (SESSION_LABEL_HEADER,))
