"""Each word says of which version it is: so a search need not look up the text of every version that has it.

Stamps are worked out by floats, which is faster. They are the same as before.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

OWNER = "semantic_fabric_owner"


def stamp(o: str) -> str:
    return f"hashint8extended((date_part('epoch', {o}.updated_at) * 1000000)::bigint, {o}.revision)"


def former(o: str) -> str:
    return f"hashint8extended((extract(epoch from {o}.updated_at) * 1000000)::bigint, {o}.revision)"


def keep(before: str, after: str) -> str:
    """Where versions outrank each other anew their rows are updated too, and nothing of what they say."""
    return f"""
        create or replace function fabric.keep_texts() returns trigger
        language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
        begin
            update search_texts t set revision = {after}
            from before b join after a on (a.organization_id, a.object_id, a.label)
                = (b.organization_id, b.object_id, b.label)
            where (t.organization_id, t.entity_table, t.entity_id, t.label)
                = (a.organization_id, 'objects', a.object_id, a.label)
              and t.revision = {before} and {after} <> {before}
              and a.type_name = b.type_name and a.tombstone = b.tombstone and t.keys is not null
              and not exists (select from unnest(t.keys) k where a.data -> k is distinct from b.data -> k);
            return null;
        end $$"""


STATEMENTS = [
    "alter table fabric.search_terms add column stamp bigint",
    """update fabric.search_terms w set stamp = t.revision from fabric.search_texts t
       where (t.organization_id, t.entity_table, t.entity_id, t.label)
           = (w.organization_id, w.entity_table, w.entity_id, w.label)""",
    "update fabric.search_terms set stamp = 0 where stamp is null",
    "alter table fabric.search_terms alter column stamp set not null",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in [keep(stamp("b"), stamp("a")), *STATEMENTS]:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute(f"set role {OWNER}")
    op.execute("alter table fabric.search_terms drop column stamp")
    op.execute(keep(former("b"), former("a")))
    op.execute("reset role")
