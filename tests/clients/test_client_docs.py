"""The examples of clients in the documentation, run as they stand there, at another address."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from http_server import Tenant
from text_blocks import blocks
from workshop import SECONDS, Workshop, client

DOCUMENT = Path(__file__).parents[2] / "docs" / "front-end-builders.md"
ADDRESS = "http://127.0.0.1:8000"
FAILED = "{ pumps(where: {status: {eq: FAILED}}, orderBy: [{tag: ASC}], first: 3) { nodes { tag } } }"
OPERATION = "query Failed { pumps(first: 3) { nodes { tag installedAt } } }"


def example(language: str, name: str) -> str:
    [found] = [block.text for block in blocks(DOCUMENT) if block.info == (language, name)]
    return found


def at(text: str, demo: Tenant) -> str:
    assert text.count(ADDRESS) == 1
    return text.replace(ADDRESS, demo.server.url)


def token(demo: Tenant) -> str:
    return demo.authorization(roles=("writer",))["authorization"].removeprefix("Bearer ")


def failed(demo: Tenant) -> list[str]:
    tags = [node["tag"] for node in demo.data(FAILED)["pumps"]["nodes"]]
    assert len(tags) == 3
    return tags


@pytest.mark.parametrize(
    "name", [pytest.param("urql", marks=client("@urql/core")), pytest.param("apollo", marks=client("@apollo/client"))]
)
def test_the_example_for_javascript(name: str, workshop: Workshop, demo: Tenant) -> None:
    (workshop.folder / "example.mjs").write_text(at(example("js", name), demo), "utf-8")
    told = workshop.succeed("node", "example.mjs", TOKEN=token(demo))
    assert json.loads(told.replace("'", '"')) == failed(demo)
    assert workshop.succeed("node", "example.mjs", TOKEN="none") == "UNAUTHENTICATED\n"


def test_the_example_for_python(demo: Tenant) -> None:
    code = at(example("python", "gql"), demo)

    def told(token: str) -> str:
        command, environment = [sys.executable, "-c", code], {"TOKEN": token}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=SECONDS)
        return done.stdout

    assert json.loads(told(token(demo)).replace("'", '"')) == failed(demo)


@client("relay-compiler")
def test_the_example_for_relay(workshop: Workshop, schema_text: str) -> None:
    (workshop.folder / "src").mkdir()
    (workshop.folder / "src" / "Assets.ts").write_text(f"graphql`{example('graphql', 'relay')}`;\n", "utf-8")
    (workshop.folder / "schema.graphql").write_text(schema_text, "utf-8")
    (workshop.folder / "relay.config.json").write_text(example("json", "relay"), "utf-8")
    workshop.succeed("relay-compiler", "relay.config.json")
    assert (workshop.folder / "src" / "__generated__" / "AssetsPageQuery.graphql.ts").exists()


@client("graphql-codegen")
def test_the_example_for_code_generator(workshop: Workshop, demo: Tenant, schema_text: str) -> None:
    (workshop.folder / "src").mkdir()
    (workshop.folder / "src" / "failed.graphql").write_text(OPERATION, "utf-8")
    (workshop.folder / "schema.graphql").write_text(schema_text, "utf-8")
    from_file = example("yaml", "codegen")
    from_server = from_file.replace("schema: schema.graphql", at(example("yaml", "from-the-server"), demo))
    made = []
    for configuration in (from_file, from_server):
        (workshop.folder / "codegen.yml").write_text(configuration, "utf-8")
        workshop.succeed("graphql-codegen", "--config", "codegen.yml", TOKEN=token(demo))
        made.append((workshop.folder / "src" / "graphql.ts").read_text("utf-8"))
        (workshop.folder / "src" / "graphql.ts").rename(workshop.folder / "src" / "compiled.ts")
    workshop.succeed("tsc", "--noEmit", "--strict", "--module", "nodenext", "src/compiled.ts")
    assert made[0] == made[1]
    assert "installedAt: string | null" in made[0]
