"""The SQL and the JSON of representative queries, kept beside them: a changed plan shows as a changed file.

In `queries/` stands each query with, as comments at its end, the variables (`# {…}`) and the label (`# @ …`) it is
asked with; a variable `@ list(…)` is that list's last cursor. `SNAPSHOTS=write pytest tests/compiler/test_queries.py`
writes the `.sql` and `.json` anew, to be read before they are committed; otherwise nothing writes them.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from compiler.house import LOW, House

FOLDER = Path(__file__).parent / "queries"
NAMES = sorted(path.stem for path in FOLDER.glob("*.graphql"))
WRITING = os.environ.get("SNAPSHOTS") == "write"


@dataclass(frozen=True)
class _Query:
    text: str
    variables: dict[str, Any]
    label: str


def _query(house: House, name: str) -> _Query:
    text = (FOLDER / f"{name}.graphql").read_text("utf-8")
    comments = re.findall(r"^# (.*)$", text, re.MULTILINE)
    label = next((c[2:] for c in comments if c.startswith("@ ")), LOW)
    given: dict[str, Any] = next((orjson.loads(c) for c in comments if c.startswith("{")), {})
    variables = {k: _cursor(house, v, label) if str(v).startswith("@ ") else v for k, v in given.items()}
    return _Query(text, variables, label)


def _cursor(house: House, listed: str, label: str) -> str:
    data = house.ask(f"{{ list: {listed[2:]} {{ pageInfo {{ endCursor }} }} }}", label=label)
    return str(data["list"]["pageInfo"]["endCursor"])


def _sql(house: House, query: _Query) -> str:
    """The one statement, on several lines, with the values of its parameters."""
    subject = house.ground.subject(house.organization, query.label, ("reader",))
    [(text, values)] = house.ground.run(
        house.ground.statements(house.organization, subject, query.text, query.variables)
    )
    lines = re.sub(r" (?=cross join lateral |from \(|where |order by |limit |join fabric|\(select )", "\n", text)
    return "\n".join([lines, *(f"-- ${i}: {_shown(v)}" for i, v in enumerate(values, start=3)), ""])


def _shown(value: Any) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_gives_the_sql_and_the_json_beside_it(house: House, name: str) -> None:
    query = _query(house, name)
    data = house.ask(query.text, query.variables, query.label)
    _same(FOLDER / f"{name}.sql", _sql(house, query))
    _same(FOLDER / f"{name}.json", orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n")


def _same(path: Path, content: str) -> None:
    if WRITING:
        path.write_text(content, "utf-8")
    assert content == path.read_text("utf-8")


def test_each_query_has_its_sql_and_json_and_each_of_these_its_query() -> None:
    for suffix in (".sql", ".json"):
        assert sorted(path.stem for path in FOLDER.glob(f"*{suffix}")) == NAMES
