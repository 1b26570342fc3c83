"""The law of tags and the three failures, on every route that FlagBit describes.

The law: for one address and one key, different bodies never share a tag, and the tag stays while
the body stays. It is held through edits of every kind, plain SQL among them, in two processes at
once and after a restart, on both databases, with weak and with strong tags.

The three failures: an answer that is not current is never called current, an edit made on an old
state never changes anything, and nobody learns from a tag what their key does not show them.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.operations import (
    FLAG,
    JSON,
    MERGE_PATCH,
    STATE,
    Operation,
    edits,
    following,
    operations,
    reads,
)
from e2e.program import API, Server, start
from e2e.raw_sql import RawSQL
from e2e.wire import until_closed
from harness import postgres

OFREP = "/flagbit/ofrep/v1/evaluate/flags"
ENVIRONMENTS = ("production", "spare")
BY_CHANCE = {"date", "x-request-id"}
"""Fields that differ between two answers that say the same."""

numbers = count(1)


@dataclass
class World:
    """Two processes on one database, and the way behind their backs."""

    servers: list[Server]
    sql: RawSQL
    strict: bool
    restart: Callable[[World], None]
    ids: list[str] = field(default_factory=list)
    witness: Witness | None = None
    _clients: dict[tuple[str, str | None], httpx.Client] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        return self.servers[0]

    @cached_property
    def known(self) -> list[Operation]:
        """What is read."""
        return reads(self.server)

    def client(self, server: Server | None = None, key: str | None = None) -> httpx.Client:
        """A client of one process, the same each time: making one costs more than asking."""
        server = server or self.server
        if (server.url, key) not in self._clients:
            hooks = {"response": [self._hear]}
            self._clients[server.url, key] = server.client(key, event_hooks=hooks)
        return self._clients[server.url, key]

    def _hear(self, answer: httpx.Response) -> None:
        """Show the witness what a write says of the state that it made."""
        method, described = answer.request.method, answer.headers.get("content-location")
        if self.witness is None or method in ("GET", "HEAD") or not answer.is_success:
            return
        if method in ("PUT", "PATCH"):
            assert described == answer.request.url.path, f"{method} describes {described}"
        if described is not None:
            answer.read()
            self.witness.look(described, answer)
            self.witness.told += 1

    def names(self, flags: tuple[str, ...] = ("a", "b")) -> dict[str, list[str]]:
        """The values of the parameters that paths have."""
        return {
            "key": [*flags],
            "flag": [*flags],
            "environment": [*ENVIRONMENTS],
            "project": ["default"],
            "id": self.ids,
        }

    def views(self) -> list[tuple[str, str]]:
        """Every view of every resource: the template that it is of, and its address."""
        found = [(one.template, path) for one in self.known for path in one.views(self.names())]
        lists = ("/flags", "/environments", "/audit")
        return [
            *found,
            *((one, page) for one in lists for page in following(self.client(), API + one)),
        ]

    def addresses(self) -> list[str]:
        """Their addresses."""
        return [path for _, path in self.views()]

    def get(self, path: str, **fields: str) -> httpx.Response:
        return self.client().get(path, headers=fields)

    def tag(self, path: str) -> str:
        """The current tag."""
        return self.get(path).headers["etag"]

    def edit(self, method: str, path: str, content: Any, **more: str) -> httpx.Response:
        """An edit of the current state, through either process."""
        now = self.get(path)
        if now.status_code != 200:
            return now
        client = self.client(random.choice(self.servers))
        kind = MERGE_PATCH if method == "PATCH" else JSON
        fields = {"If-Match": now.headers["etag"], "Content-Type": kind} | more
        return client.request(method, path, json=content, headers=fields)

    def everything(self, names: dict[str, list[str]] | None = None) -> dict[str, tuple[bytes, str]]:
        """Body and tag of every resource that is there, in its plain view."""
        known = [path for one in self.known for path in one.paths(names or self.names())]
        found = {path: self.get(path) for path in known}
        return {
            path: (answer.content, answer.headers["etag"])
            for path, answer in found.items()
            if answer.status_code == 200
        }


@pytest.fixture(scope="module")
def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], World]]:
    """Makes each world when it is first asked for, whatever the order of the tests."""
    made: dict[tuple[str, str], World] = {}
    with ExitStack() as stack:

        def get(engine: str, how: str) -> World:
            if (engine, how) not in made:
                dsn: str | None = None
                if engine == "postgresql":
                    home: postgres.Server = request.getfixturevalue("postgres_server")
                    dsn = stack.enter_context(home.database()).dsn
                world = _world(tmp_path_factory.mktemp("data"), dsn, how, stack)
                _fill(world)
                made[engine, how] = world
            return made[engine, how]

        yield get


@pytest.fixture(
    params=[
        pytest.param((engine, how), marks=more)
        for engine, how, *more in (
            ("sqlite", "state"),
            ("sqlite", "strict", pytest.mark.full),
            ("postgresql", "state", pytest.mark.full),
            ("postgresql", "strict", pytest.mark.full),
        )
    ],
    ids="-".join,
)
def world(request: pytest.FixtureRequest, worlds: Callable[[str, str], World]) -> World:
    """Two processes of one installation, with flags, an environment and keys."""
    return worlds(*request.param)


def _world(data: Path, dsn: str | None, how: str, stack: ExitStack) -> World:
    options: dict[str, Any] = {
        "database_url": dsn,
        "environment": {"FLAGBIT_COMPARISON": how, "QUARTET_SHARED_SQLITE": "1"},
        "admin_key": secrets.token_urlsafe(32),
    }

    def restart(world: World) -> None:
        world.servers[0].stop()
        world.servers[0] = start(data, **options)

    servers: list[Server] = []
    stack.callback(lambda: [server.stop() for server in servers])
    servers += [start(data, **options) for _ in range(2)]
    return World(servers, RawSQL(data, dsn), how == "strict", restart)


def _fill(world: World) -> None:
    for key in ("a", "b"):
        world.server.new_flag(key, client_visible=key == "a", tags=["red"])
    client = world.client()
    assert client.post(f"{API}/environments", json={"key": "spare", "name": "Spare"}).is_success
    for owner in ("Ada", "Bob"):
        content = {"owner": owner, "role": "read"}
        world.ids.append(client.post(f"{API}/keys", json=content).json()["id"])


# -- the law --------------------------------------------------------------------------------------


class Witness:
    """Watches tags and bodies, and complains when they break the law."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[bytes, str]] = {}
        self.body_of: dict[tuple[str, str], bytes] = {}
        self.seen = 0
        self.told = 0

    def look(self, path: str, answer: httpx.Response) -> None:
        body, tag = answer.content, answer.headers["etag"]
        before = self.body_of.setdefault((path, tag), body)
        assert before == body, f"two bodies of {path} share {tag}:\n{before!r}\n{body!r}"
        old_body, old_tag = self.last.get(path, (body, tag))
        assert (body == old_body) <= (tag == old_tag), f"{path}: {old_tag} -> {tag}, same body"
        self.last[path] = (body, tag)
        self.seen += 1
        if not tag.startswith("W/"):
            opaque = tag.strip('"')
            assert len(opaque) >= 16, f"{path}: {tag} is short for a strong tag"
            assert sha256(body).hexdigest().startswith(opaque), f"{path}: {tag} is of other bytes"


