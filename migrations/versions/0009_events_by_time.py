"""Events by the time at which they happened: a list that begins at some time begins there."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set role semantic_fabric_owner")
    op.execute("create index events_by_time on fabric.events (organization_id, occurred_at)")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("set role semantic_fabric_owner")
    op.execute("drop index fabric.events_by_time")
    op.execute("reset role")
