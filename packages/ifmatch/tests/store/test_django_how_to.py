"""The page `add-to-django` is true: a legacy project with data goes through it, step by step."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs/how-to/add-to-django.md"
BIN = Path(sys.executable).parent

LEGACY = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/settings.py": """
SECRET_KEY = "of the test"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["inventory"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "shop.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "shop.db",
        "ATOMIC_REQUESTS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "shop/urls.py": """
from django.urls import path
from inventory.views import item
urlpatterns = [path("items/<str:code>", item)]
""",
    "inventory/__init__.py": "",
    "inventory/migrations/__init__.py": "",
    "inventory/models.py": """
from django.db import models

class Item(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    views = models.IntegerField(default=0)
""",
    "inventory/views.py": """
import json
from django.http import JsonResponse
from inventory.models import Item

def item(request, code):
    found = Item.objects.get(code=code)
    if request.method == "PUT":
        wish = json.loads(request.body)
        found.name, found.price = wish["name"], wish["price"]
        found.save()
    return JsonResponse({"code": code, "name": found.name, "price": str(found.price)})
""",
}

ROWS = [("tea", "Tea", 1.5, 10), ("rum", "Rum", 12, 0), ("milk", "Milk", 0.99, 3)]

# What the project does then on its own database, where nothing is rolled back.
AFTERWARDS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from django.db import connection, connections
from django.test import Client

client = Client()
body = {"name": "Green tea", "price": "1.5"}
def put(tag, wish=body):
    try:
        fields = {} if tag is None else {"If-Match": tag}
        return Client().put("/items/tea", wish, "application/json", headers=fields)
    finally:
        connections.close_all()

first = client.get("/items/tea")
assert first.json() == {"code": "tea", "name": "Tea", "price": "1.50"}, first.content
again = client.get("/items/tea", headers={"If-None-Match": first["ETag"]})
assert (again.status_code, again.content) == (304, b"")
assert put(None).status_code == 428
assert put("no tag").status_code == 400
made = put(first["ETag"])
assert made.json()["price"] == "1.50" and made["ETag"] != first["ETag"], made.content
assert put(first["ETag"]).status_code == 412
with connection.cursor() as cursor:
    cursor.execute("UPDATE inventory_item SET name = 'raw' WHERE code = 'tea'")
assert put(made["ETag"]).status_code == 412
now = client.get("/items/tea")
assert now.json()["name"] == "raw"
with ThreadPoolExecutor(16) as pool:
    wishes = [{"name": str(n), "price": "1"} for n in range(16)]
    answers = list(pool.map(lambda wish: put(now["ETag"], wish).status_code, wishes))
assert sorted(answers) == [200] + [412] * 15, answers
tag = client.get("/items/rum")["ETag"]
assert client.delete("/items/rum", headers={"If-Match": first["ETag"]}).status_code == 412
assert client.delete("/items/rum", headers={"If-Match": tag}).status_code == 204
assert client.get("/items/rum").status_code == 404
"""


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Each file to write, with its text, and each command, with nothing, in the page's order."""
    found = re.findall(r"^```(python|console)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for kind, block in found:
        if kind == "python":
            name, _, text = block.removeprefix("# ").partition("\n")
            yield name, text
        else:
            yield block.removeprefix("$ ").strip(), ""


def run(folder: Path, *words: str) -> str:
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}"
    return done.stdout


def rows(folder: Path, columns: str = "code, name, price, views") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "shop.db")) as database:
        return database.execute(f"SELECT {columns} FROM inventory_item ORDER BY id").fetchall()


@pytest.fixture
def legacy(tmp_path: Path) -> Path:
    """A project that never heard of ifmatch, with rows."""
    for name, text in LEGACY.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    run(tmp_path, "python", "manage.py", "makemigrations", "inventory", "--name", "initial")
    run(tmp_path, "python", "manage.py", "migrate")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        insert = "INSERT INTO inventory_item (code, name, price, views) VALUES (?, ?, ?, ?)"
        database.executemany(insert, ROWS)
    return tmp_path


def test_a_legacy_project_with_data_goes_through_the_page(legacy: Path) -> None:
    before = rows(legacy)
    assert len(before) == len(ROWS)
    said = []
    for what, text in steps(PAGE.read_text("utf-8")):
        name, appended, _ = what.partition(", at its end")
        if not text:
            said.append(run(legacy, *what.split()))
        elif appended:
            path = legacy / name
            path.write_text(path.read_text() + text)
        else:
            (legacy / name).write_text(text)
    assert "Ran 3 tests" in said[-1]
    assert rows(legacy) == before, "no content was touched"
    assert {row[0] for row in rows(legacy, "version")} == {1}
    assert len({row[0] for row in rows(legacy, "incarnation")}) == len(ROWS)
    run(legacy, "python", "-W", "error", "-c", AFTERWARDS)
    run(legacy, "python", "manage.py", "makemigrations", "--check")
    kept = rows(legacy)
    run(legacy, "python", "manage.py", "migrate", "inventory", "0001")
    assert rows(legacy) == kept
    with pytest.raises(sqlite3.OperationalError):
        rows(legacy, "version")


def test_before_it_the_second_of_two_overwrites_the_first(legacy: Path) -> None:
    """The twin: what the page is for."""
    program = (
        AFTERWARDS.partition("first = ")[0] + "assert put('W/\"long ago\"').status_code == 200"
    )
    run(legacy, "python", "-c", program)
