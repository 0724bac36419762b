"""That somebody searches, on the record before anything is looked for. The text is not: a keyed digest stands for it.

There is no question without its record, so what searches cannot forget it.
"""

import hmac
from hashlib import sha256

import orjson

from fabric.database.db import Database
from fabric.events import journal
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.search.asking.question import Mode, Question

ASKED = "search.asked"
"""The action of those who search by a text."""


def digest_of(organization: Organization, actor: str, text: str) -> str:
    """64 hexadecimal digits, the same for the same text of the same actor.

    Keyed with a secret of the organization, or short texts could be guessed. Of another actor the same text has
    another digest: who reads the log and searches could else find others' texts by asking for them.
    """
    return hmac.digest(organization.key("search"), orjson.dumps([actor, text]), sha256).hex()


async def record(
    database: Database, subject: Subject, organization: Organization, text: str, mode: Mode, request_id: str | None
) -> Question:
    """Commits an audit record at the session label; what may be looked for then."""
    detail = {"query": digest_of(organization, subject.subject, text), "mode": mode.value}
    async with database.transaction(subject.session) as transaction:
        audit_id = await journal.record(transaction, subject.subject, ASKED, None, detail, request_id=request_id)
    return Question(text, mode, audit_id)