def watch(world: World, witness: Witness, machines: dict[str, str]) -> None:
    """Look at everything, through each process."""
    for path in world.addresses():
        body, tag = witness.last.get(path, (b"", '"none"'))
        poll = random.choice(world.servers)
        polled = world.client(poll).get(path, headers={"If-None-Match": tag})
        answers = [world.client(server).get(path) for server in world.servers]
        assert len({(one.status_code, one.content) for one in answers}) == 1, (
            f"two processes differ on {path}"
        )
        same = answers[0].status_code == 200 and answers[0].content == body
        assert (polled.status_code == 304) == same, f"{path}: {polled.status_code} to {tag}"
        for answer in answers:
            assert answer.status_code in (200, 404), f"{path}: {answer.text}"
            if answer.status_code == 200:
                witness.look(path, answer)
            else:
                assert "etag" not in answer.headers
    for server in world.servers:
        for name, key in machines.items():
            for context in ({}, {"targetingKey": "v", "team": "x"}):
                answer = world.client(server, key).post(OFREP, json={"context": context})
                assert answer.status_code == 200, answer.text
                witness.look(f"{OFREP} {name} {sorted(context.items())}", answer)


def step_put(world: World, dice: random.Random) -> None:
    key = dice.choice("ab")
    content = FLAG | {"description": f"text {next(numbers)}", "tags": dice.sample("xyz", 2)}
    world.edit("PUT", f"{API}/flags/{key}", content)


