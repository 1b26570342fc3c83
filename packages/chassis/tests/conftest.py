"""What the tests of chassis share: a sample product, both databases, and real server processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.database import Database
from chassis.installation import Installation, find_product
from chassis.keys import Keys
from chassis.problem_types import types_of
from chassis.problems import Problem
from chassis.rights import ProductRole, Roles
from chassis.schema import DATABASE, MIGRATIONS
from chassis.sessions import Sessions
from chassis.settings import Settings

SAMPLE = Path(__file__).parent / "sample"
SECRET = "s" * 32
ROLES = Roles({"flagbit": [ProductRole("server", "evaluates", bound="environment")]})
ADMIN_KEY = "an-admin-key-of-more-than-32-characters"

if str(SAMPLE) not in sys.path:
    sys.path.insert(0, str(SAMPLE))


@pytest.fixture(autouse=True)
def _no_unknown_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A problem that no table has is a mistake of the code that raises it."""
    monkeypatch.setattr(Problem, "expected", types_of([find_product("notebook:PRODUCT")]))


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings for an empty database of either kind."""
    environment = {"QUARTET_SECRET": SECRET}
    if request.param == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_dsn")
    return Settings.load(environment, {"data": str(tmp_path / "data")})


@pytest.fixture
def open_database(settings: Settings) -> Iterator[Callable[[], Database]]:
    """Opens the database of keys again and again, as several processes would."""
    opened: list[Database] = []

    def open_one() -> Database:
        database = Database.open(settings, DATABASE)
        opened.append(database)
        database.migrate(MIGRATIONS)
        return database

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def keys(open_database: Callable[[], Database]) -> Keys:
    return Keys(open_database(), SECRET.encode(), ROLES)


@pytest.fixture
def sessions(open_database: Callable[[], Database], settings: Settings) -> Sessions:
    return Sessions(open_database(), SECRET.encode(), settings)


# -- the application in this process --------------------------------------------------------------


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """The sample product, twice under two names, on SQLite."""
    settings = Settings.load({"QUARTET_SECRET": SECRET}, {"data": str(tmp_path / "data")})
    products = [find_product("notebook:PRODUCT"), find_product("notebook:SECOND")]
    opened = Installation.open(products, settings)
    opened.keys.ensure_admin(ADMIN_KEY)
    yield opened
    opened.close()


@pytest.fixture
def client(installation: Installation) -> Iterator[TestClient]:
    """A client without any key."""
    with TestClient(Application(installation), follow_redirects=False) as client:
        yield client


@pytest.fixture
def admin() -> dict[str, str]:
    """The fields that make a request the administrator's."""
    return {"Authorization": f"Bearer {ADMIN_KEY}"}


# -- the program in other processes ----------------------------------------------------------------


class Program:
    """`python -m notebook`, with everything that it wrote."""

    def __init__(self, folder: Path, environment: dict[str, str], words: list[str]) -> None:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("QUARTET_", "DATABASE_", "PUBLIC_"))
        }
        self._files = [folder / f"{time.monotonic_ns()}.{kind}" for kind in ("out", "err")]
        with self._files[0].open("w") as out, self._files[1].open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "notebook", *words],
                stdout=out,
                stderr=err,
                env=clean | {"PYTHONPATH": _with_sample(clean)} | environment,
                cwd=folder,
            )

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    @property
    def url(self) -> str:
        """The address that it serves at; waits until it says so."""
        return self._said(r"Serving at +(\S+?)/?\n")

    @property
    def admin_key(self) -> str:
        return self._said(r"Admin key +(\S+)\n")

    @property
    def link(self) -> str:
        return self._said(r"Sign in +(\S+)\n")

    def _said(self, pattern: str) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(pattern, self.out)
            if found:
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"it never said {pattern}:\n{self.out}\n{self.err}")

    @property
    def workers(self) -> list[int]:
        """The processes that it started to serve."""
        number = self.process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return [
            int(child)
            for child in children
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    @property
    def shared(self) -> Path:
        """The folder that it gave them to share."""
        variables = Path(f"/proc/{self.workers[0]}/environ").read_bytes().split(b"\0")
        prefix = b"PROMETHEUS_MULTIPROC_DIR="
        return Path(
            next(one[len(prefix) :] for one in variables if one.startswith(prefix)).decode()
        )

    def get(self, path: str, key: str | None = None) -> httpx2.Response:
        headers = {"X-API-Key": key} if key else {}
        return httpx2.get(self.url + path, headers=headers, timeout=60)

    def wait(self) -> int:
        return self.process.wait(timeout=60)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()


def _with_sample(environment: dict[str, str]) -> str:
    return os.pathsep.join(filter(None, [str(SAMPLE), environment.get("PYTHONPATH")]))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One that serves, with ADMIN_KEY, for all tests of a module."""
    folder = tmp_path_factory.mktemp("served")
    environment = {"QUARTET_ADMIN_KEY": ADMIN_KEY, "QUARTET_DATA": str(folder / "data")}
    one = Program(folder, environment, ["serve", "--port", "0"])
    try:
        one.url  # noqa: B018 (waits until it serves)
        yield one
    finally:
        one.stop()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Starts it: words are its arguments, keywords its environment."""
    started: list[Program] = []

    def start(*words: str, **environment: Any) -> Program:
        started.append(Program(tmp_path, environment, list(words)))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.wait()
