"""Names of keys, the same rule for every backend."""

import re

from vault.protocol import VaultError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


def require_name(key: str) -> None:
    """VaultError unless this can be the name of a key: names become parts of paths and addresses."""
    if not _NAME.fullmatch(key):
        raise VaultError("a key's name is made of a-z, 0-9 and -, starts with one of the former, and has at most 100")
