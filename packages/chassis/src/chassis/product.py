"""What a product is to the server, and what the server gives to a product."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.types import ASGIApp

from chassis.authentication import Authenticator
from chassis.database import Database
from chassis.keys import Keys
from chassis.problem_types import ProblemType
from chassis.retention import Rule
from chassis.rights import Principal, ProductRole
from chassis.sessions import Sessions
from chassis.settings import Setting, Settings, prefix_of
from chassis.stopping import Stopping
from chassis.transfer import Transfer
from ifmatch import ETag


@dataclass(frozen=True)
class Context:
    """All that a product is handed at its start.

    `prefix` is the path that the product is served under, as clients see it, such as `/flagbit`
    or, behind a proxy, `/tools/flagbit`. `authenticate` refuses keys of other products.
    `stopping` is set when the server was asked to stop: open event streams end then.
    """

    settings: Settings
    database: Database
    keys: Keys
    sessions: Sessions
    authenticate: Authenticator
    prefix: str
    stopping: Stopping

    def path(self, path: str = "/") -> str:
        """The path of one of the product's own addresses, for links on our pages."""
        return self.prefix + path

    def url(self, path: str, request: Request) -> str:
        """The whole address, with the host that others reach us under."""
        return self.sessions.own_origin(request) + self.path(path)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a product says of itself on the front page, such as how many flags it has.

    `by` names who it came from, where that is somebody.
    """

    label: str
    value: int | str | datetime
    by: str | None = None


def _nothing_to_say(_context: Context, _principal: Principal) -> Iterable[Fact]:
    return ()


def _writes_nothing_down(*_: Any) -> None:
    pass


RecordKey = Callable[[Context, Principal, dict[str, Any] | None, dict[str, Any], ETag], None]

GUIDE = "/developers"
"""Where the page for the customers of a product's API is, below the product's own path."""


@dataclass(frozen=True)
class Product:
    """One product: what it is called, and how its parts are made.

    `migrations` is the package of its Alembic scripts, `demo` fills an empty product with samples.
    `roles` are those that keys may have besides admin, write and read. `record_key` writes down in
    the product's audit who changed a key outside of it: as it was (None: it is new) and as it is.
    `settings` are its own rows of the table; their variables begin with its name. `variables` are
    those that begin so and mean something to its other commands, not to the server.
    `problems` are the types of problem that only it has.
    `state` says in a few facts what there is, as far as the principal may see it; the front page
    asks for it again every few seconds. `first_step` is what a newcomer does there. `guide` is the
    path of the page for the customers of its API, if it has one (`chassis.customers`). `transfer`
    makes what exports its data and imports them. `restored` is called in the transaction that put
    a backup in the place of its data: it raises whatever numbers processes or clients may remember
    from after that backup. `retention` has the rules for what is old at that instant (seconds),
    `names_keys` says which of those keys its data still names.
    """

    name: str
    title: str
    tagline: str
    create: Callable[[Context], ASGIApp]
    migrations: str
    demo: Callable[[Context], None] = lambda _: None
    roles: tuple[ProductRole, ...] = ()
    record_key: RecordKey = _writes_nothing_down
    transfer: Callable[[Context], Transfer] | None = None
    restored: Callable[[Connection], None] = lambda _: None
    retention: Callable[[Context, float], Sequence[Rule]] = lambda *_: ()
    names_keys: Callable[[Context, Sequence[str]], Set[str]] = lambda *_: frozenset()
    state: Callable[[Context, Principal], Iterable[Fact]] = _nothing_to_say
    first_step: str = ""
    guide: str | None = None
    settings: tuple[Setting[Any], ...] = ()
    variables: tuple[str, ...] = ()
    problems: tuple[ProblemType, ...] = ()

    def __post_init__(self) -> None:
        """Refuse rows that the server would not read, or whose flag no command has."""
        for row in self.settings:
            if not row.variable.startswith(prefix_of(self.name)) or row.flag is not None:
                raise ValueError(
                    f"The setting {row.variable} of {self.name} has to begin with "
                    f"{prefix_of(self.name)} and to have no flag. Rename it."
                )