def step_patch_state(world: World, dice: random.Random) -> None:
    path = f"{API}/flags/{dice.choice('ab')}/environments/{dice.choice(ENVIRONMENTS)}"
    split = {"split": {"on": dice.randint(1, 9), "off": 1}}
    world.edit("PATCH", path, {"fallthrough": split, "enabled": dice.random() < 0.8})


def step_add_rule(world: World, dice: random.Random) -> None:
    path = f"{API}/flags/{dice.choice('ab')}/environments/production"
    condition = {"attribute": "team", "op": "equals", "values": ["x"]}
    rule = {"id": f"r{next(numbers)}", "conditions": [condition], "serve": {"variant": "on"}}
    world.edit("PUT", path, STATE | {"rules": [rule]})


def step_change_nothing(world: World, dice: random.Random) -> None:
    """What GET gave is PUT back; the tag must stay."""
    places = ["flags/a", "flags/b/environments/production", "environments/spare"]
    path = f"{API}/{dice.choice([*places, 'projects/default'])}"
    before = world.get(path)
    if before.status_code == 200:
        answer = world.edit("PUT", path, before.json())
        assert answer.status_code in (200, 409), answer.text  # 409: the flag is archived


def step_archive(world: World, dice: random.Random) -> None:
    path = f"{API}/flags/{dice.choice('ab')}"
    world.edit("PATCH", path, {"archived": dice.random() < 0.5})


def step_delete_and_create_again(world: World, dice: random.Random) -> None:
    path = f"{API}/flags/b"
    world.edit("PATCH", path, {"archived": True})
    assert world.edit("DELETE", path, None).status_code in (204, 404)
    if dice.random() < 0.7:
        made = world.client().post(f"{API}/flags", json=FLAG | {"key": "b"})
        assert made.status_code == 201, made.text


def step_rename(world: World, dice: random.Random) -> None:
    place = dice.choice(["environments/spare", "environments/production", "projects/default"])
    answer = world.edit("PATCH", f"{API}/{place}", {"name": f"Name {next(numbers)}"})
    assert answer.status_code == 200, answer.text


def step_environment_comes_and_goes(world: World, dice: random.Random) -> None:
    path = f"{API}/environments/passing"
    if world.get(path).status_code == 200:
        world.edit("DELETE", path, None)
    else:
        content, only = {"name": "Passing"}, {"If-None-Match": "*"}
        world.client().put(path, json=content, headers=only)


def step_key(world: World, dice: random.Random) -> None:
    client = world.client(dice.choice(world.servers))
    made = client.post(f"{API}/keys", json={"owner": f"M{next(numbers)}", "role": "read"})
    if dice.random() < 0.5:
        client.post(f"{API}/keys/{made.json()['id']}/revoke")


def step_refused(world: World, dice: random.Random) -> None:
    """What is refused changes nothing."""
    before = world.everything()
    answers = [
        world.edit("PATCH", f"{API}/environments/spare", {"name": ""}),
        world.edit("PATCH", f"{API}/environments/spare", {"name": "x"}, **{"If-Match": '"old"'}),
        world.edit("POST", f"{API}/environments", {"key": "spare", "name": "Again"}),
    ]
    assert [one.status_code for one in answers] == [422, 412, 409]
    assert world.everything() == before


