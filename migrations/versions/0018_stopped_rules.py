"""Rules of inference that concluded too much, at the label from which on they conclude nothing any more."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

OWNER, SERVER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_follower"

TABLE = """
    create table fabric.stopped_rules (
        organization_id uuid not null,
        label bigint not null,
        premises text[] not null,
        conclusion text not null,
        most bigint not null,
        stopped_at timestamptz not null default now(),
        primary key (organization_id, label, premises, conclusion))"""

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"
KEY = "organization_id, label, premises, conclusion, most"

SECURITY = [
    "alter table fabric.stopped_rules enable row level security",
    "alter table fabric.stopped_rules force row level security",
    f"create policy maintain on fabric.stopped_rules to {OWNER} using (true) with check (true)",
    f"create policy read on fabric.stopped_rules for select to {SERVER} using ({DOMINATED})",
    f"create policy add on fabric.stopped_rules for insert to {SERVER} with check ({EXACT})",
    f"create policy remove on fabric.stopped_rules for delete to {SERVER} using ({EXACT})",
    f"grant select, delete, insert ({KEY}) on fabric.stopped_rules to {SERVER}",
    f"create policy follow on fabric.stopped_rules for select to {FOLLOWER} using (organization_id = {ORGANIZATION})",
    f"grant select ({KEY}) on fabric.stopped_rules to {FOLLOWER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [TABLE, *SECURITY]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop table fabric.stopped_rules")
