"""What the front promises to programs, as an OpenAPI description: it serves none itself.

Each address outside the products that answers JSON or numbers stands here with every status that
it may answer. `fuzzing_front` helps Schemathesis past the doors of these.
"""

from __future__ import annotations

from typing import Any

PROBLEM = "application/problem+json"
RECORD = {
    "type": "object",
    "required": ["title", "place", "guests", "note"],
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string", "maxLength": 120},
        "place": {"type": "string", "maxLength": 120},
        "guests": {"type": "integer", "minimum": 0, "maximum": 10_000},
        "note": {"type": "string", "maxLength": 1000},
    },
}
ASKED = {
    "type": "object",
    "required": ["method", "fields"],
    "properties": {
        "method": {"enum": ["GET", "HEAD", "PUT"]},
        "fields": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 2,
                "maxItems": 2,
            },
        },
        "state": {"type": "string", "maxLength": 200, "nullable": True},
    },
}
TAGGED = {"ETag": {"required": True, "schema": {"type": "string", "pattern": '^W/"[0-9a-f]{16}"$'}}}
_PLACED = TAGGED | {"Location": {"required": True, "schema": {"type": "string"}}}
_REFUSALS = {
    "400": "A condition, a key or the content cannot be read.",
    "401": "No key that is known.",
    "403": "A key that may not do this.",
    "404": "There is none.",
    "412": "The condition does not hold.",
    "413": "The content is too large.",
    "415": "The content is of another type.",
    "422": "The content is not as described.",
    "429": "Too many.",
    "503": "Not ready.",
}


def _answers(
    content: dict[str, Any] | None, *refusals: int, status: int = 200, **success: Any
) -> dict[str, Any]:
    """The answers of one operation; `content` is by media type."""
    described = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {"detail": {"type": "string", "minLength": 10}},
    }
    found: dict[str, Any] = {
        str(status): {"description": "It is done.", "content": content or {}} | success
    }
    for one in refusals:
        found[str(one)] = {
            "description": _REFUSALS.get(str(one), "Nothing changed."),
            "content": {} if one == 304 else {PROBLEM: {"schema": described}},
        }
    return found


def _json(schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"application/json": {"schema": schema or {"type": "object"}}}


def _conditions(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]


_BY_ID = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
_OPEN: dict[str, Any] = {"security": []}
_PATHS: dict[str, Any] = {
    "/healthz": {"get": _OPEN | {"responses": _answers(_json())}},
    "/readyz": {"get": _OPEN | {"responses": _answers(_json(), 503)}},
    "/metrics": {
        "get": {
            "responses": _answers(
                {
                    kind: {"schema": {"type": "string"}}
                    for kind in ("text/plain", "application/openmetrics-text")
                },
                *(400, 401, 403),
            )
        }
    },
    "/overview": {
        "get": {
            "parameters": _conditions("If-None-Match"),
            "responses": _answers(_json(), 304, 400, 401, 403, headers=TAGGED),
        }
    },
    "/playground/records": {
        "post": {
            "responses": _answers(_json(RECORD), 400, 401, 403, 429, status=201, headers=_PLACED)
        }
    },
    "/playground/records/{id}": {
        "parameters": _BY_ID,
        "get": {
            "parameters": _conditions("If-Match", "If-None-Match"),
            "responses": _answers(_json(RECORD), 304, 400, 401, 403, 404, 412, headers=TAGGED),
        },
        "put": {
            "parameters": _conditions("If-Match", "If-None-Match"),
            "requestBody": {"required": True, "content": _json(RECORD)},
            "responses": _answers(
                _json(RECORD), 400, 401, 403, 404, 412, 413, 415, 422, headers=TAGGED
            ),
        },
    },
    "/playground/explain": {
        "post": {
            "requestBody": {"required": True, "content": _json(ASKED)},
            "responses": _answers(_json(), 400, 401, 403, 413, 415, 422),
        }
    },
}

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "The front of quartet", "version": "1"},
    "paths": _PATHS,
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "security": [{"bearer": []}],
}
"""OpenAPI 3.0, as Schemathesis reads it."""
