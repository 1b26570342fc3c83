"""The triggers that guard rows, as the library makes them by now.

Those of the first release stay right only while nobody cascades and no name is long. Rows are not
touched, so every tag stays.
"""

from alembic import op

from ifmatch.store.triggers import create_triggers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

GUARDED = {
    "project": ["key", "name", "require_conditions", "created", "updated"],
    "environment": ["project", "key", "name", "created", "updated"],
    "flag": [
        *("project", "key", "type", "description", "tags", "variants", "default_variant"),
        *("off_variant", "client_visible", "archived", "created", "updated"),
    ],
    "flag_state": [
        *("project", "flag", "environment", "enabled", "rules", "fallthrough", "off_variant"),
        *("created", "updated"),
    ],
}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for table, columns in GUARDED.items():
        for statement in create_triggers(dialect, table, columns):
            op.execute(statement)


def downgrade() -> None:
    """The newer triggers do for the older schema, too."""
