"""GraphQL Code Generator: a typed client of the demo, generated, compiled and run; and what must not compile."""

import json
import re
from pathlib import Path

import pytest
from http_server import Tenant
from workshop import Workshop, client

pytestmark = client("graphql-codegen")


def generate(workshop: Workshop, schema: Path | None = None) -> None:
    """From the live server, or from the schema in this file."""
    given = {} if schema is None else {"GRAPHQL_SCHEMA": str(schema)}
    workshop.succeed("graphql-codegen", "--config", "codegen.ts", within="codegen", **given)


def generated(workshop: Workshop) -> dict[str, str]:
    """The files without comments: those on scalars are lost by introspection."""
    folder = workshop.folder / "codegen" / "generated"
    return {p.name: re.sub(r" */\*\*.*?\*/\n", "", p.read_text("utf-8"), flags=re.DOTALL) for p in folder.iterdir()}


def changed(workshop: Workshop, file: str, *changes: tuple[str, str]) -> str:
    """The file's text with each of these replaced, which stand in it once."""
    text = (workshop.folder / "codegen" / file).read_text("utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def client_code(demo: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """With the client generated, which tests leave as it is."""
    workshop = Workshop.furnish(tmp_path_factory.mktemp("codegen"), demo)
    generate(workshop)
    return workshop


def test_a_typed_client_compiles_and_is_answered_as_its_types_say(client_code: Workshop, demo: Tenant) -> None:
    client_code.succeed("tsc", "--project", ".", within="codegen")
    told = json.loads(client_code.succeed("node", "built/program.js", within="codegen"))
    query = '{ reservoirs(where: {code: {startsWith: "RSV-"}}, first: 500) { nodes { code status volume levels } } }'
    reservoirs = demo.data(query)["reservoirs"]["nodes"]
    expected = {n["code"]: f"{n['status']} {n['volume']} {len(n['levels'])}" for n in reservoirs}
    assert expected
    assert expected.items() < told["places"].items()
    zones = [text for code, text in told["places"].items() if code.startswith("ZON-")]
    assert zones
    assert all(int(text) for text in zones)
    assert all(re.fullmatch(r"\d+(\.\d+)?", cost) for cost in told["costs"] if cost is not None)
    assert told["sessionLabel"] == "UNCLASSIFIED"
    assert told["fieldSchema"]["typeName"] == "Pump"
    assert told["refused"] == ["NOT_FOUND"]


def test_the_printed_schema_gives_the_same_client(client_code: Workshop, workshop: Workshop, schema_text: str) -> None:
    file = workshop.folder / "schema.graphql"
    file.write_text(schema_text, "utf-8")
    generate(workshop, file)
    assert generated(workshop).keys() == {"operations.ts", "schema.ts"}
    assert generated(workshop) == generated(client_code)


def test_an_operation_with_a_field_that_is_not_there_gives_no_client(workshop: Workshop) -> None:
    """The second is there above this reader."""
    wrong = ("nonesuch", "reservedVolume")
    operations = changed(workshop, "operations.graphql", ("    volume\n", "    {}\n    {}\n".format(*wrong)))
    (workshop.folder / "codegen" / "operations.graphql").write_text(operations, "utf-8")
    refused = workshop.run("graphql-codegen", "--config", "codegen.ts", within="codegen")
    assert refused.returncode != 0
    for name in wrong:
        assert f'Cannot query field "{name}" on type "Reservoir"' in refused.stdout + refused.stderr


MISTAKES = [
    ("place.volume;", "place.capacity;", "Property 'capacity' does not exist"),
    ("const levels: number[]", "const levels: string[]", "is not assignable to type 'string[]'"),
    ("{ notes: null,", "{ notes: 1,", "Type 'number' is not assignable to type 'string'"),
    ("{ code: 'DESC' }", "{ code: 'DOWN' }", "Type '\"DOWN\"' is not assignable"),
]
"""What is right, what is wrong, and what the compiler says to it."""


def test_a_program_that_takes_answers_for_something_else_does_not_compile(client_code: Workshop) -> None:
    folder = client_code.folder / "codegen"
    program = changed(client_code, "program.ts", *((right, wrong) for right, wrong, _ in MISTAKES))
    (folder / "mistaken.ts").write_text(program, "utf-8")
    (folder / "mistaken.json").write_text('{"extends": "./tsconfig.json", "files": ["mistaken.ts"]}', "utf-8")
    refused = client_code.run("tsc", "--project", "mistaken.json", "--noEmit", within="codegen")
    assert refused.returncode != 0
    for _, _, complaint in MISTAKES:
        assert complaint in refused.stdout
