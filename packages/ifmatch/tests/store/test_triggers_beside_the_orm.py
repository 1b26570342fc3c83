"""The triggers beside SQLAlchemy's ORM, whose `version_id_col` is one more writer.

Each trap that was met here is a test.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Text, insert, update
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.orm.exc import StaleDataError

from ifmatch.store.schema import install
from ifmatch.store.triggers import drop_touch_parent, drop_triggers, guard_columns, touch_parent

TOUCH = {"order_id": "id"}


class Shop:
    """Orders with lines, mapped; a line touches its order."""

    def __init__(self, database: Any) -> None:
        self.engine = database.engine
        self.execute = database.execute
        self.dialect: str = database.engine.dialect.name

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id = Column(Integer, primary_key=True)
            name = Column(Text)
            version, incarnation, tag, tag_stamp = guard_columns(self.dialect)
            __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

        class Line(Base):
            __tablename__ = "line"
            id = Column(Integer, primary_key=True)
            words = Column(Text)
            order_id = Column(Integer, ForeignKey(Order.id, ondelete="CASCADE"))

        def touches(dialect: str) -> list[str]:
            return touch_parent(
                dialect, "line", "orders", key=TOUCH, columns=["words"], identity=["id"]
            )

        self.Order: Any = Order
        self.Line: Any = Line
        self.metadata = Base.metadata
        install(self.metadata, more=touches)
        self.metadata.create_all(self.engine)

    def session(self) -> Session:
        return Session(self.engine)

    def drop(self) -> None:
        self.metadata.drop_all(self.engine)
        if self.dialect == "postgresql":
            function = drop_touch_parent(self.dialect, "line", "orders", TOUCH)[-1]
            self.execute(function)

    def version(self) -> int:
        found: int = self.execute("SELECT version FROM orders WHERE id = 1")[0][0]
        return found


@pytest.fixture
def shop(database: Any) -> Iterator[Shop]:
    made = Shop(database)
    with made.session() as session:
        session.add(made.Order(id=1, name="first"))
        session.commit()
    yield made
    made.drop()


def test_the_orm_writes_the_same_object_again_and_again(shop: Shop) -> None:
    """The triggers leave alone who raises the version himself; else its own next flush fails."""
    with shop.session() as session:
        order = session.get_one(shop.Order, 1)
        for name in ("a", "b", "c"):
            order.name = name
            session.flush()
        session.commit()
        order.name = "d"
        session.commit()
    assert shop.version() == 5


def test_an_object_that_the_orm_inserted_can_be_written_at_once(shop: Shop) -> None:
    """On SQLite RETURNING shows the row from before AFTER triggers: they change no insert."""
    with shop.session() as session:
        order = shop.Order(id=2, name="new")
        session.add(order)
        session.flush()
        assert order.version == 1
        order.name = "newer"
        session.flush()
        session.commit()
        stored = shop.execute("SELECT version, incarnation FROM orders WHERE id = 2")
        assert (order.version, order.incarnation) == tuple(stored[0])


def test_plain_sql_between_read_and_flush_is_seen_by_the_orm(shop: Shop) -> None:
    with Session(shop.engine, expire_on_commit=False) as session:
        order = session.get_one(shop.Order, 1)
        session.commit()
        shop.execute("UPDATE orders SET name = 'raw'")
        order.name = "ours"
        with pytest.raises(StaleDataError):
            session.flush()
        with pytest.raises(PendingRollbackError):
            session.get_one(shop.Order, 1, populate_existing=True)
        session.rollback()  # first this, then the row may be read
        assert session.get_one(shop.Order, 1, populate_existing=True).name == "raw"


def test_without_triggers_the_orm_overwrites_what_plain_sql_wrote(shop: Shop) -> None:
    """The twin: `version_id_col` alone does not see it."""
    triggers = [one for one in drop_triggers(shop.dialect, "orders") if "TRIGGER" in one]
    shop.execute(*triggers)
    with Session(shop.engine, expire_on_commit=False) as session:
        order = session.get_one(shop.Order, 1)
        session.commit()
        shop.execute("UPDATE orders SET name = 'raw'")
        order.name = "ours"
        session.commit()
    assert shop.execute("SELECT name FROM orders") == [("ours",)]


@pytest.mark.parametrize("bulk", ["update", "update by primary key", "query"])
def test_a_bulk_update_of_the_orm_raises_the_version(shop: Shop, bulk: str) -> None:
    with shop.session() as session:
        if bulk == "update":
            session.execute(update(shop.Order).values(name="bulk"))
        elif bulk == "query":
            session.query(shop.Order).update({"name": "bulk"})
        else:
            rows = [{"id": 1, "name": "bulk", "version": 1}]
            session.bulk_update_mappings(shop.Order.__mapper__, rows)
        session.commit()
    assert shop.version() == 2


def test_a_bulk_insert_gives_each_row_an_incarnation(shop: Shop) -> None:
    with shop.session() as session:
        session.execute(insert(shop.Order), [{"id": n, "name": "x"} for n in range(10, 20)])
        session.commit()
    assert len(set(shop.execute("SELECT incarnation FROM orders"))) == 11


def test_a_parent_is_read_again_after_its_children_were_flushed(shop: Shop) -> None:
    """Their touch made it stale for the unit of work that holds it."""
    with shop.session() as session:
        order = session.get_one(shop.Order, 1)
        session.add(shop.Line(id=1, words="x", order_id=1))
        session.flush()
        order.name = "stale"
        with pytest.raises(StaleDataError):
            session.flush()
        session.rollback()

        order = session.get_one(shop.Order, 1)
        session.add(shop.Line(id=1, words="x", order_id=1))
        session.flush()
        session.refresh(order)
        order.name = "fresh"
        session.commit()
    assert shop.execute("SELECT name, version FROM orders") == [("fresh", 3)]


def test_sqlite_refuses_a_random_default_for_a_column_that_is_added(on_sqlite: Any) -> None:
    """Where there are rows. So `add_guard` fills them by an UPDATE."""
    on_sqlite.execute("INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'x', 0)")
    with pytest.raises(sqlite3.OperationalError, match="non-constant default"):
        on_sqlite.execute("ALTER TABLE note ADD COLUMN more bigint DEFAULT (abs(random() / 2))")


def test_a_deferred_transaction_that_read_before_a_foreign_commit_cannot_write(
    on_sqlite: Any,
) -> None:
    """At once, whatever the time-out: hence BEGIN IMMEDIATE for every write."""
    with closing(
        sqlite3.connect(on_sqlite.address, isolation_level=None, timeout=60)
    ) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM note").fetchall()
        on_sqlite.execute("INSERT INTO note (owner, id, title, n) VALUES ('ada', 1, 'x', 0)")
        with pytest.raises(sqlite3.OperationalError, match="locked") as caught:
            connection.execute("UPDATE note SET title = 'y'")
        assert caught.value.sqlite_errorname == "SQLITE_BUSY_SNAPSHOT"


def test_another_key_is_another_version_and_nothing_is_left_at_the_old_one(database: Any) -> None:
    store = database.store()
    store.create(("ada", 1), {"title": "Tea", "n": 0, "ratio": 0.5, "data": None})
    before = database.execute("SELECT version, incarnation FROM note")[0]
    database.execute("UPDATE note SET id = 2")
    assert database.execute("SELECT version, incarnation FROM note") == [(before[0] + 1, before[1])]
    assert store.tag(("ada", 1)) is None
    assert store.tag(("ada", 2)) == store.read(("ada", 2)).etag


def test_a_back_fill_raises_the_version_of_every_row_it_writes(database: Any) -> None:
    rows = ", ".join(f"('ada', {n}, 't', {n})" for n in range(100))
    database.execute(
        f"INSERT INTO note (owner, id, title, n) VALUES {rows}",
        "UPDATE note SET n = n WHERE id < 50",
    )
    raised = database.execute("SELECT id < 50, version FROM note GROUP BY id < 50, version")
    assert {(bool(low), version) for low, version in raised} == {(True, 2), (False, 1)}


def test_the_statements_need_no_sqlalchemy() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from ifmatch.store import collections, epochs, triggers\n"
        "print(triggers.create_triggers('sqlite', 'note', ['id'])[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'DROP TRIGGER IF EXISTS "note_version"\n'
