"""Conformance vectors: what a request to a resource in some state is answered, as data.

The JSON files beside this one are the source, and need no Python. `schema.json` says what a case
is, `clauses.schema.json` what a clause is.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal, NotRequired, TypedDict

_CLAUSES = "clauses.json"


class Representation(TypedDict, total=False):
    """The current representation of the resource."""

    etag: str
    last_modified: str
    last_modified_strong: bool
    content: str
    plain: int
    fields: dict[str, str]


class Settings(TypedDict, total=False):
    """How the resource reads conditions, where that is not the default."""

    comparison: Literal["strict", "state"]
    required: bool
    any_satisfies: bool
    refuse_malformed: bool
    ranges: bool
    safe: bool


class Request(TypedDict):
    """The method, and the field lines as [name, value]."""

    method: str
    fields: list[list[str]]


class Expectation(TypedDict):
    """What the server decides, and what its answer carries."""

    outcome: Literal[
        "perform",
        "not-modified",
        "precondition-failed",
        "precondition-required",
        "malformed",
        "partial",
        "range-not-satisfiable",
    ]
    status: int
    field: str | None
    excused: NotRequired[bool]
    position: NotRequired[int]
    suggestion: NotRequired[str | None]
    ranges: NotRequired[list[list[int]]]
    fields: NotRequired[dict[str, str]]
    absent: NotRequired[list[str]]
    body: NotRequired[str]


class Case(TypedDict):
    """One request to one resource, and its answer; `schema.json` says it all."""

    id: str
    clause: str
    says: str
    given: Representation | None
    policy: NotRequired[Settings]
    now: NotRequired[str]
    http: NotRequired[bool]
    request: Request
    expect: Expectation
    shows: dict[str, Literal["met", "edge"]]


# "for" is a word of Python's own, so that this one cannot be written as a class.
Clause = TypedDict(
    "Clause",
    {
        "id": str,
        "section": str,
        "level": Literal["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "OPTIONAL"],
        "for": str,
        "says": str,
        "status": Literal["supported", "not applicable", "deviation"],
        "why": NotRequired[str],
        "deviation": NotRequired[str],
        "where": list[str],
        "tests": list[str],
    },
)


class MergeExpectation(TypedDict):
    """The document, the clashes by path, and where each side alone made a change."""

    merged: Any
    clashes: list[dict[str, Any]]
    mine: list[str]
    theirs: list[str]


class MergeCase(TypedDict):
    """Two sets of changes to one document; `merge/schema.json` says it all."""

    id: str
    says: str
    base: Any
    mine: Any
    theirs: Any
    whole: NotRequired[list[str]]
    expect: MergeExpectation


def merge_cases() -> list[MergeCase]:
    """The cases of three-way merges.

    >>> merge_cases()[0]["expect"]["merged"]
    {'a': 1}
    """
    found: list[MergeCase] = _read("merge/cases.json")["cases"]
    return found


def cases() -> list[Case]:
    """All cases, file by file in the order of their names, each as its file has it.

    >>> cases()[0]["expect"]["status"]
    304
    """
    return [case for name in _case_files() for case in _read(name)["cases"]]


def clauses() -> list[Clause]:
    """What the RFCs ask for, in the order of their sections.

    >>> clauses()[0]["id"]
    '5.6.1.2-1'
    """
    found: list[Clause] = _read(_CLAUSES)["clauses"]
    return found


def _case_files() -> list[str]:
    names = (entry.name for entry in files(__name__).iterdir())
    return sorted(
        name
        for name in names
        if name.endswith(".json") and name != _CLAUSES and "schema" not in name
    )


def _read(name: str) -> Any:
    return json.loads(files(__name__).joinpath(name).read_text("utf-8"))
