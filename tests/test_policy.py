import re
from pathlib import Path

import pytest

from fabric.identity import link_rights
from fabric.identity.link_rights import UNLIMITED, LinkRights
from fabric.identity.policy import PERMISSIONS, Policy

READER = {"object:read", "link:read", "type:read"}
WRITER = READER | {
    "object:create", "object:update", "object:delete", "link:create", "link:update", "link:delete", "event:append",
}  # fmt: skip
DOCUMENT = Path(__file__).parent.parent / "docs" / "roles.md"


def load(tmp_path: Path, text: str) -> Policy:
    file = tmp_path / "policy.toml"
    file.write_text(text, "utf-8")
    return Policy.load(file)


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("reader", READER),
        ("writer", WRITER),
        ("designer", {"type:define", "type:retire"}),
        ("regrader", {"label:regrade"}),
        ("officer", {"field:decrypt"}),
        ("auditor", {"audit:read"}),
        ("admin", set(PERMISSIONS)),
    ],
)
def test_the_default_policy_grants(role: str, permissions: set[str]) -> None:
    assert Policy.load(None).permissions(frozenset({role})) == permissions


def test_several_roles_allow_what_each_allows() -> None:
    assert Policy.load(None).permissions(frozenset({"reader", "auditor"})) == READER | {"audit:read"}


def test_an_unknown_role_and_no_role_allow_nothing() -> None:
    policy = Policy.load(None)
    assert policy.permissions(frozenset({"root", "Reader", "admin "})) == frozenset()
    assert policy.permissions(frozenset({"root", "auditor"})) == {"audit:read"}
    assert policy.permissions(frozenset()) == frozenset()


def test_the_same_roles_are_resolved_once() -> None:
    policy = Policy.load(None)
    assert policy.permissions(frozenset({"admin"})) is policy.permissions(frozenset({"admin"}))


def test_a_file_replaces_the_default_policy(tmp_path: Path) -> None:
    policy = load(tmp_path, '[roles.guest]\npermissions = ["type:read"]\n')
    assert policy.permissions(frozenset({"guest", "admin"})) == {"type:read"}


def test_inheritance_reaches_through_several_roles_and_meets_again(tmp_path: Path) -> None:
    rungs = "\n".join(
        f'[roles.a{i}]\ninherits = ["a{i + 1}", "b{i + 1}"]\n[roles.b{i}]\ninherits = ["a{i + 1}"]' for i in range(60)
    )
    ends = '\n[roles.a60]\npermissions = ["audit:read"]\n[roles.b60]\npermissions = ["type:read"]\n'
    assert load(tmp_path, rungs + ends).permissions(frozenset({"a0"})) == {"audit:read", "type:read"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[roles.r]\npermissions = ["type:read", "object:reed"]',
            ["roles.r.permissions[1]", "did you mean object:read "],
        ),
        ('[roles.r]\npermissions = ["*"]', ["roles.r.permissions[0]", "known are audit:read"]),
        ('[roles.reader]\n[roles.r]\ninherits = ["raeder"]', ["roles.r.inherits[0]", "did you mean reader?"]),
        ('[roles.r]\npermisions = ["type:read"]', ["roles.r.permisions", "did you mean permissions?"]),
        ("[role.reader]", ["role: unknown table", "did you mean roles?"]),
        ('[roles.r]\npermissions = "type:read"', ["roles.r.permissions: must be a list of strings"]),
        ("[roles.r]\npermissions = [1]", ["roles.r.permissions: must be a list of strings"]),
        ("[roles.r]\ninherits = 3", ["roles.r.inherits: must be a list of strings"]),
        ("[roles.r]\ndescription = 3", ["roles.r.description: must be a string"]),
        ('[roles]\nreader = "all"', ["roles.reader: a role is a table"]),
        ("roles = 1", ["roles: a policy is made of tables"]),
        ("", ["roles: a policy is made of tables"]),
        ('[roles.r]\npermissions = ["link:read"]\nrelations = "x"', ["roles.r.relations: must be a list of strings"]),
        ('[roles.r]\nrelations = ["x"]', ["roles.r.relations: the role has no permission on links of its own"]),
        (
            '[roles.reader]\npermissions = ["link:read"]\n[roles.r]\ninherits = ["reader"]\nrelations = ["x"]',
            ["roles.r.relations: the role has no permission on links of its own"],
        ),
        ('[roles.r]\npermissions = ["link:create"]\nmax_graph_depth = 2', ["roles.r.max_graph_depth", "link:read"]),
        ('[roles.r]\npermissions = ["link:read"]\nmax_graph_links = -1', ["roles.r.max_graph_links: must be a whole"]),
        ('[roles.r]\npermissions = ["link:read"]\nmax_graph_depth = true', ["roles.r.max_graph_depth: must be"]),
        ('[roles.r]\npermissions = ["link:read"]\nmax_graph_depth = 1.5', ["roles.r.max_graph_depth: must be a whole"]),
        ("[roles.reader\n", ["line 1"]),
        ('[roles.a]\ninherits = ["a"]', ["roles.a.inherits", "a → a"]),
        (
            '[roles.a]\ninherits = ["b"]\n[roles.b]\ninherits = ["c"]\n[roles.c]\ninherits = ["b"]',
            ["roles.c.inherits", "b → c → b"],
        ),
    ],
)
def test_a_faulty_policy_is_refused_with_file_and_place(tmp_path: Path, text: str, said: list[str]) -> None:
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "policy.toml"))) as caught:
        load(tmp_path, text)
    for part in said:
        assert part in str(caught.value)


