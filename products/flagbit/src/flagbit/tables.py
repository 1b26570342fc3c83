"""FlagBit's tables, as the newest migration leaves them.

Keys are natural: a flag is found by its project and its key, which never change. What people edit
stands in guarded tables; what merely happens (the revision that evaluation watches) apart from
them, so that it never disturbs an editor.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from ifmatch.store.sqlalchemy import CanonicalJSON

metadata = MetaData()


def _key(name: str) -> Column[Any]:
    """A name that sorts by code point on both databases, so that pages agree."""
    kind = String(128).with_variant(String(128, collation="C"), "postgresql")
    return Column(name, kind, nullable=False)


def _guard() -> list[Column[Any]]:
    # Their defaults differ by database and belong to the migration.
    return [
        Column("version", Integer),
        Column("incarnation", BigInteger),
        Column("tag", String(64)),
        Column("tag_stamp", String(200)),
    ]


def _stamps() -> tuple[Column[Any], Column[Any]]:
    return Column("created", String(24), nullable=False), Column(
        "updated", String(24), nullable=False
    )


project = Table(
    "project",
    metadata,
    _key("key"),
    Column("name", Text, nullable=False),
    Column("require_conditions", Boolean, nullable=False),
    *_stamps(),
    *_guard(),
    PrimaryKeyConstraint("key"),
)

environment = Table(
    "environment",
    metadata,
    _key("project"),
    _key("key"),
    Column("name", Text, nullable=False),
    *_stamps(),
    *_guard(),
    PrimaryKeyConstraint("project", "key"),
    ForeignKeyConstraint(["project"], ["project.key"]),
)

flag = Table(
    "flag",
    metadata,
    _key("project"),
    _key("key"),
    Column("type", String(16), nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", CanonicalJSON, nullable=False),
    Column("variants", CanonicalJSON, nullable=False),
    Column("default_variant", Text, nullable=False),
    Column("off_variant", Text, nullable=False),
    Column("client_visible", Boolean, nullable=False),
    Column("archived", Boolean, nullable=False),
    *_stamps(),
    *_guard(),
    PrimaryKeyConstraint("project", "key"),
    ForeignKeyConstraint(["project"], ["project.key"]),
)

flag_state = Table(
    "flag_state",
    metadata,
    _key("project"),
    _key("flag"),
    _key("environment"),
    Column("enabled", Boolean, nullable=False),
    Column("rules", CanonicalJSON, nullable=False),
    Column("fallthrough", CanonicalJSON, nullable=False),
    Column("off_variant", Text, nullable=True),
    *_stamps(),
    *_guard(),
    PrimaryKeyConstraint("project", "flag", "environment"),
    ForeignKeyConstraint(["project", "flag"], ["flag.project", "flag.key"], ondelete="CASCADE"),
    ForeignKeyConstraint(
        ["project", "environment"], ["environment.project", "environment.key"], ondelete="CASCADE"
    ),
    Index("flag_state_by_environment", "project", "environment"),
)

revision = Table(
    "revision",
    metadata,
    _key("project"),
    Column("value", BigInteger, nullable=False),
    PrimaryKeyConstraint("project"),
    ForeignKeyConstraint(["project"], ["project.key"], ondelete="CASCADE"),
)
"""Raised by triggers with every change of a flag, a state or an environment of the project."""

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _key("project"),
    Column("at", String(24), nullable=False),
    Column("actor", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("flag", Text, nullable=True),
    Column("environment", Text, nullable=True),
    Column("before", CanonicalJSON, nullable=True),
    Column("after", CanonicalJSON, nullable=True),
    Column("etag", Text, nullable=True),
    Index("audit_by_flag", "project", "flag", "id"),
    Index("audit_by_project", "project", "id"),
)
"""Who changed what, when, from what, to what; only ever added to."""
