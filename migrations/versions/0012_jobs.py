"""Jobs: work that takes long, kept with how far it has come, so that whoever goes on with it repeats nothing."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OWNER, SERVER = "semantic_fabric_owner", "semantic_fabric_server"

TABLES = [
    """
    create table fabric.jobs (
        organization_id uuid not null,
        job_id uuid not null,
        label bigint not null,
        kind text not null,
        asked_by text not null,
        arguments jsonb not null,
        state text not null default 'QUEUED',
        done bigint not null default 0,
        total bigint,
        place jsonb,
        result jsonb,
        failure_code text,
        failure text,
        epoch bigint not null default 0,
        tries bigint not null default 0,
        retry_at timestamptz not null default now(),
        asked_at timestamptz not null default now(),
        started_at timestamptz,
        updated_at timestamptz not null default now(),
        finished_at timestamptz,
        primary key (organization_id, job_id))""",
    "create index jobs_by_time on fabric.jobs (organization_id, asked_at)",
    "create index jobs_open on fabric.jobs (retry_at) where state in ('QUEUED', 'RUNNING')",
]

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"

CHANGED = """state, done, total, place, result, failure_code, failure, epoch, tries, retry_at, started_at, updated_at,
    finished_at"""

# Who works must know for whom there is something to do; of what is asked it tells the kind alone.
DOOR = """
    create function fabric.open_jobs()
    returns table (organization_id uuid, job_id uuid, label bigint, kind text)
    language sql stable security definer set search_path = fabric, pg_catalog, pg_temp as $$
        select j.organization_id, j.job_id, j.label, j.kind from fabric.jobs j
        where j.state in ('QUEUED', 'RUNNING') and j.retry_at <= now() order by j.asked_at, j.job_id
    $$"""

SECURITY = [
    "alter table fabric.jobs enable row level security",
    "alter table fabric.jobs force row level security",
    f"create policy maintain on fabric.jobs to {OWNER} using (true) with check (true)",
    f"create policy read on fabric.jobs for select to {SERVER} using ({DOMINATED})",
    f"create policy add on fabric.jobs for insert to {SERVER} with check ({EXACT})",
    f"create policy revise on fabric.jobs for update to {SERVER} using ({EXACT}) with check ({EXACT})",
    f"create policy remove on fabric.jobs for delete to {SERVER} using ({EXACT})",
    f"grant select, insert, delete, update ({CHANGED}) on fabric.jobs to {SERVER}",
    "revoke all on function fabric.open_jobs() from public",
    f"grant execute on function fabric.open_jobs() to {SERVER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [*TABLES, DOOR, *SECURITY]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop function fabric.open_jobs")
    op.execute("drop table fabric.jobs")