LIMITED = """
[roles.near]
permissions = ["link:read", "link:create"]
relations = ["near"]
max_graph_depth = 2
max_graph_links = 100

[roles.far]
permissions = ["link:read"]
relations = ["far"]
max_graph_depth = 5

[roles.heir]
inherits = ["near"]
permissions = ["link:delete"]

[roles.all]
permissions = ["link:read"]

[roles.none]
permissions = ["link:read"]
relations = []

[roles.officer]
permissions = ["field:decrypt"]
"""
NEAR, FAR = frozenset({"near"}), frozenset({"far"})


@pytest.mark.parametrize(
    ("roles", "relations", "depth", "links"),
    [
        ("", {}, None, None),
        ("near", {"link:read": NEAR, "link:create": NEAR}, 2, 100),
        ("none", {"link:read": frozenset()}, None, None),
        # What a role without permissions on links leaves out bounds nothing, and allows nothing.
        ("near officer unknown", {"link:read": NEAR, "link:create": NEAR}, 2, 100),
        # Each permission reaches as far as in the role that it comes from.
        ("near far", {"link:read": NEAR | FAR, "link:create": NEAR}, 5, None),
        ("near all", {"link:create": NEAR}, None, None),
        ("heir", {"link:read": NEAR, "link:create": NEAR}, 2, 100),
        ("all officer", {}, None, None),
    ],
)
def test_permissions_on_links_reach_as_far_as_any_role_lets_them(
    tmp_path: Path, roles: str, relations: dict[str, frozenset[str]], depth: int | None, links: int | None
) -> None:
    expected = LinkRights(relations, depth, links)
    assert load(tmp_path, LIMITED).link_rights(frozenset(roles.split())) == expected


def test_the_default_policy_bounds_no_permission() -> None:
    policy = Policy.load(None)
    assert all(policy.link_rights(frozenset({role})) == UNLIMITED for role in policy.roles)
    assert {name for name in PERMISSIONS if name.startswith("link:")} == link_rights.PERMISSIONS


def test_a_policy_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.toml: cannot be read"):
        Policy.load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'[roles.r]\ndescription = "\xff"')
    with pytest.raises(ValueError, match=r"latin\.toml: "):
        Policy.load(tmp_path / "latin.toml")


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading of docs/roles.md, by the name in the first column."""
    section = DOCUMENT.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}


def test_the_documentation_lists_every_permission() -> None:
    assert table("Permissions") == {name: [text] for name, text in PERMISSIONS.items()}


def test_the_documentation_lists_every_role_with_what_it_is_and_holds() -> None:
    documented = {
        name: (description, set(re.findall(r"`([^`]+)`", inherits)), set(re.findall(r"`([^`]+)`", permissions)))
        for name, (description, inherits, permissions) in table("Roles").items()
    }
    assert documented == {
        name: (role.description, set(role.inherits), set(role.permissions))
        for name, role in Policy.load(None).roles.items()
    }