def step_sql_update(world: World, dice: random.Random) -> None:
    statements = [
        ("flagbit", "UPDATE flag SET description = %s WHERE key = 'a'"),
        ("flagbit", "UPDATE flag_state SET updated = %s WHERE flag = 'a'"),
        ("flagbit", "UPDATE environment SET name = %s WHERE key = 'spare'"),
        ("flagbit", "UPDATE project SET name = %s"),
        ("flagbit", "UPDATE audit SET actor = %s WHERE id = (SELECT max(id) FROM audit)"),
        ("quartet", "UPDATE api_key SET owner = %s WHERE role = 'read'"),
    ]
    product, statement = dice.choice(statements)
    assert world.sql.execute(product, statement, f"by hand {next(numbers)}") > 0 or "'a'" in (
        statement
    )


def step_sql_changes_nothing(world: World, dice: random.Random) -> None:
    """The same value is written again: a tag may not move, since no body does."""
    table = dice.choice(["flag", "flag_state", "environment", "project"])
    world.sql.execute("flagbit", f"UPDATE {table} SET created = created")


def step_sql_switch(world: World, dice: random.Random) -> None:
    value = bool(dice.randint(0, 1))
    statement = "UPDATE flag_state SET enabled = %s WHERE environment = 'production'"
    world.sql.execute("flagbit", statement, value)


def step_sql_row_again(world: World, dice: random.Random) -> None:
    """A row goes and another comes under its key, with the version it began with."""
    world.sql.execute("flagbit", "DELETE FROM environment WHERE key = 'by-hand'")
    statement = (
        "INSERT INTO environment (project, key, name, created, updated)"
        " VALUES ('default', 'by-hand', %s, '2026', '2026')"
    )
    world.sql.execute("flagbit", statement, dice.choice("xyz"))


def step_sql_history(world: World, dice: random.Random) -> None:
    """The newest entry goes; the next one may get its number."""
    newest = "(SELECT max(id) FROM audit)"
    world.sql.execute("flagbit", f"DELETE FROM audit WHERE id = {newest}")
    step_rename(world, dice)


STEPS = [value for name, value in globals().items() if name.startswith("step_")]


@pytest.mark.parametrize(
    "length", [pytest.param(20, id="short"), pytest.param(60, marks=pytest.mark.full, id="long")]
)
@pytest.mark.timeout(1200)
def test_a_tag_tells_bodies_apart_and_stays_while_the_body_stays(world: World, length: int) -> None:
    machines = {role: world.server.new_key(role, "production") for role in ("server", "client")}
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    dice, witness = random.Random(seed), Witness()
    world.witness = witness
    order = [*STEPS, *(dice.choice(STEPS) for _ in range(length - len(STEPS)))]
    dice.shuffle(order)
    try:
        for number, step in enumerate(order):
            step(world, dice)
            watch(world, witness, machines)
            if number == length // 2:
                world.restart(world)
                watch(world, witness, machines)
    finally:
        world.witness = None
    assert witness.seen > 30 * length
    # These two rename something, which is always done; chance decides whether the others write.
    certain = order.count(step_rename) + order.count(step_sql_history)
    assert witness.told >= certain >= 2, "a write did not tell what it made"


# -- 304 ------------------------------------------------------------------------------------------


def test_every_resource_answers_304_to_its_own_tag(world: World) -> None:
    """However the tag is written: alone, in a list, weak or not, over several lines, or `*`."""
    client, read = world.client(), set()
    for template, path in world.views():
        full = client.get(path)
        if full.status_code != 200:
            continue
        read.add(template)
        tag = full.headers["etag"]
        other = tag.removeprefix("W/") if tag.startswith("W/") else f"W/{tag}"
        for lines in (
            [tag],
            [other],
            ["*"],
            [f'"x", {tag}, W/"y"'],
            [f",, {tag} ,"],
            ['"x"', tag],
            [tag, 'W/"y"', '"z"'],
        ):
            sent = [("If-None-Match", line) for line in lines]
            for method in ("GET", "HEAD"):
                answer = client.request(method, path, headers=sent)
                assert answer.status_code == 304, f"{method} {path}: {lines}"
                assert answer.content == b""
                assert {"content-length", "content-type", "transfer-encoding"}.isdisjoint(
                    answer.headers
                )
                for name in ("etag", "cache-control", "vary"):
                    assert answer.headers[name] == full.headers[name], f"{path}: {name}"
        for lines in ([tag], ["*"], ['"x"', tag]):  # If-Match on a read: the state is the one named
            sent = [("If-Match", line) for line in lines]
            assert client.get(path, headers=sent).status_code == 200, f"{path}: {lines}"
        assert client.get(path, headers={"If-Match": '"x"'}).status_code == 412
        for lines in (['"x"'], [f"{tag[:-2]}x"], [tag.strip('W/"')], [f"*, {tag}"]):
            sent = [("If-None-Match", line) for line in lines]
            assert client.get(path, headers=sent).status_code == 200, f"{path}: {lines}"
    assert read == {one.template for one in world.known}


