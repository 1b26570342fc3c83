"""Hooks of Schemathesis for the front, as `fuzzing` has them for FlagBit.

Most requests get the id of a record that is there, and often its tag. Each answer is written down.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import httpx
import schemathesis

ADDRESS, KEY = os.environ["FUZZING_API"], os.environ["FUZZING_KEY"]
CERTAIN = 3
"""How many requests to each operation succeed whatever chance does."""
RECORD = {"title": "Dinner", "place": "Lake", "guests": 4, "note": ""}
CONTENT = {
    ("PUT", "/playground/records/{id}"): RECORD,
    ("POST", "/playground/explain"): {"method": "GET", "fields": [["If-None-Match", "*"]]},
}

client = httpx.Client(base_url=ADDRESS, headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
dice = random.Random()  # noqa: S311 (a test, not a secret)
begun: Counter[tuple[str, str]] = Counter()


@schemathesis.hook
def before_call(_context: Any, case: Any, _options: Any) -> None:
    """Most of the time, make it a request for a record that is there, on its current state."""
    operation = (case.method, case.operation.path)
    authorized = "Authorization" in case.headers
    begun[operation] += authorized
    certain = authorized and begun[operation] <= CERTAIN
    if certain:
        case.headers.clear()
        case.headers["Authorization"] = f"Bearer {KEY}"
        if operation in CONTENT:
            case.body, case.media_type = CONTENT[operation], "application/json"
    elif authorized and dice.random() < 0.95:
        case.headers.pop("X-API-Key", None)  # two different keys are a contradiction: 400
    if "id" in (case.path_parameters or {}) and (certain or dice.random() < 0.85):
        record = client.post("/playground/records")
        case.path_parameters["id"] = record.headers["location"].rpartition("/")[2]
        if certain or dice.random() < 0.4:
            case.headers.pop("If-None-Match", None)
            case.headers["If-Match"] = record.headers["etag"]


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Write the answer down."""
    with open(os.environ["FUZZING_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{response.status_code} {case.method} {case.operation.path}\n")
