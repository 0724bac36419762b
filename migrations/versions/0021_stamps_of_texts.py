"""Texts of objects know their version by when it was written too: what comes again has its first revision again.

A version whose text stays the same takes its text along, in the same transaction; any other text waits to be made anew,
and does not rank until it is. `keys` are those of the data that a text is made of.
"""

from alembic import op

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

OWNER = "semantic_fabric_owner"


def stamp(o: str) -> str:
    return f"hashint8extended((extract(epoch from {o}.updated_at) * 1000000)::bigint, {o}.revision)"


# Where versions outrank each other anew their rows are updated too, and nothing of what they say.
KEEP = f"""
    create function fabric.keep_texts() returns trigger
    language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
    begin
        update search_texts t set revision = {stamp("a")}
        from before b join after a on (a.organization_id, a.object_id, a.label)
            = (b.organization_id, b.object_id, b.label)
        where (t.organization_id, t.entity_table, t.entity_id, t.label)
            = (a.organization_id, 'objects', a.object_id, a.label)
          and t.revision = {stamp("b")} and {stamp("a")} <> {stamp("b")}
          and a.type_name = b.type_name and a.tombstone = b.tombstone and t.keys is not null
          and not exists (select from unnest(t.keys) k where a.data -> k is distinct from b.data -> k);
        return null;
    end $$"""

TRIGGER = """create trigger keep_texts after update on fabric.objects
             referencing old table as before new table as after
             for each statement execute function fabric.keep_texts()"""


def restamped(before: str, after: str) -> str:
    return f"""
        update fabric.search_texts t set revision = {after} from fabric.objects o
        where (t.organization_id, t.entity_table, t.entity_id, t.label)
            = (o.organization_id, 'objects', o.object_id, o.label) and t.revision = {before}"""


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    op.execute("alter table fabric.search_texts add column keys text[]")
    op.execute(restamped("o.revision", stamp("o")))
    op.execute(KEEP)
    op.execute(TRIGGER)
    op.execute("reset role")


def downgrade() -> None:
    op.execute(f"set role {OWNER}")
    op.execute("drop trigger keep_texts on fabric.objects")
    op.execute("drop function fabric.keep_texts")
    op.execute(restamped(stamp("o"), "o.revision"))
    op.execute("alter table fabric.search_texts drop column keys")
    op.execute("reset role")
