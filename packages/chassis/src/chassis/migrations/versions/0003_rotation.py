"""Keys that expire and that replace others; the browser of a session."""

import sqlalchemy as sa
from alembic import op

from ifmatch.store.triggers import create_triggers

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BEFORE = ["id", "prefix", "digest", "owner", "role", "product", "project", "environment"]
_BEFORE += ["created", "revoked"]


def _guard(columns: list[str]) -> None:
    for statement in create_triggers(op.get_bind().dialect.name, "api_key", columns):
        op.execute(statement)


def upgrade() -> None:
    """Add the columns. Tags of keys change: their documents have two members more."""
    op.add_column("api_key", sa.Column("expires", sa.BigInteger))
    op.add_column("api_key", sa.Column("replaces", sa.String(20)))
    op.create_index("api_key_replaces", "api_key", ["replaces"])
    _guard([*_BEFORE, "expires", "replaces"])
    op.add_column("session", sa.Column("agent", sa.String(200)))
    op.create_index("session_key", "session", ["key_id"])


def downgrade() -> None:
    """Drop them. Keys that expired are valid again, so they are revoked."""
    op.execute("UPDATE api_key SET revoked = expires WHERE revoked IS NULL AND expires IS NOT NULL")
    op.drop_index("session_key", "session")
    op.drop_column("session", "agent")
    _guard(_BEFORE)
    op.drop_index("api_key_replaces", "api_key")
    op.drop_column("api_key", "replaces")
    op.drop_column("api_key", "expires")
