"""Encrypted fields: what readers see of a value beside its ciphertext, and how rows are found by key and by value.

The hint is what the field's readers may see; the blind index is a keyed digest that the database cannot make.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = [
    "alter table fabric.encrypted_fields add column hint text",
    "alter table fabric.encrypted_fields add column blind_index bytea",
    """create index encrypted_fields_by_value on fabric.encrypted_fields
       (organization_id, field_name, blind_index) where blind_index is not null""",
    "create index encrypted_fields_by_key on fabric.encrypted_fields (organization_id, key_name, key_version)",
]

DOWN = [
    "drop index fabric.encrypted_fields_by_key",
    "drop index fabric.encrypted_fields_by_value",
    "alter table fabric.encrypted_fields drop column blind_index",
    "alter table fabric.encrypted_fields drop column hint",
]


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
