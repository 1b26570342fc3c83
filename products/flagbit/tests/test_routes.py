"""No route of the API is hidden from the tests that take the routes from its description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from chassis.installation import Installation
from chassis.merge_patch import MEDIA_TYPE
from chassis.settings import Settings
from flagbit import app
from flagbit.app import api
from flagbit.db import DEFAULT_PROJECT, FlagDatabase
from flagbit.product import PRODUCT
from ifmatch.server.fastapi import ConditionalRoute


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    installation = Installation.open([PRODUCT], settings, serving=False)
    context = installation.context(PRODUCT)
    database = FlagDatabase(context.database)
    database.ensure_project(DEFAULT_PROJECT, app.ENVIRONMENTS)
    yield api(context, database)
    installation.close()


def own_routes(application: FastAPI) -> list[APIRoute]:
    """The routes that are FlagBit's: all but the description itself."""
    return [route for route in _routes(application) if route.path != application.openapi_url]


def _routes(holder: Any) -> Iterator[Any]:
    """Every route, whichever router it was included with."""
    for route in holder.routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from _routes(router)
        else:
            yield route


def test_every_route_is_in_the_description(application: FastAPI) -> None:
    described = {
        (method.upper(), path)
        for path, methods in application.openapi()["paths"].items()
        for method in methods
    }
    held = {(method, one.path) for one in own_routes(application) for method in one.methods or ()}
    assert held == described


def test_every_route_declares_who_may_and_which_tag_guards_it(application: FastAPI) -> None:
    routes = own_routes(application)
    assert [
        route.path
        for route in routes
        if not isinstance(route, ConditionalRoute)
        or route.declared is None
        or (route.declared.tag is None and route.methods != {"GET"})
    ] == []


def test_the_description_names_the_content_types_that_are_taken(application: FastAPI) -> None:
    """All of them and no others, which the 415 of each route follows, too."""
    document = application.openapi()["paths"]
    for route in own_routes(application):
        for method in route.methods or ():
            described = document[route.path][method.lower()].get("requestBody")
            if described is not None and isinstance(route, ConditionalRoute):
                assert route.declared is not None
                assert set(described["content"]) == set(route.declared.accepts), route.path
                assert (MEDIA_TYPE in route.declared.accepts) == (method == "PATCH"), route.path


def test_every_refusal_that_a_route_describes_is_in_problem_details(application: FastAPI) -> None:
    wrong = [
        (path, method, status)
        for path, methods in application.openapi()["paths"].items()
        for method, one in methods.items()
        for status, answer in one["responses"].items()
        if int(status) >= 400 and list(answer["content"]) != ["application/problem+json"]
    ]
    assert wrong == []


def test_the_description_says_how_a_key_is_sent(application: FastAPI) -> None:
    document = application.openapi()
    schemes = document["components"]["securitySchemes"]
    assert {name for one in document["security"] for name in one} == set(schemes)
    assert {"bearer", "X-API-Key"} == {one.get("scheme") or one["name"] for one in schemes.values()}
