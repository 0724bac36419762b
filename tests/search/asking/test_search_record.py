"""Nothing searches by a text that is not on the record."""

import ast
import inspect
from typing import Any

import pytest
from databases import MakeSubject, run_sql
from test_floors import imported, modules

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.labels import Label
from fabric.search.asking.query import read_query
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.record import record


def test_only_the_record_makes_questions() -> None:
    question = "fabric.search.asking.question"
    knowing = {name: tree for name, tree in modules().items() if question in imported(name, tree)}
    assert {name for name, tree in knowing.items() if _calls(tree, "Question")} == {"fabric.search.asking.record"}


def _calls(tree: ast.AST, name: str) -> bool:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(ast.unparse(func).split(".")[-1] == name for func in called)


@pytest.mark.parametrize("make", [read_query, QueryVectors.vector])
def test_neither_words_nor_a_vector_are_made_of_less_than_a_question(make: Any) -> None:
    taken = {parameter.name: parameter.annotation for parameter in inspect.signature(make).parameters.values()}
    assert taken.pop("question") is Question
    assert str not in {taken[name] for name in taken if name != "language"}


@pytest.mark.anyio
async def test_a_question_has_the_number_of_its_record(
    database: Database, organization: Organization, subject: MakeSubject, admin_url: str
) -> None:
    for label in ("UNCLASSIFIED", "SECRET/ALPHA"):
        question = await record(database, subject(label), organization, "pumps", Mode.TEXT, "r-1")
        assert (question.text, question.mode) == ("pumps", Mode.TEXT)
        [row] = await run_sql(admin_url, "select * from fabric.audit_log where audit_id = $1", question.audit_id)
        assert (row["action"], row["actor"], row["request_id"]) == ("search.asked", "ann", "r-1")
        assert row["label"] == organization.lattice.encode(Label.parse(label))
