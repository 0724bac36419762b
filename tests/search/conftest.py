import pytest
from databases import MakeSubject
from library import SECRET_PAPER, TYPES, Library

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.types.types import Types


@pytest.fixture
async def library(
    admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
) -> Library:
    await types.define(subject(), organization.lattice, TYPES)
    await types.define(subject("SECRET"), organization.lattice, [SECRET_PAPER])
    return Library(admin_url, database, types, organization, subject)
