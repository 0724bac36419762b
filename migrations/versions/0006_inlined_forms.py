"""Forms that PostgreSQL puts in the place of their call: text as JSON, labels in words, cursors.

A call of an SQL function that is not inlined costs several microseconds. Inlined is one that is a single expression
without subqueries, not strict unless the expression is, and no less volatile than it says.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COMPARTMENTS = 1152921504606846975
"""The bits of a label below its level."""

INLINED = [
    # Only labels with compartments cost a call.
    """
    create function fabric.compartments_text(label bigint, compartments text[]) returns text
    language sql immutable strict parallel safe as $$
        select '/' || string_agg(name, ',' order by name collate "C")
        from unnest(compartments) with ordinality as c(name, n) where label >> (n - 1)::int & 1 = 1
    $$""",
    f"""
    create or replace function fabric.label_text(label bigint, compartments text[]) returns text
    language sql immutable parallel safe as $$
        select (array['UNCLASSIFIED', 'CONFIDENTIAL', 'SECRET', 'TOP_SECRET'])[bit_count((label >> 60)::bit(3)) + 1]
            || case when label & {COMPARTMENTS} = 0 then ''
                    else coalesce(fabric.compartments_text(label, compartments), '') end
    $$""",
    r"""
    create or replace function fabric.cursor(inner_pad bytea, outer_pad bytea, keys jsonb) returns text
    language sql stable parallel safe as $$
        select replace(encode(substr(sha256(outer_pad || sha256(inner_pad || convert_to(keys::text, 'UTF8'))), 1, 16)
                              || convert_to(keys::text, 'UTF8'), 'base64'), E'\n', '')
    $$""",
]

BEFORE = [
    """
    create or replace function fabric.label_text(label bigint, compartments text[]) returns text
    language sql immutable strict parallel safe as $$
        select (array['UNCLASSIFIED', 'CONFIDENTIAL', 'SECRET', 'TOP_SECRET'])[bit_count((label >> 60)::bit(3)) + 1]
            || coalesce('/' || (select string_agg(name, ',' order by name collate "C")
                                from unnest(compartments) with ordinality as c(name, n)
                                where label >> (n - 1)::int & 1 = 1), '')
    $$""",
    r"""
    create or replace function fabric.cursor(inner_pad bytea, outer_pad bytea, keys jsonb) returns text
    language sql immutable strict parallel safe as $$
        select replace(encode(substr(sha256(outer_pad || sha256(inner_pad || convert_to(keys::text, 'UTF8'))), 1, 16)
                              || convert_to(keys::text, 'UTF8'), 'base64'), E'\n', '')
    $$""",
    "drop function fabric.compartments_text",
    "drop function fabric.quoted",
]


def upgrade() -> None:
    version = op.get_bind().exec_driver_sql("show server_version_num").scalar()
    # Half of what a JSON value made by way of jsonb costs.
    made = "json_scalar" if int(version or 0) >= 170000 else "to_json"
    op.execute("set role semantic_fabric_owner")
    op.execute(f"""
        create function fabric.quoted(value text) returns json
        language sql immutable parallel safe as $$ select {made}(value) $$""")
    for statement in INLINED:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute("set role semantic_fabric_owner")
    for statement in BEFORE:
        op.execute(statement)
    op.execute("reset role")
