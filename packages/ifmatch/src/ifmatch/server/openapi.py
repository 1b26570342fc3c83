"""What OpenAPI says of conditional requests, taken from the declarations that are served.

`ConditionalRoute` describes each route by itself. One line makes the description of a whole FastAPI
application complete: the problem as one schema, how a key is sent, which role each route needs.

    document(app, security={"bearer": {"type": "http", "scheme": "bearer"}})

Routes of Starlette, which describes nothing, are described from the same declarations:

    described = description(app.routes, title="Evaluation", version="1")
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from ifmatch.core.reply import PROBLEM_JSON
from ifmatch.server.starlette import PUBLIC, Conditional, declaration_of

Document = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]

PROBLEM_SCHEMA: Document = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what to do next."},
    },
}
"""What every refusal has; each kind of problem may have members of its own beside these."""

_NAME = "Problem"
_METHODS = ("get", "put", "post", "delete", "patch", "query")


def problem_doc(description: str) -> Document:
    """The description of an answer in problem details."""
    return {"description": description, "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA}}}


# -- one route -------------------------------------------------------------------------------------


def operation(
    declared: Conditional, methods: Sequence[str], path: str, success: int = 200
) -> tuple[Responses, Document]:
    """What a declared route answers, and what else its operation has.

    The first are the `responses` by status. The second holds the `parameters` of conditions, and
    `security`, where the declaration is public or names roles.
    """
    reads = declared.safe or list(methods) == ["GET"]
    responses = _read_responses(declared) if reads else _write_responses(declared, methods, success)
    if "{" not in path:
        del responses[404]  # a list is always there
    if declared.authorize is PUBLIC:
        for status in (401, 403):
            responses.pop(status, None)
    elif declared.roles:
        needed = " or ".join(declared.roles)
        responses[403] = problem_doc(f"The key may not do this; it needs the role {needed}.")
    extra: Document = {"parameters": deepcopy(_READ_FIELDS if reads else _WRITE_FIELDS)}
    if declared.authorize is PUBLIC:
        extra["security"] = []
    elif declared.roles:
        extra["security"] = [{_ANY_KEY: list(declared.roles)}]
    return responses, extra


_ANY_KEY = "key"
"""Stands for every way to send a key, until `document` knows which there are."""


def etag_header(declared: Conditional) -> Document:
    """The description of the ETag field of such a route's answers."""
    shape = '^W/"[^"]*"$' if declared.weak else '^(W/)?"[^"]*"$'
    schema = {"type": "string", "pattern": shape}
    return {"ETag": {"schema": schema, "description": "The current entity tag."}}


def _read_responses(declared: Conditional) -> Responses:
    headers = etag_header(declared)
    responses: Responses = {
        200: {"description": "The current representation.", "headers": headers},
        304: {
            "description": "What you have is current: If-None-Match matched. There is no content.",
            "headers": headers,
        },
        401: problem_doc("No key, or one that is not known."),
        403: problem_doc("The key may not do this."),
        404: problem_doc("There is no such resource."),
        412: problem_doc("If-Match named another state than the current one."),
        422: problem_doc("The request cannot be understood; `errors` names each field."),
    }
    if declared.authorize is not PUBLIC:
        responses[400] = problem_doc("The request contradicts itself: it has two different keys.")
    if declared.safe:
        responses[400] = problem_doc("The content cannot be read.")
        responses[413] = problem_doc("The content is too long.")
        responses[415] = problem_doc("The content is of another type than this takes.")
    return responses


def _write_responses(declared: Conditional, methods: Sequence[str], success: int) -> Responses:
    responses: Responses = {
        400: problem_doc(
            "A condition is malformed (`position` and `suggestion` help), or there are two keys."
        ),
        401: problem_doc("No key, or one that is not known."),
        403: problem_doc("The key may not do this."),
        404: problem_doc("There is no such resource."),
        409: problem_doc("It does not fit what is there."),
        412: problem_doc("It was changed since you read it; `etag` is the current tag."),
        413: problem_doc("The content is too long."),
        415: problem_doc("The content is of another type than this takes."),
        422: problem_doc("The content is wrong; `errors` names each field and its remedy."),
    }
    if success != 204 and (declared.represent or not {"POST", "DELETE"} & set(methods)):
        # Of what a POST to a list makes, the list's declaration says nothing.
        responses[success] = {"headers": etag_header(declared)}
    if declared.required is not False:  # a function may say so at a request
        responses[428] = problem_doc("A change here needs If-Match, a creation If-None-Match: *.")
    return responses


