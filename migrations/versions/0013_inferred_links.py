"""Inferred links: what follows from others, for whom its scope says, beside the links that were written.

A row is there for a session by the same condition as a version that wins.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OWNER, SERVER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_follower"

TABLE = [
    """
    create table fabric.inferred_links (
        organization_id uuid not null,
        link_id uuid not null,
        label bigint not null,
        number bigint not null,
        shown_label bigint not null,
        relation text not null,
        source_id uuid not null,
        target_id uuid not null,
        valid_from timestamptz,
        valid_to timestamptz,
        over1 bigint,
        over2 bigint,
        over_rest bigint[],
        primary key (organization_id, link_id, label, number))""",
    """create index inferred_links_by_source on fabric.inferred_links
       (organization_id, source_id, relation, target_id, link_id)""",
    """create index inferred_links_by_target on fabric.inferred_links
       (organization_id, target_id, relation, source_id, link_id)""",
    "create index inferred_links_by_relation on fabric.inferred_links (organization_id, relation, link_id)",
]

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
HOLDING = f"""{DOMINATED} and (over1 is null or ((over1 & ~{CLEARANCE}) > 0
    and (over2 is null or ((over2 & ~{CLEARANCE}) > 0
    and (over_rest is null or fabric.none_visible(over_rest, {CLEARANCE}))))))"""
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"

SHOWN = """organization_id, link_id, label, number, shown_label, relation, source_id, target_id, valid_from, valid_to"""
OVER = "over1, over2, over_rest"

# What is stored for those above must be taken away too: a session deletes at exactly its label, whoever holds it.
SECURITY = [
    "alter table fabric.inferred_links enable row level security",
    "alter table fabric.inferred_links force row level security",
    f"create policy maintain on fabric.inferred_links to {OWNER} using (true) with check (true)",
    f"create policy read on fabric.inferred_links for select to {SERVER} using ({HOLDING})",
    f"create policy add on fabric.inferred_links for insert to {SERVER} with check ({EXACT})",
    f"create policy remove on fabric.inferred_links for delete to {SERVER} using ({EXACT})",
    f"grant select ({SHOWN}), insert ({SHOWN}, {OVER}), delete on fabric.inferred_links to {SERVER}",
    f"create policy follow on fabric.inferred_links for select to {FOLLOWER} using (organization_id = {ORGANIZATION})",
    f"grant select ({SHOWN}, {OVER}) on fabric.inferred_links to {FOLLOWER}",
    f"""create policy follow on fabric.type_definitions for select to {FOLLOWER}
        using (organization_id = {ORGANIZATION})""",
    f"grant select (organization_id, label) on fabric.type_definitions to {FOLLOWER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [*TABLE, *SECURITY]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop table fabric.inferred_links")
    op.execute("drop policy follow on fabric.type_definitions")
    op.execute(f"revoke select (organization_id, label) on fabric.type_definitions from {FOLLOWER}")
