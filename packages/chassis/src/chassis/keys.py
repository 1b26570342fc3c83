"""API keys: made once, kept as a digest, looked up on every request.

A key is `ifm_`, 8 characters that are no secret, `_`, and 32 that are. Rotating one makes a second
that may do the same; the first stays valid for a while, so that its users can move over.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select, update

from chassis.database import Database
from chassis.rights import Principal, Role, Roles, UnfitRole
from chassis.schema import api_key
from chassis.secret import LONGEST_SECRET, digest
from chassis.settings import OperatorError
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store.sqlalchemy import GuardedTable

__all__ = ["KeyRecord", "Keys", "Look", "Principal", "Role", "Rotated", "Told", "UnfitKey"]

ENVIRONMENT_ADMIN = "admin"
"""The id of the key that QUARTET_ADMIN_KEY sets."""

Look = Callable[[Connection], None]
"""Looks around in a transaction that is under way; raises to undo it."""

Told = Callable[["KeyRecord"], None]
"""Hears of a change before it is committed; raises to undo it."""

_ALPHABET = string.ascii_letters + string.digits
_SHAPE = re.compile(r"ifm_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}")
_PREFIX_LENGTH = 12

CACHE_SECONDS = 0.5
CACHE_SIZE = 10_000
USED_EVERY_SECONDS = 60

OVERLAP_SECONDS = 24 * 3600
"""How long a key that was rotated stays valid beside the new one."""

LONGEST_SECONDS = 3660 * 24 * 3600
"""Ten years: what is to live longer has no end."""


class UnfitKey(OperatorError):
    """A key that cannot be; the message says what it lacks, `pointer` in which member."""

    def __init__(self, message: str, pointer: str = "/owner") -> None:
        super().__init__(message)
        self.pointer = pointer


class NotRotatable(OperatorError):
    """A key that has no successor; the message says why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What may be shown of a key; `etag` covers all of it but `last_used`, which merely happens."""

    id: str
    prefix: str
    owner: str
    role: str
    product: str | None
    project: str | None
    environment: str | None
    created: int
    expires: int | None
    revoked: int | None
    replaces: str | None
    last_used: int | None
    etag: ETag

    def is_valid(self, now: float) -> bool:
        """Whether it lets somebody in at that time, in seconds since the epoch."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    @property
    def principal(self) -> Principal:
        return Principal(
            self.id, self.owner, self.role, self.product, self.project, self.environment
        )


@dataclass(frozen=True, slots=True)
class Rotated:
    """A key that was rotated, its successor, and the successor's token, which nobody sees again.

    `discarded` is a successor that was made before and never used, and is revoked now.
    """

    old: KeyRecord
    new: KeyRecord
    token: str
    discarded: KeyRecord | None


def represent(row: Mapping[str, Any]) -> dict[str, Any]:
    """What people edit of a key, as JSON: its times in the form of RFC 3339."""
    shown = ("id", "prefix", "owner", "role", "product", "project", "environment")
    times = {name: instant(row[name]) for name in ("created", "expires", "revoked")}
    return {name: row[name] for name in shown} | times | {"replaces": row["replaces"]}


