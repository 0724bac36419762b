"""Tamper evidence: seals over events and the audit log, what was pruned of them, and order that outlives a restore.

A seal covers some rows of one label, in order, and is signed with a key that the database never has (see
fabric/seals/seals.py). The serving role can add seals at its label; only the owner can prune.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OWNER, SERVER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_follower"

# A dump restored into another cluster brings rows with the old one's transaction ids. The numbers of new transactions
# are lifted above them (see fabric/database/numbering.py), so that rows that are there never change. `lift` is stable
# and not immutable: plans that hold a folded constant would not notice that it has been replaced.
NUMBERING = [
    "create function fabric.lift() returns bigint language sql stable parallel safe as 'select 0::bigint'",
    *(
        f"""create function fabric.{name}() returns xid8 language sql stable as
            'select ({transaction}::text::bigint + fabric.lift())::text::xid8'"""
        for name, transaction in {
            "this_transaction": "pg_current_xact_id()",
            "oldest_transaction": "pg_snapshot_xmin(pg_current_snapshot())",
            "next_transaction": "pg_snapshot_xmax(pg_current_snapshot())",
        }.items()
    ),
    *(
        f"alter table fabric.{table} alter column transaction_id set default fabric.this_transaction()"
        for table in ("events", "audit_log")
    ),
]

TABLES = [
    """
    create table fabric.seals (
        organization_id uuid not null,
        log text not null,
        label bigint not null,
        sequence bigint not null,
        transaction_id xid8 not null,
        position bigint not null,
        covered bigint not null,
        marks bytea not null,
        previous bytea not null,
        digest bytea not null,
        sealed_at timestamptz not null,
        key_id text not null,
        signature bytea not null,
        primary key (organization_id, log, label, sequence))""",
    "create index seals_in_order on fabric.seals (organization_id, log, transaction_id, position)",
    """
    create table fabric.prunings (
        organization_id uuid not null,
        log text not null,
        label bigint not null,
        first bigint not null,
        last bigint not null,
        transaction_id xid8 not null,
        position bigint not null,
        kept bigint not null,
        digest bytea not null,
        pruned_at timestamptz not null,
        key_id text not null,
        signature bytea not null,
        primary key (organization_id, log, label, first))""",
    "create index prunings_in_order on fabric.prunings (organization_id, log, transaction_id, position)",
    "create index audit_log_in_order on fabric.audit_log (organization_id, transaction_id, audit_id)",
    """create trigger tell_audit after insert on fabric.audit_log referencing new table as added
       for each statement execute function fabric.tell_events()""",
]

LOGS = {"events": "position", "audit_log": "audit_id"}


def last_of(table: str, number: str, condition: str = "true") -> str:
    """The place of an organization's last row."""
    return f"""(select t.transaction_id, t.{number} as position from fabric.{table} t
        where t.organization_id = o.organization_id and {condition}
        order by t.transaction_id desc, t.{number} desc limit 1)"""


def unsealed(log: str, number: str) -> str:
    return f"""exists (
        select from {last_of(log, number, "t.transaction_id < fabric.next_transaction()")} r
        left join {last_of("seals", "position", f"t.log = '{log}'")} s on true
        where s.position is null or (r.transaction_id, r.position) > (s.transaction_id, s.position))"""


# Doors of the serving role to what no session shows: organizations by id alone, and one number.
DOORS = {
    "unsealed()": f"""
    create function fabric.unsealed() returns setof uuid
    language sql stable security definer set search_path = fabric, pg_catalog, pg_temp as $$
        select o.organization_id from fabric.organizations o
        where {" or ".join(unsealed(log, number) for log, number in LOGS.items())}
    $$""",
    "beyond()": f"""
    create function fabric.beyond() returns xid8
    language sql stable security definer set search_path = fabric, pg_catalog, pg_temp as $$
        select r.transaction_id from fabric.organizations o
        cross join lateral ({" union all ".join(last_of(log, number) for log, number in LOGS.items())}) r
        where r.transaction_id >= fabric.next_transaction() order by r.transaction_id desc limit 1
    $$""",
}

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"
CLEARANCE = "(select nullif(current_setting('fabric.clearance', true), '')::bigint)"


def secure(table: str) -> list[str]:
    return [
        f"alter table fabric.{table} enable row level security",
        f"alter table fabric.{table} force row level security",
        f"create policy maintain on fabric.{table} to {OWNER} using (true) with check (true)",
        f"""create policy read on fabric.{table} for select to {SERVER}
            using (organization_id = {ORGANIZATION} and (label & ~{CLEARANCE}) < 1)""",
        f"grant select on fabric.{table} to {SERVER}",
        *follow(table),
    ]


def follow(table: str) -> list[str]:
    return [
        f"create policy follow on fabric.{table} for select to {FOLLOWER} using (organization_id = {ORGANIZATION})",
        f"grant select on fabric.{table} to {FOLLOWER}",
    ]


SECURITY = [
    *secure("seals"),
    f"""create policy add on fabric.seals for insert to {SERVER}
        with check (organization_id = {ORGANIZATION} and label = {CLEARANCE})""",
    f"grant insert on fabric.seals to {SERVER}",
    *secure("prunings"),
    *follow("audit_log"),
    *(
        statement
        for signature in DOORS
        for statement in (
            f"revoke all on function fabric.{signature} from public",
            f"grant execute on function fabric.{signature} to {SERVER}",
        )
    ),
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [*NUMBERING, *TABLES, *DOORS.values(), *SECURITY]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    for signature in DOORS:
        op.execute(f"drop function fabric.{signature}")
    op.execute("drop policy follow on fabric.audit_log")
    op.execute(f"revoke select on fabric.audit_log from {FOLLOWER}")
    op.execute("drop trigger tell_audit on fabric.audit_log")
    op.execute("drop index fabric.audit_log_in_order")
    for table in ("seals", "prunings"):
        op.execute(f"drop table fabric.{table}")
    for table in LOGS:
        op.execute(f"alter table fabric.{table} alter column transaction_id set default pg_current_xact_id()")
    op.execute("drop function fabric.next_transaction, fabric.oldest_transaction, fabric.this_transaction, fabric.lift")
