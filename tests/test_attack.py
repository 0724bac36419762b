"""MITRE ATT&CK as it is published, imported and asked. Skipped where the file is not beside the checkout."""

import gzip
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_server import Tenant, serving

BUNDLE = Path(__file__).parents[2] / "shared/data/attack/enterprise-attack.stix.json.gz"
ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "importing-stix.md"

pytestmark = pytest.mark.skipif(not BUNDLE.exists(), reason="the ATT&CK bundle is not beside the checkout")


@pytest.fixture
def attack(server_url: str, admin_url: str, tmp_path: Path) -> Iterator[Tenant]:
    tmp_path.chmod(0o700)
    where = ["--data-dir", str(tmp_path), "--database-url", server_url, "--admin-database-url", admin_url]
    command = [sys.executable, "-m", "graphql_api.cli", "import", "stix", BUNDLE, "--organization", "attack", *where]
    subprocess.run(command, check=True, cwd=ROOT)
    with serving(server_url, admin_url, tmp_path) as server:
        yield Tenant(server, "attack")


def published() -> list[dict[str, Any]]:
    text = Path(BUNDLE).read_bytes()
    elements: list[dict[str, Any]] = json.loads(gzip.decompress(text) if text[:2] == b"\x1f\x8b" else text)["objects"]
    return elements


def expected() -> dict[str, Any]:
    """The answer, read off the file."""
    elements = published()
    names = {each["id"]: each.get("name") for each in elements}
    tactics = {each["x_mitre_shortname"]: each["name"] for each in elements if each["type"] == "x-mitre-tactic"}
    mitigations = defaultdict(list)
    for each in elements:
        if each["type"] == "relationship" and each["relationship_type"] == "mitigates":
            mitigations[each["target_ref"]].append(names[each["source_ref"]])
    techniques = [
        each for each in elements
        if each["type"] == "attack-pattern" and not each.get("revoked") and not each.get("x_mitre_deprecated")
    ]  # fmt: skip
    nodes = [
        {
            "name": each["name"],
            "xMitrePlatforms": each.get("x_mitre_platforms"),
            "killChainPhaseXMitreTactics": named(sorted(tactics[p["phase_name"]] for p in each["kill_chain_phases"])),
            "mitigatesFromCourseOfActions": {
                "totalCount": len(mitigations[each["id"]]),
                **named(sorted(mitigations[each["id"]])[:5]),
            },
        }
        for each in sorted(techniques, key=lambda each: str(each["name"]))[:20]
    ]
    return {"attackPatterns": {"totalCount": len(techniques), "nodes": nodes}}


def named(names: list[str]) -> dict[str, Any]:
    return {"nodes": [{"name": name} for name in names]}


def test_the_documents_query_answers_what_the_file_says(attack: Tenant) -> None:
    (query,) = re.findall(r"```text attack\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert attack.data(query) == expected()
