"""An index of applications' own events, which search goes through when their types change."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OWNER = "semantic_fabric_owner"


def upgrade() -> None:
    op.execute(f"set role {OWNER}")
    op.execute("""create index events_of_applications on fabric.events (organization_id, position)
                  where entity_table = 'events'""")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("drop index fabric.events_of_applications")
