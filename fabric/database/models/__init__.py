"""The tables, as SQLAlchemy models: what alembic's revisions are checked against (tests/test_migrations.py).

Statements that serve requests are written by hand and sent by asyncpg; these models are the one description of the
shape they rely on. Every key starts with `organization_id`, so that the database can be distributed by tenant. A
`label` is the integer of `fabric.labels`.
"""

from fabric.database.models import (
    access,
    encryption,
    inference,
    jobs,
    logs,
    organizations,
    search,
    unlocking,
    versions,
    webhooks,
)
from fabric.database.models.base import SCHEMA, Base

__all__ = [
    "SCHEMA", "Base", "access", "encryption", "inference", "jobs", "logs", "organizations", "search", "unlocking",
    "versions", "webhooks",
]  # fmt: skip
