"""JSON in SQL, as text.

Text is built with `format` and `string_agg`, which costs what fetching plain columns costs; `json_build_object` and
`json_agg` are 1.5 to 1.8 times dearer.
"""

from collections.abc import Iterable

from fabric.access import literal

FORMAT_ARGUMENTS = 90
"""PostgreSQL functions take 100 arguments at most."""


def json_object(members: Iterable[tuple[str, str]]) -> str:
    """SQL of a JSON object's text. `members` are keys with SQL of their values' text; constants are put in as such."""
    parts: list[str] = []
    chunk: list[tuple[str, str]] = []
    members = list(members)
    for i, member in enumerate(members):
        chunk.append(member)
        if len(chunk) == FORMAT_ARGUMENTS or i == len(members) - 1:
            opening, closing = "" if parts else "{", "}" if i == len(members) - 1 else ","
            text = ",".join(f'"{key}":%s' for key, _ in chunk)
            parts.append(f"format({literal(opening + text + closing)}, {', '.join(sql for _, sql in chunk)})")
            chunk = []
    return " || ".join(parts) if parts else "'{}'"