def test_the_bulk_evaluation_answers_304_to_its_own_tag(world: World) -> None:
    client = world.client(key=world.server.new_key("server", "production"))
    content = {"context": {"targetingKey": "u"}}
    full = client.post(OFREP, json=content)
    tag = full.headers["etag"]
    for value in (tag, tag.removeprefix("W/"), "*", f'"x", {tag}'):
        answer = client.post(OFREP, json=content, headers={"If-None-Match": value})
        assert (answer.status_code, answer.content) == (304, b"")
        for name in ("etag", "cache-control", "vary"):
            assert answer.headers[name] == full.headers[name], name
        assert {"content-length", "content-type"}.isdisjoint(answer.headers)
    assert client.post(OFREP, json=content, headers={"If-None-Match": '"x"'}).status_code == 200


def test_head_is_get_without_its_content(world: World) -> None:
    """Every field of GET, its length and its tag among them, and not one byte more."""
    client, read = world.client(), set()
    for template, path in world.views():
        full = client.get(path)
        if full.status_code != 200:
            continue
        read.add(template)
        request = (
            f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Authorization: Bearer {world.server.admin_key}\r\n\r\n"
        )
        lines, _, content = until_closed(world.server.port, request.encode()).partition(b"\r\n\r\n")
        status, *sent = lines.decode().split("\r\n")
        fields = {tuple(line.split(": ", 1)) for line in sent if not _is_by_chance(line)}
        assert status.startswith("HTTP/1.1 200")
        assert content == b""
        assert fields == {item for item in full.headers.items() if item[0] not in BY_CHANCE}
        assert ("content-length", str(len(full.content))) in fields
    assert read == {one.template for one in world.known}


def _is_by_chance(line: str) -> bool:
    return line.partition(":")[0].lower() in BY_CHANCE | {"connection"}


# -- edits on an old state ------------------------------------------------------------------------


def _touches(world: World, names: dict[str, list[str]]) -> dict[str, Callable[[], Any]]:
    """How somebody else changes what a GET shows, by its template."""
    flag, environment, key = names["key"][0], names["environment"][0], names["id"][0]

    def rename_key() -> int:
        statement = "UPDATE api_key SET owner = %s WHERE id = %s"
        return world.sql.execute("quartet", statement, f"N{next(numbers)}", key)

    def patch(path: str, member: str) -> Callable[[], Any]:
        return lambda: world.edit("PATCH", API + path, {member: f"N {next(numbers)}"})

    def toggle() -> httpx.Response:
        path = f"{API}/flags/{flag}/environments/{environment}"
        return world.client().post(f"{path}/toggle", headers={"If-Match": world.tag(path)})

    return {
        "/flags": patch(f"/flags/{flag}", "description"),
        "/flags/{key}": patch(f"/flags/{flag}", "description"),
        "/flags/{flag}/environments/{environment}": toggle,
        "/environments": patch(f"/environments/{environment}", "name"),
        "/environments/{environment}": patch(f"/environments/{environment}", "name"),
        "/projects/{project}": patch("/projects/default", "name"),
        "/export": patch(f"/flags/{flag}", "description"),
        "/keys": rename_key,
        "/keys/{id}": rename_key,
    }


