"""Unlocking encrypted fields, and rotating their keys.

Requests that need a second person carry the label of the session that made them, and so do rotations. How often a
person unlocks is counted whatever the label, behind functions: no session sees the table. `semantic_fabric_rotator` (no
login) reads the ciphertexts of one organization at every label, and changes nothing of them but the key's version.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OWNER, SERVER, ROTATOR = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_rotator"

ROLES = [
    f"""do $$ begin create role {ROTATOR} nologin; exception when duplicate_object then null; end $$""",
    # Roles belong to the cluster: who migrates another of its databases finds them, and need not be able to grant.
    f"""do $$ begin if not pg_has_role('{SERVER}', '{ROTATOR}', 'member') then
            grant {ROTATOR} to {SERVER}; end if; end $$""",
    f"grant usage on schema fabric to {ROTATOR}",
]

TABLES = [
    """
    create table fabric.unlock_attempts (
        organization_id uuid not null,
        actor text not null,
        request_id text not null,
        attempted_at timestamptz not null,
        fields bigint not null default 0,
        primary key (organization_id, actor, request_id))""",
    "create index unlock_attempts_by_time on fabric.unlock_attempts (organization_id, actor, attempted_at)",
    """
    create table fabric.unlock_requests (
        organization_id uuid not null,
        unlock_id uuid not null,
        label bigint not null,
        object_id uuid not null,
        version_label bigint not null,
        type_name text not null,
        field_name text not null,
        value_written_at timestamptz not null,
        reason text not null,
        requested_by text not null,
        needed bigint not null,
        requested_at timestamptz not null default now(),
        expires_at timestamptz not null,
        collected_at timestamptz,
        primary key (organization_id, unlock_id))""",
    "create index unlock_requests_by_time on fabric.unlock_requests (organization_id, requested_at)",
    """
    create table fabric.unlock_approvals (
        organization_id uuid not null,
        unlock_id uuid not null,
        approver text not null,
        label bigint not null,
        approved_at timestamptz not null default now(),
        primary key (organization_id, unlock_id, approver))""",
    """
    create table fabric.key_rotations (
        organization_id uuid not null,
        rotation_id uuid not null,
        label bigint not null,
        purpose text not null,
        key_name text not null,
        target_version bigint,
        state text not null default 'RUNNING',
        failure text,
        started_by text not null,
        started_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        finished_at timestamptz,
        primary key (organization_id, rotation_id))""",
    """
    create table fabric.key_floors (
        organization_id uuid not null,
        key_name text not null,
        minimum_version bigint not null,
        primary key (organization_id, key_name))""",
]

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"
DOMINATED = f"organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1"
EXACT = f"organization_id = {ORGANIZATION} and label = {CLEARANCE}"

HEAD = "security definer set search_path = fabric, pg_catalog, pg_temp"

# Attempts are kept for 30 days: so long is a request id refused, and no window of the limit is longer.
FUNCTIONS = {
    "claim_unlock(text, text)": f"""
    create function fabric.claim_unlock(asker text, id text) returns boolean
    language plpgsql volatile {HEAD} as $$
    declare
        org uuid := {ORGANIZATION};
    begin
        perform pg_advisory_xact_lock(hashtextextended('fabric.unlocks' || org::text || asker, 0));
        delete from fabric.unlock_attempts
        where organization_id = org and actor = asker and attempted_at < clock_timestamp() - interval '30 days';
        insert into fabric.unlock_attempts (organization_id, actor, request_id, attempted_at)
        values (org, asker, id, clock_timestamp()) on conflict do nothing;
        return found;
    end $$""",
    "count_unlocks(text, text, bigint, bigint, double precision)": f"""
    create function fabric.count_unlocks(
        asker text, id text, number bigint, most bigint, seconds double precision) returns double precision
    language plpgsql volatile {HEAD} as $$
    declare
        org uuid := {ORGANIZATION};
        span interval := make_interval(secs => seconds);
        began timestamptz := clock_timestamp() - span;
        free timestamptz;
    begin
        select max(attempted_at) filter (where since + number > most) into free
        from (select attempted_at, fields, sum(fields) over (order by attempted_at desc, request_id) as since
              from fabric.unlock_attempts
              where organization_id = org and actor = asker and attempted_at > began and fields > 0) counted;
        if free is null and number <= most then
            update fabric.unlock_attempts set fields = fields + number
            where organization_id = org and actor = asker and request_id = id;
            return null;
        end if;
        return greatest(extract(epoch from coalesce(free + span, clock_timestamp() + span) - clock_timestamp()), 0);
    end $$""",
    "raise_key_floor(text, bigint)": f"""
    create function fabric.raise_key_floor(key text, version bigint) returns boolean
    language plpgsql volatile {HEAD} as $$
    declare
        org uuid := {ORGANIZATION};
    begin
        perform set_config('lock_timeout', '200ms', true);
        begin
            perform pg_advisory_xact_lock(hashtextextended('fabric.key_floors' || org::text, 0));
        exception when lock_not_available then
            return false;
        end;
        if exists (select from fabric.encrypted_fields
                   where organization_id = org and key_name = key and key_version < version) then
            return false;
        end if;
        insert into fabric.key_floors as f (organization_id, key_name, minimum_version) values (org, key, version)
        on conflict (organization_id, key_name)
        do update set minimum_version = greatest(f.minimum_version, excluded.minimum_version);
        return true;
    end $$""",
    "open_rotations()": f"""
    create function fabric.open_rotations()
    returns table (organization_id uuid, rotation_id uuid, label bigint)
    language sql stable {HEAD} as $$
        select r.organization_id, r.rotation_id, r.label from fabric.key_rotations r
        where r.state = 'RUNNING' order by r.started_at, r.rotation_id
    $$""",
    "encryption_keys()": f"""
    create function fabric.encryption_keys() returns table (organization_id uuid, key_name text)
    language sql stable {HEAD} as $$
        with recursive k as (
            (select e.organization_id, e.key_name from fabric.encrypted_fields e
             order by e.organization_id, e.key_name limit 1)
            union all
            select n.organization_id, n.key_name from k cross join lateral (
                select e.organization_id, e.key_name from fabric.encrypted_fields e
                where (e.organization_id, e.key_name) > (k.organization_id, k.key_name)
                order by e.organization_id, e.key_name limit 1) n)
        select k.organization_id, k.key_name from k
    $$""",
}

# Who raises the floor waits a moment for those who store, and gives up where they take longer; who stores under an
# older version after that is refused. So no value is ever left under a version that the vault is about to forget.
FLOORS = [
    f"""
    create function fabric.keep_key_floors() returns trigger
    language plpgsql {HEAD} as $$
    begin
        perform pg_advisory_xact_lock_shared(hashtextextended('fabric.key_floors' || organization_id::text, 0))
        from (select distinct organization_id from added) o;
        if exists (select from added a join fabric.key_floors f using (organization_id, key_name)
                   where a.key_version < f.minimum_version) then
            raise exception using errcode = 'FAB02', message = 'encrypted with a version of a key that has passed';
        end if;
        return null;
    end $$""",
    *(
        f"""create trigger keep_key_floors_{name} after {event} on fabric.encrypted_fields
            referencing new table as added for each statement execute function fabric.keep_key_floors()"""
        for name, event in (("added", "insert"), ("revised", "update"))
    ),
]


def maintained(table: str) -> list[str]:
    return [
        f"alter table fabric.{table} enable row level security",
        f"alter table fabric.{table} force row level security",
        f"create policy maintain on fabric.{table} to {OWNER} using (true) with check (true)",
    ]


def secure(table: str, grants: str) -> list[str]:
    """Row security as on every labelled table: reads by dominance, writes at exactly the session label."""
    return [
        *maintained(table),
        f"create policy read on fabric.{table} for select to {SERVER} using ({DOMINATED})",
        f"create policy add on fabric.{table} for insert to {SERVER} with check ({EXACT})",
        f"create policy revise on fabric.{table} for update to {SERVER} using ({EXACT}) with check ({EXACT})",
        f"create policy remove on fabric.{table} for delete to {SERVER} using ({EXACT})",
        f"grant {grants} on fabric.{table} to {SERVER}",
    ]


SECURITY = [
    *maintained("unlock_attempts"),
    *maintained("key_floors"),
    *secure("unlock_requests", "select, insert, update (collected_at)"),
    *secure("unlock_approvals", "select, insert"),
    *secure("key_rotations", "select, insert, update (target_version, state, failure, updated_at, finished_at)"),
    f"""create policy rotate_read on fabric.encrypted_fields for select to {ROTATOR}
        using (organization_id = {ORGANIZATION})""",
    f"""create policy rotate on fabric.encrypted_fields for update to {ROTATOR}
        using (organization_id = {ORGANIZATION}) with check (organization_id = {ORGANIZATION})""",
    f"""grant select (organization_id, entity_table, entity_id, label, field_name, key_name, key_version, ciphertext),
        update (key_version, ciphertext) on fabric.encrypted_fields to {ROTATOR}""",
    *(
        statement
        for signature in FUNCTIONS
        for statement in (
            f"revoke all on function fabric.{signature} from public",
            f"grant execute on function fabric.{signature} to {SERVER}",
        )
    ),
]


def upgrade() -> None:
    for statement in ROLES:
        op.execute(statement)
    op.execute(f"set role {OWNER}")
    for statement in [*TABLES, *FUNCTIONS.values(), *FLOORS, *SECURITY]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    """Takes everything away but the role, which other databases of the cluster may use too."""
    for policy in ("rotate_read", "rotate"):
        op.execute(f"drop policy {policy} on fabric.encrypted_fields")
    op.execute(f"revoke all on fabric.encrypted_fields from {ROTATOR}")
    op.execute(f"""revoke select (organization_id, entity_table, entity_id, label, field_name, key_name, key_version,
        ciphertext), update (key_version, ciphertext) on fabric.encrypted_fields from {ROTATOR}""")
    for name in ("added", "revised"):
        op.execute(f"drop trigger keep_key_floors_{name} on fabric.encrypted_fields")
    op.execute("drop function fabric.keep_key_floors")
    for signature in FUNCTIONS:
        op.execute(f"drop function fabric.{signature}")
    for table in ("unlock_attempts", "unlock_requests", "unlock_approvals", "key_rotations", "key_floors"):
        op.execute(f"drop table fabric.{table}")
    op.execute(f"revoke usage on schema fabric from {ROTATOR}")
