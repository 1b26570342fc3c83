"""Keys: shown once, kept as digests, exact here and a moment late elsewhere."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text

from chassis import keys as module
from chassis.database import Database
from chassis.keys import (
    CACHE_SECONDS,
    ENVIRONMENT_ADMIN,
    KeyRecord,
    Keys,
    NotRotatable,
    Role,
    UnfitKey,
)
from ifmatch import Conflict, Missing, unchanged

SECRET = b"s" * 32
Open = Callable[[], Database]


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def stored(database: Database) -> str:
    with database.reading() as connection:
        return repr(connection.execute(text("SELECT * FROM api_key")).all())


def test_a_key_says_who_and_what_and_where(keys: Keys) -> None:
    record, token = keys.create("Ada", "server", "flagbit", "shop", "production")
    assert re.fullmatch(r"ifm_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}", token)
    assert token.startswith(record.prefix)
    assert keys.authenticate(token) == record.principal
    assert record.principal.owner == "Ada"
    assert record.principal.role == "server"
    assert (record.product, record.project, record.environment) == ("flagbit", "shop", "production")


def test_the_secret_part_is_not_stored(open_database: Open) -> None:
    database = open_database()
    _, token = Keys(database, SECRET).create("Ada", Role.READ)
    assert token.rpartition("_")[2] not in stored(database)


def test_an_administrator_of_any_shape_is_not_stored_in_part(open_database: Open) -> None:
    database = open_database()
    keys, token = Keys(database, SECRET), "correct horse battery staple".replace(" ", "-") * 2
    keys.ensure_admin(token)
    assert token[:8] not in stored(database)
    found = keys.authenticate(token)
    assert found is not None
    assert found.role == Role.ADMIN


@pytest.mark.parametrize(
    "token", ["", "ifm_", "ifm_aaaaaaaa_" + "a" * 32, "x" * 100_000, "\x00", "é" * 40, "' OR 1=1"]
)
def test_what_is_no_key_is_nobody(keys: Keys, token: str) -> None:
    keys.create("Ada", Role.READ)
    assert keys.authenticate(token) is None


def test_a_key_with_one_letter_changed_is_nobody(keys: Keys) -> None:
    _, token = keys.create("Ada", Role.READ)
    other = "b" if token[-1] == "a" else "a"
    assert keys.authenticate(token[:-1] + other) is None
    assert keys.authenticate(token + "a") is None


def test_keys_that_share_their_public_part_are_told_apart_by_the_secret_one(
    open_database: Open,
) -> None:
    database = open_database()
    keys = Keys(database, SECRET)
    made = [keys.create(owner, Role.READ) for owner in ("Ada", "Ben", "Cid")]
    first = made[0][0].prefix
    with database.writing() as connection:
        connection.execute(text("UPDATE api_key SET prefix = :p"), {"p": first})
    tokens = [first + token[len(first) :] for _, token in made]
    # Their digests are of the tokens as they were made: only the first still fits.
    assert [keys.authenticate(token) is None for token in tokens] == [False, True, True]


def test_digests_are_compared_in_constant_time(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    class Watched:
        @staticmethod
        def compare_digest(one: str, other: str) -> bool:
            compared.append((one, other))
            return one == other

    monkeypatch.setattr(module, "hmac", Watched)
    _, token = keys.create("Ada", Role.READ)
    assert keys.authenticate(token) is not None
    assert [len(one) for pair in compared for one in pair] == [64, 64]


def test_another_secret_knows_no_key(open_database: Open) -> None:
    database = open_database()
    _, token = Keys(database, SECRET).create("Ada", Role.READ)
    assert Keys(database, b"t" * 32).authenticate(token) is None


@pytest.mark.parametrize("owner", ["", "  ", "x" * 201, "Ada\nLovelace"])
def test_a_key_needs_an_owner_with_a_name(keys: Keys, owner: str) -> None:
    with pytest.raises(UnfitKey, match="owner's name"):
        keys.create(owner, Role.READ)


@pytest.mark.parametrize(
    ("role", "product", "pointer"),
    [("server", "flagbit", "/environment"), ("server", None, "/product"), ("ping", None, "/role")],
)
def test_a_role_that_a_product_adds_is_given_as_the_product_says(
    keys: Keys, role: str, product: str | None, pointer: str
) -> None:
    with pytest.raises(UnfitKey) as caught:
        keys.create("Ada", role, product)
    assert caught.value.pointer == pointer
    assert keys.list() == []


def test_what_looks_around_first_can_keep_a_key_from_being_made(keys: Keys) -> None:
    def refuse(connection: Connection) -> None:
        assert list(keys.list_on(connection)) == keys.list()
        raise LookupError

    keys.create("Ada", Role.READ)
    with pytest.raises(LookupError):
        keys.create("Ben", Role.READ, first=refuse)
    assert [key.owner for key in keys.list()] == ["Ada"]


def test_who_is_told_of_a_change_can_undo_it(keys: Keys) -> None:
    told: list[str] = []

    def refuse(key: KeyRecord) -> None:
        told.append(key.owner)
        raise LookupError

    record, token = keys.create("Ada", Role.READ)
    with pytest.raises(LookupError):
        keys.create("Ben", Role.READ, then=refuse)
    with pytest.raises(LookupError):
        keys.revoke(record.id, then=refuse)
    assert keys.list() == [record]
    assert keys.authenticate(token) is not None
    assert told == ["Ben", "Ada"]


def test_of_a_key_that_is_revoked_already_nobody_is_told(keys: Keys) -> None:
    told: list[KeyRecord] = []
    record, _ = keys.create("Ada", Role.READ, then=told.append)
    revoked = keys.revoke(record.id, then=told.append)
    keys.revoke(record.id, then=told.append)
    assert told == [record, revoked]


@pytest.mark.race
def test_those_who_look_first_make_keys_one_after_the_other(open_database: Open) -> None:
    """No two of them see the same keys."""
    several = [Keys(open_database(), SECRET) for _ in range(4)]
    seen: list[int] = []

    def make(keys: Keys) -> None:
        for _ in range(5):
            keys.create("Ada", Role.READ, first=lambda on: seen.append(len(keys.list_on(on))))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, several))
    assert seen == list(range(20))


# -- revoking -------------------------------------------------------------------------------------


def test_a_revoked_key_is_refused_at_once(keys: Keys) -> None:
    record, token = keys.create("Ada", Role.READ)
    assert keys.authenticate(token) is not None
    revoked = keys.revoke(record.id)
    assert keys.authenticate(token) is None
    assert keys.remembered(token) is None
    assert revoked.revoked is not None
    assert keys.get(record.id) == revoked


def test_a_key_is_rotated_by_a_second_one(keys: Keys) -> None:
    old, old_token = keys.create("Ada", Role.READ)
    _, new_token = keys.create("Ada", Role.READ)
    assert keys.authenticate(old_token) is not None
    keys.revoke(old.id)
    assert keys.authenticate(old_token) is None
    assert keys.authenticate(new_token) is not None


def test_revoking_is_guarded_by_the_tag(keys: Keys) -> None:
    record, token = keys.create("Ada", Role.READ)
    other, _ = keys.create("Ben", Role.READ)
    with pytest.raises(Conflict):
        keys.revoke(record.id, unchanged(other.etag))
    assert keys.authenticate(token) is not None
    assert keys.revoke(record.id, unchanged(record.etag)).etag != record.etag


def test_revoking_twice_changes_nothing_more(keys: Keys) -> None:
    record, _ = keys.create("Ada", Role.READ)
    assert keys.revoke(record.id) == keys.revoke(record.id)


def test_there_must_be_something_to_revoke(keys: Keys) -> None:
    with pytest.raises(Missing):
        keys.revoke("key_none")
    assert keys.get("key_none") is None


def test_in_another_process_a_revoked_key_lives_on_for_half_a_second(open_database: Open) -> None:
    clock = Clock()
    here = Keys(open_database(), SECRET)
    there = Keys(open_database(), SECRET, monotonic=clock)
    record, token = here.create("Ada", Role.READ)
    assert there.authenticate(token) is not None
    here.revoke(record.id)
    clock.time += CACHE_SECONDS - 0.01
    assert there.authenticate(token) is not None
    clock.time += 0.01
    assert there.authenticate(token) is None


def test_without_the_bound_a_revoked_key_would_live_on_in_another_process(
    open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the one before, and of the end-to-end test over two processes."""
    monkeypatch.setattr(module, "CACHE_SECONDS", 3600)
    clock = Clock()
    here, there = Keys(open_database(), SECRET), Keys(open_database(), SECRET, monotonic=clock)
    record, token = here.create("Ada", Role.READ)
    assert there.authenticate(token) is not None
    here.revoke(record.id)
    clock.time += 60
    assert there.authenticate(token) is not None


