"""Fixtures of tests about unlocking."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from databases import MakeSubject
from safe import ASSET, LIMIT, Safe

from fabric.database.db import Database
from fabric.encryption.encryption import Encryption
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.unlocking.requests import UnlockRequests
from fabric.unlocking.unlocking import Unlocking
from fabric.writing.objects import Objects
from vault.software import SoftwareVault


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[SoftwareVault]:
    vault = SoftwareVault(tmp_path / "keyring", b"m" * 32)
    yield vault
    await vault.close()


@pytest.fixture
async def safe(
    database: Database, organization: Organization, vault: SoftwareVault, subject: MakeSubject, admin_url: str
) -> Safe:
    types = Types(database, Encryption(vault))
    await types.define(subject("SECRET/ALPHA"), organization.lattice, [ASSET])
    unlocking = Unlocking(database, types, vault, LIMIT, 2.0)
    requests = UnlockRequests(unlocking, 3600.0)
    return Safe(database, organization, types, Objects(types), vault, unlocking, requests, subject, admin_url)


@pytest.fixture
async def asset(safe: Safe) -> UUID:
    """One with a value in each of its encrypted fields."""
    return await safe.make(serial="SN-1142", codes=["1", str(2**60)], ruled="by rule", twofold="by two")