def _own_place(world: World) -> dict[str, list[str]]:
    """A flag, an environment and a key that nobody else uses."""
    number = next(numbers)
    flag, environment = f"own-{number}", f"own-{number}"
    client = world.client()
    for path, content in (
        ("environments", {"key": environment, "name": "Own"}),
        ("flags", FLAG | {"key": flag}),
    ):
        assert client.post(f"{API}/{path}", json=content).status_code == 201
    key = client.post(f"{API}/keys", json={"owner": "Own", "role": "read"}).json()["id"]
    names = world.names((flag,))
    return names | {"environment": [environment], "id": [key]}


@pytest.mark.timeout(300)
def test_an_edit_of_an_old_state_changes_nothing(world: World) -> None:
    """Whatever the method: 412, the current tag, and everything as it was, the audit included."""
    known, client = world.known, world.client()
    described = edits(world.server)
    assert len(described) >= 15
    for operation in described:
        names = _own_place(world)
        guarding = operation.tagged(known)
        path, guarded = operation.paths(names)[0], guarding.paths(names)[0]
        fields, content = operation.edit()
        if isinstance(content, dict) and "key" in content:
            content = content | {"key": f"own-{next(numbers)}"}
        touches = _touches(world, names)
        assert guarding.template in touches, f"teach this test how {guarding} changes"

        def attempt(
            tag: str,
            operation: Operation = operation,
            path: str = path,
            fields: dict[str, str] = fields,
            content: Any = content,
        ) -> httpx.Response:
            sent = fields | {"If-Match": tag}
            return client.request(operation.method, path, headers=sent, json=content)

        old = world.tag(guarded)
        touches[guarding.template]()
        current = world.tag(guarded)
        assert current != old, f"{operation}: the test changed nothing"
        before = world.everything(names)
        stale = [old, old.removeprefix("W/"), f"W/{old.removeprefix('W/')}", f'"x", {old}', '"x"']
        if world.strict:
            stale.append(f"W/{current}")
        for tag in stale:
            answer = attempt(tag)
            assert answer.status_code == 412, f"{operation} {tag}: {answer.text}"
            assert answer.headers["etag"] == answer.json()["etag"] == current
            assert answer.headers["cache-control"] == "no-store"
        assert world.everything(names) == before, f"{operation} changed something"

        if operation.method == "DELETE" and operation.template == "/flags/{key}":
            world.edit("PATCH", path, {"archived": True})  # or its states would be lost
            current = world.tag(guarded)
        answer = attempt(f'"x", {current}')
        assert answer.is_success, f"{operation}: {answer.text}"
        assert world.everything(names) != before, f"{operation} changed nothing"


@pytest.mark.timeout(300)
def test_whoever_adds_to_a_list_may_have_seen_any_view_of_it(world: World) -> None:
    """The view's own tag lets through; once that view has changed, its old one does not."""
    client, known = world.client(), {one.template: one for one in world.known}
    added = [one for one in edits(world.server) if one.method == "POST" and one.template in known]
    assert {one.template for one in added} == {"/flags", "/environments", "/keys"}
    for operation in added:
        listing = known[operation.template]
        pages = following(client, API + operation.template, 1)
        for view in [*listing.views(world.names()), *pages]:
            if world.get(view).status_code == 404:
                continue  # the states in an environment that is not there
            # The letters come first, so that the first page changes, and so do its tag and text.
            fields, content = operation.edit()
            new = content | ({"key": f"0a-{next(numbers)}"} if "key" in content else {})
            new |= {"tags": ["red"]} if operation.template == "/flags" else {}
            old, count = world.tag(view), _audited(world)
            first = client.post(view, headers=fields | {"If-Match": old}, json=new)
            assert first.status_code == 201, f"{view}: {first.text}"
            current = world.tag(view)
            if current != old:  # the archived flags, say, are the same as before
                new |= {"key": f"0a-{next(numbers)}"} if "key" in content else {}
                again = client.post(view, headers=fields | {"If-Match": old}, json=new)
                assert again.status_code == 412, f"{view}: {again.text}"
                assert again.headers["etag"] == current == world.tag(view)
            assert _audited(world) == count + 1


def _audited(world: World) -> int:
    """The number of the newest entry of the audit."""
    return int(world.get(f"{API}/audit?limit=1").json()["items"][0]["id"])


# -- nobody learns from a tag ---------------------------------------------------------------------


