"""A wire to PostgreSQL that loses the answer to a COMMIT, when asked to.

with lossy(database) as wire:
    start(data, database_url=wire.dsn)
    wire.lose("some text")     # the next transaction that carries it commits, and nobody is told
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import postgres

SOCKET = ".s.PGSQL.5432"
COMMIT = b"COMMIT\0"


@dataclass
class Wire:
    """Listens where `dsn` says, and hands everything on. `lost` counts what it did not."""

    database: postgres.Database
    folder: Path
    lost: int = 0
    _marked: bytes | None = None
    _listener: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))

    @property
    def dsn(self) -> str:
        return postgres.Database(self.database.name, str(self.folder)).dsn

    def lose(self, text: str) -> None:
        """Lose the answer to the COMMIT of the next transaction that carries `text`."""
        self._marked = text.encode()

    def open(self) -> None:
        """Begin to listen."""
        self._listener.bind(str(self.folder / SOCKET))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(Path(self.database.socket_folder) / SOCKET))
        mute = threading.Event()
        back = threading.Thread(target=_copy, args=(server, client, mute), daemon=True)
        back.start()
        marked = False
        with contextlib.suppress(OSError):
            while part := client.recv(65536):
                marked = marked or (self._marked is not None and self._marked in part)
                if marked and COMMIT in part:
                    mute.set()
                server.sendall(part)
                if mute.is_set():
                    break
        if mute.is_set():
            back.join(10)  # until the server has answered, which means that it has committed
            self.lost += 1
            self._marked = None
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _copy(server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while part := server.recv(65536):
            if mute.is_set():
                return
            client.sendall(part)


@contextmanager
def lossy(database: postgres.Database) -> Iterator[Wire]:
    """A wire for a block."""
    folder = Path(tempfile.mkdtemp(prefix="wire-", dir="/tmp"))  # a socket's path is short
    folder.chmod(0o755)
    wire = Wire(database, folder)
    wire.open()
    try:
        yield wire
    finally:
        wire.close()
        shutil.rmtree(folder, ignore_errors=True)
