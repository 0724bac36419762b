"""Registered documents: texts of GraphQL by their SHA-256, each at the label of who registered it.

A text may name fields that only that label sees, so the table is read as all labelled ones are. The label is part of
the key: what one label registers neither hinders another that has the same text, nor tells of itself.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OWNER, SERVER = "semantic_fabric_owner", "semantic_fabric_server"

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"

DOCUMENTS = [
    """
    create table fabric.documents (
        organization_id uuid not null,
        sha256 bytea not null,
        label bigint not null,
        text text not null,
        registered_by text not null,
        created_at timestamptz not null default now(),
        primary key (organization_id, sha256, label))""",
    "alter table fabric.documents enable row level security",
    "alter table fabric.documents force row level security",
    f"create policy maintain on fabric.documents to {OWNER} using (true) with check (true)",
    f"create policy read on fabric.documents for select to {SERVER} using ({DOMINATED})",
    f"create policy add on fabric.documents for insert to {SERVER} with check ({EXACT})",
    f"create policy remove on fabric.documents for delete to {SERVER} using ({EXACT})",
    f"grant select, insert, delete on fabric.documents to {SERVER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in DOCUMENTS:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop table fabric.documents")
