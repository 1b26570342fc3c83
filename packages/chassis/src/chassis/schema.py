"""The tables of the database "quartet", as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

from ifmatch.store.sqlalchemy import CanonicalJSON

DATABASE = "quartet"
MIGRATIONS = "chassis.migrations"

metadata = MetaData()

# Times are whole seconds since the epoch: one form on both databases.
api_key = Table(
    "api_key",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("prefix", String(12)),
    Column("digest", String(64)),
    Column("owner", String(200)),
    Column("role", String(10)),
    Column("product", String(40)),
    Column("project", String(200)),
    Column("environment", String(200)),
    Column("created", BigInteger),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("replaces", String(20)),
    Column("last_used", BigInteger),
    Column("version", Integer),
    Column("incarnation", BigInteger),
    Column("tag", String(64)),
    Column("tag_stamp", String(200)),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("key_id", String(20)),
    Column("expires", BigInteger),
)

session = Table(
    "session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("key_id", String(20)),
    Column("created", BigInteger),
    Column("expires", BigInteger),
    Column("agent", String(200)),
)

deployment = Table(
    "deployment",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text),
)

playground_record = Table(
    "playground_record",
    metadata,
    Column("key_id", String(20), primary_key=True),
    Column("id", String(40), primary_key=True),
    Column("content", CanonicalJSON),
    Column("expires", BigInteger),
    Column("version", Integer),
    Column("incarnation", BigInteger),
    Column("tag", String(64)),
    Column("tag_stamp", String(200)),
)
