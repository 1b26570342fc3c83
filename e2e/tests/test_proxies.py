"""Behind a reverse proxy and a prefix everything leads where it should."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e import proxying
from e2e.program import Server, free_port, serving
from e2e.proxying import PREFIX
from harness.programs import NGINX

Proxy = Callable[[int, int, Path], AbstractContextManager[None]]
FLAGS = f"{PREFIX}/flagbit/api/v1/flags"


def _small(port: int, target: int, _folder: Path, *, strips: bool) -> AbstractContextManager[None]:
    return proxying.small(port, target, strips=strips)


PROXIES: dict[str, Proxy] = {
    "small, strips": partial(_small, strips=True),
    "small, keeps": partial(_small, strips=False),
    "nginx, strips": partial(proxying.nginx, strips=True),
    "nginx, keeps": partial(proxying.nginx, strips=False),
}
needs_nginx = pytest.mark.skipif(NGINX.find() is None, reason=f"no nginx: {NGINX.how_to_get}")


@dataclass(frozen=True)
class Place:
    """A server, and the address that others reach it under."""

    server: Server
    proxy: str

    @property
    def public(self) -> str:
        return self.proxy + PREFIX

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """A client of the proxy, with the admin's key unless another is given."""
        headers = {"Authorization": f"Bearer {key or self.server.admin_key}"}
        return httpx.Client(base_url=self.proxy, headers=headers, timeout=60, **options)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """One server for all proxies, which take turns on one port."""
    port = free_port()
    environment = {"PUBLIC_URL": f"http://127.0.0.1:{port}{PREFIX}"}
    data = tmp_path_factory.mktemp("data")
    # In the environment of `start`, /readyz is asked for without the prefix: as a watcher would.
    with serving(data, environment=environment) as server:
        yield server, port


@pytest.fixture(
    params=[
        pytest.param(name, marks=[needs_nginx] if name.startswith("nginx") else [])
        for name in PROXIES
    ]
)
def place(
    request: pytest.FixtureRequest, behind: tuple[Server, int], tmp_path: Path
) -> Iterator[Place]:
    server, port = behind
    with PROXIES[request.param](port, server.port, tmp_path / "proxy"):
        yield Place(server, f"http://127.0.0.1:{port}")


def test_links_redirects_and_cookies_stay_behind_the_prefix(place: Place) -> None:
    assert f"{place.public}/sign-in?token=" in place.server.log.read_text()
    with httpx.Client(base_url=place.proxy, timeout=60) as browser:
        to_product = browser.get(f"{PREFIX}/flagbit")
        assert (to_product.status_code, to_product.headers["location"]) == (
            307,
            f"{PREFIX}/flagbit/",
        )
        to_sign_in = browser.get(f"{PREFIX}/flagbit/")
        assert to_sign_in.headers["location"] == f"{PREFIX}/sign-in?next={PREFIX}/flagbit/"
        form = {"key": place.server.admin_key, "next": f"{PREFIX}/flagbit/"}
        foreign = browser.post(
            f"{PREFIX}/sign-in", data=form, headers={"Origin": "http://evil.example"}
        )
        assert foreign.json()["type"] == "urn:ifmatch:problem:cross-site-request"
        signed_in = browser.post(f"{PREFIX}/sign-in", data=form, headers={"Origin": place.proxy})
        assert signed_in.headers["location"] == f"{PREFIX}/flagbit/"
        assert f"Path={PREFIX}" in signed_in.headers["set-cookie"]
        for path in (f"{PREFIX}/", f"{PREFIX}/flagbit/", f"{PREFIX}/problems"):
            page = browser.get(path)
            assert page.status_code == 200
            found = set(re.findall(r'(?:href|src|action)="([^"#]+)"', page.text))
            assert found
            for address in sorted(found):
                assert address.startswith((f"{PREFIX}/", place.public)), address
                if "/assets/" in address:
                    assert browser.get(address).status_code == 200


