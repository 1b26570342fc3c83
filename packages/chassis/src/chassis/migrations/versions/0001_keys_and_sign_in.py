"""Keys, sign-in links, sessions, and the fingerprint of the server's secret."""

import sqlalchemy as sa
from alembic import op

from ifmatch.store.triggers import create_triggers, guard_columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    dialect = op.get_bind().dialect.name
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("prefix", sa.String(12), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("product", sa.String(40)),
        sa.Column("project", sa.String(200)),
        sa.Column("environment", sa.String(200)),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger),
        sa.Column("last_used", sa.BigInteger),
        *guard_columns(dialect),
    )
    op.create_index("api_key_prefix", "api_key", ["prefix"])
    edited = ["id", "prefix", "digest", "owner", "role", "product", "project", "environment"]
    edited += ["created", "revoked"]
    for statement in create_triggers(dialect, "api_key", edited):
        op.execute(statement)
    op.create_table(
        "sign_in_link",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column(
            "key_id", sa.String(20), sa.ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "session",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column(
            "key_id", sa.String(20), sa.ForeignKey("api_key.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("session_expires", "session", ["expires"])
    op.create_table(
        "deployment",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop them, and every key with them."""
    for table in ("deployment", "session", "sign_in_link", "api_key"):
        op.drop_table(table)