def test_use_does_not_keep_a_key_in_memory(open_database: Open) -> None:
    clock = Clock()
    here = Keys(open_database(), SECRET)
    there = Keys(open_database(), SECRET, monotonic=clock)
    record, token = here.create("Ada", Role.READ)
    assert there.authenticate(token) is not None
    here.revoke(record.id)
    used = 0
    while there.authenticate(token) is not None:
        used += 1
        clock.time += 0.125
    assert used == 4


@pytest.mark.race
def test_a_look_up_that_overlaps_a_revocation_is_not_remembered(open_database: Open) -> None:
    """The row was read before the revocation, and is stored in memory after it."""
    database = open_database()
    revoked = threading.Event()
    keys = Keys(database, SECRET)
    record, token = keys.create("Ada", Role.READ)
    reading = database.reading

    class SlowReader(Database):
        def reading(self):  # type: ignore[no-untyped-def]
            from contextlib import contextmanager

            @contextmanager
            def slow():  # type: ignore[no-untyped-def]
                with reading() as connection:
                    yield connection
                revoke()

            return slow()

    def revoke() -> None:
        if not revoked.is_set():
            revoked.set()
            keys.revoke(record.id)

    keys._database = SlowReader(database.name, database.engine)
    assert keys.authenticate(token) is not None  # it was valid when it was read
    assert keys.remembered(token) is None
    assert keys.authenticate(token) is None