def test_what_an_api_answers_leads_behind_the_prefix(place: Place) -> None:
    key = f"flag-{secrets.token_hex(4)}"
    content = {"key": key, "type": "boolean", "variants": {"on": True, "off": False}}
    content |= {"default_variant": "off", "off_variant": "off"}
    with place.client() as client:
        made = client.post(FLAGS, json=content)
        assert made.status_code == 201, made.text
        path = f"{FLAGS}/{key}"
        assert made.headers["location"] == made.headers["content-location"] == path
        read = client.get(made.headers["location"])
        assert read.headers["etag"] == made.headers["etag"]
        again = client.get(path, headers={"If-None-Match": read.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        stale = client.put(path, json=content, headers={"If-Match": 'W/"0000000000000000"'})
        assert stale.status_code == 412
        assert stale.json()["etag"] == read.headers["etag"]
        help_ = stale.links["help"]["url"]
        assert help_ == f"{PREFIX}/problems/precondition-failed"
        assert client.get(help_).status_code == 200
        saved = client.put(
            path, json=content | {"description": "New"}, headers={"If-Match": read.headers["etag"]}
        )
        assert saved.status_code == 200
        assert saved.headers["content-location"] == path
        described = client.get(f"{PREFIX}/flagbit/api/v1/openapi.json").json()
        assert described["servers"] == [{"url": f"{PREFIX}/flagbit/api/v1"}]
        lost = client.get(f"{PREFIX}/nowhere")
        assert lost.links["help"]["url"] == f"{PREFIX}/problems/not-found"


def test_a_compressed_answer_has_a_tag_that_still_counts(place: Place) -> None:
    """Nginx makes a strong tag weak when it compresses; ours are weak, and mean the state."""
    with place.client() as client:
        plain = client.get(FLAGS, headers={"Accept-Encoding": "identity"})
        packed = client.get(FLAGS, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["etag"] == plain.headers["etag"]
        assert packed.headers["etag"].startswith('W/"')
        assert packed.json() == plain.json()
        again = client.get(FLAGS, headers={"If-None-Match": packed.headers["etag"]})
        assert again.status_code == 304


# -- a cache that people share --------------------------------------------------------------------


@pytest.fixture
def cached(behind: tuple[Server, int], tmp_path: Path) -> Iterator[Place]:
    server, port = behind
    with proxying.nginx(port, server.port, tmp_path / "proxy", strips=False, caches=True):
        yield Place(server, f"http://127.0.0.1:{port}")


@needs_nginx
def test_a_cache_keeps_nothing_that_needs_a_key(cached: Place) -> None:
    reader = cached.server.new_key("read")
    with cached.client() as admin, cached.client(reader) as other, cached.client("x") as none:
        for client, status in ((admin, 200), (other, 200), (none, 401), (admin, 200)):
            answer = client.get(FLAGS)
            assert (answer.status_code, answer.headers["x-cache"]) == (status, "MISS")
        tag = {"If-None-Match": admin.get(FLAGS).headers["etag"]}
        assert none.get(FLAGS, headers=tag).status_code == 401
        # Where nginx caches it does not pass If-None-Match on: a whole answer, and a right one.
        again = admin.get(FLAGS, headers=tag)
        assert (again.status_code, again.headers["etag"]) == (200, tag["If-None-Match"])


@needs_nginx
def test_an_edit_through_a_cache_is_judged_all_the_same(cached: Place) -> None:
    with cached.client() as admin:
        path = cached.server.new_flag(f"flag-{secrets.token_hex(4)}").headers["location"]
        content = {"enabled": True}
        state = f"{PREFIX}{path.removeprefix(PREFIX)}/environments/production"
        tag = admin.get(state).headers["etag"]
        patch = {"If-Match": tag, "Content-Type": "application/merge-patch+json"}
        answers = [admin.patch(state, json=content, headers=patch) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 412]


@needs_nginx
def test_a_cache_keeps_what_is_everybodys_and_answers_304_itself(cached: Place) -> None:
    with httpx.Client(base_url=cached.proxy) as anybody:
        page = anybody.get(f"{PREFIX}/sign-in").text
        (asset,) = re.findall(r'href="([^"]+base\.css)"', page)
        first, second = anybody.get(asset), anybody.get(asset)
        assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
        again = anybody.get(asset, headers={"If-None-Match": second.headers["etag"]})
        assert (again.status_code, again.headers["x-cache"]) == (304, "HIT")
