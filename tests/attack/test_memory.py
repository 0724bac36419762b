"""Memory: what hostile requests leave behind is bounded, however many there are."""

from collections.abc import Callable
from typing import Any

import pytest
from http_server import Tenant
from overloads import aliased
from server_process import Process

COUNT = "query ($w: AssetWhere) { assets(where: $w) { totalCount } }"
NESTED = "sensors(first: 1) { nodes { id label assets(first: 1) { nodes { id name } } } }"
KINDS: list[Callable[[int], tuple[str, Any]]] = [
    lambda i: (f"{{ __typename }} # {i} " + "x" * 900_000, None),
    lambda i: ("{ assets(where: {name: {in: [" + f'"{i}" ' * 4_000 + "]}}) { totalCount } }", None),
    lambda i: (f"{{ assets(first: 1) {{ nodes {{ {aliased(NESTED, 20, f'a{i}_')} }} }} }}", None),
    lambda i: (f"{{ nope{i} }} # " + "x" * 900_000, None),
    lambda i: (f"{{ {'n' * 900_000}{i} }}", None),
    lambda i: (COUNT, {"w": {"or": [{"name": {"eq": None}}] * (500 + i)}}),
    lambda i: (f"{COUNT} # {i}", {"w": {f"k{j}": i for j in range(30_000)}}),
    lambda i: ("query ($w: AssetWhere, $x: Boolean!) { assets(where: $w) @include(if: $x) { totalCount } }",
               {"x": False, "w": {"and": [{}] * (10_000 + i)}}),
]  # fmt: skip


@pytest.mark.parametrize("process", [{"FABRIC_DOCUMENT_CACHE_SIZE": "100"}], indirect=True)
def test_two_hundred_hostile_requests_leave_little_behind(process: Process, apart: Tenant) -> None:
    """Half of them fill what there is to fill; after the other half the process is hardly larger."""

    def attack(start: int) -> int:
        for i in range(start, start + 13):
            for kind in KINDS:
                Tenant(process, apart.name).ask(*kind(i))
        return process.resident

    half, whole = attack(0), attack(13)
    assert whole - half < 20_000_000
