"""Vectors in the order in which they came to be, so that who holds them in memory can ask for those that are new.

The index serves what asks for all vectors of a model besides, so it takes the place of the one by label.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OWNER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_follower"

STATEMENTS = [
    "alter table fabric.embeddings add column transaction_id xid8 not null default pg_current_xact_id()",
    """create index embeddings_in_order on fabric.embeddings
       (organization_id, entity_table, model, transaction_id, entity_id, label)""",
    "drop index fabric.embeddings_by_model",
    f"grant select (transaction_id, embedding) on fabric.embeddings to {FOLLOWER}",
]


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    for statement in STATEMENTS:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    op.execute(f"revoke select (transaction_id, embedding) on fabric.embeddings from {FOLLOWER}")
    op.execute("""create index embeddings_by_model on fabric.embeddings
                  (organization_id, entity_table, model, label, entity_id)""")
    op.execute("alter table fabric.embeddings drop column transaction_id")