# -- rotating, and coming to an end ----------------------------------------------------------------


def keys_at(open_database: Open, now: Clock) -> Keys:
    return Keys(open_database(), SECRET, now=now)


def test_while_a_key_is_rotated_two_are_valid(open_database: Open) -> None:
    now = Clock()
    keys = keys_at(open_database, now)
    record, old = keys.create("Ada", Role.WRITE, "flagbit", "shop")
    done = keys.rotate(record.id, overlap=600)
    assert (done.new.replaces, done.new.expires) == (record.id, None)
    assert done.old.expires == int(now.time) + 600
    before, after = keys.authenticate(old), keys.authenticate(done.token)
    assert before is not None
    assert after is not None
    assert after.covers(before)
    assert before.covers(after)
    assert (after.owner, after.role) == ("Ada", Role.WRITE)
    now.time += 599
    assert keys.authenticate(old) is not None
    now.time += 1
    assert keys.authenticate(old) is None
    assert keys.remembered(old) is None
    assert keys.authenticate(done.token) is not None


def test_without_an_overlap_the_old_key_is_revoked_at_once(keys: Keys) -> None:
    record, old = keys.create("Ada", Role.READ)
    assert keys.authenticate(old) is not None
    done = keys.rotate(record.id, overlap=0)
    assert done.old.revoked is not None
    assert keys.authenticate(old) is None
    assert keys.authenticate(done.token) is not None


