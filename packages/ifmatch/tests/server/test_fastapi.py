"""Routes of FastAPI: judged before the body is read, documented, and guarded to the commit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from ifmatch import Comparison, Conflict, ETag, Missing, unchanged
from ifmatch.core.decide import Validators
from ifmatch.core.errors import ImpossibleDeclaration
from ifmatch.server import starlette
from ifmatch.server.fastapi import (
    PUBLIC,
    Conditional,
    ConditionalRoute,
    Guarded,
    TaggedResponse,
)
from ifmatch.store.memory import MemoryStore

OLD = {"If-Match": '"old"'}


class Note(BaseModel):
    """A note."""

    title: str


class Notes:
    """A small API over a store, with its own account of what ran."""

    def __init__(self, **declared: Any) -> None:
        already = declared.get("already_applied", False)
        self.store: MemoryStore[int] = MemoryStore(already_applied=already)
        self.store.create(1, {"title": "Tea"})
        self.ran: list[str] = []
        self.meanwhile: Any = lambda: None
        options: dict[str, Any] = {"comparison": Comparison.STATE, "required": True} | declared
        router = APIRouter(route_class=ConditionalRoute)
        reads = Conditional(authorize=self.who, tag=self.tag)
        writes = Conditional(authorize=self.who, tag=self.tag, **options)

        @router.get("/notes/{number}", response_model=Note)
        @reads
        def read(number: int) -> Response:
            self.ran.append("read")
            found = self.store.read(number)
            assert found is not None
            return TaggedResponse(found)

        @router.put("/notes/{number}", response_model=Note)
        @writes
        def replace(number: int, note: Note, guard: Guarded) -> Response:
            self.ran.append("replace")
            self.meanwhile()
            made = self.store.replace(number, note.model_dump(), guard)
            return TaggedResponse(made, content_location=f"/notes/{number}")

        @router.delete("/notes/{number}", status_code=204)
        @writes
        def delete(number: int, guard: Guarded) -> Response:
            self.ran.append("delete")
            self.meanwhile()
            self.store.delete(number, guard)
            return Response(status_code=204)

        self.app = FastAPI()
        self.app.include_router(router, prefix="/api")
        self.client = TestClient(self.app)

    def who(self, request: Request) -> str:
        if request.headers.get("x-key") == "none":
            raise HTTPException(401)
        return "Ada"

    def tag(self, request: Request) -> ETag | None:
        found = self.store.tag(int(request.path_params["number"]))
        if found is None and request.method != "PUT":
            raise HTTPException(404, "There is no such note.")
        return found

    @property
    def now(self) -> dict[str, str]:
        return {"If-Match": str(self.store.tag(1))}


@pytest.fixture
def notes() -> Notes:
    return Notes()


def test_each_refusal_comes_before_the_content_is_looked_at(notes: Notes) -> None:
    """The content is broken JSON of another type than it says, and nobody minds until its turn."""
    put = notes.client.put
    broken: dict[str, Any] = {"content": b"{"}
    json = {"Content-Type": "application/json"}
    assert put("/api/notes/1", headers={"x-key": "none"} | OLD, **broken).status_code == 401
    assert notes.client.delete("/api/notes/9", headers=OLD).status_code == 404
    assert put("/api/notes/1", headers={"If-Match": "a b"}, **broken).status_code == 400
    assert put("/api/notes/1", **broken).status_code == 428
    assert put("/api/notes/1", headers=OLD, **broken).status_code == 412
    assert put("/api/notes/1", headers=notes.now, content=b"x").status_code == 415
    assert put("/api/notes/1", headers=notes.now | json, **broken).status_code == 422
    big = b'"' + b"x" * 1_048_576 + b'"'
    assert put("/api/notes/1", headers=notes.now | json, content=big).status_code == 413
    assert notes.ran == []
    assert notes.store.read(1).value == {"title": "Tea"}  # type: ignore[union-attr]


def test_no_byte_of_content_is_asked_for_before_the_verdict(notes: Notes) -> None:
    """Whoever calls `receive` makes the server send 100 Continue."""

    async def refused() -> int:
        answers: list[Any] = []

        async def receive() -> Any:
            raise AssertionError("the content was asked for")

        async def send(message: Any) -> None:
            answers.append(message)

        scope = {
            "type": "http",
            "method": "PUT",
            "path": "/api/notes/1",
            "raw_path": b"/api/notes/1",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"if-match", b'"old"'), (b"expect", b"100-continue")],
        }
        await notes.app(scope, receive, send)
        return int(answers[0]["status"])

    assert asyncio.run(refused()) == 412


def test_the_first_writer_saves_and_the_second_is_told(notes: Notes) -> None:
    tag = notes.now
    first = notes.client.put("/api/notes/1", json={"title": "Milk"}, headers=tag)
    second = notes.client.put("/api/notes/1", json={"title": "Rum"}, headers=tag)
    assert (first.status_code, second.status_code) == (200, 412)
    assert first.headers["etag"] == second.headers["etag"] == str(notes.store.tag(1))
    assert first.headers["content-location"] == "/notes/1"
    assert second.headers["content-type"] == "application/problem+json"
    assert second.headers["cache-control"] == "no-store"
    assert second.json()["etag"] == first.headers["etag"]


def test_a_conflict_at_the_commit_is_the_same_412_with_the_fresh_tag(notes: Notes) -> None:
    notes.meanwhile = lambda: notes.store.replace(1, {"title": "Milk"})
    answer = notes.client.put("/api/notes/1", json={"title": "Rum"}, headers=notes.now)
    assert answer.status_code == 412
    assert answer.headers["etag"] == str(notes.store.tag(1))
    assert notes.store.read(1).value == {"title": "Milk"}  # type: ignore[union-attr]


def test_a_thing_that_goes_meanwhile_is_404(notes: Notes) -> None:
    notes.meanwhile = lambda: notes.store.delete(1)
    assert notes.client.delete("/api/notes/1", headers=notes.now).status_code == 404


def test_a_304_runs_no_endpoint(notes: Notes) -> None:
    tag = str(notes.store.tag(1))
    answer = notes.client.get("/api/notes/1", headers={"If-None-Match": tag})
    assert (answer.status_code, notes.ran) == (304, [])


def test_head_is_get_without_its_content(notes: Notes) -> None:
    got, headed = notes.client.get("/api/notes/1"), notes.client.head("/api/notes/1")
    assert headed.status_code == 200
    assert headed.content == b""
    assert headed.headers == got.headers
    tag = {"If-None-Match": got.headers["etag"]}
    assert notes.client.head("/api/notes/1", headers=tag).status_code == 304


def test_an_unconditional_put_to_nothing_never_overwrites_who_was_quicker() -> None:
    notes = Notes(required=False)
    notes.meanwhile = lambda: notes.store.create(2, {"title": "Milk"})
    answer = notes.client.put("/api/notes/2", json={"title": "Rum"})
    assert answer.status_code == 412
    assert notes.store.read(2).value == {"title": "Milk"}  # type: ignore[union-attr]


def test_required_may_be_asked_of_each_request_in_a_thread() -> None:
    import threading

    threads: list[str] = []

    def required(_request: Request) -> bool:
        threads.append(threading.current_thread().name)
        return True

    notes = Notes(required=required)
    assert notes.client.put("/api/notes/1", json={"title": "Rum"}).status_code == 428
    assert threads
    assert "MainThread" not in threads


def test_a_star_satisfies_required_only_where_that_is_declared() -> None:
    star = {"If-Match": "*"}
    strict, loose = Notes(), Notes(any_satisfies=True)
    wish = {"title": "Rum"}
    assert strict.client.put("/api/notes/1", json=wish, headers=star).status_code == 428
    assert loose.client.put("/api/notes/1", json=wish, headers=star).status_code == 200


def test_a_malformed_condition_names_its_place_and_the_corrected_field(notes: Notes) -> None:
    answer = notes.client.put("/api/notes/1", json={"title": "Rum"}, headers={"If-Match": "abc"})
    assert answer.status_code == 400
    assert answer.json()["position"] == 0
    assert answer.json()["suggestion"] == 'If-Match: "abc"'
    failed = Notes(refuse_malformed=False).client
    answer = failed.put("/api/notes/1", json={"title": "Rum"}, headers={"If-Match": "abc"})
    assert answer.status_code == 412


# -- 13.1.1: the wish is fulfilled already ---------------------------------------------------------


@pytest.fixture
def excusing() -> Notes:
    return Notes(already_applied=True)


def test_a_repeated_put_whose_answer_was_lost_is_told_that_it_was_saved(excusing: Notes) -> None:
    tag = excusing.now
    wish = {"title": "Milk"}
    for _ in range(2):
        assert excusing.client.put("/api/notes/1", json=wish, headers=tag).status_code == 200
    other = excusing.client.put("/api/notes/1", json={"title": "Rum"}, headers=tag)
    assert other.status_code == 412


def test_without_that_setting_the_repeated_put_is_412(notes: Notes) -> None:
    tag = notes.now
    statuses = [
        notes.client.put("/api/notes/1", json={"title": "Milk"}, headers=tag).status_code
        for _ in range(2)
    ]
    assert statuses == [200, 412]


@pytest.mark.parametrize("content", [b"{", b'{"title": 1}', b'"' + b"x" * 70_000 + b'"'])
def test_content_that_is_wrong_or_long_leaves_the_412_standing(
    excusing: Notes, content: bytes
) -> None:
    headers = OLD | {"Content-Type": "application/json"}
    answer = excusing.client.put("/api/notes/1", content=content, headers=headers)
    assert answer.status_code == 412


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_what_is_wrong_with_the_wish_is_not_said_where_the_condition_has_failed(
    excusing: Notes, status: int
) -> None:
    """The condition comes first; the content was only read to see whether it is there already."""

    def refuse() -> None:
        raise HTTPException(status)

    excusing.meanwhile = refuse
    answer = excusing.client.put("/api/notes/1", json={"title": "Rum"}, headers=OLD)
    assert (answer.status_code, excusing.ran) == (412, ["replace"])
    assert excusing.client.put("/api/notes/1", json={"title": "Rum"}, headers=excusing.now).is_error


def test_content_that_is_slow_to_come_leaves_the_412_standing(
    excusing: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starlette, "_APPLIED_SECONDS", 0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(30)

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(b"if-match", b'"old"'), (b"content-length", b"15")]
    fields.append((b"content-type", b"application/json"))
    scope: dict[str, Any] = {"type": "http", "method": "PUT", "path": "/api/notes/1"}
    scope |= {
        "headers": fields,
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
    }
    asyncio.run(excusing.app(scope, receive, send))
    assert (sent[0]["status"], excusing.ran) == (412, [])


def test_content_that_the_client_holds_back_is_not_asked_for(excusing: Notes) -> None:
    headers = OLD | {"Expect": "100-continue"}
    answer = excusing.client.put("/api/notes/1", json={"title": "Tea"}, headers=headers)
    assert (answer.status_code, excusing.ran) == (412, [])


def test_a_delete_is_never_excused(excusing: Notes) -> None:
    assert excusing.client.delete("/api/notes/1", headers=OLD).status_code == 412


# -- 412 with the representation -------------------------------------------------------------------


def test_prefer_return_representation_saves_a_round_trip() -> None:
    notes = Notes()
    notes = Notes(represent=lambda _: notes.store.read(1), explain=lambda _: {"by": "Ada"})
    answer = notes.client.put(
        "/api/notes/1",
        json={"title": "Rum"},
        headers=OLD | {"Prefer": "respond-async, return=representation"},
    )
    assert answer.status_code == 412
    assert answer.json() == {"title": "Tea"}
    assert answer.headers["etag"] == str(notes.store.tag(1))
    assert answer.headers["preference-applied"] == "return=representation"
    assert answer.headers["content-location"] == "/api/notes/1"
    assert "Prefer" in answer.headers["vary"]
    plain = notes.client.put("/api/notes/1", json={"title": "Rum"}, headers=OLD)
    assert plain.json()["by"] == "Ada"


# -- declarations and description ---------------------------------------------------------------


def test_a_route_that_could_never_work_is_refused_when_it_is_made() -> None:
    router = APIRouter(route_class=ConditionalRoute)

    @Conditional(authorize=PUBLIC, tag=lambda _: ETag("a", weak=True))
    def replace() -> None: ...

    with pytest.raises(ImpossibleDeclaration, match="PUT /notes"):
        router.put("/notes")(replace)
    router.get("/notes")(replace)


def test_a_route_without_a_declaration_is_an_ordinary_one() -> None:
    app = FastAPI()
    app.router.route_class = ConditionalRoute

    @app.get("/plain")
    def read() -> dict[str, int]:
        return {"a": 1}

    client = TestClient(app)
    assert client.get("/plain").json() == {"a": 1}
    assert "etag" not in client.get("/plain").headers
    assert client.head("/plain").status_code == 200


def test_the_description_has_the_conditions_and_their_answers(notes: Notes) -> None:
    paths = notes.app.openapi()["paths"]["/api/notes/{number}"]
    fields = {one["name"] for one in paths["get"]["parameters"]}
    assert {"number", "If-None-Match"} == fields
    assert {"200", "304", "401", "404"} <= set(paths["get"]["responses"])
    fields = {one["name"] for one in paths["put"]["parameters"]}
    assert {"number", "If-Match", "If-None-Match"} == fields
    assert {"400", "401", "412", "413", "415", "422", "428"} <= set(paths["put"]["responses"])
    assert "ETag" in paths["get"]["responses"]["304"]["headers"]
    for status in ("400", "412", "428"):
        content = paths["put"]["responses"][status]["content"]
        assert list(content) == ["application/problem+json"]
    assert "head" not in paths


@pytest.mark.parametrize(
    ("required", "described"), [(False, False), (True, True), (lambda request: False, True)]
)
def test_the_description_has_428_only_where_a_condition_may_be_asked_for(
    required: Any, described: bool
) -> None:
    paths = Notes(required=required).app.openapi()["paths"]["/api/notes/{number}"]
    assert ("428" in paths["put"]["responses"]) is described


def test_a_router_in_a_router_keeps_it_all_and_says_it_once(notes: Notes) -> None:
    outer = APIRouter()
    outer.include_router(notes.app.router, prefix="/v1")
    app = FastAPI()
    app.include_router(outer, prefix="/deep")
    client = TestClient(app)
    for method, asked in (("get", ["If-None-Match"]), ("put", ["If-Match", "If-None-Match"])):
        described = app.openapi()["paths"]["/deep/v1/api/notes/{number}"][method]
        assert [one["name"] for one in described["parameters"]] == ["number", *asked]
    path = "/deep/v1/api/notes/1"
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert client.head(path).headers["etag"] == tag
    assert client.put(path, json={"title": "Rum"}).status_code == 428
    assert client.put(path, json={"title": "Rum"}, headers=OLD).status_code == 412
    assert client.put(path, json={"title": "Rum"}, headers={"If-Match": tag}).status_code == 200


def test_a_mounted_api_answers_alike(notes: Notes) -> None:
    outer = FastAPI()
    outer.mount("/outer", notes.app)
    client = TestClient(outer)
    tag = client.get("/outer/api/notes/1").headers["etag"]
    answer = client.get("/outer/api/notes/1", headers={"If-None-Match": tag})
    assert answer.status_code == 304


def test_store_errors_say_what_they_are_to_code_without_a_server() -> None:
    store: MemoryStore[int] = MemoryStore()
    store.create(1, {"title": "Tea"})
    with pytest.raises(Conflict) as conflict:
        store.replace(1, {"title": "Rum"}, unchanged(ETag("old")))
    assert conflict.value.current == store.tag(1)
    with pytest.raises(Missing):
        store.patch(2, lambda note: note)
    assert Validators(store.tag(1)).etag == store.tag(1)