def _field(name: str, description: str) -> Document:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": description,
    }


_READ_FIELDS = [_field("If-None-Match", "The tags you have; answered 304 if one is current.")]
_WRITE_FIELDS = [
    _field("If-Match", "The tag of the state that the change was made on."),
    _field("If-None-Match", "`*` to create, and only to create."),
]


# -- a whole application ---------------------------------------------------------------------------


def document(
    app: Any,
    *,
    security: Mapping[str, Document] | None = None,
    everywhere: Mapping[int, Document] | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Make the description of a FastAPI application say all that its routes promise.

    `security` are the ways to send a key, of which any is enough; `everywhere` are answers that any
    route may give, such as 429; `more` are members of the document itself, such as `externalDocs`.
    """
    plain = app.openapi
    made: list[Document] = []

    def openapi() -> Document:
        if not made:
            made.append(completed(plain(), security=security, everywhere=everywhere, more=more))
        return made[0]

    app.openapi = openapi


def completed(
    document: Mapping[str, Any],
    *,
    security: Mapping[str, Document] | None = None,
    everywhere: Mapping[int, Document] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Document:
    """The document with one schema for problems, with keys and roles, and with `everywhere`."""
    made: Document = deepcopy(dict(document)) | dict(more or {})
    ways = dict(security or {})
    for described in operations_of(made):
        for status, answer in (everywhere or {}).items():
            described["responses"].setdefault(str(status), deepcopy(answer))
        described["responses"] = dict(sorted(described["responses"].items()))
        asked = described.get("security")
        if asked:
            roles = asked[0].get(_ANY_KEY, [])
            described["security"] = [{name: roles} for name in ways]
            if not ways:
                del described["security"]
    components = made.setdefault("components", {})
    components.setdefault("schemas", {})[_NAME] = deepcopy(PROBLEM_SCHEMA)
    made["paths"] = _referring(made.get("paths", {}))
    if ways:
        components["securitySchemes"] = ways
        made["security"] = [{name: []} for name in ways]
    return made


def operations_of(document: Mapping[str, Any]) -> Iterable[Document]:
    """Every operation of a document."""
    for methods in document.get("paths", {}).values():
        yield from (one for method, one in methods.items() if method in _METHODS)


def _referring(value: Any) -> Any:
    """The same with a reference wherever the schema of problems stands."""
    if value == PROBLEM_SCHEMA:
        return {"$ref": f"#/components/schemas/{_NAME}"}
    if isinstance(value, dict):
        return {name: _referring(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_referring(one) for one in value]
    return value


# -- routes of Starlette ---------------------------------------------------------------------------


def description(
    served: Starlette | Iterable[BaseRoute],
    *,
    title: str,
    version: str,
    security: Mapping[str, Document] | None = None,
    everywhere: Mapping[int, Document] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Document:
    """The description of Starlette's routes: of each the first line of its docstring.

    What a route answers is said where `conditional` made its endpoint; of any other, only that it
    is there.
    """
    routes = served.routes if isinstance(served, Starlette) else served
    info = {"title": title, "version": version}
    plain = {"openapi": "3.1.0", "info": info, "paths": _paths(routes, "")}
    return completed(plain, security=security, everywhere=everywhere, more=more)


_CONVERTOR = re.compile(r"\{(\w+):\w+\}")


def _paths(routes: Iterable[BaseRoute], above: str) -> Document:
    found: Document = {}
    for route in routes:
        if isinstance(route, Mount):
            found |= _paths(route.routes, above + route.path)
        elif isinstance(route, Route) and route.include_in_schema:
            path = above + _CONVERTOR.sub(r"{\1}", route.path)
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                found.setdefault(path, {})[method.lower()] = _described(route, method, path)
    return found


def _described(route: Route, method: str, path: str) -> Document:
    declared = declaration_of(route.endpoint)
    responses: Responses = {200: {"description": "Done."}}
    extra: Document = {"parameters": []}
    if declared is not None:
        responses, extra = operation(declared, [method], path)
    names = re.findall(r"\{(\w+)\}", path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    said = inspect.getdoc(route.endpoint) or ""
    return {
        "summary": said.partition("\n")[0],
        "operationId": f"{route.name}_{method.lower()}",
        **extra,
        "parameters": [*parameters, *extra["parameters"]],
        "responses": {str(status): one for status, one in responses.items()},
    }
