"""Texts of links and events in search: rows of the same tables, which go with what they are made of.

Words and vectors go with their text, whatever takes it away. `head` is how a version's text begins: the texts of its
links are made of it.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OWNER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_follower"

# A link's texts are made of its ends too, so they stand at labels above its own.
GONE = {
    "objects": "t.entity_id = g.object_id and t.label = g.label",
    "links": "t.entity_id = g.link_id and (t.label & g.label) = g.label",
    "events": "t.entity_id = lpad(to_hex(g.position), 32, '0')::uuid and t.label = g.label",
}

WITH_TEXT = """
    create function fabric.forget_words() returns trigger
    language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
    begin
        with words as materialized (
            select organization_id, entity_table, entity_id, label, unnest(terms) collate "C" as term from gone)
        delete from search_terms s using words w
        where (s.organization_id, s.entity_table, s.term, s.entity_id, s.label)
            = (w.organization_id, w.entity_table, w.term, w.entity_id, w.label);
        delete from embeddings e using gone g
        where (e.organization_id, e.entity_table, e.entity_id, e.label)
            = (g.organization_id, g.entity_table, g.entity_id, g.label);
        return null;
    end $$"""


def with_entity(table: str) -> str:
    return f"""
        create function fabric.forget_texts_of_{table}() returns trigger
        language plpgsql security definer set search_path = fabric, pg_catalog, pg_temp as $$
        begin
            delete from search_texts t using gone g
            where t.organization_id = g.organization_id and t.entity_table = '{table}' and {GONE[table]};
            return null;
        end $$"""


def trigger(name: str, table: str, function: str) -> str:
    return f"""create trigger {name} after delete on fabric.{table} referencing old table as gone
               for each statement execute function fabric.{function}()"""


OF_OBJECTS_ALONE = """
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


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    op.execute("alter table fabric.search_texts add column head text")
    op.execute(f"grant select (head) on fabric.search_texts to {FOLLOWER}")
    op.execute("drop trigger forget_search on fabric.objects")
    op.execute("drop function fabric.forget_search")
    op.execute(WITH_TEXT)
    op.execute(trigger("forget_words", "search_texts", "forget_words"))
    for table in GONE:
        op.execute(with_entity(table))
        op.execute(trigger("forget_texts", table, f"forget_texts_of_{table}"))
    op.execute("reset role")


def downgrade() -> None:
    op.execute("delete from fabric.search_texts where entity_table <> 'objects'")
    for table in GONE:
        op.execute(f"drop trigger forget_texts on fabric.{table}")
        op.execute(f"drop function fabric.forget_texts_of_{table}")
    op.execute("drop trigger forget_words on fabric.search_texts")
    op.execute("drop function fabric.forget_words")
    op.execute(OF_OBJECTS_ALONE)
    op.execute("""create trigger forget_search after delete on fabric.objects referencing old table as gone
                  for each statement execute function fabric.forget_search()""")
    op.execute("alter table fabric.search_texts drop column head")
