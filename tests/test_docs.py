"""The documents hold what they promise: links lead somewhere, examples run and answer as shown, nothing is left out."""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from graphql import build_client_schema, get_introspection_query, parse, print_ast, validate
from graphql.language import (
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    ObjectTypeDefinitionNode,
)
from graphql.type import GraphQLSchema
from http_server import MakeServer, Tenant
from text_blocks import Block, blocks

from fabric import demo
from fabric.identity.policy import PERMISSIONS
from fabric.names import RESERVED_NAMES
from fabric.settings import Settings, variable
from fabric.types.definitions import RESERVED_FIELDS
from fabric.types.document_reading import _FIELD_KEYS as FIELD_KEYS
from fabric.types.document_reading import _LINK_KEYS as LINK_KEYS
from fabric.types.document_reading import _TYPE_KEYS as TYPE_KEYS
from fabric.types.document_reading import read_document
from fabric.types.kinds import Kind
from graphql_api.cli import COMMANDS
from graphql_api.schema.inputs import operators_of
from graphql_api.streaming.streams import CloseCode

ROOT = Path(__file__).parent.parent
README, CHANGELOG = ROOT / "README.md", ROOT / "CHANGELOG.md"
DOCUMENTS = sorted([README, CHANGELOG, *ROOT.glob("docs/**/*.md")])
RUN = [README, *sorted(ROOT.glob("docs/*.md"))]
TEXT_FILES = frozenset(".py .md .toml .yaml .yml .mako .ini .graphql .sql .json .txt .html .js .css .hcl".split())
NOT_OURS = frozenset(".git .venv .data build dist node_modules __pycache__ semantic_fabric.egg-info".split())


def prose(document: Path) -> str:
    """The document without its blocks and code spans, which may hold what looks like markup."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"(?ms)^```.*?^```", "", document.read_text("utf-8")))


def names(documents: list[Path]) -> list[str]:
    return [str(d.relative_to(ROOT)) for d in documents]


# Links


def anchors(document: Path) -> set[str]:
    """As GitHub makes them from headings."""
    text = re.sub(r"(?ms)^```.*?^```", "", document.read_text("utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#+ (.+)$", text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        number = 1
        while (made := slug if number == 1 else f"{slug}-{number - 1}") in found:
            number += 1
        found.add(made)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), f"{target}: no such file"
        assert file.is_relative_to(ROOT), f"{target}: outside of the project"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


def test_every_document_is_reached_from_the_readme() -> None:
    reached, pending = set(), [README]
    while pending:
        document = pending.pop()
        if document in reached:
            continue
        reached.add(document)
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", prose(document)):
            file = (document.parent / target).resolve()
            if file.suffix == ".md" and file.exists():
                pending.append(file)
    assert not set(DOCUMENTS) - reached - {CHANGELOG}


# Blocks that are only read


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_json_and_toml_block_can_be_read(document: Path) -> None:
    for block in blocks(document):
        try:
            values(block)
            if block.language == "toml":
                tomllib.loads(block.text)
        except ValueError as error:
            pytest.fail(f"{document.name}:{block.line}: {error}")


def values(block: Block) -> list[Any]:
    """The JSON values in a block; none in a block of something else."""
    match block.language:
        case "json":
            return [json.loads(block.text)]
        case "jsonl":
            return [json.loads(line) for line in block.text.splitlines()]
        case _:
            return []


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_example_of_a_definition_is_accepted(document: Path) -> None:
    for block in blocks(document):
        for definition in definitions_in(values(block)):
            read_document(definition)


def definitions_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Whatever in a document's JSON is a whole definition: it has a name, and says what it holds."""
    if isinstance(value, dict):
        if "typeName" in value and ("fields" in value or "links" in value):
            yield value
        else:
            for member in value.values():
                yield from definitions_in(member)
    elif isinstance(value, list):
        for item in value:
            yield from definitions_in(item)


# Examples that run


@dataclass
class Example:
    """A GraphQL block with the variables and the response that the document shows for it."""

    block: Block
    variables: Any = None
    responses: list[tuple[str, str | None, Any]] = field(default_factory=list)
    """(who asks, at which session label, what is shown)"""


QUERIES = {reader.name: reader.query for reader in demo.READERS}
ASKERS = {reader.name: (reader.clearance, ("writer",)) for reader in demo.READERS} | {
    "me": ("UNCLASSIFIED", ("writer", "designer")),
    "keeper": ("SECRET/CISTERN", ("writer",)),
    "publisher": ("UNCLASSIFIED", ("publisher",)),
}
"""Who asks in the documents: clearance and roles by name. `me` does where nobody is named."""


