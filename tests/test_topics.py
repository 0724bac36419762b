"""What the server tells, nobody else can tell: its topics, and the actions of its audit records."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import MakeSubject
from test_floors import modules

from fabric.errors import BadInput
from fabric.events.appending import OwnEvent, append
from fabric.events.topics import OURS
from fabric.identity.organizations import Organization
from fabric.types.types import Types

_TOPIC = re.compile(r"([a-z]+)\.([a-z_]+(\.[a-z_]+)*)?\Z")
_JOURNAL = "fabric.events.journal"
_NO_TOPICS = {"fabric", "vault"}
"""The first words of tables, and of lines of the log."""

_APPLICATIONS = "fabric.events.appending"


def _writes(name: str, tree: ast.Module) -> bool:
    """Whether a module writes events or audit records of the server's own."""
    direct = any("insert into fabric.audit_log" in str(getattr(node, "value", "")) for node in ast.walk(tree))
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in (_JOURNAL, _JOURNAL.rpartition(".")[0])
        for alias in node.names
    }
    return name != _APPLICATIONS and (direct or bool(taken & {"journal", "Entry", "append", "tell", "record"}))


def beginnings() -> Iterator[tuple[str, str]]:
    """The first words of all that looks like a topic where something is written to events or the audit log."""
    for name, tree in modules().items():
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        texts = [value for value in constants if isinstance(value, str)]
        if _writes(name, tree):
            yield from ((name, found[1]) for text in texts if (found := _TOPIC.match(text)))


def test_all_topics_and_actions_of_the_server_are_its_own() -> None:
    found = list(beginnings())
    assert {first for _, first in found} >= {"object", "link", "document", "search", "rotation"}
    assert [(name, first) for name, first in found if first not in OURS | _NO_TOPICS] == []


def test_those_of_revocations_are_too() -> None:
    """Whose actions are the kinds of what is revoked: the only ones that are not in the source as they are written."""
    made = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr) and len(node.values) == 2
        and re.fullmatch(r"\.[a-z]+", str(getattr(node.values[1], "value", "")))
        and _writes(name, tree)
    }  # fmt: skip
    assert made == {"fabric.identity.revocations"}
    assert {"token", "subject"} <= OURS


@pytest.mark.anyio
@pytest.mark.parametrize("first", sorted(OURS))
async def test_applications_cannot_use_them(
    first: str, types: Types, subject: MakeSubject, organization: Organization
) -> None:
    with pytest.raises(BadInput, match="the server's own"):
        await append(types, subject(), organization, OwnEvent(f"{first}.registered", "Alarm"))


def test_integrators_are_told_which_they_are() -> None:
    text = (Path(__file__).parent.parent / "docs" / "integrators.md").read_text("utf-8")
    [told] = re.findall(r"Topics do not begin with (.+?): these", text)
    assert set(re.findall(r"`([a-z]+)`", told)) == OURS
