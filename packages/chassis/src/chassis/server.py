"""Serving products: in this process, or in several."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import uvicorn
from uvicorn.supervisors import Multiprocess

from chassis import logs
from chassis.application import Application
from chassis.installation import CannotStart, Installation, find_product
from chassis.keys import UnfitKey
from chassis.metrics import forget
from chassis.product import Product
from chassis.settings import Settings

PRODUCTS_VARIABLE = "CHASSIS_PRODUCTS"
"""Which products a worker process serves: references with commas between."""

SHARED_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the worker processes of one server leave what they count: prometheus-client's own name."""

log = logging.getLogger("chassis.server")

_FACTORY = "chassis.server:from_environment"
_STOP_SECONDS = 10
_WORKER_STARTS_WITHIN = 60


def build(
    products: Sequence[Product], settings: Settings, shared: Path | None = None
) -> Application:
    """The ASGI application that serves the products. Migrates first. Raises CannotStart.

    `shared` is the folder of the processes that serve together; without, this one is alone.
    """
    return Application(Installation.open(products, settings, shared=shared))


def from_environment() -> Application:
    """The application as the environment describes it: for worker processes."""
    products = [find_product(one) for one in os.environ[PRODUCTS_VARIABLE].split(",")]
    settings = Settings.load(products=products)
    configure_logging(settings)
    shared = Path(os.environ[SHARED_VARIABLE])
    try:
        return build(products, settings, shared)
    except CannotStart as error:
        # The parent starts another worker, which may find the database back.
        log.error("a worker cannot start: %s", error)  # noqa: TRY400 (the message says it all)
        time.sleep(1)
        sys.exit(1)
    except Exception:
        log.exception("a worker cannot start")
        sys.exit(uvicorn.config.STARTUP_FAILURE)  # the next one could not either


def serve(references: Sequence[str], settings: Settings, out: TextIO | None = None) -> int:
    """Serve until a signal comes; returns the exit status. Raises CannotStart.

    `references` are `package.module:NAME` of the products. What the operator needs to know, and
    nobody else may, is written to `out`.
    """
    configure_logging(settings)
    products = [find_product(reference) for reference in references]
    with bind(settings) as listener:
        installation = Installation.open(products, settings)
        try:
            _announce(installation, listener, out or sys.stdout)
            if settings.workers > 1:
                return _serve_with_workers(installation, references, listener)
            return _serve_here(installation, listener)
        finally:
            installation.close()


def _serve_here(installation: Installation, listener: socket.socket) -> int:
    application = Application(installation)
    server = uvicorn.Server(uvicorn.Config(application, **_options(installation.settings)))
    # uvicorn repeats the signal when all has stopped: then it is no error.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def _serve_with_workers(
    installation: Installation, references: Sequence[str], listener: socket.socket
) -> int:
    # The workers read everything anew from the environment. The lock stays with this process.
    for database in installation.databases.values():
        database.close()
    settings = installation.settings
    settings.hand_over(os.environ, installation.products)
    os.environ[PRODUCTS_VARIABLE] = ",".join(references)
    config = uvicorn.Config(
        _FACTORY,
        factory=True,
        workers=settings.workers,
        timeout_worker_healthcheck=_WORKER_STARTS_WITHIN,
        **_options(settings),
    )
    with TemporaryDirectory(prefix="quartet-") as shared:  # for this user alone
        os.environ[SHARED_VARIABLE] = shared
        supervisor = _Supervisor(config, [listener], Path(shared))
        supervisor.run()
    failed = any(
        process.exitcode == uvicorn.config.STARTUP_FAILURE for process in supervisor.processes
    )
    return 1 if failed else 0


class _Supervisor(Multiprocess):
    """Notices at once that a worker died, and takes away what was true of it alone.

    uvicorn asks each for a sign of life through a pipe, of whose far end it keeps a copy: one that
    is killed between the question and the answer would be waited for to the end of the time, and
    all the others with it.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], shared: Path) -> None:
        super().__init__(config, sockets)
        self._shared = shared
        self._known: set[int] = set()

    def keep_subprocess_alive(self) -> None:
        for process in self.processes:
            process.child_conn.close()  # the worker has its own by now
        super().keep_subprocess_alive()
        living = {process.pid for process in self.processes if process.pid is not None}
        for gone in self._known - living:
            forget(gone, self._shared)
        self._known = living


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "lifespan": "on",
        "ws": "none",
        "http": "chassis.protocol:ProblemProtocol",
        "timeout_graceful_shutdown": _STOP_SECONDS,
        "proxy_headers": True,
        "forwarded_allow_ips": settings.trusted_proxies,
    }


# -- before the first request -------------------------------------------------------------------


def bind(settings: Settings) -> socket.socket:
    """A socket that listens on the address of the settings. Raises CannotStart."""
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise CannotStart(
            f"--host {settings.host} is no address of this machine: {error}. "
            "Use 127.0.0.1, or 0.0.0.0 for all."
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)  # at once: of two that start together, one learns it here
    except OSError as error:
        listener.close()
        raise CannotStart(_why_not(error, settings, where)) from error
    listener.set_inheritable(True)
    return listener


def _why_not(error: OSError, settings: Settings, where: str) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return (
            f"port {settings.port} is taken: something else listens on {where}. "
            f"Stop it, or use --port {settings.port % 65535 + 1}."
        )
    if error.errno == errno.EACCES:
        return f"port {settings.port} is for the system's administrator. Use --port 8000."
    return f"cannot listen on {where}: {error.strerror}. Use --host 127.0.0.1."


def _announce(installation: Installation, listener: socket.socket, out: TextIO) -> None:
    """Make the admin key and a sign-in link, fill in samples, and say what there is."""
    settings = installation.settings
    try:
        token = installation.keys.ensure_admin(settings.admin_key)
    except UnfitKey as error:
        raise CannotStart(str(error)) from error
    if settings.demo:
        for product in installation.products:
            product.demo(installation.context(product))
    address = address_of(settings, listener)
    link = installation.sessions.create_link(installation.keys.an_admin().id)
    lines = [f"Serving at   {address}/"]
    lines += [f"Sign in      {address}/sign-in?token={link}", "             (once, in 15 minutes)"]
    if token is not None:
        lines += [f"Admin key    {token}", "             (shown only now: keep it)"]
    out.write("\n".join(lines) + "\n")
    out.flush()


def address_of(settings: Settings, listener: socket.socket) -> str:
    """The address to open in a browser."""
    if settings.public_url:
        return settings.public_url
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (to read, not to bind)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configure_logging(settings: Settings) -> None:
    """Lines on standard error, for people or programs, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.formatter(settings.log_format))
    handler.set_name("chassis")
    root = logging.getLogger()
    root.handlers = [old for old in root.handlers if old.get_name() != "chassis"] + [handler]
    root.setLevel(settings.log_level.upper())
    # uvicorn tells every step of its start and stop; its warnings are enough, unless asked for.
    quiet = logging.DEBUG if settings.log_level == "debug" else logging.WARNING
    for name in ("uvicorn", "uvicorn.error", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(quiet)
    logging.getLogger("uvicorn.error").addFilter(_says_something)


_NOISE = ("Unsupported upgrade request", "Invalid HTTP request received")


def _says_something(record: logging.LogRecord) -> bool:
    """Not of uvicorn's what any stranger can cause and nobody can mend: 400 is the answer to it.

    Its advice to install WebSockets is wrong even for who debugs: they are not served here.
    """
    said = record.getMessage()
    if said.startswith(_NOISE):
        return logging.getLogger().isEnabledFor(logging.DEBUG)
    return "WebSocket library" not in said