def examples(document: Path) -> list[Example]:
    """A response names who asks, and the session label if it is a lower one. One before any query is to the reader's
    own query of the demo."""
    found: list[Example] = []
    for block in blocks(document):
        if block.language == "graphql" and not block.purpose:
            found.append(Example(block))
        elif block.info[:2] == ("json", "variables"):
            found[-1].variables = json.loads(block.text)
        elif block.info[:2] == ("json", "response"):
            asker = block.info[2] if len(block.info) > 2 else "me"
            if not found or found[-1].block.language != "graphql":
                found.append(Example(Block(("demo",), QUERIES[asker], block.line)))
            session_label = block.info[3] if len(block.info) > 3 else None
            found[-1].responses.append((asker, session_label, json.loads(block.text)))
    return found


class Shown:
    """Holds what is shown against what was answered. `<name>` stands for a value that the document leaves open."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def filled(self, value: Any) -> Any:
        """The value with the open ones filled in."""
        match value:
            case dict():
                return {key: self.filled(member) for key, member in value.items()}
            case list():
                return [self.filled(item) for item in value]
            case str() if value in self.values:
                return self.values[value]
            case _:
                return value

    def compare(self, shown: Any, actual: Any, place: str) -> None:
        """Of an object the shown members count, of a list all items, unless it ends with "…"; so of a text."""
        match shown:
            case dict():
                assert isinstance(actual, dict), f"{place}: {actual!r}"
                assert not shown.keys() - actual.keys(), f"{place}: {actual}"
                for key, member in shown.items():
                    self.compare(member, actual[key], f"{place}.{key}")
            case list():
                if shown and shown[-1] == "…":
                    shown, actual = shown[:-1], actual[: len(shown) - 1]
                assert len(shown) == len(actual), f"{place}: {actual!r}"
                for i, (item, found) in enumerate(zip(shown, actual, strict=True)):
                    self.compare(item, found, f"{place}[{i}]")
            case str() if re.fullmatch(r"<[a-z0-9 ]+>", shown):
                assert self.values.setdefault(shown, actual) == actual, f"{place}: {shown} is another"
                assert isinstance(actual, str), f"{place}: {actual!r}"
            case str() if shown.endswith("…"):
                assert str(actual).startswith(shown[:-1]), f"{place}: {actual!r}"
            case _:
                assert actual == shown, f"{place}: {actual!r}"


@pytest.fixture(scope="module")
def organization(new_server: MakeServer, demo_template: str) -> Iterator[Tenant]:
    """The demo organization on a running server, for all documents: each makes what it changes."""
    with new_server(template=demo_template) as server:
        yield Tenant(server, demo.ORGANIZATION)


def ask(organization: Tenant, query: str, variables: Any, asker: str, session_label: str | None) -> Any:
    label, roles = ASKERS[asker]
    return organization.ask(query, variables, label=label, roles=roles, session_label=session_label, name=asker).body


RUNNING = [document for document in RUN if examples(document)]


@pytest.mark.parametrize("document", RUNNING, ids=names(RUNNING))
def test_the_examples_answer_as_shown(document: Path, organization: Tenant) -> None:
    """In the document's order, against one database, so that one example can build on another."""
    shown = Shown()
    for example in examples(document):
        place = f"{document.name}:{example.block.line}"
        for asker, session_label, expected in example.responses or [("me", None, None)]:
            answer = ask(organization, example.block.text, shown.filled(example.variables), asker, session_label)
            if expected is None or "errors" not in expected:
                assert "errors" not in answer, f"{place}: {answer}"
            if expected is not None:
                shown.compare(expected, answer, place)
    for block in blocks(document):
        if block.language == "graphql" and block.purpose == "schema":
            compare_schema(block, schema_of(organization), f"{document.name}:{block.line}")


def test_examples_that_are_not_run_fit_the_schema(organization: Tenant) -> None:
    schema = schema_of(organization)
    for document in DOCUMENTS:
        for block in blocks(document):
            if block.info == ("graphql", "valid"):
                assert not validate(schema, parse(block.text)), f"{document.name}:{block.line}"


def schema_of(organization: Tenant) -> GraphQLSchema:
    return build_client_schema(organization.data(get_introspection_query()))


