"""Search: of each version the words it is found by, and its vectors at half precision.

`search_texts` says of which revision, and of which fields, a version's words and vectors are made; so what is missing
or outdated can be asked for, whatever was interrupted. All of it goes with the version, in the same transaction.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OWNER, SERVER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_follower"

TABLES = [
    # Of a version without text, `content_hash` is null.
    """
    create table fabric.search_texts (
        organization_id uuid not null,
        entity_table text not null,
        entity_id uuid not null,
        label bigint not null,
        revision bigint not null,
        composition bytea not null,
        content_hash bytea,
        length bigint not null,
        terms text[] not null,
        updated_at timestamptz not null default now(),
        primary key (organization_id, entity_table, entity_id, label))""",
    """
    create table fabric.search_terms (
        organization_id uuid not null,
        entity_table text not null,
        term text collate "C" not null,
        entity_id uuid not null,
        label bigint not null,
        length bigint not null,
        positions smallint[] not null,
        primary key (organization_id, entity_table, term, entity_id, label))""",
    "alter table fabric.embeddings alter column embedding type halfvec",
    """create index embeddings_by_model on fabric.embeddings
       (organization_id, entity_table, model, label, entity_id)""",
]

FORGET = """
    create function fabric.forget_search() returns trigger
    language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
    begin
        with words as materialized (
            select t.organization_id, t.entity_id, t.label, unnest(t.terms) collate "C" as term
            from gone g join search_texts t
                on (t.organization_id, t.entity_table, t.entity_id, t.label)
                 = (g.organization_id, 'objects', g.object_id, g.label))
        delete from search_terms s using words w
        where (s.organization_id, s.entity_table, s.term, s.entity_id, s.label)
            = (w.organization_id, 'objects', w.term, w.entity_id, w.label);
        delete from search_texts t using gone g
        where (t.organization_id, t.entity_id, t.label) = (g.organization_id, g.object_id, g.label)
          and t.entity_table = 'objects';
        delete from embeddings e using gone g
        where (e.organization_id, e.entity_id, e.label) = (g.organization_id, g.object_id, g.label)
          and e.entity_table = 'objects';
        return null;
    end $$"""

TRIGGER = """create trigger forget_search after delete on fabric.objects referencing old table as gone
             for each statement execute function fabric.forget_search()"""

# Organizations by id alone: who indexes must know for whom there is something to do.
DOOR = """
    create function fabric.organization_ids() returns setof uuid
    language sql stable security definer set search_path = fabric, pg_catalog, pg_temp as $$
        select organization_id from fabric.organizations
    $$"""

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


# What tells what is missing, and nothing of what it says.
KEY = "organization_id, entity_table, entity_id, label"
FOLLOWED = {
    "search_texts": f"{KEY}, revision, composition, content_hash",
    "embeddings": f"{KEY}, model, content_hash",
}


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [*TABLES, FORGET, TRIGGER, DOOR, *secure("search_texts"), *secure("search_terms")]:
        op.execute(statement)
    op.execute("revoke all on function fabric.organization_ids() from public")
    op.execute(f"grant execute on function fabric.organization_ids() to {SERVER}")
    for table, columns in FOLLOWED.items():
        op.execute(
            f"create policy follow on fabric.{table} for select to {FOLLOWER} using (organization_id = {ORGANIZATION})"
        )
        op.execute(f"grant select ({columns}) on fabric.{table} to {FOLLOWER}")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop function fabric.organization_ids")
    op.execute("drop trigger forget_search on fabric.objects")
    op.execute("drop function fabric.forget_search")
    op.execute("drop policy follow on fabric.embeddings")
    op.execute(f"revoke select ({FOLLOWED['embeddings']}) on fabric.embeddings from {FOLLOWER}")
    op.execute("drop table fabric.search_texts, fabric.search_terms")
    op.execute("drop index fabric.embeddings_by_model")
    op.execute("alter table fabric.embeddings alter column embedding type vector")
