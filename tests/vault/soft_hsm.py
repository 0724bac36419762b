"""Tokens of SoftHSM2 for tests, in a folder of this process. Tests that need one are skipped where it is absent."""

import os
import secrets
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN, OFFICER_PIN = "pin-canary-4711", "officer-0815"


def library() -> str:
    """SoftHSM's module. Skips the test if there is none."""
    found = next((place for place in PLACES if Path(place).exists()), None)
    if not found or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM2 is not here: apt-get install softhsm2")
    return found


@cache
def tokens_folder() -> Path:
    """SoftHSM reads its configuration when it is first used, so the folder is one for the process."""
    folder = Path(tempfile.mkdtemp(prefix="softhsm-"))
    (folder / "tokens").mkdir()
    settings = f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    (folder / "softhsm2.conf").write_text(settings)
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    return folder / "tokens"


def new_token() -> str:
    """The label of a token that nobody else uses."""
    library()
    tokens_folder()
    label = f"test-{secrets.token_hex(6)}"
    arguments = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", OFFICER_PIN]
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
    return label


@cache
def shared_token() -> str:
    return new_token()


def remove_tokens_folder() -> None:
    if tokens_folder.cache_info().currsize:
        shutil.rmtree(tokens_folder().parent, ignore_errors=True)