def compare_schema(block: Block, schema: GraphQLSchema, place: str) -> None:
    """Each type that is shown is there, with at least the members that are shown."""
    for definition in parse(block.text).definitions:
        assert isinstance(definition, ObjectTypeDefinitionNode | InputObjectTypeDefinitionNode), place
        actual: Any = schema.get_type(definition.name.value)
        assert actual is not None, f"{place}: {definition.name.value}"
        shown = {interface.name.value for interface in getattr(definition, "interfaces", None) or ()}
        assert shown <= {interface.name for interface in getattr(actual, "interfaces", ())}, place
        for member in definition.fields or ():
            found = actual.fields[member.name.value]
            assert str(found.type) == print_ast(member.type), f"{place}: {member.name.value}"
            if isinstance(member, FieldDefinitionNode):
                arguments = {a.name.value: print_ast(a.type) for a in member.arguments or ()}
                actually = {name: str(a.type) for name, a in found.args.items()}
                assert arguments == actually, f"{place}: {member.name.value}"


# Nothing is left out: settings, codes, commands, roles and kinds are held against their documents where they are tested


def test_every_reserved_name_is_documented() -> None:
    text = (ROOT / "docs" / "type-definitions.md").read_text("utf-8")
    lines = dict(re.findall(r"(?m)^- as ([\w ]+): (.*)$", text))
    listed = {group: set(re.findall(r"`(\w+)`", line)) for group, line in lines.items()}
    assert listed["fields and links"] == RESERVED_FIELDS
    assert listed["queries"] == reserved("query")
    assert listed["mutations"] == reserved("mutation")
    assert listed["types"] == {name for name in reserved("type") if not name.endswith("Where")}


def reserved(group: str) -> set[str]:
    return {name for each, _, name in (n.partition(":") for n in RESERVED_NAMES) if each == group}


def test_every_operator_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "kinds.md").read_text("utf-8")
    group_of = dict(re.findall(r"(?m)^\| `(\w+)` \|.*\| \[(\w+)\]\(#operators\) \|$", text))
    listed = re.findall(r"(?m)^\| (\w+) \| ([^|]*) \| (`eq`[^|]*) \|$", text.split("## Operators\n")[1])
    operators = {group: set(re.findall(r"`(\w+)`", said)) for group, _, said in listed}
    kinds = {group: re.findall(r"`(\w+)`", said) for group, said, _ in listed}
    for kind in Kind:
        assert operators[group_of[kind]] == set(operators_of(kind)), kind
        assert operators["list"] == set(operators_of(kind, many=True)), kind
        assert kind in kinds[group_of[kind]]


def test_every_close_code_is_documented_and_no_other() -> None:
    text = (ROOT / "docs" / "integrators.md").read_text("utf-8")
    section = text.split("#### Close codes\n")[1].split("\n### ")[0]
    assert re.findall(r"(?m)^\| `(\d+)` \|", section) == [str(int(code)) for code in CloseCode]


def test_every_key_of_a_definition_is_documented() -> None:
    text = (ROOT / "docs" / "type-definitions.md").read_text("utf-8")
    for heading, keys in (("type", TYPE_KEYS), ("field", FIELD_KEYS), ("link", LINK_KEYS)):
        section = text.split(f"## Keys of a {heading}\n")[1].split("\n## ")[0]
        first_cells = re.findall(r"(?m)^\| (`[^|]*) \|", section)
        assert {key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)} == keys


RDF_PREFIXES = {*"dcterms fabric owl rdf rdfs schema sh skos xsd".split()}
"""What stands before the names of RDF, which are written as permissions are."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_settings_commands_and_permissions_that_are_named_exist(document: Path) -> None:
    """That each is documented is tested where it is declared; here, that what the documents name is there."""
    text = document.read_text("utf-8")
    assert set(re.findall(r"\bFABRIC_[A-Z_]+\b", text)) <= {variable(f.name) for f in fields(Settings)}
    commands = re.findall(r"(?m)(?:`|bin/|^|exec server )semantic-fabric ([a-z]+)\b", text)
    assert set(commands) <= COMMANDS.keys()
    named = {name for name in re.findall(r"`([a-z]+:[a-z]+)`", text) if name.partition(":")[0] not in RDF_PREFIXES}
    assert named <= PERMISSIONS.keys()


# What does not belong into the tree


def text_files() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if path == Path(__file__) or ".min." in name or ".production." in name:  # what others wrote
                continue
            if path.suffix in TEXT_FILES or name in ("Makefile", "Dockerfile", "LICENSE"):
                yield path


UNWELCOME = re.compile(
    r"\b(?:TODO|FIXME|XXX)\b|(?<![\w.<{}*])/(?:root/(?!\.cache)|home/\w|work/\w|Users/\w|tmp/\w+/bin)"
)
"""Work left for later, and paths of somebody's machine."""


def test_no_text_speaks_of_unfinished_work_or_of_somebodys_machine() -> None:
    for path in text_files():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            assert not UNWELCOME.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
