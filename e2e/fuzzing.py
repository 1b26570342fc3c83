"""Hooks of Schemathesis, which it loads by SCHEMATHESIS_HOOKS: they help it past the doors.

Made-up keys lead to 404 and made-up tags to 412, which are right answers and tell little. So most
requests get the key of something that is there, and its current tag, and the first ones to each
operation succeed for certain. Each answer is written down in the file that FUZZING_LOG names.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import httpx
import schemathesis
from schemathesis.core import NOT_SET

from e2e.operations import EDITS, FLAG, JSON, guarding_address

ADDRESS, KEY = os.environ["FUZZING_API"], os.environ["FUZZING_KEY"]
LISTS = {
    "key": ("flags", "key"),
    "flag": ("flags", "key"),
    "environment": ("environments", "key"),
    "project": ("projects", "key"),
    "id": ("keys", "id"),
}
"""The list that knows the values of a parameter of the path, and the member that has them."""

client = httpx.Client(base_url=ADDRESS, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
dice = random.Random()  # noqa: S311 (a test, not a secret)


STATE = {"enabled": True, "rules": [], "fallthrough": {"split": {"on": 1, "off": 2}}}
COHERENT = {"/flags": FLAG, "/flags/{key}": FLAG, "/flags/{flag}/environments/{environment}": STATE}
"""Content whose members have to fit each other, which chance does not bring about."""
DELETABLE = {"/flags/{key}": "key", "/environments/{environment}": "environment"}
"""What may be deleted only while nobody has set anything up in it, and its parameter."""
CERTAIN = 3
"""How many requests to each operation succeed whatever chance does."""
begun: Counter[tuple[str, str]] = Counter()


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: Any) -> None:
    """Most of the time, make it a request for what is there, on its current state."""
    template = case.operation.path
    chained = case.meta is not None and case.meta.phase.name == "stateful"
    makes = case.method == "POST" and not case.path_parameters
    if "Authorization" in case.headers and case.method == case.operation.method.upper():
        begun[case.method, template] += 1
        if begun[case.method, template] <= CERTAIN or (chained and makes):
            _make_certain(case)
            return
    for name in case.path_parameters or ():
        # In a chain a parameter comes from an answer before it; it may have been deleted since.
        if not chained and dice.random() < 0.85 and (known := _known(name)):
            case.path_parameters[name] = dice.choice(known)
    if case.method == "DELETE" and template in DELETABLE and not chained and dice.random() < 0.5:
        case.path_parameters[DELETABLE[template]] = _new(DELETABLE[template])
    if "Authorization" in case.headers and dice.random() < 0.95:
        case.headers.pop("X-API-Key", None)  # two different keys are a contradiction: 400
    if case.method in ("GET", "HEAD", "OPTIONS"):
        return
    if case.method in ("POST", "PUT") and template in COHERENT and dice.random() < 0.4:
        case.body, case.media_type = COHERENT[template], JSON
        if case.method == "POST":
            case.body = case.body | {"key": f"made-{dice.randrange(10**9)}"}
    if dice.random() < 0.9:
        _take_tag(case)


def _make_certain(case: Any) -> None:
    """Make it a request for something new, on its state, with content that it takes."""
    for name in case.path_parameters or ():
        case.path_parameters[name] = _new(name)
    case.query = {}
    case.headers.clear()
    case.headers["Authorization"] = f"Bearer {KEY}"
    case.body = NOT_SET
    if (edit := EDITS.get((case.method, case.operation.path))) is not None:
        case.media_type, case.body = edit
        if "key" in case.body:
            case.body = case.body | {"key": f"sure-{dice.randrange(10**9)}"}
    if case.method != "GET":
        _take_tag(case)


def _take_tag(case: Any) -> None:
    """The condition that holds now."""
    tag = client.get(guarding_address(case.formatted_path)).headers.get("etag")
    for name in ("If-Match", "If-None-Match"):
        case.headers.pop(name, None)
    if tag is not None:
        case.headers["If-Match"] = tag
    elif case.method == "PUT":
        case.headers["If-None-Match"] = "*"


def _known(name: str) -> list[str]:
    path, member = LISTS[name]
    found = [one[member] for one in client.get(path).json()["items"]]
    # All may have been deleted by chance.
    return found or [_new(name)]


def _new(name: str) -> str:
    """Something new that a parameter of the path may lead to; there is one project only."""
    path, member = LISTS[name]
    if path == "projects":
        return "default"
    _, content = EDITS["POST", f"/{path}"] or ({}, {})
    if member == "key":
        content = content | {"key": f"new-{dice.randrange(10**9)}"}
    return str(client.post(path, json=content).raise_for_status().json()[member])


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Write the answer down."""
    with open(os.environ["FUZZING_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{response.status_code} {case.method} {case.operation.path}\n")
