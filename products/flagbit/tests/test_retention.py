"""The audit trail is kept as long as the setting says, and keys as long as it names them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select, update

from chassis import retention
from chassis.installation import Installation
from chassis.keys import Role
from chassis.retention import DAY_SECONDS
from chassis.rights import Principal
from chassis.settings import Settings
from flagbit import tables
from flagbit.db import FlagDatabase
from flagbit.product import PRODUCT

NOW = 2_000_000_000.0


def test_old_entries_go_and_with_the_last_that_names_it_a_revoked_key(tmp_path: Path) -> None:
    """In one run: the trail comes first, and then the keys that nothing names any more."""
    settings = Settings.load({"FLAGBIT_AUDIT_DAYS": "10"}, {"data": str(tmp_path)}, [PRODUCT])
    installation = Installation.open([PRODUCT], settings)
    database = installation.databases["flagbit"]
    db = FlagDatabase(database)
    db.ensure_project("default", {})
    ids = []
    for name, days_ago in (("Ada", 11), ("Grace", 9)):
        key, _ = installation.keys.create(name, Role.ADMIN)
        who = Principal(key.id, name, Role.ADMIN)
        place = ("default", name.lower())
        db.write(who, db.environment, place, lambda *_: {}, insert={"name": name})
        at = datetime.fromtimestamp(NOW - days_ago * DAY_SECONDS, UTC)
        written = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with database.writing() as connection:
            mine = update(tables.audit).where(tables.audit.c.key_id == key.id)
            connection.execute(mine.values(at=written))
        installation.keys.revoke(key.id)
        ids.append(key.id)

    def run(now: float) -> dict[str, int]:
        found = retention.prune(installation.rules(now), pause=lambda _: None)
        return {one.what: one.rows for one in found}

    # Keys were revoked by the clock of this machine, long before that instant.
    assert run(NOW) == {
        "audit entries": 2,
        "sessions": 0,
        "sign-in links": 0,
        "revoked and expired keys": 1,
    }
    with database.reading() as connection:
        assert set(connection.execute(select(tables.audit.c.actor)).scalars()) == {"Grace"}
    assert [key.id for key in installation.keys.list()] == [ids[1]]
    assert run(NOW + 2 * DAY_SECONDS)["revoked and expired keys"] == 1
    installation.close()


def test_a_trail_may_be_kept_for_ever(tmp_path: Path) -> None:
    settings = Settings.load({"FLAGBIT_AUDIT_DAYS": "0"}, {"data": str(tmp_path)}, [PRODUCT])
    installation = Installation.open([PRODUCT], settings, serving=False)
    assert "audit entries" not in {one.what for one in installation.rules(NOW)}
    installation.close()
