"""The register of documents: by label, on the record, and not asked for twice in a short time."""

import asyncio
from hashlib import sha256
from unittest.mock import patch

import pytest
from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.document_register import (
    FOUND_SECONDS,
    MISSED_SECONDS,
    DocumentRegister,
    document_id,
    is_document_id,
)
from fabric.errors import Forbidden
from fabric.text_cache import ENTRY, TextCache

pytestmark = pytest.mark.anyio

TEXT, OTHER = "{ a }", "{ b }"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def register(database: Database, clock: Clock) -> DocumentRegister:
    return DocumentRegister(database, clock)


def test_an_id_is_the_hash_of_the_text() -> None:
    # From the specification's appendix on persisted documents.
    text = "query ($id: ID!) {\n  user(id: $id) {\n    name\n  }\n}"
    assert document_id(text) == "sha256:7dba4bd717b41f10434822356a93c32b1fb4907b983e854300ad839f84cdcd6e"
    assert document_id("ü") == "sha256:" + sha256("ü".encode()).hexdigest()
    assert is_document_id(document_id(text))


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "0" * 63, "sha256:" + "A" * 64, "md5:" + "0" * 64])
def test_others_are_none(text: str) -> None:
    assert not is_document_id(text)


async def test_all_that_dominate_the_label_find_it(register: DocumentRegister, subject: MakeSubject) -> None:
    assert await register.register(subject("CONFIDENTIAL/ALPHA"), [TEXT]) == [document_id(TEXT)]
    found = {}
    for label in ("UNCLASSIFIED", "SECRET", "CONFIDENTIAL/BRAVO", "CONFIDENTIAL/ALPHA", "SECRET/ALPHA,BRAVO"):
        found[label] = await register.find(subject(label).session, document_id(TEXT))
    assert [label for label, text in found.items() if text == TEXT] == ["CONFIDENTIAL/ALPHA", "SECRET/ALPHA,BRAVO"]


async def test_it_is_listed_and_removed_at_its_own_label(register: DocumentRegister, subject: MakeSubject) -> None:
    low, high = subject(), subject("SECRET", name="bob")
    await register.register(low, [TEXT, OTHER])
    await register.register(high, [TEXT])
    listed = [(each.id, each.label, each.text, each.registered_by) for each in await register.listed(high.session)]
    assert sorted(listed, key=str) == sorted(
        [
            (document_id(TEXT), low.label, TEXT, "ann"), (document_id(OTHER), low.label, OTHER, "ann"),
            (document_id(TEXT), high.label, TEXT, "bob"),
        ],
        key=str,
    )  # fmt: skip
    assert len(await register.listed(low.session)) == 2
    assert await register.remove(high, [document_id(OTHER), document_id("{ none }")]) == []
    both = sorted(map(document_id, (TEXT, OTHER)))
    assert await register.remove(low, both) == both
    assert await register.find(low.session, document_id(TEXT)) is None
    assert await register.find(high.session, document_id(TEXT)) == TEXT


async def test_only_who_may_registers_and_removes(register: DocumentRegister, subject: MakeSubject) -> None:
    for act in (register.register(subject(roles=("writer",)), [TEXT]), register.remove(subject(roles=()), [])):
        with pytest.raises(Forbidden, match="document:register"):
            await act


async def test_each_change_leaves_an_event_and_an_audit_record(
    register: DocumentRegister, subject: MakeSubject, admin_url: str
) -> None:
    await register.register(subject("SECRET"), [TEXT, TEXT], request_id="r1")
    await register.register(subject("SECRET"), [TEXT], request_id="r2")
    await register.remove(subject("SECRET"), [document_id(TEXT)], request_id="r3")
    records = "select action, request_id, detail->>'type' from fabric.audit_log order by audit_id"
    rows = await run_sql(admin_url, records)
    assert [tuple(row) for row in rows] == [
        ("document.registered", "r1", document_id(TEXT)), ("document.removed", "r3", document_id(TEXT)),
    ]  # fmt: skip
    events = await run_sql(admin_url, "select topic, entity_type, data::text from fabric.events order by position")
    assert [tuple(row) for row in events] == [
        ("document.registered", document_id(TEXT), "{}"), ("document.removed", document_id(TEXT), "{}"),
    ]  # fmt: skip


async def test_registrars_at_once_do_not_hinder_each_other(register: DocumentRegister, subject: MakeSubject) -> None:
    texts = [f"{{ f{i} }}" for i in range(40)]
    new = await asyncio.gather(*(register.register(subject(), texts[i:] + texts[:i]) for i in range(8)))
    assert sorted(id for ids in new for id in ids) == sorted(map(document_id, texts))


async def test_what_was_looked_up_is_not_asked_for_again_for_a_while(
    register: DocumentRegister, subject: MakeSubject, database: Database, clock: Clock
) -> None:
    elsewhere = DocumentRegister(database)
    await elsewhere.register(subject(), [TEXT])
    with patch.object(database, "read", wraps=database.read) as read:
        for _ in range(3):
            assert await register.find(subject().session, document_id(TEXT)) == TEXT
            assert await register.find(subject().session, document_id(OTHER)) is None
        assert read.call_count == 2
        assert await register.find(subject("SECRET").session, document_id(TEXT)) == TEXT  # another session, asked anew
        assert read.call_count == 3
    await elsewhere.register(subject(), [OTHER])
    await elsewhere.remove(subject(), [document_id(TEXT)])
    assert await register.find(subject().session, document_id(OTHER)) is None
    clock.now += MISSED_SECONDS
    assert await register.find(subject().session, document_id(OTHER)) == OTHER
    assert await register.find(subject().session, document_id(TEXT)) == TEXT
    clock.now += FOUND_SECONDS
    assert await register.find(subject().session, document_id(TEXT)) is None


async def test_what_this_process_changes_it_knows_at_once(register: DocumentRegister, subject: MakeSubject) -> None:
    session = subject().session
    assert await register.find(session, document_id(TEXT)) is None
    await register.register(subject(), [TEXT])
    assert await register.find(session, document_id(TEXT)) == TEXT
    await register.remove(subject(), [document_id(TEXT)])
    assert await register.find(session, document_id(TEXT)) is None


# Texts in memory


def test_texts_are_bounded_by_their_length() -> None:
    texts: TextCache[int] = TextCache(10 * ENTRY)
    for i in range(20):
        texts.keep(i, None, 1.0)
    assert len(texts) == 10
    texts.keep(20, "x" * (8 * ENTRY), 1.0)
    assert len(texts) == 2
    assert texts.get(19, 0.0) is not None
    texts.keep(21, "x" * (10 * ENTRY), 1.0)
    assert len(texts) == 0


def test_the_least_recently_used_goes_first() -> None:
    texts: TextCache[str] = TextCache(2 * ENTRY)
    texts.keep("a", None, 9.0)
    texts.keep("b", None, 9.0)
    assert texts.get("a", 0.0)
    texts.keep("c", None, 9.0)
    assert (bool(texts.get("a", 0.0)), texts.get("b", 0.0)) == (True, None)


def test_what_is_over_is_not_kept() -> None:
    texts: TextCache[str] = TextCache(1_000)
    texts.keep("a", "text", 5.0)
    assert texts.get("a", 4.9) is not None
    assert texts.get("a", 5.0) is None
    assert len(texts) == 0
    texts.keep("a", "text", 5.0)
    texts.keep("a", "other", 6.0)
    assert len(texts) == 1
