"""That somebody searched, on the record before there is an answer. The text is not: a keyed digest stands for it."""

import hmac
from hashlib import sha256

import orjson

from fabric.database.db import Database
from fabric.events import journal
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject

ASKED = "search.asked"
"""The action of those who search by a text."""


def digest_of(organization: Organization, actor: str, text: str) -> str:
    """64 hexadecimal digits, the same for the same text of the same actor.

    Keyed with a secret of the organization, or short texts could be guessed. Of another actor the same text has
    another digest: who reads the log and searches could else find others' texts by asking for them.
    """
    return hmac.digest(organization.key("search"), orjson.dumps([actor, text]), sha256).hex()


async def record(
    database: Database, subject: Subject, organization: Organization, text: str, mode: str, request_id: str | None
) -> None:
    """Commits an audit record at the session label."""
    detail = {"query": digest_of(organization, subject.subject, text), "mode": mode}
    async with database.transaction(subject.session) as transaction:
        await journal.record(transaction, subject.subject, ASKED, None, detail, request_id=request_id)
