"""Reverse proxies before a server: nginx with the configuration of deploy/, and a small one.

The small one is there on every machine. Both put the path /tools before the server's own, and both
say who asked in place of what the client may have said.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection

from harness.programs import NGINX

PREFIX = "/tools"
CONFIGURATION = Path(__file__).parents[1] / "deploy/nginx.conf"

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


# -- the small one ---------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: int
    strips: bool

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length) if length else None
        path = self.path.removeprefix(PREFIX) if self.strips else self.path
        fields = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _OF_ONE_CONNECTION
        }
        fields |= {"Host": self.headers["Host"], "X-Forwarded-Proto": "http"}
        fields["X-Forwarded-For"] = self.client_address[0]
        upstream = HTTPConnection("127.0.0.1", self.target, timeout=30)
        try:
            upstream.request(self.command, path or "/", content, fields)
            answer = upstream.getresponse()
            said = answer.read()
        finally:
            upstream.close()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        if answer.status not in (204, 304) and self.command != "HEAD":
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        pass


@contextmanager
def small(port: int, target: int, *, strips: bool) -> Iterator[None]:
    """A proxy of the standard library's parts."""
    handler = type("Handler", (_Handler,), {"target": target, "strips": strips})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


# -- nginx -----------------------------------------------------------------------------------------


def configuration(port: int, target: int, folder: Path, *, strips: bool, caches: bool) -> str:
    """deploy/nginx.conf, with other ports and no certificate, and with a cache if asked for."""
    site = CONFIGURATION.read_text("utf-8")
    site = re.sub(r"^ *ssl_certificate.*\n", "", site, flags=re.MULTILINE)
    for before, after in [
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{target};"),
        ("proxy_pass http://quartet;", f"proxy_pass http://quartet{'/' if strips else ''};"),
        ("proxy_buffering off;", _CACHE if caches else "proxy_buffering off;"),
    ]:
        assert before in site, f"deploy/nginx.conf has no {before!r} any more"
        site = site.replace(before, after)
    own = [f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi")]
    own += [f"{kind}_temp_path {folder / kind};" for kind in ("uwsgi", "scgi")]
    own += ["access_log off;", f"proxy_cache_path {folder / 'cache'} keys_zone=shared:1m;"]
    head = ["daemon off;", f"user {getuser()};", f"pid {folder / 'pid'};", "events {}", "http {"]
    return "\n".join([*head, *own, site, "}"])


_CACHE = (
    "proxy_cache shared; proxy_cache_revalidate on; proxy_cache_valid 200 1s;"
    " add_header X-Cache $upstream_cache_status always;"
)


@contextmanager
def nginx(
    port: int, target: int, folder: Path, *, strips: bool, caches: bool = False
) -> Iterator[None]:
    """Nginx with the configuration that we hand out."""
    program = NGINX.find()
    assert program is not None
    folder.mkdir()
    file, log = folder / "nginx.conf", folder / "log"
    file.write_text(configuration(port, target, folder, strips=strips, caches=caches))
    words = [program, "-c", str(file), "-e", "stderr"]
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        _wait(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")
