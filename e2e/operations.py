"""FlagBit's API as it describes itself, and how a test reaches what is described.

Tests that hold for every route take the routes from the running server. A route, a parameter or an
edit that is not in the tables below fails them: whoever adds a route says here how it is reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx

from e2e.program import API, Server

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

FLAG = {
    "type": "boolean",
    "variants": {"on": True, "off": False},
    "default_variant": "off",
    "off_variant": "off",
}
STATE = {"enabled": True, "rules": [], "fallthrough": {"variant": "on"}}

QUERIES: dict[str, tuple[str, ...]] = {
    "environment": ("production", "development"),  # 422 where there is none
    "flag": ("a", "nothing"),
    "tag": ("red",),
    "q": ("a",),
    "archived": ("true", "false"),
    "limit": ("1", "500"),
    "cursor": (),  # `next` of a page, which no table can know; see `following`
}
"""Values of each query parameter that select another view of a list."""

EDITS: dict[tuple[str, str], tuple[str, Any] | None] = {
    ("POST", "/flags"): (JSON, FLAG | {"key": "made-by-post"}),
    ("PUT", "/flags/{key}"): (JSON, FLAG | {"description": "put"}),
    ("PATCH", "/flags/{key}"): (MERGE_PATCH, {"description": "patched"}),
    ("DELETE", "/flags/{key}"): None,
    ("PUT", "/flags/{flag}/environments/{environment}"): (JSON, STATE),
    ("PATCH", "/flags/{flag}/environments/{environment}"): (
        MERGE_PATCH,
        {"fallthrough": {"variant": "on"}},
    ),
    ("POST", "/flags/{flag}/environments/{environment}/toggle"): None,
    ("POST", "/environments"): (JSON, {"key": "made-by-post", "name": "Made"}),
    ("PUT", "/environments/{environment}"): (JSON, {"name": "Put"}),
    ("PATCH", "/environments/{environment}"): (MERGE_PATCH, {"name": "Patched"}),
    ("DELETE", "/environments/{environment}"): None,
    ("PUT", "/projects/{project}"): (JSON, {"name": "Put"}),
    ("PATCH", "/projects/{project}"): (MERGE_PATCH, {"name": "Patched"}),
    ("POST", "/import"): (
        JSON,
        {
            "format": "flagbit-export",
            "version": 1,
            "projects": [
                {
                    "key": "default",
                    "name": "Imported",
                    "flags": [FLAG | {"key": "imported", "states": {}}],
                }
            ],
        },
    ),
    ("POST", "/keys"): (JSON, {"owner": "a machine", "role": "read"}),
    ("POST", "/keys/{id}/rotate"): None,
    ("POST", "/keys/{id}/revoke"): None,
}
"""What each editing route takes, such that it changes something: media type and content."""


@dataclass(frozen=True)
class Operation:
    """One method of one path of the description."""

    method: str
    template: str
    described: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def is_safe(self) -> bool:
        """A GET, or a POST that is marked as a safe read: it is answered 304."""
        return self.method == "GET" or "304" in self.described["responses"]

    def parameters(self, place: str) -> list[str]:
        """The names of its parameters in the path or the query."""
        found = self.described.get("parameters", ())
        return [one["name"] for one in found if one["in"] == place]

    def paths(self, names: Mapping[str, Sequence[str]]) -> list[str]:
        """Its addresses, with each parameter of the path in turn; `names` has their values."""
        wanted = self.parameters("path")
        unknown = sorted(set(wanted) - set(names))
        assert not unknown, f"{self}: teach this test values of {unknown}"
        return [
            API + self.template.format(**dict(zip(wanted, values, strict=True)))
            for values in product(*(names[name] for name in wanted))
        ]

    def views(self, names: Mapping[str, Sequence[str]]) -> list[str]:
        """Its addresses, with and without each parameter of the query."""
        unknown = sorted(set(self.parameters("query")) - set(QUERIES))
        assert not unknown, f"{self}: add values of {unknown} to e2e/operations.py"
        asked = ["", *(f"?{n}={v}" for n in self.parameters("query") for v in QUERIES[n])]
        return [path + query for path in self.paths(names) for query in asked]

    def edit(self) -> tuple[dict[str, str], Any]:
        """The fields and the content of an edit that changes something."""
        assert (self.method, self.template) in EDITS, f"{self}: add it to e2e/operations.py"
        found = EDITS[self.method, self.template]
        return ({}, None) if found is None else ({"Content-Type": found[0]}, found[1])

    def tagged(self, reads: Sequence[Operation]) -> Operation:
        """The GET whose tag guards this edit: of the same path, or of the one above it."""
        path = guarding_address(self.template)
        while path:
            for one in reads:
                if one.template == path:
                    return one
            path = path.rpartition("/")[0]
        raise AssertionError(f"{self}: nothing that is read has the tag that guards it")


def guarding_address(path: str) -> str:
    """Where the tag is read that guards an edit at that address."""
    if path.endswith("/import"):
        return path.removesuffix("import") + "export"
    return path.removesuffix("/toggle").removesuffix("/revoke").removesuffix("/rotate")


def operations(server: Server) -> list[Operation]:
    """Everything that the server's description of FlagBit has."""
    described = server.client().get(f"{API}/openapi.json").json()["paths"]
    return [
        Operation(method.upper(), template, one)
        for template, methods in described.items()
        for method, one in methods.items()
    ]


def reads(server: Server) -> list[Operation]:
    """The GETs."""
    return [one for one in operations(server) if one.method == "GET"]


def edits(server: Server) -> list[Operation]:
    """What changes something."""
    return [one for one in operations(server) if not one.is_safe]


def following(client: httpx.Client, path: str, pages: int = 3) -> Iterator[str]:
    """The second and the next pages of a list, one item each."""
    page = f"{path}?limit=1"
    cursor = client.get(page).json().get("next")
    for _ in range(pages):
        if cursor is None:
            return
        yield f"{page}&cursor={cursor}"
        cursor = client.get(f"{page}&cursor={cursor}").json()["next"]
