"""The description of an API says what its declarations promise, for one route and for all."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from ifmatch import Comparison, ETag
from ifmatch.core.reply import PROBLEM_JSON
from ifmatch.server.fastapi import PUBLIC, Conditional, ConditionalRoute
from ifmatch.server.openapi import completed, description, document, operations_of, problem_doc
from ifmatch.server.starlette import conditional

TAG = ETag("now", weak=True)
BEARER = {"type": "http", "scheme": "bearer"}
FIELD = {"type": "apiKey", "in": "header", "name": "X-API-Key"}


def anybody_with_a_key(_request: Request) -> str:
    return "ada"


def declared(**more: Any) -> Conditional:
    given: dict[str, Any] = {"authorize": anybody_with_a_key, "comparison": Comparison.STATE}
    return Conditional(**(given | {"tag": lambda _: TAG} | more))


def application(**more: Any) -> FastAPI:
    """Notes to read and to write; anybody may read the terms."""
    routes = APIRouter(route_class=ConditionalRoute)

    @routes.get("/notes")
    @declared(roles=("read",), **more)
    def listed() -> Response:
        return Response()

    @routes.get("/notes/{key}")
    @declared(**more)
    def read(key: str) -> Response:
        return Response()

    @routes.put("/notes/{key}")
    @declared(roles=("write",), required=True, **more)
    def write(key: str) -> Response:
        return Response()

    @routes.get("/terms")
    @declared(authorize=PUBLIC, vary=())
    def terms() -> Response:
        return Response()

    app = FastAPI()
    app.include_router(routes)
    return app


def paths(app: FastAPI) -> Any:
    return app.openapi()["paths"]


def test_one_line_names_the_keys_and_the_roles_of_a_whole_application() -> None:
    app = application()
    document(app, security={"bearer": BEARER, "field": FIELD})
    described = app.openapi()
    assert described["components"]["securitySchemes"] == {"bearer": BEARER, "field": FIELD}
    assert described["security"] == [{"bearer": []}, {"field": []}]
    found = described["paths"]
    assert found["/notes/{key}"]["put"]["security"] == [{"bearer": ["write"]}, {"field": ["write"]}]
    assert "security" not in found["/notes/{key}"]["get"], "that of the document"
    assert found["/terms"]["get"]["security"] == [], "nobody needs a key"


def test_it_has_the_problem_once_and_refers_to_it() -> None:
    app = application()
    document(app)
    schema = app.openapi()["components"]["schemas"]["Problem"]
    assert set(schema["required"]) == {"type", "title", "status", "detail"}
    for one in operations_of(app.openapi()):
        for status, answer in one["responses"].items():
            if int(status) >= 400:
                assert answer["content"] == {
                    PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}
                }


def test_what_any_route_may_answer_is_said_of_each_and_overrides_none() -> None:
    app = application()
    document(app, everywhere={429: problem_doc("Too many."), 412: problem_doc("Never said.")})
    for one in operations_of(app.openapi()):
        assert one["responses"]["429"]["description"] == "Too many."
        assert one["responses"]["412"]["description"] != "Never said."


def test_members_of_the_document_itself_are_added() -> None:
    app = application()
    document(app, more={"externalDocs": {"url": "/developers"}})
    assert app.openapi()["externalDocs"] == {"url": "/developers"}
    assert app.openapi() is app.openapi(), "it is made once"


def test_the_description_that_is_completed_stays_as_it_was() -> None:
    plain: dict[str, Any] = {"info": {}, "paths": {"/a": {"get": {"responses": {}}}}}
    made = completed(plain, everywhere={429: problem_doc("Too many.")})
    assert plain == {"info": {}, "paths": {"/a": {"get": {"responses": {}}}}}
    assert set(made["paths"]["/a"]["get"]["responses"]) == {"429"}


def test_a_list_is_always_there_and_anybody_is_refused_nothing() -> None:
    found = paths(application())
    assert "404" not in found["/notes"]["get"]["responses"]
    assert "404" in found["/notes/{key}"]["get"]["responses"]
    assert {"401", "403"} <= set(found["/notes"]["get"]["responses"])
    assert not {"400", "401", "403"} & set(found["/terms"]["get"]["responses"])


def test_a_refusal_names_the_role_that_is_needed() -> None:
    refused = paths(application())["/notes/{key}"]["put"]["responses"]["403"]
    assert refused["description"].endswith("it needs the role write.")


@pytest.mark.parametrize(("weak", "begins"), [(True, '^W/"'), (False, '^(W/)?"')])
def test_the_pattern_of_tags_says_whether_all_are_weak(weak: bool, begins: str) -> None:
    found = paths(application(weak=weak))["/notes/{key}"]
    for method, status in (("get", "200"), ("get", "304"), ("put", "200")):
        header = found[method]["responses"][status]["headers"]["ETag"]
        assert header["schema"]["pattern"].startswith(begins)


# -- routes of Starlette ---------------------------------------------------------------------------


async def evaluate(_request: Request) -> Response:
    """All flags.

    More of it.
    """
    return Response()


async def plain(_request: Request) -> Response:
    return Response()


def starlette() -> Starlette:
    safe = conditional(declared(safe=True, roles=("server", "client")), evaluate, ["POST"])
    within = [
        Route("/all", safe, methods=["POST"]),
        Route("/one/{key:path}", plain, methods=["POST"]),
        Route("/hidden", plain, include_in_schema=False),
    ]
    return Starlette(routes=[Mount("/v1", routes=within)])


def test_routes_of_starlette_are_described_by_their_declarations() -> None:
    made = description(starlette(), title="Flags", version="1", security={"bearer": BEARER})
    assert made["info"] == {"title": "Flags", "version": "1"}
    assert set(made["paths"]) == {"/v1/all", "/v1/one/{key}"}
    asked = made["paths"]["/v1/all"]["post"]
    assert asked["summary"] == "All flags."
    assert asked["operationId"] == "evaluate_post"
    assert asked["security"] == [{"bearer": ["server", "client"]}]
    assert [one["name"] for one in asked["parameters"]] == ["If-None-Match"]
    assert {"200", "304", "400", "401", "403", "412", "413", "415"} <= set(asked["responses"])


def test_of_a_route_without_a_declaration_it_says_only_that_it_is_there() -> None:
    made = description(starlette(), title="Flags", version="1")
    one = made["paths"]["/v1/one/{key}"]["post"]
    assert set(one["responses"]) == {"200"}
    assert [(field["name"], field["in"]) for field in one["parameters"]] == [("key", "path")]