def test_a_lost_answer_of_a_rotation_does_no_harm(open_database: Open) -> None:
    """The successor that nobody has is revoked, and the old key has as long as it had."""
    now = Clock()
    keys = keys_at(open_database, now)
    record, old = keys.create("Ada", Role.READ)
    lost = keys.rotate(record.id, overlap=600)
    now.time += 100
    again = keys.rotate(record.id, overlap=600)
    assert again.discarded is not None
    assert again.discarded.id == lost.new.id
    assert keys.authenticate(lost.token) is None
    assert keys.authenticate(old) is not None
    assert keys.authenticate(again.token) is not None
    assert again.old == lost.old


def test_a_successor_in_use_is_never_taken_away(open_database: Open) -> None:
    """Not even where another process saw it used, a moment ago."""
    here, there = (Keys(open_database(), SECRET) for _ in range(2))
    record, _ = here.create("Ada", Role.READ)
    first = here.rotate(record.id)
    assert there.authenticate(first.token) is not None
    with pytest.raises(NotRotatable, match=first.new.id):
        here.rotate(record.id)
    assert here.authenticate(first.token) is not None
    assert here.rotate(first.new.id).new.replaces == first.new.id


@pytest.mark.race
def test_a_successor_is_either_used_or_discarded_and_never_both(open_database: Open) -> None:
    """Whoever got in with it keeps it, in whichever order the two come."""
    admin, user = (Keys(open_database(), SECRET) for _ in range(2))
    for _ in range(15):
        record, _ = admin.create("Ada", Role.READ)
        made = admin.rotate(record.id)
        begin = threading.Barrier(2, timeout=30)

        def use(begin: threading.Barrier = begin, token: str = made.token) -> bool:
            begin.wait()
            return user.authenticate(token) is not None

        def again(begin: threading.Barrier = begin, key_id: str = record.id) -> bool:
            begin.wait()
            try:
                return admin.rotate(key_id).discarded is not None
            except NotRotatable:
                return False

        with ThreadPoolExecutor(2) as pool:
            used, discarded = pool.submit(use), pool.submit(again)
            assert used.result() is not discarded.result()


class Forgetful(Keys):
    """The twin with the guard taken out: the first use is written down when there is time."""

    def _first_use(self, key_id: str) -> bool:
        return True


def test_without_the_guard_a_key_in_use_would_be_taken_away(open_database: Open) -> None:
    here, there = Keys(open_database(), SECRET), Forgetful(open_database(), SECRET)
    record, _ = here.create("Ada", Role.READ)
    first = here.rotate(record.id)
    assert there.authenticate(first.token) is not None
    assert here.rotate(record.id).discarded == here.get(first.new.id)


def test_rotating_is_guarded_by_the_tag(keys: Keys) -> None:
    record, _ = keys.create("Ada", Role.READ)
    other, _ = keys.create("Ben", Role.READ)
    with pytest.raises(Conflict):
        keys.rotate(record.id, unchanged(other.etag))
    assert len(keys.list()) == 2
    keys.rotate(record.id, unchanged(record.etag))
    with pytest.raises(Missing):
        keys.rotate("key_none")


def test_a_key_that_is_over_has_no_successor(open_database: Open) -> None:
    now = Clock()
    keys = keys_at(open_database, now)
    revoked, _ = keys.create("Ada", Role.READ)
    keys.revoke(revoked.id)
    expired, _ = keys.create("Ada", Role.READ, lifetime=10)
    now.time += 10
    for key in (revoked, expired):
        with pytest.raises(NotRotatable, match="Make a new one"):
            keys.rotate(key.id)


def test_the_key_of_the_environment_is_rotated_there(keys: Keys) -> None:
    keys.ensure_admin("a" * 32)
    with pytest.raises(NotRotatable, match="QUARTET_ADMIN_KEY"):
        keys.rotate(ENVIRONMENT_ADMIN)


def test_who_hears_of_a_rotation_can_undo_it(keys: Keys) -> None:
    def refuse(_: object) -> None:
        raise LookupError

    record, token = keys.create("Ada", Role.READ)
    with pytest.raises(LookupError):
        keys.rotate(record.id, overlap=0, then=refuse)
    assert keys.list() == [record]
    assert keys.authenticate(token) is not None


