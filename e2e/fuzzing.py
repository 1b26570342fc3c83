"""Hooks of Schemathesis, which it loads by SCHEMATHESIS_HOOKS: they help it past the doors.

Made-up keys lead to 404 and made-up tags to 412, which are right answers and tell little. So most
requests get the key of something that is there, and its current tag. Each answer is written
down in the file that FUZZING_LOG names.
"""

from __future__ import annotations

import os
import random
from typing import Any

import httpx
import schemathesis

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


FLAG = {
    "type": "boolean",
    "variants": {"on": True, "off": False},
    "default_variant": "off",
    "off_variant": "off",
}
STATE = {"enabled": True, "rules": [], "fallthrough": {"split": {"on": 1, "off": 2}}}
COHERENT = {"/flags": FLAG, "/flags/{key}": FLAG, "/flags/{flag}/environments/{environment}": STATE}
"""Content whose members have to fit each other, which chance does not bring about."""
DELETABLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "/flags/{key}": ("flags", "key", FLAG),
    "/environments/{environment}": ("environments", "environment", {"name": "Spare"}),
}
"""What may be deleted only while nobody has set anything up in it: the list, the parameter, one."""


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: Any) -> None:
    """Most of the time, make it a request for what is there, on its current state."""
    for name in case.path_parameters or ():
        if dice.random() < 0.85 and (known := _known(name)):
            case.path_parameters[name] = dice.choice(known)
    if case.method == "DELETE" and case.operation.path in DELETABLE and dice.random() < 0.5:
        path, name, new = DELETABLE[case.operation.path]
        case.path_parameters[name] = spare = f"spare-{dice.randrange(10**9)}"
        client.post(path, json=new | {"key": spare}).raise_for_status()
    if "Authorization" in case.headers and dice.random() < 0.95:
        case.headers.pop("X-API-Key", None)  # two different keys are a contradiction: 400
    if case.method in ("GET", "HEAD", "OPTIONS"):
        return
    template = case.operation.path
    if case.method in ("POST", "PUT") and template in COHERENT and dice.random() < 0.4:
        case.body, case.media_type = COHERENT[template], "application/json"
        if case.method == "POST":
            case.body = case.body | {"key": f"made-{dice.randrange(10**9)}"}
    if dice.random() < 0.9:
        path = case.formatted_path.removesuffix("/toggle").removesuffix("/revoke")
        tag = client.get(path).headers.get("etag")
        for name in ("If-Match", "If-None-Match"):
            case.headers.pop(name, None)
        if tag is not None:
            case.headers["If-Match"] = tag
        elif case.method == "PUT":
            case.headers["If-None-Match"] = "*"


def _known(name: str) -> list[str]:
    path, member = LISTS[name]
    found = [one[member] for one in client.get(path).json()["items"]]
    if not found and path == "flags":  # all deleted by chance
        client.post(path, json=FLAG | {"key": "again"})
    return found


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Write the answer down."""
    with open(os.environ["FUZZING_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{response.status_code} {case.method} {case.operation.path}\n")
