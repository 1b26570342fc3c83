"""API keys: made once, kept as a digest, looked up on every request.

A key is `ifm_`, 8 characters that are no secret, `_`, and 32 that are. To rotate one, create a
second, move its users over, and revoke the first.
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

from sqlalchemy import Connection, or_, select, update

from chassis.database import Database
from chassis.rights import Principal, Role
from chassis.schema import api_key
from chassis.secret import LONGEST_SECRET, digest
from chassis.settings import OperatorError
from ifmatch.core.etag import ETag
from ifmatch.core.guard import UNCONDITIONAL, Guard
from ifmatch.core.representation import Representation
from ifmatch.store.sqlalchemy import GuardedTable

__all__ = ["KeyRecord", "Keys", "Look", "Principal", "Role", "Told", "UnfitKey"]

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


class UnfitKey(OperatorError):
    """A key that cannot be; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What may be shown of a key; `etag` covers all of it but `last_used`, which merely happens."""

    id: str
    prefix: str
    owner: str
    role: Role
    product: str | None
    project: str | None
    environment: str | None
    created: int
    revoked: int | None
    last_used: int | None
    etag: ETag

    @property
    def principal(self) -> Principal:
        return Principal(
            self.id, self.owner, self.role, self.product, self.project, self.environment
        )


def represent(row: Mapping[str, Any]) -> dict[str, Any]:
    """What people edit of a key, as JSON: its times in the form of RFC 3339."""
    shown = ("id", "prefix", "owner", "role", "product", "project", "environment")
    times = {name: _instant(row[name]) for name in ("created", "revoked")}
    return {name: row[name] for name in shown} | times


def _instant(seconds: int | None) -> str | None:
    """In UTC with milliseconds, as the products write theirs, so that texts sort as times do."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


ROWS = GuardedTable(api_key, key=(api_key.c.id,), represent=represent, epoch="2")


class Keys:
    """The keys of one installation.

    `authenticate` may be a little behind in other processes: a key that was revoked there is
    refused here within `CACHE_SECONDS`. What this process revoked is refused at once.
    """

    def __init__(
        self,
        database: Database,
        secret: bytes,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._secret = secret
        self._now = now
        self._cache = _Cache(monotonic)
        self._used: dict[str, int] = {}

    # -- looking up ---------------------------------------------------------------------------

    def authenticate(self, token: str) -> Principal | None:
        """Who the token belongs to; None for one that is unknown, malformed or revoked."""
        if len(token) > LONGEST_SECRET:
            return None
        mark = self._digest(token)
        found = self._cache.get(mark)
        if found is None:
            found = self._look_up(token, mark)
        if found is not None:
            self._used[found.key_id] = int(self._now())
        return found

    def remembered(self, token: str) -> Principal | None:
        """The same from memory alone, for code that must not wait; None where a look is needed."""
        if len(token) > LONGEST_SECRET:
            return None
        found = self._cache.get(self._digest(token))
        if found is not None:
            self._used[found.key_id] = int(self._now())
        return found

    def _look_up(self, token: str, mark: str) -> Principal | None:
        generation = self._cache.generation
        query = select(api_key).where(
            api_key.c.prefix == _prefix(token, mark), api_key.c.revoked.is_(None)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        for row in rows:
            # Found by the public part, told apart by the secret one in constant time.
            if hmac.compare_digest(row["digest"], mark):
                found = _record(row).principal
                self._cache.put(mark, found, generation)
                return found
        return None

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
        """Whether nobody could manage everything any more without that key."""
        return [row.id for row in connection.execute(_living_admins())] == [key_id]

    # -- changing -----------------------------------------------------------------------------

    def create(
        self,
        owner: str,
        role: Role,
        product: str | None = None,
        project: str | None = None,
        environment: str | None = None,
        *,
        first: Look | None = None,
        then: Told | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key and its token, which nobody can show again. Raises UnfitKey.

        While `first` looks, and until the commit, nobody else changes a key. Whatever `then` is
        told of may still fail to be committed; nothing is committed that it was not told of.
        """
        with self._database.writing() as connection:
            _look(connection, first)
            made, token = self._create(connection, owner, role, product, project, environment)
            if then is not None:
                then(made)
            return made, token

    def _create(
        self,
        connection: Connection,
        owner: str,
        role: Role,
        product: str | None = None,
        project: str | None = None,
        environment: str | None = None,
    ) -> tuple[KeyRecord, str]:
        _check_owner(owner)
        if role in (Role.SERVER, Role.CLIENT) and environment is None:
            raise UnfitKey(
                f"A {role} key is for one environment. Name it, with its product and project."
            )
        public, private = _random(8), _random(32)
        token = f"ifm_{public}_{private}"
        values = {
            "prefix": token[:_PREFIX_LENGTH],
            "digest": self._digest(token),
            "owner": owner,
            "role": role.value,
            "product": product,
            "project": project,
            "environment": environment,
            "created": int(self._now()),
            "revoked": None,
            "last_used": None,
        }
        return _shown(ROWS.create(connection, (f"key_{_random(10)}",), values)), token

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
            elif connection.execute(_living_admins()).first() is not None:
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
            "revoked": None,
        }
        if before is None:
            nobody = {"product": None, "project": None, "environment": None, "last_used": None}
            ROWS.create(connection, (ENVIRONMENT_ADMIN,), values | nobody)
        else:
            ROWS.patch(connection, (ENVIRONMENT_ADMIN,), lambda _: values)

    def an_admin(self) -> KeyRecord:
        """A key of an administrator, for a sign-in link. Raises LookupError where there is none."""
        with self._database.reading() as connection:
            row = connection.execute(_living_admins()).mappings().first()
        if row is None:
            raise LookupError("No admin key is left. Make one: quartet keys create --role admin.")
        return _record(row)

    # -- when keys were used --------------------------------------------------------------------

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


class _Cache:
    """Principals by digest, none older than `CACHE_SECONDS`, at most `CACHE_SIZE`.

    Unknown tokens are not kept: a guesser could fill the memory. The generation keeps a look-up
    that began before a key was revoked from storing what it read.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[str, tuple[Principal, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._generation = 0

    @property
    def generation(self) -> tuple[int, float]:
        """What to hand to `put`: read it before the database."""
        return self._generation, self._monotonic()

    def get(self, mark: str) -> Principal | None:
        entry = self._entries.get(mark)
        if entry is None or self._monotonic() - entry[1] >= CACHE_SECONDS:
            return None
        return entry[0]

    def put(self, mark: str, found: Principal, read_at: tuple[int, float]) -> None:
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


def _living_admins() -> Any:
    """Those that may do everything; the oldest first."""
    return (
        select(api_key)
        .where(
            api_key.c.role == Role.ADMIN.value,
            api_key.c.product.is_(None),
            api_key.c.project.is_(None),
            api_key.c.environment.is_(None),
            api_key.c.revoked.is_(None),
        )
        .order_by(api_key.c.created, api_key.c.id)
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
        role=Role(row["role"]),
        product=row["product"],
        project=row["project"],
        environment=row["environment"],
        created=row["created"],
        revoked=row["revoked"],
        last_used=row["last_used"],
        etag=found.etag,
    )
