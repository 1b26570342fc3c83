"""What is behind a server: settings, secret, databases, keys, and the lock on the data."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from chassis import restore, retention
from chassis.authentication import Authenticator
from chassis.database import Database, DataLock
from chassis.keys import ENVIRONMENT_ADMIN, Keys
from chassis.limits import Limits
from chassis.problem_types import ProblemType, types_of
from chassis.product import Context, Product
from chassis.rights import Roles
from chassis.savings import Savings
from chassis.schema import DATABASE, MIGRATIONS, deployment
from chassis.secret import FILE_NAME, fingerprint, load_secret
from chassis.sessions import Sessions
from chassis.settings import OperatorError, Settings, SettingsError
from chassis.stopping import Stopping


class CannotStart(OperatorError):
    """Something that the server needs is not there; the message says what to do."""


@dataclass
class Installation:
    """The parts that all products of one server share. Open it, and close it at the end."""

    settings: Settings
    products: Sequence[Product]
    keys: Keys
    sessions: Sessions
    databases: Mapping[str, Database]
    lock: DataLock | None
    savings: Savings
    shared: Path | None = None
    stopping: Stopping = field(default_factory=Stopping)
    use: DataLock | None = None
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        """One set of limits for everything that is served here."""
        rates = (self.settings.rate_per_key, self.settings.rate_per_address)
        self.limits = Limits(*rates, self.settings.workers)

    @classmethod
    def open(
        cls,
        products: Sequence[Product],
        settings: Settings,
        *,
        serving: bool = True,
        making: bool = True,
        shared: Path | None = None,
        known: Sequence[Product] | None = None,
    ) -> Installation:
        """Open the databases and bring them up to date. Raises CannotStart.

        With `serving`, the data folder is locked against a second server. Without `making`, there
        must be data already: who only looks does not want a new, empty installation. `shared` is
        the folder in which the worker processes of one server leave what they count. `known` are
        the products whose roles keys may have, where others are opened, or none.
        """
        lock: DataLock | None = None
        use: DataLock | None = None
        databases = {}
        try:
            if not settings.on_postgresql:
                use = restore.use(settings.data, making=making)
            if serving and not settings.on_postgresql:
                lock = DataLock(settings.data, shared=settings.shared_sqlite)
            if not making:
                _refuse_to_make(settings)
            for name in (DATABASE, *(product.name for product in products)):
                databases[name] = Database.open(settings, name)
            secret = _prepare(databases, products, settings)
        except BaseException as error:
            for database in databases.values():
                database.close()
            for held in filter(None, (lock, use)):
                held.release()
            said = explain(error, settings)
            if said is None:
                raise
            raise CannotStart(said) from error
        keys = Keys(databases[DATABASE], secret, roles_of(products if known is None else known))
        sessions = Sessions(databases[DATABASE], secret, settings)
        savings = Savings([product.name for product in products], shared)
        return cls(settings, products, keys, sessions, databases, lock, savings, shared, use=use)

    def close(self) -> None:
        """Close the databases and let another server have the data. Twice is fine."""
        for database in self.databases.values():
            database.close()
        for held in filter(None, (self.lock, self.use)):
            held.release()

    def authenticator(self, product: str | None = None) -> Authenticator:
        """What says who asks; with `product`, keys of other ones are refused."""
        return Authenticator(self.keys, self.sessions, product, self.limits)

    def context(self, product: Product) -> Context:
        """What the product is handed."""
        return Context(
            settings=self.settings,
            database=self.databases[product.name],
            keys=self.keys,
            sessions=self.sessions,
            authenticate=self.authenticator(product.name),
            prefix=f"{self.settings.prefix}/{product.name}",
            stopping=self.stopping,
        )

    def own_context(self) -> Context:
        """The same for what is served outside the products; its database is that of the keys."""
        return Context(
            settings=self.settings,
            database=self.databases[DATABASE],
            keys=self.keys,
            sessions=self.sessions,
            authenticate=self.authenticator(),
            prefix=self.settings.prefix,
            stopping=self.stopping,
        )

    def rules(self, now: float) -> list[retention.Rule]:
        """What may be deleted at that instant, in the order in which it has to go.

        The products come first: what they delete may be the last that names a key.
        """
        found = [rule for one in self.products for rule in one.retention(self.context(one), now)]
        days = self.settings.revoked_key_days
        keys = self.databases[DATABASE]
        return [
            *found,
            *retention.own_rules(keys, now, days, self._named_keys, ENVIRONMENT_ADMIN),
        ]

    def _named_keys(self, keys: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for one in self.products:
            found |= one.names_keys(self.context(one), keys)
        return found

    def prune_if_due(self) -> None:
        """Delete what is old, if no process did within the last hour."""
        now = time.time()
        if retention.claim(self.databases[DATABASE], now):
            retention.prune(self.rules(now), stopping=self.stopping.is_set)

    @property
    def problem_types(self) -> Mapping[str, ProblemType]:
        """Every type of problem that can come from here, by slug."""
        return types_of(self.products)

    def not_ready(self) -> dict[str, str]:
        """What keeps the server from answering, by database; empty where all is well."""
        migrations = {DATABASE: MIGRATIONS} | {one.name: one.migrations for one in self.products}
        found = {}
        for name, database in self.databases.items():
            try:
                database.ping()
                if not database.is_current(migrations[name]):
                    found[name] = "has migrations to do"
            except Exception:  # noqa: BLE001 (whatever it is, it is not ready)
                found[name] = "does not answer"
        return found


@contextmanager
def opened_as_it_is(products: Sequence[str], settings: Settings) -> Iterator[dict[str, Database]]:
    """The databases of those products and of the keys, not migrated. Raises CannotStart.

    For who copies them beside a server, which may be of an older release.
    """
    use: DataLock | None = None
    databases: dict[str, Database] = {}
    try:
        if not settings.on_postgresql:
            use = restore.use(settings.data, making=False)
        _refuse_to_make(settings)
        for name in (DATABASE, *products):
            if Database.is_made(settings, name):
                databases[name] = Database.open(settings, name)
        yield databases
    except (OperationalError, OSError) as error:
        said = explain(error, settings)
        if said is None:
            raise
        raise CannotStart(said) from error
    finally:
        for database in databases.values():
            database.close()
        if use is not None:
            use.release()


def _refuse_to_make(settings: Settings) -> None:
    if not Database.is_made(settings, DATABASE):
        if settings.on_postgresql:
            raise CannotStart(
                "There is no data in the database of DATABASE_URL. Next: name that of the server; "
                "'serve' fills an empty one."
            )
        raise CannotStart(
            f"There is no data at {settings.data}. Next: name its folder with --data or "
            "QUARTET_DATA; 'serve' makes a new one."
        )
    if settings.secret is None and not (settings.data / FILE_NAME).exists():
        raise CannotStart(
            f"There is no {FILE_NAME} at {settings.data}. Next: name its folder with --data, or "
            "set QUARTET_SECRET to that of the server."
        )


def _prepare(
    databases: Mapping[str, Database], products: Sequence[Product], settings: Settings
) -> bytes:
    """Migrate everything, and return the secret that fits the keys in the database."""
    databases[DATABASE].migrate(MIGRATIONS)
    secret = load_secret(settings.data, settings.secret)
    with databases[DATABASE].writing() as connection:
        check_secret(connection, secret)
    for product in products:
        databases[product.name].migrate(product.migrations)
    return secret


def check_secret(connection: Connection, secret: bytes, *, marking: bool = True) -> None:
    """Keys are hashed with the secret: with another one, every key would be unknown.

    The first one is marked as that of this database. Raises SettingsError for another one.
    """
    mark = fingerprint(secret)
    known = select(deployment.c.value).where(deployment.c.name == "secret")
    kept = connection.execute(known).scalar_one_or_none()
    if kept is None and not marking:
        return
    if kept is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(deployment).values(name="secret", value=mark))
            return
        except IntegrityError:  # another process was first
            kept = connection.execute(known).scalar_one()
    if not hmac.compare_digest(kept, mark):
        raise SettingsError(
            "The keys in this database were made with another secret. Set QUARTET_SECRET to that "
            "of the first server: the content of secret.key in its data folder."
        )


def explain(error: BaseException, settings: Settings) -> str | None:
    """What to tell the operator; None for what has to be seen with its traceback."""
    if isinstance(error, OperatorError):
        return str(error)
    if isinstance(error, OperationalError) and settings.on_postgresql:
        return (
            f"DATABASE_URL: the database refused: {' '.join(str(error.orig).split())} "
            "Start it, or correct the URL."
        )
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"--data {settings.data}: {error.strerror} ({error.filename}). "
            "Give a folder that this user may write to."
        )
    return None


def find_product(reference: str) -> Product:
    """The product that `package.module:NAME` refers to. Raises CannotStart."""
    module, _, name = reference.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CannotStart(f"There is no product {reference}: {error}. Install it.") from error
    if not isinstance(found, Product):
        raise CannotStart(f"{reference} is no Product. Correct the reference.")
    return found


def roles_of(products: Sequence[Product]) -> Roles:
    """The roles that keys may have where these products are served."""
    return Roles({product.name: product.roles for product in products})