def instant(seconds: int | None) -> str | None:
    """In UTC with milliseconds, as the products write theirs, so that texts sort as times do."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


ROWS = GuardedTable(api_key, key=(api_key.c.id,), represent=represent, epoch="3")


class Keys:
    """The keys of one installation.

    `authenticate` may be a little behind in other processes: a key that was revoked there is
    refused here within `CACHE_SECONDS`. What this process revoked is refused at once.
    """

    def __init__(
        self,
        database: Database,
        secret: bytes,
        roles: Roles | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.roles = Roles() if roles is None else roles
        self._database = database
        self._secret = secret
        self._now = now
        self._cache = _Cache(monotonic)
        self._used: dict[str, int] = {}
        self._right: OrderedDict[str, None] = OrderedDict()

    # -- looking up ---------------------------------------------------------------------------

    def authenticate(self, token: str) -> Principal | None:
        """Who the token belongs to; None for one that is unknown, malformed, expired or revoked."""
        if len(token) > LONGEST_SECRET:
            return None
        mark = self._digest(token)
        found = self._cache.get(mark)
        if found is None:
            found = self._look_up(token, mark)
        return self._admitted(found)

    def was_right(self, token: str) -> bool:
        """Whether the token let somebody in here lately; it need not do so any more."""
        return len(token) <= LONGEST_SECRET and self._digest(token) in self._right

    def remembered(self, token: str) -> Principal | None:
        """The same from memory alone, for code that must not wait; None where a look is needed."""
        if len(token) > LONGEST_SECRET:
            return None
        return self._admitted(self._cache.get(self._digest(token)))

    def _admitted(self, found: _Known | None) -> Principal | None:
        if found is None:
            return None
        now = self._now()
        if found.expires is not None and found.expires <= now:
            return None
        self._used[found.principal.key_id] = int(now)
        return found.principal

    def _look_up(self, token: str, mark: str) -> _Known | None:
        generation = self._cache.generation
        query = select(api_key).where(
            api_key.c.prefix == _prefix(token, mark), api_key.c.revoked.is_(None)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        for row in rows:
            # Found by the public part, told apart by the secret one in constant time.
            if hmac.compare_digest(row["digest"], mark):
                found = _Known(_record(row).principal, row["expires"])
                if row["replaces"] and row["last_used"] is None and not self._first_use(row["id"]):
                    return None
                self._cache.put(mark, found, generation)
                self._right[mark] = None
                while len(self._right) > CACHE_SIZE:
                    self._right.popitem(last=False)
                return found
        return None

    def _first_use(self, key_id: str) -> bool:
        """Write down that a successor is in use; False where it was discarded just now.

        Later uses may be written late. The first one keeps the key from being discarded, in any
        process, so it is written before anything is done with the key.
        """
        now = self._now()
        statement = update(api_key).where(api_key.c.id == key_id, living(now))
        with self._database.writing() as connection:
            return connection.execute(statement.values(last_used=int(now))).rowcount == 1

    def get(self, key_id: str) -> KeyRecord | None:
        """One key, revoked or not."""
        with self._database.reading() as connection:
            found = ROWS.read(connection, (key_id,))
        return None if found is None else _shown(found)

    def list(self, *, product: str | None = None) -> list[KeyRecord]:
        """All keys, or those that are valid in a product, oldest first."""
        with self._database.reading() as connection:
            return [*self.list_on(connection, product=product)]

    def list_on(self, connection: Connection, *, product: str | None = None) -> Sequence[KeyRecord]:
        """The same in a transaction that is under way."""
        query = select(api_key).order_by(api_key.c.created, api_key.c.id)
        if product is not None:
            query = query.where(or_(api_key.c.product == product, api_key.c.product.is_(None)))
        return [_record(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def unchanging(self) -> Iterator[Connection]:
        """While the block runs, nobody makes or revokes a key; on its connection they are listed.

        For what has to be true of the keys until another database has committed.
        """
        with self._database.writing() as connection:
            _one_at_a_time(connection)
            yield connection

    def is_last_admin(self, connection: Connection, key_id: str) -> bool:
        """Whether nobody could manage everything any more without that key.

        Those that expire are no help, as long as there is one that does not.
        """
        admins = connection.execute(_living_admins(self._now())).all()
        lasting = [row.id for row in admins if row.expires is None]
        return (lasting or [row.id for row in admins]) == [key_id]

    def now(self) -> float:
        """The time that keys expire by, in seconds since the epoch."""
        return self._now()

    # -- changing -----------------------------------------------------------------------------

    def create(
        self,
        owner: str,
        role: str,
        product: str | None = None,
        project: str | None = None,
        environment: str | None = None,
        *,
        lifetime: int | None = None,
        first: Look | None = None,
        then: Told | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key and its token, which nobody can show again. Raises UnfitKey.

        It expires after `lifetime` seconds, if that is given.

        While `first` looks, and until the commit, nobody else changes a key. Whatever `then` is
        told of may still fail to be committed; nothing is committed that it was not told of.
        """
        with self._database.writing() as connection:
            _look(connection, first)
            place = (product, project, environment)
            made, token = self._create(connection, owner, role, place, self._end(lifetime))
            if then is not None:
                then(made)
            return made, token

    def _end(self, lifetime: int | None) -> int | None:
        if lifetime is None:
            return None
        if not 0 < lifetime <= LONGEST_SECONDS:
            raise UnfitKey("A key lives for a second up to ten years, or without end.", "/expires")
        return int(self._now()) + lifetime

    def _create(
        self,
        connection: Connection,
        owner: str,
        role: str,
        place: tuple[str | None, str | None, str | None] = (None, None, None),
        expires: int | None = None,
        replaces: str | None = None,
    ) -> tuple[KeyRecord, str]:
        _check_owner(owner)
        try:
            self.roles.check(role, *place)
        except UnfitRole as error:
            raise UnfitKey(str(error), error.pointer) from error
        product, project, environment = place
        public, private = _random(8), _random(32)
        token = f"ifm_{public}_{private}"
        values = {
            "prefix": token[:_PREFIX_LENGTH],
            "digest": self._digest(token),
            "owner": owner,
            "role": str(role),
            "product": product,
            "project": project,
            "environment": environment,
            "created": int(self._now()),
            "expires": expires,
            "revoked": None,
            "replaces": replaces,
            "last_used": None,
        }
        return _shown(ROWS.create(connection, (f"key_{_random(10)}",), values)), token

    def rotate(
        self,
        key_id: str,
        guard: Guard = UNCONDITIONAL,
        *,
        overlap: int = OVERLAP_SECONDS,
        lifetime: int | None = None,
        first: Look | None = None,
        then: Callable[[Rotated], None] | None = None,
    ) -> Rotated:
        """A second key that may do the same; the first is refused `overlap` seconds from now on.

        With 0 it is revoked at once. Rotating again is safe where the answer was lost: a successor
        that was never used is revoked and another one made, and the first key's end stays.
        Raises Conflict or Missing, and NotRotatable for a key that is over, or whose successor is
        in use. `first` and `then` as in `create`.
        """
        if not 0 <= overlap <= LONGEST_SECONDS:
            raise UnfitKey("The overlap is 0 seconds up to ten years.", "/overlap")
        now = int(self._now())

        def change(row: Mapping[str, Any]) -> dict[str, Any]:
            if overlap == 0:
                return {"revoked": now}
            ends = [end for end in (row["expires"], now + overlap) if end is not None]
            return {"expires": min(ends)}

        with self._database.writing() as connection:
            _one_at_a_time(connection)
            if first is not None:
                first(connection)
            before = ROWS.read(connection, (key_id,))
            discarded = None
            if before is not None:
                discarded = self._successor(connection, _shown(before))
            old = _shown(ROWS.patch(connection, (key_id,), change, guard))
            if discarded is not None:
                discarded = _shown(
                    ROWS.patch(connection, (discarded.id,), lambda _: {"revoked": now})
                )
            place = (old.product, old.project, old.environment)
            new, token = self._create(
                connection, old.owner, old.role, place, self._end(lifetime), old.id
            )
            rotated = Rotated(old, new, token, discarded)
            if then is not None:
                then(rotated)
        self._cache.clear()
        return rotated

    def _successor(self, connection: Connection, key: KeyRecord) -> KeyRecord | None:
        """One that was made before and never used; raises NotRotatable."""
        now = self._now()
        if key.id == ENVIRONMENT_ADMIN:
            raise NotRotatable(
                "This key is the one in QUARTET_ADMIN_KEY. Set another one there and restart."
            )
        if not key.is_valid(now):
            raise NotRotatable(f"The key {key.id} is not valid any more. Make a new one.")
        made = connection.execute(select(api_key).where(api_key.c.replaces == key.id)).mappings()
        for row in made:
            found = _record(row)
            if not found.is_valid(now):
                continue
            if found.last_used is not None:
                raise NotRotatable(
                    f"The key {key.id} was rotated already, and its successor {found.id} is in "
                    "use. Rotate that one."
                )
            return found
        return None

    def revoke(
        self,
        key_id: str,
        guard: Guard = UNCONDITIONAL,
        *,
        first: Look | None = None,
        then: Told | None = None,
    ) -> KeyRecord:
        """Refuse the key from now on. Raises Conflict or Missing.

        `first` and `then` as in `create`; `then` is not told of one that was revoked before.
        """

        def change(row: Mapping[str, Any]) -> dict[str, Any]:
            return {"revoked": row["revoked"] or int(self._now())}

        with self._database.writing() as connection:
            _look(connection, first)
            done = ROWS.patch(connection, (key_id,), change, guard)
            if then is not None and done.changed:
                then(_shown(done))
        self._cache.clear()
        return _shown(done)

    def ensure_admin(self, given: str | None = None) -> str | None:
        """See to it that somebody can get in; returns the token of an admin key made just now.

        `given`, from QUARTET_ADMIN_KEY, takes the place of the one that was given before. Of two
        processes that start at once, one makes the key. Raises UnfitKey for a revoked one.
        """
        with self._database.writing() as connection:
            _one_at_a_time(connection)
            if given is not None:
                self._set_admin(connection, given)
                token = None
            elif connection.execute(_living_admins(self._now())).first() is not None:
                token = None
            else:
                _, token = self._create(connection, "administrator", Role.ADMIN)
        self._cache.clear()
        return token

    def _set_admin(self, connection: Connection, token: str) -> None:
        mark = self._digest(token)
        before = ROWS.read(connection, (ENVIRONMENT_ADMIN,))
        if before is not None and hmac.compare_digest(before.value["digest"], mark):
            if before.value["revoked"] is not None:
                raise UnfitKey("The key in QUARTET_ADMIN_KEY was revoked. Set another one.")
            return
        values = {
            "prefix": _prefix(token, mark),
            "digest": mark,
            "owner": "administrator",
            "role": Role.ADMIN.value,
            "created": int(self._now()),
            "expires": None,
            "revoked": None,
        }
        if before is None:
            empty = ("product", "project", "environment", "replaces", "last_used")
            ROWS.create(connection, (ENVIRONMENT_ADMIN,), values | dict.fromkeys(empty))
        else:
            ROWS.patch(connection, (ENVIRONMENT_ADMIN,), lambda _: values)

    def an_admin(self) -> KeyRecord:
        """A key of an administrator, for a sign-in link. Raises LookupError where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(_living_admins(self._now())).mappings().first()
        if row is None:
            raise LookupError("No admin key is left. Make one: quartet keys create --role admin.")
        return _record(row)

    # -- when keys were used --------------------------------------------------------------------

    def last_used(self, key: KeyRecord) -> int | None:
        """When the key was used last, as far as it is stored or this process knows."""
        known = [when for when in (key.last_used, self._used.get(key.id)) if when is not None]
        return max(known, default=None)

    def write_last_used(self) -> None:
        """Store when keys were used last, at most once a minute for each; call it now and then."""
        if not self._used:
            return
        with self._database.writing() as connection:
            while self._used:
                key_id, when = self._used.popitem()
                stale = or_(
                    api_key.c.last_used.is_(None),
                    api_key.c.last_used <= when - USED_EVERY_SECONDS,
                )
                statement = update(api_key).where(api_key.c.id == key_id, stale)
                connection.execute(statement.values(last_used=when))

    def _digest(self, token: str) -> str:
        return digest(self._secret, "key", token)


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose a token is, and until when."""

    principal: Principal
    expires: int | None


