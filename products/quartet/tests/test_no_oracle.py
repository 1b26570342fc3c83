"""Nobody learns anything from a tag: who may not read is told the same, whatever it names.

The routes are those of the applications themselves, the front and every product, so that a new one
is asked from the day it is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product as combined
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from chassis.application import Application
from chassis.front import front
from chassis.installation import Installation, find_product
from chassis.keys import Role
from chassis.metrics import Metrics
from chassis.settings import Settings
from quartet.cli import PRODUCTS

ADMIN = "an-admin-key-of-more-than-32-characters"
WRONG = f"ifm_aaaaaaaa_{'b' * 32}"
BY_CHANCE = {"x-request-id", "date"}

PUBLIC = {
    "/",
    "/healthz",
    "/readyz",
    "/sign-in",
    "/api/v1/openapi.json",
    "/assets/{name}",
    "/problems",
    "/problems/{slug}",
    "/flagbit/assets/{name}",
    "/developers",
    "/flagbit/developers",
    "/flagbit/ofrep/openapi.json",
    "/flagbit/api/v1/openapi.json",
}
"""Nobody has to be known there. What else answers a stranger 2xx fails the test."""


@dataclass(frozen=True)
class Address:
    """One method of one route."""

    method: str
    template: str

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    def filled(self, names: dict[str, str]) -> str:
        """A path of it; `names` has the parameters."""
        wanted = re.findall(r"{(\w+)}", self.template)
        unknown = sorted(set(wanted) - set(names))
        assert not unknown, f"{self}: teach this test a value of {unknown}"
        if self.template.startswith("/playground/"):  # whose ids are of records, not of keys
            names = names | {"id": names["record"]}
        return self.template.format(**names)


def routes_of(holder: Any, above: str) -> Iterator[Address]:
    """Every route of an application, and of what is mounted in it."""
    for route in holder.routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from routes_of(router, above)
        elif getattr(route, "methods", None):
            template = re.sub(r"{(\w+):\w+}", r"{\1}", above + route.path)
            yield from (Address(method, template) for method in route.methods)
        elif getattr(route, "routes", None):
            yield from routes_of(route, above + route.path)


@dataclass
class Place:
    """Everything in this process, with samples in it."""

    client: TestClient
    addresses: list[Address]
    there: dict[str, str]
    revoked: str
    reader: str

    def ask(self, address: Address, path: str, **fields: str) -> httpx2.Response:
        return self.client.request(address.method, path, headers=fields)

    def tag(self, path: str) -> str:
        """The tag that an admin sees there, or above."""
        while path:
            answer = self.client.get(path, headers={"X-API-Key": ADMIN})
            if answer.headers.get("etag"):
                return str(answer.headers["etag"])
            path = path.rpartition("/")[0]
        return 'W/"0123456789abcdef"'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    environment = {"QUARTET_RATE_PER_ADDRESS": "0", "QUARTET_RATE_PER_KEY": "0"}
    products = [find_product(reference) for reference in PRODUCTS]
    data = {"data": str(tmp_path_factory.mktemp("data"))}
    installation = Installation.open(products, Settings.load(environment, data, products))
    installation.keys.ensure_admin(ADMIN)
    found = [*routes_of(front(installation, Metrics(installation.databases, None)), "")]
    for one in products:
        context = installation.context(one)
        app = one.create(context)
        one.demo(context)
        found += routes_of(app, context.prefix)
    gone, revoked = installation.keys.create("Gone", Role.ADMIN)
    installation.keys.revoke(gone.id)
    key, reader = installation.keys.create("Reader", Role.READ)
    with TestClient(Application(installation), follow_redirects=False) as client:
        record = client.post("/playground/records", headers={"X-API-Key": ADMIN})
        there = {
            "id": key.id,
            "key": "dark-mode",
            "flag": "dark-mode",
            "environment": "production",
            "project": "default",
            "name": "nothing.css",
            "slug": "own-key",
            "record": record.headers.get("location", "/x").rpartition("/")[2],
        }
        yield Place(client, sorted(set(found), key=str), there, revoked, reader)


def told(answer: httpx2.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    fields = [item for item in answer.headers.items() if item[0] not in BY_CHANCE]
    return answer.status_code, answer.content, fields


def test_a_stranger_is_told_the_same_whatever_tag_it_names(place: Place) -> None:
    """With no key, an unknown or a revoked one; and what is there looks like what is not."""
    keys: list[dict[str, str]] = [{}, {"X-API-Key": WRONG}, {"X-API-Key": place.revoked}]
    nothing = dict.fromkeys(place.there, "nothing-here")
    public = set()
    for address in place.addresses:
        path, absent = address.filled(place.there), address.filled(nothing)
        tags = [place.tag(path), 'W/"0000000000000000"', "*", "broken"]
        for key in keys:
            plain = place.ask(address, path, **key)
            if address.template in PUBLIC or plain.is_success:
                public.add(address.template)
                continue
            # 403 is for a form of another page, which is looked at before anything else.
            assert plain.status_code in (401, 303, 403), f"{address} with {key}: {plain.text}"
            assert "etag" not in plain.headers
            if plain.status_code != 303:  # to sign in, and back to that very path
                # OFREP answers with the key that was asked for, whether it is there or not.
                status, content, fields = told(place.ask(address, absent, **key))
                content = content.replace(b'"nothing-here"', b'"dark-mode"')
                fields = [(n, v) for n, v in fields if n != "content-length"]
                same = [(n, v) for n, v in told(plain)[2] if n != "content-length"]
                assert (status, content, fields) == (*told(plain)[:2], same), f"{address}"
            for name, tag in combined(("If-Match", "If-None-Match"), tags):
                answer = place.ask(address, path, **key, **{name: tag})
                assert told(answer) == told(plain), f"{address} with {key}, {name}: {tag}"
    assert public == PUBLIC


def test_who_may_not_do_that_is_told_the_same_whatever_tag_it_names(place: Place) -> None:
    """A key that may read, where more is needed: 403 for each tag, and no tag in the answer."""
    refused = 0
    for address in place.addresses:
        path = address.filled(place.there)
        plain = place.ask(address, path, **{"X-API-Key": place.reader})
        if plain.status_code != 403:
            continue
        refused += 1
        assert "etag" not in plain.headers
        for name, tag in combined(("If-Match", "If-None-Match"), (place.tag(path), '"x"', "*")):
            answer = place.ask(address, path, **{"X-API-Key": place.reader, name: tag})
            assert told(answer) == told(plain), f"{address} with {name}: {tag}"
    assert refused > 20


def test_what_is_not_there_is_the_same_404_with_any_tag(place: Place) -> None:
    nothing = dict.fromkeys(place.there, "nothing-here")
    missing = 0
    for address in place.addresses:
        if "{" not in address.template or address.template in PUBLIC:
            continue
        path = address.filled(nothing)
        plain = place.ask(address, path, **{"X-API-Key": ADMIN})
        if plain.status_code != 404:
            continue
        missing += 1
        for tag in ('"x"', "*", "broken"):
            answer = place.ask(address, path, **{"X-API-Key": ADMIN, "If-Match": tag})
            assert told(answer) == told(plain), f"{address} with {tag}"
    assert missing > 15