def test_a_key_ends_when_it_was_said_that_it_would(open_database: Open) -> None:
    now = Clock()
    keys = keys_at(open_database, now)
    record, token = keys.create("Ada", Role.READ, lifetime=60)
    assert record.expires == int(now.time) + 60
    assert keys.authenticate(token) is not None
    now.time += 59.5
    assert keys.authenticate(token) is not None
    now.time += 0.5
    assert keys.authenticate(token) is None  # from memory
    assert keys_at(open_database, now).authenticate(token) is None  # from the database


@pytest.mark.parametrize("lifetime", [0, -1, 10**12])
def test_a_key_lives_for_a_time_that_can_be(keys: Keys, lifetime: int) -> None:
    with pytest.raises(UnfitKey) as caught:
        keys.create("Ada", Role.READ, lifetime=lifetime)
    assert caught.value.pointer == "/expires"


def test_an_administrator_who_expires_does_not_count_beside_one_who_does_not(
    open_database: Open,
) -> None:
    now = Clock()
    keys = keys_at(open_database, now)
    keys.ensure_admin("a" * 32)
    passing, _ = keys.create("Ada", Role.ADMIN, lifetime=60)
    with keys.unchanging() as connection:
        assert keys.is_last_admin(connection, ENVIRONMENT_ADMIN)
        assert not keys.is_last_admin(connection, passing.id)
    assert keys.an_admin().id == ENVIRONMENT_ADMIN
    keys.revoke(ENVIRONMENT_ADMIN)
    with keys.unchanging() as connection:
        assert keys.is_last_admin(connection, passing.id)
    now.time += 60
    assert keys.ensure_admin() is not None


# -- memory ---------------------------------------------------------------------------------------


