"""Webhooks: addresses that notices are sent to, and the messages that are waiting or were given up.

Both carry the label of the session that made them, and whoever delivers works at exactly that label. Only to learn
which there are, and of which organizations, it has a function that needs no session.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OWNER, SERVER = "semantic_fabric_owner", "semantic_fabric_server"

TABLES = [
    """
    create table fabric.webhooks (
        organization_id uuid not null,
        webhook_id uuid not null,
        label bigint not null,
        name text not null,
        url text not null,
        subscription text not null,
        arguments jsonb not null,
        owner text not null,
        roles text[] not null,
        token_id text,
        token_issued_at double precision,
        generation bigint not null default 1,
        overlap_until timestamptz,
        state text not null default 'ACTIVE',
        stopped_for text,
        transaction_id bigint not null,
        position bigint not null,
        epoch bigint not null default 0,
        last_delivered_at timestamptz,
        failing_since timestamptz,
        last_failure text,
        revision bigint not null default 1,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        primary key (organization_id, webhook_id))""",
    """
    create table fabric.webhook_deliveries (
        organization_id uuid not null,
        webhook_id uuid not null,
        delivery_id uuid not null,
        label bigint not null,
        ordinal bigint generated always as identity,
        entity text not null,
        topic text not null,
        body text not null,
        state text not null default 'WAITING',
        attempts bigint not null default 0,
        occurred_at timestamptz not null,
        first_attempt_at timestamptz,
        retry_at timestamptz not null default now(),
        failure text,
        given_up_at timestamptz,
        primary key (organization_id, webhook_id, delivery_id))""",
    """create index webhook_deliveries_in_order on fabric.webhook_deliveries
       (organization_id, webhook_id, state, ordinal)""",
]

ACTIVE = [
    """
    create function fabric.active_webhooks()
    returns table (organization_id uuid, organization text, webhook_id uuid, label bigint, revision bigint)
    language sql stable security definer set search_path = fabric, pg_catalog, pg_temp as $$
        select w.organization_id, o.name, w.webhook_id, w.label, w.revision
        from fabric.webhooks w join fabric.organizations o using (organization_id)
        where w.state = 'ACTIVE'
    $$""",
    "revoke all on function fabric.active_webhooks() from public",
    f"grant execute on function fabric.active_webhooks() to {SERVER}",
]

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"


def secure(table: str) -> list[str]:
    """Row security as on every labelled table: reads by dominance, writes at exactly the session label."""
    return [
        f"alter table fabric.{table} enable row level security",
        f"alter table fabric.{table} force row level security",
        f"create policy maintain on fabric.{table} to {OWNER} using (true) with check (true)",
        f"create policy read on fabric.{table} for select to {SERVER} using ({DOMINATED})",
        f"create policy add on fabric.{table} for insert to {SERVER} with check ({EXACT})",
        f"create policy revise on fabric.{table} for update to {SERVER} using ({EXACT}) with check ({EXACT})",
        f"create policy remove on fabric.{table} for delete to {SERVER} using ({EXACT})",
        f"grant select, insert, update, delete on fabric.{table} to {SERVER}",
    ]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [*TABLES, *ACTIVE, *secure("webhooks"), *secure("webhook_deliveries")]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop function fabric.active_webhooks")
    op.execute("drop table fabric.webhook_deliveries, fabric.webhooks")
