"""From a request's headers to its subject: the token's claims, the organization's labels, the policy's permissions."""

from fabric.errors import Unauthenticated
from fabric.identity.organizations import Directory, Organization
from fabric.identity.policy import Policy
from fabric.identity.revocations import Revocations
from fabric.identity.subject import Claims, Subject
from fabric.identity.tokens import NOT_ACCEPTED, Authenticator


class Gate:
    """Lets in who has a token. Everything it refuses looks the same from outside, whatever the organization has."""

    def __init__(
        self, authenticator: Authenticator, directory: Directory, policy: Policy, revocations: Revocations
    ) -> None:
        self._authenticator = authenticator
        self._directory = directory
        self._policy = policy
        self._revocations = revocations

    async def admit(self, authorization: str | None, session_label: str | None) -> tuple[Subject, Organization]:
        """The subject at its session label. Unauthenticated, or BadInput for a label it may not use."""
        claims = await self._authenticator.authenticate(authorization)
        organization, clearance = await self._place(claims)
        subject = Subject(
            organization_id=organization.organization_id,
            organization=organization.name,
            subject=claims.subject,
            roles=claims.roles,
            permissions=self._policy.permissions(claims.roles),
            clearance=clearance,
            label=clearance,
            expires_at=claims.expires_at,
            token_id=claims.token_id,
            issued_at=claims.issued_at,
            links=self._policy.link_rights(claims.roles),
        )
        await self.require_current(subject)
        if session_label is not None:
            subject = subject.lowered_to(session_label, organization.lattice)
        return subject, organization

    async def require_current(self, subject: Subject) -> None:
        """Unauthenticated once the subject's token has expired or is revoked, which looks like any bad token."""
        self._authenticator.require_current(subject.expires_at)
        if await self._revocations.refuses(
            subject.organization_id, subject.subject, subject.token_id, subject.issued_at
        ):
            raise Unauthenticated(NOT_ACCEPTED)

    def expires_in(self, subject: Subject) -> float:
        """Seconds until the subject's token is refused for its age."""
        return self._authenticator.expires_in(subject.expires_at)

    async def _place(self, claims: Claims) -> tuple[Organization, int]:
        """The organization, and the clearance in its lattice. A compartment it lacks may be new, so it is asked again.

        A clearance is never cut down to what is known: its bearer would write lower than they believe.
        """
        for fresh in (False, True):
            organization = await self._directory.find(claims.organization, fresh=fresh)
            if organization is not None:
                try:
                    return organization, organization.lattice.encode(claims.clearance)
                except LookupError:
                    continue
        raise Unauthenticated("the token's organization or clearance is not known here")
