"""The house rules that imports can show."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import fabric

ROOT = Path(__file__).parent.parent
FLOORS = ("vault", "fabric", "ontology", "graphql_api")
"""From the ground up; a module may import from its own floor and those before it."""


@cache
def modules() -> dict[str, ast.Module]:
    """All of our modules by name."""
    found = {}
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


def imported(name: str, tree: ast.AST) -> Iterator[str]:
    """Names of modules that the code imports; `from package import module` counts as the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in modules() else str(node.module)


def floor(module: str) -> str:
    return module.partition(".")[0]


def test_the_packages_are_ours() -> None:
    assert fabric.__file__ == str(ROOT / "fabric" / "__init__.py")


def test_imports_lead_only_downward() -> None:
    for name, tree in modules().items():
        allowed = FLOORS[: FLOORS.index(floor(name)) + 1]
        above = [target for target in imported(name, tree) if floor(target) in FLOORS and floor(target) not in allowed]
        assert not above, f"{name} imports {above}"


def test_imports_make_no_cycle() -> None:
    ours = modules()
    edges = {name: {t for t in imported(name, tree) if t in ours and t != name} for name, tree in ours.items()}
    while leaves := {name for name, targets in edges.items() if not targets}:
        edges = {name: targets - leaves for name, targets in edges.items() if name not in leaves}
    assert not edges, f"in or above a cycle: {sorted(edges)}"


def test_revisions_know_nothing_of_ours() -> None:
    for path in (ROOT / "migrations" / "versions").glob("*.py"):
        known = {floor(target) for target in imported(path.name, ast.parse(path.read_text()))}
        assert not known & {*FLOORS, "migrations"}, path.name
    assert not list((ROOT / "migrations").rglob("__init__.py"))


def test_no_import_hides_in_a_function() -> None:
    """Except an optional dependency's, which stands in a `try` that catches ImportError."""
    for name, tree in modules().items():
        optional = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.Try) and any("ImportError" in ast.dump(h.type) for h in node.handlers if h.type)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                hidden = [n for n in ast.walk(function) if isinstance(n, ast.Import | ast.ImportFrom)]
                assert set(hidden) <= optional, f"{name}.{function.name}"


def test_only_the_settings_and_the_command_read_the_environment() -> None:
    for name, tree in modules().items():
        reads = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
        if name not in {"fabric.settings", "graphql_api.cli"}:
            assert not reads & {"os.environ", "os.getenv", "environ", "getenv"}, name


def test_every_package_is_in_the_distribution() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    files = [path for floor in FLOORS for path in (ROOT / floor).rglob("__init__.py")]
    present = {".".join(path.parent.relative_to(ROOT).parts) for path in files}
    assert set(listed) == present | {"fabric.migrations", "fabric.migrations.versions"}


def test_no_dependency_brings_a_package_of_our_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert not [line for line in wanted if line.split(">=")[0].lower() in FLOORS]


def test_search_is_built_in_its_order() -> None:
    order = ("index", "asking", "ranking", "finding")
    for name, tree in modules().items():
        if (folder := _folder_of_search(name)) is not None:
            folders = {_folder_of_search(target) for target in imported(name, tree)} - {None}
            above = folders - {*order[: order.index(folder) + 1]}
            assert not above, f"{name} imports of {above}"


def _folder_of_search(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["fabric", "search"] and len(parts) > 2 else None
