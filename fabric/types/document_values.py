"""Single members of a document as people write it, each fault told with its path."""

from collections.abc import Mapping
from typing import Any

from fabric.names import GRAPHQL_NAME
from fabric.types.faults import Faults
from fabric.types.kinds import Kind, KindError, canonical

MAX_TEXT = 10_000
MAX_NAMES = 500


def check_keys(value: Mapping[str, Any], known: frozenset[str], faults: Faults, *path: str) -> None:
    for key in value:
        if key not in known:
            faults.add(f"unknown; known here are {', '.join(sorted(known))}", *path, str(key))


def read_flag(value: Mapping[str, Any], key: str, faults: Faults, path: tuple[str, ...]) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        faults.add(f"{key} is true or false", *path, key)
    return flag is True


def read_choice(
    value: Mapping[str, Any], key: str, choices: tuple[str, ...], default: str, faults: Faults, *path: str
) -> str:
    chosen = value.get(key)
    if chosen is None:
        return default
    if chosen not in choices:
        faults.add(f"{key} is {' or '.join(choices)}", *path, key)
        return default
    return str(chosen)


def read_text(value: Mapping[str, Any], key: str, faults: Faults, *path: str) -> str | None:
    text = value.get(key)
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > MAX_TEXT or "\0" in text:
        faults.add(f"{key} is a text of at most {MAX_TEXT:,} characters", *path, key)
        return None
    return text


def read_iri(value: Mapping[str, Any], faults: Faults, *path: str, key: str = "iri") -> str | None:
    given = value.get(key)
    if given is None:
        return None
    try:
        return str(canonical(Kind.URI, given))
    except KindError as error:
        faults.add(str(error), *path, key)
        return None


def read_name(value: Mapping[str, Any], key: str, faults: Faults, *path: str) -> str | None:
    name = value.get(key)
    if name is not None and (not isinstance(name, str) or not GRAPHQL_NAME.match(name)):
        faults.add(f"{key} is a name: a letter, then letters, digits or underscores", *path, key)
        return None
    return name


def read_names(value: Mapping[str, Any], key: str, faults: Faults, *path: str) -> tuple[str, ...]:
    names = value.get(key)
    if names is None:
        return ()
    good = isinstance(names, list) and all(isinstance(n, str) and GRAPHQL_NAME.match(n) for n in names)
    if not good or len(set(names)) != len(names) or len(names) > MAX_NAMES:
        faults.add(f"{key} is a list of different names: a letter, then letters, digits or underscores", *path, key)
        return ()
    return tuple(names)
