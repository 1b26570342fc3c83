"""The reference of the API says what the code does: operations, roles, lists, problems, OFREP."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route

import flagbit
from chassis.installation import Installation, roles_of
from chassis.problem_types import TYPES
from chassis.settings import Settings
from flagbit import app, ofrep
from flagbit.client.refusals import WORDS
from flagbit.db import DEFAULT_PROJECT, FlagDatabase
from flagbit.product import PRODUCT
from flagbit.rules import TargetingKeyMissing

DOCS = Path(__file__).parents[3] / "docs/reference"
KINDS = ("flag", "state", "environment", "project")


def table(title: str, page: str = "flagbit-api.md") -> list[list[str]]:
    """The rows of the table under a head that begins so, without their back quotes."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {title} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    installation = Installation.open([PRODUCT], settings, serving=False)
    context = installation.context(PRODUCT)
    database = FlagDatabase(context.database)
    database.ensure_project(DEFAULT_PROJECT, app.ENVIRONMENTS)
    yield app.api(context, database)
    installation.close()


def routes(holder: Any) -> Iterator[Any]:
    for route in holder.routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from routes(router)
        elif hasattr(route, "declared") and route.include_in_schema:
            yield route


def test_every_operation_is_on_the_page_with_its_role_and_its_condition(api: FastAPI) -> None:
    held = set()
    for route in routes(api):
        for method in route.methods:
            condition = "**required**" if route.declared.required else "*taken*"
            held.add(
                (method, route.path, route.declared.roles[0], "" if method == "GET" else condition)
            )
    assert {tuple(row[:4]) for row in table("method | path below `/api/v1`")} == held


def test_the_page_names_the_operations_of_the_description(api: FastAPI) -> None:
    described = {
        (method.upper(), path)
        for path, methods in api.openapi()["paths"].items()
        for method in methods
    }
    assert {(row[0], row[1]) for row in table("method | path below `/api/v1`")} == described


def test_every_list_is_on_the_page_with_its_parameters(api: FastAPI) -> None:
    described = {
        path: {one["name"] for one in methods["get"].get("parameters", ()) if one["in"] == "query"}
        for path, methods in api.openapi()["paths"].items()
        if "get" in methods
    }
    shown = {
        path: set(re.findall(r"(?:^|, )(\w+)", re.sub(r" \([^)]*\)", "", parameters)))
        for path, parameters in table("list")
    }
    assert shown == {path: names for path, names in described.items() if names}


def test_every_role_is_on_the_page() -> None:
    assert [row[0] for row in table("role")] == [*roles_of([PRODUCT]).of(PRODUCT.name)]


def raised() -> set[tuple[str, str]]:
    """The kinds of problem that FlagBit raises, and the status of each, from its source."""
    found = set()
    for file in Path(flagbit.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
                status, slug = node.args[:2]
                for name in KINDS:
                    words = SimpleNamespace(name=name)
                    text = eval(ast.unparse(slug), {"kind": words})
                    found.add((text, ast.unparse(status)))
    return found


def test_every_problem_is_on_the_page_with_its_status() -> None:
    shared = {(one.slug, one.shown_statuses) for one in TYPES}
    listed = {(row[0], row[1]) for row in table("type (`urn:ifmatch:problem:…`)")}
    assert listed == raised() - shared
    assert set(WORDS) <= {slug for slug, _ in listed | shared}


def test_ofrep_is_on_the_page() -> None:
    context: Any = SimpleNamespace(authenticate=None, path=str, settings=Settings())
    served = ofrep.application(SimpleNamespace(), context)  # type: ignore[arg-type]
    paths = {("POST", route.path) for route in served.routes if isinstance(route, Route)}
    assert {(row[0], row[1]) for row in table("method | path below `/ofrep`")} == paths
    codes = set(re.findall(r'_Failure\([^"]*"([A-Z_]+)"', inspect.getsource(ofrep)))
    known = codes | {TargetingKeyMissing.code, ofrep.OTHER} | set(ofrep.CODES.values())
    assert {row[0] for row in table("errorCode")} == known
