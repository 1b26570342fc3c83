"""Projects, environments, flags, their states, and who changed what."""

import sqlalchemy as sa
from alembic import op

from ifmatch.store.triggers import create_triggers, drop_triggers, guard_columns

revision = "0001"
down_revision = None
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
"""Each guarded table, with the columns that its tag depends on."""

EVALUATED = ("environment", "flag", "flag_state")
"""The tables whose every change raises the revision that evaluation watches."""


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _create_guarded_tables(dialect)
    op.create_table(
        "revision",
        sa.Column(
            "project", _key(), sa.ForeignKey("project.key", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", _key(), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("flag", sa.Text),
        sa.Column("environment", sa.Text),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("etag", sa.Text),
    )
    op.create_index("audit_by_flag", "audit", ["project", "flag", "id"])
    op.create_index("audit_by_project", "audit", ["project", "id"])
    for table, columns in GUARDED.items():
        for statement in create_triggers(dialect, table, columns):
            op.execute(statement)
    for statement in _revision_triggers(dialect):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for table in GUARDED:
        for statement in drop_triggers(dialect, table):
            op.execute(statement)
    for table in ("audit", "revision", "flag_state", "flag", "environment", "project"):
        op.drop_table(table)
    if dialect == "postgresql":
        op.execute("DROP FUNCTION raise_revision()")


def _create_guarded_tables(dialect: str) -> None:
    op.create_table(
        "project",
        sa.Column("key", _key(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("require_conditions", sa.Boolean, nullable=False),
        *_stamps(),
        *guard_columns(dialect),
    )
    op.create_table(
        "environment",
        sa.Column("project", _key(), sa.ForeignKey("project.key"), nullable=False),
        sa.Column("key", _key(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *_stamps(),
        *guard_columns(dialect),
        sa.PrimaryKeyConstraint("project", "key"),
    )
    op.create_table(
        "flag",
        sa.Column("project", _key(), sa.ForeignKey("project.key"), nullable=False),
        sa.Column("key", _key(), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("variants", sa.Text, nullable=False),
        sa.Column("default_variant", sa.Text, nullable=False),
        sa.Column("off_variant", sa.Text, nullable=False),
        sa.Column("client_visible", sa.Boolean, nullable=False),
        sa.Column("archived", sa.Boolean, nullable=False),
        *_stamps(),
        *guard_columns(dialect),
        sa.PrimaryKeyConstraint("project", "key"),
    )
    op.create_table(
        "flag_state",
        sa.Column("project", _key(), nullable=False),
        sa.Column("flag", _key(), nullable=False),
        sa.Column("environment", _key(), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.Column("fallthrough", sa.Text, nullable=False),
        sa.Column("off_variant", sa.Text),
        *_stamps(),
        *guard_columns(dialect),
        sa.PrimaryKeyConstraint("project", "flag", "environment"),
        sa.ForeignKeyConstraint(
            ["project", "flag"], ["flag.project", "flag.key"], ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project", "environment"],
            ["environment.project", "environment.key"],
            ondelete="CASCADE",
        ),
    )
    op.create_index("flag_state_by_environment", "flag_state", ["project", "environment"])


def _key() -> sa.String:
    """Sorts by code point on both databases, so that pages agree."""
    return sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


def _stamps() -> list[sa.Column[str]]:
    return [
        sa.Column("created", sa.String(24), nullable=False),
        sa.Column("updated", sa.String(24), nullable=False),
    ]


def _revision_triggers(dialect: str) -> list[str]:
    """Whoever changes what is evaluated raises the revision of its project, plain SQL included.

    On PostgreSQL that row also makes writers of one project wait for each other, which is what a
    new flag and a new environment need to see one another.
    """
    if dialect == "sqlite":
        trigger = """
            CREATE TRIGGER "{table}_revision_{event}" AFTER {event} ON "{table}"
            BEGIN UPDATE revision SET value = value + 1 WHERE project = {row}.project; END
        """
        return [
            trigger.format(table=table, event=event, row=row)
            for table in EVALUATED
            for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
        ]
    function = """
        CREATE FUNCTION raise_revision() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                UPDATE revision SET value = value + 1;
            ELSE
                UPDATE revision SET value = value + 1
                 WHERE project = CASE WHEN TG_OP = 'DELETE' THEN OLD.project ELSE NEW.project END;
            END IF;
            RETURN NULL;
        END $$
    """
    triggers = [
        f'CREATE TRIGGER "{table}_revision" AFTER INSERT OR UPDATE OR DELETE ON "{table}" '
        "FOR EACH ROW EXECUTE FUNCTION raise_revision()"
        for table in EVALUATED
    ]
    # TRUNCATE takes all rows and fires no trigger of a row.
    triggers += [
        f'CREATE TRIGGER "{table}_revision_truncate" AFTER TRUNCATE ON "{table}" '
        "FOR EACH STATEMENT EXECUTE FUNCTION raise_revision()"
        for table in EVALUATED
    ]
    return [function, *triggers]
