"""A subject that was let in and stays: whether it still would be let in."""

from dataclasses import dataclass

import structlog

from fabric.errors import FabricError, Unauthenticated
from fabric.identity.subject import Subject
from fabric.identity.tokens import EXPIRED
from fabric.log import Outline
from graphql_api.http.authentication import Gate
from graphql_api.streaming.streams import CloseCode, Dropped, Ending

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """`authorization` and `session_label` are what the subject was admitted by."""

    gate: Gate
    authorization: str | None
    session_label: str | None
    subject: Subject

    def end_at_expiry(self, ending: Ending) -> None:
        """Ends the work when the token expires."""
        ending.after(self.gate.expires_in(self.subject), Dropped(CloseCode.FORBIDDEN, EXPIRED))

    async def check(self) -> None:
        """Before each event. Dropped for a token that has expired or is revoked, or where that cannot be known."""
        try:
            await self.gate.require_current(self.subject)
        except FabricError as error:
            raise refused(error) from None

    async def renew(self) -> None:
        """Now and then: all that admits, its key included. Dropped only for what is known to be refused."""
        try:
            await self.gate.admit(self.authorization, self.session_label)
        except Unauthenticated as error:
            raise refused(error) from None
        except FabricError:  # no event passes meanwhile, for each is checked
            pass


def refused(error: FabricError) -> Dropped:
    if isinstance(error, Unauthenticated):
        return Dropped(CloseCode.FORBIDDEN, error.message)
    log.error("a token could not be checked", outline=Outline.of(error.__cause__ or error))
    return Dropped(CloseCode.TRY_AGAIN_LATER, "tokens cannot be checked at the moment")
