"""What each duty may do at HashiCorp Vault or OpenBao, and not more."""

from collections.abc import Mapping
from enum import StrEnum

PREFIX = "sf-"
"""What the names of keys begin with that the policies are for."""


class Duty(StrEnum):
    WRITE = "writer"
    """Encrypts, computes digests, signs and verifies."""
    UNLOCK = "unlocker"
    """Decrypts."""
    ROTATE = "rotator"
    """Makes keys and versions, rewraps, and sets the minimum version. It never gets a plaintext."""


_READ, _UPDATE = frozenset({"read"}), frozenset({"update"})


def rights(duty: Duty, mount: str, key: str) -> Mapping[str, frozenset[str]]:
    """Paths and the capabilities that a duty needs there. `update` on a path of `encrypt` makes no key; `create` would.

    `key` is the name of a key, or `sf-*` for all.
    """
    uses = {Duty.WRITE: ("encrypt", "hmac", "sign", "verify"), Duty.UNLOCK: ("decrypt",), Duty.ROTATE: ("rewrap",)}
    paths = {f"{mount}/{use}/{key}": _UPDATE for use in uses[duty]}
    if duty is Duty.ROTATE:
        return paths | {
            f"{mount}/keys/{key}": _READ | _UPDATE,
            f"{mount}/keys/{key}/rotate": _UPDATE,
            f"{mount}/keys/{key}/config": _UPDATE,
        }
    return paths | {f"{mount}/keys/{key}": _READ}


_ONLY = {"keys/+": ("type", "derived"), "keys/+/config": ("min_decryption_version",)}
"""Members that requests may have: a rotator must not make a key exportable, nor let it be deleted."""


def policy(duty: Duty, mount: str) -> str:
    """The policy of a duty in HCL, for all keys whose names begin with PREFIX.

    A wildcard inside of a path stands for a whole name, so the rotator's is for all keys of the mount: let the mount
    have no other keys.
    """
    blocks = []
    for path, capabilities in rights(duty, mount, f"{PREFIX}*").items():
        path = path.replace(f"keys/{PREFIX}*", "keys/+")
        lines = [f"  capabilities = [{_listed(sorted(capabilities))}]"]
        if duty is Duty.ROTATE and (only := _ONLY.get(path.removeprefix(f"{mount}/"))):
            lines.append("  allowed_parameters = {")
            lines += [f'    "{name}" = []' for name in only]
            lines.append("  }")
        blocks.append("\n".join([f'path "{path}" {{', *lines, "}"]))
    return "\n\n".join(blocks) + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