def _told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    fields = [item for item in answer.headers.items() if item[0] not in BY_CHANCE]
    return answer.status_code, answer.content, fields


def test_the_right_tag_opens_no_door(world: World) -> None:
    """With no key, a wrong, a revoked or a weaker one the answer is the same, whatever the tag."""
    server = world.server
    client = world.client()
    made = client.post(f"{API}/keys", json={"owner": "Gone", "role": "admin"}).json()
    revoked, read = made["token"], server.new_key("read")
    assert httpx.get(f"{server.url}{API}/flags", headers=_bearer(revoked)).status_code == 200
    client.post(f"{API}/keys/{made['id']}/revoke")
    machine = server.new_key("server", "production")
    nobody = {
        "none": {},
        "wrong": _bearer("ifm_aaaaaaaa_" + "b" * 32),
        "nonsense": {"X-API-Key": "nonsense"},
        "revoked": _bearer(revoked),
        "not for this": _bearer(machine),
    }
    with httpx.Client(base_url=server.url) as stranger:
        for path in world.everything():
            right = world.tag(path)
            keys = nobody | ({"too weak": _bearer(read)} if "/keys" in path else {})
            for kind, fields in keys.items():
                plain = stranger.get(path, headers=fields)
                assert plain.status_code in (401, 403), f"{path} with {kind}"
                assert "etag" not in plain.headers
                for name in ("If-None-Match", "If-Match"):
                    for tag in (right, '"wrong"', "*", "broken"):
                        sent = stranger.get(path, headers=fields | {name: tag})
                        assert _told(sent) == _told(plain), f"{path} with {kind}, {name}: {tag}"


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_an_edit_with_the_right_tag_opens_no_door(world: World) -> None:
    server, known = world.server, world.known
    read = server.new_key("read")
    before = world.everything()
    with httpx.Client(base_url=server.url) as stranger:
        for operation in edits(server):
            path = operation.paths(world.names())[0]
            right = world.tag(operation.tagged(known).paths(world.names())[0])
            fields, content = operation.edit()
            for status, who in ((401, {}), (401, _bearer("x" * 40)), (403, _bearer(read))):
                answers = [
                    stranger.request(
                        operation.method, path, json=content, headers=fields | who | condition
                    )
                    for condition in (
                        {},
                        {"If-Match": right},
                        {"If-Match": '"wrong"'},
                        {"If-None-Match": "*"},
                    )
                ]
                assert answers[0].status_code == status, f"{operation}: {answers[0].text}"
                assert "etag" not in answers[0].headers
                assert len({str(_told(answer)) for answer in answers}) == 1, f"{operation}"
    assert world.everything() == before


def test_what_is_not_there_is_the_same_404_with_any_tag(world: World) -> None:
    nothing = {name: ["nothing-here"] for name in world.names()}
    client = world.client()
    for operation in operations(world.server):
        if not operation.parameters("path"):
            continue
        path = operation.paths(nothing)[0]
        fields, content = operation.edit() if not operation.is_safe else ({}, None)
        answers = [
            client.request(operation.method, path, json=content, headers=fields | condition)
            for condition in ({}, {"If-Match": '"x"'}, {"If-Match": "*"}, {"If-Match": "broken"})
        ]
        assert {answer.status_code for answer in answers} == {404}, f"{operation}"
        assert len({str(_told(answer)) for answer in answers}) == 1, f"{operation}"
        assert "etag" not in answers[0].headers


def test_a_revoked_key_is_refused_within_a_second_in_every_process(world: World) -> None:
    client = world.client()
    made = client.post(f"{API}/keys", json={"owner": "Gone", "role": "read"}).json()
    elsewhere = world.client(world.servers[1], made["token"])
    tag = elsewhere.get(f"{API}/flags").headers["etag"]
    assert client.post(f"{API}/keys/{made['id']}/revoke").is_success
    revoked_at = time.monotonic()
    assert world.client(key=made["token"]).get(f"{API}/flags").status_code == 401
    asked = {"If-None-Match": tag}
    while elsewhere.get(f"{API}/flags", headers=asked).status_code != 401:
        assert time.monotonic() - revoked_at < 1.1
        time.sleep(0.02)
