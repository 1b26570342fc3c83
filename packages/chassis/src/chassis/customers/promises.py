"""What a description of an API promises about each operation. Pure: a document in, values out.

The page for customers is made of these and of nothing else, so it cannot say otherwise than the
description does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


class Condition(StrEnum):
    """What an edit does with If-Match."""

    REQUIRED = "required"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an operation may answer, and what it means there."""

    status: int
    title: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Promise:
    """One operation: who may, whether it can be polled, whether an edit needs a condition.

    Any of `roles` is enough; there is none where the description does not say.
    """

    method: str
    path: str
    summary: str
    public: bool
    roles: tuple[str, ...]
    polled: bool
    condition: Condition | None
    answers: tuple[Answer, ...]

    @property
    def safe_post(self) -> bool:
        """Whether it is a POST that only reads, and is answered 304 to its own tag."""
        return self.method == "POST" and self.polled

    @property
    def head(self) -> bool:
        """Whether HEAD is answered, too."""
        return self.method == "GET"


@dataclass(frozen=True, slots=True)
class API:
    """One API of a product: its promises, and the path that all of its paths stand under."""

    title: str
    path: str
    promises: tuple[Promise, ...]
    weak: bool
    """Whether all of its tags are weak."""


def api(document: Mapping[str, Any], path: str) -> API:
    """What a document promises of an API that is served at `path`."""
    return API(
        document["info"]["title"],
        path,
        tuple(_promises(document)),
        all(shape.startswith("^W/") for shape in _tags(document)),
    )


def _promises(document: Mapping[str, Any]) -> Iterator[Promise]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield _promise(method.upper(), path, methods[method], document)


def _promise(
    method: str, path: str, described: Mapping[str, Any], document: Mapping[str, Any]
) -> Promise:
    asked = described.get("security", document.get("security", []))
    roles: list[str] = next((one for way in asked for one in way.values()), [])
    fields = {one["name"] for one in described.get("parameters", ()) if one["in"] == "header"}
    condition = None
    if "If-Match" in fields:
        required = "428" in described["responses"]
        condition = Condition.REQUIRED if required else Condition.TAKEN
    said = described.get("description") or described.get("summary") or ""
    return Promise(
        method,
        path,
        said.partition("\n")[0],
        public=asked == [],
        roles=tuple(roles),
        polled="304" in described["responses"],
        condition=condition,
        answers=tuple(_answers(described)),
    )


def _answers(described: Mapping[str, Any]) -> Iterator[Answer]:
    for status in sorted(described["responses"], key=int):
        title = HTTPStatus(int(status)).phrase
        yield Answer(int(status), title, described["responses"][status].get("description", ""))


def _tags(document: Mapping[str, Any]) -> Iterator[str]:
    """The patterns of all ETag fields that are described."""
    for methods in document["paths"].values():
        for method in METHODS:
            for answer in methods.get(method, {}).get("responses", {}).values():
                if "ETag" in answer.get("headers", {}):
                    yield answer["headers"]["ETag"]["schema"].get("pattern", "")
