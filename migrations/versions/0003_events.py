"""Following: an event keeps the version that its change left, wakes who listens, and one role reads all in order.

`semantic_fabric_follower` (no login) reads every label of one organization. It is for what the server keeps of an
organization in memory, and for what it works off behind the scenes; no answer to a reader is ever read by it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OWNER, SERVER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_follower"

ROLES = [
    f"""do $$ begin create role {FOLLOWER} nologin; exception when duplicate_object then null; end $$""",
    # Roles belong to the cluster: who migrates another of its databases finds them, and need not be able to grant.
    f"""do $$ begin if not pg_has_role('{SERVER}', '{FOLLOWER}', 'member') then
            grant {FOLLOWER} to {SERVER}; end if; end $$""",
    f"grant usage on schema fabric to {FOLLOWER}",
]

# Of a removed version nothing is left, so `version` is null. The ends of a link stand in columns of their own, for its
# coming and going is asked by them.
EVENTS = [
    "alter table fabric.events add column version jsonb, add column source_id uuid, add column target_id uuid",
    """create index events_by_source on fabric.events (organization_id, source_id, transaction_id, position)
       where source_id is not null""",
    """create index events_by_target on fabric.events (organization_id, target_id, transaction_id, position)
       where target_id is not null""",
    """
    create function fabric.tell_events() returns trigger
    language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
    begin
        perform pg_notify('fabric_events', organization_id::text) from (select distinct organization_id from added) o;
        return null;
    end $$""",
    """create trigger tell_events after insert on fabric.events referencing new table as added
       for each statement execute function fabric.tell_events()""",
]

ORGANIZATION = "(select nullif(current_setting('fabric.organization', true), '')::uuid)"

VERSION = "organization_id, label, revision, tombstone, created_at, updated_at"
FOLLOWED = {
    "objects": f"object_id, type_name, data, {VERSION}",
    "links": f"""link_id, relation, source_id, target_id, link_key, weight, properties, valid_from, valid_to,
        semantic_namespace, semantic_predicate, {VERSION}""",
    "events": """organization_id, position, transaction_id, label, topic, entity_table, entity_id, entity_type, actor,
        data, occurred_at, version, source_id, target_id""",
}


def followed(table: str, columns: str) -> list[str]:
    return [
        f"""create policy follow on fabric.{table} for select to {FOLLOWER}
            using (organization_id = {ORGANIZATION})""",
        f"grant select ({columns}) on fabric.{table} to {FOLLOWER}",
    ]


def upgrade() -> None:
    for statement in ROLES:
        op.execute(statement)
    op.execute(f"set role {OWNER}")
    for statement in [*EVENTS, *(s for table, columns in FOLLOWED.items() for s in followed(table, columns))]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    """Takes everything away but the role, which other databases of the cluster may use too."""
    for table, columns in FOLLOWED.items():
        op.execute(f"drop policy follow on fabric.{table}")
        op.execute(f"revoke select ({columns}) on fabric.{table} from {FOLLOWER}")
    op.execute("drop trigger tell_events on fabric.events")
    op.execute("drop function fabric.tell_events")
    op.execute("alter table fabric.events drop column version, drop column source_id, drop column target_id")
    op.execute(f"revoke usage on schema fabric from {FOLLOWER}")
