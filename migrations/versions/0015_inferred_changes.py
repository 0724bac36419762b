"""When what is inferred changed last, label by label: so who has read it knows whether it is still what there is."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OWNER, SERVER = "semantic_fabric_owner", "semantic_fabric_server"

TABLE = """
    create table fabric.inferred_changes (
        organization_id uuid not null,
        label bigint not null,
        transaction_id xid8 not null,
        primary key (organization_id, label))"""

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"

SECURITY = [
    "alter table fabric.inferred_changes enable row level security",
    "alter table fabric.inferred_changes force row level security",
    f"create policy maintain on fabric.inferred_changes to {OWNER} using (true) with check (true)",
    f"create policy read on fabric.inferred_changes for select to {SERVER} using ({DOMINATED})",
    f"create policy add on fabric.inferred_changes for insert to {SERVER} with check ({EXACT})",
    f"create policy revise on fabric.inferred_changes for update to {SERVER} using ({EXACT}) with check ({EXACT})",
    f"grant select, insert, update (transaction_id) on fabric.inferred_changes to {SERVER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [TABLE, *SECURITY]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop table fabric.inferred_changes")