def test_known_keys_are_answered_from_memory(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = keys.create("Ada", Role.READ)
    assert keys.remembered(token) is None
    found = keys.authenticate(token)
    monkeypatch.setattr(keys, "_database", None)
    assert keys.authenticate(token) == keys.remembered(token) == found


def test_guessing_fills_no_memory(keys: Keys) -> None:
    for guess in range(50):
        keys.authenticate(f"ifm_{guess:08}_{'x' * 32}")
    assert len(keys._cache) == 0
    assert not keys._used


def test_memory_for_known_keys_has_a_bound(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_SIZE", 3)
    tokens = [keys.create("Ada", Role.READ)[1] for _ in range(5)]
    for token in tokens:
        keys.authenticate(token)
    assert len(keys._cache) == 3
    assert [keys.remembered(token) is not None for token in tokens] == [False] * 2 + [True] * 3


# -- when it was used -----------------------------------------------------------------------------


def test_when_a_key_was_used_is_stored_at_most_once_a_minute(open_database: Open) -> None:
    now = Clock()
    keys = Keys(open_database(), SECRET, now=now)
    record, token = keys.create("Ada", Role.READ)

    def used_at(time: float) -> int | None:
        now.time = time
        keys.authenticate(token)
        keys.write_last_used()
        found = keys.get(record.id)
        assert found is not None
        return found.last_used

    assert used_at(1000) == 1000
    assert used_at(1059) == 1000
    assert used_at(1060) == 1060


def test_use_is_no_edit(keys: Keys) -> None:
    record, token = keys.create("Ada", Role.READ)
    keys.authenticate(token)
    keys.write_last_used()
    found = keys.get(record.id)
    assert found is not None
    assert found.last_used is not None
    assert found.etag == record.etag
    keys.write_last_used()


def test_plain_sql_that_edits_a_key_changes_its_tag(open_database: Open) -> None:
    database = open_database()
    keys = Keys(database, SECRET)
    record, _ = keys.create("Ada", Role.READ)
    with database.writing() as connection:
        connection.execute(text("UPDATE api_key SET owner = 'Eve'"))
    with pytest.raises(Conflict):
        keys.revoke(record.id, unchanged(record.etag))


# -- administrators -------------------------------------------------------------------------------


def test_the_first_start_makes_an_administrator_and_the_second_does_not(keys: Keys) -> None:
    token = keys.ensure_admin()
    assert token is not None
    assert keys.ensure_admin() is None
    found = keys.authenticate(token)
    assert found is not None
    assert found.may_manage(Role.ADMIN)
    assert keys.an_admin().id == found.key_id


def test_when_the_last_administrator_was_revoked_the_next_start_makes_one(keys: Keys) -> None:
    keys.ensure_admin()
    keys.revoke(keys.an_admin().id)
    with pytest.raises(LookupError):
        keys.an_admin()
    assert keys.ensure_admin() is not None


@pytest.mark.parametrize("place", [("flagbit",), (None, "shop"), (None, None, "production")])
def test_an_administrator_of_a_part_is_not_enough(
    keys: Keys, place: tuple[str | None, ...]
) -> None:
    keys.create("Ada", Role.ADMIN, *place)
    assert keys.ensure_admin() is not None
    admin = keys.an_admin()
    assert (admin.product, admin.project, admin.environment) == (None, None, None)


@pytest.mark.race
def test_of_two_administrators_who_revoke_each_other_one_stays(open_database: Open) -> None:
    class TooMany(Exception):
        pass

    both = [Keys(open_database(), SECRET) for _ in range(2)]
    for number in range(10):
        ids = [one.create(f"Admin {number}", Role.ADMIN)[0].id for one in both]
        begin = threading.Barrier(2)

        def revoke(keys: Keys, key_id: str, begin: threading.Barrier = begin) -> bool:
            def keep_one(connection: Connection) -> None:
                if keys.is_last_admin(connection, key_id):
                    raise TooMany

            begin.wait()
            try:
                keys.revoke(key_id, first=keep_one)
            except TooMany:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = sorted(pool.map(revoke, both, ids))
        assert done == [False, True]
        both[0].revoke(both[0].an_admin().id)


def test_a_given_key_takes_the_place_of_the_one_before(keys: Keys) -> None:
    first, second = "a" * 32, "b" * 32
    assert keys.ensure_admin(first) is None
    assert keys.authenticate(first) is not None
    assert keys.ensure_admin(first) is None
    assert keys.ensure_admin(second) is None
    assert keys.authenticate(first) is None
    assert keys.authenticate(second) is not None
    assert [key.id for key in keys.list()] == [ENVIRONMENT_ADMIN]


def test_a_given_key_that_was_revoked_does_not_come_back(keys: Keys) -> None:
    keys.ensure_admin("a" * 32)
    keys.revoke(ENVIRONMENT_ADMIN)
    with pytest.raises(UnfitKey, match="Set another one"):
        keys.ensure_admin("a" * 32)
    assert keys.ensure_admin("b" * 32) is None
    assert keys.authenticate("b" * 32) is not None


@pytest.mark.race
def test_of_several_first_starts_one_makes_the_key(open_database: Open) -> None:
    many = [Keys(open_database(), SECRET) for _ in range(4)]
    together = threading.Barrier(len(many), timeout=30)

    def start(keys: Keys) -> str | None:
        together.wait()
        return keys.ensure_admin()

    with ThreadPoolExecutor(len(many)) as pool:
        for _ in range(10):
            tokens = list(pool.map(start, many))
            assert len([token for token in tokens if token]) == 1
            many[0].revoke(many[0].an_admin().id)


def test_keys_are_listed_by_product(keys: Keys) -> None:
    keys.create("Ada", Role.READ, "flagbit")
    keys.create("Ben", Role.READ, "cronping")
    keys.create("Cid", Role.READ)
    assert {key.owner for key in keys.list()} == {"Ada", "Ben", "Cid"}
    assert {key.owner for key in keys.list(product="flagbit")} == {"Ada", "Cid"}
