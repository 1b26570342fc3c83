"""What a database of the first release becomes."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from chassis.database import Database
from chassis.keys import Keys, Role
from chassis.schema import DATABASE, MIGRATIONS
from chassis.secret import digest
from chassis.sessions import Sessions
from chassis.settings import Settings

SECRET = b"s" * 32
TOKEN = f"ifm_aaaaaaaa_{'b' * 32}"


def first_release(settings: Settings, folder: Path) -> Database:
    """A database as the first release made it: with its one migration, a key and a session."""
    import chassis.migrations as package

    scripts = Path(package.__file__).parent / "versions"
    (folder / "versions").mkdir(parents=True)
    for script in scripts.glob("0001_*.py"):
        (folder / "versions" / script.name).write_text(script.read_text("utf-8"), "utf-8")
    database = Database.open(settings, DATABASE)
    database.migrate(str(folder))
    with database.writing() as connection:
        connection.execute(
            text(
                "INSERT INTO api_key (id, prefix, digest, owner, role, created)"
                " VALUES ('key_1', 'ifm_aaaaaaaa', :digest, 'Ada', 'admin', 1000)"
            ),
            {"digest": digest(SECRET, "key", TOKEN)},
        )
        connection.execute(
            text(
                "INSERT INTO session (digest, key_id, created, expires) VALUES (:d, 'key_1', 1, :e)"
            ),
            {"d": digest(SECRET, "session", "a session"), "e": 2**40},
        )
    return database


def test_keys_and_sessions_of_the_first_release_are_valid(
    settings: Settings, tmp_path: Path
) -> None:
    database = first_release(settings, tmp_path / "scripts")
    database.migrate(MIGRATIONS)
    keys, sessions = Keys(database, SECRET), Sessions(database, SECRET, settings)
    found = keys.authenticate(TOKEN)
    assert found is not None
    assert (found.key_id, found.role) == ("key_1", Role.ADMIN)
    assert sessions.principal("a session") == found
    assert [one.agent for one in sessions.of_key("key_1")] == [None]
    done = keys.rotate("key_1")
    assert keys.authenticate(done.token) is not None
    database.close()


def test_the_tag_of_a_key_moves_with_its_new_members(settings: Settings, tmp_path: Path) -> None:
    """By plain SQL, too: the triggers know the columns that came."""
    database = first_release(settings, tmp_path / "scripts")
    database.migrate(MIGRATIONS)
    keys = Keys(database, SECRET)
    tags = set()
    for change in (None, "expires = 5", "replaces = 'key_0'", "owner = 'Eve'"):
        if change is not None:
            with database.writing() as connection:
                connection.execute(text(f"UPDATE api_key SET {change}"))
        record = keys.get("key_1")
        assert record is not None
        tags.add(str(record.etag))
    assert len(tags) == 4
    database.close()
