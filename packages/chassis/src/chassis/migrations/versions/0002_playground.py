"""The records of the playground."""

import sqlalchemy as sa
from alembic import op

from ifmatch.store.triggers import create_triggers, guard_columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    dialect = op.get_bind().dialect.name
    op.create_table(
        "playground_record",
        sa.Column(
            "key_id", sa.String(20), sa.ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        *guard_columns(dialect),
        sa.PrimaryKeyConstraint("key_id", "id"),
    )
    op.create_index("playground_record_expires", "playground_record", ["expires"])
    for statement in create_triggers(dialect, "playground_record", ["key_id", "id", "content"]):
        op.execute(statement)


def downgrade() -> None:
    """Drop it, with whatever people played with."""
    op.drop_table("playground_record")
