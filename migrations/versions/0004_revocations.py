"""Tokens that are refused before they expire.

A revocation names a token, or a subject with the moment until which its tokens were issued. Only the owner writes them:
who serves can read those of the organization of its session, and not take any back.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OWNER, SERVER = "semantic_fabric_owner", "semantic_fabric_server"

UP = [
    """
    create table fabric.revocations (
        organization_id uuid not null,
        kind text not null,
        name text not null,
        issued_until timestamptz,
        reason text not null,
        revoked_at timestamptz not null default now(),
        primary key (organization_id, kind, name),
        check (kind in ('token', 'subject')),
        check ((kind = 'subject') = (issued_until is not null)))""",
    """
    create function fabric.change_revocations() returns trigger
    language plpgsql set search_path = fabric, pg_catalog, pg_temp as $$
    begin
        perform pg_notify('fabric_revocations', coalesce(new.organization_id, old.organization_id)::text);
        return null;
    end $$""",
    """create trigger change_revocations after insert or update or delete on fabric.revocations
       for each row execute function fabric.change_revocations()""",
    "alter table fabric.revocations enable row level security",
    "alter table fabric.revocations force row level security",
    f"create policy maintain on fabric.revocations to {OWNER} using (true) with check (true)",
    f"""create policy own on fabric.revocations for select to {SERVER} using (
        organization_id = (select nullif(current_setting('fabric.organization', true), '')::uuid))""",
    f"grant select on fabric.revocations to {SERVER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in UP:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop table fabric.revocations")
    op.execute("drop function fabric.change_revocations")
