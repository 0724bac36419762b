"""Names as GraphQL shows them, made from the names of types."""

import re

GRAPHQL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}\Z")
"""Names a definition may give: GraphQL's own form, not starting with an underscore, short enough for any tool."""


def camel(name: str) -> str:
    """`attack-pattern`, `attack_pattern`, `AttackPattern` → `attackPattern`."""
    pascal_name = pascal(name)
    return pascal_name[:1].lower() + pascal_name[1:]


def pascal(name: str) -> str:
    """`attack-pattern`, `x_mitre_platforms` → `AttackPattern`, `XMitrePlatforms`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name) if part)


def plural(name: str) -> str:
    """The regular English plural: `Asset` → `Assets`, `Facility` → `Facilities`, `Switch` → `Switches`.

    Regular on purpose: a clever plural (`Aircraft`, `Malware`) would equal the singular and clash with its field.
    """
    if re.search(r"[^aeiouAEIOU][yY]\Z", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)\Z", name, re.IGNORECASE) else "s")