class _Cache:
    """Keys by digest, none older than `CACHE_SECONDS`, at most `CACHE_SIZE`.

    Unknown tokens are not kept: a guesser could fill the memory. The generation keeps a look-up
    that began before a key was revoked from storing what it read.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[str, tuple[_Known, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._generation = 0

    @property
    def generation(self) -> tuple[int, float]:
        """What to hand to `put`: read it before the database."""
        return self._generation, self._monotonic()

    def get(self, mark: str) -> _Known | None:
        entry = self._entries.get(mark)
        if entry is None or self._monotonic() - entry[1] >= CACHE_SECONDS:
            return None
        return entry[0]

    def put(self, mark: str, found: _Known, read_at: tuple[int, float]) -> None:
        generation, since = read_at
        with self._lock:
            if generation != self._generation:
                return
            self._entries[mark] = (found, since)
            self._entries.move_to_end(mark)
            while len(self._entries) > CACHE_SIZE:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._generation += 1
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def _prefix(token: str, mark: str) -> str:
    """What a key is found by: its public part. A key of another shape has none, so its digest."""
    if _SHAPE.fullmatch(token):
        return token[:_PREFIX_LENGTH]
    return f"~{mark[: _PREFIX_LENGTH - 1]}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _check_owner(owner: str) -> None:
    if not owner.strip() or len(owner) > 200 or not owner.isprintable():
        raise UnfitKey("A key needs its owner's name: 1 to 200 printable characters.")


def living(now: float) -> ColumnElement[bool]:
    """Holds of the rows of keys that are valid at that time, as `KeyRecord.is_valid` has it."""
    key = api_key.c
    return key.revoked.is_(None) & (key.expires.is_(None) | (key.expires > int(now)))


def _living_admins(now: float) -> Any:
    """Those that may do everything: the ones without end first, then the oldest."""
    return (
        select(api_key)
        .where(
            api_key.c.role == Role.ADMIN.value,
            api_key.c.product.is_(None),
            api_key.c.project.is_(None),
            api_key.c.environment.is_(None),
            living(now),
        )
        .order_by(api_key.c.expires.is_not(None), api_key.c.created, api_key.c.id)
    )


def _look(connection: Connection, first: Look | None) -> None:
    """Without anything to look at, writers need not wait for each other."""
    if first is not None:
        _one_at_a_time(connection)
        first(connection)


def _one_at_a_time(connection: Connection) -> None:
    """SQLite writes one at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE")


def _record(row: Any) -> KeyRecord:
    return _shown(ROWS.of(row))


def _shown(found: Representation[Mapping[str, Any]]) -> KeyRecord:
    row = found.value
    return KeyRecord(
        id=row["id"],
        prefix=row["prefix"],
        owner=row["owner"],
        role=row["role"],
        product=row["product"],
        project=row["project"],
        environment=row["environment"],
        created=row["created"],
        expires=row["expires"],
        revoked=row["revoked"],
        replaces=row["replaces"],
        last_used=row["last_used"],
        etag=found.etag,
    )
