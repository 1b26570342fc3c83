"""A table says once what is seen of it; `create_all` makes that, and `drop_all` leaves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
    text,
    update,
)

from ifmatch.store.collections import Scope, tag_on
from ifmatch.store.schema import counts, install, touches
from ifmatch.store.sqlalchemy import reading, transact
from ifmatch.store.triggers import drop_shared_tables, guard_columns
from packages.ifmatch.tests.store.catalog import added, catalog, triggers

LONG = "a name that is longer than PostgreSQL keeps, which are "
NAMES = {
    "plain": ("orders", "line", "order_id"),
    "upper case and blanks": ("My Orders", "Line", "Order Id"),
    "quotation marks": ('the "orders"', "it's", 'order"id'),
    "percent signs": ("100%s", "%(line)s", "order%"),
    "colons and braces": ("orders :now", "a:b", "{order}"),
    "dots": ("shop.orders", "shop.line", "order.id"),
    "as long as can be": (f"{LONG}orders1", f"{LONG}linesab", f"{LONG}columns"),
    "not of this alphabet": ("注文" * 10, "明細" * 10, "注文番号"),
}


@dataclass
class Shop:
    """Orders with lines, of any names, in any schema."""

    database: Any
    schema: str | None
    orders: Table
    line: Table
    own: str

    @classmethod
    def of(cls, database: Any, names: tuple[str, str, str], schema: str | None = None) -> Shop:
        metadata, (orders, line, own) = MetaData(schema=schema), names
        dialect = database.engine.dialect.name
        order = Table(
            orders,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("name", Text),
            *guard_columns(dialect),
        )
        lines = Table(
            line,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("words", Text, unique=True),
            Column("seen", Integer, server_default=text("0")),
            Column(own, Integer, ForeignKey(order.c.id, ondelete="CASCADE")),
        )
        install(order)
        touches(lines, order, columns=["words"])
        counts(order)
        return cls(database, schema, order, lines, own)

    @property
    def metadata(self) -> MetaData:
        return self.orders.metadata

    def do(self, *statements: Any) -> None:
        transact(self.database.engine, lambda on: [on.execute(one) for one in statements])

    def fill(self) -> None:
        self.do(
            insert(self.orders).values([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]),
            insert(self.line).values([{"id": n, "words": f"w{n}", self.own: n} for n in (1, 2)]),
        )

    def versions(self) -> dict[int, int]:
        with reading(self.database.engine) as connection:
            found = connection.execute(select(self.orders.c.id, self.orders.c.version))
            return {row[0]: row[1] for row in found}

    def raised(self, *statements: Any) -> dict[int, int]:
        """By how much the version of each order is raised."""
        before = self.versions()
        self.do(*statements)
        return {
            key: version - before.get(key, 0)
            for key, version in self.versions().items()
            if version != before.get(key)
        }

    def tag(self) -> Any:
        name = self.orders.name if self.schema is None else f"{self.schema}.{self.orders.name}"
        with reading(self.database.engine) as connection:
            return tag_on(connection, Scope(name))

    def assert_seen(self) -> None:
        self.fill()
        tags = [self.tag()]
        assert self.raised(update(self.orders).values(name="x").where(self.orders.c.id == 1)) == {
            1: 1
        }
        tags.append(self.tag())
        line = self.line
        assert self.raised(update(line).values(words="x").where(line.c.id == 2)) == {2: 1}
        tags.append(self.tag())
        assert self.raised(update(line).values(seen=1)) == {}
        assert self.tag() == tags[-1]
        assert set(self.raised(update(line).values({self.own: 1}).where(line.c.id == 2))) == {1, 2}
        tags.append(self.tag())
        assert set(self.raised(delete(line))) == {1}
        tags.append(self.tag())
        assert len(set(tags)) == 5


@pytest.fixture(params=NAMES)
def shop(request: pytest.FixtureRequest, database: Any) -> Iterator[Shop]:
    database.execute(*drop_shared_tables())  # those of other tests
    made = Shop.of(database, NAMES[request.param])
    yield made
    made.metadata.drop_all(database.engine)
    database.execute(*drop_shared_tables())


def test_what_is_declared_beside_a_table_is_seen_whatever_its_name(shop: Shop) -> None:
    shop.metadata.create_all(shop.database.engine)
    shop.assert_seen()


def test_tables_go_and_come_and_nothing_stays(shop: Shop) -> None:
    before = catalog(shop.database)
    for _ in range(2):
        for _ in range(2):
            shop.metadata.create_all(shop.database.engine)
        shop.assert_seen()
        for _ in range(2):
            shop.metadata.drop_all(shop.database.engine)
        assert shop.database.execute("SELECT count(*) FROM ifmatch_scope") == [(0,)]
        shop.database.execute(*drop_shared_tables())
        assert added(shop.database, before) == []


@pytest.fixture(params=["shop", 'the "Shop" at 100%'])
def schema(request: pytest.FixtureRequest, on_postgresql: Any) -> Iterator[str]:
    name = str(request.param)
    quoted = '"' + name.replace('"', '""') + '"'
    on_postgresql.execute(*drop_shared_tables(), f"CREATE SCHEMA {quoted}")
    yield name
    on_postgresql.execute(f"DROP SCHEMA {quoted} CASCADE", *drop_shared_tables())


def test_a_schema_that_no_path_leads_to_holds_tables_and_functions(
    on_postgresql: Any, schema: str
) -> None:
    before = catalog(on_postgresql)
    here, there = (Shop.of(on_postgresql, NAMES["plain"], place) for place in (schema, None))
    for each in (here, there):  # of the same names, and each other's triggers are left alone
        each.metadata.create_all(on_postgresql.engine)
    tag = there.tag()
    here.assert_seen()
    assert there.tag() == tag
    there.assert_seen()
    here.metadata.drop_all(on_postgresql.engine)
    there.do(delete(there.orders))
    there.assert_seen()
    there.metadata.drop_all(on_postgresql.engine)
    on_postgresql.execute(*drop_shared_tables())
    assert added(on_postgresql, before) == []


def test_a_schema_is_translated_as_sqlalchemy_was_told(on_postgresql: Any, schema: str) -> None:
    made = Shop.of(on_postgresql, NAMES["plain"], "nowhere")
    engine = on_postgresql.engine.execution_options(schema_translate_map={"nowhere": schema})
    made.metadata.create_all(engine)
    found = on_postgresql.execute(
        "SELECT DISTINCT nspname FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
        "JOIN pg_namespace AS space ON space.oid = relnamespace "
        "WHERE NOT tgisinternal AND relname <> 'note'"
    )
    assert found == [(schema,)]
    made.metadata.drop_all(engine)


def test_on_sqlite_an_attached_file_is_refused_with_the_way_out(on_sqlite: Any) -> None:
    made = Shop.of(on_sqlite, NAMES["plain"], "main")
    with pytest.raises(ValueError, match="Leave `schema` out"):
        made.metadata.create_all(on_sqlite.engine)


def test_names_that_differ_after_63_bytes_or_where_parts_meet_are_kept_apart(
    database: Any,
) -> None:
    """Two relations of one child whose names were one when joined by `_`, and long ones."""
    metadata = MetaData()
    dialect = database.engine.dialect.name
    parents = {
        name: Table(
            name, metadata, Column("id", Integer, primary_key=True), *guard_columns(dialect)
        )
        for name in ("user", "user_group", LONG + "aaaaaaa", LONG + "aaaaaab")
    }
    keys = ("group_id", "id2", "third", "fourth")
    child = Table(
        "note_of",
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(key, ForeignKey(to.c.id)) for key, to in zip(keys, parents.values(), strict=True)),
    )
    install(metadata)
    for parent in parents.values():
        touches(child, parent, columns=[])
    touches(child, parents["user"], columns=[], key={"id2": "id"})
    metadata.create_all(database.engine)
    assert len(triggers(database)) - 2 - 2 * len(parents) == 5 * (5 if database.on_sqlite else 4)

    def insert_all(connection: Any) -> None:
        for parent in parents.values():
            connection.execute(insert(parent).values(id=1))
        connection.execute(insert(child).values(id=1, **dict.fromkeys(keys, 1)))

    transact(database.engine, insert_all)
    with reading(database.engine) as connection:
        versions = [connection.scalar(select(each.c.version)) for each in parents.values()]
    assert versions == [3, 2, 2, 2]
    metadata.drop_all(database.engine)


def test_a_key_that_two_foreign_keys_could_be_is_asked_for(database: Any) -> None:
    metadata = MetaData()
    parent = Table("parent_of", metadata, Column("id", Integer, primary_key=True))
    child = Table(
        "child_of",
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, ForeignKey(parent.c.id)) for name in ("one", "two")),
    )
    touches(child, parent, columns=[])
    with pytest.raises(ValueError, match="2 foreign keys to 'parent_of'"):
        metadata.create_all(database.engine)


def test_what_sqlite_replaces_is_found_by_every_unique_key_of_the_table(on_sqlite: Any) -> None:
    """They are known from the declaration, so none can be forgotten."""
    metadata = MetaData()
    parent = Table(
        "orders", metadata, Column("id", Integer, primary_key=True), *guard_columns("sqlite")
    )
    child = Table(
        "line",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("code", Text, unique=True, index=True),
        Column("place", Integer),
        Column("order_id", ForeignKey(parent.c.id)),
        UniqueConstraint("place", "order_id"),
    )
    install(metadata)
    touches(child, parent)
    metadata.create_all(on_sqlite.engine)
    on_sqlite.execute(
        "INSERT INTO orders (id) VALUES (1), (2), (3)",
        "INSERT INTO line VALUES (1, 'a', 1, 1), (2, 'b', 1, 2)",
    )
    on_sqlite.execute("REPLACE INTO line VALUES (9, 'a', 1, 3)")
    versions = "SELECT id, version FROM orders"
    assert dict(on_sqlite.execute(versions)) == {1: 3, 2: 2, 3: 2}


def test_what_is_generated_counts_by_what_it_is_made_of(database: Any) -> None:
    metadata = MetaData()
    dialect = database.engine.dialect.name
    made = Table(
        "price",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("net", Integer),
        Column("gross", Integer, Computed("net * 2", persisted=True)),
        *guard_columns(dialect),
    )
    install(made)
    metadata.create_all(database.engine)
    database.execute("INSERT INTO price (id, net) VALUES (1, 1)", "UPDATE price SET net = 2")
    assert database.execute("SELECT gross, version FROM price") == [(4, 2)]
    metadata.drop_all(database.engine)


@pytest.mark.parametrize("rowid", ["without", "of another meaning"])
def test_a_table_without_the_rowid_of_sqlite_is_found_by_its_key(
    on_sqlite: Any, rowid: str
) -> None:
    metadata = MetaData()
    without = rowid == "without"
    more = [] if without else [Column("rowid", Integer)]
    made = Table(
        "place",
        metadata,
        Column("country", Text, primary_key=True),
        Column("town", Text, primary_key=True),
        Column("name", Text),
        *more,
        *guard_columns("sqlite"),
        sqlite_with_rowid=not without,
    )
    install(made)
    metadata.create_all(on_sqlite.engine)
    on_sqlite.execute(
        "INSERT INTO place (country, town, name) VALUES ('de', 'a', 'x'), ('de', 'b', 'y')",
        "UPDATE place SET name = 'z' WHERE town = 'a'",
        "UPDATE place SET country = 'at' WHERE town = 'a'",
        "INSERT INTO place (country, town, tag) VALUES ('de', 'c', 'stale')",
    )
    found = on_sqlite.execute("SELECT country, town, version, tag FROM place ORDER BY town")
    assert found == [("at", "a", 3, None), ("de", "b", 1, None), ("de", "c", 1, None)]
